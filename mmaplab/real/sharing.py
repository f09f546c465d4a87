"""Two live processes that share frames: what /proc/PID/smaps says of an area in each of them.

    parent, child = shares_of_two(program, 0x10000000)
    parent["Rss"], parent["Pss"]        -> 16384, 12288     a frame with two users counts half in Pss

Linux: fs/proc/task_mmu.c (smaps_account); proc_pid_smaps(5).
"""

from __future__ import annotations

from collections.abc import Callable

from mmaplab.interface import Process
from mmaplab.real.kernel import LinuxKernel
from mmaplab.real.process import LinuxProcess
from mmaplab.real.procfs import parse_smaps


def shares_of_two(program: Callable[[Process], Process], addr: int) -> list[dict[str, int]]:
    """Run a program that returns its child on the live kernel; what smaps says of both areas at `addr`, in bytes.

    Raises ValueError where the program returns no child, or one of the two has no area there; NotAvailable.
    """
    with LinuxKernel() as kernel:
        parent = kernel.spawn()
        child = program(parent)
        if not isinstance(child, LinuxProcess):
            raise ValueError(f"the program returned {child!r}: let it end with `return c`, the forked child")
        return [sizes_at(process, addr) for process in (parent, child)]


def sizes_at(process: LinuxProcess, addr: int) -> dict[str, int]:
    """Return what smaps says of the area of a live process at `addr`, in bytes; raises ValueError for no area."""
    with open(f"/proc/{process.pid}/smaps", encoding="utf-8", errors="surrogateescape") as file:
        for entry in parse_smaps(file.read()):
            if entry.area.start <= addr < entry.area.end:
                return entry.sizes
    raise ValueError(f"the process {process.pid} has no area at {addr:#x}")
