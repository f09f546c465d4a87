"""What a kernel has after a call, read from an observation: areas, entries, cached pages.

An observation may come from a process that a learner's code runs in, so nothing about its form is believed: what does
not fit is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from mmaplab.constants import PAGE_SHIFT
from mmaplab.grading.plain import Plain

MOST_PAGES = 65536
BOUNDS = re.compile(r"([0-9a-f]{1,16})-([0-9a-f]{1,16}) ")
"""How a line of `maps` begins."""


@dataclass(frozen=True)
class Area:
    """An area as `maps` shows it; `start` and `end` are page numbers."""

    who: str
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Entry:
    """The entry of one page: `rights` in letters (w, d, n), and the frame's kind and number (see observe.py)."""

    rights: str
    kind: str
    number: int

    @property
    def letter(self) -> str:
        """What the entry permits, in a letter."""
        if "n" in self.rights:
            return "#"
        return ("W" if "d" in self.rights else "w") if "w" in self.rights else "d" if "d" in self.rights else "x"

    @property
    def frame(self) -> str:
        """What the frame is, in a letter."""
        return {"own": "P", "shared": "S", "zero": "0"}.get(self.kind, "F")


@dataclass(frozen=True)
class State:
    """What there is after a call, by the names of the processes and of the files."""

    areas: tuple[Area, ...] = ()
    entries: dict[str, dict[int, Entry]] = field(default_factory=dict)
    cache: dict[str, str] = field(default_factory=dict)

    def entry(self, who: str, page: int) -> Entry | None:
        """Return the entry of a page of a process."""
        return self.entries.get(who, {}).get(page)

    def area_at(self, who: str, page: int) -> Area | None:
        """Return the area that holds a page."""
        return next((a for a in self.areas if a.who == who and a.start <= page < a.end), None)


def state_of(step: Plain) -> State:
    """Return what an observation tells; nothing where it tells nothing."""
    areas: list[Area] = []
    entries: dict[str, dict[int, Entry]] = {}
    for who, half in _dict(step, "space").items():
        for text in _list(half, "areas"):
            bounds = BOUNDS.match(str(text))
            if bounds:
                areas.append(Area(who, str(text), int(bounds[1], 16) >> PAGE_SHIFT, int(bounds[2], 16) >> PAGE_SHIFT))
        entries[who] = dict(_expanded(_list(half, "entries")))
    cache = {path: str(letters) for path, letters in _dict(step, "cache").items()}
    return State(tuple(areas), entries, cache)


def _expanded(runs: list[Plain]) -> list[tuple[int, Entry]]:
    """Return (page, entry) for each page of the runs."""
    found = []
    for run in runs:
        match run:
            case [int(first), int(count), str(rights), str(kind), int(number)] if 0 < count <= MOST_PAGES:
                step = int(kind.startswith("file"))
                found += [(first + i, Entry(rights, kind, number + i * step)) for i in range(count)]
    return found[:MOST_PAGES]


def _dict(data: Plain, key: str) -> dict[str, Plain]:
    value = data.get(key) if isinstance(data, dict) else None
    return value if isinstance(value, dict) else {}


def _list(data: Plain, key: str) -> list[Plain]:
    value = data.get(key) if isinstance(data, dict) else None
    return value if isinstance(value, list) else []
