"""Every difference that was ever found between the two kernels, as the shortest program that shows it.

Each docstring says what Linux does; the simulator did something else before. All run on both file systems.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from mmaplab.constants import (
    MADV_COLLAPSE,
    MADV_DODUMP,
    MADV_DONTDUMP,
    MADV_DONTFORK,
    MADV_GUARD_INSTALL,
    MADV_GUARD_REMOVE,
    MADV_PAGEOUT,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
    MADV_RANDOM,
    MADV_REMOVE,
    MADV_WILLNEED,
    MAP_32BIT,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_GROWSDOWN,
    MAP_LOCKED,
    MAP_NORESERVE,
    MAP_POPULATE,
    MAP_PRIVATE,
    MAP_SHARED,
    MAP_SHARED_VALIDATE,
    MAP_SYNC,
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    O_CREAT,
    O_DIRECT,
    O_DIRECTORY,
    O_RDWR,
    O_TMPFILE,
    O_TRUNC,
    O_WRONLY,
    PROT_EXEC,
    PROT_NONE,
    PROT_READ,
    PROT_WRITE,
    RLIMIT_AS,
    RLIMIT_DATA,
    RLIMIT_NOFILE,
    RLIMIT_STACK,
    SEEK_HOLE,
)
from mmaplab.fuzz.compare import run_python
from mmaplab.fuzz.pair import Pair
from mmaplab.fuzz.writer import FileData
from mmaplab.interface import FatalSignal, Process, Program
from mmaplab.sim import Kernel, KernelConfig

ARENA = 0x10_001E_0000
RW = PROT_READ | PROT_WRITE
ANON = MAP_PRIVATE | MAP_ANONYMOUS
FIXED_ANON = ANON | MAP_FIXED
PAGES_20 = {"f0": FileData(20 * 4096 + 77)}

COLLECTION: list[tuple[Program, dict[str, FileData], bool]] = []


def regression(files: dict[str, FileData] | None = None, warm: bool = True) -> Callable[[Program], Program]:
    """Add a program to the collection, with the files that it opens."""

    def add(program: Program) -> Program:
        COLLECTION.append((program, files or {}, warm))
        return program

    return add


@regression()
def mremap_keeps_the_rest_of_the_area(p: Process) -> None:
    """MREMAP_FIXED | MREMAP_DONTUNMAP of an area's first page leaves the area in place and moves once, not again."""
    p.mmap(ARENA, 0x3000, PROT_READ | PROT_EXEC, FIXED_ANON)
    p.mremap(ARENA, 0x1000, 1, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, ARENA + 0x28A000)


@regression()
def mremap_refuses_unknown_flags(p: Process) -> None:
    """EINVAL comes before EFAULT."""
    with suppress(OSError):
        p.mremap(ARENA, 0x2000, 0xA000, 8, ARENA + 0x100000)


@regression()
def msync_refuses_unknown_flags(p: Process) -> None:
    """The bit 8 is no flag of msync."""
    p.mmap(ARENA, 0x1000, RW, FIXED_ANON)
    with suppress(OSError):
        p.msync(ARENA, 0x1000, 8)


@regression()
def madvise_of_the_last_page_of_all_wraps(p: Process) -> None:
    """An end of 2**64 is 0, less than the start: EINVAL, not ENOMEM."""
    with suppress(OSError):
        p.madvise(2**64 - 4096, 4096, MADV_DONTFORK)


@regression()
def shared_memory_beyond_all_memory(p: Process) -> None:
    """Shared anonymous memory is promised as a whole: ENOMEM, and what was there is gone."""
    p.mmap(ARENA, 0x1000, PROT_WRITE, FIXED_ANON)
    with suppress(OSError):
        p.mmap(ARENA, 1 << 46, RW, MAP_SHARED | MAP_FIXED | MAP_ANONYMOUS)


@regression()
def private_memory_beyond_all_memory(p: Process) -> None:
    """ENOMEM, and what was there stays, but split at the edge of the range."""
    p.mmap(ARENA, 0x400000, RW, MAP_SHARED | MAP_FIXED | MAP_ANONYMOUS)
    with suppress(OSError):
        p.mmap(ARENA + 0x11000, 1 << 46, PROT_WRITE, FIXED_ANON)


@regression()
def an_address_that_looks_like_an_error(p: Process) -> None:
    """MAP_FIXED at -1: the kernel takes the address itself for the error number 1, EPERM."""
    with suppress(OSError):
        p.mmap(2**64 - 1, 0x201000, PROT_READ, FIXED_ANON)


@regression(PAGES_20)
def a_file_offset_beyond_the_largest_file(p: Process) -> None:
    """Offset and length together beyond 2**63 - 1: EOVERFLOW, on every file system; just below: no error."""
    fd = p.open("f0", O_RDWR)
    with suppress(OSError):
        p.mmap(ARENA, 0x8000, RW, MAP_PRIVATE | MAP_FIXED, fd, 2**63 - 4096)
    p.mmap(ARENA, 0x4000, RW, MAP_SHARED | MAP_FIXED, fd, 1 << 62)
    with suppress(OSError):
        p.mmap(ARENA, 2**64 - 4096, RW, MAP_PRIVATE | MAP_FIXED, fd, 0x5000)


@regression(PAGES_20)
def shared_validate_refuses_noreplace(p: Process) -> None:
    """MAP_FIXED_NOREPLACE is no flag that MAP_SHARED_VALIDATE knows: EOPNOTSUPP."""
    fd = p.open("f0")
    with suppress(OSError):
        p.mmap(ARENA, 0x3000, PROT_READ, MAP_SHARED_VALIDATE | MAP_FIXED_NOREPLACE, fd)


@regression(PAGES_20)
def a_file_that_shrinks_and_grows_has_a_hole(p: Process) -> None:
    """The blocks that truncate gave back do not return with the size."""
    fd = p.open("f0", O_RDWR)
    p.ftruncate(fd, 0x7FFF)
    p.ftruncate(fd, 0xCFFF)
    a = p.mmap(0, 0xD000, PROT_READ, MAP_SHARED, fd)
    p.mincore(a, 0xD000)
    p.load(a, 0xCFFF)


