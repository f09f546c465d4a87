"""mmap and munmap: areas come and go.

    mmap(addr, length, prot, flags, fd, offset)
        which flags?  is the request sound?        -> errno
        where?        get_unmapped_area             phase 1: a range
        what was there goes (MAP_FIXED)
        a neighbour grows, or a new area is linked  phase 2: tied to the file and the offset
        MAP_POPULATE faults the pages in now        phase 3, otherwise at the first touch

Linux: mm/mmap.c, mm/vma.c. Leaves out: huge pages, protection keys but the one for execute-only memory, security
modules.
"""

from __future__ import annotations

import errno
from typing import NoReturn

from mmaplab.constants import (
    MAP_HUGE_MASK,
    MAP_HUGE_SHIFT,
    MAP_TYPE,
    MAX_LFS_FILESIZE,
    PAGE_SHIFT,
    PAGE_SIZE,
    U64,
    Map,
    Prot,
    VmFlags,
    page_align_up,
)
from mmaplab.sim.fault import mm_of, populate_range
from mmaplab.sim.file import File
from mmaplab.sim.guard import drop_guards
from mmaplab.sim.inode import Inode
from mmaplab.sim.merge import split_vma, vma_merge_new_range
from mmaplab.sim.mm import free_pgtables
from mmaplab.sim.mm_types import VM_ACCESS_FLAGS, MmStruct, TaskStruct, VmArea, vma_permits_loads
from mmaplab.sim.namei import Files
from mmaplab.sim.pagecache import ihold, iput
from mmaplab.sim.rlimit import can_do_mlock, may_expand_vm, mlock_future_ok, vm_enough_memory
from mmaplab.sim.vma import (
    chosen_area,
    find_vma_intersection,
    low_area,
    vm_unmapped_area,
    vma_link,
    vma_lookup,
    vma_unlink,
)

MAY = VmFlags.VM_MAYREAD | VmFlags.VM_MAYWRITE | VmFlags.VM_MAYEXEC
DROPPABLE = VmFlags.VM_DROPPABLE | VmFlags.VM_NORESERVE | VmFlags.VM_WIPEONFORK | VmFlags.VM_DONTDUMP
LEGACY_MAP_MASK = int(Map.MAP_SHARED_VALIDATE | Map.MAP_FIXED | Map.MAP_ANONYMOUS | Map.MAP_DENYWRITE | Map.MAP_32BIT)
LEGACY_MAP_MASK |= int(Map.MAP_EXECUTABLE | Map.MAP_GROWSDOWN | Map.MAP_LOCKED | Map.MAP_NORESERVE | Map.MAP_POPULATE)
LEGACY_MAP_MASK |= int(Map.MAP_NONBLOCK | Map.MAP_STACK | Map.MAP_HUGETLB) | (21 | 30) << MAP_HUGE_SHIFT
"""The flags that MAP_SHARED_VALIDATE knows; it refuses the others, where MAP_SHARED overlooks them."""


def page_align(length: int) -> int:
    """Return `length` rounded up to whole pages, in 64 bits: the largest values become 0. Linux: PAGE_ALIGN."""
    return (length + PAGE_SIZE - 1) % U64 & -PAGE_SIZE


def fail(code: int, message: str) -> OSError:
    """Return the error of a system call."""
    return OSError(code, message)


# ---------------------------------------------------------------- mmap


def ksys_mmap_pgoff(
    task: TaskStruct, files: Files, addr: int, length: int, prot: int, flags: int, fd: int, offset: int
) -> int:
    """Map what the call says: the file of `fd`, or memory, which is a nameless file where it is shared.

    Raises EINVAL, EBADF, and what `do_mmap` raises. Linux: sys_mmap, ksys_mmap_pgoff, and shmem_zero_setup, which
    makes that file only when the area is made.
    """
    if offset % PAGE_SIZE:
        raise fail(errno.EINVAL, f"offset {offset:#x} is not a multiple of the page size")
    file = None if flags & Map.MAP_ANONYMOUS else task.files.fdget(fd)
    if file is not None or flags & MAP_TYPE != Map.MAP_SHARED or flags & Map.MAP_HUGETLB:
        return do_mmap(task, addr, length, prot, flags, file, offset, None)
    shm = files.nameless("/dev/zero", page_align(length))
    ihold(shm)
    try:
        return do_mmap(task, addr, length, prot, flags, None, offset, shm)
    finally:
        iput(shm)  # it goes, unless an area has it now


