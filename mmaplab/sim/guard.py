"""Guard regions: pages that every access ends in SIGSEGV, without an area of their own.

    area     |================ rw-p ================|
    entries  |  A  |  B  | guard | guard |  C  |    |       A, B, C frames; the area is neither split nor changed

A guard is an entry of the page table that is not present and not empty. It stays through MADV_DONTNEED, truncate,
mprotect and mremap, is copied by fork, and goes with munmap or MADV_GUARD_REMOVE.

Linux: mm/madvise.c (madvise_guard_install, madvise_guard_remove), 6.13 and later; of files, 6.15 and later.
"""

from __future__ import annotations

import errno

from mmaplab.constants import PAGE_SHIFT, PAGE_SIZE, VmFlags
from mmaplab.pte import PTE_MARKER_GUARD
from mmaplab.sim.arguments import few_enough
from mmaplab.sim.merge import anon_vma_prepare
from mmaplab.sim.mm_types import MmStruct, VmArea


def madvise_guard_install(vma: VmArea, start: int, end: int) -> None:
    """Make every page of [start, end) a guard; what was there is lost.

    Raises EINVAL for a locked area, or before 6.15 for that of a file; TooLarge.

    The area is marked, so that fork copies its page table; anonymous memory gets its identity, too. Linux: the same
    name; the mark is VM_MAYBE_GUARD (6.19, and later releases of 6.18).
    """
    if vma.vm_flags & VmFlags.VM_LOCKED:
        raise OSError(errno.EINVAL, f"the area at {vma.vm_start:#x} is locked: it can have no guards")
    is_valid_guard_vma(vma)
    few_enough("MADV_GUARD_INSTALL", (end - start) >> PAGE_SHIFT)
    mm = vma.vm_mm
    vma.maybe_guard = True
    if vma.is_anonymous:
        anon_vma_prepare(vma)
    mm.slots.zap_page_range(vma, start, end)
    there = set(mm.pgd.guards(start, end))
    for addr in range(start, end, PAGE_SIZE):
        if addr not in there:
            mm.pgd.set_pte(addr, PTE_MARKER_GUARD)


def madvise_guard_remove(vma: VmArea, start: int, end: int) -> None:
    """Make the guards of [start, end) ordinary untouched pages again; raises EINVAL. Linux: the same name."""
    is_valid_guard_vma(vma)
    drop_guards(vma.vm_mm, start, end)


def is_valid_guard_vma(vma: VmArea) -> None:
    """Raise EINVAL for a mapping of a file before 6.15. Linux: the same name."""
    if not vma.is_anonymous and not vma.vm_mm.config.madv_guard_files:
        raise OSError(errno.EINVAL, "this kernel makes guards in private anonymous memory only")


def drop_guards(mm: MmStruct, start: int, end: int) -> None:
    """Empty the entries of guards. Linux: zap_nonpresent_ptes with ZAP_FLAG_DROP_MARKER."""
    for addr in mm.pgd.guards(start, end):
        mm.pgd.clear_pte(addr)
