"""Two kernels moved by the same calls, each call compared before the next one is made.

`FREEDOMS` is the one list of what is not compared, or not exactly, and why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, cast

from mmaplab.calls import LAYOUT_CALLS, Call, Name, Outcome, call_text, outcome_text, perform
from mmaplab.interface import FatalSignal, FaultCounts, Kernel, MapsEntry, Process, Stat
from mmaplab.program import fault_counts

# ---------------------------------------------------------------- where Linux is free


@dataclass(frozen=True, slots=True)
class Freedom:
    """Something that two kernels may do differently, so that it is not compared, or not exactly; and the reason."""

    what: str
    reason: str


FREEDOMS = (
    Freedom("process numbers", "each kernel numbers its own processes; only that fork returned one is compared"),
    Freedom("inode numbers", "each file system numbers its own inodes; compared is which descriptors share one"),
    Freedom("the directory in a path of maps()", "the live kernel's files are in a private directory of the host"),
    Freedom(
        "addresses, areas and faults of the Python worker",
        "without the machine-code worker, the live process has an interpreter among its own areas, which is "
        "placed and faults by itself; compared are results, data, errnos and signals without their address",
    ),
    Freedom("page frame numbers", "the host's other programs take frames too; no call of the interface shows them"),
    Freedom(
        "minor faults around a major one",
        "fault-around maps what has arrived from the disk, and the neighbours of the page may still be under way; so "
        "near a page that came from the disk, or whose touch set readahead going, the live kernel may need more minor "
        "faults than predicted",
    ),
    Freedom(
        "how soon readahead has arrived",
        "the disk works while the program runs on; residency is compared when the disk has come to rest",
    ),
    Freedom(
        "clean or dirty after some seconds",
        "the flusher threads and any program that calls sync() clean pages and write-protect them, so that a store "
        "faults once more; a difference that does not come back when the program is run again is called disturbed",
    ),
    Freedom(
        "pages that leave memory by themselves",
        "the page cache belongs to the whole machine, which may take a clean page when others need memory; seen once in"
        " some thousand cold steps, and called disturbed",
    ),
    Freedom("the Referenced line of smaps", "it follows the ageing of the machine's page lists"),
)

RACY_PAGES = 16
"""Fault-around's window, in pages: so far around a major fault the live kernel may have mapped less."""


def comparable(value: object, inodes: dict[int, int]) -> object:
    """Return a value with what the kernels may choose freely taken out; `inodes` numbers them as they are met."""
    if isinstance(value, Stat):
        return (value.st_size, inodes.setdefault(value.st_ino, len(inodes)))
    if isinstance(value, MapsEntry):
        return (value.start, value.end, value.perms, value.offset, path_in_directory(value.path))
    if isinstance(value, list | tuple):
        return [comparable(item, inodes) for item in value]
    if value is None or isinstance(value, int | bytes | str | FaultCounts):
        return value
    return "a process"


def path_in_directory(path: str) -> str:
    """Return a path of maps() without the host's directories; names in brackets and of nameless files stay."""
    return path if path.startswith(("/dev/zero", "/memfd:", "[")) else path.rpartition("/")[2]


def outcome_key(outcome: Outcome, inodes: dict[int, int]) -> object:
    """Return what of an outcome must be the same on both kernels."""
    error = outcome.error
    if isinstance(error, FatalSignal):
        return ("signal", error.signo, error.si_code, error.si_addr)
    if isinstance(error, OSError):
        return ("errno", error.errno)
    if error is not None:
        return ("broke", repr(error))
    return ("missing", outcome.missing) if outcome.missing else ("value", comparable(outcome.value, inodes))


def alike(call: Call, outcome: Outcome) -> object:
    """Return what of an outcome must be the same where the live process has a Python worker (FREEDOMS)."""
    key = outcome_key(outcome, {})
    if isinstance(outcome.error, FatalSignal):
        return ("signal", outcome.error.signo, outcome.error.si_code)
    return "an address or a count" if call.name in PLACED_CALLS and outcome.ok else key


PLACED_CALLS = {"mmap", "mremap", "brk", "maps", "faults"}
"""The calls whose results hold addresses or counts of faults."""


# ---------------------------------------------------------------- the two sides


@dataclass(frozen=True, slots=True)
class Seen:
    """What one kernel showed in one step; `maps` by process, only after calls that may change them."""

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
        except (KeyError, OSError):
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


