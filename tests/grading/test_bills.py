"""What a master predicts is what happens: the lines of its task are run as they stand there, and give its numbers.

The solutions of bills are numbers, worked out on paper, as a learner does. Here each is measured on the simulator,
and the calls are made beside the live kernel, too, where they are calls.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import pytest

from mmaplab import constants, ledger
from mmaplab.fuzz.compare import run_python
from mmaplab.fuzz.pair import Pair
from mmaplab.fuzz.writer import FileData
from mmaplab.interface import FatalSignal, Process
from mmaplab.outcomes import crash_outcomes
from mmaplab.sim import Kernel, KernelConfig
from tests.rules.conftest import pair_on

from .helpers import MASTERS, cell_named, notebook, solutions

PAGE = constants.PAGE_SIZE
RW = constants.PROT_READ | constants.PROT_WRITE
OURS = constants.MAP_PRIVATE | constants.MAP_ANONYMOUS
FIXED = constants.MAP_FIXED
SHARED = constants.MAP_SHARED
START = 0x10000000
FILE = "f0"
"""The file of each task; the pair of kernels removes files of such names."""
NAMES = {**vars(constants), "PAGE": PAGE, "RW": RW, "OURS": OURS}
"""What the lines of a task may use, beside what its text introduces."""
LINE = re.compile(r"(?:\| )?(\d+) (?:\| | *)(.+)")
Names = dict[str, object]


def lines(key: str) -> list[list[str]]:
    """Return the pieces of code in each numbered line of a task, in order."""
    task = "".join(cell_named(master_of(key), f"{key}-task")["source"])
    rows = [match for match in map(LINE.fullmatch, task.splitlines()) if match]
    found = [re.findall(r"`([^`]+)`", text) or [text] for _, text in (row.groups() for row in rows)]
    first = int(rows[0][1])
    assert [int(row[1]) for row in rows] == list(range(first, first + len(rows)))
    return found


def master_of(key: str) -> dict:
    """Return the master that has a question."""
    return next(book for book in map(notebook, MASTERS) if any(cell["id"] == key for cell in book["cells"]))


def stated(key: str) -> Names:
    """Return the names that the master's solution binds."""
    path = next(path for path in MASTERS if any(cell["id"] == key for cell in notebook(path)["cells"]))
    names: Names = {"PAGE": PAGE}
    exec(solutions(path)[key], names)
    return names


def done(code: str, names: Names) -> object:
    """Run a line of a task; return its value, or the error or signal that ended it."""
    try:
        return eval(code, NAMES, names) if not re.match(r"\w+ = ", code) else exec(code, NAMES, names)
    except (OSError, FatalSignal) as error:
        return error


# ---------------------------------------------------------------- what the tasks' texts set up


def letter(p: Process) -> Names:
    return {"p": p, "fd": p.open(FILE, constants.O_RDWR)}


def space(p: Process) -> Names:
    a = p.mmap(START, 4 * PAGE, RW, OURS | FIXED)
    p.store(a, b"-")
    return {"p": p, "a": a, "t": p.clone_thread(), "c": p.fork()}


def birth(p: Process) -> Names:
    return {"p": p, "one": p.open(FILE, constants.O_RDWR), "two": p.open(FILE, constants.O_RDWR), "a": START}


def fault(p: Process) -> Names:
    return {"p": p, "a": p.mmap(START, 32 * PAGE, RW, SHARED | FIXED, p.open(FILE, constants.O_RDWR))}


def hops(p: Process) -> Names:
    fd = p.open(FILE, constants.O_RDWR)
    a = p.mmap(0, 9 * PAGE, constants.PROT_READ, SHARED, fd)
    v = p.mmap(0, PAGE, RW, constants.MAP_PRIVATE, fd)
    return {"p": p, "fd": fd, "a": a, "v": v, "s": p.mmap(0, PAGE, RW, SHARED, fd, PAGE)}


