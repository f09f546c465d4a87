"""Columns of pages: which are drawn in full, and which are left out behind a torn edge.

pages    0  1  2  3 ......... 15 16          a run is pages to which the same happens, or that are in the same state
columns  0  1  2  3  [x11]  15 16            a long run is drawn as its first page, a torn gap, its last page
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby

from mmaplab.views.shapes import PAGE
from mmaplab.views.theme import text_width

PITCH = PAGE + 4
"""From one page to the next, in user units."""
GAP = 40
"""The width of a torn gap at least; one with a long count is wider."""
TORN = 18
"""What a gap is wider than its label: the torn edges and the space after it."""
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
        if not self.is_gap:
            return PITCH
        words = (f"×{self.npages}", "mixed" if self.mixed else "")
        return max(GAP, max(text_width(word, 12, bold=True) for word in words) + TORN)

    def __contains__(self, index: int) -> bool:
        return self.first <= index < self.first + self.npages


def elide(
    runs: Sequence[tuple[int, int]], keep: int, near: Collection[int] = (), bounds: Collection[int] = ()
) -> list[Column]:
    """Return columns for runs (first, npages): those longer than `keep` pages show their first and last page.

    Below 3, ever fewer runs are drawn, the rest are gaps, and of long runs only the pages in `bounds` are drawn, where
    there are any. Runs with the pages `near` go last, those with the pages `bounds` before them. At LEAST all is gaps.
    """
    if keep >= WHOLE and sum(npages for _, npages in runs) < WHOLE:
        return [Column(first + i) for first, npages in runs for i in range(npages)]
    most = RUNS_KEPT if keep >= 3 else max(0, RUNS_KEPT + keep - 2)
    drawn = _chosen(runs, most, near, bounds)
    columns: list[Column] = []
    for i, (first, npages) in enumerate(runs):
        if i not in drawn and i - 1 not in drawn and columns:
            before = columns.pop()
            columns.append(Column(before.first, before.npages + npages, True))
        elif i not in drawn:
            columns.append(Column(first, npages))
        elif npages <= max(keep, 3):
            columns += [Column(first + i) for i in range(npages)]
        else:
            columns += _ends(first, npages, bounds if keep < 3 else ())
    return columns


def _ends(first: int, npages: int, bounds: Collection[int]) -> list[Column]:
    """Return a long run as its first page, a gap, its last page; where one of the two is of `bounds`, only that one."""
    last = first + npages - 1
    some = first in bounds or last in bounds
    head, tail = not some or first in bounds, not some or last in bounds
    gap = Column(first + head, npages - head - tail)
    return [Column(first)] * head + [gap] + [Column(last)] * tail


def _chosen(runs: Sequence[tuple[int, int]], most: int, near: Collection[int], bounds: Collection[int]) -> set[int]:
    """Return which runs to draw: those with a page of `near`, those that begin and end with one of `bounds`, those
    with one of `bounds`, the neighbours of the first kind, the first and the last."""
    wanted, bound = _with(runs, near), _with(runs, bounds)
    both = {i for i, (first, npages) in enumerate(runs) if first in bounds and first + npages - 1 in bounds}
    beside = {j for i in wanted for j in (i - 1, i + 1)}
    classes = (wanted, both, bound, beside, {0, len(runs) - 1})
    order = sorted(range(len(runs)), key=lambda i: ([i not in some for some in classes], i))
    return set(order[:most])


def _with(runs: Sequence[tuple[int, int]], pages: Collection[int]) -> set[int]:
    """Return which runs hold one of the pages."""
    return {i for i, (first, npages) in enumerate(runs) if any(first <= page < first + npages for page in pages)}


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
