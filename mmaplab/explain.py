"""The state of both kernels where they part, as text: the areas, the page-table entries, the simulator's last events.

The two kernels are known by their interface only, so what a kernel does not tell is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields

from mmaplab.constants import PAGE_SIZE
from mmaplab.freedoms import comparable
from mmaplab.interface import FaultCounts, MapsEntry, Process
from mmaplab.program import faults_text

MOST_PAGES = 64
"""How many pages around a touched address are shown."""
UNTOLD = ("cpu", "pid", "ino")
"""Fields of events that say little about one program; nor does the address space (`mm`) where it is the first."""


def both_maps_text(predicted: Sequence[MapsEntry], happened: Sequence[MapsEntry]) -> list[str]:
    """Return the areas of both sides in address order; what only one side has is marked."""
    ours = {str(comparable(area, {})): area for area in predicted}
    theirs = {str(comparable(area, {})): area for area in happened}
    everything = sorted((theirs | ours).items(), key=lambda item: (item[1].start, item[1].end))
    mark = {(True, True): "both     ", (True, False): "predicted", (False, True): "live     "}
    return [f"    {mark[key in ours, key in theirs]} {area}" for key, area in everything] or ["    none"]


def both_tables_text(predicted: Process | None, happened: Process | None, addr: int) -> list[str]:
    """Return which pages around an address have an entry in the page table of each side, `#` for each that has."""
    area = _area(happened, addr) or _area(predicted, addr)
    if area is None or predicted is None or happened is None:
        return []
    start = max(
        area.start, min(addr - addr % PAGE_SIZE - MOST_PAGES // 2 * PAGE_SIZE, area.end - MOST_PAGES * PAGE_SIZE)
    )
    end = min(area.end, start + MOST_PAGES * PAGE_SIZE)
    ours, theirs = _entries(predicted, start, end), _entries(happened, start, end)
    if ours is None or theirs is None:
        return []
    mark = " " * ((addr - start) // PAGE_SIZE) + "^"
    return [
        f"  entries in the page table, page by page from {start:#x}: # is there, ^ was touched",
        f"    predicted {ours}",
        f"    live      {theirs}",
        f"              {mark}",
    ]


def _area(process: Process | None, addr: int) -> MapsEntry | None:
    try:
        return next((area for area in process.maps() if area.start <= addr < area.end), None) if process else None
    except (OSError, RuntimeError):
        return None


def _entries(process: Process, start: int, end: int) -> str | None:
    """Return the row of signs; a simulated kernel is asked for its table, a live one for /proc/PID/pagemap."""
    if ask := getattr(process, "pagemap", None):
        try:
            return "".join("#" if entry else "." for entry in ask(start, end - start))
        except (OSError, RuntimeError):
            return None
    if mm := getattr(process, "mm", None):
        there = {addr for addr, _ in mm.pgd.entries(start, end)}
        return "".join("#" if addr in there else "." for addr in range(start, end, PAGE_SIZE))
    return None


def events_text(kernel: object, most: int = 12) -> list[str]:
    """Return the last events of a simulated kernel, one in a line, indented by what they are part of."""
    records = list(getattr(getattr(kernel, "trace", None), "records", []))[-most:]
    if not records:
        return []
    least = min(record.depth for record in records)
    told = [f"    {'  ' * (record.depth - least)}{event_text(record.event)}" for record in records]
    return ["  the simulator's last events", *told]


def event_text(event: object) -> str:
    """Return an event with its fields, large numbers in hexadecimal."""
    values = {field.name: getattr(event, field.name) for field in fields(event)}  # type: ignore[arg-type]
    if type(event).__name__ == "Syscall":
        return f"Syscall {values['name']}({_pairs(values['args'])})"
    if type(event).__name__ == "Done":
        return f"Done: {values['of']}" + ("" if values["outcome"] is None else f" gives {_value(values['outcome'])}")
    told = {name: value for name, value in values.items() if name not in UNTOLD and (name, value) != ("mm", 1)}
    return f"{type(event).__name__}({_pairs(told.items())})"


def _pairs(values: Iterable[tuple[str, object]]) -> str:
    return ", ".join(f"{name}={_value(value)}" for name, value in values)


def _value(value: object) -> str:
    large = isinstance(value, int) and not isinstance(value, bool) and abs(value) > 0xFFFF
    return f"{value:#x}" if large else repr(value)


def count_text(faults: FaultCounts | None) -> str:
    """Return how many page faults, in words."""
    return faults_text(faults).strip(" []") or "no page fault"