def share(p: Process) -> Names:
    s = p.mmap(0, 4 * PAGE, RW, SHARED | constants.MAP_ANONYMOUS)
    out, back = p.pipe()
    child = p.fork()
    f = p.mmap(0, 2 * PAGE, RW, SHARED, p.open(FILE, constants.O_RDWR))
    message = bytes(range(256)) * 48
    return {
        "p": p,
        "child": child,
        "s": s,
        "f": f,
        "out": out,
        "back": back,
        "message": message,
        "other": message[::-1],
    }


@dataclass(frozen=True)
class Bill:
    """A task whose lines are calls, one after the other."""

    setup: Callable[[Process], Names]
    length: int = 0
    warm: bool = True
    config: KernelConfig = field(default_factory=KernelConfig)

    def run(self, key: str, p: Process, after: Callable[[Names], None] = lambda names: None) -> Names:
        """Run the lines of the task for a process; `after` is called after each."""
        names = self.setup(p)
        after(names)
        for code, *_ in lines(key):
            done(code, names)
            after(names)
        return names


BILLS = {
    "letter-bill": Bill(letter, 100),
    "space-bill": Bill(space),
    "birth-bill": Bill(birth, 16 * PAGE),
    "fault-bill": Bill(fault, 32 * PAGE),
    "hops-bill": Bill(hops, 9 * PAGE, warm=False, config=KernelConfig(ra_pages=0, fault_around_bytes=PAGE)),
    "share-bill": Bill(share, 2 * PAGE),
}


class Measured:
    """A bill that was run on a simulated kernel: `steps` are its lines' records, `names` what they bound."""

    def __init__(self, key: str) -> None:
        bill = BILLS[key]
        self.kernel = Kernel(bill.config)
        self.kernel.create_file(FILE, FileData(bill.length).bytes(), warm=bill.warm)
        self.areas: list[int] = []
        ends: list[int] = []

        def after(names: Names) -> None:
            ends.append(len(self.kernel.trace.records))
            self.areas.append(len(names["p"].maps()))

        self.names = bill.run(key, self.kernel.spawn(), after)
        records = self.kernel.trace.records
        self.steps = [records[begin:end] for begin, end in pairwise(ends)]
        assert len(self.steps) == len(lines(key)) >= 6

    def faults(self) -> list[int]:
        counts = [ledger.faults(step) for step in self.steps]
        return [count.minor + count.major for count in counts]

    def processor(self) -> list[int]:
        return [ledger.bill_of(step).cpu_bytes for step in self.steps]

    def device(self) -> list[int]:
        return [ledger.bill_of(step).device_bytes for step in self.steps]


# ---------------------------------------------------------------- each master's numbers


def test_01_what_a_store_and_a_read_cost() -> None:
    ran, said = Measured("letter-bill"), stated("letter-bill")
    assert (ran.processor(), ran.faults()) == (said["copied"], said["faults"])
    assert len(ran.kernel.file_bytes(FILE)) == said["size"]


