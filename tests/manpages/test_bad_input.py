"""Arguments of any kind: a clear error that names the value, or Linux's errno; and the kernel works on afterwards."""

from __future__ import annotations

import inspect
import re
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from mmaplab import interface
from mmaplab.constants import (
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_NORESERVE,
    MAP_PRIVATE,
    MAP_SHARED,
    O_CREAT,
    O_RDWR,
    PROT_READ,
    PROT_WRITE,
    TASK_SIZE,
    Madv,
    Map,
    Mremap,
    Ms,
    Open,
    Prot,
    Rlimit,
)
from mmaplab.interface import FatalSignal
from mmaplab.sim import Kernel, KernelConfig, invariants
from mmaplab.sim.arguments import TooLarge
from mmaplab.sim.pipe import WouldBlock
from mmaplab.sim.process import Process
from tests.manpages.table import PAGE, RW, anon, filled

HIGH = 0x7000_0000_0000
EXPECTED = (OSError, FatalSignal, TypeError, ValueError, WouldBlock)
"""How a call may fail. TypeError and ValueError are for what no C program could say."""

# ---------------------------------------------------------------- one by one

WRONG: list[tuple[str, tuple[object, ...], type[Exception], str]] = [
    ("open", (b"f",), TypeError, "b'f'"),
    ("open", (7,), TypeError, "7"),
    ("open", ("f", "r"), TypeError, "'r'"),
    ("open", ("f", 0, 0.5), TypeError, "0.5"),
    ("open", ("a\0b",), ValueError, "a\\x00b"),
    ("open", ("\ud800",), ValueError, "ud800"),
    ("close", ("3",), TypeError, "'3'"),
    ("dup", (None,), TypeError, "None"),
    ("memfd_create", (None,), TypeError, "None"),
    ("read", (3, -1), ValueError, "-1"),
    ("read", (3, 2**64), ValueError, str(2**64)),
    ("read", (3, 1.0), TypeError, "1.0"),
    ("write", (3, "text"), TypeError, "'text'"),
    ("write", (3, 5), TypeError, "5"),
    ("pread", (3, 1, 2**63), ValueError, str(2**63)),
    ("pread", (3, True, 0), TypeError, "True"),
    ("pwrite", (3, b"x", None), TypeError, "None"),
    ("lseek", (3, "0"), TypeError, "'0'"),
    ("lseek", (3, 0, "SEEK_SET"), TypeError, "'SEEK_SET'"),
    ("lseek", (3, -(2**63) - 1), ValueError, str(-(2**63) - 1)),
    ("ftruncate", (3, 1.5), TypeError, "1.5"),
    ("fsync", ([],), TypeError, "[]"),
    ("unlink", (None,), TypeError, "None"),
    ("mmap", (-1, PAGE, 1, 2), ValueError, "-1"),
    ("mmap", (None, PAGE, 1, 2), TypeError, "None"),
    ("mmap", (0, PAGE, "r", 2), TypeError, "'r'"),
    ("mmap", (0, PAGE, 1, 0x22, -1, 0.0), TypeError, "0.0"),
    ("mmap", (0, -PAGE, 1, 0x22), ValueError, str(-PAGE)),
    ("munmap", (0, -1), ValueError, "-1"),
    ("mprotect", (0, PAGE, None), TypeError, "None"),
    ("mremap", (0, PAGE, PAGE, "x"), TypeError, "'x'"),
    ("mremap", (0, PAGE, PAGE, 0, -1), ValueError, "-1"),
    ("msync", (0, PAGE, 1j), TypeError, "1j"),
    ("madvise", (0, PAGE, "MADV_COLD"), TypeError, "'MADV_COLD'"),
    ("mincore", (0, 2**64), ValueError, str(2**64)),
    ("mlock", ("here", PAGE), TypeError, "'here'"),
    ("brk", (-1,), ValueError, "-1"),
    ("setrlimit", (9, -1), ValueError, "-1"),
    ("load", (0, -1), ValueError, "-1"),
    ("load", (2**64,), ValueError, str(2**64)),
    ("store", (0, "x"), TypeError, "'x'"),
    ("execute", (None,), TypeError, "None"),
    ("exit", ("now",), TypeError, "'now'"),
]


