"""Rules 1: areas of memory, when they split and when they merge.

1.1 offsets, 1.2 compatible neighbours, 1.3 when merging is tried, 1.4 where identities of private pages come from,
1.5 fork, 1.6 promised memory, 1.7 shared mappings of what may only be read, 1.8 mmap over something, 1.9 mremap.
"""

from __future__ import annotations

import pytest

from mmaplab.constants import (
    MADV_DOFORK,
    MADV_DONTFORK,
    MADV_DONTNEED,
    MADV_NORMAL,
    MADV_RANDOM,
    MAP_ANONYMOUS,
    MAP_NORESERVE,
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    O_RDONLY,
    PROT_EXEC,
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
    arena,
    pages,
)

FILE = {"f0": FileData(20 * PAGE)}
MOVE = MREMAP_MAYMOVE | MREMAP_FIXED


def errno_of(error: pytest.ExceptionInfo[OSError]) -> str:
    """Return the C name of an errno."""
    import errno

    return errno.errorcode[error.value.errno or 0]


# ---------------------------------------------------------------- 1.1 offsets


def test_1_1_private_memory_has_no_offset(both: Both) -> None:
    """maps() shows offset 0 for private anonymous memory, whatever offset was passed; inside it follows the address."""

    def program(p: Process) -> None:
        p.mmap(ARENA, PAGE, RW, FIXED, -1, 7 * PAGE)
        p.mmap(ARENA + PAGE, PAGE, RW, FIXED, -1, 3 * PAGE)
        assert [(a.start, a.end, a.offset, a.path) for a in p.maps()] == [(ARENA, ARENA + 2 * PAGE, 0, "")]

    both(program)


def test_1_1_shared_memory_is_a_nameless_file(both: Both) -> None:
    """Each MAP_SHARED | MAP_ANONYMOUS is a fresh nameless file from offset 0: two that touch do not merge."""

    def program(p: Process) -> None:
        for page in range(2):
            p.mmap(ARENA + page * PAGE, PAGE, RW, SHARED | MAP_ANONYMOUS)
        found = [(a.perms, a.offset, a.path) for a in p.maps()]
        assert found == [("rw-s", 0, "/dev/zero (deleted)")] * 2

    both(program)


def test_1_1_a_file_s_offset_is_in_pages(both: Both) -> None:
    """An area of a file begins at the page that was asked for, and its second half a page later."""

    def program(p: Process) -> None:
        fd = p.open("f0")
        p.mmap(ARENA, 2 * PAGE, PROT_READ, PRIVATE, fd, 5 * PAGE)
        p.mprotect(ARENA + PAGE, PAGE, PROT_NONE)
        assert [a.offset for a in p.maps()] == [5 * PAGE, 6 * PAGE]

    both(program, FILE)


# ---------------------------------------------------------------- 1.2 compatible neighbours


def test_1_2_equal_flags_merge(both: Both) -> None:
    """Neighbours with equal flags become one area, those with different flags stay two."""

    def program(p: Process) -> None:
        for page, prot in enumerate((PROT_READ, PROT_READ, RW, RW, PROT_READ)):
            p.mmap(ARENA + page * PAGE, PAGE, prot, FIXED)
        assert pages(p) == [(0, 2), (2, 4), (4, 5)]

    both(program)


def test_1_2_two_opens_are_two_files(both: Both) -> None:
    """Areas merge where they are of one open file: dup and fork keep it, a second open does not."""

    def program(p: Process) -> None:
        first, second = p.open("f0"), p.open("f0")
        for page, fd in enumerate((first, p.dup(first), second)):
            p.mmap(ARENA + page * PAGE, PAGE, PROT_READ, PRIVATE, fd, page * PAGE)
        assert pages(p) == [(0, 2), (2, 3)]
        child = p.fork()
        child.mmap(ARENA + 3 * PAGE, PAGE, PROT_READ, PRIVATE, second, 3 * PAGE)
        assert pages(child) == [(0, 2), (2, 4)]

    both(program, FILE)


def test_1_2_offsets_must_continue(both: Both) -> None:
    """The right area must begin in the file where the left one ends."""

    def program(p: Process) -> None:
        fd = p.open("f0")
        for page, offset in enumerate((3, 4, 6, 5)):
            p.mmap(ARENA + page * PAGE, PAGE, PROT_READ, PRIVATE, fd, offset * PAGE)
        assert pages(p) == [(0, 2), (2, 3), (3, 4)]

    both(program, FILE)


