"""The lanes of the linked view: what stands where, for one step.

    header        one sentence, what the machine is in the middle of
    P1            areas and their pages               user
    P1            page table                          kernel
    own pages     frames that belong to one process   kernel
    page cache    frames that hold file pages         kernel
    disk          blocks                              device

Every object is one part with a name that stays the same from step to step (`va:1:0:f12:3`), so that a player can
change only what changed. Parts are drawn layer by layer: bands, halos, lines, objects, arrows, words.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mmaplab.constants import PAGE_SHIFT
from mmaplab.pte import pte_pfn, pte_present, pte_text
from mmaplab.sim import events as ev
from mmaplab.views import shapes
from mmaplab.views.columns import Column
from mmaplab.views.focus import Focus
from mmaplab.views.layout import LEFT, Group, Layout, delta_of, page_index
from mmaplab.views.scene import Area, Scene, Space
from mmaplab.views.shapes import PAGE, PILL, TAB
from mmaplab.views.svg import group as g
from mmaplab.views.svg import line, rect, text
from mmaplab.views.theme import MARGIN, WIDTH, cut, text_width

LAYERS = ("band", "halo", "line", "object", "arrow", "word")
FRAME = TAB + PAGE
LEVEL = 118
"""The height of one row of areas."""


@dataclass
class Board:
    """The parts of one picture: layer, then name, then SVG; and where each lane begins
    (`tops`) and has its objects (`y`), and up to where the words of faults reach in each row of pages (`said`)."""

    layout: Layout
    scene: Scene
    focus: Focus
    top: float
    parts: dict[str, dict[str, str]] = field(default_factory=lambda: {layer: {} for layer in LAYERS})
    y: dict[str, float] = field(default_factory=dict)
    tops: dict[str, float] = field(default_factory=dict)
    said: dict[str, float] = field(default_factory=dict)
    bottom: float = 0.0

    def put(self, layer: str, name: str, *svg: str, **data: str) -> None:
        """Add one part; `data` are the attributes that link it to others and say what it is."""
        self.parts[layer][name] = g(svg, **data) if data else "".join(svg)


def rows(board: Board) -> None:
    """Compute the y of every lane's objects, and draw the bands and their names."""
    y = board.top
    for pid, _ in board.layout.processes:
        levels = board.layout.levels(pid)
        y = _band(board, f"P{pid}", y, LEVEL * levels + 6, "user", ("address space", f"P{pid} · user"))
        for level in range(levels):
            board.y[f"va:{pid}:{level}"] = board.bottom + 52 + LEVEL * level
        y = _band(board, f"pt:{pid}", y, 20 + (PILL + 12) * levels, "kernel", ("page table", f"P{pid} · kernel"))
        for level in range(levels):
            board.y[f"pt:{pid}:{level}"] = board.bottom + 15 + (PILL + 12) * level
    most = max((len(slots) for slots in board.layout.slots.values()), default=0)
    if most:
        y = _band(board, "own", y, most * (FRAME + 30) - 2, "kernel2", ("own pages", "anonymous"))
        board.y["own"] = board.bottom + 12
    if board.layout.buffer:
        y = _band(board, "buffer", y, 62, "user", ("buffer", "user"))
        board.y["buffer"] = board.bottom + 12
    if any(group.ino for group in board.layout.groups):
        high = FRAME + (46 if board.layout.buffer or most else 24)
        y = _band(board, "cache", y, high, "kernel2", ("page cache", _cached(board)))
        board.y["cache"] = board.bottom + high - FRAME - 10
    if board.layout.disk:
        y = _band(board, "disk", y, 118, "paper", ("disk", "device"))
        board.y["disk"] = board.bottom + 46
    board.bottom = y


def _band(board: Board, name: str, y: float, height: float, cls: str, words: tuple[str, str]) -> float:
    """Draw one band with its name; returns where the next one begins. Leaves `bottom` at this band's top."""
    board.put("band", f"band:{name}", rect(0, y, WIDTH, height, cls, 0), text(MARGIN, y + 20, words[0], "h"))
    board.put("word", f"sub:{name}", text(MARGIN, y + 37, words[1], "s"))
    if board.focus.lanes & {name}:
        board.put("word", f"mark:{name}", text(6, y + 20, "▸", "h"))
    board.bottom = board.tops[name] = y
    return y + height


def _cached(board: Board) -> str:
    files = [board.scene.files[gr.ino] for gr in board.layout.groups if gr.ino in board.scene.files]
    cached, dirty = sum(len(f.pages) for f in files), sum(len(f.dirty) for f in files)
    return f"{cached:,} cached" + (f", {dirty:,} dirty" if dirty else "")