def do_mmap(
    task: TaskStruct, addr: int, length: int, prot: int, flags: int, file: File | None, offset: int, shm: Inode | None
) -> int:
    """Map `length` bytes; returns the address. `shm` is the nameless file for shared anonymous memory.

    Raises OSError: see `check_request`, `place`, `vm_flags_of` and `may_expand_vm`.
    Linux: do_mmap, mmap_region.
    Leaves out: ENFILE open files of the system, EPERM no-exec mount, EPERM file seal, EPERM MAP_HUGETLB without a
    privilege (only of shared memory, shmget).
    """
    mm = mm_of(task)
    if flags & Map.MAP_HUGETLB:
        hugetlb_mmap(task, addr, length, prot, flags, huge_page_size(flags, file), offset)
    pgoff, size = check_request(mm, length, offset)
    anonymous_shared = file is None and flags & MAP_TYPE == Map.MAP_SHARED
    addr = place(mm, addr, size, flags, file, pgoff, bool(anonymous_shared))
    may_lock(task, flags, size)
    if file is not None:
        file_mmap_ok(file.f_inode.kind, pgoff, size)
    vm_flags = vm_flags_of(mm, prot, flags, file)
    if file is None:
        pgoff = 0 if anonymous_shared else addr >> PAGE_SHIFT
        file = File(0, shm, 2) if anonymous_shared and shm is not None else None
    mmap_region(task, addr, size, vm_flags, pgoff, file, bool(anonymous_shared))
    if vm_flags & VmFlags.VM_LOCKED or flags & (Map.MAP_POPULATE | Map.MAP_NONBLOCK) == Map.MAP_POPULATE:
        mm_populate(task, addr, addr + size, ignore_errors=True)
    return addr


def check_request(mm: MmStruct, length: int, offset: int) -> tuple[int, int]:
    """Return (file page, bytes rounded up); raises EINVAL, ENOMEM in Linux's order."""
    if length == 0:
        raise fail(errno.EINVAL, "length is 0: an area has at least one byte")
    size = page_align(length)
    if size == 0:
        raise fail(errno.ENOMEM, f"length {length:#x} does not fit into 64 bits when rounded up to pages")
    pgoff = offset % U64 >> PAGE_SHIFT
    if mm.map_count > mm.config.max_map_count:
        raise fail(errno.ENOMEM, f"the process has {mm.map_count} areas, more than max_map_count")
    return pgoff, size


def place(mm: MmStruct, addr: int, size: int, flags: int, file: File | None, pgoff: int, shared: bool) -> int:
    """Return where the area goes; raises ENOMEM, EINVAL, EPERM, EEXIST. Linux: get_unmapped_area, mm/mmap.c."""
    config = mm.config
    fixed = flags & (Map.MAP_FIXED | Map.MAP_FIXED_NOREPLACE)
    if not fixed:
        choose = low_area if flags & Map.MAP_32BIT else chosen_area
        return choose(mm, size, round_hint_to_min(mm, addr), file, pgoff, shared)
    if size <= config.task_size and addr > U64 - PAGE_SIZE:  # IS_ERR_VALUE: it looks like -1 to -4095, an error number
        raise fail(U64 - addr, f"the address {addr:#x} is taken for an error number")
    if size > config.task_size or addr > config.task_size - size:
        raise fail(errno.ENOMEM, f"{addr:#x} + {size:#x} lies beyond the end of user addresses")
    if addr % PAGE_SIZE:
        raise fail(errno.EINVAL, f"MAP_FIXED at {addr:#x}: not a multiple of the page size")
    if addr < config.mmap_min_addr and not config.cap_sys_rawio:
        raise fail(errno.EPERM, f"{addr:#x} lies below mmap_min_addr")
    if flags & Map.MAP_FIXED_NOREPLACE and find_vma_intersection(mm, addr, addr + size) is not None:
        raise fail(errno.EEXIST, f"[{addr:#x}, {addr + size:#x}) is not free")
    return addr


def round_hint_to_min(mm: MmStruct, hint: int) -> int:
    """Return the hint as a page that may be mapped; 0, no hint, stays 0. Linux: round_hint_to_min, mm/mmap.c."""
    hint &= -PAGE_SIZE
    return max(hint, page_align_up(mm.config.hint_min_addr)) if hint else 0


