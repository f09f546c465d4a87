"""What a reader points at is said in a sentence, and everything that can be pointed at has one."""

from __future__ import annotations

import re

import pytest

from mmaplab.constants import MAP_ANONYMOUS, MAP_PRIVATE, O_RDWR, PAGE_SIZE, PROT_READ, PROT_WRITE
from mmaplab.sim import Kernel
from mmaplab.views.layout import layout
from mmaplab.views.linked import board
from mmaplab.views.pointed import pointed
from mmaplab.views.steps import steps
from tests.views.pictures import PROGRAMS

RW = PROT_READ | PROT_WRITE


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_column_and_every_area_that_is_drawn_has_its_sentence(name: str) -> None:
    found = steps(PROGRAMS[name](), last=2)
    plan = layout(found)
    for step in found:
        drawn = "".join(svg for parts in board(step, plan).parts.values() for svg in parts.values())
        columns = {f"col:{key}" for key in re.findall(r'data-col="([^"]+)"', drawn)}
        areas = {f"area:{key}" for key in re.findall(r'data-area="([^"]+)"', drawn)}
        told = pointed(step, plan)
        assert columns | areas <= told.keys()
        assert areas == {key for key in told if key.startswith("area:")}
        assert all(sentence.endswith(".") for sentence in told.values())


def sentences(kernel: Kernel) -> list[str]:
    """Return what is said at the end of everything that the kernel has done."""
    found = steps(kernel, None)
    return list(pointed(found[-1], layout(found)).values())


def test_a_private_page_after_its_first_store() -> None:
    kernel = Kernel()
    kernel.create_file("data.bin", bytes(2 * PAGE_SIZE))
    p = kernel.spawn()
    a = p.mmap(0, 3 * PAGE_SIZE, RW, MAP_PRIVATE, p.open("data.bin", O_RDWR))
    p.load(a + PAGE_SIZE)
    p.store(a, b"x")
    area, first, second, third = sentences(kernel)
    assert area == f"An area of P1: data.bin, private, rw-p, 3 pages from {a:#x}; 2 of them have an entry."
    entry = f"P1 has it at {a:#x}, entry rw to frame 3, anonymous"
    assert first == f"Page 0 of data.bin: {entry}; frame 1 in the page cache, clean; a block on the disk."
    assert f"P1 has it at {a + PAGE_SIZE:#x}, entry r- to frame 2;" in second
    assert third.endswith("without an entry; behind the end of the file.")


def test_anonymous_pages_are_counted_from_the_start_and_a_gap_is_said_at_once() -> None:
    kernel = Kernel()
    p = kernel.spawn()
    a = p.mmap(0, 64 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS)
    p.load(a)
    told = sentences(kernel)
    assert told[0].endswith("1 of them has an entry.")
    assert told[1] == f"Page 0 of anonymous memory: P1 has it at {a:#x}, entry r- to the zero page."
    assert told[3] == f"Pages 2 to 62 of anonymous memory: P1 has them from {a + 2 * PAGE_SIZE:#x}, without entries."


def test_what_no_area_shows_any_more_is_said() -> None:
    kernel = Kernel()
    kernel.create_file("data.bin", bytes(PAGE_SIZE))
    p = kernel.spawn()
    a = p.mmap(0, PAGE_SIZE, RW, MAP_PRIVATE, p.open("data.bin", O_RDWR))
    p.load(a)
    p.munmap(a, PAGE_SIZE)
    here = "frame 1 in the page cache, clean; a block on the disk"
    assert sentences(kernel) == [f"Page 0 of data.bin: no area shows it; {here}."]
