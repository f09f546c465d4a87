"""Versions of copy_page_range and zap_page_range."""

from __future__ import annotations

from mmaplab.constants import PAGE_SHIFT, PAGE_SIZE, PMD_SIZE
from mmaplab.pte import PAGE_ACCESSED, PAGE_DIRTY, PAGE_PRESENT, PAGE_RW, PTE_MARKER_GUARD, PTE_NONE, pte_dirty, pte_pfn
from mmaplab.sim.inode import Folio
from mmaplab.sim.memory import ZERO_PFN
from mmaplab.sim.pagecache import folio_mark_dirty

from . import right, wrong

# ---------------------------------------------------------------- copy_page_range


def copied(child, parent, start=0, end=0, protect="pc", guards=True, exclusive=False, needed=True):
    """Copy entry by entry; every rule of it can be left out. `protect` says who loses the right to store."""
    if needed and parent.anon_vma is None:
        return
    source, target = parent.vm_mm.pgd, child.vm_mm.pgd
    for addr in range(parent.vm_start + start, parent.vm_end - end, PAGE_SIZE):
        pte = source.get_pte(addr)
        if pte == PTE_MARKER_GUARD and guards:
            target.set_pte(addr, pte)
        if not pte & PAGE_PRESENT:
            continue
        page = source.memory.pages[pte_pfn(pte)]
        if page.anon and page.pfn != ZERO_PFN and not exclusive:
            page.anon_exclusive = False
        if "p" in protect and not parent.shared:
            source.set_pte(addr, pte & ~PAGE_RW)
        mine = pte & ~PAGE_ACCESSED
        target.set_pte(addr, mine & ~PAGE_RW if "c" in protect and not parent.shared else mine)


@right("copy_page_range")
def page_by_page(child, parent):
    copied(child, parent)


@wrong("copy_page_range", calls=3)
def the_parent_may_store(child, parent):
    copied(child, parent, protect="c")


@wrong("copy_page_range", calls=3)
def the_child_may_store(child, parent):
    copied(child, parent, protect="p")


@wrong("copy_page_range", calls=3)
def copies_the_bytes_at_once(child, parent):
    mm = child.vm_mm
    for addr, pte in list(parent.vm_mm.pgd.entries(parent.vm_start, parent.vm_end)):
        old = mm.memory.pages[pte_pfn(pte)]
        new = mm.memory.alloc_page("anon")
        mm.memory.copy("cow", old.data, new, source=old)
        mm.pgd.set_pte(addr, new.pfn << PAGE_SHIFT | pte & 0xFFF)
        mm.memory.put_page(new)


@wrong("copy_page_range", calls=3)
def shared_pages_too(child, parent):
    copied(child, parent, needed=False)


@wrong("copy_page_range", calls=3)
def the_child_begins_with_nothing(child, parent):
    copied(child, parent, start=parent.vm_end - parent.vm_start)


@wrong("copy_page_range", calls=3)
def one_page_too_few(child, parent):
    copied(child, parent, end=PAGE_SIZE)


@wrong("copy_page_range", calls=4)
def without_the_guards(child, parent):
    copied(child, parent, guards=False)


@wrong("copy_page_range", calls=4)
def still_the_parent_s_alone(child, parent):
    copied(child, parent, exclusive=True)


@wrong("copy_page_range", calls=3)
def the_first_table_only(child, parent):
    beyond = max(0, parent.vm_end - (parent.vm_start & -PMD_SIZE) - PMD_SIZE)
    copied(child, parent, end=beyond)


@wrong("copy_page_range", calls=2, says="nothing (None")
def an_error_number(child, parent):
    copied(child, parent)
    return 0


# ---------------------------------------------------------------- zap_page_range


def zapped(vma, start, end, dirty=pte_dirty, flush=True):
    """Take entry by entry away; every rule of it can be left out."""
    mm = vma.vm_mm
    for addr in range(start, end, PAGE_SIZE):
        pte = mm.pgd.get_pte(addr)
        if pte & PAGE_PRESENT:
            folio = mm.memory.pages[pte_pfn(pte)].folio
            if isinstance(folio, Folio) and dirty(pte) and not folio.dirty:
                folio_mark_dirty(folio, mm.machine.now)
            mm.pgd.clear_pte(addr)
            if flush:
                mm.flush_tlb_range(addr, addr + PAGE_SIZE)


@right("zap_page_range")
def entry_by_entry(vma, start, end):
    zapped(vma, start, end)


@wrong("zap_page_range", calls=3)
def one_page_less(vma, start, end):
    zapped(vma, start, end - PAGE_SIZE)


@wrong("zap_page_range", calls=4)
def one_page_more(vma, start, end):
    zapped(vma, start, end + PAGE_SIZE)


@wrong("zap_page_range", calls=3)
def the_whole_area(vma, start, end):
    zapped(vma, vma.vm_start, vma.vm_end)


@wrong("zap_page_range", calls=6)
def the_store_is_forgotten(vma, start, end):
    zapped(vma, start, end, dirty=lambda pte: False)


@wrong("zap_page_range", calls=5)
def all_pages_become_dirty(vma, start, end):
    zapped(vma, start, end, dirty=lambda pte: True)


@wrong("zap_page_range", calls=3, says="tlb_is_not_stale")
def the_processor_remembers(vma, start, end):
    zapped(vma, start, end, flush=False)


@wrong("zap_page_range", calls=3)
def the_first_table(vma, start, end):
    zapped(vma, start, min(end, (start & -PMD_SIZE) + PMD_SIZE))


@wrong("zap_page_range", calls=3, says="counts_match_entries")
def behind_the_kernel_s_back(vma, start, end):
    for addr in range(start, end, PAGE_SIZE):
        leaf = vma.vm_mm.pgd.leaf(addr)
        if leaf is not None:
            leaf.put(addr >> PAGE_SHIFT & 511, PTE_NONE)
    vma.vm_mm.flush_tlb_range(start, end)


@wrong("zap_page_range", calls=3)
def only_the_dirty_ones(vma, start, end):
    for addr in range(start, end, PAGE_SIZE):
        if vma.vm_mm.pgd.get_pte(addr) & PAGE_DIRTY:
            zapped(vma, addr, addr + PAGE_SIZE)