def may_lock(task: TaskStruct, flags: int, size: int) -> None:
    """Raise EPERM or EAGAIN where MAP_LOCKED asks for more than the process may lock. Linux: do_mmap."""
    if flags & Map.MAP_LOCKED:
        can_do_mlock(task)
        mlock_future_ok(task, VmFlags.VM_LOCKED, size)


def file_mmap_ok(kind: str, pgoff: int, size: int) -> None:
    """Raise EOVERFLOW where the range lies beyond the largest file, or pipe, that there can be. Linux: file_mmap_ok."""
    largest = MAX_LFS_FILESIZE if kind == "file" else U64 - 1
    if pgoff > (largest - size) >> PAGE_SHIFT:
        raise fail(errno.EOVERFLOW, f"file page {pgoff:#x} + {size:#x} bytes go beyond the largest file")


def vm_flags_of(mm: MmStruct, prot: int, flags: int, file: File | None) -> VmFlags:
    """Return the area's flags; raises EINVAL, EACCES, ENODEV, EOPNOTSUPP. Linux: do_mmap, mm/mmap.c."""
    vm_flags = calc_vm_flags(mm, prot, flags)
    kind = flags & MAP_TYPE
    if file is not None:
        vm_flags = _file_flags(vm_flags, prot, flags, file)
    elif kind == Map.MAP_SHARED:
        if vm_flags & VmFlags.VM_GROWSDOWN:
            raise fail(errno.EINVAL, "shared memory cannot grow downwards")
        vm_flags |= VmFlags.VM_SHARED | VmFlags.VM_MAYSHARE
    elif kind == Map.MAP_DROPPABLE and mm.config.map_droppable:
        if flags & Map.MAP_LOCKED or vm_flags & VmFlags.VM_GROWSDOWN:
            raise fail(errno.EINVAL, "what may be dropped is neither locked nor a stack")
        vm_flags |= DROPPABLE
    elif kind != Map.MAP_PRIVATE:
        raise fail(errno.EINVAL, "flags say neither MAP_SHARED nor MAP_PRIVATE")
    if flags & Map.MAP_NORESERVE and mm.config.overcommit_memory != 2:
        vm_flags |= VmFlags.VM_NORESERVE
    return vm_flags


def calc_vm_flags(mm: MmStruct, prot: int, flags: int) -> VmFlags:
    """Return what every kind of mapping takes from the call. Linux: calc_vm_prot_bits, calc_vm_flag_bits."""
    vm_flags = VmFlags(prot & VM_ACCESS_FLAGS) | MAY
    if flags & Map.MAP_GROWSDOWN:
        vm_flags |= VmFlags.VM_GROWSDOWN
    if flags & Map.MAP_LOCKED:
        vm_flags |= VmFlags.VM_LOCKED
    if flags & Map.MAP_STACK and mm.config.map_stack_apart:
        vm_flags |= VmFlags.VM_NOHUGEPAGE
    return vm_flags


def _file_flags(vm_flags: VmFlags, prot: int, flags: int, file: File) -> VmFlags:
    """The part of `vm_flags_of` for files: open mode against protection."""
    known = LEGACY_MAP_MASK | (Map.MAP_SYNC if file.f_inode.i_sb.on_disk else 0)  # FOP_MMAP_SYNC: ext4 has heard of it
    vm_flags = _type_flags(vm_flags, prot, flags, file.writable, known)
    if not file.readable:
        raise fail(errno.EACCES, "every mapping of a file needs a descriptor opened for reading")
    if file.f_inode.kind != "file" and prot & Prot.PROT_EXEC:
        raise fail(errno.EPERM, f"a {file.f_inode.kind} is on a file system without programs (path_noexec)")
    if file.f_inode.kind != "file":
        raise fail(errno.ENODEV, f"a {file.f_inode.kind} cannot be mapped")
    if vm_flags & VmFlags.VM_GROWSDOWN:
        raise fail(errno.EINVAL, "a mapping of a file cannot grow downwards")
    if flags & Map.MAP_SYNC and file.f_inode.i_sb.on_disk:  # ext4_file_mmap_prepare, whatever the type of the mapping
        raise fail(errno.EOPNOTSUPP, "MAP_SYNC: the file is not on persistent memory (DAX)")
    return vm_flags


