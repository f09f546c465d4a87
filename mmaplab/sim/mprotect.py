"""mprotect: change what a range of addresses may be used for.

    area by area:   may it have these rights at all?  -> EACCES
                    new flags: merge with a neighbour, or split
                    entries: take rights away at once; give the right to store only where no store need be noticed

Linux: mm/mprotect.c. Leaves out: protection keys but the one for execute-only memory, huge pages.
"""

from __future__ import annotations

import errno

from mmaplab.constants import PAGE_SIZE, U64, Prot, VmFlags
from mmaplab.pte import PAGE_ACCESSED, PAGE_DIRTY, PAGE_RW, PTE_PFN_MASK, pte_dirty, pte_pfn, pte_user
from mmaplab.sim.fault import mm_of
from mmaplab.sim.memory import ZERO_PFN
from mmaplab.sim.merge import vma_modify_flags
from mmaplab.sim.mm_types import VM_ACCESS_FLAGS, TaskStruct, VmArea, vma_wants_writenotify
from mmaplab.sim.mmap import fail, page_align, populate_vma_page_range
from mmaplab.sim.rlimit import may_expand_vm, vm_enough_memory
from mmaplab.sim.vma import find_vma_intersection, vma_lookup

GROWS = int(Prot.PROT_GROWSDOWN | Prot.PROT_GROWSUP)
KNOWN = int(Prot.PROT_READ | Prot.PROT_WRITE | Prot.PROT_EXEC | Prot.PROT_SEM)
"""Plain numbers: the inverse of a flag of an enumeration has the bits of its class only, and a program may set any."""


def do_mprotect(task: TaskStruct, addr: int, length: int, prot: int) -> None:
    """Give [addr, addr + length) new rights, area by area; raises EINVAL, ENOMEM, EACCES with earlier areas changed.

    Linux: do_mprotect_pkey, mm/mprotect.c.
    Leaves out: EINVAL pkey_mprotect has no such key, ENOMEM internal structures.
    """
    mm = mm_of(task)
    grows, prot = prot & GROWS, prot & ~GROWS
    if grows == GROWS or addr % PAGE_SIZE:
        raise fail(errno.EINVAL, f"mprotect at {addr:#x}: not a multiple of the page size, or both PROT_GROWS flags")
    if length == 0:
        return
    end = addr + page_align(length)
    if end <= addr or end >= U64 or page_align(length) == 0:
        raise fail(errno.ENOMEM, f"{addr:#x} + {length:#x} wraps around")
    if prot & ~KNOWN:
        raise fail(errno.EINVAL, f"prot {prot:#x} has unknown bits")
    vma = find_vma_intersection(mm, addr, end)
    if vma is None:
        raise fail(errno.ENOMEM, f"nothing is mapped at {addr:#x}")
    addr = _start_of_change(vma, addr, grows)
    while addr < end:
        vma = vma_lookup(mm, addr)
        if vma is None:
            raise fail(errno.ENOMEM, f"nothing is mapped at {addr:#x}; what lies before it has changed")
        stop = min(end, vma.vm_end)
        flags = vma.vm_flags & ~VM_ACCESS_FLAGS | VmFlags(prot & VM_ACCESS_FLAGS)
        if flags & ~(int(flags) >> 4) & VM_ACCESS_FLAGS:
            raise fail(errno.EACCES, f"the area at {addr:#x} may never have the rights {prot:#x}")
        mprotect_fixup(task, vma, addr, stop, flags)
        addr = stop


def _start_of_change(vma: VmArea, addr: int, grows: int) -> int:
    """Return where the change begins: at `addr`, with PROT_GROWSDOWN at the start of the stack-like area `vma`.

    Raises ENOMEM where `vma` begins behind `addr`, EINVAL where it does not grow; on x86-64 none grows upwards.
    """
    if grows != Prot.PROT_GROWSDOWN and vma.vm_start > addr:
        raise fail(errno.ENOMEM, f"nothing is mapped at {addr:#x}")
    if grows == Prot.PROT_GROWSUP or (grows and not vma.vm_flags & VmFlags.VM_GROWSDOWN):
        raise fail(errno.EINVAL, f"the area at {addr:#x} does not grow")
    return vma.vm_start if grows else addr


def turns_into_data(task: TaskStruct, old: VmFlags, new: VmFlags, size: int) -> None:
    """Raise ENOMEM where the limits permit the memory as it was, but not as data. Linux: mprotect_fixup."""
    try:
        may_expand_vm(task, old, size)
    except OSError:
        return
    may_expand_vm(task, new, size)


def mprotect_fixup(task: TaskStruct, vma: VmArea, start: int, end: int, flags: VmFlags) -> None:
    """Change the flags of a part of an area, then its entries. Linux: mprotect_fixup, mm/mprotect.c."""
    old = vma.vm_flags
    if flags == old:
        return
    if flags & VmFlags.VM_WRITE:
        private_read_only = VmFlags.VM_ACCOUNT | VmFlags.VM_WRITE | VmFlags.VM_SHARED | VmFlags.VM_NORESERVE
        if not old & (VmFlags.VM_WRITE | VmFlags.VM_SHARED):
            turns_into_data(task, old, flags, end - start)
        if not old & private_read_only:
            vm_enough_memory(mm_of(task), end - start)
            flags |= VmFlags.VM_ACCOUNT
    elif old & VmFlags.VM_ACCOUNT and vma.is_anonymous and vma.anon_vma is None:
        flags &= ~VmFlags.VM_ACCOUNT
    vma = vma_modify_flags(vma, start, end, flags)
    change_protection(vma, start, end)
    locked_private = VmFlags.VM_WRITE | VmFlags.VM_SHARED | VmFlags.VM_LOCKED
    if old & locked_private == VmFlags.VM_LOCKED and flags & VmFlags.VM_WRITE:
        populate_vma_page_range(task, vma, start, end, waits_count=True)


def change_protection(vma: VmArea, start: int, end: int) -> None:
    """Give the entries of [start, end) the area's rights. Linux: change_pte_range, mm/mprotect.c."""
    mm = vma.vm_mm
    entries = list(mm.pgd.entries(start, end))
    for addr, old in entries:
        pte = old & (PTE_PFN_MASK | PAGE_ACCESSED | PAGE_DIRTY) | vma.vm_page_prot
        if can_change_pte_writable(vma, pte):
            pte |= PAGE_RW
        mm.pgd.set_pte(addr, pte)
    if entries:
        mm.flush_tlb_range(start, end)


def can_change_pte_writable(vma: VmArea, pte: int) -> bool:
    """May the entry become writable at once, without a fault that would notice the first store?

    Private: if the page belongs to this process alone. Shared: if the page is dirty already.
    Linux: can_change_pte_writable, mm/mprotect.c.
    """
    if not vma.vm_flags & VmFlags.VM_WRITE or not pte_user(pte) or pte_pfn(pte) == ZERO_PFN:
        return False
    if vma.shared:
        return vma_wants_writenotify(vma) and pte_dirty(pte)
    page = vma.vm_mm.pgd.memory.pages[pte_pfn(pte)]
    return page.anon and page.anon_exclusive