@pytest.mark.parametrize(("call", "args", "kind", "value"), WRONG, ids=lambda part: str(part)[:30])
def test_a_wrong_argument_is_named(call: str, args: tuple[object, ...], kind: type[Exception], value: str) -> None:
    kernel = Kernel(check=invariants.check)
    kernel.create_file("f", b"data")
    p = kernel.spawn()
    p.open("f", O_RDWR)
    with pytest.raises(kind) as caught:
        getattr(p, call)(*args)
    assert type(caught.value) is kind
    assert value in str(caught.value)
    assert kernel.trace.depth == 0
    assert p.pread(3, 4, 0) == b"data"


def test_a_call_after_exit_says_so() -> None:
    p = Kernel().spawn()
    p.exit()
    for call in (lambda: p.brk(0), lambda: p.load(0), p.maps, p.faults, p.fork, p.pipe):
        with pytest.raises(ProcessLookupError, match="exited"):
            call()


@pytest.mark.parametrize("ends", ["read", "write"])
def test_a_call_that_would_wait_for_ever_says_so(ends: str) -> None:
    """Linux would let the process sleep; here nobody else could wake it."""
    kernel = Kernel(check=invariants.check)
    p = kernel.spawn()
    read_end, write_end = p.pipe()
    with pytest.raises(WouldBlock, match="for ever"):
        p.read(read_end, 1) if ends == "read" else p.write(write_end, bytes(65537))
    assert kernel.trace.depth == 0
    assert p.read(read_end, 9) == bytes(9) if ends == "write" else p.write(write_end, b"x") == 1


def test_failed_shared_memory_leaves_no_file_behind() -> None:
    kernel = Kernel()
    p = kernel.spawn()
    before = len(kernel.files.tmpfs.s_inodes)
    with pytest.raises(OSError, match="multiple of the page size"):
        p.mmap(PAGE + 1, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED)
    assert len(kernel.files.tmpfs.s_inodes) == before
    p.munmap(anon(p, flags=MAP_SHARED | MAP_ANONYMOUS), 4 * PAGE)
    assert len(kernel.files.tmpfs.s_inodes) == before


def test_a_hole_is_found_at_once_in_a_huge_file() -> None:
    """SEEK_DATA looks at the pages that have data, not at each that has none."""
    p = Kernel().spawn()
    fd = p.open("huge", 0o100 | O_RDWR)
    p.ftruncate(fd, 1 << 43)
    p.pwrite(fd, b"x", 1 << 42)
    assert p.lseek(fd, 0, 3) == 1 << 42
    assert p.lseek(fd, 1 << 42, 4) == (1 << 42) + PAGE


TIB = 1 << 40
HUGE_CALLS: dict[str, tuple[Callable[[Process, int], object], str]] = {
    "mincore": (lambda p, a: p.mincore(a, 16 * TIB), "TooLarge"),
    "mlock": (lambda p, a: p.mlock(a, 16 * TIB), "TooLarge"),
    "guards": (lambda p, a: p.madvise(a, 16 * TIB, Madv.MADV_GUARD_INSTALL), "TooLarge"),
    "populate": (lambda p, a: p.madvise(a, 16 * TIB, Madv.MADV_POPULATE_READ), "TooLarge"),
    "msync": (lambda p, a: p.msync(a, 16 * TIB, 4), "None"),
    "DONTNEED": (lambda p, a: p.madvise(a, 16 * TIB, Madv.MADV_DONTNEED), "None"),
    "mprotect": (lambda p, a: p.mprotect(a, 16 * TIB, PROT_READ), "None"),
    "munlock": (lambda p, a: p.munlock(a, 16 * TIB), "None"),
    "fork": (lambda p, a: p.fork().exit(), "None"),
    "munmap": (lambda p, a: p.munmap(a, 16 * TIB), "None"),
}
"""What is done about 16 TiB, of which a page is used; and how it ends."""


