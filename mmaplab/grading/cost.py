"""What a program costs and what it leaves: made again on a kernel of the grader's own, call by call, and counted there.

run = run_again(scenario)
measure(run, "minor")             -> 10           minor faults
measure(run, "calls:msync")       -> 1            a measure may have an argument
measure(run, "disk:f:4096")       -> 122          what would be there after a power failure

All counts are folds over the trace of that kernel; see `mmaplab.ledger`.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from mmaplab import ledger
from mmaplab.calls import Call, Outcome, perform, resolve
from mmaplab.constants import PAGE_SIZE, Sig
from mmaplab.grading.observe import kernel_for
from mmaplab.grading.programs import Scenario, pages
from mmaplab.interface import FatalSignal, Process
from mmaplab.outcomes import crash_outcomes
from mmaplab.pte import pte_pfn, pte_present
from mmaplab.sim import Kernel
from mmaplab.sim.events import FileCreate, VmaLink
from mmaplab.sim.memory import Page
from mmaplab.sim.process import Process as SimulatedProcess
from mmaplab.sim.trace import Record

ACCESSES = ("load", "store", "execute")
QUESTIONS = ("maps", "faults", "mincore")
"""Calls that only ask; they are not charged."""


@dataclass(frozen=True)
class Run:
    """A program that was made again: the kernel it has left, what each call gave, and the trace of the calls."""

    scenario: Scenario
    kernel: Kernel
    names: dict[str, object]
    outcomes: tuple[Outcome, ...]
    records: tuple[Record, ...]
    pages_read: frozenset[tuple[str, int]]

    def ended_with(self, wanted: str) -> int:
        """Return how many calls ended with an errno, a signal or an si_code of this name."""
        return sum(wanted in _ending(outcome) for outcome in self.outcomes)


def run_again(scenario: Scenario) -> Run:
    """Run the program on a simulated kernel of its own. Calls that fail are made all the same."""
    kernel = kernel_for(scenario, {}, trace=True)
    names: dict[str, object] = {"p": kernel.spawn()}
    start = len(kernel.trace.records)
    outcomes, read = [], set[tuple[str, int]]()
    for call in scenario.calls:
        outcomes.append(perform(call, names))
        if call.name == "load" and outcomes[-1].ok:
            read |= pages_of_load(call, names)
    records = tuple(kernel.trace.records[start:])
    return Run(scenario, kernel, names, tuple(outcomes), records, frozenset(read))


def measure(run: Run, name: str) -> int:
    """Return one measure of a run; raises ValueError for a name that MEASURES does not have."""
    key, _, argument = name.partition(":")
    if key not in MEASURES or bool(argument) != ("{" in MEASURES[key][0]):
        raise ValueError(f"there is no measure {name!r}; there are {', '.join(MEASURES)}")
    return MEASURES[key][1](run, argument)


def measure_words(name: str) -> str:
    """Return what a measure counts, in words."""
    key, _, argument = name.partition(":")
    return MEASURES[key][0].format(argument.partition(":")[0], argument.partition(":")[2])


def _ending(outcome: Outcome) -> tuple[str, ...]:
    """Return the names of the errno, or of the signal and its si_code, that ended a call; () for none."""
    if isinstance(outcome.error, FatalSignal):
        return (Sig(outcome.error.signo).name, outcome.error.code_name)
    return (errno.errorcode.get(outcome.error.errno or 0, ""),) if isinstance(outcome.error, OSError) else ()


def _system_calls(run: Run, _: str) -> int:
    return sum(call.name not in ACCESSES + QUESTIONS for call in run.scenario.calls)


def _copied(*hops: str) -> Callable[[Run, str], int]:
    return lambda run, _: sum(ledger.copies(run.records)[hop] for hop in hops)


def _areas(run: Run, who: str) -> int:
    return len(cast(Process, run.names[who]).maps()) if who in run.names else 0


def _rights(run: Run, where: str) -> int:
    """Return what may be done at `process:address`, as the sum of PROT_READ, PROT_WRITE, PROT_EXEC; -1 in no area."""
    perms = _perms(run, where)
    return sum(1 << bit for bit, letter in enumerate("rwx") if letter in perms) if perms else -1


def _shared(run: Run, where: str) -> int:
    """Return 1 where the area at `process:address` is shared, 0 where it is private, -1 in no area."""
    perms = _perms(run, where)
    return int("s" in perms) if perms else -1


def _perms(run: Run, where: str) -> str:
    """Return the four letters of the area at `process:address`; '' in no area."""
    who, _, address = where.partition(":")
    areas = cast(Process, run.names[who]).maps() if who in run.names else ()
    return next((area.perms for area in areas if area.start <= int(address, 0) < area.end), "")


def _users(run: Run, where: str) -> int:
    """Return how many entries, of all processes, lead to the frame of `process:address`; 0 where there is no frame."""
    page = _frame(run, where)
    return page.mapcount if page else 0


def _held(run: Run, where: str) -> int:
    """Return the byte that the frame of `process:address` holds; -1 where there is no frame."""
    page = _frame(run, where)
    return page.data[int(where.partition(":")[2], 0) % PAGE_SIZE] if page else -1


def _frame(run: Run, where: str) -> Page | None:
    """Return the frame that the entry of `process:address` leads to at the end; it asks no fault for one."""
    who, _, address = where.partition(":")
    process = run.names.get(who)
    pte = process.mm.pgd.get_pte(int(address, 0)) if isinstance(process, SimulatedProcess) else 0
    return run.kernel.memory.pages[pte_pfn(pte)] if pte_present(pte) else None


def _byte(run: Run, where: str) -> int:
    return _at(run.kernel.file_bytes, where)


def _durable_byte(run: Run, where: str) -> int:
    return _at(run.kernel.disk_bytes, where)


def _at(file: Callable[[str], bytes], where: str) -> int:
    """Return the byte at `path:offset`; -1 behind the file's end, and where there is no such file any more."""
    path, _, offset = where.partition(":")
    with suppress(OSError):
        data = file(path)
        return data[int(offset)] if int(offset) < len(data) else -1
    return -1