@regression(PAGES_20)
def code_is_not_read_ahead_beyond_its_area(p: Process) -> None:
    """A fault in an executable mapping reads from its page to the end of the area, and nothing behind that."""
    fd = p.open("f0", O_RDWR)
    a = p.mmap(0, 0x5000, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0x6000)
    everything = p.mmap(0, 0xE000, PROT_READ, MAP_PRIVATE, fd)
    p.ftruncate(fd, 0x6FFF)
    p.ftruncate(fd, 0xE001)
    p.load(a + 0x3FFF)
    p.mincore(everything, 0xE000)


@regression(PAGES_20)
def a_write_behind_the_end_makes_a_stub(p: Process) -> None:
    """ext4 puts the page of the old end into the cache, not uptodate, when a write begins behind it."""
    fd = p.open("f0", O_RDWR)
    a = p.mmap(ARENA, 0x11000, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd)
    p.ftruncate(fd, 0x1001)
    p.ftruncate(fd, 0x5FFF)
    p.pwrite(fd, b"behind", 0x10000)
    p.load(a + 0x8000)
    p.mincore(a, 0x11000)


@regression({"f0": FileData(0x1642)})
def a_dirty_large_folio_outlives_truncate(p: Process) -> None:
    """ext4 cannot split a large folio that is dirty: it stays whole, but its entries go, also before the end."""
    fd = p.open("f0", O_RDWR)
    p.pwrite(fd, b"\x17" * 767769, 0x4001)
    a = p.mmap(ARENA, 0x3000, RW, MAP_SHARED | MAP_FIXED, fd, 0x5000)
    p.load(a + 0x2000)
    p.ftruncate(fd, 0x7000)
    p.mincore(a, 0x3000)
    p.load(a)


@regression({"f0": FileData(0x1642)})
def a_clean_large_folio_is_split_by_truncate(p: Process) -> None:
    """It is halved around the new end: the larger pieces before it stay large."""
    fd = p.open("f0", O_RDWR)
    p.pwrite(fd, b"\x17" * 0x40000, 0x10000)
    p.fsync(fd)
    a = p.mmap(0, 0x60000, RW, MAP_SHARED, fd)
    p.load(a + 0x12000)
    p.ftruncate(fd, 0x25800)
    for page in (0x10, 0x1C, 0x20, 0x24, 0x25):
        p.load(a + page * 4096)
        p.store(a + page * 4096, b"x")


@regression({"f0": FileData(0x1642)})
def fault_around_ends_with_the_file_inside_a_large_folio(p: Process) -> None:
    """Pages of the folio that lie behind the end are cached, but never mapped."""
    fd = p.open("f0", O_RDWR)
    p.pwrite(fd, b"\x17" * 767769, 0x4001)
    a = p.mmap(ARENA, 0x17000, PROT_READ, MAP_SHARED | MAP_FIXED, fd)
    p.ftruncate(fd, 0x7000)
    p.load(a + 0x4000)
    with pytest.raises(Exception, match="SIGBUS"):
        p.load(a + 0x7000)


@regression()
def ftruncate_looks_at_the_length_first(p: Process) -> None:
    """A negative length is EINVAL even where the descriptor is not open."""
    with suppress(OSError):
        p.ftruncate(-1, -1)


@regression({"f0": FileData(13 * 4096)})
def mprotect_of_a_locked_area_waits_and_counts(p: Process) -> None:
    """What mprotect brings in at once, since the area is locked, counts as major where the disk is waited for."""
    fd = p.open("f0", O_RDWR)
    p.ftruncate(fd, 0x20AC)
    p.mmap(ARENA, 0x2000, PROT_READ, MAP_PRIVATE | MAP_FIXED | MAP_LOCKED, fd, 0x5000)
    p.ftruncate(fd, 0xCFFF)
    p.mprotect(ARENA, 0x2000, RW)


@regression()
def an_area_around_the_break_is_called_heap(p: Process) -> None:
    """maps() names every private anonymous area [heap] that the start of the break lies in, also an mmap of 64 TiB."""
    p.mmap(0, 1 << 46, PROT_READ, ANON)
    p.maps()


@regression({"f0": FileData(1492 * 4096)}, warm=False)
def what_is_near_a_major_fault_is_free(p: Process) -> None:
    """Readahead of MADV_WILLNEED may still be under way when the next page is touched (FREEDOMS)."""
    fd = p.open("f0", O_RDWR)
    a = p.mmap(ARENA, 0x4000, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0x37000)
    p.madvise(a + 0x2000, 0x1000, MADV_WILLNEED)
    p.load(a + 0x1555)
    p.load(a + 0x2FFF, 8)


@regression()
def a_hint_inside_the_first_page_is_none(p: Process) -> None:
    """The hint is rounded down to a page: 1 becomes 0, which is no hint at all, also for the place on 2 MiB."""
    p.mmap(1, 0xCFFF, RW, ANON)
    p.mmap(4095, 0x200000, RW, ANON)
    p.mmap(4097, 0x1000, RW, ANON)


@regression()
def mlock_of_no_bytes_brings_no_page_in(p: Process) -> None:
    """A length of 0 locks nothing, also in the middle of an area that can be neither read nor written."""
    p.mmap(ARENA, 0x3000, PROT_NONE, FIXED_ANON)
    p.mlock(ARENA + 0x1000, 0)
    p.mmap(ARENA + 0x8000, 0x3000, RW, FIXED_ANON)
    p.mlock(ARENA + 0x9000, 0)
    p.mincore(ARENA + 0x8000, 0x3000)


@regression()
def the_break_stays_where_the_heap_was_unmapped(p: Process) -> None:
    """brk does not shrink over a range in which the program has unmapped everything."""
    heap = p.brk(0)
    p.brk(heap + 0x26000)
    p.munmap(heap, 0x1000)
    p.brk(heap + 0x1000)
    p.brk(heap)
    p.brk(0)


