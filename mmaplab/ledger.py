"""The ledger: every number of the course, computed from a trace.

    records --counts--> how often      --copies--> bytes by hop, device and CPU apart
            --faults--> minor, major   --price-->  nanoseconds, by a table that the reader may edit
            --by_span-> the tree of calls, accesses and faults that caused it all

The simulator keeps no statistics; these are folds over `Trace.records[i:j]`. One trace can be priced for another
machine after the run. Units: bytes and nanoseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from mmaplab.interface import FaultCounts
from mmaplab.sim import events as ev
from mmaplab.sim.trace import Record

DEVICE_HOPS = ("dma_in", "dma_out")
"""Copies that the device makes by itself (DMA)."""
CPU_HOPS = ("copy_to_user", "copy_from_user", "cow")
"""Copies that the processor makes."""

HOP_WORDS = {
    "dma_in": "disk to page cache",
    "dma_out": "page cache to disk",
    "copy_to_user": "page cache to the program's buffer",
    "copy_from_user": "the program's buffer to page cache",
    "cow": "page to private copy",
}
"""What each hop is called in pictures and tables."""

Price = float | Callable[[ev.Event], float]
"""Nanoseconds of one event, or a function that computes them from it."""


def _copy_price(event: ev.Event) -> float:
    assert isinstance(event, ev.Copy)
    return 0.0 if event.why in DEVICE_HOPS else event.nbytes / 5.0


def _read_price(event: ev.Event) -> float:
    assert isinstance(event, ev.DiskRead)
    return 53_000 + event.npages * 4096 / 1.4


def _write_price(event: ev.Event) -> float:
    assert isinstance(event, ev.DiskWrite)
    return event.npages * 4096 / 1.4


def _zero_price(event: ev.Event) -> float:
    assert isinstance(event, ev.Zero)
    return event.nbytes / 10.0


COSTS: Mapping[type[ev.Event], Price] = {
    ev.Syscall: 175.0,  # getppid in C
    ev.PageFault: 3_000.0,  # map one page, touch, unmap, less the untouched pair
    ev.SetPte: 100.0,  # one more entry of the same window
    ev.ClearPte: 130.0,  # munmap of a touched file, per page
    ev.Copy: _copy_price,  # 5.0 GB/s from memory; the device's own copies are in the disk's price
    ev.Zero: _zero_price,  # 10 GB/s: chosen, not measured apart
    ev.DiskRead: _read_price,  # 53 us, then 1.4 GB/s
    ev.DiskWrite: _write_price,  # 1.4 GB/s; the wait for it is not in here
}
"""Nanoseconds per event. Measured on Linux 6.18, ext4 on a virtual disk, AMD EPYC, 2 shared cores, November 2026,
except where the line says chosen. They are there to be edited: prices differ between machines, counts do not."""


def counts(records: Iterable[Record]) -> Counter[str]:
    """Return how often each kind of event occurs, by name."""
    return Counter(type(record.event).__name__ for record in records)


def syscalls(records: Iterable[Record], pid: int | None = None) -> Counter[str]:
    """Return how often each system call was made, by all processes or by one."""
    return Counter(r.event.name for r in records if isinstance(r.event, ev.Syscall) and pid in (None, r.event.pid))


def faults(records: Iterable[Record], pid: int | None = None) -> FaultCounts:
    """Return the faults that ended well, minor and major, of all processes or of one."""
    outcomes: Counter[object] = Counter()
    for record in records:
        event = record.event
        if isinstance(event, ev.Done) and event.of == "PageFault" and pid in (None, record.pid):
            outcomes[event.outcome] += 1
    return FaultCounts(outcomes["minor"], outcomes["major"])


def fault_addresses(records: Iterable[Record]) -> list[tuple[int, str]]:
    """Return (address, outcome) of every page fault, in the order in which they ended."""
    open_faults: list[int] = []
    found = []
    for record in records:
        if isinstance(record.event, ev.PageFault):
            open_faults.append(record.event.addr)
        elif isinstance(record.event, ev.Done) and record.event.of == "PageFault" and open_faults:
            found.append((open_faults.pop(), str(record.event.outcome)))
    return found


def copies(records: Iterable[Record]) -> Counter[str]:
    """Return the bytes moved by each hop; see `HOP_WORDS`. `Memory.copy` alone moves bytes, so this is exact."""
    moved: Counter[str] = Counter()
    for record in records:
        if isinstance(record.event, ev.Copy):
            moved[record.event.why] += record.event.nbytes
    return moved


def copy_counts(records: Iterable[Record]) -> Counter[str]:
    """Return how many copies each hop made; a picture draws one thick arrow for each."""
    return Counter(record.event.why for record in records if isinstance(record.event, ev.Copy))


def pages_read(records: Iterable[Record]) -> int:
    """Return the pages that the disk delivered."""
    return sum(r.event.npages for r in records if isinstance(r.event, ev.DiskRead))


def entries_set(records: Iterable[Record]) -> int:
    """Return the page-table entries that came into being (not those that were changed)."""
    return sum(1 for r in records if isinstance(r.event, ev.SetPte) and not r.event.old & 1)


@dataclass(frozen=True)
class Bill:
    """What a piece of a trace cost; bytes, counts, nanoseconds."""

    syscalls: int
    minor: int
    major: int
    device_bytes: int
    cpu_bytes: int
    zeroed_bytes: int
    disk_pages: int
    entries: int
    tlb_flushes: int
    nanoseconds: float

    @property
    def kernel_entries(self) -> int:
        """How often the kernel was entered: system calls and faults."""
        return self.syscalls + self.minor + self.major


def bill_of(records: Iterable[Record], costs: Mapping[type[ev.Event], Price] = COSTS) -> Bill:
    """Return the bill of a piece of a trace."""
    kept = list(records)
    moved, fault = copies(kept), faults(kept)
    return Bill(
        syscalls=sum(syscalls(kept).values()),
        minor=fault.minor,
        major=fault.major,
        device_bytes=sum(moved[hop] for hop in DEVICE_HOPS),
        cpu_bytes=sum(moved[hop] for hop in CPU_HOPS),
        zeroed_bytes=sum(r.event.nbytes for r in kept if isinstance(r.event, ev.Zero)),
        disk_pages=pages_read(kept),
        entries=entries_set(kept),
        tlb_flushes=counts(kept)["TlbFlush"],
        nanoseconds=price(kept, costs),
    )


def price(records: Iterable[Record], costs: Mapping[type[ev.Event], Price] = COSTS) -> float:
    """Return nanoseconds: the sum of the prices of the events; events without a price are free."""
    total = 0.0
    for record in records:
        cost = costs.get(type(record.event), 0.0)
        total += cost(record.event) if callable(cost) else cost
    return total


@dataclass
class SpanNode:
    """One span of a trace: what opened it, how it ended, and the records and spans inside, in order."""

    opened: ev.Event
    outcome: object = None
    records: list[Record] = field(default_factory=list)
    children: list[SpanNode] = field(default_factory=list)


def by_span(records: Iterable[Record]) -> list[SpanNode]:
    """Return the spans of a trace as trees, the outermost first; records outside any span are left out."""
    roots: list[SpanNode] = []
    stack: list[SpanNode] = []
    for record in records:
        event = record.event
        for node in stack:
            node.records.append(record)
        if isinstance(event, ev.Done):
            if stack:
                stack.pop().outcome = event.outcome
        elif isinstance(event, (ev.Syscall, ev.Access, ev.PageFault, ev.KernelWork)):
            node = SpanNode(event, records=[record])
            (stack[-1].children if stack else roots).append(node)
            stack.append(node)
    return roots
