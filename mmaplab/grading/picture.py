"""A difference as a picture: what the reference has after the program, and what the learner's kernel has.

    10000000   reference  [A][A][A]       a bracket is an area, a square a page, filled by what backs it
                          rw rw r=1       its rights; =1 is one and the same frame wherever it stands
               yours      [A][A][ ]       dashed: no entry; dotted: no area
    f          reference  [F][F][ ]       the file's pages in the page cache, hatched where they are dirty
               yours      [F][ ][ ]

Only what differs is drawn, with a halo behind it; where the answers alone differ, the areas of the process are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmaplab.constants import PAGE_SHIFT
from mmaplab.grading.difference import difference_lines, first_difference, own_fault, step_text
from mmaplab.grading.observe import Observation
from mmaplab.grading.plain import Plain
from mmaplab.grading.programs import Scenario
from mmaplab.grading.state import State, state_of
from mmaplab.views import shapes
from mmaplab.views.rows import Cell, cells, numbers
from mmaplab.views.shapes import PAGE
from mmaplab.views.svg import Svg, text
from mmaplab.views.theme import MARGIN, WIDTH, wrap

LEFT, ROW, MOST_BLOCKS = 190, 70, 4
KINDS = {"own": "anon", "shared": "anon", "zero": "zero"}
"""How a frame is filled; every other one is a file's."""

Look = tuple[str, bool, str]
"""How a page looks: its fill, whether it is dirty, and the words below it."""
NO_ENTRY: Look = ("absent", False, "")


@dataclass(frozen=True)
class Block:
    """One run of pages, drawn twice: the looks of its pages and the areas above them, for either kernel."""

    label: str
    first: int
    looks: tuple[list[Look], list[Look]]
    areas: tuple[list[tuple[int, int]], list[tuple[int, int]]]

    @property
    def differs(self) -> bool:
        """Are the two not the same?"""
        return self.looks[0] != self.looks[1] or self.areas[0] != self.areas[1]


def difference_picture(name: str, scenario: Scenario, expected: Observation, came: Plain) -> Svg | None:
    """Return what both kernels have after the call that tells them apart; None where there is nothing to draw."""
    at = first_difference(expected, came)
    if at is None or at >= len(expected) or at >= len(scenario.calls):
        return None
    reference, given = expected[at], came[at] if isinstance(came, list) and at < len(came) else None
    if own_fault(given) and "broken" not in (given if isinstance(given, dict) else {}):
        given = came[at - 1] if isinstance(came, list) and at else None  # what there was when it failed
    right, wrong = state_of(reference), state_of(given)
    found = [*space_blocks(right, wrong), *cache_blocks(right, wrong)]
    shown = [block for block in found if block.differs] or [block for block in found if block.areas[0]]
    if not shown:
        return None
    title = f"{name}: the reference and yours after {at + 1} call{'s' * (at > 0)}"
    answers = f"The reference: {step_text(reference, given)}. Yours: {step_text(_last(came, at), reference)}."
    form = "\n".join(difference_lines(name, scenario, expected, came))
    parts, y = _head(title, answers)
    for block in shown[:MOST_BLOCKS]:
        drawn, y = _block(block, y)
        parts += drawn
    return Svg(y, title, answers, form, tuple(parts))


def _last(came: Plain, at: int) -> Plain:
    return came[at] if isinstance(came, list) and at < len(came) else None


# ---------------------------------------------------------------- what there is to draw


def space_blocks(right: State, wrong: State) -> list[Block]:
    """Return the runs of pages in which either kernel has areas or entries, process by process."""
    blocks = []
    both = (right, wrong)
    for who in {area.who: None for state in both for area in state.areas}:
        for first, end in _runs(who, both):
            looks = [[_look(state, who, page) for page in range(first, end)] for state in both]
            areas = [[(a.start, a.end) for a in s.areas if a.who == who and first <= a.start < end] for s in both]
            label = f"{first << PAGE_SHIFT:x}" + f" of {who}" * (who != "p")
            blocks.append(Block(label, first, (looks[0], looks[1]), (areas[0], areas[1])))
    return blocks


