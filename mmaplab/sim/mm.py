"""Taking entries and page tables away.

    zap        entries of a range go; their frames lose a user; stored-to pages of files become dirty
    free       page tables that no area reaches any more go too

Linux: mm/memory.c (zap_page_range_single, free_pgtables), mm/pt_reclaim.c.
"""

from __future__ import annotations

from mmaplab.constants import PMD_SIZE, VmFlags
from mmaplab.pte import pte_dirty, pte_pfn
from mmaplab.sim.inode import Folio
from mmaplab.sim.mm_types import MmStruct, VmArea
from mmaplab.sim.pagecache import folio_mark_dirty


def zap_page_range(vma: VmArea, start: int, end: int) -> None:
    """Take the entries of [start, end) away; frames that nobody uses any more become free.

    An entry that was stored through hands its dirty bit to the page. Linux: zap_page_range_single, mm/memory.c.
    """
    mm = vma.vm_mm
    gone = False
    for addr, pte in list(mm.pgd.entries(start, end)):
        _keep_dirty(mm, pte)
        mm.pgd.clear_pte(addr)
        gone = True
    if gone:
        mm.flush_tlb_range(start, end)


def _keep_dirty(mm: MmStruct, pte: int) -> None:
    """A page of a file that was stored to through this entry is newer than the disk. Linux: zap_present_folio_ptes."""
    folio = mm.memory.pages[pte_pfn(pte)].folio
    if pte_dirty(pte) and isinstance(folio, Folio) and not folio.dirty:
        folio_mark_dirty(folio, mm.machine.now)


def reclaim_tables(vma: VmArea, start: int, end: int) -> None:
    """Free the page tables that a zap has emptied whole. Linux: try_to_free_pte, mm/pt_reclaim.c (6.14 and later)."""
    mm = vma.vm_mm
    if not mm.config.pt_reclaim:
        return
    for base, leaf in mm.pgd.leaves(start, end):
        if start <= base and base + PMD_SIZE <= end and not any(leaf):
            mm.pgd.free_tables(base, base + PMD_SIZE)


def free_pgtables(mm: MmStruct, start: int, end: int) -> None:
    """Free the page tables that no area reaches any more, after [start, end) was unmapped. Linux: mm/memory.c."""
    before = mm.mm_mt.prev(VmArea(mm, start, end, VmFlags.VM_NONE, 0))
    after = mm.mm_mt.find(end - 1)
    floor = before.vm_end if before is not None else 0
    ceiling = after.vm_start if after is not None else 1 << 47
    low = -(-floor // PMD_SIZE) * PMD_SIZE
    high = ceiling // PMD_SIZE * PMD_SIZE
    first, last = start // PMD_SIZE * PMD_SIZE, -(-end // PMD_SIZE) * PMD_SIZE
    mm.pgd.free_tables(max(first, low), min(last, high))
