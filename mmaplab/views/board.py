"""The board of the linked view: its bands from top to bottom, and its parts by layer and name.

    header        one sentence, what the machine is in the middle of
    P1            areas and their pages               user        once more where two areas show the same file pages
    P1            page table                          kernel
    own pages     frames that belong to one process   kernel
    page cache    frames that hold file pages         kernel
    disk          blocks                              device

Every object is one part with a name that stays the same from step to step (`va:1:0:f12:0:3`), so that a player can
change only what changed. Parts are drawn layer by layer: bands, halos, lines, objects, arrows, words.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mmaplab.views.columns import Column
from mmaplab.views.focus import Focus
from mmaplab.views.layout import LEFT, Group, Layout
from mmaplab.views.scene import Scene
from mmaplab.views.shapes import PAGE, TAB
from mmaplab.views.svg import group as g
from mmaplab.views.svg import rect, text
from mmaplab.views.theme import MARGIN, WIDTH, wrap

LAYERS = ("band", "halo", "line", "object", "arrow", "word")
FRAME = TAB + PAGE
TAG = 24
"""The room below a row of entries for their tags."""
LEVEL = 124
"""The height of one row of areas."""


@dataclass(frozen=True)
class Rect:
    """The ground that something takes."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Rect) -> bool:
        """Do the two share any ground?"""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom


@dataclass
class Board:
    """The parts of one picture: layer, then name, then SVG; and where each lane begins
    (`tops`) and has its objects (`y`), up to where the words of faults reach in each row of pages (`said`), and what
    already stands in the way below the page tables (`busy`)."""

    layout: Layout
    scene: Scene
    focus: Focus
    top: float
    parts: dict[str, dict[str, str]] = field(default_factory=lambda: {layer: {} for layer in LAYERS})
    y: dict[str, float] = field(default_factory=dict)
    tops: dict[str, float] = field(default_factory=dict)
    said: dict[str, float] = field(default_factory=dict)
    busy: list[Rect] = field(default_factory=list)
    bottom: float = 0.0

    def put(self, layer: str, name: str, *svg: str, **data: str) -> None:
        """Add one part; `data` are the attributes that link it to others and say what it is."""
        self.parts[layer][name] = g(svg, **data) if data else "".join(svg)

    def mark(self, lane: str, y: float) -> None:
        """Mark the lane that begins at `y` as one in which something changed."""
        self.put("word", f"mark:{lane}", text(6, y + 20, "▸", "h"))

    def has_tags(self, pid: int, level: int) -> bool:
        """May an entry of this row need a tag in place of a line to its frame?"""
        crossed = any(key.startswith("f") or len(slots) > 1 for (key, _), slots in self.layout.slots.items())
        return (pid, level) != self.layout.rows()[-1] or self.layout.buffer or crossed


def rows(board: Board) -> None:
    """Compute the y of every lane's objects, and draw the bands and their names."""
    y = board.top
    for pid, level in board.layout.rows():
        which = f", row {level + 1}" if level else ""
        y = _band(board, f"P{pid}:{level}", y, LEVEL, "user", ("address space", f"P{pid} · user{which}"))
        board.y[f"va:{pid}:{level}"] = board.bottom + 52
        high = 54 + (TAG if board.has_tags(pid, level) else 0)
        y = _band(board, f"pt:{pid}:{level}", y, high, "kernel", ("page table", f"P{pid} · kernel{which}"))
        board.y[f"pt:{pid}:{level}"] = board.bottom + 15
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
    below = wrap(words[1], LEFT - MARGIN, 12)
    board.put("word", f"sub:{name}", *(text(MARGIN, y + 37 + 16 * i, row, "s") for i, row in enumerate(below)))
    if name.removesuffix(":0") in board.focus.lanes:
        board.mark(name, y)
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
