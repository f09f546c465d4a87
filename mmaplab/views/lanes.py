"""The upper lanes of the linked view: the areas, the pages and the entries of each process.

bracket        the area, its name and its rights
page           filled by what backs it; dashed: no entry; dotted: no area
pill           the entry; a thin line leads to the frame that it names; where something stands between, a tag with the
               number of the frame hangs on the pill
"""

from __future__ import annotations

from dataclasses import dataclass

from mmaplab.constants import PAGE_SHIFT
from mmaplab.pte import pte_pfn, pte_present, pte_text
from mmaplab.views import shapes
from mmaplab.views.board import Board, Rect, fill
from mmaplab.views.columns import Column
from mmaplab.views.focus import Focus
from mmaplab.views.layout import LEFT, STRAY, Group, delta_of, page_index
from mmaplab.views.scene import Area, Scene, Space
from mmaplab.views.shapes import PAGE, PILL
from mmaplab.views.svg import line, rect, text
from mmaplab.views.theme import MARGIN, WIDTH, cut, text_width

LEAST = 28
"""The least room for a label: that of an area of one page, which its rights just fill."""


def process(board: Board, pid: int, mm: int) -> None:
    """Draw the areas, the pages and the entries of one process."""
    space = board.scene.spaces.get(mm)
    for group in board.layout.groups:
        for level, delta in enumerate(group.deltas.get(pid, [])):
            areas = [a for a in space.sorted_areas() if _belongs(group, a, delta)] if space else []
            _brackets(board, group, areas, (pid, level))
            places = [Place(group, column, x, pid, mm, delta, level) for column, x in group.places()]
            for place in places:
                _column(board, place, space, areas)
            for place in places:
                _entry(board, place, space, areas)
    _stray(board, pid, mm)
    for lane, halo in ((f"P{pid}", f"hv:{pid}"), (f"pt:{pid}", f"hp:{pid}")):
        _move_mark(board, lane, halo)


def _move_mark(board: Board, lane: str, halo: str) -> None:
    """Move the mark of a process's lane from the first row to the rows in which something has a halo."""
    rows = {name.removeprefix(f"{halo}:").split(":")[0] for name in board.parts["halo"] if name.startswith(f"{halo}:")}
    if rows and f"mark:{lane}:0" in board.parts["word"]:
        del board.parts["word"][f"mark:{lane}:0"]
        for row in sorted(rows):
            board.mark(f"{lane}:{row}", board.tops[f"{lane}:{row}"])


@dataclass(frozen=True)
class Place:
    """One column of one mapping."""

    group: Group
    column: Column
    x: float
    pid: int
    mm: int
    delta: int
    level: int

    @property
    def addr(self) -> int:
        """The address of the (first) page."""
        return self.column.first + self.delta << PAGE_SHIFT

    @property
    def name(self) -> str:
        """What tells this place from others."""
        return f"{self.pid}:{self.level}:{self.group.key}:{self.delta:x}:{self.column.first}"

    def area(self, areas: list[Area]) -> Area | None:
        """Return which of the areas the (first) page is in."""
        return next((a for a in areas if a.start <= self.addr < a.end), None)

    @property
    def link(self) -> str:
        """What it has in common with the other lanes."""
        return f"{self.group.key}:{self.column.first}"


def _belongs(group: Group, area: Area, delta: int) -> bool:
    if area.ino != group.ino or delta_of(area) != delta:
        return False
    return bool(area.ino) or group.low <= area.start >> PAGE_SHIFT < group.high


@dataclass(frozen=True)
class Bracket:
    """An area's bracket from `x1` to `x2`, with its name and up to where its rights may reach."""

    area: Area
    x1: float
    x2: float
    end: float

    @property
    def name(self) -> str:
        """The name of the area and its kind."""
        return f"{self.area.name or 'anonymous'}, {'shared' if self.area.perms.endswith('s') else 'private'}"


