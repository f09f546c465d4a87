"""What tests ask of a picture: its labels as boxes, how many of each thing, whether it is well-formed.

Also the traces that pictures are tested on: small programs on the simulated kernel.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

from mmaplab.constants import (
    MAP_ANONYMOUS,
    MAP_PRIVATE,
    MAP_SHARED,
    O_RDWR,
    PAGE_SIZE,
    PROT_READ,
    PROT_WRITE,
)
from mmaplab.interface import FatalSignal
from mmaplab.sim import Kernel, KernelConfig
from mmaplab.views.svg import Svg
from mmaplab.views.theme import text_width

NAME = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True)
class Label:
    """The box that a text takes, by the theme's estimate."""

    words: str
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Label, slack: float = 1.0) -> bool:
        """Do the two boxes share more than `slack` units in both directions?"""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across > slack and down > slack


def tree(picture: Svg) -> ElementTree.Element:
    """Return the parsed picture; fails where it is not well-formed XML."""
    return ElementTree.fromstring(picture.svg)


def count(picture: Svg, tag: str, cls: str) -> int:
    """Return how many elements have a tag and a class."""
    return sum(1 for e in tree(picture).iter(f"{NAME}{tag}") if cls in (e.get("class") or "").split())


def labels(picture: Svg) -> list[Label]:
    """Return every text of the picture as a box."""
    found = []
    for element in tree(picture).iter(f"{NAME}text"):
        classes = (element.get("class") or "").split()
        size = 18.0 if "t" in classes else 14.0 if "l" in classes else 13.0 if "h" in classes else 12.0
        bold = bool({"t", "h", "l", "b", "alarm", "youtext"} & set(classes))
        words = element.text or ""
        width = text_width(words, size, "m" in classes, bold)
        x, y = float(element.get("x", 0)), float(element.get("y", 0))
        left = x - width / 2 if "mid" in classes else x - width if "end" in classes else x
        found.append(Label(words, left, y - 0.74 * size, left + width, y + 0.2 * size))
    return [label for label in found if label.words]


def collisions(picture: Svg) -> list[tuple[str, str]]:
    """Return the pairs of labels that lie over each other."""
    boxes = labels(picture)
    return [(a.words, b.words) for i, a in enumerate(boxes) for b in boxes[i + 1 :] if a.overlaps(b)]


@dataclass(frozen=True)
class Line:
    """A thin vertical line: «is the same memory»."""

    x: float
    top: float
    bottom: float

    def cuts(self, box: Label, slack: float) -> bool:
        """Does the line run through a box, for more than `slack` units?"""
        inside = min(self.bottom, box.bottom) - max(self.top, box.top)
        return box.left + 0.8 < self.x < box.right - 0.8 and inside > slack


def lines(picture: Svg) -> list[Line]:
    """Return every thin vertical line of the picture."""
    found = []
    for element in tree(picture).iter(f"{NAME}path"):
        numbers = re.fullmatch(r"M([\d.]+),([\d.]+) L([\d.]+),([\d.]+)", element.get("d") or "")
        if numbers and element.get("class") == "thin" and numbers[1] == numbers[3]:
            ends = sorted((float(numbers[2]), float(numbers[4])))
            found.append(Line(float(numbers[1]), *ends))
    return found


def boxes(picture: Svg) -> list[Label]:
    """Return every outlined box of the picture (pages, entries, tabs, pills of words) and every torn gap."""
    found = []
    for element in tree(picture).iter(f"{NAME}rect"):
        if {"o", "ol", "absent", "none"} & set((element.get("class") or "").split()):
            x, y, width, height = (float(element.get(name, 0)) for name in ("x", "y", "width", "height"))
            found.append(Label("box", x, y, x + width, y + height))
    for element in tree(picture).iter(f"{NAME}path"):
        torn = re.match(r"M([\d.]+),([\d.]+)H([\d.]+)l3,([\d.]+)", element.get("d") or "")
        if torn:
            x1, y, x2, quarter = map(float, torn.groups())
            found.append(Label("gap", x1, y, x2, y + 4 * quarter))
    return found


def crossings(picture: Svg) -> list[tuple[str, float]]:
    """Return the labels and the boxes that a thin line runs through, with the x of the line.

    A line may end a little inside: at a frame's tab, at the double edge of an entry.
    """
    thin, words, outlined = lines(picture), labels(picture), boxes(picture)
    cut = [(label.words, line.x) for line in thin for label in words if line.cuts(label, 1)]
    return cut + [(box.words, line.x) for line in thin for box in outlined if line.cuts(box, 4)]