def _type_flags(vm_flags: VmFlags, prot: int, flags: int, writable: bool, known: int = LEGACY_MAP_MASK) -> VmFlags:
    """The type of a mapping of a file, which was opened for writing or not; raises EOPNOTSUPP, EACCES, EINVAL.

    `known` are the flags that the file system has heard of.
    """
    kind = flags & MAP_TYPE
    if kind == Map.MAP_SHARED_VALIDATE and flags & ~known:
        raise fail(errno.EOPNOTSUPP, f"MAP_SHARED_VALIDATE does not know the flags {flags & ~known:#x}")
    if kind in (Map.MAP_SHARED, Map.MAP_SHARED_VALIDATE):
        if prot & Prot.PROT_WRITE and not writable:
            raise fail(errno.EACCES, "a shared writable mapping needs a descriptor opened for writing")
        vm_flags |= VmFlags.VM_SHARED | VmFlags.VM_MAYSHARE
        if not writable:  # never to be written: it only looks shared
            vm_flags &= ~(VmFlags.VM_SHARED | VmFlags.VM_MAYWRITE)
    elif kind != Map.MAP_PRIVATE:
        raise fail(errno.EINVAL, "flags say neither MAP_SHARED nor MAP_PRIVATE")
    return vm_flags


def mmap_region(
    task: TaskStruct, addr: int, size: int, flags: VmFlags, pgoff: int, file: File | None, shm: bool = False
) -> VmArea:
    """Make the area: clear the range, then let a neighbour grow or link a new one. Linux: mmap_region, mm/vma.c.

    Raises ENOMEM: what was there stays then, but split at the edges of the range; only where new shared memory (`shm`)
    is too much to promise, it is gone all the same.
    """
    mm = mm_of(task)
    end = addr + size
    replaced, promised = make_room(task, addr, size, flags)
    if flags & (VmFlags.VM_NORESERVE | VmFlags.VM_SHARED | VmFlags.VM_WRITE) == VmFlags.VM_WRITE:
        vm_enough_memory(mm, size - promised)
        flags |= VmFlags.VM_ACCOUNT
    if replaced:
        do_munmap(task, addr, size)
    if shm and not flags & VmFlags.VM_NORESERVE:
        vm_enough_memory(mm, size)  # shmem_zero_setup
    merged = vma_merge_new_range(mm, addr, end, flags, pgoff, file)
    if merged is not None:
        return merged
    vma = VmArea(mm, addr, end, flags, pgoff, file)
    vma_link(vma)
    return vma


def make_room(task: TaskStruct, addr: int, size: int, flags: VmFlags) -> tuple[int, int]:
    """Split the areas that reach out of the range, which are to go; returns (mapped, promised) bytes in it.

    Promised is what was counted as memory that the process may need (VM_ACCOUNT). Raises ENOMEM.
    Linux: __mmap_prepare, mm/vma.c (vms.nr_pages, vms.nr_accounted).
    """
    doomed = vms_gather_munmap_vmas(mm_of(task), addr, addr + size)
    replaced = sum(vma.vm_end - vma.vm_start for vma in doomed)
    promised = sum(vma.vm_end - vma.vm_start for vma in doomed if vma.vm_flags & VmFlags.VM_ACCOUNT)
    may_expand_vm(task, flags, size - replaced)
    return replaced, promised


def mm_populate(task: TaskStruct, start: int, end: int, ignore_errors: bool) -> int:
    """Fault in what is mapped of [start, end); returns 0 or an errno. Linux: __mm_populate, mm/gup.c."""
    mm = mm_of(task)
    for vma in mm.mm_mt.range(start, end) if start < end else ():
        error = populate_vma_page_range(task, vma, max(start, vma.vm_start), min(end, vma.vm_end))
        if error and not ignore_errors:
            return error
    return 0


def populate_vma_page_range(task: TaskStruct, vma: VmArea, start: int, end: int, waits_count: bool = False) -> int:
    """Fault in pages of one area, with stores where it is private and writable; returns 0 or an errno.

    `waits_count` is that of `populate_range`. Linux: populate_vma_page_range, check_vma_flags, mm/gup.c.
    """
    if not vma.vm_flags & VM_ACCESS_FLAGS or not vma_permits_loads(vma):
        return errno.EFAULT
    write = vma.vm_flags & (VmFlags.VM_WRITE | VmFlags.VM_SHARED) == VmFlags.VM_WRITE
    return populate_range(task, vma, start, end, write, waits_count)


