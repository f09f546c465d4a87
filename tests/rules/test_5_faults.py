"""Rules 5: page faults where everything is in the page cache.

5.1 private memory, 5.2 private files, 5.3 shared files, 5.4 copy on write, 5.8 fork, 5.9 advice.
"""

from __future__ import annotations

import pytest

from mmaplab.constants import (
    MADV_DONTNEED,
    MADV_RANDOM,
    MADV_SEQUENTIAL,
    MADV_WILLNEED,
    MAP_ANONYMOUS,
    MS_ASYNC,
    MS_SYNC,
    O_RDWR,
    PROT_NONE,
    PROT_READ,
)
from mmaplab.fuzz.writer import FileData
from mmaplab.interface import Process
from tests.rules.both import (
    ARENA,
    FIXED,
    PAGE,
    PRIVATE,
    RW,
    SHARED,
    TABLE,
    Both,
    entries,
    minor,
    resident,
    rss,
)

FILE = {"f0": FileData(40 * PAGE)}


def mapped(p: Process, flags: int, prot: int = RW, pages: int = 40) -> int:
    """Map the first pages of the file at ARENA; returns its descriptor."""
    fd = p.open("f0", O_RDWR)
    p.mmap(ARENA, pages * PAGE, prot, flags, fd)
    return fd


# ---------------------------------------------------------------- 5.1 private anonymous memory


def test_5_1_a_load_maps_the_zero_page(both: Both) -> None:
    """A load of an absent page is one fault that maps the shared page of zeros: in the table, but in no Rss."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 4 * PAGE, RW, FIXED)
        before = rss(p)
        assert minor(p, ARENA + PAGE) == 1
        assert minor(p, ARENA + PAGE) == 0
        assert rss(p) == before
        assert entries(p, ARENA, 4) == resident(p, ARENA, 4) == ".#.."

    both(program)


def test_5_1_the_store_afterwards_faults_again(both: Both) -> None:
    """A store to the zero page faults and gives the process its own page; a store to an absent page faults once."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 2 * PAGE, RW, FIXED)
        before = rss(p)[0]
        assert (minor(p, ARENA), minor(p, ARENA, b"x"), minor(p, ARENA, b"x")) == (1, 1, 0)
        assert (minor(p, ARENA + PAGE, b"x"), minor(p, ARENA + PAGE)) == (1, 0)
        assert rss(p)[0] - before == 2

    both(program)


# ---------------------------------------------------------------- 5.2 private files


def test_5_2_a_store_copies_its_page_only(both: Both) -> None:
    """A store to an absent page of a private file is one fault, which maps no neighbour; the file is unchanged."""

    def program(p: Process) -> None:
        fd = mapped(p, PRIVATE)
        assert minor(p, ARENA + 5 * PAGE, b"copy") == 1
        assert entries(p, ARENA, 16) == "." * 5 + "#" + "." * 10
        assert p.load(ARENA + 5 * PAGE, 4) == b"copy"
        assert p.pread(fd, 4, 5 * PAGE) != b"copy"

    both(program, FILE)


def test_5_2_a_store_after_a_load_faults_again(both: Both) -> None:
    """What a load has mapped is the file's own page: the store to it is a second fault, which copies."""

    def program(p: Process) -> None:
        mapped(p, PRIVATE)
        assert (minor(p, ARENA), minor(p, ARENA, b"x"), minor(p, ARENA, b"y")) == (1, 1, 0)
        assert minor(p, ARENA + 3 * PAGE, b"x") == 1

    both(program, FILE)


# ---------------------------------------------------------------- 5.3 shared files


def test_5_3_on_tmpfs_a_load_maps_writable(tmpfs: Both) -> None:
    """No file system waits for the first store: after a load, neither the page nor its neighbours fault for a store."""

    def program(p: Process) -> None:
        mapped(p, SHARED)
        assert minor(p, ARENA) == 1
        assert [minor(p, ARENA + page * PAGE, b"x") for page in (0, 1, 15, 16)] == [0, 0, 0, 1]

    tmpfs(program, FILE)


