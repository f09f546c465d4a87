"""What a box uses: the processor time and the memory of all its processes, and how busy this machine is.

    meter = Meter(pid, cpu_seconds=10, memory_bytes=2 << 30)
    meter.complaint(first=True)      '' and from now on the processor time counts
    meter.complaint(first=False)     '', or "it used up its processor time"

The kernel's limits hold for one process each; an answer that forks has them many times. Linux's proc(5) only.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

PPID, TIMES = 1, slice(11, 15)
"""Fields of /proc/PID/stat behind the command's name: the parent; own times, and those of children that ended."""
MOST_BUSY = 8.0
LEAST_PAUSE, SHARE = 0.1, 20
"""Seconds between two looks, and how much longer than the look itself."""


def busy() -> float:
    """Return how much longer work takes here now than on an idle machine: 1 to 8; getloadavg(3)."""
    try:
        return min(MOST_BUSY, max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)))
    except OSError:
        return 1.0


@dataclass
class Meter:
    """Looks at a process and all those below it, and complains where they use too much together."""

    pid: int
    cpu_seconds: float
    memory_bytes: int
    pause: float = LEAST_PAUSE
    """Seconds until it is worth while to look again."""
    _before: float = field(default=0.0, repr=False)

    def complaint(self, first: bool) -> str:
        """Return what they use too much of, '' for nothing; the time counts from the `first` look on."""
        began = time.monotonic()
        below = processes_below(self.pid)
        spent = sum(below.values())
        memory = sum(map(memory_of, below))
        self.pause = max(LEAST_PAUSE, SHARE * (time.monotonic() - began))
        if first:
            self._before = spent
        if spent - self._before > self.cpu_seconds:
            return "it used up its processor time"
        if memory > self.memory_bytes:
            return f"its processes used more than {self.memory_bytes >> 20} MiB of memory together"
        return ""


def processes_below(pid: int) -> dict[int, float]:
    """Return the seconds of processor time of a process and of all those below it."""
    parents, seconds = {}, {}
    ticks = os.sysconf("SC_CLK_TCK")
    for entry in os.scandir("/proc") if Path("/proc").is_dir() else ():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError), open(f"{entry.path}/stat", "rb", 0) as stat:
                fields = stat.read(1024).rpartition(b")")[2].split()
                parents[int(entry.name)] = int(fields[PPID])
                seconds[int(entry.name)] = sum(map(int, fields[TIMES])) / ticks
    found, new = {}, [pid] if pid in seconds else []
    while new:
        found.update({one: seconds[one] for one in new})
        new = [child for child, parent in parents.items() if parent in new and child not in found]
    return found


def memory_of(pid: int) -> int:
    """Return the bytes of memory that a process has, of what it shares only its part; 0 where it is gone."""
    for file, names in (("smaps_rollup", (b"Pss:",)), ("status", (b"RssAnon:", b"RssShmem:"))):
        with contextlib.suppress(OSError, ValueError), open(f"/proc/{pid}/{file}", "rb") as lines:
            sizes = [int(line.split()[1]) << 10 for line in lines if line.startswith(names)]
            if sizes:
                return sum(sizes)
    return 0
