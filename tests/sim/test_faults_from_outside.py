"""Faults from outside: broken blocks, a full disk, a full tmpfs. Each gives what Linux gives, and loses nothing.

What the tests expect was measured on Linux 6.18, x86-64, on 2026-11-23: ext4 on a loop device that fails chosen blocks,
a full ext4, a tmpfs of four pages.
"""

from __future__ import annotations

import errno

import pytest

from mmaplab.constants import (
    MADV_POPULATE_WRITE,
    MADV_WILLNEED,
    MAP_ANONYMOUS,
    MAP_PRIVATE,
    MAP_SHARED,
    MS_SYNC,
    O_CREAT,
    O_DIRECT,
    O_RDWR,
    O_SYNC,
    PROT_READ,
    PROT_WRITE,
)
from mmaplab.interface import BusError
from mmaplab.sim import Kernel, KernelConfig, invariants
from mmaplab.sim.process import Process
from tests.sim.conftest import PAGE

RW = PROT_READ | PROT_WRITE


def errno_of(call: object, *args: object) -> int:
    """Make a call that fails, and return its errno."""
    with pytest.raises(OSError) as caught:
        call(*args)  # type: ignore[operator]
    return int(caught.value.errno)


def bus_error(call: object, addr: int, *args: object) -> None:
    """Make an access that ends in SIGBUS, BUS_ADRERR at `addr`."""
    with pytest.raises(BusError) as caught:
        call(addr, *args)  # type: ignore[operator]
    assert (caught.value.si_code, caught.value.si_addr) == (2, addr)


def cached(p: Process, addr: int, pages: int) -> list[int]:
    """Return the pages of a mapping that are in memory."""
    return [i for i, there in enumerate(p.mincore(addr, pages * PAGE)) if there]


# ---------------------------------------------------------------- blocks that cannot be read


@pytest.fixture
def cold(kernel: Kernel) -> tuple[Kernel, Process, int, int]:
    """A process that maps a cold file of 16 pages, whose page 3 cannot be read: kernel, process, fd, address."""
    kernel.create_file("f", b"o" * 16 * PAGE)
    kernel.fail_block("f", 3, "read")
    p = kernel.spawn()
    fd = p.open("f", O_RDWR)
    return kernel, p, fd, p.mmap(0, 16 * PAGE, RW, MAP_SHARED, fd)


def test_a_load_of_a_broken_page_is_a_bus_error_and_the_next_load_tries_again(
    cold: tuple[Kernel, Process, int, int],
) -> None:
    kernel, p, _, a = cold
    bus_error(p.load, a + 3 * PAGE)
    assert cached(p, a, 16) == []  # one request was to bring them all
    bus_error(p.load, a + 3 * PAGE)
    kernel.mend_block("f", 3)
    assert p.load(a + 3 * PAGE) == b"o"


def test_neighbours_of_a_broken_page_can_be_loaded(cold: tuple[Kernel, Process, int, int]) -> None:
    _, p, _, a = cold
    assert p.load(a) == b"o"
    assert cached(p, a, 16) == [0]
    assert p.load(a + 4 * PAGE) == b"o"
    assert cached(p, a, 16) == [0, 4]
    assert (p.faults().major, p.faults().minor) == (1, 1)


def test_stores_to_a_broken_page_are_bus_errors_private_or_shared(cold: tuple[Kernel, Process, int, int]) -> None:
    _, p, fd, a = cold
    bus_error(p.store, a + 3 * PAGE, b"x")
    bus_error(p.store, p.mmap(0, 16 * PAGE, RW, MAP_PRIVATE, fd) + 3 * PAGE, b"x")


def test_read_stops_before_a_broken_page_and_fails_at_it(cold: tuple[Kernel, Process, int, int]) -> None:
    _, p, fd, a = cold
    assert len(p.read(fd, 16 * PAGE)) == 3 * PAGE
    assert errno_of(p.read, fd, 16 * PAGE) == errno.EIO
    assert errno_of(p.pread, fd, 2 * PAGE, 3 * PAGE + 5) == errno.EIO
    assert len(p.pread(fd, PAGE, 4 * PAGE)) == PAGE
    assert errno_of(p.pread, p.open("f", O_DIRECT), 16 * PAGE, 0) == errno.EIO
    p.madvise(a, 16 * PAGE, MADV_WILLNEED)
    assert cached(p, a, 16) == [0, 1, 2, 4]  # the others are in the cache, but nobody has asked for one of them


