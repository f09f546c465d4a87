"""MADV_COLD, MADV_PAGEOUT and MADV_FREE: pages that may leave memory soon, now, or without being kept.

    MADV_COLD      the entry forgets that it was used; a page of a file goes to the cold end of reclaim's list
    MADV_PAGEOUT   clean page of a file: out of page table and page cache   dirty: out of the page table only
                   private page: stays (there is no swap), unless MADV_FREE had given it up and nobody has stored since
    MADV_FREE      the entry of a private page becomes clean: whoever reclaims it need not keep it

A page that another address space maps, too, is left alone.

Linux: mm/madvise.c (madvise_cold_or_pageout_pte_range, madvise_free_pte_range), mm/vmscan.c (reclaim_pages).
Leaves out: swap. A large folio of which the range holds a part is halved only where it is clean.
"""

from __future__ import annotations

import errno

from mmaplab.constants import PAGE_SIZE, VmFlags
from mmaplab.pte import PAGE_ACCESSED, PAGE_DIRTY, pte_dirty, pte_pfn
from mmaplab.sim.inode import Folio
from mmaplab.sim.memory import ZERO_PFN, Page
from mmaplab.sim.mm_types import VmArea
from mmaplab.sim.pagecache import filemap_remove_folio, folio_mark_dirty, split_folio
from mmaplab.sim.rmap import page_vma_mapped, try_to_unmap


def madvise_cold(vma: VmArea, start: int, end: int) -> None:
    """Have the pages of [start, end) taken first, when memory is short; raises EINVAL. Linux: madvise_cold."""
    check_lru_vma(vma)
    mm = vma.vm_mm
    for addr, pte in list(mm.pgd.entries(start, end)):
        page = mm.memory.pages[pte_pfn(pte)]
        if page.pfn == ZERO_PFN or mapped_by_others(page):
            continue
        if pte & PAGE_ACCESSED:
            mm.pgd.set_pte(addr, pte & ~PAGE_ACCESSED)
            mm.flush_tlb_range(addr, addr + PAGE_SIZE)
        if isinstance(page.folio, Folio):
            page.folio.referenced = False
            to_the_cold_end(page.folio)


def to_the_cold_end(folio: Folio) -> None:
    """Let reclaim look at a folio first. Linux: folio_deactivate."""
    lru = folio.mapping.host.i_sb.s_lru
    if folio in lru:
        lru.move_to_end(folio, last=False)


def madvise_pageout(vma: VmArea, start: int, end: int) -> None:
    """Reclaim the pages of [start, end) now; raises EINVAL for a locked area. Linux: madvise_pageout, reclaim_pages."""
    check_lru_vma(vma)
    mm = vma.vm_mm
    for addr, pte in list(mm.pgd.entries(start, end)):
        page = mm.memory.pages.get(pte_pfn(pte))
        if page is None or page.pfn == ZERO_PFN or mm.pgd.get_pte(addr) != pte or mapped_by_others(page):
            continue  # it has gone together with its folio, or is not ours alone
        if isinstance(page.folio, Folio):
            page_out_file_folio(vma, page.folio, addr, start, end)
        elif not pte_dirty(pte):  # given up by MADV_FREE, and not stored to since
            mm.pgd.clear_pte(addr)
            mm.flush_tlb_range(addr, addr + PAGE_SIZE)


def page_out_file_folio(vma: VmArea, folio: Folio, addr: int, start: int, end: int) -> None:
    """Unmap a folio, and drop it where it is clean; a part of a large one is halved out of it first.

    Clean means that the disk has the same, or (tmpfs) that nobody has ever written to it: then it holds zeros.
    """
    index = vma.pgoff_of(addr)
    if len(folio.pages) > 1 and not range_holds(vma, folio, start, end):
        if folio.dirty or any(page.refcount > 1 + page.mapcount for page in folio.pages):
            return
        try_to_unmap(folio)
        split_folio(folio, index)
        folio = folio.mapping.i_pages[index]
    dirty = folio.dirty or any(pte_dirty(pte) for _, _, pte in page_vma_mapped(folio))
    try_to_unmap(folio)
    if dirty:
        folio_mark_dirty(folio, vma.vm_mm.machine.now)
        folio.readahead = folio.mapping.host.i_sb.on_disk  # PG_reclaim, "to be dropped when written", is the same bit
    else:
        filemap_remove_folio(folio)


def range_holds(vma: VmArea, folio: Folio, start: int, end: int) -> bool:
    """Does [start, end) map the whole folio?"""
    return vma.pgoff_of(start) <= folio.index and folio.end <= vma.pgoff_of(end)


def madvise_free(vma: VmArea, start: int, end: int) -> None:
    """Give the private pages of [start, end) up: they may be taken until the next store. Linux: madvise_free."""
    if not vma.is_anonymous:
        raise OSError(errno.EINVAL, "MADV_FREE is for private anonymous memory")
    mm = vma.vm_mm
    for addr, pte in list(mm.pgd.entries(start, end)):
        if pte_pfn(pte) != ZERO_PFN and pte & (PAGE_ACCESSED | PAGE_DIRTY):
            mm.pgd.set_pte(addr, pte & ~(PAGE_ACCESSED | PAGE_DIRTY))
            mm.flush_tlb_range(addr, addr + PAGE_SIZE)


def check_lru_vma(vma: VmArea) -> None:
    """Raise EINVAL for an area whose pages reclaim never looks at. Linux: can_madv_lru_vma."""
    if vma.vm_flags & VmFlags.VM_LOCKED:
        raise OSError(errno.EINVAL, f"the area at {vma.vm_start:#x} is locked")


def mapped_by_others(page: Page) -> bool:
    """Does more than one entry map the page, or a page of its folio? Linux: folio_maybe_mapped_shared."""
    pages = page.folio.pages if isinstance(page.folio, Folio) else [page]
    return any(each.mapcount > 1 for each in pages)
