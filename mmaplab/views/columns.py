"""Columns of pages: which are drawn in full, and which are left out behind a torn edge.

pages    0  1  2  3 ......... 15 16          a run is pages to which the same happens, or that are in the same state
columns  0  1  2  3  [x11]  15 16            a long run is drawn as its first page, a torn gap, its last page
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from mmaplab.views.shapes import PAGE

PITCH = PAGE + 4
"""From one page to the next, in user units."""
GAP = 40
"""The width of a torn gap, with room for its count."""
RUNS_KEPT = 12
"""Runs drawn at most in one group; the rest becomes one gap of mixed pages."""
LEAST = 2 - RUNS_KEPT
"""The `keep` below which nothing more can be left out."""


@dataclass(frozen=True)
class Column:
    """One page, or a gap of `npages` left out; `mixed` where those are not all alike."""

    first: int
    npages: int = 1
    mixed: bool = False

    @property
    def is_gap(self) -> bool:
        """Does the column stand for several pages?"""
        return self.npages > 1

    @property
    def width(self) -> float:
        """The width in user units, with the space after it."""
        return GAP if self.is_gap else PITCH

    def __contains__(self, index: int) -> bool:
        return self.first <= index < self.first + self.npages


def elide(runs: Sequence[tuple[int, int]], keep: int) -> list[Column]:
    """Return the columns: runs longer than `keep` pages show their first and last; below 3, fewer runs are kept."""
    kept = list(runs)
    merged: tuple[int, int] | None = None
    most = RUNS_KEPT if keep >= 3 else max(2, RUNS_KEPT + keep - 2)
    if len(kept) > most:
        head, tail = most - most // 3, most // 3
        middle = kept[head : len(kept) - tail]
        merged = (middle[0][0], sum(n for _, n in middle))
        kept = [*kept[:head], merged, *kept[len(kept) - tail :]]
    columns: list[Column] = []
    for first, npages in kept:
        if (first, npages) == merged:
            columns.append(Column(first, npages, mixed=npages > 1))
        elif npages <= max(keep, 3):
            columns += [Column(first + i) for i in range(npages)]
        else:
            columns += [Column(first), Column(first + 1, npages - 2), Column(first + npages - 1)]
    return columns


def columns_of(states: Sequence[object], room: float, low: int = 0) -> list[Column]:
    """Return columns at most `room` user units wide for pages `low`, `low + 1`, ... in these states."""
    runs, first = [], low
    for _, alike in groupby(states):
        n = len(list(alike))
        runs.append((first, n))
        first += n
    keep = 16
    while True:
        columns = elide(runs, keep)
        if sum(column.width for column in columns) <= room or keep <= LEAST:
            return columns
        keep -= 1
