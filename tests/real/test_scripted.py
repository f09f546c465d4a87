"""What the Python worker does otherwise than the machine code, as its docstring lists it; and what it must not."""

from __future__ import annotations

import platform
from collections.abc import Iterator

import pytest

from mmaplab.constants import Madv, Map, Open, Prot, Rlimit, SegvCode
from mmaplab.interface import BusError, SegmentationFault
from mmaplab.lab import NotAvailable
from mmaplab.real import LinuxKernel, procfs
from mmaplab.real.perf import FaultRing
from mmaplab.real.process import LinuxProcess
from mmaplab.real.scripted import RETURNS, START_BRK

pytestmark = pytest.mark.live
PAGE = 4096
RW, RWX = Prot.PROT_READ | Prot.PROT_WRITE, Prot.PROT_READ | Prot.PROT_WRITE | Prot.PROT_EXEC
ANON = Map.MAP_PRIVATE | Map.MAP_ANONYMOUS


@pytest.fixture(scope="module")
def python() -> Iterator[LinuxKernel]:
    """Return a live kernel with Python processes."""
    try:
        made = LinuxKernel(executor="python")
    except NotAvailable as reason:
        pytest.skip(str(reason))
    with made:
        yield made


# ---------------------------------------------------------------- the list of differences


def test_un_hinted_mappings_go_below_the_libraries(python: LinuxKernel) -> None:
    p = python.spawn()
    a = p.mmap(0, PAGE, RW, ANON)
    assert a < python.mmap_base
    assert [area.start for area in p.maps()] == [a]


def test_the_heap_is_played(python: LinuxKernel) -> None:
    p = python.spawn()
    assert p.brk(0) == START_BRK
    assert p.brk(START_BRK + 3 * PAGE) == START_BRK + 3 * PAGE
    p.store(START_BRK + 2 * PAGE, b"heap")
    (area,) = p.maps()
    assert (area.start, area.end, area.path) == (START_BRK, START_BRK + 3 * PAGE, "[heap]")
    assert p.brk(START_BRK) == START_BRK
    assert p.maps() == []
    assert p.brk(PAGE) == START_BRK, "below its beginning there is no heap"


def test_fault_counts_are_not_called_exact(python: LinuxKernel) -> None:
    p = python.spawn()
    assert not p.exact_faults
    a = p.mmap(0, 8 * PAGE, RW, ANON)
    p.touch(a, 8 * PAGE)
    assert p.faults().minor >= 8


def test_faults_are_told_one_by_one_only_with_the_right_to_see_those_of_the_kernel(python: LinuxKernel) -> None:
    p = python.spawn()
    try:
        ring = FaultRing()
    except NotAvailable:
        assert p.fault_events() is None
        return
    seen, kernel_too = p.fault_events(), ring.kernel_too
    ring.close()
    assert (seen == []) == kernel_too


def test_only_a_return_instruction_is_run(python: LinuxKernel) -> None:
    p = python.spawn()
    a = p.mmap(0, PAGE, RWX, ANON)
    p.store(a, b"\xeb\xfe\x90\x90")
    with pytest.raises(ValueError, match=r"eb ?fe.*no return"):
        p.execute(a)
    assert p.load(a) == b"\xeb"


def test_its_own_descriptors_do_not_exist(python: LinuxKernel) -> None:
    p = python.spawn()
    for fd in range(3, 300):
        for call in (p.close, p.dup, p.fsync, lambda fd: p.read(fd, 1), lambda fd: p.write(fd, b"x")):
            with pytest.raises(OSError, match="Bad file descriptor"):
                call(fd)
    assert p.open("new", Open.O_RDWR | Open.O_CREAT) == 3
    q = p.fork()
    with pytest.raises(OSError, match="Bad file descriptor"):
        q.close(201)
    assert q.dup(3) == 4


# ---------------------------------------------------------------- signals are exact, though the kernel does the access


def caught(p: LinuxProcess, addr: int) -> list[object]:
    """Return the signals of a load and of a store, as (kind, code, address)."""
    found: list[object] = []
    for access in (lambda: p.load(addr), lambda: p.store(addr, b"x")):
        try:
            access()
            found.append(None)
        except (SegmentationFault, BusError) as error:
            found.append((type(error).__name__, error.si_code, error.si_addr))
    return found


