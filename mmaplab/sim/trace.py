"""The trace: what happened in the simulated kernel, in causal order.

    seq depth event
      0     0 Access(pid=1, kind='load', addr=0x7ffff7fbd000, nbytes=1)      a span opens
      1     1   TlbMiss(mm=1, cpu=0, addr=0x7ffff7fbd000)                      and holds what it caused
      2     1   PageFault(pid=1, mm=1, addr=0x7ffff7fbd000, want='load')       a span inside
      ...
      9     1   Done(of='PageFault', outcome='major')                          every span is closed
     11     0 Done(of='Access', outcome=b'\\0')

The simulator keeps no clock and no statistics: every number is a fold over these records (mmaplab/ledger.py).
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ParamSpec

from mmaplab.constants import Sig
from mmaplab.sim.events import Done, Event

Fields = ParamSpec("Fields")
"""The fields of an event, in the order of its class."""


@dataclass(frozen=True, slots=True)
class Record:
    """One event, its place in the trace (`seq`), how many spans it is inside (`depth`), and who was running (`pid`)."""

    seq: int
    depth: int
    pid: int
    event: Event


@dataclass
class Trace:
    """The list of records, in causal order.

    `recording` may be set to False: then nothing is kept but the fault counts, which `Process.faults()` reads.
    They are the only numbers that the simulator counts itself, so that they survive `clear()`.
    """

    records: list[Record] = field(default_factory=list)
    recording: bool = True
    pid: int = 0
    depth: int = 0
    fault_counts: Counter[tuple[int, str]] = field(default_factory=Counter)
    _seq: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.recording, bool):
            raise TypeError(f"record is {self.recording!r}: give True or False, or a Trace")

    def emit(self, event: Callable[Fields, Event], *args: Fields.args, **kwargs: Fields.kwargs) -> None:
        """Append one event, given as its class and its fields; doors call this, algorithms never do.

        It is built here, so that a trace that records nothing costs next to nothing.
        """
        if self.recording:
            self._append(event(*args, **kwargs))

    def span(self, event: Callable[Fields, Event], *args: Fields.args, **kwargs: Fields.kwargs) -> Span:
        """Return a span for a `with` statement; it is closed with a `Done` event whatever happens inside.

        Who opens a span for another process than the one that is running says so before it: `trace.pid = pid` (the
        kernel's `current`).
        """
        return Span(self, event(*args, **kwargs) if self.recording else None)

    def _append(self, event: Event) -> None:
        self.records.append(Record(self._seq, self.depth, self.pid, event))
        self._seq += 1

    def count_fault(self, pid: int, outcome: str, faults: int = 1) -> None:
        """Count completed faults of a process, 'minor' or 'major', for getrusage."""
        self.fault_counts[pid, outcome] += faults

    def last(self, n: int = 1) -> list[Record]:
        """Return the records of the last `n` outermost spans: system calls, accesses, the kernel's own work."""
        starts = [i for i, r in enumerate(self.records) if r.depth == 0 and not isinstance(r.event, Done)]
        return self.records[starts[-n] :] if len(starts) >= n else list(self.records)

    def clear(self) -> None:
        """Forget the records; fault counts and numbering go on."""
        self.records.clear()


class Span:
    """A span that is open; whoever opened it sets the `outcome` that its `Done` event will show.

    `event` is None where nothing is recorded.
    """

    __slots__ = ("event", "outcome", "trace")

    def __init__(self, trace: Trace, event: Event | None) -> None:
        self.trace, self.event = trace, event
        self.outcome: object = None

    def __enter__(self) -> Span:
        if self.event is not None:
            self.trace._append(self.event)
            self.trace.depth += 1
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if self.event is not None:
            if error is not None:
                self.outcome = describe(error)
            self.trace.depth -= 1
            self.trace.emit(Done, type(self.event).__name__, self.outcome)


def describe(error: BaseException) -> str:
    """Return how a span ended that ended badly: 'ENOMEM', 'SIGBUS', or the exception's name."""
    if isinstance(error, OSError) and error.errno:
        return errno.errorcode.get(error.errno, f"errno {error.errno}")
    signo = getattr(error, "signo", None)
    if signo is not None:
        return Sig(signo).name if signo in set(Sig) else f"signal {signo}"
    return type(error).__name__
