"""The linked view: one picture, one sentence, a thick arrow for each copy, and every label readable."""

from __future__ import annotations

import random

import pytest

from mmaplab import ledger
from mmaplab.constants import MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED, O_RDWR, PAGE_SIZE, PROT_READ
from mmaplab.sim import Kernel
from mmaplab.views.columns import columns_of
from mmaplab.views.layout import layout
from mmaplab.views.linked import board, linked
from mmaplab.views.steps import steps
from tests.views.drawing import check
from tests.views.pictures import (
    PROGRAMS,
    bad_access,
    cold_read,
    collisions,
    config,
    count,
    crossings,
    fork_and_store,
    fsync_call,
    labels,
    outside,
    private_store,
    read_call,
    small_print,
    split_areas,
    thick_arrows,
    tree,
    two_mappings,
)

COLD = """\
P1 loads one byte from page 3 of data.bin: 1 major fault, 32 pages copied by the device, 16 entries set.
P1: load at 0x7ffff7fda000

data.bin         0   1   2   3   4 x10  15  16 x14  31  32  x6  39
P1 pages         F   F   F   F   F   F   F   -   -   -   -   -   -
P1 entries      r-  r-  r-  r-  r-  r-  r-   .   .   .   .   .   .
page cache       F   F   F   F   F   F   F   F   F   F   .   .   .
disk             D   D   D   D   D   D   D   D   D   D   D   D   D
32 thick arrows: 131,072 bytes, disk to page cache, by the device
so far in this access: 32 device copies, 0 CPU copies · 0 system calls, 1 fault"""


def test_text_form_of_a_cold_load() -> None:
    kernel = cold_read()
    first = kernel.trace.last(2)
    end = next(i for i, r in enumerate(first) if r.event.__class__.__name__ == "Done" and r.event.of == "Access")
    assert linked(kernel.trace.records[: -len(first) + end + 1]).text == COLD


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_picture_of_every_step_is_readable(name: str) -> None:
    kernel = PROGRAMS[name]()
    total = len(steps(kernel, last=2))
    for picture in [linked(kernel), *(linked(kernel, last=2, step=i) for i in range(1, total + 1))]:
        assert not collisions(picture), picture.text
        assert not outside(picture), picture.text
        assert not crossings(picture), picture.text
        assert not small_print(picture)
        assert count(picture, "text", "t") >= 1
        assert picture.description in picture.text


@pytest.mark.parametrize("name", PROGRAMS)
def test_counting_the_thick_arrows_gives_the_copies(name: str) -> None:
    kernel = PROGRAMS[name]()
    copies = sum(ledger.copy_counts(kernel.trace.last()).values())
    assert thick_arrows(linked(kernel)) == copies


def test_the_thick_arrows_of_a_cold_load_are_the_32_of_the_disk() -> None:
    kernel = cold_read()
    assert thick_arrows(linked(kernel, last=2)) == 32
    assert [thick_arrows(linked(kernel, last=2, step=i)) for i in range(1, 16)] == [0] * 6 + [32] + [0] * 8
    assert "32 × 4,096 B · device" in "".join(tree(linked(kernel, last=2)).itertext())


def test_a_private_store_is_one_arrow_from_the_cache_to_the_own_page() -> None:
    picture = linked(private_store())
    assert thick_arrows(picture) == count(picture, "path", "shaft") == 1
    assert "own pages" in "".join(tree(picture).itertext())
    assert "1 thick arrow: 4,096 bytes, page to private copy, by the CPU" in picture.text


def test_copy_on_write_after_fork_shows_both_processes() -> None:
    picture = linked(fork_and_store())
    words = "".join(tree(picture).itertext())
    assert "P1 · user" in words
    assert "P2 · user" in words
    assert thick_arrows(picture) == 1


def test_read_has_a_buffer_and_one_arrow_to_it() -> None:
    picture = linked(read_call())
    assert "buffer" in "".join(tree(picture).itertext())
    assert thick_arrows(picture) == 1


def test_fsync_is_an_arrow_down_to_the_disk() -> None:
    assert "1 thick arrow: 4,096 bytes, page cache to disk, by the device" in linked(fsync_call()).text


def test_a_signal_is_in_the_sentence() -> None:
    assert linked(bad_access()).description.endswith("ends in SIGSEGV.")


def test_each_direction_of_copies_has_its_bytes_and_who_copies() -> None:
    kernel = Kernel(config())
    kernel.create_file("new.bin", bytes(PAGE_SIZE * 2))
    p = kernel.spawn()
    fd = p.open("new.bin", O_RDWR)
    p.write(fd, b"w" * 5000)
    p.fsync(fd)
    said = {label.words for label in labels(linked(kernel, last=2))}
    assert {"5,000 B · CPU", "↑ 4,096 B · device", "↓ 2 × 4,096 B · device"} <= said


def test_an_access_outside_all_areas_is_marked_at_the_edge() -> None:
    for picture in (linked(bad_access(), step=4), linked(bad_access())):
        assert count(picture, "path", "zigzag") == 1
        assert {"no area", "400000", "SIGSEGV"} <= {label.words for label in labels(picture)}
        assert not collisions(picture)


