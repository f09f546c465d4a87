"""Versions of get_unmapped_area."""

from __future__ import annotations

import errno

from mmaplab.constants import PAGE_SIZE, PMD_SIZE
from mmaplab.sim.vma import (
    find_vma_intersection,
    thp_aligned,
    vm_start_gap,
    vm_unmapped_area,
)

from . import right, wrong


def holes(mm, low, high, guarded=True):
    """Return the free ranges between two addresses, in order; below what grows downwards a gap is kept."""
    found, start = [], low
    for area in mm.areas:
        end = vm_start_gap(area) if guarded else area.vm_start
        if end > start:
            found.append((start, min(end, high)))
        start = max(start, area.vm_end)
    return [hole for hole in [*found, (start, high)] if hole[0] < hole[1]]


def hinted(mm, length, hint):
    """Return the hint where it may be used, else None."""
    if not hint:
        return None
    return next((hint for start, end in holes(mm, 0, mm.config.task_size) if start <= hint <= end - length), None)


def large(mm, length, hint, file, pgoff, shared):
    """Return a place on 2 MiB where this kernel gives one, else None."""
    if not thp_aligned(mm, length, hint, file, pgoff, shared):
        return None
    start = without_wish(mm, length + PMD_SIZE)
    if start is None:
        return None
    return start + ((pgoff * PAGE_SIZE * (file is not None) - start) % PMD_SIZE or PMD_SIZE)


def without_wish(mm, length):
    """Return the highest hole below mmap_base, else the lowest of the upper two thirds, else None."""
    for start, end in reversed(holes(mm, mm.config.mmap_min_addr, mm.config.mmap_base)):
        if end - start >= length:
            return end - length
    for start, end in holes(mm, mm.config.task_size // 3 & -PAGE_SIZE, mm.config.task_size):
        if end - start >= length:
            return start
    return None


@right("get_unmapped_area")
def hole_by_hole(mm, length, hint, file, pgoff, shared):
    if length > mm.config.task_size:
        raise OSError(errno.ENOMEM, "too long")
    wished, aligned = hinted(mm, length, hint), large(mm, length, hint, file, pgoff, shared)
    for place in (wished, aligned, without_wish(mm, length)):
        if place is not None:
            return place
    raise OSError(errno.ENOMEM, "no hole is large enough")


@wrong("get_unmapped_area", calls=1)
def from_below(mm, length, hint, file, pgoff, shared):
    place = hinted(mm, length, hint)
    if place is not None:
        return place
    for start, end in holes(mm, mm.config.mmap_min_addr, mm.config.mmap_base):
        if end - start >= length:
            return start
    raise OSError(errno.ENOMEM, "no hole is large enough")


@wrong("get_unmapped_area", calls=1)
def whatever_the_wish(mm, length, hint, file, pgoff, shared):
    return vm_unmapped_area(mm, length)


@wrong("get_unmapped_area", calls=2)
def the_wish_is_an_order(mm, length, hint, file, pgoff, shared):
    if hint and hint + length <= mm.config.task_size:
        return hint
    return hole_by_hole(mm, length, hint, file, pgoff, shared)


@wrong("get_unmapped_area", calls=2)
def only_the_start_of_the_wish(mm, length, hint, file, pgoff, shared):
    if hint and hint + length <= mm.config.task_size and not find_vma_intersection(mm, hint, hint + PAGE_SIZE):
        return hint
    return hole_by_hole(mm, length, hint if hinted(mm, length, hint) else 0, file, pgoff, shared)


@wrong("get_unmapped_area", calls=1)
def a_wish_beyond_the_end(mm, length, hint, file, pgoff, shared):
    if hint and not find_vma_intersection(mm, hint, hint + length):
        return hint
    return hole_by_hole(mm, length, hint, file, pgoff, shared)


@wrong("get_unmapped_area", calls=2)
def the_smallest_hole(mm, length, hint, file, pgoff, shared):
    for place in (hinted(mm, length, hint), large(mm, length, hint, file, pgoff, shared)):
        if place is not None:
            return place
    fit = [hole for hole in holes(mm, mm.config.mmap_min_addr, mm.config.mmap_base) if hole[1] - hole[0] >= length]
    if not fit:
        return hole_by_hole(mm, length, hint, file, pgoff, shared)
    return min(fit, key=lambda hole: (hole[1] - hole[0], -hole[1]))[1] - length


@wrong("get_unmapped_area", calls=3)
def not_into_a_hole_that_fits(mm, length, hint, file, pgoff, shared):
    for place in (hinted(mm, length, hint), large(mm, length, hint, file, pgoff, shared)):
        if place is not None:
            return place
    for start, end in reversed(holes(mm, mm.config.mmap_min_addr, mm.config.mmap_base)):
        if end - start > length:
            return end - length
    return hole_by_hole(mm, length, hint, file, pgoff, shared)


@wrong("get_unmapped_area", calls=1)
def a_page_between(mm, length, hint, file, pgoff, shared):
    if hinted(mm, length, hint) is not None:
        return hint
    return hole_by_hole(mm, length + PAGE_SIZE, 0, file, pgoff, shared)


@wrong("get_unmapped_area", calls=1)
def large_ones_like_small_ones(mm, length, hint, file, pgoff, shared):
    place = hinted(mm, length, hint)
    return vm_unmapped_area(mm, length) if place is None else place


@wrong("get_unmapped_area", calls=1)
def all_on_2_mib(mm, length, hint, file, pgoff, shared):
    place = hinted(mm, length, hint)
    return vm_unmapped_area(mm, length + PMD_SIZE) & -PMD_SIZE if place is None else place


@wrong("get_unmapped_area", calls=1)
def the_error_as_a_number(mm, length, hint, file, pgoff, shared):
    try:
        return hole_by_hole(mm, length, hint, file, pgoff, shared)
    except OSError:
        return -errno.ENOMEM


@wrong("get_unmapped_area", calls=1, says="ENOMEM")
def no_second_search(mm, length, hint, file, pgoff, shared):
    for place in (hinted(mm, length, hint), large(mm, length, hint, file, pgoff, shared)):
        if place is not None:
            return place
    for start, end in reversed(holes(mm, mm.config.mmap_min_addr, mm.config.mmap_base)):
        if end - start >= length:
            return end - length
    raise OSError(errno.ENOMEM, "no hole is large enough")


@wrong("get_unmapped_area", calls=2)
def directly_below_what_grows(mm, length, hint, file, pgoff, shared):
    for place in (hinted(mm, length, hint), large(mm, length, hint, file, pgoff, shared)):
        if place is not None:
            return place
    for start, end in reversed(holes(mm, mm.config.mmap_min_addr, mm.config.mmap_base, guarded=False)):
        if end - start >= length:
            return end - length
    return hole_by_hole(mm, length, hint, file, pgoff, shared)