def test_a_write_to_a_part_of_a_broken_page_fails_and_to_all_of_it_does_not(
    cold: tuple[Kernel, Process, int, int],
) -> None:
    kernel, p, fd, a = cold
    assert errno_of(p.pwrite, fd, b"x" * 10, 3 * PAGE) == errno.EIO
    assert p.pwrite(fd, b"y" * (PAGE + 10), 2 * PAGE) == PAGE
    assert p.pwrite(fd, b"z" * PAGE, 3 * PAGE) == PAGE
    assert p.load(a + 3 * PAGE) == b"z"
    p.fsync(fd)
    assert kernel.disk_bytes("f")[2 * PAGE : 5 * PAGE : PAGE] == b"yzo"


def test_ftruncate_into_a_broken_page_changes_the_size_and_nothing_else(
    cold: tuple[Kernel, Process, int, int],
) -> None:
    kernel, p, fd, a = cold
    p.ftruncate(fd, 3 * PAGE + 100)
    assert p.fstat(fd).st_size == 3 * PAGE + 100
    bus_error(p.load, a + 3 * PAGE)
    p.ftruncate(fd, 3 * PAGE + 50)  # the page is in the cache now, and still not read
    p.fsync(fd)
    kernel.mend_block("f", 3)
    assert p.load(a + 3 * PAGE) == b"o"


# ---------------------------------------------------------------- blocks that cannot be written


@pytest.fixture
def warm(kernel: Kernel) -> tuple[Kernel, Process, int, int]:
    """A process that maps a warm file of 8 pages, whose page 1 cannot be written: kernel, process, fd, address."""
    kernel.create_file("f", b"o" * 8 * PAGE, warm=True)
    kernel.fail_block("f", 1, "write")
    p = kernel.spawn()
    fd = p.open("f", O_RDWR)
    return kernel, p, fd, p.mmap(0, 8 * PAGE, RW, MAP_SHARED, fd)


def test_a_write_that_fails_is_reported_once_to_every_open_file_description(
    warm: tuple[Kernel, Process, int, int],
) -> None:
    _, p, fd, a = warm
    other = p.open("f", O_RDWR)
    same = p.dup(other)
    p.store(a + PAGE, b"new")
    assert errno_of(p.msync, a, 8 * PAGE, MS_SYNC) == errno.EIO
    p.msync(a, 8 * PAGE, MS_SYNC)
    p.fsync(fd)  # the mapping's own description
    assert errno_of(p.fsync, other) == errno.EIO
    p.fsync(same)
    p.fsync(p.open("f"))  # opened when everybody who asked had seen it


def test_a_description_that_is_opened_before_anybody_was_told_is_told_too(
    warm: tuple[Kernel, Process, int, int],
) -> None:
    kernel, p, fd, a = warm
    p.store(a + PAGE, b"new")
    kernel.tick(40)  # the flusher fails, and can tell nobody
    late = p.open("f", O_RDWR)
    assert errno_of(p.fsync, late) == errno.EIO
    assert errno_of(p.msync, a + 5 * PAGE, PAGE, MS_SYNC) == errno.EIO  # whichever range is asked for
    p.fsync(fd)


def test_a_page_that_could_not_be_written_is_clean_and_stays_in_the_cache(
    warm: tuple[Kernel, Process, int, int],
) -> None:
    kernel, p, fd, a = warm
    p.store(a + PAGE, b"new1")
    assert errno_of(p.fsync, fd) == errno.EIO
    assert p.load(a + PAGE, 4) == p.pread(fd, 4, PAGE) == b"new1"
    kernel.mend_block("f", 1)
    p.fsync(fd)
    assert kernel.disk_bytes("f")[PAGE : PAGE + 4] == b"oooo"  # it is clean: nobody writes it
    before = p.faults().minor
    p.store(a + PAGE, b"new2")
    assert p.faults().minor == before + 1  # it was write-protected, as after any write-back
    p.fsync(fd)
    assert kernel.disk_bytes("f")[PAGE : PAGE + 4] == b"new2"


def test_what_could_not_be_written_is_lost_with_the_cache(warm: tuple[Kernel, Process, int, int]) -> None:
    kernel, p, fd, a = warm
    p.store(a + PAGE, b"new")
    assert errno_of(p.fsync, fd) == errno.EIO
    p.munmap(a, 8 * PAGE)
    kernel.drop_caches("f")
    assert p.pread(fd, 3, PAGE) == b"ooo"


