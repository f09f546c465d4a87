"""The walk through the page tables: one address, its bit fields, and the slot that each of them chooses.

    address 0x7ffff7fbf000
      bits 47-39   011111111    pgd[255]       there
      bits 38-30   111111111    pud[511]       there
      bits 29-21   110111111    pmd[447]       empty: the walk ends here
      bits 20-12   110111111    pte[447]       no table
      bits 11-0    000000000000 byte 0

Where the walk reaches an entry, the entry's bits stand below: frame, rights, used, dirty.
"""

from __future__ import annotations

from mmaplab.pte import (
    PAGE_ACCESSED,
    PAGE_DIRTY,
    PAGE_NX,
    PAGE_PRESENT,
    PAGE_RW,
    PAGE_USER,
    address_fields,
    pte_pfn,
    pte_present,
    pte_text,
)
from mmaplab.views import shapes
from mmaplab.views.rows import space_of
from mmaplab.views.scene import Scene, Space, final
from mmaplab.views.svg import Svg, line, path, rect, text
from mmaplab.views.theme import MARGIN

LEVELS = (("pgd", "47-39"), ("pud", "38-30"), ("pmd", "29-21"), ("pte", "20-12"))
BITS = (
    ("NX", PAGE_NX, "no code", "code"),
    ("D", PAGE_DIRTY, "dirty", "clean"),
    ("A", PAGE_ACCESSED, "used", "unused"),
    ("US", PAGE_USER, "user", "kernel"),
    ("RW", PAGE_RW, "write", "read-only"),
    ("P", PAGE_PRESENT, "present", "absent"),
)
"""The entry's bits that a learner meets, from the highest down, and what a set and a clear bit says."""
BOX, STEP, TOP = 114, 141, 150


def tables(source: object, addr: int, pid: int | None = None) -> Svg:
    """Return the walk for `addr` in a process's page tables; of the first process where `pid` is None.

    Raises ValueError for a process that the trace does not know.
    """
    scene = final(source)
    space = space_of(scene, pid)
    fields = address_fields(addr)
    depth = tables_on_path(space, addr)
    pte = space.ptes.get(addr & -4096, 0) if depth == 4 else 0
    found = pte_present(pte)
    said = (
        f"frame {pte_pfn(pte)}, {pte_text(pte)}" if found else f"the walk ends at an empty slot of table {depth} of 4"
    )
    parts = [text(MARGIN, 28, f"P{space.pid}, address {addr:#x}", "t"), *_fields(fields, depth)]
    parts += [shapes.halo(_x(depth - 1), TOP + 48, BOX, 28)]
    for i in range(4):
        parts += _table(i, fields[i], depth, found)
    parts += _frame(scene, pte, fields[4]) if found else _end(depth)
    parts += _bits(pte) if found else []
    rows = [_row(i, fields[i], depth, found) for i in range(4)]
    rows.append(f"  bits 11-0    {fields[4]:012b} byte {fields[4]}")
    form = "\n".join([f"address {addr:#x}", *rows, f"  {said}"])
    height = TOP + (198 if found else 140)
    return Svg(height, "Walk through the page tables", f"Address {addr:#x}: {said}.", form, tuple(parts))


def tables_on_path(space: Space, addr: int) -> int:
    """Return how many tables lie on the way to an address, the root included: 1 to 4."""
    depth = 1
    for level, size in ((3, 1 << 39), (2, 1 << 30), (1, 1 << 21)):
        if (level, addr & -size) not in space.tables:
            return depth
        depth += 1
    return depth


def _row(i: int, index: int, depth: int, found: bool) -> str:
    name, bits = LEVELS[i]
    state = "no table" if i >= depth else "there" if i < depth - 1 or found else "empty: the walk ends here"
    return f"  bits {bits}   {index:09b}    {f'{name}[{index}]':14} {state}"


def _x(i: int) -> float:
    return MARGIN + i * STEP


