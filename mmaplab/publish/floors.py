"""The floors of the house in one picture: every room of the package, where it stands, and what its tower may use.

    picture(towers(Path()))        as drawn into docs/floors.svg

The table of the floors lives with the test that guards it (tests/test_floors.py); this room only draws it.
"""

from __future__ import annotations

import runpy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from textwrap import wrap
from typing import Protocol

from mmaplab.publish.chapters import NoCourse
from mmaplab.views.svg import Svg, num, rect, text

WIDTH, MARGIN, GAP = 1200, 20, 14
LINE, TITLE, CHARACTER = 15, 40, 6.7
"""Heights of a line and of a tower's heading, and the width of a character of the small type; in user units."""


class Tower(Protocol):
    """A part of the package: what it may use, and its floors, the lowest first."""

    @property
    def uses(self) -> tuple[str, ...]:
        """Towers and rooms that stand beside it."""

    @property
    def floors(self) -> tuple[str, ...]:
        """The rooms of each floor, as words."""


@dataclass(frozen=True)
class Box:
    """One tower as it is drawn: its lines of text, and for each the number of its floor."""

    name: str
    uses: tuple[str, ...]
    lines: tuple[tuple[int, str], ...]

    @property
    def height(self) -> float:
        """The height in user units."""
        return TITLE + LINE * (len(self.uses) + len(self.lines)) + 10


def towers(root: Path) -> Mapping[str, Tower]:
    """Return the table of the floors of a checkout. Raises NoCourse where there is none."""
    table = root / "tests" / "test_floors.py"
    if not table.is_file():
        raise NoCourse(f"there is no {table}: run this in the checkout of the course")
    found: Mapping[str, Tower] = runpy.run_path(str(table))["TOWERS"]
    return found


def levels(table: Mapping[str, Tower]) -> list[list[str]]:
    """Return the towers by level, the lowest first: a tower stands above all that it uses."""
    home = {room: name for name, tower in table.items() for floor in tower.floors for room in floor.split()}
    level: dict[str, int] = {}
    for name, tower in table.items():
        below = [level[use if use in table else home[use]] for use in tower.uses]
        level[name] = 1 + max(below, default=-1)
    rows: list[list[str]] = [[] for _ in range(1 + max(level.values()))]
    for name, height in level.items():
        rows[height].append(name)
    return rows


def box(name: str, tower: Tower, width: float) -> Box:
    """Return a tower with its text broken to a width."""
    room_for = int((width - 24) / CHARACTER)
    uses = wrap("uses " + ", ".join(tower.uses), room_for) if tower.uses else []
    lines = []
    for number, floor in reversed(list(enumerate(tower.floors))):
        short = "  ".join(_short(room, name) for room in floor.split())
        lines += [(number, part) for part in wrap(short, room_for)]
    return Box(name, tuple(uses), tuple(lines))


def _short(room: str, tower: str) -> str:
    """Return a room's name inside its tower."""
    return f"{room}/__init__" if room == tower else room.removeprefix(f"{tower}.")


def picture(table: Mapping[str, Tower]) -> Svg:
    """Return the picture: levels from the top, the towers of a level side by side, floors from the top."""
    parts: list[str] = [
        text(MARGIN, 32, "The floors of the house", "t"),
        text(MARGIN, 52, "A room imports strictly lower floors of its tower, and the towers and rooms it uses.", "s"),
    ]
    words, y = [], 70.0
    for names in reversed(levels(table)):
        width = (WIDTH - 2 * MARGIN - GAP * (len(names) - 1)) / len(names)
        boxes = [box(name, table[name], width) for name in names]
        height = max(one.height for one in boxes)
        for i, one in enumerate(boxes):
            parts += draw(one, MARGIN + i * (width + GAP), y, width, height)
        words.append(" | ".join(names))
        y += height + GAP
    described = f"{len(table)} towers in {len(words)} levels; each uses only what stands below it."
    return Svg(y + 6, "The floors of the house", described, "\n".join(words), tuple(parts), WIDTH)


def draw(one: Box, x: float, y: float, width: float, height: float) -> list[str]:
    """Return one tower: its name, what it uses, and its floors."""
    parts = [rect(x, y, width, height, "void ol", 5), text(x + 12, y + 22, one.name, "l")]
    at = y + TITLE
    for line in one.uses:
        parts.append(text(x + 12, at, line, "s"))
        at += LINE
    for number, lines in groupby(one.lines, key=lambda pair: pair[0]):
        parts += floor(x + 8, at - 11, width - 16, [line for _, line in lines], shaded=number % 2 == 0)
        at += LINE * sum(1 for n, _ in one.lines if n == number)
    return parts


def floor(x: float, y: float, width: float, lines: Sequence[str], shaded: bool) -> list[str]:
    """Return one floor: its rooms, on a ground of its own."""
    ground = [rect(x, y, width, LINE * len(lines), "kernel" if shaded else "user", 2)]
    return ground + [
        f'<text x="{num(x + 4)}" y="{num(y + 11.5 + LINE * i)}" class="m" style="font-size:11px">{line}</text>'
        for i, line in enumerate(lines)
    ]
