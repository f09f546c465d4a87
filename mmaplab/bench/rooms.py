"""The rooms of the bench, in the order of the report; a room is loaded when it is measured (see measure.py)."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Protocol, cast

from mmaplab.bench.measure import Bench, Row

ROOMS = (
    "simulator",
    "footprint",
    "starting",
    "agreement",
    "wrappers",
    "costs",
    "grading",
    "player",
    "setting_up",
    "chapters",
)
"""The modules of mmaplab/bench that measure something."""


class Room(Protocol):
    """What a room has: a title for the report, and its measurement."""

    TITLE: str

    def measure(self, bench: Bench) -> Iterator[Row]:
        """Yield the rows. Raises NotMeasurable."""


def room(name: str) -> Room:
    """Return a room by its name; raises ValueError for one that does not exist."""
    if name not in ROOMS:
        raise ValueError(f"the bench has no room {name!r}: give some of {', '.join(ROOMS)}")
    return cast(Room, import_module(f"mmaplab.bench.{name}"))
