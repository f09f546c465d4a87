"""The short cut for many alike pages: it ends where the textbook path ends, and gives up on all that is unusual."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mmaplab.constants import MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, O_RDWR, PMD_SIZE, PROT_READ, Madv
from mmaplab.interface import FatalSignal, SegmentationFault
from mmaplab.pte import PAGE_ACCESSED
from mmaplab.sim import Kernel, KernelConfig, invariants
from mmaplab.sim.bulk import touch_tables
from mmaplab.sim.process import Process
from mmaplab.sim.vma import vma_lookup
from tests.sim.conftest import BASE, PAGE

TABLE = PMD_SIZE // PAGE
PAGES = 3 * TABLE
STEPS = st.tuples(
    st.sampled_from(["load", "store", "touch", "hole", "forget", "protect", "unmap", "read", "random", "fork"])
    | st.sampled_from(["mark", "age", "miss"]),
    st.integers(0, PAGES - 1),
    st.sampled_from([1, 3, 16, 200, TABLE, 2 * TABLE]),
)

EMPTIED = (("load", 2 * TABLE, 1), ("forget", 2 * TABLE, 200), ("forget", 2 * TABLE + 200, TABLE - 200))
"""Steps that leave a page table without an entry: one of the last table of the mapping."""


@dataclass(frozen=True)
class Start:
    """How a run begins: the machine, the file and the mapping; then `steps` that make them uneven."""

    profile: str = "modern"
    fault_around: int = 16
    tlb: int = 1536
    made: str = "warm"
    file_pages: int = PAGES
    shift: int = 0
    """The file page that the mapping begins with."""
    at: int = 0
    """The page of the address space that it begins at, counted from the start of a page table."""
    flags: int = MAP_SHARED
    prot: int = 3
    steps: tuple[tuple[str, int, int], ...] = ()


STARTS = st.builds(
    Start,
    profile=st.sampled_from(["modern", "classic", "modern-tmpfs"]),
    fault_around=st.sampled_from([1, 4, 16, 512, 1024]),
    tlb=st.sampled_from([1, 100, TABLE, 1536]),
    made=st.sampled_from(["warm", "cold", "written", "pieces"]),
    file_pages=st.sampled_from([0, 700, 2 * TABLE, PAGES - 1, PAGES, PAGES + 1, 2 * PAGES]),
    shift=st.sampled_from([0, 0, 1, 256, TABLE]),
    at=st.sampled_from([0, 0, 5, 256]),
    flags=st.sampled_from([MAP_SHARED, MAP_PRIVATE, MAP_PRIVATE | MAP_ANONYMOUS]),
    prot=st.sampled_from([0, 1, 3]),
    steps=st.lists(STEPS, max_size=4).map(tuple),
)


def machine(start: Start, record: bool = False) -> tuple[Kernel, Process, int]:
    """Return a kernel in the state that `start` tells of, a process of it, and where its mapping is."""
    config = KernelConfig.named(start.profile)
    kernel = Kernel(replace(config, fault_around_bytes=start.fault_around * PAGE, tlb_entries=start.tlb), record=record)
    make_file(kernel, start)
    p = kernel.spawn()
    fd = -1 if start.flags & MAP_ANONYMOUS else p.open("f", O_RDWR)
    a = BASE + start.at * PAGE
    p.mmap(a, PAGES * PAGE, start.prot, start.flags | MAP_FIXED, fd, 0 if fd < 0 else start.shift * PAGE)
    for step in start.steps:
        attempt(p, a, *step)
    return kernel, p, a


def make_file(kernel: Kernel, start: Start) -> None:
    """Make the file 'f': cached in single pages, not cached, in the folios of one write, or of many."""
    if start.made in ("warm", "cold"):
        kernel.create_file("f", b"f" * PAGE * start.file_pages, warm=start.made == "warm")
        return
    kernel.create_file("f")
    p = kernel.spawn()
    fd = p.open("f", O_RDWR)
    piece = start.file_pages if start.made == "written" else 24
    for first in range(0, start.file_pages, piece or 1):
        p.write(fd, b"w" * PAGE * min(piece, start.file_pages - first))
    p.exit()


def attempt(p: Process, a: int, what: str, first: int, pages: int) -> None:
    """Do one step that makes the mapping uneven; it may fail as on Linux."""
    addr, length = a + first * PAGE, pages * PAGE
    calls: dict[str, Callable[[], object]] = {
        "load": lambda: p.load(addr, length),
        "store": lambda: p.store(addr, b"s" * min(length, 20 * PAGE)),
        "touch": lambda: p.touch(addr & -PMD_SIZE, 2 * PMD_SIZE),
        "hole": lambda: p.madvise(addr, length, Madv.MADV_REMOVE),
        "forget": lambda: p.madvise(addr, length, Madv.MADV_DONTNEED),
        "protect": lambda: p.mprotect(addr, length, first % 4),
        "unmap": lambda: p.munmap(addr, length),
        "read": lambda: p.pread(3, length, first * PAGE),
        "random": lambda: p.madvise(addr, length, Madv.MADV_RANDOM),
        "fork": lambda: p.fork().store(addr, b"c"),
        "mark": lambda: mark(p, addr),
        "age": lambda: age(p, addr, length),
        "miss": lambda: miss(p, first),
    }
    try:
        calls[what]()
    except (OSError, FatalSignal):
        return


def mark(p: Process, addr: int) -> None:
    """Put the readahead mark on the folio behind an address, as a readahead that was just right leaves it."""
    vma = vma_lookup(p.mm, addr)
    if vma is not None and vma.vm_file is not None:
        folio = vma.vm_file.f_inode.i_mapping.i_pages.get(vma.pgoff_of(addr))
        if folio is not None:
            folio.readahead = True


def age(p: Process, addr: int, length: int) -> None:
    """Take the marks of use away, as reclaim does when it looks."""
    for at, pte in list(p.mm.pgd.entries(addr, addr + length)):
        p.mm.pgd.set_pte(at, pte & ~PAGE_ACCESSED)


def miss(p: Process, misses: int) -> None:
    """Let readahead remember so many misses."""
    for file in p.task.files.fds.values():
        file.f_ra.mmap_miss = misses


def state(kernel: Kernel, p: Process) -> dict[str, object]:
    """Return all of a machine that a touch may change."""
    inodes = invariants.inodes(kernel)
    return {
        "entries": [list(process.mm.pgd.entries(0, 1 << 47)) for process in kernel.processes.values()],
        "tables": [process.mm.pgd.tables() for process in kernel.processes.values()],
        "ready": [leaf.ready for _base, leaf in p.mm.pgd.leaves(0, 1 << 47)],
        "frames": [(n, page.refcount, page.mapcount, page.data) for n, page in sorted(kernel.memory.pages.items())],
        "tlb": [list(tlb.entries.items()) for tlb in kernel.machine.tlbs],
        "cpus": (kernel.machine.cpu, p.mm.cpumask, kernel.trace.pid),
        "faults": [process.faults() for process in kernel.processes.values()],
        "rss": p.mm.rss,
        "lru": [(folio.mapping.host.ino, folio.index, folio.referenced) for folio in kernel.sb.s_lru],
        "cache": [
            [(i, f.order, f.uptodate, f.readahead, f.dirty) for i, f in x.i_mapping.i_pages.items()] for x in inodes
        ],
        "readahead": [
            (f.f_ra.start, f.f_ra.size, f.f_ra.mmap_miss, f.f_ra.prev_pos) for f in p.task.files.fds.values()
        ],
    }


def outcome(call: Callable[[], object]) -> object:
    """Return the signal that a call ended with, or None."""
    try:
        call()
    except FatalSignal as signal:
        return signal
    return None


@settings(max_examples=120, deadline=None)
@given(start=STARTS, first=st.integers(-3, TABLE), pages=st.sampled_from([1, TABLE, TABLE + 7, 2 * TABLE, PAGES]))
@example(Start(), 0, PAGES)
@example(Start(made="written", file_pages=PAGES + 1), 0, PAGES)
@example(Start(made="written", file_pages=PAGES), 0, PAGES)
@example(Start(made="written", file_pages=PAGES, steps=EMPTIED), 0, PAGES)
@example(Start(steps=(("mark", 700, 1),)), 0, PAGES)
@example(Start(steps=(("miss", 1000, 1),)), 0, PAGES)
@example(Start(tlb=600, steps=(("load", 0, TABLE),)), TABLE, 2 * TABLE)
@example(Start(steps=(("touch", 0, 1), ("age", 30, 1))), 0, PAGES)
@example(Start(steps=(("touch", 0, 1), ("store", 5, 3))), 0, PAGES)
@example(Start(flags=MAP_PRIVATE | MAP_ANONYMOUS, steps=(("load", 0, TABLE),)), 0, PAGES)
def test_touch_ends_where_single_loads_end(start: Start, first: int, pages: int) -> None:
    bulk, p, a = machine(start)
    single, q, b = machine(start)
    assert a == b
    addresses = range(a + first * PAGE, a + (first + pages) * PAGE, PAGE)
    assert outcome(lambda: p.touch(addresses.start, len(addresses) * PAGE)) == outcome(
        lambda: [q.load(addr) for addr in addresses]
    )
    ours, theirs = state(bulk, p), state(single, q)
    for part, value in theirs.items():
        assert ours[part] == value, part
    assert invariants.broken(bulk) == []


def done(start: Start, record: bool = False) -> int:
    """Return how many page tables the short cut does at once, of the three."""
    _kernel, p, a = machine(start, record)
    return touch_tables(p.task, a, a + PAGES * PAGE) // PMD_SIZE


@pytest.mark.parametrize(
    "start",
    [
        Start(),
        Start(prot=1, flags=MAP_PRIVATE),
        Start(profile="classic"),
        Start(profile="modern-tmpfs"),
        Start(made="written", file_pages=PAGES + TABLE),
        Start(shift=TABLE, file_pages=PAGES + TABLE),
    ],
    ids=str,
)
def test_tables_of_alike_pages_are_done_at_once(start: Start) -> None:
    assert done(start) == 3


def test_a_second_touch_is_done_at_once_whatever_the_memory_is() -> None:
    for flags in (MAP_SHARED, MAP_PRIVATE, MAP_PRIVATE | MAP_ANONYMOUS):
        start = Start(flags=flags, tlb=1, steps=(("load", 0, TABLE), ("load", TABLE, 2 * TABLE)))
        _kernel, p, a = machine(start)
        assert touch_tables(p.task, a, a + 2 * PMD_SIZE) == 2 * PMD_SIZE


@pytest.mark.parametrize(
    "start",
    [
        Start(made="cold"),
        Start(fault_around=1),
        Start(fault_around=1024),
        Start(prot=0),
        Start(flags=MAP_PRIVATE | MAP_ANONYMOUS),
        Start(at=1),
        Start(file_pages=TABLE - 1),
        Start(made="written", file_pages=TABLE),
        Start(steps=(("store", 7, 1),)),
        Start(steps=(("unmap", 500, 1),)),
        Start(steps=(("load", 3, 1),)),
        Start(steps=(("mark", 3, 1),)),
    ],
    ids=str,
)
def test_it_gives_up_on_the_unusual(start: Start) -> None:
    assert done(start) == 0


def test_it_gives_up_where_somebody_watches() -> None:
    assert done(Start(), record=True) == 0
    kernel = Kernel(record=False, find_vma=lambda mm, addr: mm.mm_mt.find(addr))
    kernel.create_file("f", b"f" * PMD_SIZE, warm=True)
    p = kernel.spawn()
    a = p.mmap(BASE, PMD_SIZE, PROT_READ, MAP_SHARED | MAP_FIXED, p.open("f"))
    assert touch_tables(p.task, a, a + PMD_SIZE) == 0


def test_a_recorded_touch_is_a_row_of_loads() -> None:
    kernel, p, a = machine(Start(), record=True)
    kernel.trace.clear()
    p.touch(a, 40 * PAGE)
    touched = [record.event for record in kernel.trace.records if record.depth == 0]
    other, q, b = machine(Start(), record=True)
    other.trace.clear()
    for page in range(40):
        q.load(b + page * PAGE)
    assert touched == [record.event for record in other.trace.records if record.depth == 0]


def test_touch_answers_for_what_it_cannot_do() -> None:
    _kernel, p, a = machine(Start(tlb=1))
    with pytest.raises(SegmentationFault) as caught:
        p.touch(a, PAGES * PAGE + 1)
    assert caught.value.si_addr == a + PAGES * PAGE
    with pytest.raises(ValueError, match="step"):
        p.touch(a, 1, 0)
    with pytest.raises(ValueError, match="range"):
        p.touch(2**64 - PAGE, 2 * PAGE)
    with pytest.raises(SegmentationFault) as caught:
        p.touch(a + 2**48, PMD_SIZE)
    assert caught.value.si_addr == 0, "an address that does not exist, whatever its lower bits are"
    p.exit()
    with pytest.raises(ProcessLookupError):
        p.touch(a, PAGE)


def test_only_an_empty_unrecorded_table_is_filled_at_once() -> None:
    kernel, p, a = machine(Start())
    page = kernel.memory.alloc_page("cache")
    p.load(a)
    with pytest.raises(RuntimeError, match="not empty"):
        p.mm.pgd.fill_leaf(a, [page] * TABLE, 0)
