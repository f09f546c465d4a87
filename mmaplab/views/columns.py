"""Columns of pages: which are drawn in full, and which are left out behind a torn edge.

pages    0  1  2  3 ......... 15 16          a run is pages to which the same happens, or that are in the same state
columns  0  1  2  3  [x11]  15 16            a long run is drawn as its first page, a torn gap, its last page
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby

from mmaplab.views.shapes import PAGE

PITCH = PAGE + 4
"""From one page to the next, in user units."""
GAP = 40
"""The width of a torn gap, with room for its count."""
RUNS_KEPT = 12
"""Runs drawn at most in one group; the rest becomes one gap of mixed pages."""
WHOLE = 16
"""The `keep` to begin with; at it, a group of fewer pages is drawn in full, however many runs it has."""
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


def elide(runs: Sequence[tuple[int, int]], keep: int, near: Collection[int] = ()) -> list[Column]:
    """Return columns for runs (first, npages): those longer than `keep` pages show their first and last page.

    Below 3, ever fewer runs are drawn, the rest are gaps; runs with the pages `near` go last. At LEAST all is one gap.
    """
    if keep >= WHOLE and sum(npages for _, npages in runs) < WHOLE:
        return [Column(first + i) for first, npages in runs for i in range(npages)]
    most = RUNS_KEPT if keep >= 3 else max(0, RUNS_KEPT + keep - 2)
    drawn = _chosen(runs, most, near)
    columns: list[Column] = []
    for i, (first, npages) in enumerate(runs):
        if i not in drawn:
            before = columns.pop() if columns and columns[-1].mixed else None
            columns.append(
                Column(before.first, before.npages + npages, True) if before else Column(first, npages, True)
            )
        elif npages <= max(keep, 3):
            columns += [Column(first + i) for i in range(npages)]
        else:
            columns += [Column(first), Column(first + 1, npages - 2), Column(first + npages - 1)]
    return [Column(c.first) if c.npages == 1 else c for c in columns]


def _chosen(runs: Sequence[tuple[int, int]], most: int, near: Collection[int]) -> set[int]:
    """Return which runs to draw: those with a page of `near`, then their neighbours, then the first and the last."""
    wanted = {i for i, (first, npages) in enumerate(runs) if any(first <= page < first + npages for page in near)}
    beside = {j for i in wanted for j in (i - 1, i + 1)}
    ends = {0, len(runs) - 1}
    order = sorted(range(len(runs)), key=lambda i: (i not in wanted, i not in beside, i not in ends, i))
    return set(order[:most])


def columns_of(states: Sequence[object], room: float, low: int = 0) -> list[Column]:
    """Return columns at most `room` user units wide for pages `low`, `low + 1`, ... in these states."""
    runs, first = [], low
    for _, alike in groupby(states):
        n = len(list(alike))
        runs.append((first, n))
        first += n
    keep = WHOLE
    while True:
        columns = elide(runs, keep)
        if sum(column.width for column in columns) <= room or keep <= LEAST:
            return columns
        keep -= 1
