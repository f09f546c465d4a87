"""Split and merge in words: each case is a real call on the simulated kernel."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mmaplab.constants import (
    MADV_RANDOM,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_PRIVATE,
    PAGE_SIZE,
    PROT_NONE,
    PROT_READ,
    PROT_WRITE,
)
from mmaplab.sim import Kernel
from mmaplab.sim.process import Process
from mmaplab.widgets.joins import joins

A = 0x100000
RW = PROT_READ | PROT_WRITE
OWN = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED


def at(page: int) -> int:
    """Return the address of a page."""
    return A + page * PAGE_SIZE


def area(p: Process, first: int, pages: int, prot: int = RW) -> None:
    """Map pages of private anonymous memory."""
    p.mmap(at(first), pages * PAGE_SIZE, prot, OWN)


def halves(p: Process) -> None:
    """AAABBB"""
    area(p, 0, 3)
    area(p, 3, 3, PROT_READ)


Doing = Callable[[Process], object]
SIX: Doing = lambda p: area(p, 0, 6)  # noqa: E731
CALLS: dict[str, tuple[Doing, Doing, str]] = {
    "a new area alone": (lambda p: None, SIX, ""),
    "a new area far away": (SIX, lambda p: area(p, 9, 1), ""),
    "a new area behind": (SIX, lambda p: area(p, 6, 2), "2 areas are merged into one"),
    "a new area fills a hole": (
        lambda p: (area(p, 0, 2), area(p, 4, 2)),
        lambda p: area(p, 2, 2),
        "3 areas are merged into one",
    ),
    "a new area of other rights": (SIX, lambda p: area(p, 6, 2, PROT_NONE), ""),
    "fixed, in the middle": (SIX, lambda p: area(p, 2, 2, PROT_READ), "the area at page 0 is split into 3 areas"),
    "fixed, over all": (SIX, lambda p: area(p, 0, 6, PROT_READ), ""),
    "rights in the middle": (
        SIX,
        lambda p: p.mprotect(at(2), PAGE_SIZE, PROT_READ),
        "the area at page 0 is split into 3 areas",
    ),
    "rights at the end": (SIX, lambda p: p.mprotect(at(5), PAGE_SIZE, 0), "the area at page 0 is split into 2 areas"),
    "rights of all": (SIX, lambda p: p.mprotect(at(0), 6 * PAGE_SIZE, PROT_READ), ""),
    "rights like the neighbour's": (
        halves,
        lambda p: p.mprotect(at(0), 3 * PAGE_SIZE, PROT_READ),
        "2 areas are merged into one",
    ),
    "a piece goes to the neighbour": (
        halves,
        lambda p: p.mprotect(at(2), PAGE_SIZE, PROT_READ),
        "the border at page 2 moved: a piece was split off and merged with its neighbour",
    ),
    "a hole": (SIX, lambda p: p.munmap(at(2), PAGE_SIZE), "the area at page 0 is split into 2 areas"),
    "a piece at the end is gone": (SIX, lambda p: p.munmap(at(4), 2 * PAGE_SIZE), ""),
    "all is gone": (halves, lambda p: p.munmap(at(0), 6 * PAGE_SIZE), ""),
    "a hole over a border": (halves, lambda p: p.munmap(at(2), 2 * PAGE_SIZE), ""),
    "advice": (SIX, lambda p: p.madvise(at(0), PAGE_SIZE, MADV_RANDOM), "the area at page 0 is split into 2 areas"),
    "nothing": (SIX, lambda p: p.load(at(0)), ""),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_a_call_did_to_the_areas_is_said(name: str) -> None:
    prepare, call, told = CALLS[name]
    p = Kernel().spawn()
    prepare(p)
    before = p.maps()
    call(p)
    assert joins(before, p.maps(), lambda addr: f"page {(addr - A) // PAGE_SIZE}") == told


def test_one_call_may_cut_two_neighbours() -> None:
    """The pieces in the middle become one area of their own."""
    p = Kernel().spawn()
    area(p, 0, 4)
    area(p, 4, 4, PROT_READ)
    before = p.maps()
    p.mprotect(at(2), 4 * PAGE_SIZE, PROT_NONE)
    told = joins(before, p.maps(), lambda addr: f"page {(addr - A) // PAGE_SIZE}")
    assert told == "2 areas are split into 3 areas"
