"""The kernel functions that a learner may replace.

    def find_vma(mm, addr): ...                 a learner's own
    kernel = Kernel(find_vma=find_vma)        everything else stays the reference

A slot has the name and the arguments of the kernel's function, less locks. It may call any function of its floor or
below, and it changes state only through doors, so it emits the right events without knowing about events. Lower rooms
call `mm.slots.find_vma(mm, addr)`; the references are put in by `kernel.py`, at the top.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

Function = Callable[..., Any]


@dataclass(frozen=True)
class Slots:
    """One function for each replaceable step; the comment is its contract."""

    find_vma: Function
    """(mm, addr) -> the first area that ends above addr, or None."""
    can_vma_merge: Function
    """(left, right) -> may these adjacent areas become one?"""
    get_unmapped_area: Function
    """(mm, length, hint, file, pgoff, shared) -> the start of a free range; raises OSError(ENOMEM)."""
    translate: Function
    """(task, addr, want) -> the entry that permits the access, or 0."""
    handle_mm_fault: Function
    """(vmf) -> FaultResult: bring the page in, or say why not."""
    do_fault_around: Function
    """(vmf) -> FaultResult: choose the window of file pages and give it to filemap_map_pages."""
    do_wp_page: Function
    """(vmf) -> FaultResult: a store to a present page that is write-protected."""
    page_cache_sync_ra: Function
    """(file, index, req_count) -> None: choose what to read when page `index` is missing, and read it."""
    copy_page_range: Function
    """(child_area, parent_area) -> None: give the child the parent's entries, sharing the private pages."""
    zap_page_range: Function
    """(vma, start, end) -> None: take the entries of a range away."""
    do_writepages: Function
    """(mapping, first, last, why) -> None: write the dirty folios of a range to the disk."""
    truncate_pagecache: Function
    """(inode, length) -> None: take what lies behind the file's new end out of page tables and page cache."""
    do_msync: Function
    """(task, addr, length, flags) -> None: the msync system call; raises OSError."""


def fill_slots(reference: Slots, given: dict[str, Function]) -> Slots:
    """Return the reference functions with the `given` ones in their place; raises TypeError for an unknown name."""
    known = set(Slots.__dataclass_fields__)
    for name, function in given.items():
        if name not in known:
            raise TypeError(f"no kernel function {name!r} can be replaced; these can: {', '.join(sorted(known))}")
        if not callable(function):
            raise TypeError(f"{name} is {function!r}: give a function")
    return replace(reference, **given)
