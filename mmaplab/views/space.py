"""The address space: the areas of one process, the highest address on top, and which of their pages have an entry.

    7ffff7fd7000  [0][1][2]~x10~[39]     r--s data.bin
      ~ nothing ~
    7ffff7fd4000  [A][ ][ ]              rw-p anonymous

Solid: an entry exists; dashed: the area is there, the entry is not. What fills a page is what backs its bytes.
"""

from __future__ import annotations

from mmaplab.constants import PAGE_SIZE
from mmaplab.pte import pte_pfn, pte_present
from mmaplab.views import shapes
from mmaplab.views.rows import Cell, cells, heads, letters, numbers, space_of
from mmaplab.views.scene import Area, Scene, Space, final
from mmaplab.views.shapes import PAGE
from mmaplab.views.svg import Svg, path, text
from mmaplab.views.theme import MARGIN, WIDTH
from mmaplab.views.words import plural

LEFT, HEIGHT, HOLE = 144, 92, 30
LETTERS = {"file": "F", "anon": "A", "zero": "0", "absent": "-"}


def space(source: object, pid: int | None = None) -> Svg:
    """Return the address space of a process of a kernel or a trace; of the first process where `pid` is None.

    Raises ValueError for a process that the trace does not know.
    """
    scene = final(source)
    found = space_of(scene, pid)
    areas = found.sorted_areas()[::-1]
    parts, lines, y = [text(MARGIN, 26, f"Address space of P{found.pid}", "t")], [], 44.0
    for i, area in enumerate(areas):
        if i and areas[i - 1].start > area.end:
            parts += _hole(areas[i - 1].start - area.end, y)
            lines.append(f"  {plural((areas[i - 1].start - area.end) // PAGE_SIZE, 'page')} not mapped")
            y += HOLE
        row = _row(scene, found, area)
        parts += _area(scene, found, area, row, y)
        lines += _lines(scene, found, area, row)
        y += HEIGHT
    if not areas:
        parts.append(text(MARGIN, y + 18, "No area: every access ends in SIGSEGV.", "s"))
        lines.append("  no area")
        y += 30
    present = len(found.ptes)
    said = f"P{found.pid} has {plural(len(areas), 'area')}; {plural(present, 'page')} of them have an entry."
    said = said.replace("1 page of them have", "1 page of them has")
    form = "\n".join([f"address space of P{found.pid}, highest address first", *lines])
    return Svg(y + 8, f"Address space of P{found.pid}", said, form, tuple(parts))


def kind_of(scene: Scene, pte: int) -> str:
    """Return what backs a page that an area covers: file, anon, zero, or absent."""
    if not pte_present(pte):
        return "absent"
    if pte_pfn(pte) == 0:
        return "zero"
    return "file" if scene.frames.get(pte_pfn(pte)) == "cache" else "anon"


def _kinds(scene: Scene, found: Space, area: Area) -> list[str]:
    return [kind_of(scene, found.ptes.get(addr, 0)) for addr in range(area.start, area.end, PAGE_SIZE)]


def _row(scene: Scene, found: Space, area: Area) -> list[Cell]:
    return list(cells(_kinds(scene, found, area), LEFT, WIDTH - MARGIN - LEFT, area.pgoff if area.ino else 0))


def _area(scene: Scene, found: Space, area: Area, row: list[Cell], y: float) -> list[str]:
    low = area.pgoff if area.ino else 0
    kinds = dict(enumerate(_kinds(scene, found, area), low))
    parts = [text(MARGIN, y + 48, f"{area.start:x}", "m s")]
    kind = "shared" if area.perms.endswith("s") else "private"
    parts.append(text(LEFT, y + 13, f"{area.name or 'anonymous'}, {kind}, {area.perms}", "h"))
    parts.append(shapes.bracket(LEFT, row[-1].x + row[-1].width, y + 19, 7))
    for cell in row:
        first = cell.column.first
        if cell.column.is_gap:
            fill = "mixed" if cell.column.mixed else kinds[first]
            parts.append(shapes.gap(cell.x, y + 30, cell.width, cell.column.npages, fill))
        else:
            parts.append(shapes.page(cell.x, y + 30, kinds[first]))
    return parts + numbers(row, y + 30 + PAGE + 15)


def _lines(scene: Scene, found: Space, area: Area, row: list[Cell]) -> list[str]:
    low = area.pgoff if area.ino else 0
    kinds = dict(enumerate(_kinds(scene, found, area), low))
    return [
        f"{area.start:x}-{area.end:x} {area.perms} {area.name or 'anonymous'}",
        f"  page   {heads(row)}",
        f"  entry  {letters(row, lambda i: LETTERS[kinds[i]])}",
    ]


def _hole(nbytes: int, y: float) -> list[str]:
    """Return the torn edge between two areas, with the size of what is not mapped."""
    teeth = "".join(f"l6,{-5 if i % 2 == 0 else 5}" for i in range(16))
    words = f"{plural(nbytes // PAGE_SIZE, 'page')} not mapped"
    return [path(f"M{LEFT},{y + 17:g}{teeth}", "rule"), text(LEFT + 108, y + 19, words, "s")]
