"""The board of the linked view: its bands from top to bottom, and its parts by layer and name.

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

from mmaplab.views.columns import Column
from mmaplab.views.focus import Focus
from mmaplab.views.layout import Group, Layout
from mmaplab.views.scene import Scene
from mmaplab.views.shapes import PAGE, PILL, TAB
from mmaplab.views.svg import group as g
from mmaplab.views.svg import rect, text
from mmaplab.views.theme import MARGIN, WIDTH

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


def fill(column: Column, kind: str) -> str:
    """Return how a gap is filled: as its pages are, if they are all alike."""
    return "mixed" if column.mixed else kind


def slot(board: Board, group: Group, index: int, pfn: int) -> int:
    """Return which of the frames that a column has had a frame is."""
    slots = board.layout.slots.get((group.key, index), [])
    return slots.index(pfn) if pfn in slots else 0