@regression({"f0": FileData(4097)})
def a_write_behind_the_end_clears_the_gap_alone(p: Process) -> None:
    """On ext4, bytes stored behind the end of the file stay where a write does not reach them."""
    fd = p.open("f0", O_RDWR)
    a = p.mmap(0, 0x3000, RW, MAP_SHARED, fd)
    p.store(a + 0x1004, b"gap, written, behind")
    p.pwrite(fd, b"(((", 0x1009)
    p.load(a + 0x1000, 0x1000)
    p.pwrite(fd, b")", 0x100C)
    p.load(a + 0x1000, 0x1000)
    p.ftruncate(fd, 0x1014)
    p.load(a + 0x1000, 0x1000)


@regression({"f0": FileData(1687 * 4096)}, warm=False)
def code_is_read_ahead_in_spite_of_random(p: Process) -> None:
    """MADV_RANDOM does not keep a fault in an executable mapping from reading to the end of the area."""
    a = p.mmap(ARENA, 0x3000, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, p.open("f0"), 0x4000)
    p.madvise(a, 0x3000, MADV_RANDOM)
    p.load(a)
    p.mincore(a, 0x3000)


@regression()
def a_limit_of_no_data_is_none(p: Process) -> None:
    """A soft RLIMIT_DATA of 0 forbids brk, but neither mmap nor mprotect: a workaround for Valgrind."""
    heap = p.brk(0)
    p.brk(heap + 0x5000)
    p.setrlimit(RLIMIT_DATA, 0)
    a = p.mmap(0, 0x2000, RW, ANON)
    p.mprotect(a, 0x1000, PROT_READ)
    p.mprotect(a, 0x1000, RW)
    p.brk(heap)
    p.setrlimit(RLIMIT_DATA, 0x1000)
    with suppress(OSError):
        p.mmap(0, 0x2000, RW, ANON)


@regression()
def what_is_too_much_already_may_become_data(p: Process) -> None:
    """mprotect asks RLIMIT_AS and RLIMIT_DATA only where the memory, as it was, was within them."""
    a = p.mmap(0, 0x300000, RW, ANON)
    p.mprotect(a, 0x2000, PROT_READ)
    p.setrlimit(RLIMIT_AS, 0x200000)
    p.mprotect(a, 0x1000, RW)
    p.setrlimit(RLIMIT_AS, 2**64 - 1)
    p.setrlimit(RLIMIT_DATA, 0x200000)
    with suppress(OSError):
        p.mprotect(a + 0x1000, 0x1000, RW)


@regression()
def a_gap_stays_free_below_what_grows(p: Process) -> None:
    """Un-hinted mappings, and hints, keep 1 MiB away from the start of an area that grows downwards."""
    grows = p.mmap(0, 0x4000, RW, ANON | MAP_GROWSDOWN)
    p.mmap(0, 0x2000, RW, ANON)
    p.mmap(grows - 0x3000, 0x2000, RW, ANON)
    p.mmap(grows - 0x103000, 0x2000, RW, ANON)
    with pytest.raises(Exception, match="SIGSEGV"):
        p.store(grows - 1, b"x")
    p.munmap(grows - 0x180000, 0x180000)
    p.setrlimit(RLIMIT_DATA, 0x3000)
    p.store(grows - 0x3000, b"x")
    p.maps()


@regression()
def one_stack_may_grow_up_to_another(p: Process) -> None:
    """The gap is kept to memory that can be touched, but not to another area that grows; and it has its identity."""
    p.mmap(ARENA, 0x4000, RW, FIXED_ANON | MAP_GROWSDOWN)
    p.mmap(ARENA + 0x200000, 0x4000, RW, FIXED_ANON | MAP_GROWSDOWN)
    p.store(ARENA + 0x6000, b"x")
    p.mmap(ARENA + 0x400000, 0x1000, RW, FIXED_ANON)
    p.mmap(ARENA + 0x600000, 0x4000, RW, FIXED_ANON | MAP_GROWSDOWN)
    with pytest.raises(Exception, match="SIGSEGV"):
        p.load(ARENA + 0x410000)
    p.load(ARENA + 0x501000)
    p.maps()


@regression(PAGES_20)
def a_direct_write_takes_its_range_out_of_the_cache(p: Process) -> None:
    """Of a file that is mapped, the pages that are written with O_DIRECT go, and no others; they are read again."""
    fd = p.open("f0", O_RDWR | O_DIRECT)
    a = p.mmap(0, 0x15000, RW, MAP_SHARED, fd)
    p.load(a, 0x14000)
    p.pwrite(fd, b"d" * 512, 0x3200)
    p.mincore(a, 0x15000)
    p.pwrite(fd, b"e" * 0x4000, 0x13000)
    p.mincore(a, 0x15000)
    with suppress(OSError):
        p.pwrite(fd, b"f" * 513, 0x8000)
    p.mincore(a, 0x15000)


@regression({"f0": FileData(28672)})
def a_refused_direct_write_behind_the_end_reads_the_last_page(p: Process) -> None:
    """Cleaning up after it, ext4 clears the rest of the last page, and caches it for that."""
    fd = p.open("f0", O_RDWR | O_DIRECT)
    a = p.mmap(ARENA, 0x2000, RW, MAP_PRIVATE, fd, 0x6000)
    p.ftruncate(fd, 0x7C40 - 0x1000)
    with suppress(OSError):
        p.pwrite(fd, b"x" * 100, 0x7000)
    p.mincore(a, 0x2000)
    p.load(a)


@regression({"f0": FileData(86017)})
def a_direct_read_of_a_hole_need_not_be_aligned(p: Process) -> None:
    """There are no sectors to be read in a hole."""
    fd = p.open("f0", O_RDWR | O_DIRECT)
    p.ftruncate(fd, 0x42E1)
    p.ftruncate(fd, 0x15002)
    p.pread(fd, 1, 0x13000)
    with suppress(OSError):
        p.pread(fd, 1, 0x1000)
    with suppress(OSError):
        p.pread(fd, 0x1000, 0x3FFF)


