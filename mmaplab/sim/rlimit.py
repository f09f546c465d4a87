"""Resource limits: what a process may have of each kind.

Linux: kernel/sys.c (do_prlimit), include/asm-generic/resource.h. Of the 16 limits, RLIMIT_AS, RLIMIT_DATA,
RLIMIT_STACK, RLIMIT_MEMLOCK, RLIMIT_FSIZE and RLIMIT_NOFILE have an effect here.
"""

from __future__ import annotations

import errno

from mmaplab.constants import PAGE_SHIFT, PAGE_SIZE, RLIM_INFINITY, Rlimit, VmFlags
from mmaplab.sim.config import KernelConfig
from mmaplab.sim.mm_types import MmStruct, TaskStruct, is_data_mapping

NR_OPEN = 1 << 20
"""The hard limit of RLIMIT_NOFILE."""


def default_limits(config: KernelConfig) -> dict[int, int]:
    """Return the resource limits of a new process: bytes, or what each limit counts."""
    limits = dict.fromkeys(map(int, Rlimit), RLIM_INFINITY)
    limits[Rlimit.RLIMIT_AS] = config.rlimit_as
    limits[Rlimit.RLIMIT_DATA] = config.rlimit_data
    limits[Rlimit.RLIMIT_STACK] = config.rlimit_stack
    limits[Rlimit.RLIMIT_MEMLOCK] = config.rlimit_memlock
    limits[Rlimit.RLIMIT_NOFILE] = NR_OPEN
    limits[Rlimit.RLIMIT_NICE] = limits[Rlimit.RLIMIT_RTPRIO] = 0
    return limits


def hard_limit(config: KernelConfig, resource: int) -> int:
    """Return the most that the soft limit can be set to."""
    stays_low = (Rlimit.RLIMIT_MEMLOCK, Rlimit.RLIMIT_NOFILE, Rlimit.RLIMIT_NICE, Rlimit.RLIMIT_RTPRIO)
    return default_limits(config)[resource] if resource in stays_low else RLIM_INFINITY


def do_prlimit(task: TaskStruct, config: KernelConfig, resource: int, limit: int) -> None:
    """Set a soft limit; raises EINVAL for a resource that does not exist, or a limit above the hard one.

    The limit holds for what comes, never for what the process has. Linux: do_prlimit, kernel/sys.c.
    Leaves out: the effect of RLIMIT_CORE, RLIMIT_CPU, RLIMIT_LOCKS, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_NPROC,
    RLIMIT_RSS, RLIMIT_RTPRIO, RLIMIT_RTTIME and RLIMIT_SIGPENDING; EFAULT; and, since only the soft limit of the
    process itself is set: EPERM raising the hard limit, EPERM above nr_open, EPERM another process, ESRCH.
    """
    if resource not in set(Rlimit):
        raise OSError(errno.EINVAL, f"no resource has the number {resource}")
    if limit > hard_limit(config, resource):
        raise OSError(errno.EINVAL, f"{limit} is above the hard limit of {Rlimit(resource).name}")
    task.rlimits[resource] = limit


# ---------------------------------------------------------------- asked before areas grow


def may_expand_vm(task: TaskStruct, flags: VmFlags, size: int) -> None:
    """Raise ENOMEM if the limits on address space or on data forbid `size` bytes more. Linux: may_expand_vm.

    A soft RLIMIT_DATA of 0 forbids nothing that the hard one allows: Valgrind sets it ("Workaround for Valgrind").
    """
    mm, limits, pages = task.mm, task.rlimits, size >> PAGE_SHIFT
    assert mm is not None, "a task that has exited asks for no memory"
    if mm.total_vm + pages > limits[Rlimit.RLIMIT_AS] >> PAGE_SHIFT:
        raise OSError(errno.ENOMEM, f"RLIMIT_AS allows {limits[Rlimit.RLIMIT_AS]} bytes of address space")
    allowed = limits[Rlimit.RLIMIT_DATA] or hard_limit(mm.config, Rlimit.RLIMIT_DATA)
    if is_data_mapping(flags) and mm.data_vm + pages > allowed >> PAGE_SHIFT:
        raise OSError(errno.ENOMEM, f"RLIMIT_DATA allows {allowed} bytes of data")


def vm_enough_memory(mm: MmStruct, size: int) -> None:
    """Raise ENOMEM for a promise that the machine could not keep at all. Linux: __vm_enough_memory, mm/util.c.

    It is asked for `size` bytes more, and does not look at what was promised before (overcommit_memory 0).
    Leaves out: strict accounting (overcommit_memory 2).
    """
    if mm.config.overcommit_memory == 0 and size > mm.config.commit_limit_bytes:
        raise OSError(errno.ENOMEM, f"{size:#x} bytes of private memory are more than the machine has")


def acct_stack_growth(task: TaskStruct, flags: VmFlags, size: int, grow: int) -> None:
    """Raise ENOMEM or EAGAIN if the limits forbid a stack of `size` bytes, `grow` more than it had.

    Linux: acct_stack_growth, mm/vma.c.
    """
    may_expand_vm(task, flags, grow)
    if size > task.rlimits[Rlimit.RLIMIT_STACK]:
        raise OSError(errno.ENOMEM, f"RLIMIT_STACK allows {task.rlimits[Rlimit.RLIMIT_STACK]} bytes")
    mlock_future_ok(task, flags, grow)
    if task.mm is not None:
        vm_enough_memory(task.mm, grow)


def can_do_mlock(task: TaskStruct) -> None:
    """Raise EPERM where the process may lock nothing at all. Linux: can_do_mlock, mm/mlock.c."""
    assert task.mm is not None, "a task that has exited locks no memory"
    if task.rlimits[Rlimit.RLIMIT_MEMLOCK] == 0 and not task.mm.config.cap_ipc_lock:
        raise OSError(errno.EPERM, "RLIMIT_MEMLOCK is 0")


def mlock_future_ok(task: TaskStruct, flags: VmFlags, size: int) -> None:
    """Raise EAGAIN where an area with these flags would lock more than is allowed, with `size` bytes more.

    Linux: mlock_future_ok, mm/mmap.c.
    """
    mm, limit = task.mm, task.rlimits[Rlimit.RLIMIT_MEMLOCK]
    assert mm is not None, "a task that has exited locks no memory"
    if not flags & VmFlags.VM_LOCKED or mm.config.cap_ipc_lock:
        return
    if mm.locked_vm * PAGE_SIZE + size > limit:
        raise OSError(errno.EAGAIN, f"RLIMIT_MEMLOCK allows {limit} bytes")
