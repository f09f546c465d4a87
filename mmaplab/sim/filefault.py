"""Faults on memory that has a file behind it.

    read             do_read_fault     map what is cached around it; else bring the page in and map it
    write, private   do_cow_fault      bring the page in, copy it at once, map the copy
    write, shared    do_shared_fault   bring the page in, note that it becomes dirty, map it writable

Bringing a page in is the file's business: `filemap_fault` finds it in the page cache or reads it from the disk.

Linux: mm/memory.c (do_read_fault, do_cow_fault, do_shared_fault, do_fault_around, finish_fault), mm/filemap.c
(filemap_fault, filemap_map_pages), mm/shmem.c (shmem_fault). Leaves out: DAX, huge entries, userfaultfd.
"""

from __future__ import annotations

from mmaplab.constants import PAGE_SHIFT, PAGE_SIZE, PMD_SIZE, PTRS_PER_PTE, VmFlags
from mmaplab.pte import PAGE_DIRTY, PAGE_RW, mk_pte
from mmaplab.sim.anon import map_anon_page, page_mkwrite
from mmaplab.sim.file import File
from mmaplab.sim.filemap import shmem_get_folio
from mmaplab.sim.inode import Folio, Inode
from mmaplab.sim.memory import OutOfMemory
from mmaplab.sim.merge import anon_vma_prepare
from mmaplab.sim.mm_types import FaultResult, VmArea, VmFault
from mmaplab.sim.pagecache import filemap_add_folio, filemap_get_folio
from mmaplab.sim.pgtable import Leaf
from mmaplab.sim.readahead import do_async_mmap_readahead, do_sync_mmap_readahead
from mmaplab.sim.readpage import read_folio

DONE = FaultResult.VM_FAULT_DONE
SIGBUS = FaultResult.VM_FAULT_SIGBUS
MAJOR = FaultResult.VM_FAULT_MAJOR
NOPAGE = FaultResult.VM_FAULT_NOPAGE
RETRY = FaultResult.VM_FAULT_RETRY


def file_of(vma: VmArea) -> File:
    """Return the open file of an area that has one."""
    assert vma.vm_file is not None
    return vma.vm_file


# ---------------------------------------------------------------- the three kinds


def do_read_fault(vmf: VmFault) -> FaultResult:
    """A load, or a fetch: map the cached pages around it, or else bring this page in. Linux: do_read_fault."""
    if vmf.vma.vm_mm.config.fault_around_pages > 1:
        result = vmf.vma.vm_mm.slots.do_fault_around(vmf)
        if result:
            return FaultResult(result)
    result, folio = do_fault(vmf)
    if folio is None or result & RETRY:
        return result
    finish_fault(vmf, folio)
    return result


def do_cow_fault(vmf: VmFault) -> FaultResult:
    """A store to a private mapping of a page not yet present: copy at once. Linux: do_cow_fault, mm/memory.c."""
    vma = vmf.vma
    anon_vma_prepare(vma)
    memory = vma.vm_mm.memory
    page = memory.alloc_page("anon")  # first, for looking for a frame may cost the cache a page
    result, folio = do_fault(vmf)
    if folio is None or result & RETRY:
        memory.put_page(page)
        return result
    source = folio.page(vmf.pgoff)
    memory.copy("cow", source.data, page, source=source)
    map_anon_page(vma, vmf.address, page)
    return result


def do_shared_fault(vmf: VmFault) -> FaultResult:
    """A store to a shared mapping of a page not yet present: it becomes dirty. Linux: do_shared_fault."""
    result, folio = do_fault(vmf)
    if folio is None or result & RETRY:
        return result
    result |= page_mkwrite(vmf, folio)
    if result.failed:
        return result
    finish_fault(vmf, folio)
    return result