@pytest.mark.parametrize("name", HUGE_CALLS)
def test_a_call_about_a_huge_range_takes_no_time(name: str) -> None:
    """It looks at what there is; or it says that it would have to do something for each page."""
    call, end = HUGE_CALLS[name]
    kernel = Kernel(check=invariants.check)
    p = kernel.spawn()
    a = p.mmap(HIGH & -(1 << 44), 16 * TIB, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)
    p.store(a + 5 * PAGE, b"x")
    begin = time.process_time()
    try:
        assert str(call(p, a)) == end
    except TooLarge as error:
        assert end == "TooLarge" and re.search(r"[\d,]+ pages, one by one", str(error))
    assert time.process_time() - begin < 2
    assert kernel.trace.depth == 0
    assert p.load(p.mmap(0, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS)) == b"\0"


def test_a_hole_of_a_quarter_of_a_tebibyte_is_punched_at_once() -> None:
    for file_system in ("ext4", "tmpfs"):
        kernel = Kernel(KernelConfig(file_system=file_system), check=invariants.check)
        p = kernel.spawn()
        fd = p.open("huge", O_CREAT | O_RDWR)
        p.ftruncate(fd, TIB)
        p.pwrite(fd, b"a" * 2 * PAGE, 7 * PAGE)
        a = p.mmap(0, TIB // 4, RW, MAP_SHARED, fd)
        p.fsync(fd)
        begin = time.process_time()
        p.madvise(a + 8 * PAGE, TIB // 4 - 8 * PAGE, Madv.MADV_REMOVE)
        assert time.process_time() - begin < 2
        assert p.pread(fd, 2, 8 * PAGE - 1) == b"a\0"
        with pytest.raises(TooLarge, match="'huge' is about 268,435,456 pages"):
            kernel.file_bytes("huge")


# ---------------------------------------------------------------- anything to anything

ODD = st.sampled_from(
    [None, "", "f", b"", b"x", 1.5, True, [], (), object, -1, -(2**63), 2**63, 2**64, 2**64 - 1, 2**200]
)
NUMBERS = st.sampled_from([0, 1, 3, 4, 5, 77, 511, 512, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, 5 * PAGE, 2**48, 2**63 - 1])
PLACES = st.sampled_from([0, 1, PAGE, HIGH, HIGH + 1, HIGH + PAGE, HIGH + 2 * PAGE, HIGH + 40 * PAGE, TASK_SIZE - PAGE])
FLAGS = st.sampled_from([*Map, *Prot, *Ms, *Madv, *Mremap, *Open, *Rlimit, 0, 1 << 25, MAP_PRIVATE | MAP_ANONYMOUS]) | (
    st.lists(st.sampled_from(list(Map)), min_size=2, max_size=4).map(lambda flags: sum(set(flags)))
)
NAMES = st.sampled_from(["f", "g", "new", "", ".", "a/b", "n" * 256, "n\0", "\ud800"])
ANYTHING = ODD | NUMBERS | PLACES | FLAGS | NAMES | st.binary(max_size=40)
SENSIBLE: dict[str, st.SearchStrategy[object]] = {
    "addr": PLACES, "old_address": PLACES, "new_address": PLACES, "length": NUMBERS, "old_size": NUMBERS, "n": NUMBERS,
    "new_size": NUMBERS, "offset": NUMBERS, "fd": st.integers(3, 7), "path": NAMES, "name": NAMES, "limit": NUMBERS,
    "data": st.binary(max_size=40), "flags": FLAGS, "prot": st.integers(0, 8), "advice": st.sampled_from(list(Madv)),
    "resource": st.integers(0, 16), "whence": st.integers(0, 5), "status": NUMBERS, "mode": NUMBERS,
}  # fmt: skip
CALLS = sorted(
    name for name, call in vars(interface.Process).items() if not name.startswith("_") and inspect.isfunction(call)
)
PARAMETERS = {name: list(inspect.signature(getattr(Process, name)).parameters)[1:] for name in CALLS}


def arguments(call: str) -> st.SearchStrategy[tuple[object, ...]]:
    """Draw arguments for a call: mostly such as fit, now and then anything."""
    usual = [SENSIBLE.get(name, NUMBERS) for name in PARAMETERS[call]]
    return st.tuples(*(values | values | ANYTHING for values in usual))


CALL_AND_ARGUMENTS = st.sampled_from(CALLS).flatmap(lambda call: st.tuples(st.just(call), arguments(call)))


class AnyInput(RuleBasedStateMachine):
    """Any call of any process with any arguments; the invariants and the spans are checked after each."""

    @initialize(file_system=st.sampled_from(["ext4", "tmpfs"]), pages=st.sampled_from([None, 60]))
    def start(self, file_system: str, pages: int | None) -> None:
        config = KernelConfig(file_system=file_system, memory_pages=pages, max_map_count=12)
        self.kernel = Kernel(config, check=invariants.check)
        self.kernel.create_file("f", b"A" * 9000, warm=True)
        p = self.kernel.spawn()
        p.open("f", O_RDWR)
        p.mmap(HIGH, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)
        p.mmap(HIGH + 40 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, 3)

    @rule(which=st.integers(0, 2), calls=st.lists(CALL_AND_ARGUMENTS, min_size=1, max_size=8))
    def calls(self, which: int, calls: list[tuple[str, tuple[object, ...]]]) -> None:
        for made in calls:
            self.call(which, made)

    def call(self, which: int, made: tuple[str, tuple[object, ...]]) -> None:
        living = list(self.kernel.processes.values())
        p = living[which % len(living)] if living else self.kernel.spawn()
        name, args = made
        if name == "fork" and len(living) > 3:
            return
        self.ends_well(lambda: getattr(p, name)(*args))

    @rule(name=NAMES | ODD, data=st.binary(max_size=9) | ODD, warm=st.booleans())
    def file_is_made(self, name: object, data: object, warm: bool) -> None:
        self.ends_well(lambda: self.kernel.create_file(name, data, warm))  # type: ignore[arg-type]

    @rule(name=NAMES | ODD, what=st.sampled_from(["drop_caches", "disk_bytes"]))
    def file_is_asked_for(self, name: object, what: str) -> None:
        self.ends_well(lambda: getattr(self.kernel, what)(name))

    @rule(seconds=st.sampled_from([0, 1, 31, -1, "1", None, float("nan")]))
    def time_passes(self, seconds: object) -> None:
        self.ends_well(lambda: self.kernel.tick(seconds))  # type: ignore[arg-type]

    def ends_well(self, call: Callable[[], object]) -> None:
        try:
            call()
        except EXPECTED as error:
            assert str(error), "an error without a word"
        assert self.kernel.trace.depth == 0
        invariants.check(self.kernel)

    def teardown(self) -> None:
        """Whatever was done, the kernel serves a new process, and can be closed."""
        if not hasattr(self, "kernel"):
            return
        p = self.kernel.spawn()
        assert p.read(p.open("last", 0o102), 1) == b""
        if self.kernel.config.memory_pages is None:
            assert p.load(filled(p), 1) == b"a"
        self.kernel.close()


TestAnyInput = AnyInput.TestCase
TestAnyInput.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@given(CALL_AND_ARGUMENTS)
@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_one_call_with_any_arguments(made: tuple[str, tuple[object, ...]]) -> None:
    kernel = Kernel(KernelConfig(memory_pages=100), check=invariants.check)
    kernel.create_file("f", b"A" * 9000, warm=True)
    p = kernel.spawn()
    p.open("f", O_RDWR)
    name, args = made
    try:
        getattr(p, name)(*args)
    except EXPECTED as error:
        assert str(error)
    assert kernel.trace.depth == 0
    assert not invariants.broken(kernel)