def test_5_3_shared_memory_is_like_tmpfs(both: Both) -> None:
    """Shared anonymous memory: a load makes the page and maps it writable, and msync changes nothing."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 4 * PAGE, RW, SHARED | MAP_ANONYMOUS)
        assert (minor(p, ARENA), minor(p, ARENA, b"x")) == (1, 0)
        p.msync(ARENA, 4 * PAGE, MS_SYNC)
        assert minor(p, ARENA, b"y") == 0
        assert minor(p, ARENA + PAGE, b"x") == 1

    both(program)


def test_5_3_on_ext4_each_page_s_first_store_faults(ext4: Both) -> None:
    """A load maps read-only, so that the file system hears of the first store to each page."""

    def program(p: Process) -> None:
        mapped(p, SHARED)
        assert minor(p, ARENA) == 1
        assert [minor(p, ARENA + page * PAGE, b"x") for page in (0, 1, 15, 0, 1)] == [1, 1, 1, 0, 0]

    ext4(program, FILE)


@pytest.mark.parametrize("how", ["msync", "fsync"])
def test_5_3_write_back_protects_again(ext4: Both, how: str) -> None:
    """msync(MS_SYNC) and fsync clean the pages and take the right away, in all processes: the next store faults."""

    def program(p: Process) -> None:
        fd = mapped(p, SHARED)
        child = p.fork()
        for process in (p, child):
            process.store(ARENA, b"x")
        p.msync(ARENA, PAGE, MS_SYNC) if how == "msync" else p.fsync(fd)
        assert (minor(child, ARENA, b"y"), minor(child, ARENA, b"y")) == (1, 0)
        assert (minor(p, ARENA, b"y"), minor(p, ARENA, b"y")) == (1, 0)

    ext4(program, FILE)


def test_5_3_msync_is_for_its_range(ext4: Both) -> None:
    """Pages outside the range of msync stay writable."""

    def program(p: Process) -> None:
        mapped(p, SHARED)
        p.store(ARENA, b"x" * 3 * PAGE)
        p.msync(ARENA + PAGE, PAGE, MS_SYNC)
        assert [minor(p, ARENA + page * PAGE, b"y") for page in range(3)] == [0, 1, 0]

    ext4(program, FILE)


def test_5_3_ms_async_does_nothing(both: Both) -> None:
    """MS_ASYNC cleans nothing, and no store faults after it."""

    def program(p: Process) -> None:
        mapped(p, SHARED)
        p.store(ARENA, b"x")
        p.msync(ARENA, PAGE, MS_ASYNC)
        assert minor(p, ARENA, b"y") == 0

    both(program, FILE)


def test_5_3_msync_looks_at_shared_areas_only(ext4: Both) -> None:
    """msync of a private mapping of the file cleans nothing, whatever others have stored."""

    def program(p: Process) -> None:
        fd = mapped(p, SHARED)
        p.mmap(ARENA + TABLE, PAGE, RW, PRIVATE, fd)
        p.store(ARENA, b"x")
        p.msync(ARENA + TABLE, PAGE, MS_SYNC)
        assert minor(p, ARENA, b"y") == 0

    ext4(program, FILE)


def test_5_3_a_store_to_an_absent_page_is_one_fault(both: Both) -> None:
    """The first access, if it is a store, is one fault and maps no neighbour."""

    def program(p: Process) -> None:
        mapped(p, SHARED)
        assert (minor(p, ARENA + 3 * PAGE, b"x"), minor(p, ARENA + 3 * PAGE)) == (1, 0)
        assert entries(p, ARENA, 16) == "...#" + "." * 12

    both(program, FILE)


# ---------------------------------------------------------------- 5.4 copy on write


def test_5_4_after_fork_each_first_store_faults(both: Both) -> None:
    """The first that stores faults and copies; the last owner faults too, but keeps the page."""

    def program(p: Process) -> None:
        p.mmap(ARENA, PAGE, RW, FIXED)
        p.store(ARENA, b"before")
        child = p.fork()
        before = rss(p)[0], rss(child)[0]
        assert (minor(child, ARENA, b"child!"), minor(child, ARENA, b"child!")) == (1, 0)
        assert (minor(p, ARENA, b"parent"), minor(p, ARENA, b"parent")) == (1, 0)
        assert (p.load(ARENA, 6), child.load(ARENA, 6)) == (b"parent", b"child!")
        assert (rss(p)[0], rss(child)[0]) == before

    both(program)


def test_5_4_the_sole_owner_faults_once(both: Both) -> None:
    """After the child has gone, a store still faults once: nobody has made the entry writable again."""

    def program(p: Process) -> None:
        p.mmap(ARENA, PAGE, RW, FIXED)
        p.store(ARENA, b"x")
        p.fork().exit()
        assert (minor(p, ARENA, b"y"), minor(p, ARENA, b"y")) == (1, 0)

    both(program)


@pytest.mark.parametrize("prot", [PROT_READ, PROT_NONE])
def test_5_4_mprotect_there_and_back_costs_nothing(both: Both, prot: int) -> None:
    """Pages that were never shared are writable at once when the area is so again."""

    def program(p: Process) -> None:
        p.mmap(ARENA, PAGE, RW, FIXED)
        p.store(ARENA, b"x")
        p.mprotect(ARENA, PAGE, prot)
        p.mprotect(ARENA, PAGE, RW)
        assert minor(p, ARENA, b"y") == 0

    both(program)


def test_5_4_mprotect_does_not_know_that_the_child_is_gone(both: Both) -> None:
    """Pages that were shared with a child that has ended fault once after mprotect there and back."""

    def program(p: Process) -> None:
        p.mmap(ARENA, PAGE, RW, FIXED)
        p.store(ARENA, b"x")
        p.fork().exit()
        p.mprotect(ARENA, PAGE, PROT_READ)
        p.mprotect(ARENA, PAGE, RW)
        assert (minor(p, ARENA, b"y"), minor(p, ARENA, b"y")) == (1, 0)

    both(program)


def test_5_4_mprotect_of_a_shared_file(both: Both) -> None:
    """Back to writable, ext4 has only dirty entries writable at once, tmpfs all of them."""

    def program(p: Process) -> None:
        mapped(p, SHARED)
        p.load(ARENA)
        p.store(ARENA, b"x")
        p.mprotect(ARENA, 2 * PAGE, PROT_READ)
        p.mprotect(ARENA, 2 * PAGE, RW)
        assert (minor(p, ARENA, b"y"), minor(p, ARENA + PAGE, b"y")) == (0, int(both.on_disk))

    both(program, FILE)


def test_5_4_mprotect_makes_nothing_its_own(both: Both) -> None:
    """The zero page and pages of a private file mapping still fault for the first store."""

    def program(p: Process) -> None:
        mapped(p, PRIVATE, PROT_READ)
        p.mmap(ARENA + TABLE, PAGE, PROT_READ, FIXED)
        for addr in (ARENA, ARENA + TABLE):
            p.load(addr)
            p.mprotect(addr, PAGE, RW)
            assert minor(p, addr, b"x") == 1

    both(program, FILE)


# ---------------------------------------------------------------- 5.8 fork


def test_5_8_tables_are_copied_where_private_pages_are(both: Both) -> None:
    """An area with an identity is copied with all entries, also those of the file; the child does not fault there."""

    def program(p: Process) -> None:
        mapped(p, PRIVATE)
        p.mmap(ARENA + TABLE, 4 * PAGE, RW, FIXED)
        for addr in (ARENA, ARENA + TABLE):
            p.load(addr)
            p.store(addr + PAGE, b"x")
        child = p.fork()
        assert entries(child, ARENA, 17) == entries(p, ARENA, 17) == "#" * 16 + "."
        assert entries(child, ARENA + TABLE, 4) == "##.."

    both(program, FILE)


def test_5_8_other_areas_fault_in_the_child(both: Both) -> None:
    """Shared mappings, private files that were only read and memory that was only read begin empty in the child."""

    def program(p: Process) -> None:
        fd = mapped(p, SHARED)
        p.mmap(ARENA + TABLE, 4 * PAGE, RW, PRIVATE, fd)
        p.mmap(ARENA + 2 * TABLE, 4 * PAGE, RW, FIXED)
        p.store(ARENA, b"x")
        p.load(ARENA + TABLE)
        p.load(ARENA + 2 * TABLE)
        child = p.fork()
        for start in range(ARENA, ARENA + 3 * TABLE, TABLE):
            assert entries(child, start, 4) == "...."
            assert minor(child, start) == 1

    both(program, FILE)


def test_5_8_entries_become_read_only_on_both_sides(both: Both) -> None:
    """fork takes the right to store from the parent's private pages too, page by page as they were there."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 3 * PAGE, RW, FIXED)
        p.store(ARENA, b"x" * 2 * PAGE)
        child = p.fork()
        assert [minor(p, ARENA + page * PAGE, b"y") for page in range(3)] == [1, 1, 1]
        assert [minor(child, ARENA + page * PAGE, b"y") for page in range(3)] == [1, 1, 1]
        assert (entries(p, ARENA, 3), entries(child, ARENA, 3)) == ("###", "###")

    both(program)