def do_fault(vmf: VmFault) -> tuple[FaultResult, Folio | None]:
    """Ask the file for the page: result and folio, None where there is none. Linux: __do_fault."""
    inode = file_of(vmf.vma).f_inode
    try:
        return filemap_fault(vmf) if inode.i_sb.on_disk else shmem_fault(vmf)
    except OSError:  # the disk is broken (EIO) or the tmpfs is full (ENOSPC)
        return SIGBUS, None
    except OutOfMemory:
        return FaultResult.VM_FAULT_OOM, None


# ---------------------------------------------------------------- the file's part


def filemap_fault(vmf: VmFault) -> tuple[FaultResult, Folio | None]:
    """Find the page in the page cache, or have it read; SIGBUS where the file has no such page.

    Having to wait for the disk answers RETRY: the fault begins again, and finds more pages cached than one.
    Raises OSError(EIO). Linux: filemap_fault, mm/filemap.c.
    """
    vma, file = vmf.vma, file_of(vmf.vma)
    inode, mapping = file.f_inode, file.f_inode.i_mapping
    if vmf.pgoff >= inode.pages:
        return SIGBUS, None
    folio = filemap_get_folio(mapping, vmf.pgoff)
    if folio is not None:
        if not vmf.tried and do_async_mmap_readahead(file, folio, vmf.pgoff, vma.vm_flags):
            return RETRY, folio
        if folio.uptodate:
            return DONE, folio
        read_folio(folio)
        return (DONE if vmf.tried else RETRY), folio
    area = range(vma.vm_pgoff, vma.vm_pgoff + vma.pages)
    do_sync_mmap_readahead(file, vmf.pgoff, vma.vm_flags, area, vma.vm_mm.slots.page_cache_sync_ra)
    folio = mapping.i_pages.get(vmf.pgoff)
    if folio is None:
        folio = filemap_add_folio(mapping, vmf.pgoff)
        assert folio is not None
    if not folio.uptodate:
        read_folio(folio)
    return (MAJOR if vmf.tried else MAJOR | RETRY), folio


def shmem_fault(vmf: VmFault) -> tuple[FaultResult, Folio | None]:
    """Find the page of a tmpfs file, or make it of zeros; SIGBUS beyond its end. Linux: shmem_fault, mm/shmem.c."""
    inode = file_of(vmf.vma).f_inode
    if vmf.pgoff >= inode.pages:
        return SIGBUS, None
    return DONE, shmem_get_folio(inode, vmf.pgoff)


# ---------------------------------------------------------------- fault-around


def do_fault_around(vmf: VmFault) -> FaultResult:
    """Choose a window around the address, and map the cached file pages in it.

    The window has `fault_around_bytes`, begins on a multiple of that, and is clamped to the area and to the page
    table. Where the area begins inside it, it begins with the area, and still has its full length.
    Linux: do_fault_around, mm/memory.c.
    """
    vma = vmf.vma
    nr_pages = vma.vm_mm.config.fault_around_pages
    pte_off = vmf.address >> PAGE_SHIFT & (PTRS_PER_PTE - 1)
    vma_off = vmf.pgoff - vma.vm_pgoff
    from_pte = max(pte_off & -nr_pages, pte_off - min(pte_off, vma_off))
    to_pte = min(from_pte + nr_pages, PTRS_PER_PTE, pte_off + vma.pages - vma_off) - 1
    return filemap_map_pages(vmf, vmf.pgoff + from_pte - pte_off, vmf.pgoff + to_pte - pte_off)