def test_a_page_behind_the_end_of_the_file_is_no_guarded_page(kernel: LinuxKernel, p: LinuxProcess) -> None:
    kernel.create_file("two-pages", bytes(2 * PAGE))
    a = p.mmap(0, 4 * PAGE, RW, Map.MAP_SHARED, p.open("two-pages", Open.O_RDWR))
    b = p.mmap(0, 2 * PAGE, RW, ANON)
    assert caught(p, a + 2 * PAGE) == [("BusError", 2, a + 2 * PAGE)] * 2
    for addr in (b, a):
        try:
            p.madvise(addr, PAGE, Madv.MADV_GUARD_INSTALL)
        except OSError:
            pytest.skip("this Linux has no guarded pages for such an area")
        assert caught(p, addr) == [("SegmentationFault", SegvCode.SEGV_MAPERR, addr)] * 2
        assert caught(p, addr + PAGE) == [None, None]
    p.unlink("two-pages")


def test_a_stack_grows_down(p: LinuxProcess) -> None:
    a = p.mmap(0x300_0000_0000, 2 * PAGE, RW, ANON | Map.MAP_GROWSDOWN)
    p.store(a - PAGE, b"deep")
    assert p.load(a - PAGE, 4) == b"deep"
    (area,) = p.maps()
    assert (area.start, area.end) == (a - PAGE, a + 2 * PAGE)
    ordinary = p.mmap(0x200_0000_0000, PAGE, RW, ANON)
    assert caught(p, ordinary - 1) == [("SegmentationFault", SegvCode.SEGV_MAPERR, ordinary - 1)] * 2


@pytest.mark.parametrize(
    ("prot", "load", "store"),
    [(Prot.PROT_NONE, False, False), (Prot.PROT_READ, True, False), (Prot.PROT_WRITE, True, True)],
)
def test_permissions(p: LinuxProcess, prot: int, load: bool, store: bool) -> None:
    a = p.mmap(0, PAGE, prot, ANON)
    refused = ("SegmentationFault", SegvCode.SEGV_ACCERR, a)
    assert caught(p, a) == [None if load else refused, None if store else refused]


def code_page(p: LinuxProcess, prot: int) -> int:
    """Return the address of a page that begins with a return instruction, and has these rights."""
    a = p.mmap(0, 2 * PAGE, RW, ANON)
    p.store(a, RETURNS[platform.machine() != "x86_64"])
    p.mprotect(a, 2 * PAGE, prot)
    return a


def test_memory_for_execution_only(p: LinuxProcess) -> None:
    """It may be loaded from where the processor has no protection keys; fetching is what it is for."""
    a = code_page(p, Prot.PROT_EXEC)
    if procfs.has_protection_keys():
        refused = [("SegmentationFault", SegvCode.SEGV_PKUERR, a)] * 2
    else:
        refused = [None, ("SegmentationFault", SegvCode.SEGV_ACCERR, a)]
    assert caught(p, a) == refused
    p.execute(a)


def test_memory_for_execution_only_behind_the_end_of_the_file(kernel: LinuxKernel, p: LinuxProcess) -> None:
    kernel.create_file("one-page", bytes(PAGE))
    a = p.mmap(0, 2 * PAGE, Prot.PROT_EXEC, Map.MAP_SHARED, p.open("one-page")) + PAGE
    with pytest.raises(BusError):
        p.execute(a)
    expected = ("SegmentationFault", SegvCode.SEGV_PKUERR, a) if procfs.has_protection_keys() else ("BusError", 2, a)
    assert caught(p, a)[0] == expected
    p.unlink("one-page")


def test_other_code_in_memory_for_execution_only_is_not_run(python: LinuxKernel) -> None:
    p = python.spawn()
    a = p.mmap(0, PAGE, RWX, ANON)
    p.store(a, b"\xeb\xfe\x90\x90")
    p.mprotect(a, PAGE, Prot.PROT_EXEC)
    with pytest.raises(ValueError, match=r"eb ?fe.*no return"):
        p.execute(a)
    p.setrlimit(Rlimit.RLIMIT_NOFILE, 0)
    with pytest.raises(OSError, match="no descriptor is left"):
        p.execute(a)