@regression()
def a_pipe_holds_no_programs(p: Process) -> None:
    """To map a pipe is ENODEV, but with PROT_EXEC it is EPERM: its file system is mounted noexec."""
    read_end, write_end = p.pipe()
    for prot in (PROT_READ, PROT_READ | PROT_EXEC):
        with suppress(OSError):
            p.mmap(0, 0x1000, prot, MAP_PRIVATE, read_end)
    with suppress(OSError):
        p.mmap(0, 0x1000, PROT_EXEC, MAP_PRIVATE, write_end)


@regression()
def a_stack_cannot_grow_by_more_than_all_memory(p: Process) -> None:
    """Growth is a promise of memory like any other."""
    p.mmap(0, 0xD9000, RW, ANON | MAP_GROWSDOWN)
    p.setrlimit(RLIMIT_STACK, 2**64 - 1)
    with pytest.raises(Exception, match="SIGSEGV"):
        p.store(ARENA, b"x")


@regression({"f0": FileData(36864)})
def fork_copies_the_entries_of_an_area_with_guards(p: Process) -> None:
    """Also where they are gone; but an area of a file gets no identity by them, so that it merges as before."""
    fd = p.open("f0", O_RDWR)
    a = p.mmap(ARENA, 0x9000, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd)
    p.load(a)
    p.madvise(a + 0x4000, 0x2000, MADV_GUARD_INSTALL)
    p.madvise(a + 0x5000, 0x3000, MADV_DONTDUMP)
    p.madvise(a + 0x4000, 0x2000, MADV_GUARD_REMOVE)
    child = p.fork()
    child.load(a)
    child.madvise(a + 0x5000, 0x3000, MADV_DODUMP)
    child.mprotect(a + 0x2000, 0x2000, RW)
    child.load(a + 0x4000)
    child.maps()


@regression()
def pageout_drops_what_nobody_wrote(p: Process) -> None:
    """A page of a tmpfs file that was only read is clean, and goes; one that was written has nowhere to go."""
    a = p.mmap(ARENA, 0x4000, RW, MAP_SHARED | MAP_FIXED | MAP_ANONYMOUS)
    p.load(a, 0x2000)
    p.store(a + 0x1000, b"x")
    p.mmap(ARENA + 0x20_0000, 0x40_0000, RW, FIXED_ANON)
    p.store(ARENA + 0x22_0000, b"x")
    with suppress(OSError):
        p.madvise(ARENA + 0x22_0000, 0x1000, MADV_COLLAPSE)
    p.madvise(a, 0x2000, MADV_PAGEOUT)
    p.mincore(a, 0x4000)


@regression({"f0": FileData(4097)})
def what_open_looks_at_first(p: Process) -> None:
    """A name that is none; then flags that cannot be: O_TMPFILE for reading, also with O_TRUNC; then RLIMIT_NOFILE."""
    for path, flags in (("f0", O_TRUNC | O_TMPFILE), ("f0", O_RDWR | O_TMPFILE), ("f0", O_TMPFILE | O_TRUNC | O_RDWR)):
        with suppress(OSError):
            p.open(path, flags)
    p.setrlimit(RLIMIT_NOFILE, 0)
    for path in (".", "", "n" * 256, "f0"):
        with suppress(OSError):
            p.open(path, O_DIRECTORY)
        with suppress(OSError):
            p.open(path, O_TMPFILE)


@regression(PAGES_20)
def remove_leaves_private_copies(p: Process) -> None:
    """MADV_REMOVE makes a hole in the file; who has stored to a private mapping keeps the copy, unlike ftruncate."""
    fd = p.open("f0", O_RDWR)
    p.mmap(ARENA, 0x4000, RW, MAP_SHARED | MAP_FIXED, fd)
    a = p.mmap(ARENA + 0x8000, 0x4000, RW, MAP_PRIVATE | MAP_FIXED, fd)
    p.store(a + 0x1000, b"copy")
    p.madvise(ARENA + 0x1000, 0x2000, MADV_REMOVE)
    p.mincore(a, 0x4000)
    p.load(a, 0x4000)


@regression({"f0": FileData(73728), "f2": FileData(12288)})
def an_inode_number_comes_again(p: Process) -> None:
    """ext4 gives the number of a file that is gone to the next one (FREEDOMS)."""
    first = p.open("f2", O_RDWR)
    p.fstat(first)
    p.unlink("f2")
    p.close(first)
    p.fstat(p.open("new", O_RDWR | O_CREAT))
    p.fstat(p.open("new", O_RDWR))


@regression({"f0": FileData(4096)})
def a_large_folio_is_split_where_its_last_page_is_cut(p: Process) -> None:
    """Truncate to the middle of a folio's last page takes no page from it, and splits and unmaps it all the same."""
    fd = p.open("f0", O_RDWR)
    p.pwrite(fd, b"y" * 0x2000, 0x2000)
    p.fsync(fd)
    a = p.mmap(ARENA, 0x8000, RW, MAP_PRIVATE | MAP_FIXED, fd)
    p.load(a + 0x2000)
    p.ftruncate(fd, 0x3001)
    p.load(a + 0x2000)
    p.load(a + 0x3000)
    p.ftruncate(fd, 0x2FFF)
    p.mincore(a, 0x8000)
    p.load(a + 0x2000)


@regression({"f0": FileData(12287), "f1": FileData(8269)})
def without_a_journal_fsync_is_about_one_file(p: Process) -> None:
    """Only where ext4 has a journal does fsync of one file write the cleared last page of another (data=ordered)."""
    one, other = p.open("f0", O_RDWR), p.open("f1", O_RDWR)
    p.ftruncate(other, 0x27AA)
    p.ftruncate(one, 1)
    a = p.mmap(ARENA, 0x1000, RW, MAP_SHARED | MAP_FIXED, one)
    p.store(a + 0xFFF, b"x")
    p.fsync(other)
    p.load(a, 0x1000)
    p.store(a, b"y")


