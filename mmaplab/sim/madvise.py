"""madvise: advice about a range. Some advice is an order, and some changes what the range holds.

    flags of the area    NORMAL RANDOM SEQUENTIAL, DONTFORK WIPEONFORK, DONTDUMP, HUGEPAGE, MERGEABLE, and back
    pages come in        WILLNEED reads ahead, POPULATE_READ and POPULATE_WRITE fault in
    pages go             DONTNEED now, REMOVE out of the file, FREE COLD PAGEOUT when reclaim looks (pageout.py)
    guards               GUARD_INSTALL, GUARD_REMOVE (guard.py)

Linux: mm/madvise.c. Leaves out: huge pages, memory failure injection; see `do_madvise`.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

from mmaplab.constants import PAGE_SHIFT, PAGE_SIZE, PMD_SIZE, U64, Madv, VmFlags
from mmaplab.sim.config import KernelConfig
from mmaplab.sim.fault import mm_of, populate_range
from mmaplab.sim.guard import madvise_guard_install, madvise_guard_remove
from mmaplab.sim.merge import vma_modify_flags
from mmaplab.sim.mm import reclaim_tables
from mmaplab.sim.mm_types import TaskStruct, VmArea
from mmaplab.sim.mmap import fail, page_align
from mmaplab.sim.pageout import madvise_cold, madvise_free, madvise_pageout
from mmaplab.sim.readahead import force_page_cache_ra
from mmaplab.sim.truncate import punch_hole
from mmaplab.sim.vma import vma_lookup

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
    Madv.MADV_MERGEABLE: (VmFlags.VM_NONE, VmFlags.VM_MERGEABLE),
    Madv.MADV_UNMERGEABLE: (VmFlags.VM_MERGEABLE, VmFlags.VM_NONE),
}
"""Advice that changes an area's flags: what is cleared, what is set."""

PER_AREA: dict[int, Callable[[VmArea, int, int], None]] = {
    Madv.MADV_COLD: madvise_cold,
    Madv.MADV_PAGEOUT: madvise_pageout,
    Madv.MADV_GUARD_INSTALL: madvise_guard_install,
    Madv.MADV_GUARD_REMOVE: madvise_guard_remove,
}
"""Advice that is carried out in rooms of its own."""
WITH_MEMORY_FAILURE = {Madv.MADV_HWPOISON, Madv.MADV_SOFT_OFFLINE}


# ---------------------------------------------------------------- madvise


def do_madvise(task: TaskStruct, addr: int, length: int, advice: int) -> None:
    """Take advice about [addr, addr + length); holes give ENOMEM after all mapped parts are done.

    Raises EINVAL, ENOMEM, EFAULT, EACCES, EAGAIN, EFBIG. Linux: do_madvise, madvise_walk_vmas, mm/madvise.c.
    Leaves out: MADV_HWPOISON, MADV_SOFT_OFFLINE (EINVAL, as on a kernel without CONFIG_MEMORY_FAILURE), EHWPOISON a
    page that is broken, EIO resident set size and ENOMEM MADV_WILLNEED (readahead that fails is overlooked).
    """
    if not madvise_behavior_valid(mm_of(task).config, advice):
        raise fail(errno.EINVAL, f"this kernel knows no advice {advice}")
    size = page_align(length)
    if addr % PAGE_SIZE or (length and not size) or (size and addr + size >= U64):
        raise fail(errno.EINVAL, f"madvise({addr:#x}, {length:#x}): not page-aligned, or wraps around")
    if size == 0:
        return
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


def madvise_behavior_valid(config: KernelConfig, advice: int) -> bool:
    """Does this kernel know the advice? Some is built in or not, some is younger. Linux: madvise_behavior_valid."""
    match advice:
        case Madv.MADV_MERGEABLE | Madv.MADV_UNMERGEABLE:
            return config.ksm
        case Madv.MADV_HUGEPAGE | Madv.MADV_NOHUGEPAGE:
            return config.thp
        case Madv.MADV_COLLAPSE:
            return config.thp and config.madv_collapse
        case Madv.MADV_POPULATE_READ | Madv.MADV_POPULATE_WRITE:
            return config.madv_populate
        case Madv.MADV_DONTNEED_LOCKED:
            return config.madv_dontneed_locked
        case Madv.MADV_GUARD_INSTALL | Madv.MADV_GUARD_REMOVE:
            return config.madv_guard
    return advice in set(Madv) and advice not in WITH_MEMORY_FAILURE


