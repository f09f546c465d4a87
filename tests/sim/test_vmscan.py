"""Memory is short: what is taken back, what stays, and who has to go."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from mmaplab.constants import MAP_ANONYMOUS, MAP_POPULATE, MAP_PRIVATE, MAP_SHARED, O_RDWR, PROT_READ, PROT_WRITE, Madv
from mmaplab.interface import FatalSignal
from mmaplab.sim import Kernel, KernelConfig, invariants
from mmaplab.sim import events as ev
from mmaplab.sim.process import Process
from tests.sim.conftest import PAGE

RW = PROT_READ | PROT_WRITE


def small(pages: int, **change: object) -> Kernel:
    """A machine of `pages` frames that reads nothing ahead, and checks every invariant."""
    config = KernelConfig(memory_pages=pages, ra_pages=0, fault_around_bytes=PAGE, **change)  # type: ignore[arg-type]
    return Kernel(config, check=invariants.check)


def test_a_file_larger_than_memory_can_be_read_through_a_mapping() -> None:
    kernel = small(8)
    kernel.create_file("f", b"".join(bytes([i]) * PAGE for i in range(32)))
    p = kernel.spawn()
    a = p.mmap(0, 32 * PAGE, PROT_READ, MAP_SHARED, p.open("f"))
    assert [p.load(a + i * PAGE)[0] for i in range(32)] == list(range(32))
    assert kernel.memory.used <= 8
    assert p.faults().major == 32
    p.load(a)  # it was taken back: major once more
    assert p.faults().major == 33


def test_dirty_pages_are_written_before_they_go() -> None:
    kernel = small(6, dirty_background_bytes=1 << 20, dirty_bytes=2 << 20)  # so that the flusher leaves it to reclaim
    kernel.create_file("f", bytes(16 * PAGE))
    p = kernel.spawn()
    a = p.mmap(0, 16 * PAGE, RW, MAP_SHARED, p.open("f", O_RDWR))
    for i in range(16):
        p.store(a + i * PAGE, bytes([65 + i]))
    written = [r.event for r in kernel.trace.records if isinstance(r.event, ev.DiskWrite) and r.event.why == "reclaim"]
    assert written
    assert kernel.file_bytes("f")[::PAGE] == bytes(range(65, 81))


def test_a_page_in_use_gets_a_second_chance() -> None:
    kernel = small(4)
    kernel.create_file("f", bytes(8 * PAGE))
    p = kernel.spawn()
    fd = p.open("f")
    for i in (0, 1, 2, 3):
        p.pread(fd, 1, i * PAGE)
    for folio in kernel.sb.s_lru:
        folio.referenced = folio.index == 0
    p.pread(fd, 1, 4 * PAGE)
    cached = sorted(kernel.files.lookup("f").i_mapping.i_pages)
    assert 0 in cached
    assert 1 not in cached


def test_locked_pages_stay() -> None:
    kernel = small(6)
    kernel.create_file("f", bytes(16 * PAGE))
    p = kernel.spawn()
    a = p.mmap(0, 16 * PAGE, PROT_READ, MAP_SHARED, p.open("f"))
    p.mlock(a, 2 * PAGE)
    for i in range(16):
        p.load(a + i * PAGE)
    before = p.faults()
    p.load(a), p.load(a + PAGE)
    assert p.faults() == before


def test_a_private_copy_survives_while_a_frame_is_looked_for() -> None:
    kernel = small(3)
    kernel.create_file("f", b"".join(bytes([i]) * PAGE for i in range(4)))
    p = kernel.spawn()
    a = p.mmap(0, 4 * PAGE, RW, MAP_PRIVATE, p.open("f"))
    p.load(a)
    p.store(a, b"x")
    p.store(a + PAGE, b"y")
    assert (p.load(a, 2), p.load(a + PAGE, 2), p.load(a + 2 * PAGE)) == (b"x\0", b"y\1", b"\2")


def test_readahead_gives_way() -> None:
    kernel = Kernel(KernelConfig(memory_pages=8), check=invariants.check)
    kernel.create_file("f", bytes(64 * PAGE))
    p = kernel.spawn()
    a = p.mmap(0, 64 * PAGE, PROT_READ, MAP_SHARED, p.open("f"))
    for i in range(64):
        p.load(a + i * PAGE)
    assert kernel.memory.used <= 8


def test_the_largest_process_is_the_victim_and_the_other_goes_on() -> None:
    kernel = small(10)
    large, little = kernel.spawn(), kernel.spawn()
    a = large.mmap(0, 8 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS)
    large.store(a, b"x" * 8 * PAGE)
    b = little.mmap(0, 4 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS)
    little.store(b, b"y" * 4 * PAGE)
    assert little.load(b + 3 * PAGE) == b"y"
    with pytest.raises(ProcessLookupError):
        large.load(a)
    assert any(isinstance(r.event, ev.KernelWork) and r.event.what == "oom_kill" for r in kernel.trace.records)


def test_a_process_that_alone_needs_too_much_is_killed_itself() -> None:
    kernel = small(4)
    p = kernel.spawn()
    a = p.mmap(0, 8 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS)
    with pytest.raises(FatalSignal) as caught:
        p.store(a, b"x" * 8 * PAGE)
    assert caught.value.signo == 9
    assert kernel.memory.used == 0
    assert kernel.spawn().mmap(0, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS)  # the kernel lives on


def written(p: Process) -> object:
    """Eight pages of a file in memory."""
    fd = p.memfd_create("eight")
    return p.write(fd, bytes(8 * PAGE))


def anonymous(p: Process, flags: int = 0) -> int:
    return p.mmap(0, 8 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | flags)


SYSTEM_CALLS: dict[str, Callable[[Process], object]] = {
    "write": written,
    "mlock": lambda p: p.mlock(anonymous(p), 8 * PAGE),
    "MADV_POPULATE_WRITE": lambda p: p.madvise(anonymous(p), 8 * PAGE, Madv.MADV_POPULATE_WRITE),
    "MAP_POPULATE": lambda p: anonymous(p, MAP_POPULATE),
    "store": lambda p: p.store(anonymous(p), bytes(8 * PAGE)),
}
"""Each needs eight frames."""


@pytest.mark.parametrize("call", SYSTEM_CALLS)
def test_whoever_needs_memory_the_largest_process_is_the_victim(call: str) -> None:
    """4.19 and later: also in a system call (commit 29ef680ae7c2, Documentation/admin-guide/cgroup-v2.rst)."""
    kernel = small(12)
    large, little = kernel.spawn(), kernel.spawn()
    a = large.mmap(0, 9 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS)
    large.store(a, b"x" * 9 * PAGE)
    SYSTEM_CALLS[call](little)
    assert list(kernel.processes) == [little.pid]
    assert kernel.memory.used == 8
    with pytest.raises(ProcessLookupError):
        large.load(a)


@pytest.mark.parametrize("call", SYSTEM_CALLS)
def test_a_call_of_the_largest_process_that_finds_no_memory_ends_it(call: str) -> None:
    """It would be told ENOMEM, but it is killed before it sees that."""
    kernel = small(6)
    p, other = kernel.spawn(), kernel.spawn()
    p.store(p.mmap(0, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS), b"x")
    with pytest.raises(FatalSignal, match="SIGKILL"):
        SYSTEM_CALLS[call](p)
    assert kernel.trace.depth == 0
    assert list(kernel.processes) == [other.pid]
    assert kernel.memory.used == 0
    other.store(other.mmap(0, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS), b"y")


def test_nobody_is_ended_for_what_can_be_done_without() -> None:
    """Readahead stops where memory does, and a large write takes smaller folios (__GFP_NORETRY)."""
    kernel = Kernel(KernelConfig(memory_pages=24), check=invariants.check)
    kernel.create_file("f", bytes(64 * PAGE))
    large, little = kernel.spawn(), kernel.spawn()
    large.store(large.mmap(0, 20 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS), b"x" * 20 * PAGE)
    fd = little.open("f", O_RDWR)
    assert little.load(little.mmap(0, 64 * PAGE, PROT_READ, MAP_SHARED, fd)) == b"\0"
    assert little.write(fd, b"w" * 64 * PAGE) == 64 * PAGE
    assert len(kernel.processes) == 2


def test_a_private_copy_for_which_no_page_of_the_file_can_be_read_leaves_nothing_behind() -> None:
    kernel = small(1)
    kernel.create_file("f", bytes(PAGE))
    p = kernel.spawn()
    a = p.mmap(0, PAGE, RW, MAP_PRIVATE, p.open("f"))
    with pytest.raises(FatalSignal, match="SIGKILL"):
        p.store(a, b"x")
    assert kernel.memory.used == 0


@pytest.mark.parametrize(("file_system", "pages", "code"), [("tmpfs", None, errno.ENOMEM), ("tmpfs", 3, errno.ENOSPC)])
def test_a_file_that_does_not_fit_is_not_made(file_system: str, pages: int | None, code: int) -> None:
    kernel = small(4, file_system=file_system, disk_pages=pages)
    with pytest.raises(OSError) as caught:
        kernel.create_file("f", bytes(5 * PAGE))
    assert (caught.value.errno, kernel.memory.used, kernel.files.names) == (code, 0, {})
    kernel.create_file("f", bytes(2 * PAGE))
    assert kernel.file_bytes("f") == bytes(2 * PAGE)
