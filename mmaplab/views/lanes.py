"""The upper lanes of the linked view: the areas, the pages and the entries of each process.

bracket        the area, its name and its rights
page           filled by what backs it; dashed: no entry; dotted: no area
pill           the entry; a thin line leads to the frame that it names
"""

from __future__ import annotations

from dataclasses import dataclass

from mmaplab.constants import PAGE_SHIFT
from mmaplab.pte import pte_pfn, pte_present, pte_text
from mmaplab.views import shapes
from mmaplab.views.board import FRAME, Board, fill
from mmaplab.views.columns import Column
from mmaplab.views.focus import Focus
from mmaplab.views.layout import BESIDE, LEFT, Group, delta_of, page_index
from mmaplab.views.scene import Area, Scene, Space
from mmaplab.views.shapes import PAGE, PILL, TAB
from mmaplab.views.svg import line, text
from mmaplab.views.theme import cut, text_width


def process(board: Board, pid: int, mm: int) -> None:
    """Draw the areas, the pages and the entries of one process."""
    space = board.scene.spaces.get(mm)
    for group in board.layout.groups:
        for level, delta in enumerate(group.deltas.get(pid, [])):
            y = board.y[f"va:{pid}:{level}"]
            areas = [a for a in space.sorted_areas() if _belongs(group, a, delta)] if space else []
            edge = group.x + group.room
            for area in reversed(areas):
                edge = _bracket(board, group, area, Lane(pid, y, edge))
            for column, x in group.places():
                _column(board, Place(group, column, x, pid, mm, delta, level), space, areas)


@dataclass(frozen=True)
class Lane:
    """Where an area's bracket stands: the pages' y, and the x at which the next area's label begins."""

    pid: int
    y: float
    edge: float


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
        return f"{self.pid}:{self.group.key}:{self.delta:x}:{self.column.first}"

    @property
    def link(self) -> str:
        """What it has in common with the other lanes."""
        return f"{self.group.key}:{self.column.first}"


def _belongs(group: Group, area: Area, delta: int) -> bool:
    if area.ino != group.ino or delta_of(area) != delta:
        return False
    return bool(area.ino) or group.low <= area.start >> PAGE_SHIFT < group.high


def _bracket(board: Board, group: Group, area: Area, lane: Lane) -> float:
    """Draw one area's bracket, with as much of its label as there is room for; returns the x at which it begins."""
    first = page_index(area, area.start)
    shown = [(c, x) for c, x in group.places() if c.first < first + area.npages and c.first + c.npages > first]
    if not shown:
        return lane.edge
    x1, x2 = shown[0][1], shown[-1][1] + shown[-1][0].width - 4
    kind = "shared" if area.perms.endswith("s") else "private"
    key = f"{lane.pid}:{area.start:x}"
    upper = lane.y == min(y for name, y in board.y.items() if name.startswith("va:"))
    left = x1 if upper else x1 + BESIDE
    room = lane.edge - left
    label = cut(f"{area.name or 'anonymous'}, {kind}", room, 13)
    rights = f"{area.perms} {area.start:x}"
    rights = rights if text_width(rights, 12, mono=True) <= room else area.perms
    board.put("line", f"br:{key}", shapes.bracket(x1, x2, lane.y - 14), data_area=key)
    if room >= 34:
        words = (text(left, lane.y - 34, label, "h over"), text(left, lane.y - 19, rights, "m s over"))
        board.put("word", f"nm:{key}", *words, data_area=key)
    return x1 - 8


def _column(board: Board, place: Place, space: Space | None, areas: list[Area]) -> None:
    y, column = board.y[f"va:{place.pid}:{place.level}"], place.column
    area = next((a for a in areas if a.start <= place.addr < a.end), None)
    data = {"data_col": place.link, "data_area": f"{place.pid}:{area.start:x}" if area else ""}
    if area and not column.is_gap:
        data |= {"data_addr": f"{place.addr:x}", "data_pid": str(place.pid)}
    pte = space.ptes.get(place.addr, 0) if space and area else 0
    kind = page_kind(board.scene, area, pte)
    if kind == "none" and not areas:
        return
    if column.is_gap:
        svg = shapes.gap(place.x, y, column.width - 4, column.npages, fill(column, kind))
        board.put("object", f"va:{place.name}", svg, **data)
    else:
        board.put("object", f"va:{place.name}", shapes.page(place.x, y, kind), **data)
        number = str(place.group.label(column.first))
        board.put("word", f"no:{place.name}", text(place.x + PAGE / 2, y + PAGE + 15, number, "mid m s"))
    _focus(board, place, y, kind)
    if area:
        _entry(board, place, pte, data)


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


def _entry(board: Board, place: Place, pte: int, data: dict[str, str]) -> None:
    y, column, x = board.y[f"pt:{place.pid}:{place.level}"], place.column, place.x
    width = column.width - 4
    data = {name: value for name, value in data.items() if name != "data_addr"}
    label = pte_text(pte) if pte_present(pte) and not column.mixed else ""
    held = any((mm, addr) == (place.mm, place.addr) for _, mm, addr in board.scene.tlb)
    board.put("object", f"pt:{place.name}", shapes.pill(x, y, label, width, held and not column.is_gap), **data)
    if any((place.mm, addr) in board.focus.entries for addr in _addresses(place)):
        board.put("halo", f"hp:{place.name}", shapes.halo(x, y, width, PILL))
    if label and not column.is_gap:
        cx = x + PAGE / 2 + _aside(board, place)
        top = board.y[f"va:{place.pid}:{place.level}"] + PAGE + 19
        top += 15 if f"zw:{place.name}" in board.parts["word"] else 0
        target = _frame_y(board, place, pte)
        board.put("line", f"l1:{place.name}", line(cx, top, cx, y), **data)
        if target is not None:
            target += TAB if cx > x + 18 else 0
            board.put("line", f"l2:{place.name}", line(cx, y + PILL, cx, target), **data)


def _aside(board: Board, place: Place) -> float:
    """Return how far a line stands off the middle, where the lines of several rows of pages run side by side."""
    rows = [(pid, level) for pid, _ in board.layout.processes for level in range(len(place.group.deltas.get(pid, [])))]
    behind = len(rows) - 1 - rows.index((place.pid, place.level))
    return (0, -13, 13, -8)[behind % 4]


def _addresses(place: Place) -> range:
    return range(place.addr, place.addr + (place.column.npages << PAGE_SHIFT), 1 << PAGE_SHIFT)


def _frame_y(board: Board, place: Place, pte: int) -> float | None:
    """Return the top of the frame that an entry leads to, None where it is not drawn."""
    pfn = pte_pfn(pte)
    slots = board.layout.slots.get((place.group.key, place.column.first), [])
    if pfn in slots and board.scene.frames.get(pfn) == "anon":
        return board.y["own"] + slots.index(pfn) * (FRAME + 30)
    return board.y["cache"] if pfn and place.group.ino else None
