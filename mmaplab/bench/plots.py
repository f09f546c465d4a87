"""The report as pictures: every goal with what was reached, and a bar for each row of a room.

goals(report)              all goals on one scale: 1 is the goal, left of it is better
bars(report, "chapters")   the rows of one room that share a unit
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mmaplab.bench.measure import Row, row_of, short
from mmaplab.views.svg import Svg, circle, line, rect, text

WIDTH, LEFT, RIGHT, LINE = 900, 470, 840, 24
DECADES = (-2, 2)
"""The scale of the goals: from a hundredth of a goal to a hundred times it."""


def goals(report: dict[str, Any]) -> Svg:
    """Return every row with a goal as its distance from it; raises ValueError for a report without one."""
    rows = [row_of(row) for room in report["rooms"] for row in room["rows"] if row["goal"]]
    if not rows:
        raise ValueError("no row of the report has a goal: measure all rooms")
    parts = [text(20, 30, "What was promised, and what was measured", "t"), text(20, 50, _measured(report), "s")]
    top, bottom = 86.0, 86.0 + LINE * len(rows)
    for power in range(DECADES[0], DECADES[1] + 1):
        x = _place(10.0**power)
        parts += [line(x, top - 12, x, bottom - 10), text(x, top - 18, _tick(power), "mid s")]
    for i, row in enumerate(rows):
        parts += _goal(row, top + LINE * i)
    parts.append(text(_place(1), bottom + 12, "the goal; better to the left", "mid s"))
    lines = [f"{row.name}: {short(reached(row))} of the goal, {'met' if row.met else 'NOT MET'}" for row in rows]
    met = sum(bool(row.met) for row in rows)
    return Svg(bottom + 28, "Goals", f"{met} of {len(rows)} goals are met.", "\n".join(lines), tuple(parts), WIDTH)


def reached(row: Row) -> float:
    """Return what was measured, divided by the goal, so that 1 is the goal and less is better."""
    assert row.goal is not None
    measured = row.ratio if row.goal.of == "ratio" else row.value
    assert measured is not None
    if row.goal.kind == "at least":
        return row.goal.bound / max(measured.median, 1e-9)
    return measured.median / row.goal.bound if row.goal.bound else 1.0 + measured.median


def _goal(row: Row, y: float) -> list[str]:
    part = reached(row)
    x = _place(part)
    mark = circle(x, y - 4, 5, "entry o") if row.met else rect(x - 5, y - 9, 10, 10, "anon o", 0)
    return [text(20, y, cut(row.name, 62)), line(LEFT, y - 4, RIGHT, y - 4), mark, text(RIGHT + 6, y, short(part), "s")]


def _place(part: float) -> float:
    """Return where a share of the goal stands, on a logarithmic scale; what is beyond an end stands at the end."""
    low, high = DECADES
    power = min(max(math.log10(max(part, 1e-9)), low), high)
    return LEFT + (RIGHT - LEFT) * (power - low) / (high - low)


def _tick(power: int) -> str:
    return "goal" if power == 0 else f"{10.0**power:g} x"


def bars(report: dict[str, Any], name: str) -> Svg:
    """Return a bar for each row of a room in its commonest unit; raises ValueError for a room without rows."""
    rooms = [room for room in report["rooms"] if room["name"] == name and room["rows"]]
    if not rooms:
        raise ValueError(f"the report has no rows of {name!r}: measure that room")
    rows = [row_of(row) for row in rooms[0]["rows"]]
    units = [row.unit for row in rows]
    unit = max(dict.fromkeys(units), key=units.count)
    rows = [row for row in rows if row.unit == unit]
    parts = [text(20, 30, rooms[0]["title"], "t"), text(20, 50, _measured(report), "s")]
    parts += _bars(rows, 80)
    lines = [f"{row.name}: {row.value} {unit}" for row in rows]
    described = f"{len(rows)} rows, from {short(min(r.value.median for r in rows))} to " + (
        f"{short(max(r.value.median for r in rows))} {unit}."
    )
    return Svg(80 + LINE * len(rows), rooms[0]["title"], described, "\n".join(lines), tuple(parts), WIDTH)


def _bars(rows: Sequence[Row], top: float) -> list[str]:
    most = max(row.value.median for row in rows) or 1
    parts = []
    for i, row in enumerate(rows):
        y, long = top + LINE * i, (RIGHT - LEFT - 90) * row.value.median / most
        parts += [text(20, y, cut(row.name, 62)), rect(LEFT, y - 12, max(long, 1), 15, "file o", 2)]
        parts.append(text(LEFT + long + 8, y, f"{short(row.value.median)} {row.unit}", "s"))
    return parts


def cut(words: str, most: int) -> str:
    """Return words that fit before the scale."""
    return words if len(words) <= most else f"{words[: most - 1].rstrip()}…"


def _measured(report: dict[str, Any]) -> str:
    of = report["machine"]
    return f"{report['date']}: {of['class']}, {of['cpus']} processors, {of['kernel']}, {of['python']}"