# ---------------------------------------------------------------- one process


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
    left = x1 if upper else x1 + 9  # the lines of the rows above pass on the left
    room = lane.edge - left
    label = cut(f"{area.name or 'anonymous'}, {kind}", room, 13)
    rights = f"{area.perms} {area.start:x}"
    rights = rights if text_width(rights, 12, mono=True) <= room else area.perms
    board.put("line", f"br:{key}", shapes.bracket(x1, x2, lane.y - 14), data_area=key)
    if room >= 34:
        words = (text(left, lane.y - 34, label, "h"), text(left, lane.y - 19, rights, "m s"))
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
        svg = shapes.gap(place.x, y, column.width - 4, column.npages, _fill(column, kind))
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


def _fill(column: Column, kind: str) -> str:
    """Return how a gap is filled: as its pages are, if they are all alike."""
    return "mixed" if column.mixed else kind


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
    return next((w for (mm, i), w in focus.faults.items() if mm == place.mm and i in place.column), "")


def _in_focus(focus: Focus, place: Place) -> bool:
    return any(mm == place.mm and i in place.column and d == place.delta for (mm, i), d in focus.pages.items())


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


def slot(board: Board, group: Group, index: int, pfn: int) -> int:
    """Return which of the frames that a column has had a frame is."""
    slots = board.layout.slots.get((group.key, index), [])
    return slots.index(pfn) if pfn in slots else 0


# ---------------------------------------------------------------- frames and blocks


def frames(board: Board) -> None:
    """Draw the anonymous frames, each in the column of the page that it backs."""
    for group in board.layout.groups:
        for column, x in group.places():
            for number, pfn in enumerate(board.layout.slots.get((group.key, column.first), [])):
                if column.is_gap or board.scene.frames.get(pfn) != "anon" or not _in_use(board, group, column, pfn):
                    continue
                y = board.y["own"] + number * (FRAME + 30)
                name = f"{group.key}:{column.first}:{pfn}"
                data = {"data_col": f"{group.key}:{column.first}"}
                board.put("object", f"an:{name}", shapes.frame(x, y, "anon", pfn), **data)
                if pfn in board.focus.frames:
                    board.put("halo", f"ha:{name}", shapes.halo(x, y, PAGE, FRAME))


def _in_use(board: Board, group: Group, column: Column, pfn: int) -> bool:
    """Is the frame mapped in this column, or just taken for the fault that is going on?"""
    mapped = False
    for _, mm in board.layout.processes:
        space = board.scene.spaces.get(mm)
        for addr, pte in space.ptes.items() if space else ():
            if pte_pfn(pte) == pfn:
                mapped = True
                found = board.layout.place_of(space, addr) if space else None
                if found and found[0] is group and found[1] in column:
                    return True
    return not mapped and any(index in column for _, index in board.focus.pages)


def cache(board: Board) -> None:
    """Draw the page cache: the frames that hold pages of the files."""
    y = board.y.get("cache")
    for group in board.layout.groups:
        file = board.scene.files.get(group.ino)
        if y is None or not group.ino or file is None:
            continue
        for column, x in group.places():
            if column.first >= file.npages and column.first not in file.pages:
                continue
            name, data = f"{group.key}:{column.first}", {"data_col": f"{group.key}:{column.first}"}
            pfn = file.pages.get(column.first)
            kind = "none" if pfn is None else "file" if column.first in file.uptodate else "free"
            if column.is_gap:
                svg = shapes.gap(x, y + TAB, column.width - 4, column.npages, _fill(column, kind))
            elif pfn is None:
                svg = shapes.page(x, y + TAB, "none")
            else:
                svg = shapes.frame(x, y, kind, pfn, dirty=column.first in file.dirty)
            board.put("object", f"ca:{name}", svg, **data)
            if any((group.ino, i) in board.focus.cached for i in range(column.first, column.first + column.npages)):
                up = 0 if pfn is not None and not column.is_gap else TAB
                board.put("halo", f"hc:{name}", shapes.halo(x, y + up, column.width - 4, FRAME - up))


