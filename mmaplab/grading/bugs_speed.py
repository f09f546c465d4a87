"""The faulty function of chapter 09: an unmapping that saves time in the wrong place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmaplab.constants import PAGE_SIZE
from mmaplab.pte import pte_dirty, pte_pfn
from mmaplab.sim.inode import Folio
from mmaplab.sim.mm_types import VmArea
from mmaplab.sim.pagecache import folio_mark_dirty


def hasty_zap_page_range(vma: VmArea, start: int, end: int) -> None:
    """Take the entries of [start, end) away, with fewer flushes than the reference. One line is wrong."""
    mm = vma.vm_mm
    gone = 0
    for addr, pte in list(mm.pgd.entries(start, end)):
        folio = mm.memory.pages[pte_pfn(pte)].folio
        if pte_dirty(pte) and isinstance(folio, Folio) and not folio.dirty:
            folio_mark_dirty(folio, mm.machine.now)
        mm.pgd.clear_pte(addr)
        gone += PAGE_SIZE
    if gone > PAGE_SIZE:
        mm.flush_tlb_range(start, end)


BUGS_SPEED: dict[str, tuple[Callable[..., Any], ...]] = {"zap_page_range": (hasty_zap_page_range,)}
"""By slot, as bugs.py wants them."""
