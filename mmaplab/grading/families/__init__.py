"""Families of generated programs: one function for each situation of a kernel function's contract.

    windows.py     do_fault_around
    faults.py      handle_mm_fault, do_wp_page, translate
    areas.py       find_vma, can_vma_merge
    places.py      get_unmapped_area
    processes.py   copy_page_range, zap_page_range
    files.py       page_cache_sync_ra, do_writepages, do_msync
    cuts.py        truncate_pagecache
    own.py         none: for learners' own predictions

A family is a function from a random number generator to a program; its docstring's first line says what is special
about its programs. `generate(family, seed)` gives the same program on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from mmaplab.grading.families.areas import FINDING, MERGING
from mmaplab.grading.families.cuts import CUTS
from mmaplab.grading.families.faults import CASES, TRANSLATIONS, WRITE_PROTECTED
from mmaplab.grading.families.files import READAHEAD, SYNCS, TURNS, WRITE_BACK
from mmaplab.grading.families.own import CHAPTERS
from mmaplab.grading.families.places import PLACING
from mmaplab.grading.families.processes import COPIES, ZAPS
from mmaplab.grading.families.windows import WALKS, WINDOWS
from mmaplab.grading.programs import Scenario

Family = Callable[[Random], Scenario]

BY_SLOT: dict[str, tuple[Family, ...]] = {
    "find_vma": FINDING,
    "can_vma_merge": MERGING,
    "get_unmapped_area": PLACING,
    "translate": TRANSLATIONS,
    "handle_mm_fault": CASES + WINDOWS,
    "do_fault_around": WINDOWS,
    "do_wp_page": WRITE_PROTECTED,
    "page_cache_sync_ra": READAHEAD,
    "copy_page_range": COPIES,
    "zap_page_range": ZAPS,
    "do_writepages": WRITE_BACK,
    "truncate_pagecache": CUTS,
    "do_msync": SYNCS,
}
"""The families of a kernel function, the simplest situation first; in the order of `mmaplab.sim.slots.Slots`."""

OWN: tuple[Family, ...] = (*WALKS, *TURNS, *CHAPTERS)
"""Families for learners' own programs, which decide about no function; variant.py."""

FAMILIES: dict[str, Family] = {f.__name__: f for families in (*BY_SLOT.values(), OWN) for f in families}
SLOT_FAMILIES = {slot: tuple(family.__name__ for family in families) for slot, families in BY_SLOT.items()}
"""The names of the families that exercise a slot."""


def generate(family: str, seed: int) -> Scenario:
    """Return program number `seed` of a family; the same on every machine. Raises ValueError for an unknown family."""
    if family not in FAMILIES:
        raise ValueError(f"there is no family of programs {family!r}; there are {', '.join(FAMILIES)}")
    return FAMILIES[family](Random(f"{family} {seed}"))


def situation(family: str) -> str:
    """Return what a family of programs is about: the first line of its docstring."""
    return (FAMILIES[family].__doc__ or family).strip().splitlines()[0].rstrip(".")
