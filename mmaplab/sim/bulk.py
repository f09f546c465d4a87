"""Many alike pages at once: what 512 loads would do to one page table, done in one go, when nobody watches.

    every entry is there and marked as used    512 loads change nothing but the TLB
    the table is empty, its file pages cached  so many faults, each with a window of entries: the table is filled

This room adds no rule of the kernel. It is a short cut through the textbook path (cpu.py, fault.py, filefault.py), and
one function calls it, `cpu.touch`. It gives up, and answers 0, where anything is unusual: events are recorded, a kernel
function is a learner's own, the area ends in the table, a page is missing, marked for readahead, or in a folio of
another size than its neighbours. A test runs both paths and compares the whole state (tests/sim/test_bulk.py).

Linux has fault-around and whole folios for the same purpose: entries are cheap, faults are not.
"""

from __future__ import annotations

from operator import attrgetter

from mmaplab.constants import PAGE_SIZE, PMD_SIZE, PTRS_PER_PTE
from mmaplab.sim.file import File
from mmaplab.sim.inode import Folio, Inode
from mmaplab.sim.memory import Page
from mmaplab.sim.mm_types import VM_ACCESS_FLAGS, Machine, MmStruct, TaskStruct, VmArea
from mmaplab.sim.vma import vma_lookup

KIND = attrgetter("order", "uptodate", "readahead")
"""What the folios of a table must have in common; the last two are to be True and False."""


def touch_tables(task: TaskStruct, start: int, end: int) -> int:
    """Load from every page of [start, end), one page table after the other; returns how many bytes of it were done.

    `start` is the first address of a page table, or nothing is done. What is left, the caller loads page by page.
    """
    mm = task.mm
    if mm is None or mm.trace.recording or not mm.machine.by_the_book or start % PMD_SIZE:
        return 0
    if not mm.config.exec_only_readable:  # a protection key may forbid what an entry permits
        return 0
    tlb = mm.machine.tlbs[task.cpu]
    end = tlb.first_remembered(mm.mm, start, min(end, mm.config.task_size))
    at = start
    while at + PMD_SIZE <= end and (all_ready(mm, at) or fault_in(task, mm, at)):
        at += PMD_SIZE
    if at > start:
        run(mm.machine, task, mm)
        tlb.fill_run(mm.mm, start, at, mm.pgd)
    return at - start


def run(machine: Machine, task: TaskStruct, mm: MmStruct) -> None:
    """Note where the task runs, as every access does (cpu.translate)."""
    machine.cpu = task.cpu
    mm.cpumask.add(task.cpu)
    mm.trace.pid = task.pid


def all_ready(mm: MmStruct, base: int) -> bool:
    """Does a load from any page of the table at `base` find all it needs, and leave the entry as it is?"""
    leaf = mm.pgd.leaf(base)
    return leaf is not None and leaf.ready == PTRS_PER_PTE


def fault_in(task: TaskStruct, mm: MmStruct, base: int) -> bool:
    """Fill the empty page table at `base` as loads of all its pages would, and count their faults; False: not done."""
    vma = vma_lookup(mm, base)
    if vma is None or vma.vm_file is None or not covers(vma, base) or not vma.vm_flags & VM_ACCESS_FLAGS:
        return False
    leaf = mm.pgd.leaf(base)
    if leaf is not None and any(leaf):
        return False
    first = vma.pgoff_of(base)
    folios = alike(vma.vm_file.f_inode, first)
    if not folios:
        return False
    window = entries_per_fault(vma, folios[0], base)
    if not window:
        return False
    mm.pgd.fill_leaf(base, frames(folios, first), vma.vm_page_prot)
    missed(vma.vm_file)
    mm.trace.count_fault(task.tgid, "minor", PTRS_PER_PTE // window)
    return True


def covers(vma: VmArea, base: int) -> bool:
    """Does the area reach over the whole table?"""
    return vma.vm_start <= base and base + PMD_SIZE <= vma.vm_end


def alike(inode: Inode, first: int) -> list[Folio]:
    """Return the folio of each of the 512 file pages from `first` on, if fault-around may map them all; else nothing.

    The folios are of one size, and the file goes on behind them, or else they are single pages: so no special case of
    the end of a file applies (filefault.table_is_missing, and folios that are not mapped as a whole).
    """
    end = first + PTRS_PER_PTE
    cached = inode.i_mapping.i_pages
    try:
        folios = [cached[i] for i in range(first, end)]
    except KeyError:
        return []
    order = folios[0].order
    if set(map(KIND, folios)) != {(order, True, False)} or inode.pages < end + (order > 0):
        return []
    return folios


def frames(folios: list[Folio], first: int) -> list[Page]:
    """Return the frame of each file page from `first` on."""
    if folios[0].order:
        return [folio.page(i) for i, folio in enumerate(folios, first)]
    return [folio.pages[0] for folio in folios]


def entries_per_fault(vma: VmArea, folio: Folio, base: int) -> int:
    """Return how many entries each fault sets: the window of fault-around, or the whole folio where it is larger.

    0 where the two do not divide the table, or there is no fault-around (filefault.do_fault_around, maps_whole).
    """
    config = vma.vm_mm.config
    around = config.fault_around_pages
    whole = len(folio.pages) if config.map_whole_folio else 1
    inside = covers(vma, base) and (vma.vm_start // PAGE_SIZE - vma.vm_pgoff) % len(folio.pages) == 0
    if around <= 1 or around & (around - 1) or PTRS_PER_PTE % around or not inside:
        return 0
    return max(around, whole)


def missed(file: File) -> None:
    """Count the entries against the misses that readahead remembers (filefault.filemap_map_pages)."""
    file.f_ra.mmap_miss = max(0, file.f_ra.mmap_miss - PTRS_PER_PTE)
