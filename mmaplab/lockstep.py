"""Two kernels moved by the same calls, each call compared before the next one is made.

What is not compared, or not exactly, is listed in `mmaplab.freedoms.FREEDOMS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, cast

from mmaplab.calls import LAYOUT_CALLS, Call, Name, Outcome, call_text, outcome_text, perform
from mmaplab.explain import both_maps_text, both_tables_text, count_text, events_text
from mmaplab.freedoms import RACY_PAGES, alike, comparable, outcome_key
from mmaplab.interface import FaultCounts, Kernel, MapsEntry, Process, Stat
from mmaplab.program import fault_counts

# ---------------------------------------------------------------- the two sides


@dataclass(frozen=True, slots=True)
class Seen:
    """What one kernel showed in one step; `maps` by process, only after calls that may change them (FREEDOMS)."""

    outcome: Outcome
    faults: FaultCounts | None = None
    addresses: list[FaultAddress] | None = None
    maps: tuple[tuple[str, tuple[MapsEntry, ...]], ...] = ()


FaultAddress = tuple[int, str]
"""The byte that was touched, and 'minor' or 'major'."""
FaultAddresses = Callable[[Process], list[FaultAddress] | None]
"""Returns the faults of a process since it was asked last, by address; None where the machine does not tell."""


class Side:
    """One of the two kernels, with its own values of the names."""

    def __init__(self, kernel: Kernel, process: Process, addresses: FaultAddresses | None = None) -> None:
        self.kernel, self.addresses = kernel, addresses
        if addresses:
            addresses(process)
        self.names: dict[str, object] = {"kernel": kernel, "p": process}
        self.inodes: dict[int, int] = {}
        self.totals = {"p": process.faults()}

    def make(self, call: Call) -> Seen:
        """Make one call and look at what it did."""
        try:
            outcome = perform(call, self.names)
        except Exception as broke:  # a kernel that breaks is a difference to be shown, not the end of the comparison
            return Seen(Outcome(error=broke))
        if call.name == "fork" and outcome.ok:
            self.totals[call.gives[0]] = cast(Process, self.names[call.gives[0]]).faults()
        faults = self._new_faults(call.who)
        return Seen(outcome, faults, self._new_addresses(call.who, faults), tuple(self._maps(call)))

    def living(self) -> dict[str, Process]:
        """Return the processes that have not ended, by name."""
        found = {who: fault_counts(self.names, who) for who in self.totals if who in self.names}
        return {who: cast(Process, self.names[who]) for who, faults in found.items() if faults is not None}

    def maps_of(self, who: str) -> tuple[MapsEntry, ...]:
        """Return the areas of a process; none where it has ended, or is the kernel."""
        if who not in self.totals:
            return ()
        try:
            return tuple(cast(Process, self.names[who]).maps())
        except (KeyError, OSError, RuntimeError):  # RuntimeError: a live process that was killed
            return ()

    def _new_faults(self, who: str) -> FaultCounts | None:
        total = fault_counts(self.names, who) if who in self.totals else None
        if total is None:
            return None
        before, self.totals[who] = self.totals[who], total
        return total - before

    def _new_addresses(self, who: str, faults: FaultCounts | None) -> list[FaultAddress] | None:
        return self.addresses(cast(Process, self.names[who])) if self.addresses and faults is not None else None

    def _maps(self, call: Call) -> list[tuple[str, tuple[MapsEntry, ...]]]:
        if call.name not in LAYOUT_CALLS:
            return []
        return [(who, self.maps_of(who)) for who in (call.who, *(call.gives if call.name == "fork" else ()))]


# ---------------------------------------------------------------- lockstep


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the kernels part: in step number `step` (from 1), in `what`."""

    step: int
    call: str
    what: str
    predicted: str
    happened: str
    explanation: str = ""

    def __str__(self) -> str:
        lines = [f"step {self.step}: {self.call}", f"  {self.what}"]
        lines += [f"    predicted  {self.predicted}", f"    happened   {self.happened}"]
        return "\n".join(lines + [self.explanation] * bool(self.explanation))


