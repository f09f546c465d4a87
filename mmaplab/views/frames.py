"""The frames of memory that are in use: what each one holds, and whose entries lead to it.

    /1\\    /2\\    /3\\
    [F]    [A]    [F]
    data   P1     data          the page of a file, or the process's own page
    0      0      1
    P1     P1     -             who maps it
"""

from __future__ import annotations

from mmaplab.constants import PAGE_SIZE
from mmaplab.pte import pte_pfn, pte_present
from mmaplab.views import shapes
from mmaplab.views.scene import Scene, final
from mmaplab.views.shapes import PAGE, TAB
from mmaplab.views.svg import Svg, text
from mmaplab.views.theme import MARGIN, WIDTH, text_width
from mmaplab.views.words import plural

WIDE, HIGH = 136, 108
MOST = 28
"""Frames drawn at most."""


def frames(source: object) -> Svg:
    """Return the frames in use, by number; at most 28 are drawn, those that are mapped first."""
    scene = final(source)
    owners = _owners(scene)
    order = sorted(scene.frames, key=lambda pfn: (not owners.get(pfn), pfn))
    drawn = sorted(order[:MOST])
    parts = [text(MARGIN, 26, "Frames in use", "t")]
    lines = []
    across = (WIDTH - 2 * MARGIN) // WIDE
    for i, pfn in enumerate(drawn):
        x, y = MARGIN + i % across * WIDE, 44.0 + i // across * HIGH
        label, mapped = holds(scene, pfn), ", ".join(owners.get(pfn, [])) or "not mapped"
        kind = "anon" if scene.frames[pfn] == "anon" else "file"
        found = scene.page_of_frame(pfn)
        dirty = found is not None and found[1] in found[0].dirty
        parts += [shapes.frame(x, y, kind, pfn, dirty=dirty)]
        parts += [text(x, y + TAB + PAGE + 16, _short(label)), text(x, y + TAB + PAGE + 32, _short(mapped), "s")]
        lines.append(f"{pfn:>4} {'A' if kind == 'anon' else 'F'}{'*' if dirty else ' '} {label:24} {mapped}")
    height = 44 + HIGH * ((len(drawn) + across - 1) // across)
    rest = len(scene.frames) - len(drawn)
    if rest:
        parts.append(text(MARGIN, height + 6, f"and {plural(rest, 'frame')} more, not mapped", "s"))
        lines.append(f"and {plural(rest, 'frame')} more")
        height += 18
    shared = sum(1 for pfn in scene.frames if len(owners.get(pfn, [])) > 1)
    said = f"{plural(len(scene.frames), 'frame')} in use; {shared:,} mapped more than once."
    return Svg(height, "Frames in use", said, "\n".join(lines) or "no frame in use", tuple(parts))


def _owners(scene: Scene) -> dict[int, list[str]]:
    """Return who maps each frame: the processes, in order, once for each entry."""
    owners: dict[int, list[str]] = {}
    for space in scene.spaces.values():
        for addr in sorted(space.ptes):
            if pte_present(space.ptes[addr]):
                owners.setdefault(pte_pfn(space.ptes[addr]), []).append(f"P{space.pid}")
    return owners


def holds(scene: Scene, pfn: int) -> str:
    """Return what a frame holds: a page of a file, or a page of a process's own."""
    found = scene.page_of_frame(pfn)
    if found:
        return f"{found[0].name} {found[1]}"
    for space in scene.spaces.values():
        for addr, pte in space.ptes.items():
            area = space.area_at(addr)
            if pte_present(pte) and pte_pfn(pte) == pfn and area:
                name = f"copy of {area.name}" if area.name else "own page"
                return f"{name} {area.index(addr // PAGE_SIZE * PAGE_SIZE)}"
    return "own page"


def _short(words: str) -> str:
    """Return words cut to the width of one frame's place."""
    while text_width(words, 12) > WIDE - 6:
        words = words.removesuffix("…")[:-1] + "…"
    return words
