"""The page cache of one file, above the file's blocks on the disk.

page cache   [F][F][F][.][.]      which pages are in memory, in which frame, and which are newer than the disk
disk         (D)(D)(D)(D)(D)      hatched: dirty, to be written back
mapped        2  1  0             how many entries lead to each cached page
"""

from __future__ import annotations

from collections import Counter

from mmaplab.pte import pte_pfn, pte_present
from mmaplab.views import shapes
from mmaplab.views.rows import Cell, cells, heads, letters, numbers
from mmaplab.views.scene import FileState, Scene, final
from mmaplab.views.shapes import PAGE, TAB
from mmaplab.views.svg import Svg, rect, text
from mmaplab.views.theme import MARGIN, WIDTH
from mmaplab.views.words import plural

LEFT = 142
CACHE, MAPPED, DISK = 58, 130, 172
HEIGHT = 240


def page_cache(source: object, path: str) -> Svg:
    """Return the page cache of the file of that name. Raises FileNotFoundError where the trace knows no such file."""
    scene = final(source)
    file = scene.file_named(path)
    mapped = mappers(scene)
    states = [_state(file, mapped, index) for index in range(max(file.npages, 1))]
    row = list(cells(states, LEFT, WIDTH - MARGIN - LEFT))
    said = (
        f"{len(file.pages):,} of {plural(file.npages, 'page')} of {path} are in the page cache, "
        f"{len(file.dirty):,} dirty, {sum(1 for s in states if s[2]):,} mapped."
    )
    parts = [
        text(MARGIN, 26, f"Page cache of {path}", "t"),
        rect(0, 40, WIDTH, 118, "kernel2", 0),
        text(MARGIN, CACHE + TAB + 12, "page cache", "h"),
        text(MARGIN, CACHE + TAB + 29, f"{len(file.pages):,} of {file.npages:,}", "s"),
        text(MARGIN, MAPPED + 16, "entries", "s"),
    ]
    for cell in row:
        parts += _column(file, mapped, cell)
    height = HEIGHT - 8
    if file.fs == "tmpfs":
        height = 168
    else:
        parts.append(text(MARGIN, DISK + 20, "disk", "h"))
        parts += numbers(row, DISK + PAGE + 15)
    return Svg(height, f"Page cache of {path}", said, _text(file, mapped, row), tuple(parts))


def mappers(scene: Scene) -> Counter[int]:
    """Return how many entries lead to each frame, in all address spaces."""
    return Counter(pte_pfn(pte) for space in scene.spaces.values() for pte in space.ptes.values() if pte_present(pte))


State = tuple[bool, bool, int, bool]


def _state(file: FileState, mapped: Counter[int], index: int) -> State:
    """Return (cached, dirty, entries, on disk) of a page."""
    pfn = file.pages.get(index)
    return pfn is not None, index in file.dirty, mapped[pfn] if pfn is not None else 0, index in file.blocks


def _column(file: FileState, mapped: Counter[int], cell: Cell) -> list[str]:
    index = cell.column.first
    cached, dirty, entries, block = _state(file, mapped, index)
    count = str(entries) if cached and not cell.column.mixed else ""
    parts = [text(cell.middle, MAPPED + 16, count, "mid m")] if count else []
    if cell.column.is_gap:
        here = "mixed" if cell.column.mixed else "file" if cached else "none"
        below = "mixed" if cell.column.mixed else "block" if block else "absent"
        parts.append(shapes.gap(cell.x, CACHE + TAB, cell.width, cell.column.npages, here))
        parts += [shapes.gap(cell.x, DISK, cell.width, cell.column.npages, below)] if file.fs != "tmpfs" else []
        return parts
    if cached:
        kind = "file" if index in file.uptodate else "free"
        parts.append(shapes.frame(cell.x, CACHE, kind, file.pages[index], dirty=dirty))
    else:
        parts.append(shapes.page(cell.x, CACHE + TAB, "none"))
    if file.fs != "tmpfs":
        parts.append(shapes.cylinder(cell.x, DISK, PAGE, "D" if block else ""))
    return parts


def _text(file: FileState, mapped: Counter[int], row: list[Cell]) -> str:
    def cached(index: int) -> str:
        return "." if index not in file.pages else "F*" if index in file.dirty else "F"

    lines = [
        f"{file.name:10}{heads(row)}",
        f"{'cached':10}{letters(row, cached)}" + ("     * = dirty" if file.dirty else ""),
        f"{'entries':10}{letters(row, lambda i: str(mapped[file.pages[i]]) if i in file.pages else '.')}",
    ]
    if file.fs != "tmpfs":
        lines.append(f"{'disk':10}{letters(row, lambda i: 'D' if i in file.blocks else '.')}")
    return "\n".join(lines)