def madvise_vma(vma: VmArea, start: int, end: int, advice: int) -> None:
    """Take advice about a part of one area. Linux: madvise_vma_behavior."""
    if advice in NEW_FLAGS:
        madvise_update_vma(vma, start, end, advice)
    elif advice in PER_AREA:
        PER_AREA[advice](vma, start, end)
    elif advice == Madv.MADV_COLLAPSE:
        madvise_collapse(vma, start, end)
    elif advice == Madv.MADV_WILLNEED:
        madvise_willneed(vma, start, end)
    elif advice in (Madv.MADV_DONTNEED, Madv.MADV_DONTNEED_LOCKED, Madv.MADV_FREE):
        madvise_dontneed_free(vma, start, end, advice)
    elif advice == Madv.MADV_REMOVE:
        madvise_remove(vma, start, end)


def madvise_update_vma(vma: VmArea, start: int, end: int, advice: int) -> None:
    """Change the flags of a part of an area; raises EINVAL, and EAGAIN where it would be one area too many.

    MADV_MERGEABLE is overlooked where pages are shared in any case. Linux: madvise_update_vma, ksm_madvise.
    """
    if advice == Madv.MADV_WIPEONFORK and (vma.vm_file or vma.shared):
        raise fail(errno.EINVAL, "MADV_WIPEONFORK is for private anonymous memory")
    if advice in (Madv.MADV_KEEPONFORK, Madv.MADV_DODUMP) and vma.vm_flags & VmFlags.VM_DROPPABLE:
        raise fail(errno.EINVAL, "MAP_DROPPABLE memory is neither kept on fork nor dumped")
    unmergeable = VmFlags.VM_SHARED | VmFlags.VM_MAYSHARE | VmFlags.VM_DROPPABLE
    if advice == Madv.MADV_MERGEABLE and vma.vm_flags & unmergeable:
        return
    cleared, added = NEW_FLAGS[advice]
    flags = vma.vm_flags & ~cleared | added
    if flags == vma.vm_flags:
        return
    try:
        vma_modify_flags(vma, start, end, flags)
    except OSError as error:
        raise fail(errno.EAGAIN, str(error)) from None


def madvise_collapse(vma: VmArea, start: int, end: int) -> None:
    """Make huge pages of [start, end): this memory has none to give, so EINVAL, nothing to do, or ENOMEM.

    Nothing is to be done where the range, with both ends moved to multiples of 2 MiB, is empty; a range inside one huge
    page is EINVAL. Linux: madvise_collapse, mm/khugepaged.c. Leaves out: MADV_COLLAPSE that succeeds, EBUSY memory
    cgroup.
    """
    first, last = -(-vma.vm_start // PMD_SIZE) * PMD_SIZE, vma.vm_end & -PMD_SIZE
    untouched = vma.is_anonymous and vma.anon_vma is None
    on_disk = vma.vm_file is not None and vma.vm_file.f_inode.i_sb.on_disk
    if vma.vm_flags & VmFlags.VM_NOHUGEPAGE or first >= last or untouched or on_disk:
        raise fail(errno.EINVAL, f"the area at {vma.vm_start:#x} can have no huge page, or does not want one")
    hstart, hend = -(-start // PMD_SIZE) * PMD_SIZE, end & -PMD_SIZE
    if hstart > hend:
        raise fail(errno.EINVAL, f"[{start:#x}, {end:#x}) lies inside one huge page")
    if hstart < hend:
        raise fail(errno.ENOMEM, "no 512 neighbouring frames are free for a huge page")


def madvise_willneed(vma: VmArea, start: int, end: int) -> None:
    """Have a file's pages read; nothing is mapped. Linux: madvise_willneed."""
    file = vma.vm_file
    if file is not None and file.f_inode.i_sb.on_disk:
        force_page_cache_ra(file, vma.pgoff_of(start), (end - start) >> PAGE_SHIFT)


def madvise_dontneed_free(vma: VmArea, start: int, end: int, advice: int) -> None:
    """Take the entries away: private copies are lost, and the file's bytes or zeros come back.

    Linux: madvise_dontneed_free, mm/madvise.c.
    """
    if advice != Madv.MADV_DONTNEED_LOCKED and vma.vm_flags & VmFlags.VM_LOCKED:
        raise fail(errno.EINVAL, f"the area at {vma.vm_start:#x} is locked")
    if advice == Madv.MADV_FREE:
        madvise_free(vma, start, end)
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