def filemap_map_pages(vmf: VmFault, start_pgoff: int, end_pgoff: int) -> FaultResult:
    """Map the file pages [start_pgoff, end_pgoff], both included, that are cached and have no entry yet.

    Answers NOPAGE when the page that was touched is now mapped, 0 when it is not. Linux: filemap_map_pages.
    """
    vma, file = vmf.vma, file_of(vmf.vma)
    inode = file.f_inode
    end_pgoff = min(end_pgoff, inode.pages - 1)
    folios = [f for f in inode.i_mapping.folios(start_pgoff, end_pgoff) if mappable(f)]
    if not folios or table_is_missing(vmf, inode, folios[0]):
        return DONE
    table = vma.vm_mm.pgd.pte_alloc(vmf.address)
    result, seen = DONE, 0
    for folio in folios:
        first, last = max(folio.index, start_pgoff), min(folio.end - 1, end_pgoff)
        if maps_whole(vma, folio, vmf.address) and folio.end < inode.pages + in_memory(inode):
            first, last = folio.index, folio.end - 1
        for index in range(first, last + 1):
            seen += 1
            addr = vma.vm_start + (index - vma.vm_pgoff) * PAGE_SIZE
            if not entry(table, addr):
                set_file_pte(vma, addr, folio, index, write=False)
                result |= NOPAGE if addr == vmf.address else DONE
    file.f_ra.mmap_miss = max(0, file.f_ra.mmap_miss - seen)
    return result


def mappable(folio: Folio) -> bool:
    """May fault-around map it? Not before it is uptodate, and not the page that carries the readahead mark."""
    return folio.uptodate and not folio.readahead


def entry(table: Leaf, addr: int) -> int:
    """Return the entry for `addr` in a last-level table."""
    return table[addr >> PAGE_SHIFT & (PTRS_PER_PTE - 1)]


def in_memory(inode: Inode) -> int:
    """1 for tmpfs, whose last folio counts as lying inside the file, else 0."""
    return 0 if inode.i_sb.on_disk else 1


def table_is_missing(vmf: VmFault, inode: Inode, first: Folio) -> bool:
    """A quirk of 6.18: without a page table, a first folio that reaches the file's last page stops fault-around.

    The table is put in by the branch that tries to map large folios, and that branch is skipped then.
    """
    config = vmf.vma.vm_mm.config
    return (
        config.eof_quirk
        and inode.i_sb.on_disk
        and first.end >= inode.pages
        and vmf.vma.vm_mm.pgd.leaf(vmf.address) is None
    )


def maps_whole(vma: VmArea, folio: Folio, address: int) -> bool:
    """Is it a large folio that lies wholly in the area and in the page table of `address`? (6.18 and later)"""
    if not vma.vm_mm.config.map_whole_folio or len(folio.pages) == 1:
        return False
    start = vma.vm_start + (folio.index - vma.vm_pgoff) * PAGE_SIZE
    end = start + len(folio.pages) * PAGE_SIZE
    table = address & -PMD_SIZE
    return vma.vm_start <= start and end <= vma.vm_end and table <= start and end <= table + PMD_SIZE


# ---------------------------------------------------------------- setting entries


def finish_fault(vmf: VmFault, folio: Folio) -> None:
    """Map the page that was brought in; a large folio as a whole, where nothing of it is mapped yet.

    Linux: finish_fault, set_pte_range, mm/memory.c.
    """
    vma, inode = vmf.vma, folio.mapping.host
    table = vma.vm_mm.pgd.pte_alloc(vmf.address)
    indices = [vmf.pgoff]
    if maps_whole(vma, folio, vmf.address) and (in_memory(inode) or folio.end <= inode.pages):
        whole = range(folio.index, folio.end)
        if not any(entry(table, vma.vm_start + (i - vma.vm_pgoff) * PAGE_SIZE) for i in whole):
            indices = list(whole)
    for index in indices:
        addr = vma.vm_start + (index - vma.vm_pgoff) * PAGE_SIZE
        set_file_pte(vma, addr, folio, index, vmf.write)


def set_file_pte(vma: VmArea, addr: int, folio: Folio, index: int, write: bool) -> None:
    """Set the entry of one cached file page; `write` makes it writable and dirty. Linux: set_pte_range."""
    prot = vma.vm_page_prot
    if write and vma.vm_flags & VmFlags.VM_WRITE:
        prot |= PAGE_RW | PAGE_DIRTY
    vma.vm_mm.pgd.set_pte(addr, mk_pte(folio.page(index).pfn, prot))
