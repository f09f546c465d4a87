"""brk: the end of the heap moves.

    start_brk ......... brk        one private anonymous area, [heap] in /proc/PID/maps

Linux: mm/mmap.c (brk), mm/vma.c (do_brk_flags).
"""

from __future__ import annotations

import errno

from mmaplab.constants import PAGE_SHIFT, PAGE_SIZE, Rlimit, VmFlags
from mmaplab.sim.fault import mm_of
from mmaplab.sim.mm_types import TaskStruct
from mmaplab.sim.mmap import MAY, do_munmap, fail, mmap_region, page_align
from mmaplab.sim.vma import vm_start_gap


def do_brk(task: TaskStruct, addr: int) -> int:
    """Move the end of the heap to `addr` where that is possible; returns where it is. Linux: brk, mm/mmap.c."""
    mm = mm_of(task)
    limit = task.rlimits[Rlimit.RLIMIT_DATA]
    if addr < mm.start_brk or addr - mm.start_brk + mm.config.data_segment_bytes > limit or addr >= mm.config.task_size:
        return mm.brk
    new, old = page_align(addr), page_align(mm.brk)
    try:
        if new < old:
            _shrink_heap(task, new, old)
        elif new > old:
            _grow_heap(task, old, new)
    except OSError:
        return mm.brk
    mm.brk = addr
    return addr


def _shrink_heap(task: TaskStruct, new: int, old: int) -> None:
    """Unmap [new, old); raises ENOMEM where nothing of it is left, since the program unmapped it. Linux: brk."""
    area = mm_of(task).mm_mt.find(new)
    if area is None or area.vm_start >= old:
        raise fail(errno.ENOMEM, "the heap is no longer there")
    do_munmap(task, new, old - new)


def _grow_heap(task: TaskStruct, old: int, new: int) -> None:
    """Map [old, new) as private anonymous memory; raises ENOMEM. Linux: do_brk_flags, mm/vma.c."""
    mm = mm_of(task)
    if mm.map_count > mm.config.max_map_count:
        raise fail(errno.ENOMEM, f"the process has {mm.map_count} areas, more than max_map_count")
    above = mm.mm_mt.find(old)
    if above is not None and new + PAGE_SIZE > vm_start_gap(above):
        raise fail(errno.ENOMEM, "another area is in the way of the heap")
    flags = VmFlags.VM_READ | VmFlags.VM_WRITE | MAY
    mmap_region(task, old, new - old, flags, old >> PAGE_SHIFT, None)
