"""madvise, mincore, msync, mlock: advice, questions and promises about a range.

    madvise    advice; MADV_DONTNEED and MADV_REMOVE are orders, MADV_POPULATE_* faults pages in now
    mincore    is each page in memory? (the page cache's answer, not my page table's)
    msync      MS_SYNC writes a shared mapping's dirty pages to the disk; MS_ASYNC only checks its arguments
    mlock      bring pages in and keep them

Linux: mm/madvise.c, mm/mincore.c, mm/msync.c, mm/mlock.c. Leaves out: MADV_COLD, MADV_PAGEOUT, MADV_COLLAPSE,
MADV_MERGEABLE, guard regions, memory failure injection: these raise NotImplementedError rather than pretend.
"""

from __future__ import annotations

import errno

from mmaplab.constants import PAGE_SHIFT, PAGE_SIZE, Madv, Ms, Rlimit, VmFlags
from mmaplab.pte import pte_present
from mmaplab.sim.fault import mm_of, populate_range
from mmaplab.sim.merge import vma_modify_flags
from mmaplab.sim.mm import reclaim_tables
from mmaplab.sim.mm_types import TaskStruct, VmArea
from mmaplab.sim.mmap import U64, fail, mm_populate, page_align
from mmaplab.sim.readahead import force_page_cache_ra
from mmaplab.sim.truncate import punch_hole
from mmaplab.sim.vma import vma_lookup
from mmaplab.sim.writeback import file_write_and_wait

NEW_FLAGS: dict[int, tuple[VmFlags, VmFlags]] = {
    Madv.MADV_NORMAL: (VmFlags.VM_SEQ_READ | VmFlags.VM_RAND_READ, VmFlags.VM_NONE),
    Madv.MADV_SEQUENTIAL: (VmFlags.VM_RAND_READ, VmFlags.VM_SEQ_READ),
    Madv.MADV_RANDOM: (VmFlags.VM_SEQ_READ, VmFlags.VM_RAND_READ),
    Madv.MADV_DONTFORK: (VmFlags.VM_NONE, VmFlags.VM_DONTCOPY),
    Madv.MADV_DOFORK: (VmFlags.VM_DONTCOPY, VmFlags.VM_NONE),
    Madv.MADV_WIPEONFORK: (VmFlags.VM_NONE, VmFlags.VM_WIPEONFORK),
    Madv.MADV_KEEPONFORK: (VmFlags.VM_WIPEONFORK, VmFlags.VM_NONE),
    Madv.MADV_DONTDUMP: (VmFlags.VM_NONE, VmFlags.VM_DONTDUMP),
    Madv.MADV_DODUMP: (VmFlags.VM_DONTDUMP, VmFlags.VM_NONE),
    Madv.MADV_HUGEPAGE: (VmFlags.VM_NOHUGEPAGE, VmFlags.VM_HUGEPAGE),
    Madv.MADV_NOHUGEPAGE: (VmFlags.VM_HUGEPAGE, VmFlags.VM_NOHUGEPAGE),
}
"""Advice that changes an area's flags: what is cleared, what is set."""

LEFT_OUT = {
    Madv.MADV_MERGEABLE,
    Madv.MADV_UNMERGEABLE,
    Madv.MADV_COLD,
    Madv.MADV_PAGEOUT,
    Madv.MADV_COLLAPSE,
    Madv.MADV_HWPOISON,
    Madv.MADV_SOFT_OFFLINE,
    Madv.MADV_GUARD_INSTALL,
    Madv.MADV_GUARD_REMOVE,
}


# ---------------------------------------------------------------- madvise


