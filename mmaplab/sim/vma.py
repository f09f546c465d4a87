"""Virtual memory areas: which ranges exist, how they are found, and where a new one goes.

    0123456789abc        one letter per page
    AAA..BB.CC...        at 4: find_vma finds B, vma_lookup nothing. A new area of two pages goes to b, the highest gap

Areas of one mm are sorted, page-aligned and never overlap (invariants.py). The three doors `vma_link`, `vma_adjust` and
`vma_unlink` change them; everything else asks, or decides. How areas join and split is in merge.py.

Linux: mm/vma.c, mm/mmap.c. Leaves out: locks, memory policy, userfaultfd.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

from mmaplab.constants import PAGE_SHIFT, PAGE_SIZE, PMD_SIZE, VmFlags, page_align_up
from mmaplab.sim.events import VmaAdjust, VmaLink, VmaUnlink
from mmaplab.sim.file import File, fput, get_file
from mmaplab.sim.mm_types import MmStruct, VmArea, is_data_mapping, vm_get_page_prot

STACK_GUARD_GAP = 256 * PAGE_SIZE
"""Bytes kept free below an area that grows downwards."""
LOW_START, LOW_END = 0x4000_0000, 0x8000_0000
"""Where MAP_32BIT places areas: the second GiB."""

Search = Callable[[MmStruct, int, int], int]
"""A function that is given a length and a hint, and returns the start of a free range; raises ENOMEM."""


# ---------------------------------------------------------------- doors


def vma_link(vma: VmArea) -> None:
    """Put a new area into its address space, and into the list of those that map its file. Linux: vma_link."""
    vma.vm_mm.mm_mt.insert(vma)
    vm_stat_account(vma, vma.pages)
    file = vma.vm_file
    if file is not None:
        get_file(file)
        file.f_inode.i_mapping.i_mmap[vma] = None
    ino, name = (file.f_inode.ino, file.f_inode.name) if file else (0, "")
    vma.vm_mm.trace.emit(VmaLink, vma.vm_mm.mm, vma.vm_start, vma.vm_end, int(vma.vm_flags), vma.vm_pgoff, ino, name)


def vma_adjust(
    vma: VmArea,
    start: int | None = None,
    end: int | None = None,
    flags: VmFlags | None = None,
) -> None:
    """Change an area's bounds or flags; a moved start moves `vm_pgoff` along. Linux: vma_set_range."""
    old = vma.vm_start
    vm_stat_account(vma, -vma.pages)
    new_start = vma.vm_start if start is None else start
    new_end = vma.vm_end if end is None else end
    vma.vm_pgoff += (new_start - old) >> PAGE_SHIFT
    vma.vm_mm.mm_mt.resize(vma, new_start, new_end)
    if flags is not None:
        vma.vm_flags = VmFlags(flags)
        vma.vm_page_prot = vm_get_page_prot(vma)
    vm_stat_account(vma, vma.pages)
    vma.vm_mm.trace.emit(VmaAdjust, vma.vm_mm.mm, old, new_start, new_end, int(vma.vm_flags), vma.vm_pgoff)


def vma_unlink(vma: VmArea) -> None:
    """Take an area out of its address space and let go of its file. Linux: remove_vma."""
    vma.vm_mm.mm_mt.remove(vma)
    vm_stat_account(vma, -vma.pages)
    vma.vm_mm.trace.emit(VmaUnlink, vma.vm_mm.mm, vma.vm_start, vma.vm_end)
    if vma.vm_file is not None:
        del vma.vm_file.f_inode.i_mapping.i_mmap[vma]
        fput(vma.vm_file)


def vm_stat_account(vma: VmArea, npages: int) -> None:
    """Count `npages` more pages in areas of this kind, in the totals that the limits ask for. Linux: the same name."""
    mm, flags = vma.vm_mm, vma.vm_flags
    mm.total_vm += npages
    if is_data_mapping(flags):
        mm.data_vm += npages
    if flags & VmFlags.VM_LOCKED:
        mm.locked_vm += npages


# ---------------------------------------------------------------- looking