def outside(picture: Svg) -> list[str]:
    """Return the labels that leave the picture."""
    edge = Label("", 0, 0, picture.width, picture.height)
    return [
        label.words
        for label in labels(picture)
        if label.left < edge.left or label.right > edge.right or label.top < edge.top or label.bottom > edge.bottom
    ]


def thick_arrows(picture: Svg) -> int:
    """Return how many copies the thick arrows stand for: one each, or the number on them."""
    return sum(int(e.get("data-copies", 0)) for e in tree(picture).iter(f"{NAME}g"))


def small_print(picture: Svg) -> list[str]:
    """Return font sizes below 12 units that the picture asks for anywhere."""
    return [size for size in re.findall(r"font-size[:=]\"?([\d.]+)", picture.svg) if float(size) < 12]


def config(**options: object) -> KernelConfig:
    """Return the plain machine: single-page folios, one window of 16 pages."""
    from dataclasses import replace

    return replace(KernelConfig(), large_folios=False, **options)  # type: ignore[arg-type]


def cold_read() -> Kernel:
    """A load of page 3 of a cold file of 40 pages, and a second one."""
    kernel = Kernel(config())
    kernel.create_file("data.bin", bytes(range(256)) * 16 * 40)
    p = kernel.spawn()
    a = p.mmap(0, 40 * PAGE_SIZE, PROT_READ, MAP_SHARED, p.open("data.bin"))
    p.load(a + 3 * PAGE_SIZE)
    p.load(a + 3 * PAGE_SIZE)
    return kernel


def private_store() -> Kernel:
    """A store to a private mapping of a cached file that was read before."""
    kernel = Kernel(config())
    kernel.create_file("warm.bin", b"w" * PAGE_SIZE * 3, warm=True)
    p = kernel.spawn()
    fd = p.open("warm.bin", O_RDWR)
    b = p.mmap(0, 3 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd)
    a = p.mmap(0, 3 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS)
    p.store(a, b"z")
    p.load(a + PAGE_SIZE)
    p.load(b + PAGE_SIZE)
    p.store(b, b"z")
    return kernel


def fork_and_store() -> Kernel:
    """After `private_store`: a child, and its own store to the shared copy."""
    kernel = private_store()
    p = kernel.processes[1]
    child = p.fork()
    child.store(p.maps()[-1].start, b"y")
    return kernel


def two_mappings() -> Kernel:
    """One file mapped twice by one process, shared and private; the last event is a store to the shared one."""
    kernel = private_store()
    p = kernel.processes[1]
    s = p.mmap(0, 3 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, 3)
    p.store(s, b"z")
    return kernel


def read_call() -> Kernel:
    """A read() of a cached file."""
    kernel = private_store()
    kernel.processes[1].read(3, 100)
    return kernel


def fsync_call() -> Kernel:
    """A store to a shared mapping, then fsync."""
    kernel = two_mappings()
    kernel.processes[1].fsync(3)
    return kernel


def bad_access() -> Kernel:
    """A load where no area is."""
    kernel = private_store()
    try:
        kernel.processes[1].load(0x40_0000)
    except FatalSignal:
        return kernel
    raise AssertionError("the access should have failed")


def two_readers() -> Kernel:
    """A file that two processes map, the second one twice, and that the second one reads as well."""
    kernel = two_mappings()
    child = kernel.processes[1].fork()
    child.load(child.maps()[-1].start + PAGE_SIZE)
    child.read(3, 100)
    return kernel


def split_areas() -> Kernel:
    """One mapping of 40 pages, cut into areas of one page by mprotect, and a second row of an area far behind."""
    kernel = cold_read()
    p = kernel.processes[1]
    a = p.maps()[-1].start
    for page in (3, 5, 20):
        p.mprotect(a + page * PAGE_SIZE, PAGE_SIZE, 0)
    p.mmap(0, 7 * PAGE_SIZE, PROT_READ, MAP_SHARED, 3, 25 * PAGE_SIZE)
    q = p.fork()
    q.load(q.mmap(0, 40 * PAGE_SIZE, PROT_READ, MAP_SHARED, 3))
    return kernel


PROGRAMS = {
    f.__name__: f
    for f in (
        cold_read,
        private_store,
        fork_and_store,
        two_mappings,
        read_call,
        fsync_call,
        bad_access,
        two_readers,
        split_areas,
    )
}


def all_kernels() -> Iterator[tuple[str, Kernel]]:
    """Yield every program's name and the kernel after it."""
    for name, program in PROGRAMS.items():
        yield name, program()