class Lockstep:
    """Two kernels, moved by the same calls. Without a live kernel there are only predictions."""

    def __init__(self, sim: Side, real: Side | None) -> None:
        self.sim, self.real = sim, real
        self.exact = real is None or bool(getattr(real.names["p"], "exact_faults", True))
        """False under the Python worker: see FREEDOMS."""
        self.steps: list[TwinStep] = []
        self.racy: list[tuple[int, int]] = []
        """Ranges of addresses near major faults: see FREEDOMS."""
        self.cold = False
        """Is the disk read while the program runs? Then a minor fault may have met readahead that is under way."""
        self.watchers: list[Settles] = []
        """What waits, after each call, until the disk has come to rest."""

    def make(self, call: Call) -> Outcome:
        """Make one call on both; returns the live kernel's outcome, or the predicted one where there is none."""
        predicted = self.sim.make(call)
        happened = self.real.make(call) if self.real else None
        for watcher in self.watchers:
            watcher.settle()
        difference = self.compare(call, predicted, happened) if happened else None
        self.steps.append(TwinStep(call, predicted, happened, difference))
        return (happened or predicted).outcome

    def learn(self, names: Mapping[str, int]) -> None:
        """Give both sides names for fixed numbers."""
        for side in (self.sim, self.real):
            if side:
                side.names.update(names)

    @property
    def difference(self) -> Difference | None:
        """The first difference, or None."""
        return next((step.difference for step in self.steps if step.difference), None)

    def compare(self, call: Call, predicted: Seen, happened: Seen) -> Difference | None:
        """Return how the two differ: first in the outcome, then in the faults, then in the areas."""
        assert self.real is not None
        if not self.exact:
            if alike(call, predicted.outcome) == alike(call, happened.outcome):
                return None
            return self.differ(call, "result", *both_outcomes_text(predicted.outcome, happened.outcome))
        if not self.same_outcome(predicted.outcome, happened.outcome):
            return self.differ(call, "result", *both_outcomes_text(predicted.outcome, happened.outcome))
        self._note_major(call, predicted)
        if not self.same_faults(call, predicted.faults, happened.faults):
            return self.differ(call, "page faults", str(predicted.faults), str(happened.faults))
        ours, theirs = predicted.addresses, happened.addresses
        if None not in (ours, theirs) and ours != theirs and predicted.faults == happened.faults:
            return self.differ(call, "fault addresses", addresses_text(ours), addresses_text(theirs))
        for (who, here), (_, there) in zip(predicted.maps, happened.maps, strict=True):
            if comparable(here, {}) != comparable(there, {}):
                return self.differ(call, f"areas of {who}", f"{len(here)} areas", f"{len(there)} areas", who)
        return None

    def differ(self, call: Call, what: str, predicted: str, happened: str, who: str = "") -> Difference:
        """Return a difference of the step that is being made, explained with the state of both sides."""
        return Difference(
            len(self.steps) + 1, call_text(call, brief=True), what, predicted, happened, self.explain(who or call.who)
        )

    def same_outcome(self, predicted: Outcome, happened: Outcome) -> bool:
        """Are the outcomes the same, but for FREEDOMS?"""
        assert self.real is not None
        ours, theirs = predicted.value, happened.value
        if isinstance(ours, FaultCounts) and isinstance(theirs, FaultCounts) and self.racy:
            return ours.major == theirs.major and ours.minor <= theirs.minor
        return outcome_key(predicted, self.sim.inodes) == outcome_key(happened, self.real.inodes)

    def same_faults(self, call: Call, predicted: FaultCounts | None, happened: FaultCounts | None) -> bool:
        """Are the faults the same, or is the live kernel free here (FREEDOMS: minor faults around a major one)?"""
        if predicted == happened or predicted is None or happened is None:
            return predicted == happened
        return predicted.major == happened.major and predicted.minor < happened.minor and self._touches_racy(call)

    def explain(self, who: str) -> str:
        """Return the areas of both sides as one list, and what the simulator did in its last steps."""
        assert self.real is not None
        lines = both_maps_text(self.sim.maps_of(who), self.real.maps_of(who))
        trace = getattr(self.sim.kernel, "trace", None)
        records = list(getattr(trace, "records", []))[-12:]
        told = [f"    {'  ' * record.depth}{record.event}" for record in records]
        return "\n".join(["  areas of " + who, *lines] + (["  the simulator's last events", *told] if told else []))

    def _note_major(self, call: Call, predicted: Seen) -> None:
        faults = predicted.faults
        if faults and (faults.major or (self.cold and faults.minor)):
            start, end = self._touched(call)
            self.racy.append((start - RACY_PAGES * 4096, end + RACY_PAGES * 4096))

    def _touches_racy(self, call: Call) -> bool:
        start, end = self._touched(call)
        return any(start < high and low < end for low, high in self.racy)

    def _touched(self, call: Call) -> tuple[int, int]:
        """Return the range of addresses that a call is about; everything where it is not about one."""
        first = call.args[0] if call.args else 0
        start = self.sim.names.get(first.name) if isinstance(first, Name) else first
        if call.name not in ("load", "store", "execute", "madvise", "mlock") or not isinstance(start, int):
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


def both_maps_text(predicted: tuple[MapsEntry, ...], happened: tuple[MapsEntry, ...]) -> list[str]:
    """Return the areas of both sides in address order; what only one side has is marked."""
    ours = {str(comparable(area, {})): area for area in predicted}
    theirs = {str(comparable(area, {})): area for area in happened}
    everything = sorted((theirs | ours).items(), key=lambda item: (item[1].start, item[1].end))
    mark = {(True, True): "both     ", (True, False): "predicted", (False, True): "live     "}
    return [f"    {mark[key in ours, key in theirs]} {area}" for key, area in everything] or ["    none"]
