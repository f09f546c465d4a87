"""The strip: an address space as text, one column per page.

    page      0         1
              0123456789012345
    area      AAAAAAAAAAAAAAAA     A r--s book.txt
    cached    xxxxxxxxxxxxxxxx     x = in the page cache
    present   xxxxxxxx........     x = an entry exists

One block per area, of at most 64 pages to a line.
"""

from __future__ import annotations

from mmaplab.constants import PAGE_SIZE
from mmaplab.views.scene import Area, FileState, Scene, Space, final
from mmaplab.views.svg import Text

COLUMNS = 64


def strip(source: object, pid: int | None = None) -> Text:
    """Return the strip of a process; of the first one where `pid` is None. Raises ValueError for an unknown process."""
    scene = final(source)
    space = _space(scene, pid)
    blocks = []
    for letter, area in zip(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ", sorted(space.areas.values(), key=lambda a: a.start), strict=False
    ):
        blocks.append("\n".join(_block(scene, space, area, letter)))
    return Text("\n\n".join(blocks) if blocks else "(no area)")


def _space(scene: Scene, pid: int | None) -> Space:
    if pid is None and scene.processes:
        pid = min(scene.processes)
    space = scene.space_of(pid) if pid is not None else None
    if space is None:
        raise ValueError(f"the trace knows no living process {pid}; it knows {sorted(scene.processes)}")
    return space


def _block(scene: Scene, space: Space, area: Area, letter: str) -> list[str]:
    """Return the lines of one area."""
    state = scene.files.get(area.ino)
    name = f"{area.name} @{area.pgoff}" if area.ino and area.pgoff else area.name or "anonymous"
    lines = []
    for first in range(0, area.npages, COLUMNS):
        pages = range(first, min(first + COLUMNS, area.npages))
        lines += ["page      " + "".join(str(i // 10) if i % 10 == 0 else " " for i in pages).rstrip()]
        lines += ["          " + "".join(str(i % 10) for i in pages)]
        lines += [f"area      {letter * len(pages)}" + (f"     {letter} {area.perms} {name}" if first == 0 else "")]
        if area.ino:
            lines += ["cached    " + "".join(_cached(state, area, i) for i in pages)]
        lines += ["present   " + "".join(_present(space, area, i) for i in pages)]
    if area.npages:
        legend = "x = an entry exists, D = and stored to"
        lines[-1] += "     " + legend
    return lines


def _cached(state: FileState | None, area: Area, i: int) -> str:
    index = area.pgoff + i
    if state is None or index not in state.pages:
        return "."
    return "d" if index in state.dirty else "x" if index in state.uptodate else "?"


def _present(space: Space, area: Area, i: int) -> str:
    pte = space.ptes.get(area.start + i * PAGE_SIZE, 0)
    return "." if not pte & 1 else "D" if pte & 1 << 6 else "x"