def disk(board: Board) -> None:
    """Draw the blocks of the files, with the number of their file page and the file's name."""
    y = board.y.get("disk")
    for group in board.layout.groups:
        file = board.scene.files.get(group.ino)
        if y is None or not group.ino or file is None or file.fs == "tmpfs":
            continue
        for column, x in group.places():
            if column.first >= max(file.npages, max(file.blocks, default=-1) + 1):
                continue
            name, data = f"{group.key}:{column.first}", {"data_col": f"{group.key}:{column.first}"}
            here = column.first in file.blocks
            if column.is_gap:
                svg = shapes.gap(x, y, column.width - 4, column.npages, _fill(column, "block" if here else "absent"))
            else:
                svg = shapes.cylinder(x, y, PAGE, "D" if here else "")
                label = text(x + PAGE / 2, y + PAGE + 15, str(column.first), "mid m s")
                board.put("word", f"dn:{name}", label)
            board.put("object", f"di:{name}", svg, **data)
        board.put("word", f"df:{group.key}", text(group.x, y + PAGE + 33, cut(file.name, group.room, 13), "h"))


def copies(board: Board) -> None:
    """Draw one thick arrow for each copy; where a gap stands for several, their number beside it."""
    for group, column, x, events in _by_column(board):
        first, width = events[0], column.width - 4
        y1, y2 = _ends(board, group, column, first)
        if y1 is None or y2 is None:
            continue
        cx = x + width / 2 + _beside(board, group, column, first)
        name = f"{first.why}:{group.key}:{column.first}"
        mid = (y1 + y2) / 2 + (6 if y2 < y1 else -6)
        many = [shapes.label(cx, mid, f"×{len(events)}")] if len(events) > 1 else []
        if first.why in ("copy_to_user", "copy_from_user"):
            box = rect(x, board.y["buffer"], width, 22, "void ol")
            board.put("object", f"bu:{group.key}:{column.first}", box)
        board.put("arrow", f"cp:{name}", shapes.arrow(cx, y1, cx, y2), *many, data_copies=str(len(events)))
    _bytes(board)


def _beside(board: Board, group: Group, column: Column, event: ev.Copy) -> float:
    """Return how far an arrow stands off the middle, where another one comes the other way."""
    back = {
        "dma_in": "dma_out",
        "dma_out": "dma_in",
        "copy_to_user": "copy_from_user",
        "copy_from_user": "copy_to_user",
    }
    ways = {e.why for e, (ino, i) in board.focus.copies if ino == group.ino and i in column}
    if back.get(event.why) not in ways:
        return 0
    return -9 if event.why in ("dma_in", "copy_to_user") else 9


def _bytes(board: Board) -> None:
    """Write how many bytes moved, and who moved them, below the name of the lane that they came from."""
    lanes = {"dma_in": "disk", "dma_out": "disk", "cow": "own", "copy_to_user": "buffer", "copy_from_user": "buffer"}
    for why, lane in lanes.items():
        sizes = [event.nbytes for event, _ in board.focus.copies if event.why == why]
        if sizes and lane in board.y and f"by:{lane}" not in board.parts["word"]:
            same = len(set(sizes)) == 1
            moved = f"{sum(sizes):,} B" if len(sizes) == 1 or not same else f"{len(sizes)} × {sizes[0]:,} B"
            y = board.tops[lane]
            board.put("word", f"by:{lane}", text(MARGIN, y + 54, moved, "b"))


def _by_column(board: Board) -> list[tuple[Group, Column, float, list[ev.Copy]]]:
    """Return the copies of the step by hop and column, so that each lot becomes one arrow."""
    found: dict[tuple[str, str, int], tuple[Group, Column, float, list[ev.Copy]]] = {}
    for event, (ino, index) in board.focus.copies:
        group = next((gr for gr in board.layout.groups if gr.ino == ino and gr.low <= index < gr.high), None)
        place = group.place(index) if group else None
        if group and place:
            column, x = place
            found.setdefault((event.why, group.key, column.first), (group, column, x, []))[3].append(event)
    return list(found.values())


def _ends(board: Board, group: Group, column: Column, event: ev.Copy) -> tuple[float | None, float | None]:
    """Return the y where an arrow begins and where it ends."""
    cache, own, disk = board.y.get("cache"), board.y.get("own"), board.y.get("disk")
    low, high = (cache + FRAME + 3, cache + TAB - 2) if cache is not None else (None, None)
    top = disk - 2 if disk is not None else None
    buffer = board.y.get("buffer")
    match event.why:
        case "dma_in":
            return top, low
        case "dma_out":
            return low, top
        case "copy_to_user":
            return high and high - TAB, buffer and buffer + 24
        case "copy_from_user":
            return buffer and buffer + 24, high and high - TAB
    if own is None:
        return None, None
    target = own + slot(board, group, column.first, event.target) * (FRAME + 30)
    slots = board.layout.slots.get((group.key, column.first), [])
    if event.source in slots:
        source = own + slots.index(event.source) * (FRAME + 30)
        return (source + FRAME + 3, target - 2) if source < target else (source - 2, target + FRAME + 3)
    return high and high - TAB, target + FRAME + 3
