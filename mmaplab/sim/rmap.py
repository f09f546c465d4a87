"""Reverse mapping: from a cached file page back to the page-table entries that map it.

    file page 2 -> i_mmap -> area of P1: vm_start + (2 - vm_pgoff) pages
                         `-> area of P2: ...

Write-back and truncate start from a file page and must change every process's tables; this room is how they find
them. Areas are reached through `mapping.i_mmap`, so nothing here needs to know what an area is made of.

Linux: mm/rmap.c, mm/memory.c (unmap_mapping_range). Leaves out: anonymous reverse maps (nothing here is swapped).
"""

from __future__ import annotations

from collections.abc import Iterator

from mmaplab.constants import PAGE_SHIFT, PAGE_SIZE, VmFlags
from mmaplab.pte import PAGE_DIRTY, PAGE_RW, pte_dirty, pte_pfn, pte_present, pte_write
from mmaplab.sim.inode import AddressSpace, Folio, MappedArea


def vma_address(vma: MappedArea, index: int) -> int | None:
    """Return where an area maps file page `index`, or None. Linux: vma_address, mm/internal.h."""
    addr = vma.vm_start + (index - vma.vm_pgoff) * PAGE_SIZE
    return addr if vma.vm_start <= addr < vma.vm_end else None


def page_vma_mapped(folio: Folio) -> Iterator[tuple[MappedArea, int, int]]:
    """Yield (area, address, entry) for every entry that maps a page of the folio. Linux: page_vma_mapped_walk."""
    for vma in list(folio.mapping.i_mmap):
        for index, page in enumerate(folio.pages, folio.index):
            addr = vma_address(vma, index)
            if addr is None:
                continue
            pte = vma.vm_mm.pgd.get_pte(addr)
            if pte_present(pte) and pte_pfn(pte) == page.pfn:
                yield vma, addr, pte


def folio_mkclean(folio: Folio) -> None:
    """Make every shared entry of the folio clean and write-protected, so that the next store is noticed.

    Linux: folio_mkclean, mm/rmap.c.
    """
    for vma, addr, pte in page_vma_mapped(folio):
        if vma.vm_flags & VmFlags.VM_SHARED and (pte_write(pte) or pte_dirty(pte)):
            vma.vm_mm.pgd.set_pte(addr, pte & ~(PAGE_RW | PAGE_DIRTY))
            vma.vm_mm.flush_tlb_range(addr, addr + PAGE_SIZE)


def try_to_unmap(folio: Folio) -> None:
    """Clear every entry that maps the folio. Linux: try_to_unmap, mm/rmap.c."""
    for vma, addr, _pte in page_vma_mapped(folio):
        vma.vm_mm.pgd.clear_pte(addr)
        vma.vm_mm.flush_tlb_range(addr, addr + PAGE_SIZE)


def unmap_mapping_range(mapping: AddressSpace, first: int, end: int | None = None) -> None:
    """Clear the entries of all areas for file pages [first, end), private copies included; None: to the last.

    Linux: unmap_mapping_range(even_cows=1), mm/memory.c; called by truncate.
    """
    for vma in list(mapping.i_mmap):
        start = max(vma.vm_start, vma.vm_start + ((first - vma.vm_pgoff) << PAGE_SHIFT))
        stop = vma.vm_end if end is None else min(vma.vm_end, vma.vm_start + ((end - vma.vm_pgoff) << PAGE_SHIFT))
        if start >= stop:
            continue
        entries = list(vma.vm_mm.pgd.entries(start, stop))
        for addr, _pte in entries:
            vma.vm_mm.pgd.clear_pte(addr)
        if entries:
            vma.vm_mm.flush_tlb_range(start, stop)
