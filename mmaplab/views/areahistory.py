"""The history of the areas: one row for each call of a process, with the areas that it had after the call.

    1 mmap       |-----------------|      1 area       a bracket is an area, as wide as its pages
                          A
    2 mprotect   |-----|-----|-----|      3 areas      a halo: this call made or changed it
                    A     B     A
    3 munmap     |-----|.....|-----|      2 areas      dotted: no area
                    A           A

The letter says which rights and which file, so that two neighbours of one letter are two areas that could not merge:
their file pages do not continue, or the file was opened twice. What is in memory is not drawn; `space` draws it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mmaplab.constants import PAGE_SIZE
from mmaplab.sim import events as ev
from mmaplab.views import shapes
from mmaplab.views.rows import space_of
from mmaplab.views.scene import Area, Scene, apply, final, records_of
from mmaplab.views.strip import LETTERS
from mmaplab.views.svg import Svg, path, rect, text
from mmaplab.views.theme import MARGIN, WIDTH, text_width
from mmaplab.views.words import plural

CALLS = ("mmap", "munmap", "mprotect", "mremap", "brk")
"""Calls that have a row even where they change nothing; any other has one where the areas are different after it."""
MOST = 14
"""Rows at most: the last ones."""
LEFT, RIGHT, ROW, TOP = 164, 78, 42, 68
UNIT = 32
"""The width of a page at most, in user units; what lies between two parts is as wide as one."""
LONGEST = 8
"""Pages that a stretch is drawn with at most; a longer one is torn."""
MARK = 20
"""Letters before the rows of the text form."""


@dataclass(frozen=True)
class Row:
    """The areas after one call; `call` is "begin" for those that were there before the first."""

    number: int
    call: str
    error: str
    areas: tuple[Area, ...]
    changed: frozenset[Area]


@dataclass(frozen=True)
class Stretch:
    """Addresses [start, end) in which no area of any row begins or ends; `none`: they lie between two parts."""

    start: int
    end: int
    none: bool

    @property
    def units(self) -> int:
        """How many pages wide it is drawn; 0 for what lies between two parts."""
        return 0 if self.none else min(LONGEST, (self.end - self.start) // PAGE_SIZE)

    @property
    def torn(self) -> bool:
        """Has it more pages than are drawn?"""
        return not self.none and (self.end - self.start) // PAGE_SIZE > LONGEST


def area_history(source: object, pid: int | None = None) -> Svg:
    """Return the areas of a process after each of its calls; of the first process where `pid` is None.

    `source` is a kernel, a trace, or its records. Raises ValueError for a process that the trace does not know.
    """
    found = space_of(final(source), pid)
    rows = _rows(source, found.mm)
    title = f"Areas of P{found.pid} after each call"
    if not rows:
        form = f"areas of P{found.pid}: no call has made one"
        said = f"P{found.pid} has made no call that could make an area."
        return Svg(80, title, said, form, (text(MARGIN, 28, title, "t"), text(MARGIN, 58, said)))
    left_out, rows = len(rows[:-MOST]), rows[-MOST:]
    stretches, kinds = _stretches(rows), _kinds(rows)
    note = f"{plural(left_out, 'call')} before are not drawn".replace("1 call before are", "1 call before is")
    parts = [text(MARGIN, 28, title, "t"), *([text(WIDTH - MARGIN, 28, note, "end s")] if left_out else [])]
    parts += _ruler(stretches)
    for i, row in enumerate(rows):
        parts += _row(row, stretches, kinds, TOP + i * ROW)
    key, height = _key(stretches, kinds, TOP + len(rows) * ROW + 16)
    numbers = ", ".join(str(len(row.areas)) for row in rows)
    said = f"After {plural(len(rows), 'call')} P{found.pid} has this many areas, one number for each call: {numbers}."
    form = _form(title, rows, stretches, kinds) + (f"\n{note}" if left_out else "")
    return Svg(height, title, said, form, (*parts, *key))


# ---------------------------------------------------------------- from records to rows


def _rows(source: object, mm: int) -> list[Row]:
    """Return a row for each call that could change the areas of an address space; threads call for all of it."""
    scene, rows, name, before = Scene(), list[Row](), "", tuple[Area, ...]()
    for record in records_of(source):
        event = record.event
        if isinstance(event, ev.Syscall) and scene.processes.get(event.pid) == mm and not scene.running:
            name, before = event.name, tuple(scene.space(mm).sorted_areas())
            if not rows and before:
                rows.append(Row(0, "begin", "", before, frozenset()))
        apply(scene, record)
        if isinstance(event, ev.Done) and not scene.running and name:
            after = tuple(scene.space(mm).sorted_areas())
            if name in CALLS or after != before:
                error = event.outcome if isinstance(event.outcome, str) and event.outcome.startswith("E") else ""
                number = rows[-1].number + 1 if rows else 1
                rows.append(Row(number, name, error, after, frozenset(after) - frozenset(before)))
            name = ""
    return rows


def _stretches(rows: Sequence[Row]) -> list[Stretch]:
    borders = sorted({border for row in rows for area in row.areas for border in (area.start, area.end)})
    found = []
    for start, end in pairwise(borders):
        far = (end - start) // PAGE_SIZE > LONGEST
        found.append(Stretch(start, end, far and not any(_over(row, start) for row in rows)))
    return found


def _over(row: Row, addr: int) -> Area | None:
    return next((area for area in row.areas if area.start <= addr < area.end), None)


def _kind(area: Area) -> str:
    return f"{area.perms} {area.name or 'anonymous'}"


def _kinds(rows: Sequence[Row]) -> dict[str, str]:
    """Return a letter for each kind of area, in the order in which they appear."""
    kinds = dict.fromkeys(_kind(area) for row in rows for area in row.areas)
    return {kind: LETTERS[i % len(LETTERS)] for i, kind in enumerate(kinds)}


def _parts(stretches: Sequence[Stretch]) -> Iterator[tuple[Stretch, int]]:
    """Yield every stretch with the number of its first page, counted from the beginning of its part."""
    begin = stretches[0].start if stretches else 0
    for stretch in stretches:
        if stretch.none:
            begin = stretch.end
        yield stretch, (stretch.start - begin) // PAGE_SIZE


# ---------------------------------------------------------------- drawing


def _places(stretches: Sequence[Stretch]) -> dict[int, tuple[float, float]]:
    """Return where each stretch is drawn: its start to (left, right)."""
    room = WIDTH - MARGIN - RIGHT - LEFT
    unit = min(UNIT, room / max(1, sum(stretch.units or 1 for stretch in stretches)))
    places, x = {}, float(LEFT)
    for stretch in stretches:
        width = unit * (stretch.units or 1)
        places[stretch.start] = (x, x + width)
        x += width
    return places


def _ruler(stretches: Sequence[Stretch]) -> list[str]:
    """Return the page numbers above the rows, as many as fit, and the marks of what is torn."""
    places, parts, free = _places(stretches), [text(MARGIN, TOP - 10, "page", "s")], 0.0
    tears = [sum(places[stretch.start]) / 2 for stretch in stretches if stretch.torn or stretch.none]
    for stretch, number in _parts(stretches):
        left = places[stretch.start][0] + 2
        right = left + text_width(f"{number:,}", 12, mono=True)
        if not stretch.none and left >= free and not any(left - 10 < x < right + 10 for x in tears):
            parts.append(text(left, TOP - 10, f"{number:,}", "m s"))
            free = right + 8
    return parts + [path(f"M{x - 6:.1f},{TOP - 9}l4,-10M{x:.1f},{TOP - 9}l4,-10", "thin") for x in tears]


def _row(row: Row, stretches: Sequence[Stretch], kinds: dict[str, str], y: float) -> list[str]:
    places = _places(stretches)
    number = f"{row.number:>2} " if row.number else "   "
    halos, parts = [], [text(MARGIN, y + 18, f"{number}{row.call}", "m")]
    if row.error:
        parts.append(text(MARGIN + 22, y + 33, row.error, "alarm"))
    parts.append(text(WIDTH - MARGIN, y + 18, plural(len(row.areas), "area"), "end b"))
    for area in row.areas:
        left = places[area.start][0]
        right = max(places[stretch.start][1] for stretch in stretches if stretch.end == area.end)
        air = min(4, (right - left) / 6)
        if area in row.changed:
            halos.append(rect(left + air / 4, y + 1, right - left - air / 2, ROW - 8, "now", air))
        parts.append(shapes.bracket(left + air, right - air, y + 6, 8))
        parts += _label(area, kinds, left + air, right - air, y + 29)
    for left, right in _holes(row, stretches):
        parts.append(rect(left + 4, y + 7, right - left - 8, 20, "none"))
    return halos + parts


def _holes(row: Row, stretches: Sequence[Stretch]) -> list[tuple[float, float]]:
    """Return where a row has no area, from left to right; holes too narrow to be drawn are left out."""
    places, holes = _places(stretches), list[tuple[float, float]]()
    for stretch in stretches:
        left, right = places[stretch.start]
        if stretch.none or _over(row, stretch.start):
            continue
        if holes and holes[-1][1] == left:
            left = holes.pop()[0]
        holes.append((left, right))
    return [(left, right) for left, right in holes if right - left > 12]


def _label(area: Area, kinds: dict[str, str], left: float, right: float, y: float) -> list[str]:
    """Return the letter of an area and its rights, or the letter alone, whichever fits under its bracket."""
    letter = kinds[_kind(area)]
    for words in (f"{letter} {area.perms}", letter):
        if text_width(words, 12, mono=True) <= right - left:
            return [text((left + right) / 2, y, words, "mid m b")]
    return []


def _key(stretches: Sequence[Stretch], kinds: dict[str, str], y: float) -> tuple[list[str], float]:
    """Return what the letters mean and where the parts begin, and the height of the picture."""
    entries = [f"{letter}  {kind}" for kind, letter in kinds.items()]
    entries.append(f"page 0 is at {_begins(stretches)}" if stretches else "no area")
    parts, x = [], float(MARGIN)
    for entry in entries:
        width = text_width(entry, 12, mono=True)
        if x > MARGIN and x + width > WIDTH - MARGIN:
            x, y = float(MARGIN), y + 20
        parts.append(text(x, y, entry, "m s"))
        x += width + 24
    return parts, y + 16


def _begins(stretches: Sequence[Stretch]) -> str:
    """Return the addresses at which the parts begin."""
    return ", ".join(f"{stretch.start:x}" for stretch, number in _parts(stretches) if number == 0 and not stretch.none)


# ---------------------------------------------------------------- the text form


def _form(title: str, rows: Sequence[Row], stretches: Sequence[Stretch], kinds: dict[str, str]) -> str:
    key = "   ".join(f"{letter} {kind}" for kind, letter in kinds.items())
    lines = [f"{title[0].lower()}{title[1:]}        {key}".rstrip(), _numbers(stretches)]
    for row in rows:
        number = f"{row.number:>3}" if row.number else "   "
        cells = "".join(_cells(row, stretch, kinds) for stretch in stretches).rstrip()
        lines.append(f"{f'{number} {row.call} {row.error}':<{MARK}}{cells}   {plural(len(row.areas), 'area')}")
    return "\n".join(lines)


def _numbers(stretches: Sequence[Stretch]) -> str:
    line, column = "page", MARK
    for stretch, number in _parts(stretches):
        if not stretch.none and len(line) < column:
            line = line.ljust(column) + str(number)
        column += 2 * stretch.units if not stretch.none else 4
    return f"{line}     from {_begins(stretches)}" if stretches else line


def _cells(row: Row, stretch: Stretch, kinds: dict[str, str]) -> str:
    if stretch.none:
        return "  ~ "
    area = _over(row, stretch.start)
    cells = [kinds[_kind(area)] if area else "."] * stretch.units
    if stretch.torn:
        cells[3:5] = "~~"
    joined = " ".join(cells)
    ends = area is not None and area.end == stretch.end and _over(row, stretch.end)
    return joined + ("|" if ends else " ")
