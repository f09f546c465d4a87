"""Time: the kernel's own threads that write to the disk.

    flusher      wakes every 5 s, and writes the files whose oldest dirty page is 30 s old       age
                 wakes when more than `dirty_background_bytes` are dirty, and writes until less  amount
    journal      commits names, sizes and new blocks 5 s after the first change
    a writer     that has made so much dirty that the flusher cannot follow waits for it        (balance_dirty_pages)

A program's calls take no time here: it passes in `Kernel.tick`, and the threads run then. Only a writer that has to
wait lets the flusher run inside its call.

Linux: fs/fs-writeback.c (wb_workfn, wb_check_old_data_flush, wb_check_background_flush), mm/page-writeback.c
(domain_dirty_limits, balance_dirty_pages), fs/jbd2/journal.c (kjournald2). Leaves out: the speed of the device, by
which Linux measures how long a writer waits; limits of single devices and cgroups; one file written in chunks.
"""

from __future__ import annotations

import math

from mmaplab.constants import PAGE_SIZE
from mmaplab.sim.config import KernelConfig
from mmaplab.sim.events import Clock, KernelWork
from mmaplab.sim.inode import Inode, SuperBlock
from mmaplab.sim.mm_types import Machine
from mmaplab.sim.writeback import jbd2_commit

MAX_PAUSED = 32
"""The most pages that are made dirty before a writer looks at the limits again (nr_dirtied_pause)."""


def pass_time(machine: Machine, sb: SuperBlock, seconds: float) -> None:
    """Let seconds pass, and the threads run when they wake up."""
    end = machine.now + seconds
    wb_check_background_flush(machine, sb)
    while (wake := next_wake(machine, sb)) <= end:
        is_flusher = wake == next_flush(machine)
        set_clock(machine, wake)
        if is_flusher:
            wb_check_old_data_flush(machine, sb)
            wb_check_background_flush(machine, sb)
        if sb.disk.commit_at is not None and sb.disk.commit_at <= wake:
            kjournald(machine, sb)
    set_clock(machine, end)


def set_clock(machine: Machine, now: float) -> None:
    """Set the time, in seconds since boot."""
    if now != machine.now:
        machine.now = now
        machine.trace.emit(Clock, now)


def next_flush(machine: Machine) -> float:
    """Return when the flusher wakes up next. Linux: dirty_writeback_centisecs."""
    step = machine.config.flush_tick_seconds
    return (machine.now // step + 1) * step


def next_wake(machine: Machine, sb: SuperBlock) -> float:
    """Return when the next thread has something to do; never, where nothing is dirty and nothing to be committed.

    The journal's clock starts with the first change: Linux, jbd2_get_transaction.
    """
    disk = sb.disk
    if not disk.transaction:
        disk.commit_at = None
    elif disk.commit_at is None:
        disk.commit_at = machine.now + machine.config.commit_seconds
    flush = next_flush(machine) if sb.s_dirty else math.inf
    return min(flush, math.inf if disk.commit_at is None else disk.commit_at)


# ---------------------------------------------------------------- the threads


def wb_check_old_data_flush(machine: Machine, sb: SuperBlock) -> None:
    """Write the files whose oldest dirty page is older than dirty_expire. Linux: the same name."""
    oldest = machine.now - machine.config.dirty_expire_seconds
    aged = [f.mapping.host for f in sb.s_dirty if f.dirtied_at <= oldest]
    for inode in dict.fromkeys(aged):
        writeback(machine, inode, "flusher")


def wb_check_background_flush(machine: Machine, sb: SuperBlock, why: str = "flusher") -> None:
    """Write files, the one that became dirty first before the others, until less than the background limit is dirty.

    Linux: wb_check_background_flush, wb_over_bg_thresh.
    """
    background, _ = dirty_limits(machine.config, sb)
    for inode in dict.fromkeys(folio.mapping.host for folio in sb.s_dirty):
        if sb.nr_dirty > background:
            writeback(machine, inode, why)


def writeback(machine: Machine, inode: Inode, why: str) -> None:
    """Have the flusher write one file. Linux: writeback_single_inode."""
    current, machine.trace.pid = machine.trace.pid, 0
    with machine.trace.span(KernelWork, "flusher"):
        machine.slots.do_writepages(inode.i_mapping, 0, None, why)
    machine.trace.pid = current


def kjournald(machine: Machine, sb: SuperBlock) -> None:
    """Commit the running transaction: its time has come. Linux: kjournald2, fs/jbd2/journal.c."""
    machine.trace.pid = 0
    with machine.trace.span(KernelWork, "journal"):
        jbd2_commit(sb)


# ---------------------------------------------------------------- the limits


def dirty_limits(config: KernelConfig, sb: SuperBlock) -> tuple[float, float]:
    """Return how many pages may be dirty: before the flusher wakes up, and before writers wait.

    Without a size of the memory and without limits of its own, a machine has none. Linux: domain_dirty_limits.
    """
    memory = sb.memory
    available = math.inf if memory.limit is None else memory.limit - memory.used + sb.pages_in_use
    limit = _pages(config.dirty_bytes, config.dirty_ratio, available)
    background = _pages(config.dirty_background_bytes, config.dirty_background_ratio, available)
    if background >= limit:
        background = limit if limit == math.inf else limit // 2
    return background, limit


def _pages(nbytes: int | None, ratio: int, available: float) -> float:
    if nbytes is not None:
        return -(-nbytes // PAGE_SIZE)
    return available if available == math.inf else int(available) * ratio // 100


def balance_dirty_pages(machine: Machine, sb: SuperBlock) -> None:
    """Let a writer wait for the flusher, where more is dirty than the mean of the two limits.

    Linux: balance_dirty_pages, dirty_freerun_ceiling, mm/page-writeback.c.
    """
    background, limit = dirty_limits(machine.config, sb)
    if sb.nr_dirty > (background + limit) / 2:
        wb_check_background_flush(machine, sb, "balance")
    sb.ratelimit_pages = dirty_poll_interval(limit - sb.nr_dirty)


def dirty_poll_interval(room: float) -> int:
    """Return after how many more dirty pages a writer looks again: seldom while there is room. Linux: the same name."""
    if room < 1:
        return 1
    return MAX_PAUSED if room >= MAX_PAUSED**2 else 1 << (int(room).bit_length() - 1 >> 1)