# ---------------------------------------------------------------- huge pages, which this machine does not have


def hugetlb_mmap(task: TaskStruct, addr: int, length: int, prot: int, flags: int, page: int, offset: int) -> NoReturn:
    """Refuse anonymous memory in huge pages of `page` bytes, as a machine does that has set none aside.

    It comes after all other checks, and what was mapped in the range is gone by then. Raises EINVAL, ENOMEM and what
    the checks raise. Linux: ksys_mmap_pgoff, hugetlb_get_unmapped_area, hugetlbfs_file_mmap, fs/hugetlbfs/inode.c.
    Leaves out: huge pages that are set aside; MAP_NORESERVE, which is ENOMEM here, and only a touch is SIGBUS to Linux.
    """
    mm = mm_of(task)
    pgoff, size = check_request(mm, -(-length // page) * page % U64, offset)
    if size > mm.config.task_size:
        raise fail(errno.ENOMEM, f"{size:#x} bytes do not fit into the address space")
    if flags & (Map.MAP_FIXED | Map.MAP_FIXED_NOREPLACE):
        if addr % page:
            raise fail(errno.EINVAL, f"MAP_FIXED at {addr:#x}: not a multiple of the huge page's size")
        place(mm, addr, size, flags, None, pgoff, False)
    else:
        vm_unmapped_area(mm, size + page - PAGE_SIZE)
    may_lock(task, flags, size)
    file_mmap_ok("file", pgoff, size)
    vm_flags = _type_flags(calc_vm_flags(mm, prot, flags), prot, flags, writable=True)
    if vm_flags & VmFlags.VM_GROWSDOWN:
        raise fail(errno.EINVAL, "memory in huge pages cannot grow downwards")
    if flags & (Map.MAP_FIXED | Map.MAP_FIXED_NOREPLACE) and make_room(task, addr, size, vm_flags)[0]:
        do_munmap(task, addr, size)
    if offset % page:
        raise fail(errno.EINVAL, f"offset {offset:#x} is not a multiple of the huge page's size")
    raise fail(errno.ENOMEM, "MAP_HUGETLB: no huge pages are set aside here")


def huge_page_size(flags: int, file: File | None) -> int:
    """Return the bytes of the huge page that is asked for: 2 MiB or 1 GiB. Raises EINVAL for another, or for a file."""
    if file is not None:
        raise fail(errno.EINVAL, "MAP_HUGETLB: the file is not made of huge pages")
    log = flags >> MAP_HUGE_SHIFT & MAP_HUGE_MASK
    if log not in (0, 21, 30):
        raise fail(errno.EINVAL, f"MAP_HUGETLB: there are no huge pages of 2**{log} bytes")
    return 1 << (log or 21)


# ---------------------------------------------------------------- munmap


def do_munmap(task: TaskStruct, addr: int, length: int) -> None:
    """Remove what is mapped in [addr, addr + length); holes are fine. Raises EINVAL, ENOMEM.

    Areas that reach out of the range are split first. Linux: do_vmi_munmap, mm/vma.c.
    """
    mm = mm_of(task)
    limit = mm.config.task_size
    size = page_align(length)
    if addr % PAGE_SIZE or addr > limit or length > limit - addr or size == 0:
        raise fail(errno.EINVAL, f"munmap({addr:#x}, {length:#x}): not a range of whole pages of user addresses")
    end = addr + size
    doomed = vms_gather_munmap_vmas(mm, addr, end)
    for vma in doomed:
        mm.slots.zap_page_range(vma, vma.vm_start, vma.vm_end)
    drop_guards(mm, addr, end)
    for vma in doomed:
        vma_unlink(vma)
    if doomed:
        free_pgtables(mm, addr, end)


def vms_gather_munmap_vmas(mm: MmStruct, addr: int, end: int) -> list[VmArea]:
    """Return the areas of [addr, end), those that reach out of it split first; raises ENOMEM. Linux: the same name."""
    first = vma_lookup(mm, addr)
    if first is not None and first.vm_start < addr:
        if end < first.vm_end and mm.map_count >= mm.config.max_map_count:
            raise fail(errno.ENOMEM, "splitting the area would make more areas than max_map_count")
        split_vma(first, addr, new_below=True)
    last = vma_lookup(mm, end)
    if last is not None and last.vm_start < end:
        split_vma(last, end, new_below=False)
    return mm.mm_mt.range(addr, end)
