"""Rules 2: where a mapping without MAP_FIXED is put.

2.1 the highest gap, hints; 2.2 large mappings on 2 MiB; 2.3 what the simulator starts from; 2.4 the ends of the space.
"""

from __future__ import annotations

import pytest

from mmaplab.constants import (
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_PRIVATE,
    MAP_SHARED,
    MREMAP_MAYMOVE,
    O_RDWR,
    PROT_NONE,
    PROT_READ,
    TASK_SIZE,
)
from mmaplab.fuzz.writer import FileData
from mmaplab.interface import Process
from tests.rules.both import ANON, ARENA, FIXED, PAGE, RW, TABLE, Both, with_both_settings

BIG = {"f0": FileData(3 * TABLE)}


def test_2_1_the_highest_gap_flush_with_its_top(both: Both) -> None:
    """Without a hint a mapping goes below the last one; a hole is filled from its top if the mapping fits."""

    def program(p: Process) -> None:
        first = p.mmap(0, 4 * PAGE, PROT_READ, ANON)
        second = p.mmap(0, 2 * PAGE, RW, ANON)
        assert second == first - 2 * PAGE
        p.munmap(first + PAGE, 2 * PAGE)
        assert p.mmap(0, 3 * PAGE, RW, ANON) == second - 3 * PAGE
        assert p.mmap(0, PAGE, PROT_NONE, ANON) == first + 2 * PAGE

    both(program)


def test_2_1_a_hint_is_rounded_down_and_used_if_free(both: Both) -> None:
    """A free hint is used, at its page; a hint below mmap_min_addr is raised to it."""

    def program(p: Process) -> None:
        assert p.mmap(ARENA + 100, PAGE, RW, ANON) == ARENA
        low = p.mmap(PAGE, PAGE, RW, ANON)
        assert low == 65536 or low > ARENA  # where mmap_min_addr is another one, the range may not be free

    both(program)


def test_2_1_a_taken_hint_is_ignored(both: Both) -> None:
    """Where a part of the range is in use, or it would leave the space, the hint counts for nothing."""

    def program(p: Process) -> None:
        p.mmap(ARENA + PAGE, PAGE, RW, FIXED)
        assert p.mmap(ARENA, 2 * PAGE, RW, ANON) > ARENA + TABLE
        assert p.mmap(TASK_SIZE - PAGE, 2 * PAGE, PROT_READ, ANON) < TASK_SIZE - 2 * PAGE

    both(program)


def test_2_2_anonymous_multiples_of_2_mib_are_aligned(both: Both) -> None:
    """Private anonymous memory of a multiple of 2 MiB begins at one; a page more, and it is anywhere."""

    def program(p: Process) -> None:
        p.mmap(0, PAGE, PROT_READ, ANON)
        assert p.mmap(0, 2 * TABLE, RW, ANON) % TABLE == 0
        odd = p.mmap(0, TABLE + PAGE, RW, ANON)
        assert p.mmap(0, PAGE, PROT_NONE, ANON) % TABLE or odd % TABLE

    both(program)


def test_2_2_profiles_differ_in_which_lengths_are_aligned() -> None:
    """'multiple' aligns whole multiples, 'larger' all of at least 2 MiB, 'never' none."""

    def aligned(length: int) -> dict[str, bool]:
        found = {}
        for value in ("multiple", "larger", "never"):

            def program(p: Process, value: str = value) -> None:
                p.mmap(0, PAGE, PROT_READ, ANON)
                found[value] = p.mmap(0, length, RW, ANON) % TABLE == 0

            with_both_settings(program, "thp_align_anon", value)
        return found

    assert aligned(2 * TABLE) == {"multiple": True, "larger": True, "never": False}
    assert aligned(TABLE + PAGE) == {"multiple": False, "larger": True, "never": False}


def test_2_2_a_file_on_ext4_keeps_its_remainder(ext4: Both) -> None:
    """A mapping that holds a whole 2 MiB block of the file begins as far from a multiple as the offset does."""

    def program(p: Process) -> None:
        fd = p.open("f0")
        p.mmap(0, PAGE, PROT_READ, ANON)
        for offset in (0, 3 * PAGE):
            at = p.mmap(0, 2 * TABLE, PROT_READ, MAP_SHARED, fd, offset)
            assert at % TABLE == offset

    ext4(program, BIG)


def test_2_2_tmpfs_and_shared_anonymous_are_not_aligned(tmpfs: Both) -> None:
    """Files of tmpfs and shared anonymous memory take the highest gap as it is."""

    def program(p: Process) -> None:
        last = p.mmap(0, PAGE, PROT_READ, ANON)
        at = p.mmap(0, TABLE, PROT_READ, MAP_SHARED, p.open("f0"))
        assert at == last - TABLE
        assert p.mmap(0, TABLE, RW, MAP_SHARED | MAP_ANONYMOUS) == at - TABLE

    tmpfs(program, BIG)


def test_2_2_mremap_searches_alike(both: Both) -> None:
    """A mapping of 2 MiB that has to move is aligned as a new one is."""

    def program(p: Process) -> None:
        p.mmap(ARENA + PAGE, 2 * PAGE, RW, FIXED)  # in the way
        p.mmap(ARENA, PAGE, RW, FIXED)
        p.mmap(0, PAGE, PROT_READ, ANON)
        assert p.mremap(ARENA, PAGE, TABLE, MREMAP_MAYMOVE) % TABLE == 0

    both(program)


def test_2_3_the_first_mapping_ends_at_mmap_base(both: Both) -> None:
    """In an empty space, a mapping without a hint ends at mmap_base: this is how it is measured."""

    def program(p: Process) -> None:
        first = p.mmap(0, PAGE, RW, ANON)
        p.munmap(first, PAGE)
        assert p.mmap(0, 3 * PAGE, RW, ANON) + 3 * PAGE == first + PAGE

    both(program)


def test_2_4_fixed_beyond_the_end_is_enomem(both: Both) -> None:
    """MAP_FIXED that would leave the space is ENOMEM, up to its end it works."""

    def program(p: Process) -> None:
        assert p.mmap(TASK_SIZE - PAGE, PAGE, RW, FIXED) == TASK_SIZE - PAGE
        with pytest.raises(OSError, match="Errno 12"):
            p.mmap(TASK_SIZE - PAGE, 2 * PAGE, RW, FIXED)

    both(program)


def test_2_4_page_0_needs_a_right() -> None:
    """Without CAP_SYS_RAWIO nothing can be mapped below mmap_min_addr; with it, page 0 can."""

    def refused(p: Process) -> None:
        with pytest.raises(PermissionError):
            p.mmap(0, PAGE, RW, ANON | MAP_FIXED)

    def granted(p: Process) -> None:
        p.mmap(0, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)
        assert p.load(0) == b"\0"

    with_both_settings(refused, "cap_sys_rawio", False)
    with_both_settings(granted, "cap_sys_rawio", True)


def test_2_4_files_open_for_writing_are_placed_alike(both: Both) -> None:
    """The open mode has no part in where a mapping goes."""

    def program(p: Process) -> None:
        at = p.mmap(0, PAGE, PROT_READ, MAP_SHARED, p.open("f0"))
        assert p.mmap(0, PAGE, RW, MAP_SHARED, p.open("f0", O_RDWR)) == at - PAGE

    both(program, BIG)
