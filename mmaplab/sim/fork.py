"""fork and exit: an address space is copied, page by page only when somebody stores.

    parent  A A F        A private page, F page of a file
    child   A A .        the same frames, read-only on both sides; what can be found again is left out

Linux: mm/mmap.c (dup_mmap, exit_mmap), mm/memory.c (copy_page_range), mm/rmap.c (anon_vma_fork).
Leaves out: vfork, clone's flags but CLONE_VM, signals, accounting.
"""

from __future__ import annotations

from mmaplab.constants import PMD_SIZE, VmFlags
from mmaplab.pte import PAGE_ACCESSED, PAGE_DIRTY, PAGE_RW, PTE_MARKER_GUARD, pte_pfn
from mmaplab.sim.memory import ZERO_PFN
from mmaplab.sim.mm import free_pgtables
from mmaplab.sim.mm_types import AnonVma, MmStruct, VmArea
from mmaplab.sim.rlimit import vm_enough_memory
from mmaplab.sim.vma import vma_link, vma_unlink


def dup_mmap(child: MmStruct, parent: MmStruct) -> None:
    """Copy every area of the parent, and the entries that could not be found again. Linux: dup_mmap, mm/mmap.c.

    Raises ENOMEM for an area that is too much to promise once more; what was copied by then is the caller's to end.
    Leaves out: EAGAIN number of processes, EAGAIN SCHED_DEADLINE, ENOMEM memory is tight, ENOMEM PID namespace, ENOSYS,
    ERESTARTNOINTR.
    """
    child.start_brk, child.brk = parent.start_brk, parent.brk
    try:
        for vma in parent.areas:
            if vma.vm_flags & VmFlags.VM_DONTCOPY:
                continue
            if vma.vm_flags & VmFlags.VM_ACCOUNT:
                vm_enough_memory(parent, vma.vm_end - vma.vm_start)
            flags = vma.vm_flags & ~VmFlags.VM_LOCKED
            copy = VmArea(child, vma.vm_start, vma.vm_end, flags, vma.vm_pgoff, vma.vm_file)
            copy.maybe_guard = vma.maybe_guard
            wiped = vma.vm_flags & VmFlags.VM_WIPEONFORK
            if not wiped:
                anon_vma_fork(copy, vma)
            vma_link(copy)
            if not wiped:
                parent.slots.copy_page_range(copy, vma)
    finally:
        parent.flush_tlb_range(0, parent.config.task_size)


def anon_vma_fork(child: VmArea, parent: VmArea) -> None:
    """The child's area inherits the parent's identities and gets one of its own. Linux: anon_vma_fork, mm/rmap.c."""
    if parent.anon_vma is None:
        return
    child.anon_vma = AnonVma()
    child.anon_vma_chain = [*parent.anon_vma_chain, child.anon_vma]


def copy_page_range(child: VmArea, parent: VmArea) -> None:
    """Give the child the parent's entries, with private pages read-only on both sides. Linux: copy_page_range.

    An area that never made a private page, or a guard, is left out: its pages can be found again by faults
    (vma_needs_copy).
    """
    if parent.anon_vma is None and not parent.maybe_guard:
        return
    source, target = parent.vm_mm.pgd, child.vm_mm.pgd
    for base, _leaf in source.leaves(parent.vm_start, parent.vm_end):
        target.pte_alloc(max(base, parent.vm_start))
    for addr, old in list(source.entries(parent.vm_start, parent.vm_end)):
        pte = old
        if not parent.shared:  # the next store of either side must fault, and copy
            pte &= ~PAGE_RW
            if pte != old:
                source.set_pte(addr, pte)
        else:
            pte &= ~PAGE_DIRTY
        page = source.memory.pages[pte_pfn(pte)]
        if page.pfn != ZERO_PFN and page.anon:
            page.anon_exclusive = False
        target.set_pte(addr, pte & ~PAGE_ACCESSED)
    for addr in source.guards(parent.vm_start, parent.vm_end):
        target.set_pte(addr, PTE_MARKER_GUARD)


def exit_mmap(mm: MmStruct) -> None:
    """Take an address space apart. Linux: exit_mmap, mm/mmap.c."""
    for vma in mm.areas:
        mm.slots.zap_page_range(vma, vma.vm_start, vma.vm_end)
        for addr in mm.pgd.guards(vma.vm_start, vma.vm_end):
            mm.pgd.clear_pte(addr)
        vma_unlink(vma)
    free_pgtables(mm, 0, -(-mm.config.task_size // PMD_SIZE) * PMD_SIZE)
