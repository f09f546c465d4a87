"""The vocabulary of the pictures: one function per kind of object.

    virtual page   square                      [F]   filled by what backs it; dashed: no entry; dotted: no area
    frame          square with a tab         _/12\\   its number in the tab
    disk block     cylinder                    (D)
    entry          pill                       (rw)   double edge: the processor holds a copy of it
    entry's tag    label on a pill            [12]   its frame's number, where no line can lead to the frame
    fault          zigzag                            and the word
    now            halo behind
    copy           thick arrow with a byte count

Positions are the upper left corner, in user units.
"""

from __future__ import annotations

from mmaplab.views.svg import circle, num, path, rect, text
from mmaplab.views.theme import text_width

PAGE = 32
"""The side of a page."""
PILL = 22
"""The height of an entry's pill."""
TAB = 15
"""The height of the tab on a frame."""


def dots(x: float, y: float, size: float) -> str:
    """Return the pattern of anonymous bytes."""
    step, marks = size / 5, []
    for row in range(1, 5):
        for column in range(1, 5):
            if row in (1, 4) or column in (1, 4):
                marks.append(f"M{num(x + column * step - 0.7)},{num(y + row * step)}h1.4")
    return path("".join(marks), "hatch")


def hatch(x: float, y: float, size: float) -> str:
    """Return the mark of a dirty page: diagonal lines and a dot in the corner."""
    lines = []
    for i in range(1, 6):
        d = size * i / 3
        lo, hi = max(0.0, d - size), min(d, size)
        lines.append(f"M{num(x + lo)},{num(y + d - lo)}L{num(x + hi)},{num(y + d - hi)}")
    return path("".join(lines), "hatch") + circle(x + size - 6, y + 6, 4, "dot")


def page(x: float, y: float, kind: str, size: float = PAGE, dirty: bool = False) -> str:
    """Return a page; `kind` is file, anon, zero, free, absent (area without an entry) or none (no area)."""
    if kind == "none":
        return rect(x, y, size, size, "none")
    if kind == "absent":
        return rect(x, y, size, size, "void absent")
    parts = [rect(x, y, size, size, f"{kind} o")]
    if kind == "anon":
        parts.append(dots(x, y, size))
    if dirty:
        parts.append(hatch(x, y, size))
    letter = {"file": "F", "anon": "A", "zero": "0"}.get(kind, "")
    if letter:
        if dirty:
            parts.append(circle(x + size / 2, y + size / 2, size * 0.27, kind))
        parts.append(text(x + size / 2, y + size / 2 + 5, letter, "mid l on"))
    return "".join(parts)


def frame(x: float, y: float, kind: str, pfn: int, size: float = PAGE, dirty: bool = False) -> str:
    """Return a page frame: a page with its number in a tab above; `y` is the top of the tab."""
    return number(x, y, pfn, size) + page(x, y + TAB, kind, size, dirty)


def number(x: float, y: float, pfn: int, size: float = PAGE, below: float = 3) -> str:
    """Return the tab with a frame's number, at most `size` wide, and `below` higher than a tab."""
    width = tab_width(pfn, size)
    return rect(x, y, width, TAB + below, "void ol", 3) + text(x + width / 2, y + 11.5, str(pfn), "mid m")


def tab_width(pfn: int, size: float = PAGE) -> float:
    """Return the width of the tab with a frame's number."""
    return min(size, max(18.0, text_width(str(pfn), 12, mono=True) + 6))


def cylinder(x: float, y: float, size: float = PAGE, letter: str = "D") -> str:
    """Return a disk block; without a letter it holds nothing yet."""
    ry = size * 0.13
    top, bottom = y + ry, y + size - ry
    fill = "block o" if letter else "void absent"
    side = f"M{num(x)},{num(top)}A{num(size / 2)},{num(ry)} 0 0 1 {num(x + size)},{num(top)}"
    base = f"V{num(bottom)}A{num(size / 2)},{num(ry)} 0 0 1 {num(x)},{num(bottom)}Z"
    lid = f"M{num(x)},{num(top)}A{num(size / 2)},{num(ry)} 0 0 0 {num(x + size)},{num(top)}"
    parts = [path(side + base, fill)]
    if letter:
        parts.append(path(lid, "lid"))
        parts.append(text(x + size / 2, y + size / 2 + 8, letter, "mid h onblue"))
    return "".join(parts)


