"""Rules 5.5 to 5.7: which pages one fault of a file maps.

5.5 fault-around, 5.6 the single-page path and large folios, 5.7 how large the folios of ext4 are.
"""

from __future__ import annotations

import pytest

from mmaplab.constants import O_RDWR, PROT_READ
from mmaplab.fuzz.writer import FileData
from mmaplab.interface import Process, Program
from tests.rules.both import (
    ARENA,
    FIXED,
    PAGE,
    PRIVATE,
    RW,
    SHARED,
    TABLE,
    Both,
    Files,
    entries,
    minor,
    with_both_settings,
)

FILE = {"f0": FileData(60 * PAGE)}
SMALL = {"f0": FileData(PAGE)}
EMPTY = {"f0": FileData(0)}


def window(p: Process, slot: int, pages: int, touched: int, offset: int = 0) -> str:
    """Map pages of the file at this slot of a page table, load one; returns the table from slot 0 or its end on."""
    start = ARENA + slot * PAGE
    p.mmap(start, pages * PAGE, PROT_READ, SHARED, p.open("f0"), offset * PAGE)
    assert minor(p, ARENA + touched * PAGE) == 1
    return entries(p, start, pages)


def mapped(*runs: int) -> str:
    """Return a row of entries: so many that are not there, so many that are, and so on in turn."""
    return "".join(".#"[i % 2] * run for i, run in enumerate(runs))


# ---------------------------------------------------------------- 5.5 fault-around


@pytest.mark.parametrize(
    ("slot", "pages", "touched", "expected"),
    [
        (0, 60, 20, mapped(16, 16, 28)),
        (0, 60, 16, mapped(16, 16, 28)),
        (0, 60, 15, mapped(0, 16, 44)),
        (3, 40, 5, mapped(0, 16, 24)),
        (3, 40, 20, mapped(13, 16, 11)),
        (0, 20, 18, mapped(16, 4)),
        (500, 40, 505, mapped(0, 12, 28)),
        (500, 40, 513, mapped(12, 16, 12)),
    ],
    ids=["middle", "first of a window", "last of a window", "area begins inside", "area began before",
         "area ends inside", "table ends inside", "next table"],
)  # fmt: skip
def test_5_5_the_window(both: Both, slot: int, pages: int, touched: int, expected: str) -> None:
    """16 pages, aligned in the page table; an area that begins inside shifts the window, areas and tables end it."""

    def program(p: Process) -> None:
        assert window(p, slot, pages, touched) == expected

    both(program, FILE)


def test_5_5_the_window_follows_addresses_and_not_the_file(both: Both) -> None:
    """What is aligned are places in the page table; the offset in the file plays no part."""

    def program(p: Process) -> None:
        assert window(p, 0, 40, 20, offset=7) == mapped(16, 16, 8)

    both(program, FILE)


def test_5_5_the_window_ends_with_the_file(both: Both) -> None:
    """Pages behind the end of the file are not mapped, the last one is."""

    def program(p: Process) -> None:
        assert window(p, 0, 40, 1, offset=55) == mapped(0, 5, 35)

    both(program, FILE)


