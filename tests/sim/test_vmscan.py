"""Memory is short: what is taken back, what stays, and who has to go."""

from __future__ import annotations

import errno

import pytest

from mmaplab import ledger
from mmaplab.constants import MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED, O_RDWR, PROT_READ, PROT_WRITE
from mmaplab.interface import FatalSignal
from mmaplab.sim import Kernel, KernelConfig, invariants
from mmaplab.sim import events as ev
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


def test_a_full_tmpfs_and_no_memory_are_errors_of_the_call() -> None:
    kernel = small(4, file_system="tmpfs")
    kernel.create_file("f")
    p = kernel.spawn()
    fd = p.open("f", O_RDWR)
    assert p.write(fd, bytes(3 * PAGE)) == 3 * PAGE
    with pytest.raises(OSError) as caught:
        p.write(fd, bytes(3 * PAGE))
    assert caught.value.errno == errno.ENOMEM
    assert ledger.copies(kernel.trace.last())["copy_from_user"] == PAGE
