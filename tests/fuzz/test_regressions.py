"""Every difference that was ever found between the two kernels, as the shortest program that shows it.

Each docstring says what Linux does; the simulator did something else before. All run on both file systems.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from mmaplab.constants import (
    MADV_DONTFORK,
    MADV_WILLNEED,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_LOCKED,
    MAP_PRIVATE,
    MAP_SHARED,
    MAP_SHARED_VALIDATE,
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    O_RDWR,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
)
from mmaplab.fuzz.compare import run_python
from mmaplab.fuzz.pair import Pair
from mmaplab.fuzz.writer import FileData
from mmaplab.interface import Process, Program

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
    a = p.mmap(0, 0x5000, PROT_EXEC, MAP_PRIVATE, fd, 0x6000)
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


@pytest.mark.live
@pytest.mark.parametrize(("program", "files", "warm"), COLLECTION, ids=[case[0].__name__ for case in COLLECTION])
def test_both_kernels_agree(live: Pair, program: Program, files: dict[str, FileData], warm: bool) -> None:
    difference = run_python(program, live, files, warm).difference
    assert difference is None, str(difference)
