"""The walk through the page tables: one address, its bit fields, and the table that each of them chooses from.

address 0x7ffff7fbf000
  bits 47-39   pgd[255]   there
  bits 38-30   pud[511]   there
  bits 29-21   pmd[447]   empty: the walk ends here
"""

from __future__ import annotations

from mmaplab.constants import PAGE_SIZE
from mmaplab.pte import address_fields, pte_dirty, pte_pfn, pte_present, pte_text, pte_young
from mmaplab.views import theme
from mmaplab.views.scene import Scene, Space, final
from mmaplab.views.shapes import halo, zigzag
from mmaplab.views.svg import Svg, line, path, rect, text

LEVELS = (("pgd", "47-39"), ("pud", "38-30"), ("pmd", "29-21"), ("pte", "20-12"))
BOX, GAP, TOP = 118, 24, 118
HEIGHT = 300


def tables(source: object, addr: int, pid: int | None = None) -> Svg:
    """Return the walk for `addr` in a process's page tables; the first process where `pid` is None."""
    scene = final(source)
    space = _space(scene, pid)
    fields = address_fields(addr)
    depth = _depth(space, addr)
    pte = space.ptes.get(addr & -PAGE_SIZE, 0)
    rows = [_row(i, fields[i], depth, pte) for i in range(4)]
    parts = [text(theme.MARGIN, 26, f"address {addr:#x}", "h m"), *_bits(fields, depth)]
    for i in range(depth):
        parts += _table(i, fields[i], i < depth - 1 or pte_present(pte), depth)
    parts += _end(depth, pte)
    said = (
        f"frame {pte_pfn(pte)}, {pte_text(pte)}"
        if pte_present(pte)
        else f"the walk ends at an empty slot of table {depth} of 4"
    )
    written = "\n".join([f"address {addr:#x}", *rows, f"  {said}"])
    return Svg(HEIGHT, "Walk through the page tables", f"{addr:#x}: {said}.", written, tuple(parts))


def _space(scene: Scene, pid: int | None) -> Space:
    if pid is None and scene.processes:
        pid = min(scene.processes)
    space = scene.space_of(pid) if pid is not None else None
    if space is None:
        raise ValueError(f"the trace knows no living process {pid}; it knows {sorted(scene.processes)}")
    return space


def _depth(space: Space, addr: int) -> int:
    """Return how many tables are on the path, the root included."""
    depth = 1
    for level, size in ((3, 1 << 39), (2, 1 << 30), (1, 1 << 21)):
        if (level, addr & -size) not in space.tables:
            return depth
        depth += 1
    return depth


def _row(i: int, index: int, depth: int, pte: int) -> str:
    """Return the line of one level for the text form."""
    name, bits = LEVELS[i]
    if i >= depth:
        state = "no table"
    elif i < depth - 1 or pte_present(pte):
        state = "there"
    else:
        state = "empty: the walk ends here"
    return f"  bits {bits}   {name}[{index}]".ljust(30) + state


def _x(i: int) -> float:
    return theme.MARGIN + i * (BOX + GAP)


def _bits(fields: tuple[int, int, int, int, int], depth: int) -> list[str]:
    """Return the address as five fields, with the bits that each one has."""
    parts = []
    names = [*LEVELS, ("byte", "11-0")]
    for i, (name, bits) in enumerate(names):
        parts.append(rect(_x(i), 40, BOX, 34, "entry o" if i < depth else "void ol", 4))
        parts.append(text(_x(i) + BOX / 2, 62, str(fields[i]), "m b mid" + (" on" if i < depth else "")))
        parts.append(text(_x(i) + BOX / 2, 90, f"{name}, bits {bits}", "s mid"))
    return parts


def _table(i: int, index: int, filled: bool, depth: int) -> list[str]:
    """Return one table: a few of its 512 slots, with the chosen one."""
    x = _x(i)
    parts = [text(x, TOP + 12, f"{LEVELS[i][0]} table", "b")]
    for row, slot in enumerate((index - 1, index, index + 1)):
        y = TOP + 22 + row * 30
        chosen = row == 1
        if chosen and i == depth - 1:
            parts.append(halo(x - 4, y - 4, BOX + 8, 36))
        shown = f"{slot}" if 0 <= slot < 512 else ""
        parts.append(rect(x, y, BOX, 28, ("entry o" if filled else "void absent") if chosen else "void none", 3))
        words = "" if not chosen else ("entry" if i == 3 else "next table") if filled else "empty"
        parts.append(text(x + 8, y + 18, shown, "m on" if chosen and filled else "m"))
        parts.append(text(x + BOX - 8, y + 18, words, "end on" if chosen and filled else "end"))
    if filled and i < 3:
        y = TOP + 66
        parts += [line(x + BOX, y, x + BOX + GAP - 8, y), path(f"M{x + BOX + GAP - 2:g},{y:g} l-9,-5 l0,10 z", "head")]
    return parts


def _end(depth: int, pte: int) -> list[str]:
    """Return what the walk ends in: a frame, or an empty slot."""
    y = TOP + 66
    if not pte_present(pte):
        x = _x(depth - 1) + BOX / 2
        return [
            zigzag(x - 12, TOP + 118),
            text(x + 14, TOP + 138, "the walk ends here: page fault", "alarm"),
            text(theme.MARGIN, HEIGHT - 14, f"{depth} of 4 tables on the path exist.", "s"),
        ]
    x = _x(4)
    marks = (
        ", ".join(word for word, has in (("used", pte_young(pte)), ("dirty", pte_dirty(pte))) if has) or "not used yet"
    )
    return [
        line(_x(3) + BOX, y, x - 8, y),
        path(f"M{x - 2:g},{y:g} l-9,-5 l0,10 z", "head"),
        text(x, TOP + 12, "frame", "b"),
        rect(x, TOP + 22, BOX, 88, "file o", 3),
        text(x + BOX / 2, TOP + 56, f"{pte_pfn(pte)}", "h mid on"),
        text(x + BOX / 2, TOP + 78, f"{pte_text(pte)}, {marks}", "mid on"),
        text(theme.MARGIN, HEIGHT - 14, "4 of 4 tables on the path exist, and the entry names a frame.", "s"),
    ]