@regression({"f0": FileData(9)})
def a_count_for_which_there_can_be_no_buffer(p: Process) -> None:
    """EFAULT, before the position is looked at and behind what the descriptor may; just below, a short read."""
    fd, (read_end, write_end) = p.open("f0", O_RDWR), p.pipe()
    for count in (0x7FFF_FFFF_F001, 2**63 - 1, 2**63, 2**64 - 1):
        for descriptor in (fd, read_end, write_end, 77):
            with suppress(OSError):
                p.read(descriptor, count)
        for offset in (0, 2**63 - 1, -1):
            with suppress(OSError):
                p.pread(fd, count, offset)
    p.pread(fd, 2**46, 3)
    p.read(fd, 2**46)


@regression()
def a_range_that_ends_where_the_numbers_do(p: Process) -> None:
    """The end of the last page is 2**64, which is 0 to the kernel: it wraps; that is looked at before the rights."""
    last = 2**64 - 4096
    for start in (last, last - 4096):
        for length in (4095, 4096, 4097, 8192):
            calls: list[Callable[[], object]] = [
                lambda start=start, length=length: p.mprotect(start, length, 0x40),
                lambda start=start, length=length: p.mprotect(start, length, PROT_READ),
                lambda start=start, length=length: p.munmap(start, length),
                lambda start=start, length=length: p.madvise(start, length, MADV_WILLNEED),
                lambda start=start, length=length: p.madvise(start, length, 77),
                lambda start=start, length=length: p.msync(start, length, 4),
                lambda start=start, length=length: p.mlock(start, length),
                lambda start=start, length=length: p.munlock(start, length),
                lambda start=start, length=length: p.mincore(start, length),
                lambda start=start, length=length: p.mmap(start, length, PROT_READ, FIXED_ANON),
                lambda start=start, length=length: p.mmap(start, length, PROT_READ, ANON),
                lambda start=start, length=length: p.mremap(start, length, 4096, MREMAP_MAYMOVE),
            ]
            for call in calls:
                with suppress(OSError):
                    call()


@regression({"f0": FileData(73805)})
def a_hole_beyond_the_largest_file(p: Process) -> None:
    """MADV_REMOVE is fallocate: EFBIG where the range ends beyond the largest file, which ext4 has and tmpfs not."""
    fd = p.open("f0", O_RDWR)
    largest = (2**32 - 1) * 4096
    for offset in (1 << 62, largest - 0x2000, largest - 0x1000, largest, 2**63 - 0x5000):
        with suppress(OSError):
            p.mmap(ARENA, 0x4000, RW, MAP_SHARED | MAP_FIXED, fd, offset)
        for length in (0x1000, 0x2000, 0x3000):
            with suppress(OSError):
                p.madvise(ARENA, length, MADV_REMOVE)


@regression({"f0": FileData(225281)})
def growing_a_file_inside_a_large_folio_takes_its_entries(p: Process) -> None:
    """Ext4 truncates the page cache at the new size where the file grows, too: a folio that this cuts is unmapped."""
    fd = p.open("f0", O_RDWR)
    p.ftruncate(fd, 0x11000)
    p.pwrite(fd, b"y" * 0x30000, 0x1C000)
    other = p.mmap(ARENA - 0x10000, 0x1000, RW, FIXED_ANON)
    p.store(other, b"x")
    a = p.mmap(ARENA, 0x4000, RW, MAP_PRIVATE | MAP_FIXED, fd, 0x20000)
    for size in (0x37000, 0x37001, 0x37002, 0x38000, 0x38001, 0x40000, 0x40001, 0x48000):
        p.ftruncate(fd, size)
        p.load(a, 0x4000)


@regression({"f0": FileData(40959)})
def a_file_cut_to_nothing_is_written_when_it_is_closed(p: Process) -> None:
    """Ext4 starts to write it (auto_da_alloc): the page is clean again, and what lay behind the file's end is zero."""
    fd = p.open("f0", O_RDWR)
    a = p.mmap(ARENA, 0x1000, RW, MAP_SHARED | MAP_FIXED, fd)
    p.open("f0", O_RDWR | O_TRUNC)
    again = p.open("f0")
    p.write(fd, b"x")
    p.store(a, b"yyyyyy")
    p.fork().close(again)
    p.load(a, 6)
    p.close(again)
    p.load(a, 6)
    p.store(a, b"yyyyyy")  # one more fault: the entry was made read-only


@regression({"f0": FileData(40959)})
def a_closed_file_is_not_written_where_its_blocks_are_there(p: Process) -> None:
    """The mark of a file that was cut to nothing goes with the first close, also where there is nothing to write."""
    fd = p.open("f0", O_RDWR)
    a = p.mmap(ARENA, 0x1000, RW, MAP_SHARED | MAP_FIXED, fd)
    p.close(p.open("f0", O_RDWR | O_TRUNC))
    again = p.open("f0")
    p.write(fd, b"x")
    p.store(a, b"yyyyyy")
    p.close(again)
    p.load(a, 6)


@regression({"f0": FileData(53248)})
def a_direct_write_that_is_refused_has_blocks_all_the_same(p: Process) -> None:
    """The hole that it aimed at is an unwritten extent then: SEEK_HOLE finds a hole there until a page is cached."""
    fd, direct = p.open("f0", O_RDWR), p.open("f0", O_RDWR | O_DIRECT)
    p.pwrite(fd, b"x" * 512, 0xE000)
    p.lseek(fd, 0x2000, SEEK_HOLE)
    with suppress(OSError):
        p.pwrite(direct, b"y" * 512, 0xD001)
    p.lseek(fd, 0x2000, SEEK_HOLE)
    p.pread(fd, 0x3000, 0xC000)
    p.lseek(fd, 0x2000, SEEK_HOLE)
    p.ftruncate(fd, 0xC000)
    p.ftruncate(fd, 0xF000)
    p.lseek(fd, 0x2000, SEEK_HOLE)


