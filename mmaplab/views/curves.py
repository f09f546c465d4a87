"""A plot of one or two numbers that grow: a solid line and a dashed one, each named at its end.

    plot([Curve("resident", [(0, 0), (16, 64)]), Curve("dirty", ...)], "pages touched", 1024, top=1024)

For plots that are drawn anew while a program runs; the stored plots of the chapters are matplotlib's (plots.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmaplab.views.svg import line, num, path, rect, text

MOST_POINTS = 400
"""Points of a curve that are drawn at most."""
ROW = 16
"""The least distance of two names at the right edge."""


@dataclass(frozen=True)
class Curve:
    """A name, and points (x, y) in order of x."""

    name: str
    points: Sequence[tuple[float, float]]

    @property
    def last(self) -> float:
        """The last value; 0 where there is none."""
        return self.points[-1][1] if self.points else 0.0


@dataclass(frozen=True)
class Frame:
    """Where a plot stands: the box of its curves in user units, and the values at its right and its upper edge."""

    x: float
    y: float
    width: float
    height: float
    right: float
    top: float

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point is drawn."""
        return self.x + self.width * x / max(self.right, 1), self.y + self.height * (1 - y / max(self.top, 1))


def plot(frame: Frame, curves: Sequence[Curve], title: str, below: str) -> list[str]:
    """Return the parts of a plot: its ground, its axes with their largest values, and the curves."""
    base = frame.y + frame.height
    parts = [
        rect(frame.x, frame.y, frame.width, frame.height, "user", 0),
        line(frame.x, frame.y, frame.x, base),
        line(frame.x, base, frame.x + frame.width, base),
        text(frame.x, frame.y - 10, title, "h"),
        text(frame.x - 6, frame.y + 10, f"{frame.top:,.0f}", "s end m"),
        text(frame.x - 6, base, "0", "s end m"),
        *([text(frame.x + frame.width, base + 18, below, "s end")] if below else []),
    ]
    for curve, cls in zip(curves, ("curve", "curve2"), strict=False):
        parts += [path(_line(frame, curve), cls)] if len(curve.points) > 1 else []
    return parts + _names(frame, curves)


def _line(frame: Frame, curve: Curve) -> str:
    step = -(-len(curve.points) // MOST_POINTS)
    kept = [*curve.points[:-1:step], curve.points[-1]]
    places = (frame.place(x, y) for x, y in kept)
    return "M" + "L".join(f"{num(x)},{num(y)}" for x, y in places)


def _names(frame: Frame, curves: Sequence[Curve]) -> list[str]:
    """Return the curves' names with their last values at the right edge, moved apart where they would touch."""
    ordered = sorted(curves, key=lambda curve: -curve.last)
    places: list[float] = []
    for curve in ordered:
        at = frame.place(0, curve.last)[1] + 4
        places.append(max(at, places[-1] + ROW if places else frame.y + 10))
    up = max(0.0, places[-1] - (frame.y + frame.height + 4)) if places else 0.0
    x = frame.x + frame.width + 8
    return [text(x, at - up, f"{curve.name} {curve.last:,.0f}", "b") for curve, at in zip(ordered, places, strict=True)]