def test_an_entry_of_an_upper_process_names_its_frame_by_its_number() -> None:
    found = steps(fork_and_store())
    parts = board(found[-1], layout(found)).parts
    tags = {name.split(":")[1] for name in parts["object"] if name.startswith("tg:")}
    assert tags == {"1", "2"}  # the child's: where another frame stands in between
    assert all(
        entry in parts["line"] for entry in (name.replace("tg:", "l2:") for name in parts["object"] if "tg:" in name)
    )


def test_every_area_has_a_name_however_much_is_left_out() -> None:
    kernel = Kernel(config())
    kernel.create_file("book.bin", bytes(64 * PAGE_SIZE), warm=True)
    p, q = kernel.spawn(), kernel.spawn()
    a = p.mmap(0, 20 * PAGE_SIZE, PROT_READ, MAP_SHARED, p.open("book.bin"), 10 * PAGE_SIZE)
    fd = q.open("book.bin")
    b = q.mmap(0, 20 * PAGE_SIZE, PROT_READ, MAP_SHARED, fd)
    q.mmap(0, 20 * PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 30 * PAGE_SIZE)
    p.mmap(0, 2 * PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS)
    q.load(b + 12 * PAGE_SIZE)
    p.load(a + 2 * PAGE_SIZE)
    picture = linked(kernel, last=2)
    assert [label.words for label in labels(picture)].count("book.bin, shared") == 3
    assert {"30", "49"} <= {label.words for label in labels(picture)}
    check(picture)


def test_one_name_serves_areas_too_narrow_for_one_each() -> None:
    said = [label.words for label in labels(linked(split_areas()))]
    assert said.count("r--s") + said.count("---s") >= 6
    assert "data.bin, shared" in said


def test_the_fault_is_marked_while_it_lasts_and_not_after() -> None:
    kernel = cold_read()
    marks = [count(linked(kernel, last=2, step=i), "path", "zigzag") for i in range(1, 16)]
    assert marks == [0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    words = [count(linked(kernel, last=2, step=i), "text", "alarm") for i in range(1, 16)]
    assert words == [0, 0] + [1] * 7 + [0] * 6


def test_two_mappings_of_one_file_share_their_columns_and_their_frames() -> None:
    form = linked(two_mappings()).text
    assert form.count("P1 pages") == 3
    assert form.count("page cache") == 1


def test_the_same_events_give_the_same_bytes() -> None:
    assert linked(cold_read()).svg == linked(cold_read()).svg


def test_an_object_keeps_its_place_from_step_to_step() -> None:
    found = steps(fork_and_store(), last=2)
    plan = layout(found)
    boards = [board(step, plan) for step in found]
    assert len({frozenset(b.y.items()) for b in boards}) == 1
    assert len({b.bottom for b in boards}) == 1


def test_steps_count_from_one_and_from_the_end() -> None:
    kernel = cold_read()
    assert linked(kernel, last=2, step=-1).svg == linked(kernel, last=2, step=15).svg
    for wrong in (0, 16, -16):
        with pytest.raises(IndexError, match="there are 15 steps"):
            linked(kernel, last=2, step=wrong)


def test_an_empty_trace_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        linked([])


def test_many_pages_and_many_areas_still_fit() -> None:
    kernel = Kernel(config())
    p = kernel.spawn()
    for i in range(3):
        kernel.create_file(f"a file with a long name {i}.bin", bytes(300 * PAGE_SIZE), warm=i == 1)
        fd = p.open(f"a file with a long name {i}.bin")
        a = p.mmap(0, 300 * PAGE_SIZE, PROT_READ, MAP_SHARED if i else MAP_PRIVATE, fd)
        for page in (5, 77, 140, 201, 299):
            p.load(a + page * PAGE_SIZE)
    for last in (1, 5, 15):
        picture = linked(kernel, last=last)
        assert not outside(picture)
        assert not collisions(picture)


def family(children: int) -> Kernel:
    """A page that a parent and its children share; then each child stores to it, the last one first."""
    kernel = private_store()
    p = kernel.processes[1]
    made = [p.fork() for _ in range(children)]
    for child in reversed(made):
        child.store(p.maps()[-1].start, b"y")
    return kernel


def test_three_processes_are_drawn_and_no_more_are_left_out_in_silence() -> None:
    small = linked(family(2), last=2)
    check(small)
    assert "Not drawn" not in repr(small)
    assert {"P1 · user", "P2 · user", "P3 · user"} <= {label.words for label in labels(small)}
    large = linked(family(3), last=3)
    check(large)
    assert "Not drawn for want of room: 1 process." in repr(large)
    assert "Not drawn for want of room: 1 process." in {label.words for label in labels(large)}


def test_five_files_are_four_and_a_note() -> None:
    kernel = Kernel(config())
    p = kernel.spawn()
    for name in "abcdef":
        kernel.create_file(f"{name}.bin", bytes(PAGE_SIZE))
        a = p.mmap(0, PAGE_SIZE, PROT_READ, MAP_SHARED, p.open(f"{name}.bin"))
        p.load(a)
    picture = linked(kernel, last=30)
    check(picture)
    assert "Not drawn for want of room: 2 groups of pages." in repr(picture)


@pytest.mark.parametrize("seed", range(20))
def test_where_there_is_room_no_page_is_left_out(seed: int) -> None:
    rng = random.Random(seed)
    pages = rng.randrange(1, 16)
    columns = columns_of([rng.randrange(3) for _ in range(pages)], 556)
    assert [column.first for column in columns] == list(range(pages))
    assert not any(column.is_gap for column in columns)
