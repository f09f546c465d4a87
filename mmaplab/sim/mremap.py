"""mremap: grow, shrink or move a mapping; its pages travel with it.

                         | new_size = old_size | smaller          | larger
    ---------------------+---------------------+------------------+----------------------------------------
    no flag              | nothing             | unmap the tail   | grow in place, else ENOMEM
    MREMAP_MAYMOVE       | nothing             | unmap the tail   | grow in place, else move
    + MREMAP_FIXED       | move every area     | shrink, move     | move to new_address (what is there goes)
    + MREMAP_DONTUNMAP   | move, leave the old area without pages

`old_size` 0 makes a second mapping of a shared one. Linux: mm/mremap.c. Leaves out: moving whole page tables at once.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field

from mmaplab.constants import PAGE_SHIFT, PAGE_SIZE, PMD_SIZE, Mremap, VmFlags
from mmaplab.pte import PTE_MARKER_GUARD
from mmaplab.sim.fault import mm_of
from mmaplab.sim.merge import vma_merge_new_range
from mmaplab.sim.mm_types import MmStruct, TaskStruct, VmArea
from mmaplab.sim.mmap import do_munmap, fail, page_align, populate_vma_page_range
from mmaplab.sim.rlimit import may_expand_vm, mlock_future_ok, vm_enough_memory
from mmaplab.sim.vma import chosen_area, find_vma_intersection, vma_adjust, vma_link, vma_lookup

FLAGS = int(Mremap.MREMAP_MAYMOVE | Mremap.MREMAP_FIXED | Mremap.MREMAP_DONTUNMAP)


@dataclass
class VmaRemap:
    """One mremap in flight; bytes. Linux: struct vma_remap_struct."""

    task: TaskStruct
    addr: int
    old_len: int
    new_len: int
    flags: int
    new_addr: int
    delta: int = field(init=False)
    """How much it grows or shrinks; kept when the tail has gone already (`mremap_to`)."""

    def __post_init__(self) -> None:
        self.delta = abs(self.new_len - self.old_len)

    @property
    def implies_new_addr(self) -> bool:
        """Is the mapping to move in any case?"""
        return bool(self.flags & (Mremap.MREMAP_FIXED | Mremap.MREMAP_DONTUNMAP))

    @property
    def mm(self) -> MmStruct:
        """The address space."""
        return mm_of(self.task)


def do_mremap(task: TaskStruct, old_address: int, old_size: int, new_size: int, flags: int, new_address: int) -> int:
    """Grow, shrink or move the mapping at `old_address`; returns where it is. Raises OSError. Linux: do_mremap."""
    vrm = VmaRemap(task, old_address, page_align(old_size), page_align(new_size), flags, new_address)
    check_mremap_params(vrm)
    fixed = flags & Mremap.MREMAP_FIXED
    if fixed and vrm.old_len == vrm.new_len and vrm.mm.config.mremap_multi:
        return remap_move(vrm)
    vma = check_prep_vma(vrm)
    if vrm.implies_new_addr:
        return mremap_to(vrm)
    return mremap_at(vrm, vma)


def check_mremap_params(vrm: VmaRemap) -> None:
    """Is the request sound, whatever is mapped? Raises EINVAL, ENOMEM. Linux: check_mremap_params."""
    limit = vrm.mm.config.task_size
    if vrm.flags & ~FLAGS or vrm.addr % PAGE_SIZE:
        raise fail(errno.EINVAL, f"mremap({vrm.addr:#x}, flags {vrm.flags:#x}): unknown flag, or not page-aligned")
    if vrm.new_len == 0 or vrm.new_len > limit:
        raise fail(errno.EINVAL, f"new_size of {vrm.new_len:#x} bytes: must be more than 0 and fit into the addresses")
    if not vrm.implies_new_addr:
        return
    if vrm.new_addr > limit - vrm.new_len or vrm.new_addr % PAGE_SIZE:
        raise fail(errno.EINVAL, f"new_address {vrm.new_addr:#x}: not page-aligned, or beyond the user addresses")
    if not vrm.flags & Mremap.MREMAP_MAYMOVE:
        raise fail(errno.EINVAL, "MREMAP_FIXED and MREMAP_DONTUNMAP need MREMAP_MAYMOVE")
    if vrm.flags & Mremap.MREMAP_DONTUNMAP and vrm.old_len != vrm.new_len:
        raise fail(errno.EINVAL, "MREMAP_DONTUNMAP cannot change the size")
    if vrm.addr + vrm.old_len > vrm.new_addr and vrm.new_addr + vrm.new_len > vrm.addr:
        raise fail(errno.EINVAL, "the old and the new range overlap")
    if vrm.mm.map_count + 2 >= vrm.mm.config.max_map_count - 3:  # old and new range may each be cut out of an area
        raise fail(errno.ENOMEM, "too many areas to cut two ranges out of them, and to move one")


def check_prep_vma(vrm: VmaRemap) -> VmArea:
    """Return the area, if it may do what is asked; raises EFAULT, EINVAL, EAGAIN, ENOMEM. Linux: check_prep_vma."""
    vma = vma_lookup(vrm.mm, vrm.addr)
    if vma is None:
        raise fail(errno.EFAULT, f"nothing is mapped at {vrm.addr:#x}")
    if not vrm.implies_new_addr and vrm.new_len <= vrm.old_len:
        return vma  # it stays where it is, and needs nothing new
    if vrm.old_len == 0 and not vma.vm_flags & (VmFlags.VM_SHARED | VmFlags.VM_MAYSHARE):
        raise fail(errno.EINVAL, "old_size 0 makes a second mapping of shared memory; this is private")
    old_len = min(vrm.old_len, vrm.new_len)
    if old_len > vma.vm_end - vrm.addr:
        raise fail(errno.EFAULT, f"[{vrm.addr:#x}, +{old_len:#x}) reaches over the end of its area")
    if vrm.new_len <= vrm.old_len:
        return vma
    mlock_future_ok(vrm.task, vma.vm_flags, vrm.delta)
    may_expand_vm(vrm.task, vma.vm_flags, vrm.delta)
    return vma


def vrm_charge(vrm: VmaRemap, vma: VmArea) -> None:
    """Raise ENOMEM where more memory would be promised than the machine has: the whole where the old area stays too.

    A mapping that is cut and moved (MREMAP_FIXED) is asked about what was cut, as if it grew. Linux: vrm_charge.
    """
    if vma.vm_flags & VmFlags.VM_ACCOUNT:
        vm_enough_memory(vrm.mm, vrm.new_len if vrm.flags & Mremap.MREMAP_DONTUNMAP else vrm.delta)


def mremap_at(vrm: VmaRemap, vma: VmArea) -> int:
    """Resize where it is; move only if it must grow and cannot. Linux: mremap_at, expand_vma."""
    if vrm.new_len == vrm.old_len:
        return vrm.addr
    if vrm.new_len < vrm.old_len:
        do_munmap(vrm.task, vrm.addr + vrm.new_len, vrm.old_len - vrm.new_len)
        return vrm.addr
    if can_expand_in_place(vrm, vma):
        vrm_charge(vrm, vma)
        end = vrm.addr + vrm.new_len
        grown = vma_merge_new_range(
            vrm.mm, vma.vm_end, end, vma.vm_flags, vma.vm_pgoff + vma.pages, vma.vm_file, source=vma
        )
        assert grown is not None
        populate_growth(vrm, grown, vrm.addr + vrm.old_len, end)
        return vrm.addr
    if not vrm.flags & Mremap.MREMAP_MAYMOVE:
        raise fail(errno.ENOMEM, f"no room to grow at {vrm.addr + vrm.old_len:#x}, and MREMAP_MAYMOVE is not set")
    return move_vma(vrm, vma)


def can_expand_in_place(vrm: VmaRemap, vma: VmArea) -> bool:
    """Does the range end where its area ends, and is there room behind? Linux: vrm_can_expand_in_place."""
    end = vrm.addr + vrm.new_len
    return (
        vrm.addr + vrm.old_len == vma.vm_end
        and end <= vrm.mm.config.task_size
        and find_vma_intersection(vrm.mm, vma.vm_end, end) is None
    )


def mremap_to(vrm: VmaRemap) -> int:
    """Move to where the caller says: clear the target, shrink, move. Linux: mremap_to."""
    if vrm.flags & Mremap.MREMAP_FIXED:
        do_munmap(vrm.task, vrm.new_addr, vrm.new_len)
    if vrm.new_len < vrm.old_len:
        do_munmap(vrm.task, vrm.addr + vrm.new_len, vrm.old_len - vrm.new_len)
        vrm.old_len = vrm.new_len
    vma = vma_lookup(vrm.mm, vrm.addr)
    if vma is None:
        raise fail(errno.EFAULT, f"nothing is mapped at {vrm.addr:#x} any more")
    if vrm.flags & Mremap.MREMAP_DONTUNMAP:
        may_expand_vm(vrm.task, vma.vm_flags, vrm.old_len)
    return move_vma(vrm, vma)


def remap_move(vrm: VmaRemap) -> int:
    """Move every area of the range and keep the gaps between them (6.17 and later). Linux: remap_move."""
    start, end = vrm.addr, vrm.addr + vrm.old_len
    target, last_end, result = vrm.new_addr, 0, None
    at = start
    while at < end and (vma := vrm.mm.mm_mt.find(at)) is not None and vma.vm_start < end:
        addr, stop = max(vma.vm_start, at), min(end, vma.vm_end)
        if result is None and addr > start:
            break
        gap = 0 if result is None else vma.vm_start - last_end
        last_end = vma.vm_end
        piece = VmaRemap(vrm.task, addr, stop - addr, stop - addr, vrm.flags, target + max(gap, 0))
        check_prep_vma(piece)
        moved = mremap_to(piece)
        result = moved if result is None else result
        target, at = moved + piece.new_len, stop
    if result is None:
        raise fail(errno.EFAULT, f"nothing is mapped at {start:#x}")
    return result


def move_vma(vrm: VmaRemap, vma: VmArea) -> int:
    """Make the area anew elsewhere, move its entries there, and unmap the old range. Linux: move_vma."""
    mm = vrm.mm
    new_addr = new_address_of(vrm, vma)
    if mm.map_count >= mm.config.max_map_count - 3:
        raise fail(errno.ENOMEM, "too many areas to move one")
    vrm_charge(vrm, vma)
    source_pgoff, flags = vma.pgoff_of(vrm.addr), vma.vm_flags
    new = copy_vma(vma, vrm.addr, new_addr, vrm.new_len, source_pgoff)
    move_page_tables(mm, vrm.addr, new_addr, min(vrm.old_len, vrm.new_len))
    old = vma_lookup(mm, vrm.addr)
    if vrm.flags & Mremap.MREMAP_DONTUNMAP and old is not None:
        dontunmap_complete(vrm, old, new)
    elif vrm.old_len:
        do_munmap(vrm.task, vrm.addr, vrm.old_len)
    if flags & VmFlags.VM_LOCKED and vrm.new_len > vrm.old_len:
        populate_growth(vrm, new, new_addr + vrm.old_len, new_addr + vrm.new_len)
    return new_addr


def new_address_of(vrm: VmaRemap, vma: VmArea) -> int:
    """Return where the mapping goes; raises ENOMEM, EPERM. Linux: vrm_set_new_addr, cap_mmap_addr."""
    if vrm.flags & Mremap.MREMAP_FIXED:
        config = vrm.mm.config
        if vrm.new_addr < config.mmap_min_addr and not config.cap_sys_rawio:
            raise fail(errno.EPERM, f"{vrm.new_addr:#x} lies below mmap_min_addr")
        return vrm.new_addr
    hint = vrm.new_addr if vrm.implies_new_addr else 0
    shared = bool(vma.vm_flags & VmFlags.VM_MAYSHARE)
    return chosen_area(vrm.mm, vrm.new_len, hint, vma.vm_file, vma.pgoff_of(vrm.addr), shared)


def copy_vma(vma: VmArea, addr: int, new_addr: int, length: int, pgoff: int) -> VmArea:
    """Link a copy of [addr, addr + length) at `new_addr`, or let a neighbour there grow over it. Linux: copy_vma.

    Private anonymous memory without pages takes the offset of its new place, so that it merges there.
    """
    mm = vma.vm_mm
    if vma.is_anonymous and vma.anon_vma is None:
        pgoff = new_addr >> PAGE_SHIFT
    merged = vma_merge_new_range(mm, new_addr, new_addr + length, vma.vm_flags, pgoff, vma.vm_file, source=vma)
    if merged is not None:
        return merged
    new = VmArea(mm, new_addr, new_addr + length, vma.vm_flags, pgoff, vma.vm_file)
    new.anon_vma, new.anon_vma_chain, new.maybe_guard = vma.anon_vma, list(vma.anon_vma_chain), vma.maybe_guard
    vma_link(new)
    return new


def move_page_tables(mm: MmStruct, old_addr: int, new_addr: int, length: int) -> None:
    """Move the entries; where the old range has a page table, the new one gets one too. Linux: move_page_tables."""
    shift = new_addr - old_addr
    for base, _leaf in mm.pgd.leaves(old_addr, old_addr + length):
        first, last = max(base, old_addr), min(base + PMD_SIZE, old_addr + length)
        for at in {first + shift, last - 1 + shift}:
            mm.pgd.pte_alloc(at)
    guards = [(addr, PTE_MARKER_GUARD) for addr in mm.pgd.guards(old_addr, old_addr + length)]
    for addr, pte in [*mm.pgd.entries(old_addr, old_addr + length), *guards]:
        mm.pgd.set_pte(addr + shift, pte)
        mm.pgd.clear_pte(addr)
    mm.flush_tlb_range(old_addr, old_addr + length)


def dontunmap_complete(vrm: VmaRemap, old: VmArea, new: VmArea) -> None:
    """The old area stays, unlocked and without pages. Linux: dontunmap_complete."""
    if old.vm_flags & VmFlags.VM_LOCKED:
        vma_adjust(old, flags=old.vm_flags & ~VmFlags.VM_LOCKED)
    if old is not new and old.vm_start == vrm.addr and old.vm_end == vrm.addr + vrm.old_len:
        old.anon_vma, old.anon_vma_chain = None, []


def populate_growth(vrm: VmaRemap, vma: VmArea, start: int, end: int) -> None:
    """A locked mapping that grew gets its new pages at once."""
    if vma.vm_flags & VmFlags.VM_LOCKED:
        populate_vma_page_range(vrm.task, vma, start, end)