def test_synchronous_and_direct_writes_report_their_own_failure(warm: tuple[Kernel, Process, int, int]) -> None:
    _, p, fd, _ = warm
    sync = p.open("f", O_RDWR | O_SYNC)
    assert errno_of(p.pwrite, sync, b"sync", PAGE) == errno.EIO
    p.close(sync)
    assert errno_of(p.fsync, fd) == errno.EIO
    assert errno_of(p.pwrite, p.open("f", O_RDWR | O_DIRECT), b"d" * PAGE, PAGE) == errno.EIO
    p.fsync(fd)  # a direct write is nobody else's business
    assert p.pread(fd, 4, PAGE) == b"oooo"


def test_msync_of_another_range_does_not_touch_the_broken_page(warm: tuple[Kernel, Process, int, int]) -> None:
    _, p, _, a = warm
    p.store(a + PAGE, b"e")
    p.store(a + 5 * PAGE, b"e")
    p.msync(a + 5 * PAGE, PAGE, MS_SYNC)
    assert errno_of(p.msync, a + PAGE, PAGE, MS_SYNC) == errno.EIO


def test_a_new_block_that_could_not_be_written_reads_as_zeros_after_a_crash(kernel: Kernel) -> None:
    p = kernel.spawn()
    fd = p.open("f", O_RDWR | O_CREAT)
    kernel.fail_block("f", 0, "write")
    p.write(fd, b"new")
    assert errno_of(p.fsync, fd) == errno.EIO
    assert kernel.file_bytes("f") == b"new"
    after = kernel.power_failure()
    assert after.file_bytes("f") == bytes(3)
    q = after.spawn()
    fd = q.open("f", O_RDWR)
    q.store(q.mmap(0, 3, RW, MAP_SHARED, fd), b"x")
    assert errno_of(q.fsync, fd) == errno.EIO  # the block is still broken


# ---------------------------------------------------------------- no room


@pytest.fixture
def full() -> tuple[Kernel, Process, int, int]:
    """A full ext4 disk; a file of 2 pages, then a hole to page 64, mapped; kernel, process, descriptor, address."""
    kernel = Kernel(check=invariants.check)
    kernel.create_file("f", b"o" * 2 * PAGE, warm=True)
    p = kernel.spawn()
    fd = p.open("f", O_RDWR)
    p.ftruncate(fd, 64 * PAGE)
    kernel.fill_disk()
    return kernel, p, fd, p.mmap(0, 64 * PAGE, RW, MAP_SHARED, fd)


def test_on_a_full_disk_a_store_to_a_hole_is_a_bus_error_and_a_load_is_not(
    full: tuple[Kernel, Process, int, int],
) -> None:
    kernel, p, _, a = full
    bus_error(p.store, a + 20 * PAGE, b"x")
    assert p.load(a + 5 * PAGE) == b"\0"
    bus_error(p.store, a + 5 * PAGE, b"x")
    p.store(a, b"x")  # it has a block
    p.msync(a, 64 * PAGE, MS_SYNC)
    p.mlock(a + 10 * PAGE, PAGE)
    assert errno_of(p.madvise, a + 12 * PAGE, PAGE, MADV_POPULATE_WRITE) == errno.EFAULT
    kernel.fill_disk(left=1)
    p.store(a + 5 * PAGE, b"y")
    p.msync(a, 64 * PAGE, MS_SYNC)
    assert kernel.disk_bytes("f")[:: 5 * PAGE][:2] == b"xy"


def test_on_a_full_disk_write_goes_where_there_are_blocks(full: tuple[Kernel, Process, int, int]) -> None:
    _, p, fd, _ = full
    assert p.pwrite(fd, b"y" * 100, PAGE) == 100
    assert errno_of(p.pwrite, fd, b"y", 7 * PAGE) == errno.ENOSPC
    assert errno_of(p.pwrite, fd, b"y", 64 * PAGE) == errno.ENOSPC
    assert p.pwrite(fd, b"y" * PAGE + b"z" * 10, PAGE) == PAGE  # short
    p.ftruncate(fd, 80 * PAGE)  # a hole needs no block
    p.close(p.open("new", O_RDWR | O_CREAT))
    p.fsync(fd)


def test_a_store_to_a_large_folio_needs_a_block_for_each_of_its_pages(
    full: tuple[Kernel, Process, int, int],
) -> None:
    kernel, p, fd, a = full
    for page in range(64):
        p.pread(fd, PAGE, page * PAGE)
    folio = next(f for f in kernel.files.lookup("f").i_mapping.folios(2) if f.order)
    kernel.fill_disk(left=len(folio.pages) - 1)
    bus_error(p.store, a + folio.index * PAGE, b"x")
    kernel.fill_disk(left=len(folio.pages))
    p.store(a + folio.index * PAGE, b"x")
    assert kernel.disk.used == kernel.disk.capacity


