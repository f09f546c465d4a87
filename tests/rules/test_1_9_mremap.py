"""Rule 1.9: mremap. Its checks in their order, moving several areas, growing in place, moving, MREMAP_DONTUNMAP."""

from __future__ import annotations

import errno

import pytest

from mmaplab.constants import (
    MADV_DONTNEED,
    MAP_ANONYMOUS,
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    PROT_NONE,
    PROT_READ,
    RLIMIT_AS,
    TASK_SIZE,
)
from mmaplab.fuzz.writer import FileData
from mmaplab.interface import Process
from tests.rules.both import (
    ARENA,
    FIXED,
    PAGE,
    RW,
    SHARED,
    TABLE,
    Both,
    entries,
    minor,
    pages,
    with_both_settings,
)

FILE = {"f0": FileData(20 * PAGE)}
MOVE = MREMAP_MAYMOVE | MREMAP_FIXED
AWAY = ARENA + TABLE
"""Page 512 of the arena."""


def refused(p: Process, *args: int) -> int | None:
    """Return the errno of an mremap that must fail, and leave the areas as they were."""
    before = p.maps()
    with pytest.raises(OSError) as error:
        p.mremap(*args)
    assert p.maps() == before
    return error.value.errno


def test_1_9_lengths_are_rounded_to_pages(both: Both) -> None:
    """Both sizes mean whole pages: one byte is one page."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 2 * PAGE, RW, FIXED)
        assert p.mremap(ARENA, PAGE + 1, 2 * PAGE + 1) == ARENA
        assert pages(p) == [(0, 3)]

    both(program)


@pytest.mark.parametrize(
    "args",
    [
        (ARENA, PAGE, PAGE, 8),
        (ARENA + 1, PAGE, PAGE),
        (ARENA, PAGE, 0),
        (ARENA, PAGE, TASK_SIZE + PAGE),
        (ARENA, PAGE, PAGE, MREMAP_FIXED, AWAY),
        (ARENA, PAGE, PAGE, MREMAP_DONTUNMAP),
        (ARENA, PAGE, PAGE, MOVE, AWAY + 1),
        (ARENA, PAGE, PAGE, MOVE, TASK_SIZE),
        (ARENA, 2 * PAGE, 2 * PAGE, MOVE, ARENA + PAGE),
        (ARENA, 2 * PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP),
        (ARENA + 64 * PAGE, PAGE, 0),
    ],
    ids=["flags", "address", "no size", "size", "no maymove", "dontunmap stays", "target", "target high", "overlap",
         "dontunmap of another size", "size before area"],
)  # fmt: skip
def test_1_9_what_is_invalid(both: Both, args: tuple[int, ...]) -> None:
    """Unknown flags, addresses and sizes that cannot be, overlap: EINVAL before anything else is looked at."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 4 * PAGE, RW, FIXED)
        assert refused(p, *args) == errno.EINVAL

    both(program)