def two_written_apart(p: Process, left: bool, right: bool) -> None:
    """Make two areas that would merge, a page between them, and store to one of them, or to both."""
    for page, written in ((0, left), (2, right)):
        p.mmap(ARENA + page * PAGE, PAGE, RW, FIXED)
        if written:
            p.store(ARENA + page * PAGE, b"x")


@pytest.mark.parametrize(("left", "right"), [(False, False), (True, False), (False, True)])
def test_1_2_one_identity_or_none_merges(both: Both, left: bool, right: bool) -> None:
    """Of neighbours, one may have an identity of its own pages; the merged area takes it over."""

    def program(p: Process) -> None:
        two_written_apart(p, left, right)
        p.mmap(ARENA + PAGE, PAGE, RW, FIXED)
        assert pages(p) == [(0, 3)]

    both(program)


def test_1_2_two_identities_never_merge(both: Both) -> None:
    """Two areas that were written apart stay two; what comes between them joins the left one."""

    def program(p: Process) -> None:
        two_written_apart(p, True, True)
        p.mmap(ARENA + PAGE, PAGE, RW, FIXED)
        assert pages(p) == [(0, 2), (2, 3)]

    both(program)


def test_1_2_an_inherited_identity_does_not_merge(both: Both) -> None:
    """A child's area whose pages have a history does not merge with one that has none; the parent's does."""

    def program(p: Process) -> None:
        p.mmap(ARENA, PAGE, RW, FIXED)
        p.store(ARENA, b"x")
        child = p.fork()
        for process in (child, p):
            process.mmap(ARENA + PAGE, PAGE, RW, FIXED)
        assert pages(child) == [(0, 1), (1, 2)]
        assert pages(p) == [(0, 2)]

    both(program)


# ---------------------------------------------------------------- 1.3 when merging is tried


def two_that_could_be_one(p: Process) -> None:
    """Two areas are written apart; then the pages of the left one move away, and their identity with them."""
    p.mmap(ARENA + PAGE, PAGE, RW, FIXED)
    p.mmap(ARENA, PAGE, PROT_READ, FIXED)
    p.madvise(ARENA, PAGE, MADV_RANDOM)
    p.mprotect(ARENA, PAGE, RW)
    p.store(ARENA, b"x")
    p.store(ARENA + PAGE, b"x")
    p.madvise(ARENA, PAGE, MADV_NORMAL)
    p.mremap(ARENA, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0)
    assert pages(p) == [(0, 1), (1, 2)]


def test_1_3_unchanged_flags_merge_nothing(both: Both) -> None:
    """Neighbours that have become compatible stay apart until a call changes flags, or a new range comes."""

    def program(p: Process) -> None:
        two_that_could_be_one(p)
        p.mprotect(ARENA, 2 * PAGE, RW)
        p.madvise(ARENA, 2 * PAGE, MADV_NORMAL)
        assert pages(p) == [(0, 1), (1, 2)]
        p.madvise(ARENA + PAGE, PAGE, MADV_RANDOM)
        p.madvise(ARENA + PAGE, PAGE, MADV_NORMAL)
        assert pages(p) == [(0, 2)]

    both(program)


def test_1_3_munmap_faults_and_dontneed_merge_nothing(both: Both) -> None:
    """Compatible neighbours stay two through munmap at their side, loads, stores and MADV_DONTNEED."""

    def program(p: Process) -> None:
        two_that_could_be_one(p)
        p.mmap(ARENA + 2 * PAGE, PAGE, PROT_READ, FIXED)
        p.munmap(ARENA + 2 * PAGE, PAGE)
        p.load(ARENA, 2 * PAGE)
        p.store(ARENA, b"x")
        p.madvise(ARENA, 2 * PAGE, MADV_DONTNEED)
        assert pages(p) == [(0, 1), (1, 2)]

    both(program)