def test_5_5_entries_that_are_there_stay(both: Both) -> None:
    """A private copy inside the window is left as it is."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 16 * PAGE, RW, PRIVATE, p.open("f0"))
        p.store(ARENA + 3 * PAGE, b"copy")
        assert minor(p, ARENA) == 1
        assert entries(p, ARENA, 16) == "#" * 16
        assert p.load(ARENA + 3 * PAGE, 4) == b"copy"

    both(program, FILE)


def test_5_5_pages_that_are_not_cached_are_left_out(ext4: Both) -> None:
    """Only what is in the cache is mapped: the pages of a hole that nobody has touched are not."""

    def program(p: Process) -> None:
        fd = p.open("f0", O_RDWR)
        p.pwrite(fd, b"x" * PAGE, 5 * PAGE)
        p.pwrite(fd, b"x" * PAGE, 12 * PAGE)
        p.mmap(ARENA, 13 * PAGE, PROT_READ, SHARED, fd)
        p.load(ARENA)
        assert entries(p, ARENA, 13) == mapped(0, 1, 4, 1, 6, 1)

    ext4(program, SMALL)


def test_5_5_the_marker_of_readahead_is_left_out(ext4: Both) -> None:
    """The page whose touch sets the next readahead going is never mapped by a neighbour's fault."""

    def program(p: Process) -> None:
        fd = p.open("f0")
        p.read(fd, 4 * PAGE)  # reads 8 pages or more, and marks the 5th
        p.mmap(ARENA, 16 * PAGE, PROT_READ, SHARED, fd)
        p.load(ARENA)
        assert entries(p, ARENA, 8) == "####.###"

    ext4(program, FILE, warm=False)


def large(run: Both, program: Program, files: Files | None = None) -> None:
    """Run a program about large folios where the kernel has them and maps them whole."""
    if run.config.large_folios and run.config.map_whole_folio:
        run(program, files)


def written(p: Process, first: int, pages: int, size: int) -> int:
    """Make a file of `size` pages, of which some are written in one piece; returns the descriptor."""
    fd = p.open("f0", O_RDWR)
    p.ftruncate(fd, size * PAGE)
    p.pwrite(fd, b"x" * pages * PAGE, first * PAGE)
    return fd


def test_5_5_a_large_folio_is_mapped_whole(ext4: Both) -> None:
    """A folio that the window meets is mapped whole, also outside the window; before 6.18, no more than the window."""

    def program(p: Process) -> None:
        fd = written(p, 64, 64, 200)
        p.mmap(ARENA, 200 * PAGE, PROT_READ, SHARED, fd)
        assert minor(p, ARENA + 70 * PAGE) == 1
        seen.append(entries(p, ARENA, 200))

    seen: list[str] = []
    large(ext4, program, SMALL)
    with_both_settings(program, "map_whole_folio", True, False, files=SMALL)
    assert set(seen[:-1]) == {mapped(64, 64, 72)}
    assert seen[-1] == mapped(64, 16, 120)


def test_5_5_a_folio_that_the_area_cuts_is_mapped_in_part(ext4: Both) -> None:
    """A folio that is not wholly inside the area is mapped only where the window is."""

    def program(p: Process) -> None:
        fd = written(p, 64, 64, 200)
        p.mmap(ARENA, 120 * PAGE, PROT_READ, SHARED, fd, 65 * PAGE)
        p.load(ARENA + 20 * PAGE)
        assert entries(p, ARENA, 120) == mapped(16, 16, 88)

    large(ext4, program, SMALL)


def test_5_5_a_folio_across_two_tables_is_mapped_in_part(ext4: Both) -> None:
    """Nor is a folio mapped whole whose pages lie in two page tables."""

    def program(p: Process) -> None:
        fd = written(p, 64, 64, 200)
        p.mmap(ARENA + TABLE - 96 * PAGE, 200 * PAGE, PROT_READ, SHARED, fd)
        p.load(ARENA + TABLE - PAGE)
        assert entries(p, ARENA + TABLE - 96 * PAGE, 200) == mapped(80, 16, 104)

    large(ext4, program, SMALL)


def test_5_5_a_folio_at_the_end_of_the_file_is_mapped_in_part(ext4: Both) -> None:
    """Nor is one that holds the last page of the file."""

    def program(p: Process) -> None:
        fd = written(p, 64, 64, 128)
        p.mmap(ARENA, 128 * PAGE, PROT_READ, SHARED, fd)
        p.mmap(ARENA + 200 * PAGE, PAGE, RW, FIXED)
        p.store(ARENA + 200 * PAGE, b"x")  # there is a page table
        p.load(ARENA + 70 * PAGE)
        assert entries(p, ARENA, 128) == mapped(64, 16, 48)

    large(ext4, program, SMALL)


