"""Reclaim: frames are taken back when memory is short.

    coldest folio   used since the last look?  -> to the warm end, look at the next
                    mapped?                    -> its entries go (try_to_unmap)
                    dirty?                     -> written to the disk first
                    out of the page cache      -> its frames are free

The list runs from cold to warm (`SuperBlock.s_lru`). Anonymous pages and tmpfs stay: there is no swap. When nothing can
be taken back, `select_bad_process` names the process that has to go.

Linux: mm/vmscan.c (shrink_folio_list), mm/oom_kill.c. Leaves out: active and inactive lists, kswapd, MGLRU.
"""

from __future__ import annotations

from collections.abc import Iterable

from mmaplab.constants import VmFlags
from mmaplab.pte import PAGE_ACCESSED, pte_young
from mmaplab.sim.inode import Folio, SuperBlock
from mmaplab.sim.mm_types import TaskStruct
from mmaplab.sim.pagecache import filemap_remove_folio
from mmaplab.sim.rmap import page_vma_mapped, try_to_unmap
from mmaplab.sim.writeback import write_folio


def shrink_lru(sb: SuperBlock) -> bool:
    """Take one folio out of memory, the coldest that may go; False where there is none. Linux: shrink_folio_list."""
    for _ in range(2 * len(sb.s_lru)):
        folio = next(iter(sb.s_lru))
        del sb.s_lru[folio]
        sb.s_lru[folio] = None  # to the warm end, unless it goes
        if may_be_taken(folio) and not folio_referenced(folio):
            reclaim_folio(folio)
            return True
    return False


def may_be_taken(folio: Folio) -> bool:
    """Does nobody hold it but the page cache and entries that may be cleared?"""
    if not folio.uptodate or any(page.refcount > 1 + page.mapcount for page in folio.pages):
        return False
    return not any(vma.vm_flags & VmFlags.VM_LOCKED for vma, _, _ in page_vma_mapped(folio))


def folio_referenced(folio: Folio) -> bool:
    """Was it used since the last look? Asking takes the marks away. Linux: folio_referenced, mm/rmap.c.

    As on x86, the TLB is not flushed for it, so uses through a remembered entry are not seen.
    """
    used, folio.referenced = folio.referenced, False
    for vma, addr, pte in page_vma_mapped(folio):
        if pte_young(pte):
            vma.vm_mm.pgd.set_pte(addr, pte & ~PAGE_ACCESSED)
            used = True
    return used


def reclaim_folio(folio: Folio) -> None:
    """Unmap, write back if it is dirty, and take out of the page cache."""
    try_to_unmap(folio)
    if folio.dirty:
        write_folio(folio, "reclaim")
    filemap_remove_folio(folio)


def select_bad_process(tasks: Iterable[TaskStruct]) -> TaskStruct:
    """Return the process that has most pages in memory; of two that have as many, the younger.

    Linux: oom_evaluate_task. Leaves out: oom_score_adj.
    """
    return max((task for task in tasks if task.mm is not None), key=lambda task: (oom_badness(task), task.tgid))


def oom_badness(task: TaskStruct) -> int:
    """Return how many resident pages a process has, of any kind. Linux: oom_badness. Leaves out: its page tables."""
    if task.mm is None:
        return 0
    rss = task.mm.rss
    return rss.anon + rss.file + rss.shmem
