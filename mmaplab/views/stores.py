"""The lower lanes of the linked view: own frames, page cache, disk, and the thick arrows of the copies between them."""

from __future__ import annotations

from dataclasses import dataclass

from mmaplab.pte import pte_pfn
from mmaplab.sim import events as ev
from mmaplab.views import shapes
from mmaplab.views.board import FRAME, Board, Rect, fill, slot
from mmaplab.views.columns import Column
from mmaplab.views.layout import LEFT, Group
from mmaplab.views.shapes import PAGE, TAB
from mmaplab.views.svg import rect, text
from mmaplab.views.theme import MARGIN, WIDTH, cut

HOPS = {"dma_in": "device", "dma_out": "device", "copy_to_user": "CPU", "copy_from_user": "CPU", "cow": "CPU"}
"""Why bytes are copied, and who copies them."""
BACK = {"dma_in": "dma_out", "dma_out": "dma_in", "copy_to_user": "copy_from_user", "copy_from_user": "copy_to_user"}
"""The copies that go the other way."""
BELOW_NAME = {
    "dma_in": ("disk", 54),
    "dma_out": ("disk", 86),
    "cow": ("own", 54),
    "copy_to_user": ("buffer", 50),
    "copy_from_user": ("cache", 70),
}
"""Where the bytes are written if there is no room at the arrows: lane, and how far below its top."""


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
                board.busy.append(Rect(x, y, x + PAGE, y + FRAME))
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
    return not mapped and any(index in column for _, index, _ in board.focus.pages)


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
                svg = shapes.gap(x, y + TAB, column.width - 4, column.npages, fill(column, kind))
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
                svg = shapes.gap(x, y, column.width - 4, column.npages, fill(column, "block" if here else "absent"))
            else:
                svg = shapes.cylinder(x, y, PAGE, "D" if here else "")
                label = text(x + PAGE / 2, y + PAGE + 15, str(column.first), "mid m s")
                board.put("word", f"dn:{name}", label)
            board.put("object", f"di:{name}", svg, **data)
        board.put("word", f"df:{group.key}", text(group.x, y + PAGE + 33, cut(file.name, group.room, 13), "h"))


def copies(board: Board) -> None:
    """Draw one thick arrow for each copy, where a gap stands for several with their number; bytes and who beside it."""
    arrows: dict[str, list[Arrow]] = {}
    for group, column, x, events in _by_column(board):
        first, width = events[0], column.width - 4
        y1, y2 = _ends(board, group, column, first)
        if y1 is None or y2 is None:
            continue
        cx = x + width / 2 + _beside(board, group, column, first)
        name = f"{first.why}:{group.key}:{column.first}"
        mid = (y1 + y2) / 2 + (6 if y2 < y1 else -6)
        times = f"×{len(events)}"
        many = [shapes.label(cx, mid, times)] if len(events) > 1 else []
        half = max(9, shapes.label_width(times) / 2) if many else 9
        board.busy.append(Rect(cx - half, min(y1, y2), cx + half, max(y1, y2)))
        arrows.setdefault(first.why, []).append(Arrow(cx + half, (y1 + y2) / 2, [event.nbytes for event in events]))
        if first.why in ("copy_to_user", "copy_from_user"):
            box = rect(x, board.y["buffer"], width, 22, "void ol")
            board.put("object", f"bu:{group.key}:{column.first}", box)
        board.put("arrow", f"cp:{name}", shapes.arrow(cx, y1, cx, y2), *many, data_copies=str(len(events)))
    for why, ends in arrows.items():
        _bytes(board, why, ends, both_ways=BACK.get(why) in arrows)


def _beside(board: Board, group: Group, column: Column, event: ev.Copy) -> float:
    """Return how far an arrow stands off the middle, where another one comes the other way."""
    ways = {e.why for e, (ino, i) in board.focus.copies if ino == group.ino and i in column}
    if BACK.get(event.why) not in ways:
        return 0
    return -9 if event.why in ("dma_in", "copy_to_user") else 9


@dataclass(frozen=True)
class Arrow:
    """Where a label may stand beside an arrow (its right edge and its middle), and the bytes of its copies."""

    right: float
    middle: float
    sizes: list[int]


def _bytes(board: Board, why: str, arrows: list[Arrow], both_ways: bool) -> None:
    """Write at the arrows of one direction how many bytes moved, and who moved them."""
    sizes = [size for arrow in arrows for size in arrow.sizes]
    same = len(sizes) > 1 and len(set(sizes)) == 1
    moved = f"{f'{len(sizes)} × {sizes[0]:,}' if same else f'{sum(sizes):,}'} B"
    moved = f"{'↑' if why in ('dma_in', 'copy_to_user') else '↓'} {moved}" if both_ways else moved
    words = f"{moved} · {HOPS[why]}"
    wide, right, middle = shapes.label_width(words), arrows[-1].right, arrows[-1].middle
    places = [(arrow.right + 6, arrow.middle) for arrow in reversed(arrows)]
    places.append((arrows[0].right - 24 - wide, arrows[0].middle))
    places += [(right + way * 12 * i, middle) for way in (1, -1) for i in range(1, 50)]
    place = next((place for place in places if _is_free(board, *place, wide)), None)
    if place is None:
        lane, down = BELOW_NAME[why]
        rows = (moved, f"by the {HOPS[why]}")
        said = [text(MARGIN, board.tops[lane] + down + 16 * i, row, "b") for i, row in enumerate(rows)]
        board.put("word", f"by:{why}", *said)
        return
    x, y = place
    board.busy.append(Rect(x, y - 9, x + wide, y + 9))
    board.put("word", f"by:{why}", shapes.label(x + wide / 2, y, words))


def _is_free(board: Board, x: float, y: float, wide: float) -> bool:
    """Is there room for a label of that width, centred on `y`, and nothing below it?"""
    if x < LEFT - 12 or x + wide > WIDTH - MARGIN:
        return False
    ground = Rect(x - 3, y - 10, x + wide + 3, y + 10)
    return not any(ground.overlaps(other) for other in board.busy)


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
