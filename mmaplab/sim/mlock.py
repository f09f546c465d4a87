"""mlock and munlock: bring the pages of a range in, and keep them.

    area by area   VM_LOCKED is set (areas split and merge)
    then           every page is faulted in, private writable ones with a store

Linux: mm/mlock.c.
"""

from __future__ import annotations

import errno

from mmaplab.constants import PAGE_SIZE, U64, Rlimit, VmFlags
from mmaplab.sim.fault import mm_of
from mmaplab.sim.merge import vma_modify_flags
from mmaplab.sim.mm_types import TaskStruct
from mmaplab.sim.mmap import fail, mm_populate, page_align
from mmaplab.sim.rlimit import can_do_mlock
from mmaplab.sim.vma import vma_lookup


def do_mlock(task: TaskStruct, addr: int, length: int) -> None:
    """Lock the pages that hold a byte of the range, and bring them in; raises EPERM, ENOMEM, EINVAL.

    Linux: do_mlock, mm/mlock.c.
    Leaves out: EAGAIN could not be locked (of a process that is being killed), ENOMEM half of the memory, in Linux 2.4;
    and mlock2, mlockall, munlockall with MLOCK_ONFAULT, MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT, EINVAL flags of mlock2,
    EINVAL flags of mlockall, EPERM munlockall.
    """
    mm = mm_of(task)
    limit = task.rlimits[Rlimit.RLIMIT_MEMLOCK]
    can_do_mlock(task)
    size, start = page_align(length + addr % PAGE_SIZE), addr & -PAGE_SIZE
    here = mm.mm_mt.range(start, start + size)
    already = sum(min(v.vm_end, start + size) - max(v.vm_start, start) for v in here if v.vm_flags & VmFlags.VM_LOCKED)
    if mm.locked_vm * PAGE_SIZE + size - already > limit and not mm.config.cap_ipc_lock:
        raise fail(errno.ENOMEM, f"RLIMIT_MEMLOCK allows {limit} bytes")
    apply_vma_lock_flags(task, start, size, VmFlags.VM_LOCKED)
    if mm_populate(task, start, start + size, ignore_errors=False):  # __mlock_posix_error_return: EFAULT is ENOMEM
        raise fail(errno.ENOMEM, "the range is locked, but a page of it cannot be brought in")


def do_munlock(task: TaskStruct, addr: int, length: int) -> None:
    """Undo mlock; raises ENOMEM, EINVAL. Linux: munlock, mm/mlock.c."""
    start = addr & -PAGE_SIZE
    apply_vma_lock_flags(task, start, page_align(length + addr % PAGE_SIZE), VmFlags.VM_NONE)


def apply_vma_lock_flags(task: TaskStruct, start: int, size: int, lock: VmFlags) -> None:
    """Set or clear VM_LOCKED area by area; ENOMEM at a hole, after what lies before it. Linux: the same name."""
    end = start + size
    if size and end >= U64:
        raise fail(errno.EINVAL, f"{start:#x} + {size:#x} wraps around")
    at = start
    while at < end:
        vma = vma_lookup(mm_of(task), at)
        if vma is None:
            raise fail(errno.ENOMEM, f"nothing is mapped at {at:#x}")
        stop = min(end, vma.vm_end)
        flags = vma.vm_flags & ~VmFlags.VM_LOCKED | lock
        if flags != vma.vm_flags and not flags & VmFlags.VM_DROPPABLE:
            vma_modify_flags(vma, at, stop, flags)
        at = stop