def end_of_a_file(p: Process, before: int = 0) -> None:
    """Map three pages of a file of one folio of four, and load the first one; `before`: pages of the same table."""
    fd = written(p, 0, 4, 4)
    if before:
        p.mmap(ARENA + 100 * PAGE, before * PAGE, RW, FIXED)
        p.store(ARENA + 100 * PAGE, b"x")
    p.mmap(ARENA, 3 * PAGE, PROT_READ, SHARED, fd)
    assert minor(p, ARENA) == 1


def test_5_5_without_a_page_table_the_end_of_the_file_maps_one_page(ext4: Both) -> None:
    """The quirk of 6.18: no page table yet, and a first folio in the window that reaches the file's last page."""

    def program(p: Process) -> None:
        end_of_a_file(p)
        seen.append(entries(p, ARENA, 3))

    seen: list[str] = []
    if ext4.config.eof_quirk:
        large(ext4, program, EMPTY)
    with_both_settings(program, "eof_quirk", True, False, files=EMPTY)
    assert set(seen[:-1]) == {"#.."}
    assert seen[-1] == "###"


def test_5_5_with_a_page_table_it_maps_the_window(ext4: Both) -> None:
    """Any page in the same 2 MiB has made the table, and the neighbours are mapped."""

    def program(p: Process) -> None:
        end_of_a_file(p, before=1)
        assert entries(p, ARENA, 3) == "###"

    large(ext4, program, EMPTY)


@pytest.mark.parametrize(("left", "expected"), [(0, "#.."), (1, "###")], ids=["nothing left", "an area left"])
def test_5_5_munmap_frees_the_page_table(ext4: Both, left: int, expected: str) -> None:
    """munmap frees a page table when no area is left in its 2 MiB, and not before."""

    def program(p: Process) -> None:
        fd = written(p, 0, 4, 4)
        p.mmap(ARENA + 100 * PAGE, 2 * PAGE, RW, FIXED)
        p.store(ARENA + 100 * PAGE, b"x")
        p.munmap(ARENA + 100 * PAGE, (2 - left) * PAGE)
        p.mmap(ARENA, 3 * PAGE, PROT_READ, SHARED, fd)
        p.load(ARENA)
        assert entries(p, ARENA, 3) == expected

    if ext4.config.eof_quirk:
        large(ext4, program, EMPTY)


def test_5_5_tmpfs_has_no_such_quirk(tmpfs: Both) -> None:
    """On tmpfs the neighbours are mapped with and without a page table."""

    def program(p: Process) -> None:
        end_of_a_file(p)
        assert entries(p, ARENA, 3) == "###"

    tmpfs(program, EMPTY)


# ---------------------------------------------------------------- 5.6 one page, or a whole folio


def test_5_6_a_shared_store_maps_the_folio_whole(ext4: Both) -> None:
    """One store fault to an absent page maps all pages of its folio, writable and dirty: the others do not fault."""

    def program(p: Process) -> None:
        fd = written(p, 16, 16, 64)
        p.mmap(ARENA, 64 * PAGE, RW, SHARED, fd)
        assert [minor(p, ARENA + page * PAGE, b"y") for page in (20, 16, 31)] == [1, 0, 0]
        assert entries(p, ARENA, 64) == mapped(16, 16, 32)

    large(ext4, program, SMALL)


def test_5_6_not_where_an_entry_is_there(ext4: Both) -> None:
    """Where one entry of the folio is there already, each other page takes a store fault of its own."""

    def program(p: Process) -> None:
        fd = written(p, 16, 16, 64)
        p.mmap(ARENA + 20 * PAGE, PAGE, RW, SHARED, fd, 20 * PAGE)
        p.load(ARENA + 20 * PAGE)
        p.mmap(ARENA, 20 * PAGE, RW, SHARED, fd)
        p.mmap(ARENA + 21 * PAGE, 43 * PAGE, RW, SHARED, fd, 21 * PAGE)
        assert [minor(p, ARENA + page * PAGE, b"y") for page in (16, 17, 20, 31)] == [1, 1, 1, 1]

    large(ext4, program, SMALL)


