"""The pictures of one kind of thing: address space, page cache, frames, page tables."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mmaplab.constants import MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PAGE_SIZE, PROT_READ, PROT_WRITE
from mmaplab.sim import Kernel
from mmaplab.views.cache import page_cache
from mmaplab.views.columns import Column, columns_of
from mmaplab.views.frames import MOST, frames
from mmaplab.views.shapes import gap
from mmaplab.views.space import space
from mmaplab.views.svg import Svg
from mmaplab.views.tables import tables
from tests.views.pictures import (
    PROGRAMS,
    boxes,
    cold_read,
    collisions,
    count,
    fork_and_store,
    labels,
    outside,
    private_store,
    small_print,
    two_mappings,
)


def start_of(kernel: Kernel) -> int:
    return kernel.processes[1].maps()[-1].start


ROOMS: dict[str, Callable[[Kernel], Svg]] = {
    "space": space,
    "frames": frames,
    "cache": lambda kernel: page_cache(kernel, next(iter(kernel.files.names))),
    "tables": lambda kernel: tables(kernel, start_of(kernel)),
    "tables of an address with no area": lambda kernel: tables(kernel, 0x40_0000),
    "tables of a neighbour": lambda kernel: tables(kernel, start_of(kernel) - 20 * PAGE_SIZE),
}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("room", ROOMS)
def test_every_picture_is_readable_and_always_the_same(room: str, program: str) -> None:
    picture = ROOMS[room](PROGRAMS[program]())
    assert not collisions(picture)
    assert not outside(picture)
    assert not small_print(picture)
    assert picture.svg == ROOMS[room](PROGRAMS[program]()).svg
    assert picture.title
    assert picture.description.endswith(".")
    assert picture.text


def test_text_form_of_an_address_space() -> None:
    assert space(two_mappings()).text == (
        "address space of P1, highest address first\n"
        "7ffff7ffc000-7ffff7fff000 rw-p warm.bin\n"
        "  page      0   1   2\n"
        "  entry     A   F   F\n"
        "7ffff7ff9000-7ffff7ffc000 rw-p anonymous\n"
        "  page      0   1   2\n"
        "  entry     A   0   -\n"
        "7ffff7ff6000-7ffff7ff9000 rw-s warm.bin\n"
        "  page      0   1   2\n"
        "  entry     F   -   -"
    )


def test_an_address_space_shows_what_is_not_mapped_between_areas() -> None:
    kernel = private_store()
    p = kernel.processes[1]
    p.mmap(0x7FFF_0000_0000, PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)
    assert "1,015,800 pages not mapped" in space(kernel).text
    assert count(space(kernel), "path", "bracket") == 3


def test_a_process_without_areas_and_one_that_is_not_there() -> None:
    kernel = Kernel()
    kernel.spawn()
    assert "no area" in space(kernel).text
    with pytest.raises(ValueError, match="no living process 7; it knows 1"):
        space(kernel, pid=7)


def test_text_form_of_a_page_cache() -> None:
    assert page_cache(two_mappings(), "warm.bin").text == (
        "warm.bin     0   1   2\ncached      F*   F   F     * = dirty\nentries      1   1   1\ndisk         D   D   D"
    )
    long = page_cache(cold_read(), "data.bin")
    assert "32 of 40 pages of data.bin are in the page cache, 0 dirty, 16 mapped." in long.description
    assert "x14" in long.text


def test_a_dirty_page_is_hatched() -> None:
    assert count(page_cache(two_mappings(), "warm.bin"), "path", "hatch") == 1
    assert count(page_cache(private_store(), "warm.bin"), "path", "hatch") == 0


def test_frames_say_what_they_hold_and_who_maps_them() -> None:
    assert frames(fork_and_store()).text.splitlines() == [
        "   1 F  warm.bin 0               not mapped",
        "   2 F  warm.bin 1               P1, P2",
        "   3 F  warm.bin 2               P1, P2",
        "   4 A  own page 0               P1, P2",
        "   5 A  copy of warm.bin 0       P1",
        "   6 A  copy of warm.bin 0       P2",
    ]


def test_more_frames_than_fit_are_counted() -> None:
    kernel = Kernel()
    p = kernel.spawn()
    a = p.mmap(0, 40 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS)
    for page in range(40):
        p.store(a + page * PAGE_SIZE, b"x")
    assert f"and {40 - MOST} frames more" in frames(kernel).text
    assert not collisions(frames(kernel))


def test_text_form_of_a_walk() -> None:
    kernel = private_store()
    assert tables(kernel, start_of(kernel)).text == (
        "address 0x7ffff7ffc000\n"
        "  bits 47-39   011111111    pgd[255]       there\n"
        "  bits 38-30   111111111    pud[511]       there\n"
        "  bits 29-21   110111111    pmd[447]       there\n"
        "  bits 20-12   111111100    pte[508]       there\n"
        "  bits 11-0    000000000000 byte 0\n"
        "  frame 5, rw"
    )


def test_a_walk_ends_where_the_tables_end() -> None:
    form = tables(private_store(), 0x40_0000)
    assert "pgd[0]         empty: the walk ends here" in form.text
    assert form.text.count("no table") == 3
    assert count(form, "path", "zigzag") == 1


def test_the_bits_of_the_entry_are_shown() -> None:
    kernel = private_store()
    words = tables(kernel, start_of(kernel)).svg
    for bit in ("NX 1", "D 1", "A 1", "US 1", "RW 1", "P 1"):
        assert f">{bit}<" in words


def test_a_clear_bit_says_what_it_means() -> None:
    kernel = cold_read()
    words = {label.words for label in labels(tables(kernel, start_of(kernel)))}
    assert {"D 0", "clean", "RW 0", "read-only"} <= words
    assert "–" not in words


def test_the_fields_of_an_address_are_its_48_bits() -> None:
    kernel = cold_read()
    addr = start_of(kernel) + 3 * PAGE_SIZE + 0x123
    fields = [label.words for label in labels(tables(kernel, addr)) if set(label.words) <= {"0", "1"}]
    assert "".join(word for word in fields if len(word) >= 9) == f"{addr:048b}"


@pytest.mark.parametrize("npages", [2, 44, 293, 268_435_456])
@pytest.mark.parametrize("mixed", [False, True])
def test_a_gap_is_as_wide_as_its_label(npages: int, mixed: bool) -> None:
    width = Column(0, npages, mixed).width - 4
    picture = Svg(60, "gap", "A gap.", "gap", (gap(20, 20, width, npages, "mixed" if mixed else "file"),))
    (box,) = boxes(picture)
    assert all(box.left < label.left and label.right < box.right for label in labels(picture))
    assert ("mixed" in picture.svg) is mixed


@pytest.mark.parametrize("room", [100, 250, 560])
def test_columns_fit_their_room_and_cover_every_page_once(room: int) -> None:
    states = ["a"] * 40 + ["b", "c", "b", "c"] * 20 + ["d"] * 300
    columns = columns_of(states, room, low=5)
    assert sum(column.width for column in columns) <= room
    covered = [i for column in columns for i in range(column.first, column.first + column.npages)]
    assert covered == list(range(5, 5 + len(states)))
    for column in columns:
        alike = len(set(states[column.first - 5 : column.first - 5 + column.npages])) == 1
        assert alike or column.mixed


def test_few_pages_are_all_drawn() -> None:
    assert [c.npages for c in columns_of(["a"] * 9, 560)] == [1] * 9