def _fields(fields: tuple[int, int, int, int, int], depth: int) -> list[str]:
    """Return the address as its five fields, in bits and as numbers, each above the table in which it chooses."""
    parts = []
    for i, (name, bits) in enumerate([*LEVELS, ("byte", "11-0")]):
        used = i < depth
        middle, ink, width = _x(i) + BOX / 2, " on" if used else "", 12 if i == 4 else 9
        parts.append(rect(_x(i), 46, BOX, 48, "entry o" if used else "void ol", 4))
        parts.append(text(middle, 66, f"{fields[i]:0{width}b}", f"m mid{ink}"))
        parts.append(text(middle, 85, f"= {fields[i]}", f"m h mid{ink}"))
        parts.append(text(middle, 112, f"{name} · bits {bits}", "s mid"))
        if i < depth:
            parts.append(line(_x(i) + BOX / 2, 118, _x(i) + BOX / 2, TOP - 3, "rule"))
    return parts


def _table(i: int, index: int, depth: int, found: bool) -> list[str]:
    """Return one table: the chosen one of its 512 slots, with its neighbours."""
    x, here = _x(i), i < depth
    parts = [text(x, TOP + 11, f"{LEVELS[i][0]} table" if here else "no table", "b" if here else "s")]
    filled = here and (i < depth - 1 or found)
    for row, slot in enumerate((index - 1, index, index + 1)):
        if not here or not 0 <= slot < 512:
            continue
        y, chosen = TOP + 18 + row * 30, row == 1
        cls = "entry o" if chosen and filled else "void absent" if chosen else "none"
        words = "" if not chosen else "empty" if not filled else "entry" if i == 3 else "next table"
        ink = " on" if chosen and filled else "" if chosen else " s"
        parts.append(rect(x, y, BOX, 28, cls))
        parts += [text(x + 8, y + 18, str(slot), f"m{ink}"), text(x + BOX - 8, y + 18, words, f"end{ink}")]
    return parts + (_arrow(x + BOX, TOP + 62, _x(i + 1)) if filled else [])


def _arrow(x1: float, y: float, x2: float) -> list[str]:
    return [line(x1, y, x2 - 12, y), path(f"M{x2 - 6:g},{y:g}l-9,-5v10z", "head")]


def _frame(scene: Scene, pte: int, byte: int) -> list[str]:
    """Return the frame that the entry names, and the byte in it."""
    x, pfn = _x(4), pte_pfn(pte)
    kind = "zero" if pfn == 0 else "file" if scene.frames.get(pfn) == "cache" else "anon"
    says = {"zero": "zero page", "file": "page cache", "anon": "own page"}[kind]
    return [
        text(x, TOP + 11, "frame", "b"),
        rect(x, TOP + 18, BOX, 88, f"{kind} o", 3),
        text(x + BOX / 2, TOP + 44, str(pfn), "l mid on"),
        text(x + BOX / 2, TOP + 66, says, "mid on"),
        text(x + BOX / 2, TOP + 90, f"byte {byte}", "mid m on"),
    ]


def _end(depth: int) -> list[str]:
    """Return the mark of the fault, below the slot at which the walk ends."""
    x = _x(depth - 1) + 16
    words = "the walk ends here: page fault"
    side = text(x + 14, TOP + 126, words, "alarm") if depth < 4 else text(x - 12, TOP + 126, words, "alarm end")
    return [shapes.zigzag(x, TOP + 124), side]


def _bits(pte: int) -> list[str]:
    """Return the entry's own bits; a filled box is a set bit."""
    y = TOP + 130
    parts = [text(MARGIN, y + 20, "the entry", "h"), rect(_x(1), y, BOX, 30, "entry o", 4)]
    parts.append(text(_x(1) + BOX / 2, y + 20, f"frame {pte_pfn(pte)}", "m mid on"))
    for i, (name, bit, says, else_says) in enumerate(BITS):
        x, is_set = _x(2) + i * 67, bool(pte & bit)
        parts.append(rect(x, y, 60, 30, "entry o" if is_set else "void ol", 4))
        parts.append(text(x + 30, y + 20, f"{name} {int(is_set)}", "m mid on" if is_set else "m mid"))
        parts.append(text(x + 30, y + 48, says if is_set else else_says, "s mid"))
    return parts