def _runs(who: str, both: Sequence[State]) -> list[tuple[int, int]]:
    """Return the ranges of pages in which either kernel has areas or entries, those that touch as one."""
    ranges = {(area.start, area.end) for state in both for area in state.areas if area.who == who}
    ranges |= {(page, page + 1) for state in both for page in state.entries.get(who, {})}
    found: list[tuple[int, int]] = []
    for first, end in sorted(ranges):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((first, end))
    return found


def _look(state: State, who: str, page: int) -> Look:
    entry = state.entry(who, page)
    if entry is None:
        return NO_ENTRY if state.area_at(who, page) else ("none", False, "")
    rights = "--" if "n" in entry.rights else "rw" if "w" in entry.rights else "r"
    same_frame = f"={entry.number}" if entry.kind == "shared" else ""
    return (KINDS.get(entry.kind, "file"), "d" in entry.rights, rights + same_frame)


def cache_blocks(right: State, wrong: State) -> list[Block]:
    """Return the files' pages in the page cache."""
    blocks = []
    for path, letters in right.cache.items():
        other = wrong.cache.get(path, "")
        width = max(len(letters), len(other))
        looks = [[_cached(letter) for letter in row.ljust(width, ".")] for row in (letters, other)]
        blocks.append(Block(f"page cache of {path}", 0, (looks[0], looks[1]), ([], [])))
    return blocks


def _cached(letter: str) -> Look:
    return NO_ENTRY if letter == "." else ("file", letter == "D", "mark" if letter == "M" else "")


# ---------------------------------------------------------------- drawing


def _head(title: str, answers: str) -> tuple[list[str], float]:
    parts, y = [text(MARGIN, 26, title, "t")], 48.0
    for line in wrap(answers, WIDTH - 2 * MARGIN, 12):
        parts.append(text(MARGIN, y, line, "s"))
        y += 16
    return parts, y + 6


def _block(block: Block, y: float) -> tuple[list[str], float]:
    """Return both rows of a block and where the next one begins."""
    states = [
        (one, other, _edge(block, page))
        for page, (one, other) in enumerate(zip(*block.looks, strict=True), block.first)
    ]
    row = list(cells(states, LEFT, WIDTH - MARGIN - LEFT, block.first))
    parts = [text(MARGIN, y + 14, block.label, "m h")]
    y += 22
    for label, looks, areas in zip(("reference", "yours"), block.looks, block.areas, strict=True):
        parts.append(text(MARGIN, y + 33, label, "b" if label == "reference" else "youtext"))
        for cell in row:
            index = cell.column.first - block.first
            if label == "yours" and looks[index] != block.looks[0][index]:
                parts.append(shapes.halo(cell.x, y + 12, cell.width, PAGE))
        parts += [shapes.bracket(*_span(row, area), y + 2, 6) for area in areas]
        parts += [_page(cell, looks[cell.column.first - block.first], y + 12) for cell in row]
        y += ROW - 6
    return parts + numbers([_counted(cell, block.first) for cell in row], y + 10), y + 24


def _edge(block: Block, page: int) -> tuple[int, ...]:
    """Return what keeps pages of different areas apart when long runs are left out."""
    return tuple(sum(start <= page for start, _ in areas) for areas in block.areas)


def _span(row: Sequence[Cell], area: tuple[int, int]) -> tuple[float, float]:
    """Return from where to where the bracket of an area goes."""
    start, end = area
    inside = [cell for cell in row if cell.column.first < end and cell.column.first + cell.column.npages > start]
    return inside[0].x + 1, inside[-1].x + inside[-1].width - 1


def _page(cell: Cell, look: Look, y: float) -> str:
    if cell.column.is_gap:
        return shapes.gap(cell.x, y, cell.width, cell.column.npages, "mixed" if cell.column.mixed else look[0])
    words = text(cell.middle, y + PAGE + 14, look[2], "mid m s") if look[2] else ""
    return shapes.page(cell.x, y, look[0], dirty=look[1]) + words


def _counted(cell: Cell, first: int) -> Cell:
    """Return the cell with its page number counted from the block's start."""
    column = type(cell.column)(cell.column.first - first, cell.column.npages, cell.column.mixed)
    return Cell(column, cell.x)
