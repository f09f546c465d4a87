"""Rows of pages for the pictures of one kind of thing: which columns, where, and the numbers below them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mmaplab.views.columns import PITCH, Column, columns_of
from mmaplab.views.scene import Scene, Space
from mmaplab.views.shapes import PAGE
from mmaplab.views.svg import text


@dataclass(frozen=True)
class Cell:
    """One column of a row: the page or the gap, and its x."""

    column: Column
    x: float

    @property
    def width(self) -> float:
        """The width of what is drawn."""
        return self.column.width - (PITCH - PAGE)

    @property
    def middle(self) -> float:
        """The x of its middle."""
        return self.x + self.width / 2


def cells(states: Sequence[object], x: float, room: float, low: int = 0) -> Iterator[Cell]:
    """Yield the cells of a row that begins at `x` and has `room` user units, for pages in these states."""
    for column in columns_of(states, room, low):
        yield Cell(column, x)
        x += column.width


def numbers(row: Sequence[Cell], y: float) -> list[str]:
    """Return the page numbers below a row, with their baseline at `y`; gaps have their count already."""
    return [text(cell.middle, y, str(cell.column.first), "mid m s") for cell in row if not cell.column.is_gap]


def letters(row: Sequence[Cell], letter: Callable[[int], str]) -> str:
    """Return a row in letters, one cell of four characters for each column; gaps are all `..`."""
    return "".join(f"{'..' if cell.column.is_gap else letter(cell.column.first):>4}" for cell in row)


def heads(row: Sequence[Cell]) -> str:
    """Return the page numbers of a row as text; a gap is `xN`."""
    return "".join(f"{f'x{c.column.npages}' if c.column.is_gap else c.column.first:>4}" for c in row)


def space_of(scene: Scene, pid: int | None) -> Space:
    """Return a process's address space, the first one's for None. Raises ValueError where there is none."""
    if pid is None and scene.processes:
        pid = min(scene.processes)
    space = scene.space_of(pid) if pid is not None else None
    if space is None:
        known = ", ".join(map(str, sorted(scene.processes))) or "none"
        raise ValueError(f"the trace knows no living process {pid}; it knows {known}")
    return space
