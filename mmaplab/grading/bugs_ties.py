"""The faulty functions of chapters 04, 06 and 07: a way back, a fork, and a write-back.

`careless_unmap` works on plain data; `mmaplab.grading.situations.unmapped_of` makes the same on a simulated kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmaplab.grading.plain import Plain
from mmaplab.pte import PAGE_ACCESSED, PAGE_DIRTY, PAGE_RW, PTE_MARKER_GUARD, pte_pfn
from mmaplab.sim.inode import AddressSpace
from mmaplab.sim.memory import ZERO_PFN
from mmaplab.sim.mm_types import VmArea
from mmaplab.sim.writeback import write_folio


def careless_unmap(areas: list[tuple[int, int, int]], first: int, behind: int) -> Plain:
    """Say which pages of memory lose their entry when the file pages [first, behind) go. One line is wrong.

    `areas` are [page of memory, pages, file page there]. Pages of memory are counted from the first place on.
    """
    gone: list[Plain] = []
    for place, npages, pgoff in areas:
        start = max(place, place + first - pgoff)
        stop = min(place + npages, start + behind - first)
        gone += range(start, stop)
    return gone


def careless_copy_page_range(child: VmArea, parent: VmArea) -> None:
    """Give the child the parent's entries. What the child stores, it stores for itself. One line is wrong."""
    if parent.anon_vma is None and not parent.maybe_guard:
        return
    source, target = parent.vm_mm.pgd, child.vm_mm.pgd
    for base, _leaf in source.leaves(parent.vm_start, parent.vm_end):
        target.pte_alloc(max(base, parent.vm_start))
    for addr, old in list(source.entries(parent.vm_start, parent.vm_end)):
        pte = old
        if not parent.shared:
            pte &= ~PAGE_RW
            if pte != old:
                target.set_pte(addr, pte)
        else:
            pte &= ~PAGE_DIRTY
        page = source.memory.pages[pte_pfn(pte)]
        if page.pfn != ZERO_PFN and page.anon:
            page.anon_exclusive = False
        target.set_pte(addr, pte & ~PAGE_ACCESSED)
    for addr in source.guards(parent.vm_start, parent.vm_end):
        target.set_pte(addr, PTE_MARKER_GUARD)


def careless_do_writepages(mapping: AddressSpace, first: int, last: int | None, why: str) -> None:
    """Write the dirty folios that touch file pages [first, last] (None: to the end). One line is wrong."""
    if not mapping.host.i_sb.on_disk:
        return
    for folio in mapping.folios(first, last):
        if not folio.dirty:
            break
        write_folio(folio, why)


BUGS_TIES: dict[str, tuple[Callable[..., Any], ...]] = {
    "copy_page_range": (careless_copy_page_range,),
    "do_writepages": (careless_do_writepages,),
}
"""By slot, as bugs.py wants them."""
