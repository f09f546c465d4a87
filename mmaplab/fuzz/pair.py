"""Two kernels for random programs: a live one that stays, and for each program a simulator that starts as it does."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace

from mmaplab.constants import PAGE_SIZE, Map, Prot
from mmaplab.fuzz.writer import FileData
from mmaplab.interface import FatalSignal, Kernel, Process
from mmaplab.ledger import fault_addresses
from mmaplab.lockstep import FaultAddress, Lockstep, Side
from mmaplab.sim import Kernel as SimKernel
from mmaplab.sim import KernelConfig

FILE_NAMES = ("code", "f0", "f1", "f2", "new")
"""Every name that a random program gives to a file."""


SETTLE_SECONDS = 0.5
"""So long the disk is waited for, where files are cold."""


class Watcher:
    """Looks which pages of a file are in memory, from a process of its own on each side: it touches nothing."""

    def __init__(self, kernels: tuple[Kernel, Kernel], path: str, size: int) -> None:
        self.length = -(-size // PAGE_SIZE) * PAGE_SIZE
        self.gave_up = False
        self.sides = []
        for kernel in kernels:
            process = kernel.spawn()
            self.sides.append(
                (process, process.mmap(0, self.length, Prot.PROT_NONE, Map.MAP_SHARED, process.open(path)))
            )

    def settle(self) -> None:
        """Wait until the live kernel has read what the simulator has: readahead is under way while the program runs."""
        (sim, here), (real, there) = self.sides
        predicted, end = sim.mincore(here, self.length), time.monotonic() + SETTLE_SECONDS
        while not self.gave_up and real.mincore(there, self.length) != predicted:
            time.sleep(0.001)
            self.gave_up = time.monotonic() > end

    def close(self) -> None:
        """End the live process."""
        self.sides[1][0].exit()


class TraceReader:
    """Reads from the trace, by address, the faults since the last time."""

    def __init__(self, sim: SimKernel) -> None:
        self.records, self.read = sim.trace.records, 0

    def new_faults(self, process: Process) -> list[FaultAddress]:
        """Return the completed faults since the last call."""
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
        sim = SimKernel(self.config_for(process), record=trace or by_address)
        for path, data in files.items():
            for kernel in (sim, self.real):
                kernel.create_file(path, data.bytes(), warm=warm)
        seen = (TraceReader(sim).new_faults, fault_events) if by_address else (None, None)
        lockstep = Lockstep(Side(sim, sim.spawn(), seen[0]), Side(self.real, process, seen[1]))
        lockstep.cold = not warm
        if not warm:
            lockstep.watchers += [Watcher((sim, self.real), path, data.size) for path, data in files.items()]
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
