"""Every call of the process interface on the live kernel, with both workers."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from mmaplab import constants as c
from mmaplab.interface import BusError, FatalSignal, FaultCounts, SegmentationFault
from mmaplab.real import LinuxKernel
from mmaplab.real.perf import FaultEvent
from mmaplab.real.process import LinuxProcess

pytestmark = pytest.mark.live
PAGE = 4096
RW = c.Prot.PROT_READ | c.Prot.PROT_WRITE
RX = c.Prot.PROT_READ | c.Prot.PROT_EXEC
READ = c.Prot.PROT_READ
SHARED, FIXED = c.Map.MAP_SHARED, c.Map.MAP_FIXED
ANONYMOUS = c.Map.MAP_PRIVATE | c.Map.MAP_ANONYMOUS
O_RDWR, O_CREAT = c.Open.O_RDWR, c.Open.O_CREAT
ARENA = 0x10_0020_0000


def fails(number: int) -> pytest.RaisesExc[OSError]:
    return pytest.raises(OSError, check=lambda error: error.errno == number)


# ---------------------------------------------------------------- files


def test_descriptors_are_lowest_first_from_three(p: LinuxProcess, book: str) -> None:
    first, second = p.open(book), p.open(book)
    assert (first, second, p.dup(first)) == (3, 4, 5)
    p.close(first)
    assert p.open(book) == 3
    with fails(errno.EBADF):
        p.close(9)


@pytest.mark.parametrize("fd", [-1, 0, 1, 2, 77, 2**31, 2**40])
def test_what_is_no_descriptor_of_the_program_is_bad(p: LinuxProcess, fd: int) -> None:
    calls = (p.close, p.dup, p.fsync, p.fstat, lambda d: p.read(d, 1), lambda d: p.mmap(0, PAGE, READ, SHARED, d))
    for call in calls:
        with fails(errno.EBADF):
            call(fd)


def test_open_obeys_its_flags(p: LinuxProcess, kernel: LinuxKernel, book: str) -> None:
    with fails(errno.ENOENT):
        p.open("no such file")
    with fails(errno.ENOENT):
        p.open("../" + book)
    with fails(errno.EEXIST):
        p.open(book, O_CREAT | c.Open.O_EXCL)
    with fails(errno.EBADF):
        p.write(p.open(book), b"x")
    end = p.open(book, O_RDWR | c.Open.O_APPEND)
    assert p.write(end, b"tail") == 4
    assert kernel.file_bytes(book)[-4:] == b"tail"
    p.open(book, O_RDWR | c.Open.O_TRUNC)
    assert kernel.file_bytes(book) == b""


def test_reading_and_writing_move_the_position(p: LinuxProcess, book: str) -> None:
    fd = p.open(book, O_RDWR)
    assert p.read(fd, PAGE + 1) == bytes(PAGE) + b"\1"
    assert p.pread(fd, 2, 5 * PAGE) == b"\5\5"
    assert p.lseek(fd, 0, c.SEEK_CUR) == PAGE + 1
    assert p.write(fd, b"here") == 4
    assert p.pwrite(fd, b"there", 64 * PAGE) == 5
    assert p.pread(fd, 10, PAGE + 1) == b"here\1\1\1\1\1\1"
    assert p.lseek(fd, 0, c.SEEK_END) == 64 * PAGE + 5
    assert p.read(fd, 100) == b""
    with fails(errno.EINVAL):
        p.lseek(fd, -1)


def test_more_than_the_shared_buffer_moves_in_one_call(p: LinuxProcess, kernel: LinuxKernel) -> None:
    data = os.urandom(1 << 16) * 272  # 17 MiB: more than any buffer of the workers
    fd = p.open("large", O_RDWR | O_CREAT)
    before = p.faults()
    assert p.write(fd, data) == len(data)
    assert p.pread(fd, len(data) + 5, 0) == data
    if p.exact_faults:
        assert p.faults() == before
    p.unlink("large")


def test_size_and_names(p: LinuxProcess, kernel: LinuxKernel, book: str) -> None:
    fd = p.open(book, O_RDWR)
    p.ftruncate(fd, 10)
    assert p.fstat(fd).st_size == 10
    assert p.fstat(fd).st_ino == Path(kernel.path(book)).stat().st_ino
    with fails(errno.EINVAL):
        p.ftruncate(fd, -1)
    p.mmap(0, PAGE, READ, SHARED, fd)
    p.unlink(book)
    assert p.maps()[0].path.endswith(book + " (deleted)")
    with fails(errno.ENOENT):
        p.unlink(book)


def test_pipes_carry_bytes_but_cannot_be_mapped(p: LinuxProcess) -> None:
    read_end, write_end = p.pipe()
    assert p.write(write_end, b"hello") == 5
    assert p.read(read_end, 100) == b"hello"
    with fails(errno.ENODEV):
        p.mmap(0, PAGE, READ, SHARED, read_end)


def test_a_file_in_memory_can_be_mapped(p: LinuxProcess) -> None:
    fd = p.memfd_create("scratch")
    p.ftruncate(fd, PAGE)
    a = p.mmap(0, PAGE, RW, SHARED, fd)
    p.store(a, b"in memory")
    assert p.pread(fd, 9, 0) == b"in memory"


# ---------------------------------------------------------------- areas


def test_a_new_process_is_empty(p: LinuxProcess) -> None:
    assert p.maps() == []
    assert p.faults() == FaultCounts(0, 0)


def test_unhinted_mappings_go_below_mmap_base(p: LinuxProcess) -> None:
    a = p.mmap(0, 3 * PAGE, RW, ANONYMOUS)
    b = p.mmap(0, PAGE, READ, ANONYMOUS)
    assert (a, b) == (p.mmap_base - 3 * PAGE, p.mmap_base - 4 * PAGE)
    assert [(m.start, m.perms, m.path) for m in p.maps()] == [(b, "r--p", ""), (a, "rw-p", "")]


def test_areas_split_and_merge(p: LinuxProcess) -> None:
    a = p.mmap(ARENA, 4 * PAGE, RW, ANONYMOUS | FIXED)
    p.mprotect(a + PAGE, PAGE, READ)
    assert [m.perms for m in p.maps()] == ["rw-p", "r--p", "rw-p"]
    p.mprotect(a + PAGE, PAGE, RW)
    assert len(p.maps()) == 1
    p.munmap(a + PAGE, PAGE)
    assert [(m.start, m.end) for m in p.maps()] == [(a, a + PAGE), (a + 2 * PAGE, a + 4 * PAGE)]


def test_a_range_over_everything_unmaps_the_program_only(p: LinuxProcess) -> None:
    p.mmap(ARENA, PAGE, RW, ANONYMOUS | FIXED)
    p.mmap(0, PAGE, RW, ANONYMOUS)
    p.munmap(0, p.mmap_base)
    assert p.maps() == []
    assert p.brk(0) > 0


def test_ranges_that_run_into_the_worker_meet_a_hole(p: LinuxProcess) -> None:
    a = p.mmap(0, 2 * PAGE, RW, ANONYMOUS)
    huge = p.mmap_base + (64 << 20) - a
    with fails(errno.ENOMEM):
        p.mprotect(a, huge, READ)
    assert [m.perms for m in p.maps()] == ["r--p"]
    with fails(errno.ENOMEM):
        p.madvise(PAGE, 1 << 62, c.Madv.MADV_DONTNEED)
    with fails(errno.ENOMEM):
        p.madvise(PAGE, c.TASK_SIZE - PAGE, c.Madv.MADV_DONTFORK)
    with fails(errno.EINVAL):
        p.madvise(a + 1, huge, c.Madv.MADV_NORMAL)
    child = p.fork()
    assert child.maps() == []
    child.exit()


def test_a_range_that_is_none_meets_no_worker(p: LinuxProcess) -> None:
    """Rounded up in 64 bits the largest lengths are 0, or the range goes round: Linux looks at no area."""
    for length in (2**64 - 1, 2**64 - PAGE + 1):
        p.msync(PAGE, length, c.Ms.MS_SYNC)
        p.munlock(PAGE, length)
        with fails(errno.EINVAL):
            p.madvise(PAGE, length, c.Madv.MADV_NORMAL)
    for call in (lambda n: p.msync(PAGE, n, c.Ms.MS_SYNC), lambda n: p.mprotect(PAGE, n, READ)):
        with fails(errno.ENOMEM):
            call(2**64 - PAGE)
    with fails(errno.EINVAL):
        p.munlock(PAGE, 2**64 - PAGE)
    with fails(errno.ENOMEM):
        p.mincore(p.mmap(0, 4 * PAGE, RW, ANONYMOUS), c.TASK_SIZE)


def test_answers_that_are_too_long_are_refused(p: LinuxProcess, kernel: LinuxKernel) -> None:
    a = p.mmap(0, 64 << 30, RW, ANONYMOUS | c.Map.MAP_NORESERVE)
    with pytest.raises(ValueError, match="mincore is about 16,777,216 pages"):
        p.mincore(a, 64 << 30)
    assert p.mincore(a, PAGE) == [False]
    fd = p.open("sparse", O_RDWR | O_CREAT)
    p.ftruncate(fd, 2 << 30)
    with pytest.raises(ValueError, match="'sparse' has 2,147,483,648 bytes"):
        kernel.file_bytes("sparse")
    p.unlink("sparse")


def test_areas_have_the_paths_of_proc(p: LinuxProcess, book: str) -> None:
    start = p.brk(0)
    assert p.brk(start + 5000) == start + 5000
    p.store(start, b"heap")
    p.mmap(ARENA, PAGE, RW, SHARED | c.Map.MAP_ANONYMOUS | FIXED)
    p.mmap(0, PAGE, READ, SHARED, p.open(book), 3 * PAGE)
    paths = {m.path.rpartition("/")[2]: m for m in p.maps()}
    assert set(paths) == {"[heap]", "zero (deleted)", book}
    assert paths[book].offset == 3 * PAGE
    assert paths[book].perms == "r--s"
    assert p.brk(start) == start
    assert p.brk(1) == start


def test_mremap_grows_moves_and_keeps_the_bytes(p: LinuxProcess) -> None:
    a = p.mmap(ARENA, PAGE, RW, ANONYMOUS | FIXED)
    p.store(a, b"kept")
    assert p.mremap(a, PAGE, 2 * PAGE) == a
    b = p.mremap(a, 2 * PAGE, 2 * PAGE, c.Mremap.MREMAP_MAYMOVE | c.Mremap.MREMAP_FIXED, ARENA + (1 << 20))
    assert b == ARENA + (1 << 20)
    assert p.load(b, 4) == b"kept"
    with pytest.raises(SegmentationFault):
        p.load(a)
    with fails(errno.EFAULT):
        p.mremap(a, PAGE, 2 * PAGE, c.Mremap.MREMAP_MAYMOVE)


def test_advice_and_locks(p: LinuxProcess, book: str) -> None:
    a = p.mmap(ARENA, 2 * PAGE, RW, ANONYMOUS | FIXED)
    p.store(a, b"gone soon")
    p.madvise(a, PAGE, c.Madv.MADV_DONTNEED)
    assert p.load(a, 9) == bytes(9)
    with fails(errno.ENOMEM):
        p.madvise(a, 3 * PAGE, c.Madv.MADV_NORMAL)
    p.mlock(a, PAGE)
    with fails(errno.EINVAL):
        p.madvise(a, PAGE, c.Madv.MADV_DONTNEED)
    p.munlock(a, PAGE)
    b = p.mmap(0, 64 * PAGE, RW, SHARED, p.open(book, O_RDWR))
    assert p.mincore(b, 64 * PAGE) == [True] * 64
    assert p.mincore(b, 0) == []
    p.store(b, b"synced")
    p.msync(b, PAGE, c.Ms.MS_SYNC)
    with fails(errno.EINVAL):
        p.msync(b, PAGE, c.Ms.MS_SYNC | c.Ms.MS_ASYNC)


@pytest.mark.parametrize(
    ("length", "prot", "flags", "offset", "number"),
    [
        (0, RW, ANONYMOUS, 0, errno.EINVAL),
        (2**64 - 1, RW, ANONYMOUS, 0, errno.ENOMEM),
        (PAGE, RW, ANONYMOUS, 1, errno.EINVAL),
        (PAGE, RW, c.Map.MAP_ANONYMOUS, 0, errno.EINVAL),
        (1 << 47, RW, ANONYMOUS, 0, errno.ENOMEM),
    ],
)
def test_mmap_refuses_as_linux_does(
    p: LinuxProcess, length: int, prot: int, flags: int, offset: int, number: int
) -> None:
    with fails(number):
        p.mmap(0, length, prot, flags, -1, offset)
    assert p.maps() == []


def test_limits_hold_for_the_program_alone(kernel: LinuxKernel) -> None:
    p = kernel.spawn()
    p.setrlimit(c.Rlimit.RLIMIT_AS, 8 * PAGE)
    p.mmap(0, 8 * PAGE, RW, ANONYMOUS)
    with fails(errno.ENOMEM):
        p.mmap(0, PAGE, RW, ANONYMOUS)
    p.exit()


# ---------------------------------------------------------------- accesses


def test_loads_and_stores_cross_pages(p: LinuxProcess) -> None:
    a = p.mmap(ARENA, 200 * PAGE, RW, ANONYMOUS | FIXED)
    data = bytes(range(256)) * 2560
    p.store(a + 100, data)
    assert p.load(a + 100, len(data)) == data
    assert p.load(a, 0) == b""


def test_a_signal_leaves_the_bytes_before_it(p: LinuxProcess) -> None:
    a = p.mmap(ARENA, 2 * PAGE, RW, ANONYMOUS | FIXED)
    p.mprotect(a + PAGE, PAGE, READ)
    with pytest.raises(SegmentationFault) as caught:
        p.store(a + PAGE - 3, b"abcdef")
    assert caught.value == SegmentationFault(c.SegvCode.SEGV_ACCERR, a + PAGE)
    assert p.load(a + PAGE - 3, 6) == b"abc\0\0\0"


@pytest.mark.parametrize(
    ("addr", "error"),
    [
        (0, SegmentationFault(1, 0)),
        (ARENA - 1, SegmentationFault(1, ARENA - 1)),
        (c.TASK_SIZE, SegmentationFault(1, c.TASK_SIZE)),
        (1 << 47, SegmentationFault(128, 0)),
        (1 << 63, SegmentationFault(128, 0)),
        (2**64 - 1, SegmentationFault(1, 2**64 - 1)),
    ],
)
def test_where_nothing_is_mapped(p: LinuxProcess, addr: int, error: FatalSignal) -> None:
    for access in (lambda: p.load(addr), lambda: p.store(addr, b"x"), lambda: p.execute(addr)):
        with pytest.raises(SegmentationFault) as caught:
            access()
        assert caught.value == error


def test_beyond_the_end_of_the_file(p: LinuxProcess, book: str) -> None:
    fd = p.open(book, O_RDWR)
    a = p.mmap(ARENA, 4 * PAGE, RW, SHARED | FIXED, fd)
    p.ftruncate(fd, PAGE + 1)
    assert p.load(a + 2 * PAGE - 1) == b"\0"
    with pytest.raises(BusError) as caught:
        p.load(a + 2 * PAGE + 7)
    assert caught.value == BusError(c.BusCode.BUS_ADRERR, a + 2 * PAGE + 7)
    p.mprotect(a, 4 * PAGE, READ)
    with pytest.raises(SegmentationFault):
        p.store(a + 2 * PAGE, b"permission is checked first")
    assert p.load(a) == b"\0"  # the process lives on


def test_a_fetch_needs_permission(p: LinuxProcess) -> None:
    a = p.mmap(ARENA, PAGE, RW, ANONYMOUS | FIXED)
    p.store(a + 5, b"\xc3")
    with pytest.raises(SegmentationFault) as caught:
        p.execute(a + 5)
    assert caught.value == SegmentationFault(c.SegvCode.SEGV_ACCERR, a + 5)
    p.mprotect(a, PAGE, RX)
    p.execute(a + 5)


def test_a_fetch_of_an_absent_page_first_reads_it_in(p: LinuxProcess, book: str) -> None:
    a = p.mmap(ARENA, 4 * PAGE, READ, SHARED | FIXED, p.open(book))
    before = p.faults().minor
    with pytest.raises(SegmentationFault):
        p.execute(a)
    assert p.faults().minor == before + 1
    assert all(entry.present for entry in p.pagemap(a, 4 * PAGE))


# ---------------------------------------------------------------- faults


def test_faults_come_in_windows_of_sixteen(p: LinuxProcess, book: str) -> None:
    a = p.mmap(ARENA + 5 * PAGE, 59 * PAGE, READ, SHARED | FIXED, p.open(book), 5 * PAGE)
    before = p.faults()
    p.fault_events()
    for page in range(59):
        assert p.load(a + page * PAGE) == bytes([page + 5])
    assert (p.faults() - before) == FaultCounts(4, 0)
    events = p.fault_events()
    if events is not None:
        assert [((event.addr - a) // PAGE, event.kind) for event in events] == [
            (0, "minor"),
            (16, "minor"),
            (27, "minor"),
            (43, "minor"),
        ]
    assert sum(map(bool, p.pagemap(a, 59 * PAGE))) == 59


def test_copy_on_write_faults_once_a_page(p: LinuxProcess, book: str) -> None:
    a = p.mmap(ARENA, 4 * PAGE, RW, c.Map.MAP_PRIVATE | FIXED, p.open(book))
    p.load(a)
    before = p.faults()
    for page in range(4):
        p.store(a + page * PAGE, b"mine")
        p.store(a + page * PAGE, b"MINE")
    assert (p.faults() - before).minor == 4
    assert [entry.file for entry in p.pagemap(a, 4 * PAGE)] == [False] * 4


def test_a_cold_file_faults_major(p: LinuxProcess, kernel: LinuxKernel) -> None:
    if kernel.file_system == "tmpfs":
        pytest.skip("a file system without a disk has no major faults")
    kernel.create_file("cold", b"c" * 64 * PAGE)
    assert not any(kernel.residency("cold"))
    a = p.mmap(0, 64 * PAGE, READ, SHARED, p.open("cold"))
    p.load(a)
    assert p.faults().major == 1
    assert any(kernel.residency("cold", settle=True))
    p.unlink("cold")


def test_signals_and_system_calls_cause_no_faults_of_their_own(p: LinuxProcess) -> None:
    a = p.mmap(ARENA, PAGE, RW, ANONYMOUS | FIXED)
    p.store(a, b"x")
    before = p.faults()
    for _ in range(50):
        p.brk(0)
        p.store(a, b"y")
        with pytest.raises(SegmentationFault):
            p.load(a + PAGE)
    if p.exact_faults:
        assert p.faults() == before
    else:
        assert (p.faults() - before).minor <= 3


def test_more_faults_than_the_ring_holds_are_not_passed_off_as_all(p: LinuxProcess) -> None:
    a = p.mmap(ARENA, 6000 * PAGE, RW, ANONYMOUS | FIXED)
    if p.fault_events() is None:
        assert p.fault_events() is None, "refused once, refused always"
        return
    p.load(a, 6000 * PAGE)
    assert p.fault_events() is None
    p.store(a, b"x")
    assert p.fault_events() == [FaultEvent(a, "minor")]


# ---------------------------------------------------------------- processes


def test_fork_copies_private_memory_and_shares_files(p: LinuxProcess, book: str) -> None:
    fd = p.open(book, O_RDWR)
    a = p.mmap(ARENA, PAGE, RW, ANONYMOUS | FIXED)
    b = p.mmap(0, PAGE, RW, SHARED, fd)
    p.store(a, b"parent")
    p.read(fd, 10)
    child = p.fork()
    assert child.faults() == FaultCounts(0, 0)
    assert child.pid != p.pid
    assert child.lseek(fd, 0, c.SEEK_CUR) == 10
    assert child.maps() == p.maps()
    child.store(a, b"child!")
    child.store(b, b"both")
    assert (p.load(a, 6), child.load(a, 6), p.load(b, 4)) == (b"parent", b"child!", b"both")
    grandchild = child.fork()
    child.exit()
    assert grandchild.load(a, 6) == b"child!"
    grandchild.exit()


def test_after_exit_there_is_no_process(kernel: LinuxKernel) -> None:
    p = kernel.spawn()
    pid = p.pid
    p.exit(3)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    for call in (lambda: p.load(0), lambda: p.brk(0), p.maps, p.faults, p.fork, p.exit, p.fault_events):
        with pytest.raises(ProcessLookupError):
            call()


# ---------------------------------------------------------------- bad arguments


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda p: p.mmap(0, -1, READ, ANONYMOUS), ValueError, "length is -1"),
        (lambda p: p.mmap("a", PAGE, READ, ANONYMOUS), TypeError, "addr is 'a'"),
        (lambda p: p.mmap(0, PAGE, None, ANONYMOUS), TypeError, "prot is None"),
        (lambda p: p.munmap(0, 2**64), ValueError, "length is 18446744073709551616"),
        (lambda p: p.load(-1), ValueError, "addr is -1"),
        (lambda p: p.load(0, -1), ValueError, "-1 bytes"),
        (lambda p: p.load(0, 1.5), TypeError, "n is 1.5"),
        (lambda p: p.store(0, "text"), TypeError, "data is 'text'"),
        (lambda p: p.open(5), TypeError, "name of a file is 5"),
        (lambda p: p.open("a\0b"), ValueError, "zero byte"),
        (lambda p: p.read("x", 1), TypeError, "fd is 'x'"),
        (lambda p: p.pread(3, 1, 2**63), ValueError, "offset is"),
    ],
)
def test_bad_arguments_are_named(p: LinuxProcess, call: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call(p)  # type: ignore[operator]
    assert p.maps() == []