# ---------------------------------------------------------------- 5.9 advice


def test_5_9_dontneed_drops_entries_and_copies(both: Both) -> None:
    """After MADV_DONTNEED private copies are lost: the file's bytes, or zeros, are back with the next fault."""

    def program(p: Process) -> None:
        mapped(p, PRIVATE)
        p.mmap(ARENA + TABLE, PAGE, RW, FIXED)
        original = p.load(ARENA, 4)
        for addr in (ARENA, ARENA + TABLE):
            p.store(addr, b"mine")
            p.madvise(addr, PAGE, MADV_DONTNEED)
            assert entries(p, addr, 1) == "."
            assert minor(p, addr) == 1
        assert p.load(ARENA, 4) == original
        assert p.load(ARENA + TABLE, 4) == bytes(4)

    both(program, FILE)


def test_5_9_willneed_maps_nothing(both: Both) -> None:
    """MADV_WILLNEED reads ahead at most; no entry is made."""

    def program(p: Process) -> None:
        mapped(p, SHARED)
        p.madvise(ARENA, 40 * PAGE, MADV_WILLNEED)
        assert entries(p, ARENA, 40) == "." * 40

    both(program, FILE)


@pytest.mark.parametrize("advice", [MADV_RANDOM, MADV_SEQUENTIAL])
def test_5_9_advice_does_not_change_fault_around(both: Both, advice: int) -> None:
    """MADV_RANDOM and MADV_SEQUENTIAL are about reading from the disk: cached neighbours are mapped all the same."""

    def program(p: Process) -> None:
        mapped(p, SHARED)
        p.madvise(ARENA, 40 * PAGE, advice)
        p.load(ARENA + 20 * PAGE)
        assert entries(p, ARENA, 40) == "." * 16 + "#" * 16 + "." * 8

    both(program, FILE)