@regression({"f0": FileData(53248)})
def a_direct_write_extends_what_is_on_the_disk(p: Process) -> None:
    """It counts as extending where the disk's size is smaller, though the file is larger; refused, it cuts again."""
    fd, direct = p.open("f0", O_RDWR), p.open("f0", O_RDWR | O_DIRECT)
    p.pwrite(fd, b"x" * 512, 0xD000)
    with suppress(OSError):
        p.pwrite(direct, b"y" * 512, 0xCFFF)
    a = p.mmap(ARENA, 0xE000, PROT_READ, MAP_SHARED | MAP_FIXED, fd)
    p.load(a + 0xD000)


@regression({"f0": FileData(1)})
def a_direct_write_is_refused_when_its_first_extent_is_written(p: Process) -> None:
    """Extent by extent: the file's page is aligned and written, the rest is not and refused."""
    with suppress(OSError):
        p.write(p.open("f0", O_RDWR | O_DIRECT), b"y" * 7723)


@regression({"f0": FileData(0x3000)})
def a_direct_write_of_one_extent_is_refused_as_a_whole(p: Process) -> None:
    """Three neighbouring pages are one extent; a fourth, behind the end, is the next one."""
    direct = p.open("f0", O_RDWR | O_DIRECT)
    with suppress(OSError):
        p.write(direct, b"y" * 0x2001)
    with suppress(OSError):
        p.pwrite(direct, b"z" * 0x2001, 0x1000)
    with suppress(OSError):
        p.pwrite(direct, b"w" * 0x1001, 0x1200)


@regression()
def a_refused_direct_write_of_a_file_that_the_disk_does_not_have(p: Process) -> None:
    """The first page is read back into the cache when the file is cut to its size: a minor fault, not a major one."""
    fd = p.open("new", O_RDWR | O_CREAT)
    p.write(fd, b"x")
    with suppress(OSError):
        p.write(p.open("new", O_RDWR | O_DIRECT), b"y")
    p.load(p.mmap(ARENA, 0x1000, RW, MAP_SHARED | MAP_FIXED, fd))


@regression({"f0": FileData(521 * 4096)}, warm=False)
def a_reader_looks_back_over_a_large_folio(p: Process) -> None:
    """Looking for the start of the cached run from the middle of a large folio, Linux leaves its node too early."""
    ahead, fd = p.open("f0"), p.open("f0")
    a = p.mmap(ARENA, 521 * 4096, PROT_NONE, MAP_SHARED | MAP_FIXED, fd)
    p.read(ahead, 0x1000)
    p.read(ahead, 0x5000)
    p.lseek(fd, 53 * 4096)
    p.read(fd, 30 * 4096)
    p.mincore(a, 521 * 4096)


@regression({"f0": FileData(40960)})
def a_moved_area_with_an_inherited_identity_stays_alone(p: Process) -> None:
    """MREMAP of two areas of a child: the second has its parent's anonymous identity, the first none; no merge."""
    fd = p.open("f0")
    p.mmap(ARENA + 0xB000, 0x7000, RW, MAP_PRIVATE | MAP_FIXED, fd, 0x4000)
    with suppress(OSError):
        p.mlock(ARENA + 0x11000, 0x1000)
    p.fork().mremap(ARENA + 0x10000, 0x2000, 0x2000, MREMAP_MAYMOVE | MREMAP_FIXED, ARENA + 0x1C000)


@regression()
def only_some_may_move_to_the_lowest_addresses(p: Process) -> None:
    """EPERM below mmap_min_addr without CAP_SYS_RAWIO, once the target is cleared: an ordinary user found this one."""
    p.mmap(ARENA, 0x3000, RW, FIXED_ANON)
    with suppress(OSError):
        p.mremap(ARENA, 0x1000, 0x2000, MREMAP_MAYMOVE | MREMAP_FIXED, 0)


@regression(PAGES_20)
def memory_for_execution_only_is_not_populated(p: Process) -> None:
    """Where the processor has protection keys, the kernel may not load from it either: no page comes in (lock 561)."""
    p.mmap(0, 0x3001, PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE)
    p.mmap(0, 0x3000, PROT_EXEC, MAP_PRIVATE | MAP_POPULATE, p.open("f0"))
    p.mmap(0, 0x3000, PROT_WRITE | PROT_EXEC, ANON | MAP_POPULATE)  # has no such key


@regression(PAGES_20)
def memory_for_execution_only_is_locked_without_pages(p: Process) -> None:
    """With protection keys MAP_LOCKED succeeds and faults nothing; mlock is ENOMEM (lock 576, limits 730)."""
    p.mmap(0, 0x2000, PROT_EXEC, ANON | MAP_LOCKED)
    a = p.mmap(ARENA, 0x3000, PROT_EXEC, MAP_PRIVATE | MAP_FIXED, p.open("f0"))
    with suppress(OSError):
        p.mlock(a, 0x2000)
    p.mincore(a, 0x3000)
    p.munlock(a, 0x3000)


@regression()
def memory_for_execution_only_grows_and_changes_while_it_is_locked(p: Process) -> None:
    """What mremap and mprotect fault in of locked areas, they do not where a protection key forbids it."""
    a = p.mmap(ARENA, 0x2000, RW, ANON | MAP_FIXED | MAP_LOCKED)
    p.mprotect(a, 0x2000, PROT_EXEC)
    p.mremap(a, 0x2000, 0x4000)
    p.mprotect(a, 0x4000, PROT_READ | PROT_EXEC)
    p.load(a, 0x4000)


