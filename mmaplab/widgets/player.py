"""The player: one widget that steps through a trace in the browser.

    records --steps--> [{say, call, kinds, events}, ...] --sent once--> player.js folds and draws

Python is not asked again: stepping, scrubbing and drawing happen in the browser. Like events that follow each other
(thirty-two pages put into the cache) are one step.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import anywidget
import traitlets

from mmaplab.pte import PAGE_NX, pte_pfn
from mmaplab.sim import events as ev
from mmaplab.views.words import sentence

Step = dict[str, object]

QUIET = (ev.UserStore, ev.FdInstall, ev.FdClose)
"""Events that change nothing in the picture; they join the step before them."""

FAMILIES: tuple[tuple[type[ev.Event], ...], ...] = (
    (ev.PageAlloc, ev.CacheAdd),
    (ev.Copy, ev.PageUptodate, ev.Zero),
    (ev.SetPte,),
    (ev.ClearPte, ev.PageFree),
    (ev.TableAlloc,),
    (ev.TableFree,),
    (ev.PageDirty,),
    (ev.PageClean,),
    (ev.CacheDelete,),
)
"""Events of one family that follow each other make one step."""


class Player(anywidget.AnyWidget):  # type: ignore[misc]
    """Steps through a trace; see the room's head. `stale` is set when the kernel has moved on."""

    _esm = Path(__file__).parent / "player.js"
    _css = Path(__file__).parent / "player.css"
    steps = traitlets.List().tag(sync=True)
    stale = traitlets.Bool(False).tag(sync=True)

    def __init__(self, trace: ev.Trace | None, records: Sequence[ev.Record]) -> None:
        self._trace, self._length = trace, len(records)
        super().__init__(steps=steps_of(records))

    def __repr__(self) -> str:
        return f"player({len(self.steps)} steps)"

    def refresh(self) -> bool:
        """Mark the player stale if its trace has grown since; returns whether it has."""
        self.stale = self._trace is not None and len(self._trace.records) != self._length
        return bool(self.stale)


def player(what: ev.Trace | Sequence[ev.Record]) -> Player:
    """Return a player of a whole trace, or of records. Raises ValueError where there is nothing to step through."""
    trace = what if isinstance(what, ev.Trace) else None
    records = list(what.records if isinstance(what, ev.Trace) else what)
    if not records:
        raise ValueError("the trace is empty: make a call or an access first, or record with Kernel(record=True)")
    return Player(trace, records)


def steps_of(records: Sequence[ev.Record]) -> list[Step]:
    """Return the steps of a trace as plain data."""
    steps: list[Step] = []
    family: tuple[type[ev.Event], ...] = ()
    group: list[ev.Record] = []
    for record in records:
        joins = isinstance(record.event, family) or (group and isinstance(record.event, QUIET))
        if group and not joins:
            steps.append(step_of(group, steps))
            group = []
        if not group:
            family = next((f for f in FAMILIES if isinstance(record.event, f)), ())
        group.append(record)
    if group:
        steps.append(step_of(group, steps))
    return steps


def step_of(group: Sequence[ev.Record], before: Sequence[Step]) -> Step:
    """Return one step: its sentence, the call it belongs to, what it can be jumped to by, and its events."""
    first = group[0].event
    events = [plain(record.event) for record in group]
    kinds = [name for name, classes in KINDS.items() if any(isinstance(r.event, classes) for r in group)]
    call = call_text(first) if isinstance(first, (ev.Syscall, ev.Access, ev.KernelWork)) else ""
    return {
        "say": say(group),
        "call": call or (str(before[-1]["call"]) if before else ""),
        "kinds": kinds,
        "events": events,
    }


KINDS: dict[str, type[ev.Event] | tuple[type[ev.Event], ...]] = {
    "fault": ev.PageFault,
    "copy": ev.Copy,
    "call": (ev.Syscall, ev.Access),
}


def say(group: Sequence[ev.Record]) -> str:
    """Return the sentence of a step; of several alike, the first, and how many there are."""
    told = [record.event for record in group if isinstance(record.event, type(group[0].event))]
    words = sentence(told[0])
    return words if len(told) == 1 else f"{words.rstrip('.')}, and {len(told) - 1} more like it."


def plain(event: ev.Event) -> list[object]:
    """Return an event as a list of its name and its fields, with page-table entries taken apart.

    An entry has 64 bits, and numbers in the browser have 53.
    """
    fields: list[object] = []
    for spec in dataclasses.fields(event):
        value = getattr(event, spec.name)
        if isinstance(event, (ev.SetPte, ev.ClearPte, ev.TlbFill)) and spec.name in ("pte", "old"):
            value = {"pfn": pte_pfn(value), "f": value & 0xFFF, "nx": bool(value & PAGE_NX)}
        elif not isinstance(value, (int, str)):
            value = None
        fields.append(value)
    return [type(event).__name__, *fields]


def call_text(event: ev.Event) -> str:
    """Return a call or an access as a line of a program."""
    if isinstance(event, ev.Syscall):
        args = ", ".join(f"{name}={value:#x}" if _big(value) else f"{name}={value!r}" for name, value in event.args)
        return f"P{event.pid}: {event.name}({args})"
    if isinstance(event, ev.Access):
        return f"P{event.pid}: {event.kind} {event.nbytes} byte{'s' if event.nbytes != 1 else ''} at {event.addr:#x}"
    return f"the kernel: {event.what}" if isinstance(event, ev.KernelWork) else ""


def _big(value: object) -> bool:
    return isinstance(value, int) and value >= 4096