def _loaded(run: Run, where: str) -> int:
    path, _, page = where.partition(":")
    return int((path, int(page)) in run.pages_read)


def _early(run: Run, where: str) -> int:
    """Return how many contents that a crash may leave have `path:first:second` new at the second offset only."""
    path, first, second = where.split(":")
    files = {file.path: pages(file.npages) for file in run.scenario.files}

    def program(p: Process) -> None:
        names: dict[str, object] = {"p": p}
        for call in run.scenario.calls:
            perform(call, names)

    old = files[path]
    left = [outcome.contents.get(path, b"") for outcome in crash_outcomes(program, files=files)]
    return sum(
        found[int(second) :][:1] != old[int(second) :][:1] and found[int(first) :][:1] == old[int(first) :][:1]
        for found in left
    )


def _size(run: Run, path: str) -> int:
    with suppress(OSError):
        return len(run.kernel.file_bytes(path))
    return -1


MEASURES: dict[str, tuple[str, Callable[[Run, str], int]]] = {
    "minor": ("minor faults", lambda run, _: ledger.faults(run.records).minor),
    "major": ("major faults", lambda run, _: ledger.faults(run.records).major),
    "system_calls": ("system calls", _system_calls),
    "calls": ("calls of {}", lambda run, name: sum(call.name == name for call in run.scenario.calls)),
    "syncs": ("calls of msync and fsync", lambda run, _: sum(c.name in ("msync", "fsync") for c in run.scenario.calls)),
    "accesses": ("loads and stores", lambda run, _: sum(call.name in ACCESSES for call in run.scenario.calls)),
    "pages_read": ("different file pages loaded from", lambda run, _: len(run.pages_read)),
    "loaded": ("whether the program has loaded from file {}, page {}", _loaded),
    "cpu_copied": ("bytes copied by the processor", _copied(*ledger.CPU_HOPS)),
    "device_copied": ("bytes copied by the device", _copied(*ledger.DEVICE_HOPS)),
    "cow": ("bytes copied from a page to a private copy", _copied("cow")),
    "zeroed": ("bytes filled with zeros", lambda run, _: ledger.bill_of(run.records).zeroed_bytes),
    "disk_read": ("pages read from the disk", lambda run, _: ledger.pages_read(run.records)),
    "disk_written": ("bytes written to the disk", _copied("dma_out")),
    "entries": ("page-table entries made", lambda run, _: ledger.entries_set(run.records)),
    "areas_made": ("areas made", lambda run, _: sum(isinstance(r.event, VmaLink) for r in run.records)),
    "files_made": ("files made", lambda run, _: sum(isinstance(r.event, FileCreate) for r in run.records)),
    "areas": ("areas that {} has at the end", _areas),
    "rights": ("the rights that {} has at {} (-1: no area is there)", _rights),
    "shared": ("whether the area that {} has at {} is shared (1) or private (0; -1: no area is there)", _shared),
    "users": ("the entries that lead to the frame that {} has at {} at the end", _users),
    "held": ("the byte that {} has at {} at the end (-1: no page is there)", _held),
    "ended": ("calls that ended with {}", lambda run, name: run.ended_with(name)),
    "byte": ("the byte of file {} at {}", _byte),
    "disk": ("the byte of file {} at {} on the disk", _durable_byte),
    "early": ("contents of file {} after a crash that are new at the second, but old at the first, of {}", _early),
    "size": ("the size of file {}", _size),
}
"""What a budget may name: its words, and how it is computed. A {} in the words is the argument behind the colon."""


def pages_of_load(call: Call, names: dict[str, object]) -> set[tuple[str, int]]:
    """Return the file pages, as (path, page), that a load has touched."""
    process = cast(Process, names[call.who])
    addr, nbytes = (cast(int, resolve(arg, names)) for arg in call.args)
    pages = set()
    for entry in process.maps():
        for start in range(max(addr, entry.start) & -PAGE_SIZE, min(addr + nbytes, entry.end), PAGE_SIZE):
            if entry.path:
                pages.add((entry.path.rpartition("/")[2], (start - entry.start + entry.offset) // PAGE_SIZE))
    return pages