@dataclass(frozen=True, slots=True)
class TwinStep:
    """One call on both kernels; `happened` is None where there is no live one."""

    call: Call
    predicted: Seen
    happened: Seen | None
    difference: Difference | None = None


class Settles(Protocol):
    """What can wait for the disk: see FREEDOMS, how soon readahead has arrived."""

    def settle(self) -> None:
        """Wait until the live kernel has read what the simulator has, or for as long as is sensible."""

    def close(self) -> None:
        """Wait no more."""


Look = Callable[[Call, Seen], Difference | None]
"""Compares something more: given a call and what the simulator showed."""


class Lockstep:
    """Two kernels, moved by the same calls. Without a live kernel there are only predictions."""

    def __init__(self, sim: Side, real: Side | None) -> None:
        self.sim, self.real = sim, real
        self.exact = real is None or bool(getattr(real.names["p"], "exact_faults", True))
        """False under the Python worker: see FREEDOMS."""
        self.steps: list[TwinStep] = []
        self.difference: Difference | None = None
        """The first difference, or None."""
        self.free = False
        """Have the kernels parted where they may (FREEDOMS)? Then nothing is compared any more."""
        self.racy: list[tuple[int, int]] = []
        """Ranges of addresses near major faults: see FREEDOMS."""
        self.inodes: dict[int, int] = {}
        """The live inode number of each simulated one; the live file system gives numbers again (FREEDOMS)."""
        self.parted: list[tuple[int, int]] = []
        """Those of them in which the live kernel has had such a minor fault more, and mapped its neighbours."""
        self.cold = False
        """Is the disk read while the program runs? Then a minor fault may have met readahead that is under way."""
        self.has_read: Callable[[], bool] = lambda: self.cold
        """Tells whether the simulator has read the disk since it was asked last; where nobody can, whether it may."""
        self.watchers: list[Settles] = []
        """What waits, after each call, until the disk has come to rest."""
        self.looks: list[Look] = []
        """What else is compared after each call that did not differ."""

    def make(self, call: Call) -> Outcome:
        """Make one call on both; returns the live kernel's outcome, or the predicted one where there is none."""
        predicted = self.sim.make(call)
        happened = self.real.make(call) if self.real else None
        for watcher in self.watchers:
            watcher.settle()
        difference = self.compare(call, predicted, happened) if happened and not self.free else None
        self.steps.append(TwinStep(call, predicted, happened, difference))
        self.difference = self.difference or difference
        return (happened or predicted).outcome

    def learn(self, names: Mapping[str, int]) -> None:
        """Give both sides names for fixed numbers."""
        for side in (self.sim, self.real):
            if side:
                side.names.update(names)

    def compare(self, call: Call, predicted: Seen, happened: Seen) -> Difference | None:
        """Return how the two differ: first in the outcome, then in the faults, then in the areas, then in `looks`."""
        assert self.real is not None
        if not self.exact:
            if alike(call, predicted.outcome) == alike(call, happened.outcome):
                return None
            return self.differ(call, "result", *both_outcomes_text(predicted.outcome, happened.outcome))
        if not self.same_outcome(predicted.outcome, happened.outcome):
            return self.differ(call, "result", *both_outcomes_text(predicted.outcome, happened.outcome))
        self._note_major(call, predicted)
        if not self.same_faults(call, predicted.faults, happened.faults):
            return self.differ(call, "page faults", count_text(predicted.faults), count_text(happened.faults))
        ours, theirs = predicted.addresses, happened.addresses
        if None not in (ours, theirs) and ours != theirs and predicted.faults == happened.faults:
            if not self._touches(call, self.racy):
                return self.differ(call, "fault addresses", addresses_text(ours), addresses_text(theirs))
            self.parted.append(self._near(call))
        for (who, here), (_, there) in zip(predicted.maps, happened.maps, strict=True):
            if comparable(here, {}) != comparable(there, {}):
                return self.differ(call, f"areas of {who}", f"{len(here)} areas", f"{len(there)} areas", who)
        return next(filter(None, (look(call, predicted) for look in self.looks)), None)

    def differ(self, call: Call, what: str, predicted: str, happened: str, who: str = "") -> Difference:
        """Return a difference of the step that is being made, explained with the state of both sides."""
        explanation = self.explain(call, who or call.who)
        return Difference(len(self.steps) + 1, call_text(call, brief=True), what, predicted, happened, explanation)

    def same_outcome(self, predicted: Outcome, happened: Outcome) -> bool:
        """Are the outcomes the same, but for FREEDOMS?"""
        assert self.real is not None
        ours, theirs = predicted.value, happened.value
        if isinstance(ours, FaultCounts) and isinstance(theirs, FaultCounts) and self.racy:
            return ours.major == theirs.major and (ours.minor <= theirs.minor or bool(self.parted))
        if isinstance(ours, Stat) and isinstance(theirs, Stat):
            same_file = self.inodes.setdefault(ours.st_ino, theirs.st_ino) == theirs.st_ino
            return ours.st_size == theirs.st_size and same_file
        return outcome_key(predicted, self.sim.inodes) == outcome_key(happened, self.real.inodes)

    def same_faults(self, call: Call, predicted: FaultCounts | None, happened: FaultCounts | None) -> bool:
        """Are the faults the same, or is the live kernel free here (FREEDOMS: minor faults around a major one)?"""
        if predicted == happened or predicted is None or happened is None:
            return predicted == happened
        if predicted.major != happened.major:
            return False
        if predicted.minor < happened.minor and self._touches(call, self.racy):
            self.parted.append(self._near(call))
            return True
        return self._touches(call, self.parted)

    def explain(self, call: Call, who: str) -> str:
        """Return the areas and the page tables of both sides, and what the simulator did in its last steps."""
        assert self.real is not None
        lines = ["  areas of " + who, *both_maps_text(self.sim.maps_of(who), self.real.maps_of(who))]
        if call.name in ("load", "store", "execute"):
            ours, theirs = (side.living().get(who) for side in (self.sim, self.real))
            lines += both_tables_text(ours, theirs, self._touched(call)[0])
        return "\n".join(lines + events_text(self.sim.kernel))

    def _note_major(self, call: Call, predicted: Seen) -> None:
        faults, has_read = predicted.faults, self.has_read()
        if faults and (faults.major or (faults.minor and (self.cold or has_read))):
            self.racy.append(self._near(call))

    def _near(self, call: Call) -> tuple[int, int]:
        start, end = self._touched(call)
        return start - RACY_PAGES * 4096, end + RACY_PAGES * 4096

    def is_racy(self, page: int) -> bool:
        """Is a page (its address) near a fault that met the disk?"""
        return any(low <= page < high for low, high in self.racy)

    def _touches(self, call: Call, ranges: list[tuple[int, int]]) -> bool:
        start, end = self._touched(call)
        return any(start < high and low < end for low, high in ranges)

    def _touched(self, call: Call) -> tuple[int, int]:
        """Return the range of addresses that a call is about; everything where it is not about one."""
        first = call.args[0] if call.args else 0
        start = self.sim.names.get(first.name) if isinstance(first, Name) else first
        if call.name not in ("load", "touch", "store", "execute", "madvise", "mlock") or not isinstance(start, int):
            return (0, 2**64)
        start += first.offset if isinstance(first, Name) else 0
        size = call.args[1] if len(call.args) > 1 else 1
        return (start, start + (len(size) if isinstance(size, bytes) else cast(int, size)))


def addresses_text(addresses: list[FaultAddress] | None) -> str:
    """Return faults by address as text."""
    return ", ".join(f"{kind} at {addr:#x}" for addr, kind in addresses or []) or "none"


def both_outcomes_text(predicted: Outcome, happened: Outcome) -> tuple[str, str]:
    """Return the two outcomes as text; of two pieces of data, what is at the first byte that differs."""
    ours, theirs = predicted.value, happened.value
    if not (isinstance(ours, bytes) and isinstance(theirs, bytes)):
        return outcome_text(predicted), outcome_text(happened)
    at = next((i for i, (one, other) in enumerate(zip(ours, theirs, strict=False)) if one != other), None)
    at = min(len(ours), len(theirs)) if at is None else at
    one, other = (f"{data[at : at + 12]!r} at byte {at:#x} of {len(data):#x}" for data in (ours, theirs))
    return one, other