def find_vma(mm: MmStruct, addr: int) -> VmArea | None:
    """Return the first area that ends above `addr`, or None. It need not contain `addr`.

    Linux: find_vma, mm/mmap.c.
    """
    return mm.mm_mt.find(addr)


def vma_lookup(mm: MmStruct, addr: int) -> VmArea | None:
    """Return the area that contains `addr`, or None. Linux: vma_lookup, include/linux/mm.h."""
    vma = mm.mm_mt.find(addr)
    return vma if vma is not None and vma.vm_start <= addr else None


def find_vma_intersection(mm: MmStruct, start: int, end: int) -> VmArea | None:
    """Return the first area that overlaps [start, end), or None. Linux: find_vma_intersection."""
    vma = mm.mm_mt.find(start)
    return vma if vma is not None and vma.vm_start < end else None


def neighbours(mm: MmStruct, start: int, end: int) -> tuple[VmArea | None, VmArea | None]:
    """Return the areas that end at `start` and begin at `end`, None where there is a gap."""
    prev = vma_lookup(mm, start - 1) if start else None
    following = vma_lookup(mm, end)
    return (
        prev if prev is not None and prev.vm_end == start else None,
        following if following is not None and following.vm_start == end else None,
    )


# ---------------------------------------------------------------- placing


def get_unmapped_area(
    mm: MmStruct, length: int, hint: int = 0, file: File | None = None, pgoff: int = 0, shared: bool = False
) -> int:
    """Return the start of a free range of `length` bytes: at `hint` if it is free, else the highest below mmap_base.

    `length` is a positive multiple of the page size. Large ranges may start on 2 MiB (`thp_get_unmapped_area`).
    Raises OSError(ENOMEM) when no gap is large enough.
    Linux: __get_unmapped_area. Leaves out: randomization; MAP_32BIT, which asks `low_area`.
    """
    if length > mm.config.task_size:
        raise OSError(errno.ENOMEM, f"{length:#x} bytes do not fit into an address space of {mm.config.task_size:#x}")
    if thp_aligned(mm, length, hint, file, pgoff, shared):
        return thp_get_unmapped_area(mm, length, hint, pgoff if file else 0, arch_get_unmapped_area_topdown)
    return arch_get_unmapped_area_topdown(mm, length, hint)


def arch_get_unmapped_area_topdown(mm: MmStruct, length: int, hint: int) -> int:
    """Return `hint` where the range is free there, else the highest free range; raises ENOMEM. Linux: the same name."""
    if hint:
        addr = max(hint & -PAGE_SIZE, page_align_up(mm.config.mmap_min_addr))
        above = find_vma(mm, addr)
        if addr + length <= mm.config.task_size and (above is None or addr + length <= vm_start_gap(above)):
            return addr
    return vm_unmapped_area(mm, length)


def chosen_area(mm: MmStruct, length: int, hint: int, file: File | None, pgoff: int, shared: bool) -> int:
    """Ask the slot `get_unmapped_area`, and look at the answer of a learner's: only a free range may be used.

    Raises what that function raises, and ValueError.
    """
    addr = mm.slots.get_unmapped_area(mm, length, hint, file, pgoff, shared)
    if "get_unmapped_area" not in mm.machine.replaced:
        return int(addr)
    if not isinstance(addr, int) or addr % PAGE_SIZE or not 0 <= addr <= mm.config.task_size - length:
        told = hex(addr) if isinstance(addr, int) else repr(addr)
        raise ValueError(
            f"your get_unmapped_area answered {told}: no {length:#x} user bytes in whole pages begin there"
        )
    there = find_vma_intersection(mm, addr, addr + length)
    if there is not None:
        raise ValueError(f"your get_unmapped_area answered {addr:#x} for {length:#x} bytes, which meet {there}")
    return addr


