"""The page faults of the calling thread: how many, and where.

with fault_counts() as n:                        with fault_addresses(m.address, m.length) as f:
    m.array[::4096].sum()                            m.array[::4096].sum()
n.minor, n.major                                 f.pages, f.addresses
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from mmaplab.constants import PAGE_SIZE
from mmaplab.interface import FaultCounts
from mmaplab.real import libc
from mmaplab.real.mapping import FileMapping
from mmaplab.real.own import pagemap
from mmaplab.real.perf import FaultEvent, FaultRing

with contextlib.suppress(ImportError):  # not on every system; who uses it has a live Linux
    import resource


class fault_counts:
    """Counts the page faults of the calling thread in a `with` block: `minor`, `major`.

    getrusage(2) with RUSAGE_THREAD, mm/memory.c: mm_account_fault. Python's own faults are in it: an experiment
    should make many more, or be run once before it is counted. Raises NotAvailable.
    """

    def __init__(self) -> None:
        self._begin: FaultCounts | None = None
        self._end: FaultCounts | None = None

    def __enter__(self) -> Self:
        libc.require_linux()
        self._begin, self._end = _now(), None
        return self

    def __exit__(self, *error: object) -> None:
        self._end = _now()

    @property
    def counts(self) -> FaultCounts:
        """The faults so far, or of the whole block when it has ended; none before it begins."""
        if self._begin is None:
            return FaultCounts(0, 0)
        return (self._end or _now()) - self._begin

    @property
    def minor(self) -> int:
        """Faults that needed no disk."""
        return self.counts.minor

    @property
    def major(self) -> int:
        """Faults that waited for the disk."""
        return self.counts.major


@dataclass(frozen=True, slots=True)
class Touch:
    """One touched page that faulted: its number, and the numbers of the pages that came into the page table."""

    page: int
    mapped: tuple[int, ...]


def faults_of_touches(mapping: FileMapping, pages: Iterable[int] | None = None) -> list[Touch]:
    """Touch pages of a mapping one by one (all of them, in order), and find out which faulted and what they mapped.

    The substitute for `fault_addresses` where perf events are refused: the page table is looked at before and after
    each touch, through /proc/self/pagemap. Raises NotAvailable.
    """
    array = mapping.array
    before = pagemap(mapping)
    found = []
    for page in range(len(before)) if pages is None else pages:
        if before[page]:
            continue
        array[page * PAGE_SIZE].item()
        after = pagemap(mapping)
        found.append(Touch(page, tuple(i for i, here in enumerate(after) if here and not before[i])))
        before = after
    return found


def _now() -> FaultCounts:
    usage = resource.getrusage(resource.RUSAGE_THREAD)
    return FaultCounts(usage.ru_minflt, usage.ru_majflt)


class fault_addresses:
    """Collects the addresses of the calling thread's page faults in a `with` block, while they happen.

    `address` and `length` (bytes) leave out all other faults. `addresses` and `events` grow live: another thread may
    look at them, or call `drain()` for what is new. `pages` counts from `address`. `lost` is how many faults found
    the kernel's ring full (some 21,000 fit between two looks).

    perf_event_open(2), kernel/events/core.c; the event is raised in mm/memory.c: mm_account_fault. Raises NotAvailable
    where the kernel refuses, as in most containers.
    """

    def __init__(self, address: int = 0, length: int | None = None) -> None:
        self.address, self.end = address, 2**64 if length is None else address + length
        self._events: list[FaultEvent] = []
        self._ring: FaultRing | None = None
        self.lost = 0

    def __enter__(self) -> Self:
        self._ring = FaultRing()
        return self

    def __exit__(self, *error: object) -> None:
        if self._ring:
            self._ring.stop()
            self.drain()
            self._ring.close()
            self._ring = None

    def drain(self) -> list[FaultEvent]:
        """Return the faults since the last look, in order; they are kept in `events` too."""
        if self._ring is None:
            return []
        new = [event for event in self._ring.drain() if self.address <= event.addr < self.end]
        self.lost = self._ring.lost
        self._events += new
        return new

    @property
    def events(self) -> list[FaultEvent]:
        """All faults so far, as (addr, 'minor' or 'major')."""
        self.drain()
        return list(self._events)

    @property
    def addresses(self) -> list[int]:
        """The addresses that were touched, in order."""
        return [event.addr for event in self.events]

    @property
    def pages(self) -> list[int]:
        """The pages that were touched, in order, counted from `address`."""
        return [(addr - self.address) // PAGE_SIZE for addr in self.addresses]