def test_1_9_what_is_not_mapped_cannot_move(both: Both) -> None:
    """No area at the old address, or growth past the end of the area: EFAULT."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 2 * PAGE, RW, FIXED)
        assert refused(p, ARENA + 4 * PAGE, PAGE, PAGE) == errno.EFAULT
        assert refused(p, ARENA, 3 * PAGE, 4 * PAGE, MREMAP_MAYMOVE) == errno.EFAULT
        assert refused(p, ARENA + 4 * PAGE, PAGE, PAGE, MOVE, AWAY) == errno.EFAULT

    both(program)


def test_1_9_several_areas_move_with_their_gaps(ext4: Both) -> None:
    """MREMAP_FIXED of an unchanged size moves every area of the range and keeps the gaps; older kernels: EFAULT."""

    def program(p: Process) -> None:
        four_areas(p)
        p.mremap(ARENA, 8 * PAGE, 8 * PAGE, MOVE, AWAY)
        assert pages(p) == [(512, 513), (513, 514), (516, 517), (518, 519)]
        assert p.load(AWAY + 6 * PAGE) == b"x"

    def older(p: Process) -> None:
        four_areas(p)
        assert refused(p, ARENA, 8 * PAGE, 8 * PAGE, MOVE, AWAY) == errno.EFAULT

    ext4(program if ext4.config.mremap_multi else older)
    with_both_settings(program, "mremap_multi", True)
    with_both_settings(older, "mremap_multi", False)


def four_areas(p: Process) -> None:
    """Map pages 0 (read-only), 1, 4 and 6 of the arena; the target has something in its first gap."""
    p.mmap(ARENA, PAGE, PROT_READ, FIXED)
    for page in (1, 4, 6):
        p.mmap(ARENA + page * PAGE, PAGE, RW, FIXED)
    p.store(ARENA + 6 * PAGE, b"x")


def test_1_9_gaps_of_the_target_are_left_alone(both: Both) -> None:
    """What lies at the target under a gap of the source stays mapped."""

    def program(p: Process) -> None:
        four_areas(p)
        for page in (1, 2, 3):
            p.mmap(AWAY + page * PAGE, PAGE, PROT_NONE, FIXED)
        p.mremap(ARENA, 8 * PAGE, 8 * PAGE, MOVE, AWAY)
        assert pages(p) == [(512, 513), (513, 514), (514, 516), (516, 517), (518, 519)]

    both(program)


def test_1_9_a_later_failure_leaves_earlier_moves(both: Both) -> None:
    """Each area is moved by itself: where a later one cannot be, those before it have moved."""

    def program(p: Process) -> None:
        p.mmap(ARENA, PAGE, RW, FIXED)
        p.mmap(ARENA + 2 * PAGE, PAGE, RW, FIXED)
        p.setrlimit(RLIMIT_AS, 3 * PAGE)
        with pytest.raises(OSError, match="Errno 12"):
            p.mremap(ARENA, 3 * PAGE, 3 * PAGE, MOVE | MREMAP_DONTUNMAP, AWAY)
        assert pages(p) == [(0, 1), (2, 3), (512, 513)]

    if both.config.mremap_multi:
        both(program)


def test_1_9_old_size_0_doubles_what_is_shared(both: Both) -> None:
    """Of shared memory, an old size of 0 makes a second mapping of the same pages; of private memory it is EINVAL."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 2 * PAGE, RW, SHARED | MAP_ANONYMOUS)
        again = p.mremap(ARENA, 0, 2 * PAGE, MREMAP_MAYMOVE)
        p.store(again + PAGE, b"seen by both")
        assert p.load(ARENA + PAGE, 12) == b"seen by both"
        assert len(p.maps()) == 2

    both(program)


def test_1_9_old_size_0_of_private_memory(both: Both) -> None:
    """Private memory cannot be doubled: EINVAL."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 2 * PAGE, RW, FIXED)
        assert refused(p, ARENA, 0, 2 * PAGE, MREMAP_MAYMOVE) == errno.EINVAL

    both(program)


def test_1_9_shrinking_unmaps_the_tail(both: Both) -> None:
    """Shrinking is munmap of the tail, which may lie in other areas."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 2 * PAGE, RW, FIXED)
        p.mmap(ARENA + 2 * PAGE, 4 * PAGE, PROT_READ, FIXED)
        assert p.mremap(ARENA, 5 * PAGE, PAGE) == ARENA
        assert pages(p) == [(0, 1), (5, 6)]

    both(program)


def test_1_9_growth_in_place_is_a_new_range(both: Both) -> None:
    """Where the gap suffices the area grows, and swallows the next one if they are compatible."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 2 * PAGE, RW, FIXED)
        p.mmap(ARENA + 4 * PAGE, 2 * PAGE, RW, FIXED)
        assert p.mremap(ARENA, 2 * PAGE, 4 * PAGE) == ARENA
        assert pages(p) == [(0, 6)]

    both(program)


def test_1_9_without_room_it_must_be_allowed_to_move(both: Both) -> None:
    """No gap behind it, or not the end of its area: ENOMEM without MREMAP_MAYMOVE."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 4 * PAGE, RW, FIXED)
        assert refused(p, ARENA, 2 * PAGE, 3 * PAGE) == errno.ENOMEM
        p.mmap(ARENA + 4 * PAGE, PAGE, PROT_NONE, FIXED)
        assert refused(p, ARENA, 4 * PAGE, 5 * PAGE) == errno.ENOMEM

    both(program)