def do_madvise(task: TaskStruct, addr: int, length: int, advice: int) -> None:
    """Take advice about [addr, addr + length); holes give ENOMEM after all mapped parts are done.

    Raises EINVAL, ENOMEM, EFAULT, EACCES. Linux: do_madvise, madvise_walk_vmas, mm/madvise.c.
    """
    if advice not in set(Madv):
        raise fail(errno.EINVAL, f"no advice has the number {advice}")
    size = page_align(length)
    if addr % PAGE_SIZE or (length and not size) or (size and addr + size >= U64):
        raise fail(errno.EINVAL, f"madvise({addr:#x}, {length:#x}): not page-aligned, or wraps around")
    if size == 0:
        return
    if advice in LEFT_OUT:
        raise NotImplementedError(f"the simulated kernel leaves out {Madv(advice).name}")
    if advice in (Madv.MADV_POPULATE_READ, Madv.MADV_POPULATE_WRITE):
        madvise_populate(task, addr, addr + size, advice == Madv.MADV_POPULATE_WRITE)
        return
    at, end, hole = addr, addr + size, False
    while at < end:
        vma = mm_of(task).mm_mt.find(at)
        if vma is None or vma.vm_start >= end:
            hole = True
            break
        hole = hole or vma.vm_start > at
        start, stop = max(at, vma.vm_start), min(end, vma.vm_end)
        madvise_vma(vma, start, stop, advice)
        at = stop
    if hole:
        raise fail(errno.ENOMEM, f"part of [{addr:#x}, {end:#x}) is not mapped; the rest is advised")


def madvise_vma(vma: VmArea, start: int, end: int, advice: int) -> None:
    """Take advice about a part of one area. Linux: madvise_vma_behavior."""
    if advice in NEW_FLAGS:
        if advice == Madv.MADV_WIPEONFORK and (vma.vm_file or vma.shared):
            raise fail(errno.EINVAL, "MADV_WIPEONFORK is for private anonymous memory")
        cleared, added = NEW_FLAGS[advice]
        flags = vma.vm_flags & ~cleared | added
        if flags != vma.vm_flags:
            vma_modify_flags(vma, start, end, flags)
    elif advice == Madv.MADV_WILLNEED:
        madvise_willneed(vma, start, end)
    elif advice in (Madv.MADV_DONTNEED, Madv.MADV_DONTNEED_LOCKED, Madv.MADV_FREE):
        madvise_dontneed_free(vma, start, end, advice)
    elif advice == Madv.MADV_REMOVE:
        madvise_remove(vma, start, end)


def madvise_willneed(vma: VmArea, start: int, end: int) -> None:
    """Have a file's pages read; nothing is mapped. Linux: madvise_willneed."""
    file = vma.vm_file
    if file is not None and file.f_inode.i_sb.on_disk:
        force_page_cache_ra(file, vma.pgoff_of(start), (end - start) >> PAGE_SHIFT)


def madvise_dontneed_free(vma: VmArea, start: int, end: int, advice: int) -> None:
    """Take the entries away: private copies are lost, and the file's bytes or zeros come back.

    MADV_FREE lets the kernel take anonymous pages when it needs them, which it does not do here.
    Linux: madvise_dontneed_free, mm/madvise.c.
    """
    if advice != Madv.MADV_DONTNEED_LOCKED and vma.vm_flags & VmFlags.VM_LOCKED:
        raise fail(errno.EINVAL, f"the area at {vma.vm_start:#x} is locked")
    if advice == Madv.MADV_FREE:
        if not vma.is_anonymous:
            raise fail(errno.EINVAL, "MADV_FREE is for private anonymous memory")
        return
    vma.vm_mm.slots.zap_page_range(vma, start, end)
    reclaim_tables(vma, start, end)


def madvise_remove(vma: VmArea, start: int, end: int) -> None:
    """Punch a hole into the file behind a shared writable mapping. Linux: madvise_remove."""
    if vma.vm_flags & VmFlags.VM_LOCKED or vma.vm_file is None:
        raise fail(errno.EINVAL, "MADV_REMOVE needs a file, and an area that is not locked")
    if not (vma.shared and vma.vm_flags & VmFlags.VM_MAYWRITE):
        raise fail(errno.EACCES, "MADV_REMOVE needs a shared mapping that may be written")
    punch_hole(vma.vm_file.f_inode, vma.pgoff_of(start), vma.pgoff_of(end))


def madvise_populate(task: TaskStruct, start: int, end: int, write: bool) -> None:
    """Fault every page of [start, end) in, as loads or as stores would; what came in stays on an error.

    Raises ENOMEM at a hole, EINVAL without the right, EFAULT where an access would be SIGBUS.
    Linux: madvise_populate, faultin_page_range.
    """
    at = start
    while at < end:
        vma = vma_lookup(mm_of(task), at)
        if vma is None:
            raise fail(errno.ENOMEM, f"nothing is mapped at {at:#x}")
        if not vma.vm_flags & (VmFlags.VM_WRITE if write else VmFlags.VM_READ):
            raise fail(errno.EINVAL, f"the area at {vma.vm_start:#x} does not permit it")
        stop = min(end, vma.vm_end)
        error = populate_range(task, vma, at, stop, write, waits_count=True)
        if error:
            raise fail(error, "a page cannot be supplied: an access to it would end in a signal")
        at = stop