def test_1_3_a_range_at_an_edge_goes_to_the_neighbour(both: Both) -> None:
    """A range at the edge of its area that becomes like the neighbour joins it, and the area shrinks."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 4 * PAGE, PROT_READ, FIXED)
        p.mmap(ARENA + 4 * PAGE, 4 * PAGE, PROT_NONE, FIXED)
        p.mprotect(ARENA + 4 * PAGE, PAGE, PROT_READ)
        assert pages(p) == [(0, 5), (5, 8)]
        p.mprotect(ARENA + 3 * PAGE, 2 * PAGE, PROT_NONE)
        assert pages(p) == [(0, 3), (3, 8)]

    both(program)


def test_1_3_a_range_in_the_middle_is_split_out(both: Both) -> None:
    """A range in the middle becomes an area of its own between two others; changed back, the three are one."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 8 * PAGE, RW, FIXED)
        p.madvise(ARENA + 3 * PAGE, 2 * PAGE, MADV_DONTFORK)
        assert pages(p) == [(0, 3), (3, 5), (5, 8)]
        p.madvise(ARENA + 3 * PAGE, 2 * PAGE, MADV_DOFORK)
        assert pages(p) == [(0, 8)]

    both(program)


def test_1_3_locking_changes_flags(both: Both) -> None:
    """mlock splits its range out, munlock merges it in again."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 4 * PAGE, RW, FIXED)
        p.mlock(ARENA + PAGE, PAGE)
        assert pages(p) == [(0, 1), (1, 2), (2, 4)]
        p.munlock(ARENA + PAGE, PAGE)
        assert pages(p) == [(0, 4)]

    both(program)


# ---------------------------------------------------------------- 1.4 identities


def test_1_4_a_read_makes_no_identity(both: Both) -> None:
    """Loads of anonymous memory map the zero page and make no identity, so two areas that were read apart merge."""

    def program(p: Process) -> None:
        for page in (0, 2):
            p.mmap(ARENA + page * PAGE, PAGE, RW, FIXED)
            p.load(ARENA + page * PAGE)
        p.mmap(ARENA + PAGE, PAGE, RW, FIXED)
        assert pages(p) == [(0, 3)]

    both(program)


def test_1_4_a_store_to_a_private_file_makes_one(both: Both) -> None:
    """A private file mapping has an identity from its first copy on; a load gives it none."""

    def program(p: Process) -> None:
        fd = p.open("f0")
        for start, written in ((ARENA, False), (ARENA + TABLE, True)):
            for page in (0, 2):
                p.mmap(start + page * PAGE, PAGE, RW, PRIVATE, fd, page * PAGE)
                p.load(start + page * PAGE)
                if written:
                    p.store(start + page * PAGE, b"x")
            p.mmap(start + PAGE, PAGE, RW, PRIVATE, fd, PAGE)
        assert pages(p) == [(0, 3), (512, 514), (514, 515)]

    both(program, FILE)


def test_1_4_halves_share_an_identity(both: Both) -> None:
    """The first store to an area takes over the identity of a neighbour that differs in rights only."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 2 * PAGE, RW, FIXED)
        p.mprotect(ARENA, PAGE, RW | PROT_EXEC)
        p.store(ARENA, b"x")
        p.store(ARENA + PAGE, b"x")
        p.mprotect(ARENA, PAGE, RW)
        assert pages(p) == [(0, 2)]

    both(program)


def test_1_4_other_flags_share_none(both: Both) -> None:
    """A neighbour that differs in another flag, here MADV_DONTFORK, does not share: the halves stay two."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 2 * PAGE, RW, FIXED)
        p.madvise(ARENA, PAGE, MADV_DONTFORK)
        p.store(ARENA, b"x")
        p.store(ARENA + PAGE, b"x")
        p.madvise(ARENA, PAGE, MADV_DOFORK)
        assert pages(p) == [(0, 1), (1, 2)]

    both(program)


# ---------------------------------------------------------------- 1.5 fork


def test_1_5_dontfork_and_locks_stay_with_the_parent(both: Both) -> None:
    """A child has no area with MADV_DONTFORK; and it has no locked one, so that locked and unlocked areas merge."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 4 * PAGE, RW, FIXED)
        p.madvise(ARENA, PAGE, MADV_DONTFORK)
        p.mlock(ARENA + 2 * PAGE, PAGE)
        child = p.fork()
        assert pages(p) == [(0, 1), (1, 2), (2, 3), (3, 4)]
        assert pages(child) == [(1, 2), (2, 3), (3, 4)]
        child.madvise(ARENA + 2 * PAGE, PAGE, MADV_DONTNEED)  # EINVAL, were it locked

    both(program)