def _brackets(board: Board, group: Group, areas: list[Area], row: tuple[int, int]) -> None:
    """Draw the brackets of a group's areas in one row (pid, level), with their rights and their names."""
    pid, level = row
    y, end = board.y[f"va:{pid}:{level}"], _row_end(board, group, row)
    found: list[Bracket] = []
    for area in reversed(areas):
        first = page_index(area, area.start)
        shown = [(c, x) for c, x in group.places() if c.first < first + area.npages and c.first + c.npages > first]
        if shown:
            x1, x2 = shown[0][1], shown[-1][1] + shown[-1][0].width - 4
            found.insert(0, Bracket(area, x1, x2, found[0].x1 - 8 if found else end))
    for bracket in found:
        key, room = f"{pid}:{bracket.area.start:x}", bracket.end - bracket.x1
        rights = f"{bracket.area.perms} {bracket.area.start:x}"
        rights = rights if text_width(rights, 12, mono=True) <= room else bracket.area.perms
        board.put("line", f"br:{key}", shapes.bracket(bracket.x1, bracket.x2, y - 14), data_area=key)
        if room >= LEAST:
            board.put("word", f"nm:{key}", text(bracket.x1, y - 19, rights, "m s"), data_area=key)
    for bracket, room in _named(found):
        key = f"{pid}:{bracket.area.start:x}"
        words = text(bracket.x1, y - 34, cut(bracket.name, room, 13), "h")
        board.put("word", f"na:{key}", words, data_area=key)


def _row_end(board: Board, group: Group, row: tuple[int, int]) -> float:
    """Return up to where labels of a group may reach: to the next group with areas in this row."""
    pid, level = row
    later = [gr.x - 8 for gr in board.layout.groups if gr.x > group.x and len(gr.deltas.get(pid, [])) > level]
    return min([*later, WIDTH - MARGIN - (STRAY if board.layout.strays else 0)])


def _named(found: list[Bracket]) -> list[tuple[Bracket, float]]:
    """Return the brackets that bear a name, and its room: one name serves neighbours too narrow for one each."""
    named: list[tuple[Bracket, float]] = []
    for bracket in found:
        room, wide = bracket.end - bracket.x1, text_width(bracket.name, 13, bold=True)
        first, had = named[-1] if named else (None, 0.0)
        if first and first.name == bracket.name and min(room, had) < wide:
            named[-1] = (first, bracket.end - first.x1)
        elif room >= LEAST:
            named.append((bracket, room))
    return named


def _column(board: Board, place: Place, space: Space | None, areas: list[Area]) -> None:
    y, column, area = board.y[f"va:{place.pid}:{place.level}"], place.column, place.area(areas)
    pte = space.ptes.get(place.addr, 0) if space and area else 0
    kind = page_kind(board.scene, area, pte)
    if kind == "none" and not areas:
        return
    data = _data(place, area)
    if column.is_gap:
        svg = shapes.gap(place.x, y, column.width - 4, column.npages, fill(column, kind))
        board.put("object", f"va:{place.name}", svg, **data)
    else:
        data |= {"data_addr": f"{place.addr:x}", "data_pid": str(place.pid)} if area else {}
        board.put("object", f"va:{place.name}", shapes.page(place.x, y, kind), **data)
        number = str(place.group.label(column.first))
        board.put("word", f"no:{place.name}", text(place.x + PAGE / 2, y + PAGE + 15, number, "mid m s"))
    _focus(board, place, y, kind)


def _data(place: Place, area: Area | None) -> dict[str, str]:
    """Return what links a column to the other lanes and to its area."""
    return {"data_col": place.link, "data_area": f"{place.pid}:{area.start:x}" if area else ""}


def page_kind(scene: Scene, area: Area | None, pte: int) -> str:
    """Return how a virtual page is drawn: by what backs it, or that it has no entry, or no area."""
    if area is None:
        return "none"
    if not pte_present(pte):
        return "absent"
    if pte_pfn(pte) == 0:
        return "zero"
    return "file" if scene.frames.get(pte_pfn(pte)) == "cache" else "anon"


def _focus(board: Board, place: Place, y: float, kind: str) -> None:
    focus = board.focus
    if not _in_focus(focus, place):
        return
    width = place.column.width - 4
    board.put("halo", f"hv:{place.name}", shapes.halo(place.x, y, width, PAGE))
    word = _fault_of(focus, place)
    if not word:
        return
    if kind in ("absent", "none") and not place.column.is_gap:
        board.put("arrow", f"zz:{place.name}", shapes.zigzag(place.x + width / 2, y + PAGE / 2))
    wide = text_width(word, 12, bold=True)
    left = max(place.x + width / 2 - wide / 2, LEFT)
    if left >= board.said.get(f"{place.pid}:{place.level}", 0):  # one word serves neighbours for which there is no room
        board.said[f"{place.pid}:{place.level}"] = left + wide + 4
        board.put("word", f"zw:{place.name}", text(left + wide / 2, y + PAGE + 30, word, "mid alarm"))