def test_5_6_also_at_the_end_of_the_file(ext4: Both) -> None:
    """A store maps a folio with the last page of the file whole, which fault-around does not (5.5)."""

    def program(p: Process) -> None:
        fd = written(p, 16, 16, 32)
        p.mmap(ARENA, 32 * PAGE, RW, SHARED, fd)
        assert [minor(p, ARENA + page * PAGE, b"y") for page in (20, 16, 31)] == [1, 0, 0]

    large(ext4, program, SMALL)


def test_5_6_a_private_store_copies_one_page(ext4: Both) -> None:
    """A private copy is of one page, however large the folio is."""

    def program(p: Process) -> None:
        fd = written(p, 16, 16, 64)
        p.mmap(ARENA, 64 * PAGE, RW, PRIVATE, fd)
        p.store(ARENA + 20 * PAGE, b"y")
        assert entries(p, ARENA, 64) == mapped(20, 1, 43)

    ext4(program, SMALL)


# ---------------------------------------------------------------- 5.7 how large folios are


@pytest.mark.parametrize(
    ("first", "pages", "folios"),
    [
        (0, 3, [(0, 2), (2, 3)]),
        (1, 16, [(1, 2), (2, 4), (4, 8), (8, 16), (16, 17)]),
        (8, 12, [(8, 16), (16, 20)]),
        (0, 40, [(0, 32), (32, 40)]),
    ],
)
def test_5_7_folios_of_one_write(ext4: Both, first: int, pages: int, folios: list[tuple[int, int]]) -> None:
    """A write makes the largest folios that its length and their alignment allow, one after the other."""

    def program(p: Process) -> None:
        fd = written(p, first, pages, 64)
        assert folios_of(p, fd, first, first + pages) == folios

    large(ext4, program, EMPTY)


def folios_of(p: Process, fd: int, page: int, end: int) -> list[tuple[int, int]]:
    """Return (first page, end page) of the folios, found by stores that each map one of them whole."""
    found = []
    p.mmap(ARENA, 64 * PAGE, RW, SHARED, fd)
    while page < end:
        before = entries(p, ARENA, 64).count("#")
        p.store(ARENA + page * PAGE, b"y")
        found.append((page, page + entries(p, ARENA, 64).count("#") - before))
        page = found[-1][1]
    return found


def test_5_7_small_writes_make_single_pages(ext4: Both) -> None:
    """Writes of 4 KiB each make folios of one page: the textbook picture."""

    def program(p: Process) -> None:
        fd = written(p, 0, 0, 64)
        for page in range(8):
            p.pwrite(fd, b"x" * PAGE, page * PAGE)
        assert folios_of(p, fd, 0, 8) == [(page, page + 1) for page in range(8)]

    ext4(program, EMPTY)


def test_5_7_a_folio_does_not_overlap_another(ext4: Both) -> None:
    """Where a page is cached already, the folios of a later write are small enough to go around it."""

    def program(p: Process) -> None:
        fd = written(p, 5, 1, 64)
        p.pwrite(fd, b"z" * 16 * PAGE, 0)
        assert folios_of(p, fd, 0, 16) == [(0, 4), (4, 5), (5, 6), (6, 8), (8, 16)]

    large(ext4, program, EMPTY)


def test_5_7_tmpfs_has_single_pages(tmpfs: Both) -> None:
    """On tmpfs without huge pages a large write makes single pages, and each store is for one."""

    def program(p: Process) -> None:
        fd = written(p, 0, 16, 64)
        assert folios_of(p, fd, 0, 16) == [(page, page + 1) for page in range(16)]

    tmpfs(program, EMPTY)