# ---------------------------------------------------------------- mincore


def do_mincore(task: TaskStruct, addr: int, length: int) -> list[bool]:
    """Return for each page of the range whether it is in memory; raises EINVAL, ENOMEM. Linux: do_mincore."""
    if addr % PAGE_SIZE:
        raise fail(errno.EINVAL, f"mincore at {addr:#x}: not a multiple of the page size")
    mm = mm_of(task)
    if addr + length > mm.config.task_size:
        raise fail(errno.ENOMEM, f"[{addr:#x}, +{length:#x}) reaches beyond the user addresses")
    answer = []
    for at in range(addr, addr + length, PAGE_SIZE):
        vma = vma_lookup(mm, at)
        if vma is None:
            raise fail(errno.ENOMEM, f"nothing is mapped at {at:#x}")
        answer.append(mincore_page(vma, at))
    return answer


def mincore_page(vma: VmArea, addr: int) -> bool:
    """Is this page in memory: mapped here, or in the page cache? Linux: mincore_pte_range, mincore_page."""
    if pte_present(vma.vm_mm.pgd.get_pte(addr)):
        return True
    if vma.vm_file is None:
        return False
    folio = vma.vm_file.f_inode.i_mapping.i_pages.get(vma.pgoff_of(addr))
    return folio is not None and folio.uptodate


# ---------------------------------------------------------------- msync


def do_msync(task: TaskStruct, addr: int, length: int, flags: int) -> None:
    """Write back what shared mappings in the range have made dirty (MS_SYNC); raises EINVAL, ENOMEM, EBUSY, EIO.

    Linux: msync, mm/msync.c.
    """
    known = int(Ms.MS_ASYNC | Ms.MS_INVALIDATE | Ms.MS_SYNC)
    if flags & ~known or addr % PAGE_SIZE or (flags & Ms.MS_ASYNC and flags & Ms.MS_SYNC):
        raise fail(errno.EINVAL, f"msync({addr:#x}, flags {flags:#x}): unknown flags, both kinds, or not page-aligned")
    end = addr + page_align(length)
    if end > U64 or end < addr + min(length, 1):
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
        mapping = vma.vm_file.f_inode.i_mapping
        file_write_and_wait(mapping, vma.pgoff_of(start), vma.pgoff_of(end) - 1, "msync", vma.vm_mm.slots.do_writepages)


# ---------------------------------------------------------------- mlock


def do_mlock(task: TaskStruct, addr: int, length: int) -> None:
    """Lock the pages that hold a byte of the range, and bring them in; raises EPERM, ENOMEM, EINVAL, EAGAIN.

    Linux: do_mlock, mm/mlock.c.
    """
    mm = mm_of(task)
    limit = task.rlimits[Rlimit.RLIMIT_MEMLOCK]
    if limit == 0 and not mm.config.cap_ipc_lock:
        raise fail(errno.EPERM, "RLIMIT_MEMLOCK is 0")
    size, start = page_align(length + addr % PAGE_SIZE), addr & -PAGE_SIZE
    here = mm.mm_mt.range(start, start + size)
    already = sum(min(v.vm_end, start + size) - max(v.vm_start, start) for v in here if v.vm_flags & VmFlags.VM_LOCKED)
    if mm.locked_vm * PAGE_SIZE + size - already > limit and not mm.config.cap_ipc_lock:
        raise fail(errno.ENOMEM, f"RLIMIT_MEMLOCK allows {limit} bytes")
    apply_vma_lock_flags(task, start, size, VmFlags.VM_LOCKED)
    error = mm_populate(task, start, start + size, ignore_errors=False)
    if error:
        code = errno.ENOMEM if error == errno.EFAULT else errno.EAGAIN
        raise fail(code, "the range is locked, but a page of it cannot be brought in")


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
        if flags != vma.vm_flags:
            vma_modify_flags(vma, at, stop, flags)
        at = stop