def test_a_private_store_to_a_hole_needs_no_block(full: tuple[Kernel, Process, int, int]) -> None:
    _, p, fd, _ = full
    p.store(p.mmap(0, 64 * PAGE, RW, MAP_PRIVATE, fd) + 9 * PAGE, b"x")


def test_blocks_are_promised_when_a_page_becomes_dirty_and_not_when_it_is_written() -> None:
    kernel = Kernel(KernelConfig(disk_pages=3, large_folios=False), check=invariants.check)
    p = kernel.spawn()
    fd = p.open("f", O_RDWR | O_CREAT)
    assert p.write(fd, b"x" * 5 * PAGE) == 3 * PAGE
    assert errno_of(p.write, fd, b"x") == errno.ENOSPC
    assert kernel.disk.used == 3
    p.fsync(fd)  # every dirty page has its block
    p.ftruncate(fd, 0)
    assert p.pwrite(fd, b"y" * 3 * PAGE, 0) == 3 * PAGE


def test_a_file_that_has_no_room_is_not_made_by_halves() -> None:
    kernel = Kernel(KernelConfig(disk_pages=2), check=invariants.check)
    assert errno_of(kernel.create_file, "f", bytes(3 * PAGE)) == errno.ENOSPC
    kernel.create_file("f", bytes(2 * PAGE))


def test_on_a_full_tmpfs_even_a_load_of_a_hole_is_a_bus_error() -> None:
    kernel = Kernel(KernelConfig(file_system="tmpfs", disk_pages=4), check=invariants.check)
    p = kernel.spawn()
    fd = p.open("f", O_RDWR | O_CREAT)
    p.ftruncate(fd, 8 * PAGE)
    a = p.mmap(0, 8 * PAGE, RW, MAP_SHARED, fd)
    for page in range(4):
        p.store(a + page * PAGE, b"x")
    bus_error(p.store, a + 4 * PAGE, b"x")
    bus_error(p.load, a + 6 * PAGE)
    assert p.pread(fd, 2, 6 * PAGE) == b"\0\0"
    assert p.pwrite(fd, b"y" * 10, 0) == 10
    assert errno_of(p.pwrite, fd, b"y", 6 * PAGE) == errno.ENOSPC
    assert errno_of(p.mlock, a + 5 * PAGE, PAGE) == errno.ENOMEM
    p.ftruncate(fd, PAGE)
    assert p.pwrite(fd, b"z" * 8 * PAGE, PAGE) == 3 * PAGE
    kernel.fill_disk(left=0)


def test_a_full_tmpfs_leaves_nameless_memory_alone() -> None:
    kernel = Kernel(KernelConfig.named("modern-tmpfs"), check=invariants.check)
    kernel.fill_disk()
    p = kernel.spawn()
    assert p.write(p.memfd_create("m"), bytes(8 * PAGE)) == 8 * PAGE
    p.store(p.mmap(0, 8 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS), b"x" * 8 * PAGE)
    assert errno_of(p.write, p.open("f", O_RDWR | O_CREAT), b"x") == errno.ENOSPC


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda k: k.fail_block("g", 0), FileNotFoundError, "'g'"),
        (lambda k: k.fail_block("f", -1), ValueError, "page is -1"),
        (lambda k: k.fail_block("f", "0"), TypeError, "page is '0'"),
        (lambda k: k.fail_block("f", 0, "erase"), ValueError, "'erase'.*'read', 'write' or 'both'"),
        (lambda k: k.mend_block(7, 0), TypeError, "7"),
        (lambda k: k.fill_disk(-1), ValueError, "left is -1"),
        (lambda k: k.fill_disk(9), ValueError, "left is 9.*8 blocks"),
        (lambda k: k.fill_disk(None), TypeError, "left is None"),
    ],
)
def test_bad_input_names_the_value(call: object, error: type[Exception], words: str) -> None:
    kernel = Kernel(KernelConfig(disk_pages=8))
    kernel.create_file("f", bytes(PAGE))
    with pytest.raises(error, match=words):
        call(kernel)  # type: ignore[operator]
    assert kernel.file_bytes("f") == bytes(PAGE)


def test_a_tmpfs_has_no_blocks_to_break(tmpfs: Kernel) -> None:
    tmpfs.create_file("f", b"x")
    with pytest.raises(ValueError, match="tmpfs"):
        tmpfs.fail_block("f", 0)