@regression(PAGES_20)
def memory_for_execution_only_is_advised_to_be_there(p: Process) -> None:
    """MADV_POPULATE_READ asks for the right to read, MADV_POPULATE_WRITE for that to write (vmaf 676)."""
    fd = p.open("f0", O_RDWR)
    for prot in (PROT_EXEC, PROT_WRITE | PROT_EXEC):
        p.mmap(ARENA, 0x3000, prot, MAP_SHARED | MAP_FIXED, fd)
        for advice in (MADV_POPULATE_READ, MADV_POPULATE_WRITE):
            with suppress(OSError):
                p.madvise(ARENA, 0x2000, advice)


@regression(PAGES_20)
def a_store_to_memory_for_execution_only(p: Process) -> None:
    """SEGV_PKUERR where the processor has protection keys, present or not, as for a load; else SEGV_ACCERR."""
    a = p.mmap(ARENA, 0x2000, RW, FIXED_ANON)
    p.store(a, b"x")
    p.mprotect(a, 0x2000, PROT_EXEC)
    b = p.mmap(ARENA + 0x10000, 0x16000, PROT_EXEC, MAP_SHARED | MAP_FIXED, p.open("f0"))
    for addr in (a, a + 0x1000, b, b + 0x15000):
        with suppress(FatalSignal):
            p.store(addr, b"y")
        with suppress(FatalSignal):
            p.load(addr)


@regression()
def memory_for_execution_only_lends_no_identity(p: Process) -> None:
    """Its protection key is among the flags: memory beside it has its own identity, and stays alone (vma 5030)."""
    p.mmap(ARENA, 0x4000, RW, FIXED_ANON)
    p.store(ARENA + 0x3555, b"x")
    p.mprotect(ARENA + 0x1000, 0x1000, PROT_EXEC)
    p.mmap(ARENA + 0x2000, 0x3000, RW, FIXED_ANON)
    p.store(ARENA + 0x3FFE, b"yyyy")
    p.mprotect(ARENA + 0x1000, 0x4000, PROT_WRITE)


MIB = 1 << 20
LOW = 0x4000_0000


def low_memory_with_a_hole(p: Process, start: int, length: int) -> None:
    """Take the second GiB, all but one hole: where MAP_32BIT begins to search is left to chance."""
    p.mmap(LOW, LOW, PROT_NONE, FIXED_ANON)
    p.munmap(start, length)


@regression()
def low_memory_is_never_taken_twice(p: Process) -> None:
    """MAP_32BIT raises a hint to mmap_min_addr before it looks whether the range is free there."""
    low_memory_with_a_hole(p, 0x5000_1000, 0x10000)
    for hint in (0x1000, 0x1000, 0x10000, 0x1_0000_0000, 0x3000_0000):
        p.mmap(hint, 0x1000, RW, ANON | MAP_32BIT)


@regression()
def low_memory_keeps_its_distance_from_a_stack(p: Process) -> None:
    """MAP_32BIT grants no hint in the guard gap below what grows downwards."""
    low_memory_with_a_hole(p, 0x5000_1000, 8 * MIB)
    p.mmap(0x5070_0000, 0x1000, RW, FIXED_ANON | MAP_GROWSDOWN)
    for pages in (4, 256, 257):
        p.mmap(0x5070_0000 - pages * 0x1000, 0x1000, RW, ANON | MAP_32BIT)


@regression()
def low_memory_of_2_mib_is_aligned(p: Process) -> None:
    """MAP_32BIT places whole multiples of 2 MiB on one; from a start that is aligned, on the next."""
    low_memory_with_a_hole(p, 0x5000_1000, 10 * MIB)
    for length in (2 * MIB, 0x1000, 2 * MIB, 2 * MIB):
        p.mmap(0, length, RW, ANON | MAP_32BIT)
    p.munmap(0x6000_0000, 8 * MIB)
    p.mmap(0, 2 * MIB, RW, ANON | MAP_32BIT)
    p.mmap(0, 2 * MIB, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_32BIT)
    for length in (8 * MIB, 3 << 30):
        with suppress(OSError):
            p.mmap(0, length, RW, ANON | MAP_32BIT)


@regression({"f0": FileData(8 * MIB)})
def low_mappings_of_a_file_keep_its_remainder(p: Process) -> None:
    """MAP_32BIT places a file of ext4 as far from 2 MiB as its offset is, and grants a hint only with 2 MiB spare."""
    fd = p.open("f0")
    low_memory_with_a_hole(p, 0x5000_1000, 24 * MIB)
    p.mmap(0, 4 * MIB, PROT_READ, MAP_SHARED | MAP_32BIT, fd)
    p.mmap(0, 4 * MIB, PROT_READ, MAP_SHARED | MAP_32BIT, fd, 0x3000)
    p.mmap(0, 0x1000, PROT_READ, MAP_SHARED | MAP_32BIT, fd)
    p.munmap(0x6000_0000, 4 * MIB)
    for _ in range(2):
        p.mmap(0x6000_0000, 4 * MIB, PROT_READ, MAP_SHARED | MAP_32BIT, fd)


@regression({"f0": FileData(8 * MIB)})
def a_hint_for_a_large_file_needs_2_mib_to_spare(p: Process) -> None:
    """On ext4 the hint is tried with the length that alignment needs; where only that is missing, it is ignored."""
    fd = p.open("f0")
    p.mmap(ARENA - 0x1E_0000, 1 << 30, PROT_NONE, FIXED_ANON)
    for hint, room in ((0x10_1000_0000, 4 * MIB), (0x10_2000_0000, 6 * MIB), (0x10_3000_1000, 6 * MIB)):
        p.munmap(hint, room)
        p.mmap(hint, 4 * MIB, PROT_READ, MAP_SHARED, fd)
    a = p.mmap(0, 4 * MIB, PROT_READ, MAP_SHARED, fd)
    p.munmap(0x10_0800_0000, 4 * MIB)
    p.mremap(a, 4 * MIB, 4 * MIB, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0x10_0800_0000)


