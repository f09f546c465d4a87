"""mincore and msync: what the page cache holds of a mapping, and what the disk has of it.

    mincore    is each page in memory? (the page cache's answer, not my page table's)
    msync      MS_SYNC writes a shared mapping's dirty pages to the disk; MS_ASYNC only checks its arguments

Linux: mm/mincore.c, mm/msync.c.
"""

from __future__ import annotations

import errno

from mmaplab.constants import MOST_MINCORE_PAGES, PAGE_SHIFT, PAGE_SIZE, U64, Ms, VmFlags
from mmaplab.sim.arguments import few_enough
from mmaplab.sim.fault import mm_of
from mmaplab.sim.mm_types import TaskStruct, VmArea
from mmaplab.sim.mmap import fail, page_align
from mmaplab.sim.writeback import file_write_and_wait

# ---------------------------------------------------------------- mincore


def do_mincore(task: TaskStruct, addr: int, length: int) -> list[bool]:
    """Return for each page of the range whether it is in memory; raises EINVAL, ENOMEM, TooLarge. Linux: do_mincore.

    Leaves out: EAGAIN kernel out of resources, EFAULT vec.
    """
    if addr % PAGE_SIZE:
        raise fail(errno.EINVAL, f"mincore at {addr:#x}: not a multiple of the page size")
    mm = mm_of(task)
    if addr + length > mm.config.task_size:
        raise fail(errno.ENOMEM, f"[{addr:#x}, +{length:#x}) reaches beyond the user addresses")
    at, end = addr, addr + page_align(length)
    areas = mm.mm_mt.range(addr, end) if length else []
    for vma in areas:
        at = min(vma.vm_end, end) if vma.vm_start <= at else at
    if at < end:
        raise fail(errno.ENOMEM, f"nothing is mapped at {at:#x}")
    few_enough("mincore", (end - addr) >> PAGE_SHIFT, MOST_MINCORE_PAGES)
    return [here for vma in areas for here in mincore_area(vma, max(addr, vma.vm_start), min(end, vma.vm_end))]


def mincore_area(vma: VmArea, start: int, end: int) -> list[bool]:
    """Return for each page of a part of an area whether it is in memory: mapped here, or in the page cache.

    Linux: mincore_pte_range, mincore_page.
    """
    answer = [False] * ((end - start) >> PAGE_SHIFT)
    first = vma.pgoff_of(start)
    if vma.vm_file is not None:
        for folio in vma.vm_file.f_inode.i_mapping.folios(first, first + len(answer) - 1):
            for index in range(max(folio.index, first), min(folio.end, first + len(answer))):
                answer[index - first] = folio.uptodate
    for addr, _pte in vma.vm_mm.pgd.entries(start, end):
        answer[(addr - start) >> PAGE_SHIFT] = True
    return answer


# ---------------------------------------------------------------- msync


def do_msync(task: TaskStruct, addr: int, length: int, flags: int) -> None:
    """Write back what shared mappings in the range have made dirty (MS_SYNC); raises EINVAL, ENOMEM, EBUSY, EIO.

    The largest lengths become 0 when they are rounded up to pages in 64 bits: there is nothing to do, as for 0 itself.
    Linux: msync, mm/msync.c.
    """
    known = int(Ms.MS_ASYNC | Ms.MS_INVALIDATE | Ms.MS_SYNC)
    if flags & ~known or addr % PAGE_SIZE or (flags & Ms.MS_ASYNC and flags & Ms.MS_SYNC):
        raise fail(errno.EINVAL, f"msync({addr:#x}, flags {flags:#x}): unknown flags, both kinds, or not page-aligned")
    end = addr + page_align(length)
    if end >= U64:
        raise fail(errno.ENOMEM, f"{addr:#x} + {length:#x} wraps around")
    at, hole = addr, False
    while at < end:
        vma = mm_of(task).mm_mt.find(at)
        if vma is None:
            hole = True
            break
        if at < vma.vm_start:
            hole = True
            at = vma.vm_start
            if flags == Ms.MS_ASYNC or at >= end:
                break
        msync_vma(vma, at, min(end, vma.vm_end), flags)
        at = vma.vm_end
    if hole:
        raise fail(errno.ENOMEM, f"part of [{addr:#x}, {end:#x}) is not mapped")


def msync_vma(vma: VmArea, start: int, end: int, flags: int) -> None:
    """Write back one area's part of the range. Only MS_SYNC on a shared mapping of a file does anything."""
    if flags & Ms.MS_INVALIDATE and vma.vm_flags & VmFlags.VM_LOCKED:
        raise fail(errno.EBUSY, f"the area at {vma.vm_start:#x} is locked")
    if flags & Ms.MS_SYNC and vma.vm_file is not None and vma.shared:
        first, last = vma.pgoff_of(start), vma.pgoff_of(end) - 1
        file_write_and_wait(vma.vm_file, first, last, "msync", vma.vm_mm.slots.do_writepages)
