"""What stands behind a live process: a worker that makes its system calls and touches its memory.

There are two kinds: machine code in an emptied process (`native`), and Python (`scripted`). Both obey this protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mmaplab.interface import FaultCounts, MapsEntry
from mmaplab.lab import NotAvailable
from mmaplab.real import procfs


class WorkerDied(NotAvailable):
    """A live process ended by itself: killed, out of memory, or by its own doing. The kernel object stays usable.

    An experiment that meets it shows its recorded result (`mmaplab.lab`).
    """


def died(pid: int) -> WorkerDied:
    """Return the error for a live process that is gone."""
    return WorkerDied(f"the live process {pid} has ended. Start a new one with kernel.spawn()")


class WorkerHung(NotAvailable):
    """A live process did not answer in time and was ended. The kernel object stays usable."""


@dataclass
class Out:
    """A place for `size` bytes that a system call fills; afterwards `data` holds them."""

    size: int
    data: bytes = b""


Argument = int | bytes | Out
"""What a system call takes: a number, bytes to be pointed at, or a place for bytes."""


@dataclass
class Household:
    """What all workers of one kernel have in common: seconds that one call may take, and who is alive, by pid."""

    time_limit: float
    workers: dict[int, Worker] = field(default_factory=dict)


class Worker(Protocol):
    """One live process, as the driver sees it. Raises WorkerDied, WorkerHung."""

    pid: int
    exact_faults: bool
    """Whether `faults` is exact: no fault of the worker itself is in it."""
    touches_in_kernel: bool
    """Whether loads and stores are made by the kernel on the program's behalf, not by the process itself."""

    def syscall(self, name: str, *args: Argument) -> int:
        """Make a system call; returns its result, or a negative errno."""

    def load(self, addr: int, n: int) -> bytes:
        """Load `n` bytes; raises FatalSignal."""

    def store(self, addr: int, data: bytes) -> None:
        """Store bytes; raises FatalSignal."""

    def execute(self, addr: int) -> None:
        """Call the return instruction at `addr`; raises FatalSignal."""

    def fork(self) -> Worker:
        """Return the worker of a new child; raises OSError."""

    def exit(self, status: int) -> None:
        """End the process and wait until it is gone."""

    def kill(self) -> None:
        """End the process at once; no error if it is gone."""

    def faults(self) -> FaultCounts:
        """Return the faults of the program since the process began."""

    def own_areas(self, entries: Sequence[MapsEntry]) -> list[MapsEntry]:
        """Return the areas of the program out of all areas of the process."""

    def is_own(self, addr: int, length: int) -> bool:
        """Return whether a range holds memory that the worker itself needs."""

    def check_range(self, addr: int, length: int) -> None:
        """Raise ValueError where a range holds memory that the worker itself needs."""

    def outside(self, addr: int, length: int) -> list[tuple[int, int]]:
        """Return the parts of a range, as (address, length), that hold no memory of the worker: mostly the whole."""

    def address_space_bytes(self) -> int:
        """Return how many bytes of the process's address space are not the program's; RLIMIT_AS counts them."""


def alive(pid: int) -> bool:
    """Return whether a process exists and is no zombie; /proc/PID/stat."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


def areas_of(pid: int) -> list[MapsEntry]:
    """Return every area of a live process, the worker's too; raises WorkerDied. Of a zombie there are none."""
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as file:
            text = file.read()
    except (FileNotFoundError, ProcessLookupError):
        raise died(pid) from None
    if not text:
        raise died(pid)
    return procfs.parse_maps(text)


def pages_of(pid: int, first: int, count: int) -> list[procfs.PageEntry]:
    """Return `count` page-table entries of a live process, from page number `first`; raises WorkerDied."""
    try:
        with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as file:
            file.seek(first * 8)
            data = file.read(count * 8) or b""
    except (FileNotFoundError, ProcessLookupError):
        raise died(pid) from None
    if count and not data and not alive(pid):
        raise died(pid)
    return procfs.parse_pagemap(data)


def overlap(a: int, a_length: int, b: int, b_length: int) -> bool:
    """Return whether two ranges share a byte."""
    return a < b + b_length and b < a + a_length
