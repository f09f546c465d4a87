"""Rules 5.10 to 5.12: pages brought in without a touch, and what the kernel counts of them.

5.10 MAP_POPULATE, MADV_POPULATE and mlock, 5.11 resident pages by kind, 5.12 smaps.
"""

from __future__ import annotations

import pytest

from mmaplab.constants import (
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_POPULATE,
    MAP_SHARED,
    MS_SYNC,
    O_RDWR,
    PROT_READ,
    PROT_WRITE,
)
from mmaplab.fuzz.writer import FileData
from mmaplab.interface import Process
from tests.rules.both import ARENA, FIXED, PAGE, PRIVATE, RW, SHARED, Both, entries, minor, rss, smaps

FILE = {"f0": FileData(40 * PAGE)}


def counted(p: Process, before: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return what has come to (anonymous, file, shared memory) since."""
    anon, file, shmem = (now - then for now, then in zip(rss(p), before, strict=True))
    return anon, file, shmem


# ---------------------------------------------------------------- 5.10 populate and mlock


def test_5_10_populate_of_private_memory_stores(both: Both) -> None:
    """A private writable mapping is populated by store faults: each page is the process's own at once."""

    def program(p: Process) -> None:
        fd = p.open("f0")
        before = p.faults()
        p.mmap(ARENA, 8 * PAGE, RW, PRIVATE | MAP_POPULATE, fd)
        assert (p.faults() - before).minor == 8
        assert [minor(p, ARENA + page * PAGE, b"x") for page in (0, 3, 7)] == [0, 0, 0]

    both(program, FILE)


def test_5_10_populate_of_a_shared_file_loads(both: Both) -> None:
    """Any other mapping is populated by load faults, each with the pages of its window."""

    def program(p: Process) -> None:
        fd = p.open("f0")
        before = p.faults()
        p.mmap(ARENA, 32 * PAGE, PROT_READ, SHARED | MAP_POPULATE, fd)
        assert (p.faults() - before).minor == 2
        assert entries(p, ARENA, 32) == "#" * 32

    both(program, FILE)


def test_5_10_populate_ignores_what_the_file_does_not_have(both: Both) -> None:
    """MAP_POPULATE stops where the file ends, and says nothing; mlock of the same pages says ENOMEM."""

    def program(p: Process) -> None:
        fd = p.open("f0")
        p.mmap(ARENA, 60 * PAGE, PROT_READ, SHARED | MAP_POPULATE, fd)
        assert entries(p, ARENA, 60) == "#" * 40 + "." * 20
        with pytest.raises(OSError, match=r"Errno 12\b"):
            p.mlock(ARENA, 60 * PAGE)

    both(program, FILE)


def test_5_10_mlock_of_uncached_pages_counts_minor_faults(ext4: Both) -> None:
    """The fault that waited for the disk is begun again and then finds the page; MADV_POPULATE_READ counts it."""

    def locked(p: Process) -> None:
        p.mmap(ARENA, 4 * PAGE, PROT_READ, SHARED, p.open("f0"))
        before = p.faults()
        p.mlock(ARENA, 4 * PAGE)
        assert (p.faults() - before).major == 0
        assert entries(p, ARENA, 4) == "####"

    def populated(p: Process) -> None:
        p.mmap(ARENA, 4 * PAGE, PROT_READ, SHARED, p.open("f0"))
        before = p.faults()
        p.madvise(ARENA, 4 * PAGE, MADV_POPULATE_READ)
        assert (p.faults() - before).major >= 1

    ext4(locked, FILE, warm=False)
    ext4(populated, FILE, warm=False)


def test_5_10_a_locked_area_that_becomes_writable_is_populated(both: Both) -> None:
    """mprotect to writable brings the private copies in at once, where the area is locked."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 4 * PAGE, PROT_READ, FIXED)
        p.mlock(ARENA, 4 * PAGE)
        p.mprotect(ARENA, 4 * PAGE, RW)
        assert minor(p, ARENA + PAGE, b"x") == 0

    both(program)


def test_5_10_populate_write_marks_pages_dirty(ext4: Both) -> None:
    """MADV_POPULATE_WRITE makes the pages of a shared mapping dirty, though nobody has stored."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 4 * PAGE, RW, SHARED, p.open("f0", O_RDWR))
        p.msync(ARENA, 4 * PAGE, MS_SYNC)
        p.madvise(ARENA, 4 * PAGE, MADV_POPULATE_WRITE)
        assert smaps(p, ARENA) == {"Private_Dirty": 4}
        assert minor(p, ARENA, b"x") == 0

    ext4(program, FILE)


# ---------------------------------------------------------------- 5.11 counters


def test_5_11_resident_pages_are_counted_by_kind(both: Both) -> None:
    """Private copies are anonymous; pages of a file are RssFile on a disk, RssShmem on tmpfs."""

    def program(p: Process) -> None:
        fd = p.open("f0")
        before = rss(p)
        p.mmap(ARENA, 16 * PAGE, RW, PRIVATE, fd)
        p.load(ARENA)
        assert counted(p, before) == ((0, 16, 0) if both.on_disk else (0, 0, 16))
        p.store(ARENA, b"x")
        assert counted(p, before) == ((1, 15, 0) if both.on_disk else (1, 0, 15))

    both(program, FILE)


def test_5_11_shared_anonymous_memory_is_shmem(both: Both) -> None:
    """MAP_SHARED with MAP_ANONYMOUS is a file without a name on tmpfs."""

    def program(p: Process) -> None:
        before = rss(p)
        p.mmap(ARENA, 4 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED)
        p.store(ARENA, b"x")
        p.store(ARENA + PAGE, b"x")
        assert counted(p, before) == (0, 0, 2)

    both(program)


def test_5_11_every_access_that_faults_is_one_event(both: Both) -> None:
    """A load across two absent pages is two faults; a page of zeros and its first store are two."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 4 * PAGE, RW, FIXED)
        before = p.faults()
        p.load(ARENA + PAGE - 4, 8)
        p.store(ARENA, b"x")
        assert (p.faults() - before).minor == 3

    both(program)


# ---------------------------------------------------------------- 5.12 smaps


def test_5_12_shared_is_what_two_entries_map(both: Both) -> None:
    """A page is shared as soon as a second entry maps it, be it of the same process."""

    def program(p: Process) -> None:
        fd = p.open("f0")
        second = ARENA + 64 * PAGE
        p.mmap(ARENA, 16 * PAGE, PROT_READ, SHARED, fd)
        p.load(ARENA)
        alone = smaps(p, ARENA)
        assert sum(count for kind, count in alone.items() if kind.startswith("Private")) == 16
        p.mmap(second, 16 * PAGE, PROT_READ, SHARED, fd)
        p.load(second)
        both_of_them = smaps(p, ARENA)
        assert sum(count for kind, count in both_of_them.items() if kind.startswith("Shared")) == 16

    both(program, FILE)


def test_5_12_clean_after_writeback_and_dirty_after_a_store(ext4: Both) -> None:
    """A page of a file is dirty from its first store on, until it is written back."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 4 * PAGE, RW, SHARED, p.open("f0", O_RDWR))
        p.load(ARENA)
        p.msync(ARENA, 4 * PAGE, MS_SYNC)
        assert smaps(p, ARENA) == {"Private_Clean": 4}
        p.store(ARENA + PAGE, b"x")
        assert smaps(p, ARENA) == {"Private_Clean": 3, "Private_Dirty": 1}
        p.msync(ARENA, 4 * PAGE, MS_SYNC)
        assert smaps(p, ARENA) == {"Private_Clean": 4}

    ext4(program, FILE)


def test_5_12_anonymous_pages_are_always_dirty(both: Both) -> None:
    """A private copy is nowhere else: it counts as dirty. The page of zeros counts as nothing."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 4 * PAGE, RW, FIXED)
        p.load(ARENA)
        p.store(ARENA + PAGE, b"x")
        assert smaps(p, ARENA) == {"Private_Dirty": 1}

    both(program)


def test_5_12_tmpfs_pages_that_were_only_read_are_clean(tmpfs: Both) -> None:
    """A hole of tmpfs that a load brought into existence is clean; a store makes it dirty."""

    def program(p: Process) -> None:
        fd = p.open("f0", O_RDWR)
        p.ftruncate(fd, 8 * PAGE)
        p.mmap(ARENA, 8 * PAGE, PROT_READ | PROT_WRITE, SHARED, fd)
        p.load(ARENA + 4 * PAGE)
        p.store(ARENA + 5 * PAGE, b"x")
        assert smaps(p, ARENA) == {"Private_Clean": 1, "Private_Dirty": 1}

    tmpfs(program, {"f0": FileData(0)})