def pill(x: float, y: float, label: str, size: float = PAGE, cached: bool = False) -> str:
    """Return an entry of a page table; an empty label is an empty entry, `cached` gives it the TLB's double edge."""
    if not label:
        return rect(x, y, size, PILL, "none", PILL / 2)
    parts = [rect(x - 3, y - 3, size + 6, PILL + 6, "void ol", PILL / 2 + 3)] if cached else []
    parts += [rect(x, y, size, PILL, "entry o", PILL / 2), text(x + size / 2, y + 15.5, label, "mid m b on")]
    return "".join(parts)


def halo(x: float, y: float, width: float, height: float) -> str:
    """Return the mark of «now», to be drawn behind."""
    return rect(x - 5, y - 5, width + 10, height + 10, "now", 6)


def zigzag(x: float, y: float) -> str:
    """Return the mark of a fault, centred on (x, y)."""
    return path(f"M{num(x - 4)},{num(y - 12)}l9,8h-9l8,14", "zigzag")


def bracket(x1: float, x2: float, y: float, height: float = 9) -> str:
    """Return the long bracket that stands above the pages of an area."""
    return path(f"M{num(x1)},{num(y + height)}V{num(y)}H{num(x2)}V{num(y + height)}", "bracket")


def arrow(x1: float, y1: float, x2: float, y2: float) -> str:
    """Return the thick arrow of one copy; it is vertical or horizontal."""
    if x1 == x2:
        back = y2 + (12 if y2 < y1 else -12)
        head = f"M{num(x2)},{num(y2)}L{num(x2 - 9)},{num(back)}H{num(x2 + 9)}Z"
        return path(f"M{num(x1)},{num(y1)}V{num(back)}", "shaft") + path(head, "head")
    back = x2 + (12 if x2 < x1 else -12)
    head = f"M{num(x2)},{num(y2)}L{num(back)},{num(y2 - 9)}V{num(y2 + 9)}Z"
    return path(f"M{num(x1)},{num(y1)}H{num(back)}", "shaft") + path(head, "head")


def gap(x: float, y: float, width: float, npages: int, kind: str, size: float = PAGE) -> str:
    """Return what stands for pages left out: filled and lettered as they are (`mixed`: they differ), and counted."""
    cls = {"none": "none", "absent": "void absent", "mixed": "void rule"}.get(kind, f"{kind} o")
    ink = {"file": "on", "anon": "on", "zero": "on", "free": "on", "block": "onblue"}.get(kind, "s")
    step = num(size / 4)
    right = "".join(f"l{3 if i % 2 == 0 else -3},{step}" for i in range(4))
    left = "".join(f"l{3 if i % 2 == 0 else -3},-{step}" for i in range(4))
    d = f"M{num(x + 3)},{num(y)}H{num(x + width - 3)}{right}H{num(x + 3)}{left}Z"
    letter = {"file": "F", "anon": "A", "zero": "0", "block": "D", "mixed": "mixed"}.get(kind, "")
    middle, y = x + width / 2, y + size / 2
    if not letter:
        return path(d, cls) + text(middle, y + 4.5, f"×{npages}", f"mid b {ink}")
    return (
        path(d, cls) + text(middle, y - 2, letter, f"mid b {ink}") + text(middle, y + 11, f"×{npages}", f"mid b {ink}")
    )


def label(x: float, y: float, words: str) -> str:
    """Return a short text on a small ground of its own, centred on (x, y): the count of an arrow."""
    width = label_width(words)
    return rect(x - width / 2, y - 9, width, 18, "void ol", 9) + text(x, y + 4.5, words, "mid b")


def label_width(words: str) -> float:
    """Return the width of such a label."""
    return text_width(words, 12, bold=True) + 12