def _fault_of(focus: Focus, place: Place) -> str:
    """Return the word for the fault in a column, empty where none is."""
    return next((word for page, word in focus.faults.items() if _is_at(place, page)), "")


def _in_focus(focus: Focus, place: Place) -> bool:
    return any(_is_at(place, page) for page in focus.pages)


def _is_at(place: Place, page: tuple[int, int, int]) -> bool:
    mm, index, delta = page
    return mm == place.mm and index in place.column and delta == place.delta


def _entry(board: Board, place: Place, space: Space | None, areas: list[Area]) -> None:
    area = place.area(areas)
    if space is None or area is None:
        return
    y, column, x = board.y[f"pt:{place.pid}:{place.level}"], place.column, place.x
    pte, data, width = space.ptes.get(place.addr, 0), _data(place, area), column.width - 4
    label = pte_text(pte) if pte_present(pte) and not column.mixed else ""
    held = any((mm, addr) == (place.mm, place.addr) for _, mm, addr in board.scene.tlb)
    board.put("object", f"pt:{place.name}", shapes.pill(x, y, label, width, held and not column.is_gap), **data)
    if any((place.mm, addr) in board.focus.entries for addr in _addresses(place)):
        board.put("halo", f"hp:{place.name}", shapes.halo(x, y, width, PILL))
    if label and not column.is_gap:
        row = f"{place.pid}:{place.level}"
        top = board.y[f"va:{row}"] + PAGE + (34 if row in board.said else 19)  # below the words of faults
        board.put("line", f"l1:{place.name}", line(x + PAGE / 2, top, x + PAGE / 2, y), **data)
        _lead(board, place, pte, data)


def _lead(board: Board, place: Place, pte: int, data: dict[str, str]) -> None:
    """Lead from an entry to its frame: by a line, or by a tag with the frame's number where the line has no way."""
    pfn, cx, y = pte_pfn(pte), place.x + PAGE / 2, board.y[f"pt:{place.pid}:{place.level}"] + PILL
    target = _reachable(board, place, pfn)
    if target is not None:
        board.put("line", f"l2:{place.name}", line(cx, y, cx, target), **data)
        board.busy.append(Rect(cx, y, cx, target))
    elif pfn:
        board.put("line", f"l2:{place.name}", line(cx, y, cx, y + 7), **data)
        tag = shapes.number(cx - shapes.tab_width(pfn) / 2, y + 7, pfn, below=1)
        board.put("object", f"tg:{place.name}", tag, **data)


def _addresses(place: Place) -> range:
    return range(place.addr, place.addr + (place.column.npages << PAGE_SHIFT), 1 << PAGE_SHIFT)


def _reachable(board: Board, place: Place, pfn: int) -> float | None:
    """Return the top of the frame that a line can reach: no other lane, frame or buffer may stand between."""
    slots = board.layout.slots.get((place.group.key, place.column.first), [])
    if (place.pid, place.level) != board.layout.rows()[-1]:
        return None
    if pfn in slots and board.scene.frames.get(pfn) == "anon":
        return board.y["own"] if pfn == slots[0] else None
    return board.y["cache"] if pfn and place.group.ino and not slots and not board.layout.buffer else None


def _stray(board: Board, pid: int, mm: int) -> None:
    """Draw the page outside all areas that an access went to, at the edge of the process's first row."""
    addr, word = board.focus.strays.get(mm, (0, ""))
    if (mm, addr) not in board.layout.strays:
        return
    x, y, middle = WIDTH - MARGIN - STRAY / 2 - PAGE / 2, board.y[f"va:{pid}:0"], WIDTH - MARGIN - STRAY / 2
    board.put("object", f"st:{pid}", rect(x, y, PAGE, PAGE, "void"), shapes.page(x, y, "none"))
    board.put("halo", f"hs:{pid}", shapes.halo(x, y, PAGE, PAGE))
    words = [text(middle, y - 19, "no area", "mid s"), text(middle, y + PAGE + 15, f"{addr:x}", "mid m s")]
    if word:
        board.put("arrow", f"zs:{pid}", shapes.zigzag(middle, y + PAGE / 2))
        words.append(text(middle, y + PAGE + 30, word, "mid alarm"))
    board.put("word", f"ws:{pid}", *words)
