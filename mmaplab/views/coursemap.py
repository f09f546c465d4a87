"""The map of the machine: the same figure at the beginning of each chapter, with today's rooms in focus.

course_map("page table", "page cache")

processor --looks up--> page table --maps--> page cache, private memory <--fills-- disk
    areas say what may be there; read and write are the other road
"""

from __future__ import annotations

from dataclasses import dataclass

from mmaplab.views.shapes import halo
from mmaplab.views.svg import Svg, line, path, rect, text

HEIGHT = 304


@dataclass(frozen=True)
class Room:
    """One room of the machine: its box and what it holds, in user units and words."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    says: tuple[str, ...]


ROOMS = {
    "program": Room(20, 60, 130, 76, "void", ("loads and stores", "at addresses")),
    "processor": Room(190, 60, 130, 76, "void", ("TLB: the entries", "used lately")),
    "page table": Room(360, 60, 140, 76, "entry", ("address to frame,", "one entry per page")),
    "areas": Room(360, 180, 140, 76, "void", ("addresses, rights,", "file and offset")),
    "private memory": Room(550, 20, 150, 60, "anon", ("anonymous pages", "and copies")),
    "page cache": Room(550, 110, 150, 60, "file", ("file pages in memory", "shared by all")),
    "disk": Room(550, 212, 150, 60, "block", ("blocks of files",)),
    "read and write": Room(20, 180, 300, 76, "void", ("the other road: system", "calls copy to and from a buffer")),
}
"""Every room of the figure, by name."""


def course_map(*focus: str) -> Svg:
    """Return the map with the rooms `focus` in focus, or none. Raises ValueError for a name that is no room."""
    unknown = [name for name in focus if name not in ROOMS]
    if unknown:
        raise ValueError(f"the map has no room {unknown[0]!r}: it has {', '.join(ROOMS)}")
    today = ", ".join(focus) if focus else "every room"
    parts = [rect(0, 0, 720, HEIGHT, "user", 0), rect(340, 0, 380, HEIGHT, "kernel", 0)]
    parts += [text(20, 22, "program and processor", "s"), text(360, 22, "kernel", "s")]
    parts += [halo(*_around(ROOMS[name])) for name in focus]
    parts += _roads()
    for name, room in ROOMS.items():
        parts += _draw(name, room)
    return Svg(
        height=HEIGHT,
        title="The machine of this course",
        description=f"A program's access goes through the processor and the page table to a page; in focus: {today}.",
        text=_as_text(focus),
        parts=tuple(parts),
    )


def _around(room: Room) -> tuple[float, float, float, float]:
    return room.x - 6, room.y - 6, room.width + 12, room.height + 12


def _draw(name: str, room: Room) -> list[str]:
    """Return one room: its box, its name, and what it holds."""
    ink = "onblue" if room.fill == "block" else "on" if room.fill != "void" else ""
    middle = room.x + room.width / 2
    top = room.y + room.height / 2 - 8 * len(room.says) + 4
    says = [text(middle, top + 18 + 16 * i, words, f"mid {ink}".strip()) for i, words in enumerate(room.says)]
    box = rect(room.x, room.y, room.width, room.height, f"{room.fill} o" if room.fill != "void" else "void ol", 5)
    return [box, text(middle, top, name, f"h mid {ink}".strip()), *says]


def _roads() -> list[str]:
    """Return the lines between the rooms: thin where something is looked up, thick where bytes are copied."""
    return [
        line(150, 98, 190, 98),
        line(320, 98, 360, 98),
        line(500, 88, 550, 62),
        line(500, 108, 550, 132),
        line(430, 136, 430, 180),
        line(500, 210, 550, 160),
        path("M625,212 L625,184", "shaft"),
        path("M625,172 l-9,14 l18,0 z", "head"),
        path("M170,272 L170,288 L711,288 L711,140 L703,140", "shaft"),
        path("M170,260 l-9,14 l18,0 z", "head"),
        text(612, 197, "by the device", "end s"),
        text(188, 279, "copied by the processor", "s"),
    ]


def _as_text(focus: tuple[str, ...]) -> str:
    marks = {name: f"[{name}]" if name in focus else name for name in ROOMS}
    return "\n".join(
        [
            f"{marks['program']} - {marks['processor']} - {marks['page table']} - {marks['private memory']}",
            f"{' ' * 10}{marks['areas']} - {marks['page cache']} = {marks['disk']}",
            f"{' ' * 10}{marks['read and write']}: the other road",
        ]
    )