def test_02_what_two_address_spaces_have() -> None:
    ran, said = Measured("space-bill"), stated("space-bill")
    p, t, c, a = (ran.names[name] for name in ("p", "t", "c", "a"))
    maps = [each.maps() for each in (p, t, c)]
    assert [sum(area.end - area.start for area in areas) // PAGE for areas in maps] == said["covered"]
    assert [len(areas) for areas in maps] == said["areas"]
    assert [p.load(a), c.load(a), p.load(a + PAGE)] == said["seen"]


def test_03_how_many_areas_there_are_after_each_call() -> None:
    ran, said = Measured("birth-bill"), stated("birth-bill")
    assert ran.areas[1:] == said["areas"]
    fourth = next(area for area in ran.names["p"].maps() if area.start <= START + 3 * PAGE < area.end)
    assert fourth.perms == said["rights"]
    assert sum(ledger.entries_set(step) for step in ran.steps) == said["entries"]


def test_05_what_six_accesses_cost() -> None:
    ran, said = Measured("fault-bill"), stated("fault-bill")
    assert ran.faults() == said["faults"]
    assert sum(ran.processor()) == said["copied"]


def test_08_who_moves_how_many_bytes() -> None:
    ran, said = Measured("hops-bill"), stated("hops-bill")
    assert (ran.device(), ran.processor()) == (said["device"], said["processor"])


def test_11_what_a_message_and_a_record_cost() -> None:
    ran, said = Measured("share-bill"), stated("share-bill")
    assert (ran.faults(), ran.processor()) == (said["faults"], said["copied"])


def promises(p: Process) -> list[object]:
    """Make the seven calls of 04; return how each ended."""
    ends = []
    for mode, call in lines("tie-bill"):
        ends.append(done(call, {"p": p, "fd": p.open(FILE, NAMES[mode])}))
    return ends


def test_04_what_the_open_mode_allows() -> None:
    with Kernel() as kernel:
        kernel.create_file(FILE, bytes(4 * PAGE), warm=True)
        assert [end_of(end, "granted") for end in promises(kernel.spawn())] == stated("tie-bill")["granted"]


def test_04_how_many_use_the_open_file() -> None:
    with Kernel() as kernel:
        kernel.create_file(FILE, bytes(4 * PAGE), warm=True)
        p = kernel.spawn()
        fd = p.open(FILE)
        a = p.mmap(0, 3 * PAGE, constants.PROT_READ, SHARED, fd)
        p.munmap(a + PAGE, PAGE)
        p.fork()
        p.close(fd)
        assert p.mm.areas[0].vm_file.f_count == stated("tie-bill")["users"]


def edges(p: Process) -> list[object]:
    """Make the ten calls of 10, each with mappings of its own; return how each ended."""
    ends, read = [], constants.PROT_READ
    for number, (call, *_) in enumerate(lines("edge-tree"), 1):
        fd = p.open(FILE, constants.O_RDWR)
        a = p.mmap(0, 3 * PAGE, read, SHARED, fd)
        b, c = (p.mmap(0, PAGE, rights, OURS) for rights in (constants.PROT_WRITE, constants.PROT_NONE))
        if number == 9:
            p.munmap(a, 1)
        ends.append(done(call, {"p": p, "fd": fd, "a": a, "b": b, "c": c}))
    return ends


def end_of(result: object, well: str) -> str:
    """Return how a call ended, in the words of the tasks."""
    if isinstance(result, OSError):
        return errno.errorcode[result.errno or 0]
    return result.code_name if isinstance(result, FatalSignal) else well


def test_10_where_each_call_ends() -> None:
    with Kernel() as kernel:
        kernel.create_file(FILE, FileData(5000).bytes(), warm=True)
        assert [end_of(end, "works") for end in edges(kernel.spawn())] == stated("edge-tree")["ends"]


def test_06_which_lines_copy_a_page() -> None:
    kernel = Kernel()
    p = kernel.spawn()
    a = p.mmap(START, 4 * PAGE, RW, OURS | FIXED)
    family = {"p": p}

    def store(who: str, *pages: int) -> None:
        for page in pages:
            family[who].store(a + page * PAGE, who.encode())

    steps = [
        lambda: store("p", 0, 1, 2),
        lambda: family.update(c=p.fork()),
        lambda: store("c", 0),
        lambda: store("p", 0),
        lambda: store("p", 1),
        lambda: family.update(d=family["c"].fork()),
        lambda: store("c", 0),
        lambda: store("d", 3),
        lambda: store("p", 1),
    ]
    copied = []
    for step in steps:
        begin = len(kernel.trace.records)
        step()
        copied.append(ledger.bill_of(kernel.trace.records[begin:]).cpu_bytes // PAGE)
    assert copied == stated("own-bill")["copies"]
    assert [code for code, *_ in lines("own-bill")][1::4] == ["c = p.fork()", "d = c.fork()"]


def saver(*steps: Callable[[Process, int], object], flags: int = SHARED) -> Callable[[Process], None]:
    """Return a program that maps the file and takes these steps."""

    def program(p: Process) -> None:
        a = p.mmap(0, 2 * PAGE, RW, flags, p.open(FILE, constants.O_RDWR))
        for step in steps:
            step(p, a)

    return program


def put(text: bytes, page: int) -> Callable[[Process, int], object]:
    return lambda p, a: p.store(a + page * PAGE, text)


def sync(first: int, pages: int, flags: int = constants.MS_SYNC) -> Callable[[Process, int], object]:
    return lambda p, a: p.msync(a + first * PAGE, pages * PAGE, flags)


SAVERS = [
    saver(put(b"A", 0), put(b"B", 1)),
    saver(put(b"A", 0), lambda p, a: p.munmap(a, 2 * PAGE)),
    saver(put(b"A", 0), sync(0, 1), put(b"B", 1)),
    saver(put(b"A", 0), sync(0, 2, constants.MS_ASYNC), put(b"B", 1)),
    saver(put(b"A", 0), put(b"a", 0)),
    saver(put(b"A", 0), put(b"B", 1), sync(0, 2), flags=constants.MAP_PRIVATE),
    saver(put(b"A", 0), put(b"B", 1), sync(1, 1)),
]


def test_07_what_a_crash_may_leave() -> None:
    left = [crash_outcomes(program, {FILE: b"-" * 2 * PAGE}) for program in SAVERS]
    assert len(left) == len(lines("safe-bill"))
    assert [len(outcomes) for outcomes in left] == stated("safe-bill")["contents"]
    assert len(left[6].after("msync")) == stated("safe-bill")["after_msync"]


def reader(pages: int, at_once: int = 1, step: int = 1) -> Callable[[Process, int], None]:
    """Return a program that reads pages, so many a call."""

    def program(p: Process, fd: int) -> None:
        for page in range(0, pages, at_once * step):
            p.pread(fd, at_once * PAGE, page * PAGE)

    return program


def mapper(*pages: int, passes: int = 1) -> Callable[[Process, int], None]:
    """Return a program that maps the file, loads a byte of each of these pages, and unmaps it."""

    def program(p: Process, fd: int) -> None:
        a = p.mmap(START, 64 * PAGE, constants.PROT_READ, SHARED | FIXED, fd)
        for page in pages * passes:
            p.load(a + page * PAGE)
        p.munmap(a, 64 * PAGE)

    return program


PRICED = [
    reader(64, at_once=16),
    reader(64),
    mapper(*range(64)),
    mapper(*range(64), passes=3),
    reader(64, step=20),
    mapper(0, 20, 40, 60),
    mapper(32, 33, 40, 47),
]


def test_09_what_seven_programs_cost() -> None:
    costs = []
    for program in PRICED:
        kernel = Kernel()
        kernel.create_file(FILE, bytes(64 * PAGE), warm=True)
        p = kernel.spawn()
        fd = p.open(FILE)
        begin = len(kernel.trace.records)
        program(p, fd)
        bill = ledger.bill_of(kernel.trace.records[begin:])
        costs.append(bill.syscalls + 2 * bill.cpu_bytes // PAGE + 12 * (bill.minor + bill.major))
    assert len(costs) == len(lines("price-bill"))
    assert costs == stated("price-bill")["bills"]


def test_no_bill_is_left_out() -> None:
    asked = {
        cell["id"] for master in map(notebook, MASTERS) for cell in master["cells"] if cell["id"].endswith("-bill")
    }
    assert asked == {*BILLS, "tie-bill", "own-bill", "safe-bill", "price-bill"}


# ---------------------------------------------------------------- and on Linux


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """A live kernel with its simulators."""
    yield from pair_on("ext4")


LIVE = {  # the bill of 02 has a thread, which a live process here has not
    **{key: (bill.length, bill.warm, partial(bill.run, key)) for key, bill in BILLS.items() if key != "space-bill"},
    "tie-bill": (4 * PAGE, True, promises),
    "edge-tree": (5000, True, edges),
}


@pytest.mark.live
@pytest.mark.parametrize("key", LIVE)
def test_linux_does_what_was_measured(pair: Pair, key: str) -> None:
    length, warm, program = LIVE[key]
    run = run_python(program, pair, {FILE: FileData(length)} if length else {}, warm)
    assert run.difference is None, str(run.difference)
    assert len(run.steps) >= len(lines(key))
