"""Anonymous memory and copy-on-write.

    load of an absent page     -> the shared page of zeros, read-only
    store to an absent page    -> a new page of zeros
    store to a read-only page  -> mine alone? then make it writable; else copy it, 4096 bytes, and map the copy

A private copy of a file's page is anonymous memory too: it has left the file.

Linux: mm/memory.c (do_anonymous_page, do_wp_page, wp_page_copy, wp_page_reuse). Leaves out: swap, huge pages, KSM.
"""

from __future__ import annotations

from mmaplab.constants import PAGE_SIZE, VmFlags
from mmaplab.pte import PAGE_ACCESSED, PAGE_DIRTY, PAGE_RW, mk_pte, pte_pfn
from mmaplab.sim.inode import Folio
from mmaplab.sim.memory import ZERO_PFN, Page
from mmaplab.sim.merge import anon_vma_prepare
from mmaplab.sim.mm_types import FaultResult, VmArea, VmFault
from mmaplab.sim.pagecache import folio_mark_dirty
from mmaplab.sim.writeback import balance_dirty_pages_ratelimited


def do_anonymous_page(vmf: VmFault) -> FaultResult:
    """A first touch of memory without a file: zeros. Linux: do_anonymous_page, mm/memory.c."""
    vma, mm = vmf.vma, vmf.vma.vm_mm
    if not vmf.write:  # everybody's zeros will do
        mm.pgd.set_pte(vmf.address, mk_pte(ZERO_PFN, vma.vm_page_prot))
        return FaultResult.VM_FAULT_DONE
    anon_vma_prepare(vma)
    page = mm.memory.alloc_page("anon")
    mm.memory.clear(page)
    map_anon_page(vma, vmf.address, page)
    return FaultResult.VM_FAULT_DONE


def map_anon_page(vma: VmArea, addr: int, page: Page) -> None:
    """Map a private page that belongs to this process alone, writable if the area is.

    Linux: folio_add_new_anon_rmap, set_pte_at.
    """
    page.anon_exclusive = True
    write = PAGE_RW if vma.vm_flags & VmFlags.VM_WRITE else 0
    vma.vm_mm.pgd.set_pte(addr, mk_pte(page.pfn, vma.vm_page_prot | PAGE_DIRTY | write))
    vma.vm_mm.memory.put_page(page)  # from here on the entry holds it


def do_wp_page(vmf: VmFault) -> FaultResult:
    """A store to a present page that is write-protected: whose page is it? Linux: do_wp_page, mm/memory.c."""
    vma, mm = vmf.vma, vmf.vma.vm_mm
    page = mm.memory.pages[pte_pfn(mm.pgd.get_pte(vmf.address))]
    if vma.shared:  # the file's own page: note that it becomes dirty
        return wp_page_shared(vmf, page)
    if page.anon and page.pfn != ZERO_PFN and can_reuse(page):  # private, and nobody else uses it
        return wp_page_reuse(vmf, page)
    return wp_page_copy(vmf, page)  # the file's page, the zero page, or shared since fork


def can_reuse(page: Page) -> bool:
    """Is this process the only one that uses the private page? Linux: wp_can_reuse_anon_folio, mm/memory.c."""
    return page.anon_exclusive or page.mapcount == 1


def wp_page_reuse(vmf: VmFault, page: Page) -> FaultResult:
    """Make the entry writable: there is nobody to protect from the store. Linux: wp_page_reuse, mm/memory.c."""
    mm = vmf.vma.vm_mm
    page.anon_exclusive = page.anon_exclusive or page.anon
    mm.pgd.set_pte(vmf.address, mm.pgd.get_pte(vmf.address) | PAGE_RW | PAGE_DIRTY | PAGE_ACCESSED)
    mm.flush_tlb_range(vmf.address, vmf.address + PAGE_SIZE)
    return FaultResult.VM_FAULT_DONE


def wp_page_copy(vmf: VmFault, old: Page) -> FaultResult:
    """Copy the page and map the copy: this process goes its own way now. Linux: wp_page_copy, mm/memory.c."""
    vma, mm = vmf.vma, vmf.vma.vm_mm
    anon_vma_prepare(vma)
    mm.memory.get_page(old)  # it must not be reclaimed while a frame is looked for
    try:
        page = mm.memory.alloc_page("anon")
    finally:
        mm.memory.put_page(old)
    if old.pfn == ZERO_PFN:
        mm.memory.clear(page)
    else:
        mm.memory.copy("cow", old.data, page, source=old)
    map_anon_page(vma, vmf.address, page)
    mm.flush_tlb_range(vmf.address, vmf.address + PAGE_SIZE)
    return FaultResult.VM_FAULT_DONE


def wp_page_shared(vmf: VmFault, page: Page) -> FaultResult:
    """Tell the file system that the page becomes dirty, then make the entry writable. Linux: wp_page_shared."""
    result = page_mkwrite(vmf, page.folio)
    if result.failed:
        return result
    return wp_page_reuse(vmf, page)


def page_mkwrite(vmf: VmFault, folio: object) -> FaultResult:
    """A shared page is about to be stored to: promise it a block on the disk, and mark its folio dirty.

    A full disk shows itself here, as SIGBUS. Where too much is dirty, the store waits for the flusher first; Linux lets
    it wait after the page is dirty (fault_dirty_shared_page). Linux: do_page_mkwrite, ext4_page_mkwrite.
    """
    assert isinstance(folio, Folio)
    inode = folio.mapping.host
    balance_dirty_pages_ratelimited(inode.i_sb)
    if inode.i_sb.on_disk:
        try:
            inode.i_sb.disk.reserve(inode.ino, folio.index, min(folio.end, inode.pages))
        except OSError:
            return FaultResult.VM_FAULT_SIGBUS
    folio_mark_dirty(folio, vmf.vma.vm_mm.machine.now)
    return FaultResult.VM_FAULT_DONE