def test_1_5_the_child_s_halves_never_merge(both: Both) -> None:
    """Halves that share an identity get one each in the child: there they stay two, in the parent they merge."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 2 * PAGE, RW, FIXED)
        p.store(ARENA, b"x")
        p.mprotect(ARENA, PAGE, PROT_READ)
        p.store(ARENA + PAGE, b"x")
        child = p.fork()
        for process in (p, child):
            process.mprotect(ARENA, PAGE, RW)
        assert pages(p) == [(0, 2)]
        assert pages(child) == [(0, 1), (1, 2)]

    both(program)


# ---------------------------------------------------------------- 1.6 promised memory


def test_1_6_noreserve_is_another_kind(both: Both) -> None:
    """Writable private memory is promised, unless MAP_NORESERVE: the two kinds do not merge."""

    def program(p: Process) -> None:
        p.mmap(ARENA, PAGE, RW, FIXED)
        p.mmap(ARENA + PAGE, PAGE, RW, FIXED | MAP_NORESERVE)
        assert pages(p) == [(0, 1), (1, 2)]

    both(program)


def test_1_6_a_promise_outlives_the_right_where_pages_are(both: Both) -> None:
    """Made read-only, written memory stays promised and merges with no read-only memory; unwritten memory does."""

    def program(p: Process) -> None:
        for start, written in ((ARENA, False), (ARENA + TABLE, True)):
            p.mmap(start, PAGE, RW, FIXED)
            if written:
                p.store(start, b"x")
            p.mprotect(start, PAGE, PROT_READ)
            p.mmap(start + PAGE, PAGE, PROT_READ, FIXED)
        assert pages(p) == [(0, 2), (512, 513), (513, 514)]

    both(program)


def test_1_6_a_file_s_promise_stays(both: Both) -> None:
    """A private file mapping that was writable once stays promised, also where nobody wrote."""

    def program(p: Process) -> None:
        fd = p.open("f0")
        p.mmap(ARENA, PAGE, RW, PRIVATE, fd)
        p.mprotect(ARENA, PAGE, PROT_READ)
        p.mmap(ARENA + PAGE, PAGE, PROT_READ, PRIVATE, fd, PAGE)
        assert pages(p) == [(0, 1), (1, 2)]

    both(program, FILE)


def test_1_6_mprotect_promises(both: Both) -> None:
    """Memory that becomes writable is promised then, and merges with memory that was so from the start."""

    def program(p: Process) -> None:
        p.mmap(ARENA, PAGE, PROT_READ, FIXED)
        p.mprotect(ARENA, PAGE, RW)
        p.mmap(ARENA + PAGE, PAGE, RW, FIXED)
        assert pages(p) == [(0, 2)]

    both(program)


# ---------------------------------------------------------------- 1.7 shared, of what may only be read


def test_1_7_shared_of_a_read_only_descriptor(both: Both) -> None:
    """maps() prints `s`, but mprotect to writable is EACCES for ever, and a child finds the area not shared."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 2 * PAGE, PROT_READ, SHARED, p.open("f0", O_RDONLY))
        assert arena(p) == [(0, 2, "r--s")]
        with pytest.raises(PermissionError):
            p.mprotect(ARENA, PAGE, RW)
        assert arena(p) == [(0, 2, "r--s")]
        assert arena(p.fork()) == [(0, 2, "r--s")]

    both(program, FILE)


# ---------------------------------------------------------------- 1.8 mmap over something


def test_1_8_mmap_over_something_splits_and_drops(both: Both) -> None:
    """MAP_FIXED unmaps what is there, with its pages, and then merges into the hole."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 4 * PAGE, RW, FIXED)
        p.store(ARENA, b"x" * 4 * PAGE)
        p.mmap(ARENA + PAGE, 2 * PAGE, PROT_READ, FIXED)
        assert pages(p) == [(0, 1), (1, 3), (3, 4)]
        p.mmap(ARENA + PAGE, 2 * PAGE, RW, FIXED)
        assert pages(p) == [(0, 4)]
        assert p.load(ARENA + PAGE - 1, 3) == b"x\0\0"
        assert p.load(ARENA + 3 * PAGE) == b"x"

    both(program)
