"""Two kernels for random programs: a live one that stays, and for each program a simulator that starts as it does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace

from mmaplab.constants import PAGE_SIZE, Map, Prot
from mmaplab.fuzz.residency import Residency
from mmaplab.fuzz.writer import FileData
from mmaplab.interface import FatalSignal, Kernel, Process
from mmaplab.ledger import fault_addresses
from mmaplab.lockstep import FaultAddress, Lockstep, Side
from mmaplab.sim import Kernel as SimKernel
from mmaplab.sim import KernelConfig
from mmaplab.sim.events import DiskRead, Done, Event, PageFault
from mmaplab.sim.trace import Fields, Span, Trace

FILE_NAMES = ("code", "f0", "f1", "f2", "new")
"""Every name that a random program gives to a file."""


SETTLE_SECONDS = 0.5
"""So long the disk is waited for, where files are cold."""


class Watcher:
    """Looks which pages of a file are in memory, from a live process of its own: it touches nothing."""

    def __init__(self, sim: SimKernel, real: Kernel, path: str, size: int) -> None:
        self.pages = -(-size // PAGE_SIZE)
        self.cache, self.cached = sim.files.lookup(path).i_mapping.i_pages, 0
        self.gave_up = False
        self.process = real.spawn()
        fd = self.process.open(path)
        self.addr = self.process.mmap(0, self.pages * PAGE_SIZE, Prot.PROT_NONE, Map.MAP_SHARED, fd)

    def settle(self) -> None:
        """Wait until the live kernel has read what the simulator has: readahead is under way while the program runs."""
        if self.gave_up or len(self.cache) == self.cached:
            return
        self.cached = len(self.cache)
        predicted, end = self.predicted(), time.monotonic() + SETTLE_SECONDS
        while not self.gave_up and self.process.mincore(self.addr, self.pages * PAGE_SIZE) != predicted:
            time.sleep(0.001)
            self.gave_up = time.monotonic() > end

    def predicted(self) -> list[bool]:
        """Return which pages the simulator has."""
        folios = [self.cache.get(index) for index in range(self.pages)]
        return [folio is not None and folio.uptodate for folio in folios]

    def missing(self) -> list[int]:
        """Return the pages (numbers in the file) that the simulator has and the live kernel has not."""
        there = self.process.mincore(self.addr, self.pages * PAGE_SIZE)
        return [i for i, (ours, here) in enumerate(zip(self.predicted(), there, strict=True)) if ours and not here]

    def close(self) -> None:
        """End the live process."""
        self.process.exit()


class FaultTrace(Trace):
    """A trace that keeps page faults and input from the disk: twice as fast as one that keeps everything."""

    def emit(self, event: Callable[Fields, Event], *args: Fields.args, **kwargs: Fields.kwargs) -> None:
        """Keep input, and how spans end: `span` opens none but those of page faults."""
        kept = event is Done or event is DiskRead
        if kept:
            super().emit(event, *args, **kwargs)

    def span(self, event: Callable[Fields, Event], *args: Fields.args, **kwargs: Fields.kwargs) -> Span:
        """Return a span, which is kept where it is a page fault's."""
        kept = event is PageFault
        return Span(self, event(*args, **kwargs) if kept else None)


class TraceReader:
    """Reads from the trace, by address, the faults since the last time, and whether the disk was read."""

    def __init__(self, sim: SimKernel) -> None:
        self.records, self.read, self.looked = sim.trace.records, 0, 0

    def has_read(self) -> bool:
        """Has the disk been read since the last call? The live kernel may be at it still."""
        new, self.looked = self.records[self.looked :], len(self.records)
        return any(isinstance(record.event, DiskRead) for record in new)

    def new_faults(self, process: Process) -> list[FaultAddress]:
        """Return the completed faults since the last call."""
        if len(self.records) == self.read:
            return []
        new, self.read = self.records[self.read :], len(self.records)
        return [(addr, kind) for addr, kind in fault_addresses(new) if kind in ("minor", "major")]


def tells_addresses(process: Process) -> bool:
    """Does the live kernel tell faults by address (perf events)?"""
    return fault_events(process) is not None


def fault_events(process: Process) -> list[FaultAddress] | None:
    """Return the live faults of a process since the last call, None where perf events are refused."""
    events = getattr(process, "fault_events", lambda: None)()
    return None if events is None else [(event.addr, event.kind) for event in events]


class Pair:
    """A kernel that is compared, and the configuration with which simulators predict it."""

    def __init__(self, real: Kernel, config: KernelConfig) -> None:
        self.real, self.config = real, config
        self._janitor = real.spawn()

    def __enter__(self) -> Pair:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the live kernel."""
        self.real.close()

    @contextmanager
    def fresh(self, files: Mapping[str, FileData], warm: bool = True, trace: bool = False) -> Iterator[Lockstep]:
        """Make the files and a process on both sides, for one program; afterwards the live side is emptied."""
        process = self.real.spawn()
        by_address = tells_addresses(process)
        sim = SimKernel(self.config_for(process), record=trace or FaultTrace())
        for path, data in files.items():
            for kernel in (sim, self.real):
                kernel.create_file(path, data.bytes(), warm=warm)
        reader = TraceReader(sim)
        seen = (reader.new_faults, fault_events) if by_address else (None, None)
        lockstep = Lockstep(Side(sim, sim.spawn(), seen[0]), Side(self.real, process, seen[1]))
        lockstep.cold, lockstep.has_read = not warm, reader.has_read
        cold = {path: data.size for path, data in files.items() if data.size and not warm}
        watchers = {path: Watcher(sim, self.real, path, size) for path, size in cold.items()}
        lockstep.watchers += watchers.values()
        missing = {path: watcher.missing for path, watcher in watchers.items()}
        lockstep.looks.append(Residency(lockstep, missing).compare)
        try:
            yield lockstep
        finally:
            for watcher in lockstep.watchers:
                watcher.close()
            self.empty(lockstep.real)

    def config_for(self, process: Process) -> KernelConfig:
        """Return the configuration of a simulator whose first process starts as this live one."""
        base = getattr(process, "mmap_base", self.config.mmap_base)
        return replace(self.config, mmap_base=base, start_brk=process.brk(0))

    def empty(self, side: Side | None) -> None:
        """End the live processes of a program and remove its files."""
        for process in (side.living() if side else {}).values():
            with suppress(OSError, FatalSignal):
                process.exit()
        for path in FILE_NAMES:
            with suppress(FileNotFoundError):
                self._janitor.unlink(path)