def vm_unmapped_area(mm: MmStruct, length: int) -> int:
    """Return the highest free range below mmap_base, or else the lowest above it; raises OSError(ENOMEM).

    Linux: vm_unmapped_area, mm/vma.c.
    """
    config = mm.config
    addr = unmapped_area_topdown(mm, length, config.mmap_min_addr, config.mmap_base)
    if addr is None:  # Linux falls back to a search from below
        addr = unmapped_area(mm, length, config.task_size // 3 & -PAGE_SIZE, config.task_size)
    if addr is None:
        raise OSError(errno.ENOMEM, f"no gap of {length:#x} bytes is left")
    return addr


def unmapped_area_topdown(mm: MmStruct, length: int, low: int, high: int) -> int | None:
    """Return the highest free range in [low, high) that leaves a gap below what grows downwards; None: there is none.

    Linux: unmapped_area_topdown, mm/vma.c.
    """
    while (addr := mm.mm_mt.empty_area_rev(low, high, length)) is not None:
        above = mm.mm_mt.find(addr + length)
        if above is None or vm_start_gap(above) >= addr + length:
            return addr
        high = vm_start_gap(above)
    return None


def unmapped_area(mm: MmStruct, length: int, low: int, high: int) -> int | None:
    """Return the lowest such range. Linux: unmapped_area, mm/vma.c."""
    while (addr := mm.mm_mt.empty_area(low, high, length)) is not None:
        above = mm.mm_mt.find(addr + length)
        if above is None or vm_start_gap(above) >= addr + length:
            return addr
        low = above.vm_end
    return None


def vm_start_gap(vma: VmArea) -> int:
    """Return where an area begins, with the gap that is kept free below it. Linux: vm_start_gap, linux/mm.h."""
    return max(0, vma.vm_start - STACK_GUARD_GAP) if vma.vm_flags & VmFlags.VM_GROWSDOWN else vma.vm_start


def low_area(mm: MmStruct, length: int, hint: int, file: File | None, pgoff: int, shared: bool) -> int:
    """Return a free range below 2 GiB, for MAP_32BIT; takes and raises what `get_unmapped_area` does.

    Linux: __get_unmapped_area.
    """
    if thp_aligned(mm, length, hint, file, pgoff, shared):
        return thp_get_unmapped_area(mm, length, hint, pgoff if file else 0, arch_get_unmapped_area)
    return arch_get_unmapped_area(mm, length, hint)


def arch_get_unmapped_area(mm: MmStruct, length: int, hint: int) -> int:
    """Return `hint` where the range is free there and ends below 2 GiB, else the lowest free range above 1 GiB.

    Raises ENOMEM. Linux: arch_get_unmapped_area, find_start_end (MAP_32BIT), arch/x86/kernel/sys_x86_64.c. Leaves out:
    the random place of the first one.
    """
    if hint:
        above = find_vma(mm, hint)
        if hint + length <= LOW_END and (above is None or hint + length <= vm_start_gap(above)):
            return hint
    addr = unmapped_area(mm, length, LOW_START, LOW_END)
    if addr is None:
        raise OSError(errno.ENOMEM, f"MAP_32BIT: no {length:#x} bytes are free between 1 and 2 GiB")
    return addr


def thp_aligned(mm: MmStruct, length: int, hint: int, file: File | None, pgoff: int, shared: bool) -> bool:
    """Does this kernel place the range on 2 MiB, so that huge pages could map it?

    Linux: __get_unmapped_area, thp_get_unmapped_area, shmem_get_unmapped_area.
    """
    config = mm.config
    if file is None:
        if hint or shared or config.thp_align_anon == "never":
            return False
        return length >= PMD_SIZE and (config.thp_align_anon == "larger" or length % PMD_SIZE == 0)
    if not config.thp_align_file or not file.f_inode.i_sb.on_disk:
        return False
    offset = pgoff * PAGE_SIZE
    return -(-offset // PMD_SIZE) * PMD_SIZE + PMD_SIZE <= offset + length


def thp_get_unmapped_area(mm: MmStruct, length: int, hint: int, pgoff: int, search: Search) -> int:
    """Return a range whose start has the same remainder by 2 MiB as the file offset, if there is room for it.

    `search` finds the room: 2 MiB more than is asked for, so also `hint` is used only where so much is free.
    Linux: thp_get_unmapped_area, __thp_get_unmapped_area, mm/huge_memory.c.
    """
    try:
        addr = search(mm, length + PMD_SIZE, hint)
    except OSError:
        return search(mm, length, hint)
    if addr == hint:
        return addr
    shift = (pgoff * PAGE_SIZE - addr) % PMD_SIZE
    return addr + (shift or PMD_SIZE)
