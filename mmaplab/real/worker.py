"""What stands behind a live process: a worker that makes its system calls and touches its memory.

There are two kinds: machine code in an emptied process (`native`), and Python (`scripted`). Both obey this protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mmaplab.interface import FaultCounts, MapsEntry


class WorkerDied(RuntimeError):
    """A live process ended by itself: killed, out of memory, or by its own doing. The kernel object stays usable."""


class WorkerHung(RuntimeError):
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


def overlap(a: int, a_length: int, b: int, b_length: int) -> bool:
    """Return whether two ranges share a byte."""
    return a < b + b_length and b < a + a_length