def test_1_9_fixed_unmaps_its_target(both: Both) -> None:
    """What lies at the target is unmapped; not where a check has failed before."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 2 * PAGE, RW, FIXED)
        p.mmap(AWAY, 4 * PAGE, PROT_READ, FIXED)
        assert refused(p, ARENA, 4 * PAGE, PAGE * 5, MOVE, AWAY) == errno.EFAULT
        p.mremap(ARENA, PAGE, 2 * PAGE, MOVE, AWAY + PAGE)
        assert pages(p) == [(1, 2), (512, 513), (513, 515), (515, 516)]

    both(program)


def test_1_9_unwritten_memory_merges_where_it_arrives(both: Both) -> None:
    """Private memory that was not written gets the offset of its new address, so it merges with anything there."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 2 * PAGE, RW, FIXED)
        p.load(ARENA)
        p.mmap(AWAY, PAGE, RW, FIXED)
        p.mremap(ARENA, PAGE, PAGE, MOVE, AWAY + PAGE)
        p.mremap(ARENA + PAGE, PAGE, PAGE, MOVE, AWAY + 2 * PAGE)
        assert pages(p) == [(512, 515)]

    both(program)


def test_1_9_written_memory_keeps_its_offset(both: Both) -> None:
    """Written memory merges with nothing where it arrives, unless it returns to its old distance."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 2 * PAGE, RW, FIXED)
        p.store(ARENA, b"x" * 2 * PAGE)
        p.mmap(AWAY, PAGE, RW, FIXED)
        p.mremap(ARENA, PAGE, PAGE, MOVE, AWAY + PAGE)
        assert pages(p) == [(1, 2), (512, 513), (513, 514)]
        p.mremap(AWAY + PAGE, PAGE, PAGE, MOVE, ARENA)
        assert pages(p) == [(0, 2), (512, 513)]

    both(program)


def test_1_9_entries_travel(both: Both) -> None:
    """The page-table entries move along: no page faults again at its new address."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 4 * PAGE, RW, FIXED)
        p.store(ARENA, b"x" * 3 * PAGE)
        p.mremap(ARENA, 4 * PAGE, 4 * PAGE, MOVE, AWAY)
        assert entries(p, AWAY, 4) == "###."
        assert minor(p, AWAY + PAGE, b"y") == 0
        assert minor(p, AWAY + 3 * PAGE, b"y") == 1

    both(program)


def test_1_9_dontunmap_leaves_an_empty_area(both: Both) -> None:
    """MREMAP_DONTUNMAP leaves the source mapped without its pages, and no longer locked."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 2 * PAGE, RW, FIXED)
        p.mlock(ARENA, 2 * PAGE)
        p.store(ARENA, b"x")
        p.mremap(ARENA, 2 * PAGE, 2 * PAGE, MOVE | MREMAP_DONTUNMAP, AWAY)
        assert pages(p) == [(0, 2), (512, 514)]
        assert (entries(p, ARENA, 2), entries(p, AWAY, 2)) == ("..", "##")
        p.madvise(ARENA, 2 * PAGE, MADV_DONTNEED)  # EINVAL on locked memory
        with pytest.raises(OSError):
            p.madvise(AWAY, 2 * PAGE, MADV_DONTNEED)
        assert p.load(ARENA) == b"\0"
        assert p.load(AWAY) == b"x"

    both(program)


def test_1_9_dontunmap_takes_the_identity_along(both: Both) -> None:
    """If it was the whole area, the source has no identity any more, and new memory beside it merges."""

    def program(p: Process) -> None:
        p.mmap(ARENA, PAGE, RW, FIXED)
        p.store(ARENA, b"x")
        p.mremap(ARENA, PAGE, PAGE, MOVE | MREMAP_DONTUNMAP, AWAY)
        p.mmap(ARENA + 2 * PAGE, PAGE, RW, FIXED)
        p.store(ARENA + 2 * PAGE, b"y")
        p.mmap(ARENA + PAGE, PAGE, RW, FIXED)
        assert pages(p) == [(0, 3), (512, 513)]

    both(program)