@regression(PAGES_20)
def the_right_to_write_is_looked_at_before_map_sync(p: Process) -> None:
    """ext4 knows MAP_SYNC, and refuses it late: EACCES comes first; tmpfs does not know it: EOPNOTSUPP comes first."""
    for mode in (0, O_RDWR, O_WRONLY):
        fd = p.open("f0", mode)
        for kind in (MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE):
            for prot in (PROT_READ, PROT_WRITE, RW):
                with suppress(OSError):
                    p.mmap(0, 0x1000, prot, kind | MAP_SYNC, fd)


@regression(PAGES_20)
def what_grows_is_promised(p: Process) -> None:
    """mremap asks for the growth of private writable memory as mmap does: ENOMEM beyond the machine's memory."""
    much = 1 << 45
    read_only = p.mmap(0, 0x1000, PROT_READ, ANON)
    unpromised = p.mmap(0, 0x1000, RW, ANON | MAP_NORESERVE)
    for old in (
        p.mmap(ARENA, 0x1000, RW, FIXED_ANON),
        p.mmap(0, 0x1000, RW, ANON),
        p.mmap(0, 0x1000, RW, MAP_PRIVATE, p.open("f0")),
        read_only,
        unpromised,
    ):
        for flags, target in ((0, 0), (MREMAP_MAYMOVE, 0), (MREMAP_MAYMOVE | MREMAP_FIXED, 2 * ARENA)):
            with suppress(OSError):
                p.mremap(old, 0x1000, much, flags, target)


@pytest.mark.live
@pytest.mark.parametrize(("program", "files", "warm"), COLLECTION, ids=[case[0].__name__ for case in COLLECTION])
def test_both_kernels_agree(live: Pair, program: Program, files: dict[str, FileData], warm: bool) -> None:
    difference = run_python(program, live, files, warm).difference
    assert difference is None, str(difference)


@pytest.mark.parametrize(
    ("reads", "cached"),
    [
        ((16,), 32), ((32,), 64), ((33,), 64), ((40,), 80), ((50,), 100), ((64,), 128), ((320,), 640), ((400,), 960),
        ((1, 3), 12), ((1, 12), 24), ((1, 20), 32), ((1, 30), 48), ((1, 35), 64), ((1, 45), 64), ((1, 60), 96),
    ],
)  # fmt: skip
def test_pages_cached_by_reads_where_the_window_has_128_kib(reads: tuple[int, ...], cached: int) -> None:
    """As Linux 6.18 did on ext4 on a loop device with read_ahead_kb 128 and max_sectors_kb 1280; in pages."""
    with Kernel(KernelConfig(ra_pages=32, io_pages=320), record=False) as kernel:
        kernel.create_file("f", b"x" * 4096 * 1000)
        p = kernel.spawn()
        fd = p.open("f")
        for pages in reads:
            p.read(fd, pages * 4096)
        a = p.mmap(0, 4096 * 1000, PROT_READ, MAP_SHARED, fd)
        assert p.mincore(a, 4096 * 1000) == [True] * cached + [False] * (1000 - cached)


def promised_memory_is_replaced(p: Process, most: int) -> None:
    """What a mapping replaces was promised already: only the rest is asked for; of shared memory, everything."""
    p.mmap(ARENA, most, RW, FIXED_ANON)
    p.mmap(ARENA, most + most // 2, RW, FIXED_ANON)
    for flags in (FIXED_ANON, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED):
        for start in (ARENA, ARENA + 4 * most):
            with suppress(OSError):
                p.mmap(start, 3 * most, RW, flags)


def what_is_cut_is_asked_for_as_if_it_grew(p: Process, most: int) -> None:
    """mremap that cuts and moves (MREMAP_FIXED) is ENOMEM where what it cuts is more than the machine's memory."""
    p.mmap(ARENA, most, RW, FIXED_ANON)
    p.mmap(ARENA + most, most, RW, FIXED_ANON)
    with suppress(OSError):
        p.mremap(ARENA, 2 * most, 0x1000, MREMAP_MAYMOVE | MREMAP_FIXED, 8 * ARENA)


def a_mapping_that_also_stays_is_promised_twice(p: Process, most: int) -> None:
    """MREMAP_DONTUNMAP asks for the whole length; a plain move of the same area asks for nothing."""
    p.mmap(ARENA, most, RW, FIXED_ANON)
    p.mmap(ARENA + most, most, RW, FIXED_ANON)
    with suppress(OSError):
        p.mremap(ARENA, 2 * most, 2 * most, MREMAP_MAYMOVE | MREMAP_DONTUNMAP)
    p.mremap(ARENA, 2 * most, 2 * most, MREMAP_MAYMOVE | MREMAP_FIXED, 8 * ARENA)


def a_child_is_promised_everything_once_more(p: Process, most: int) -> None:
    """fork asks area by area: ENOMEM where one is too large. The areas before it are write-protected by then."""
    small = p.mmap(ARENA - 0x10000, 0x2000, RW, FIXED_ANON)
    p.store(small, b"x")
    p.mmap(ARENA, most, RW, FIXED_ANON)
    p.mmap(ARENA + most, most, RW, FIXED_ANON)
    with suppress(OSError):
        p.fork()
    p.store(small, b"y")
    p.munmap(ARENA, 0x1000)
    p.munmap(ARENA + most, most)
    p.fork().store(small, b"z")
    p.load(small)


PROMISES = (
    promised_memory_is_replaced,
    what_is_cut_is_asked_for_as_if_it_grew,
    a_mapping_that_also_stays_is_promised_twice,
    a_child_is_promised_everything_once_more,
)
"""Programs that are given a little less than the most that this machine promises at once, in whole pages."""


@pytest.mark.live
@pytest.mark.parametrize("program", PROMISES)
def test_both_kernels_promise_as_much(live: Pair, program: Callable[[Process, int], None]) -> None:
    most = live.config.commit_limit_bytes * 3 // 4 & -(2 * MIB)
    difference = run_python(lambda p: program(p, most), live, {}, True).difference
    assert difference is None, str(difference)
