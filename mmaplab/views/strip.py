"""The strip: an address space as text, one letter per page.

    P1                    0         10        20        30
    area    7ffff7fd7000  AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA     A r--s book.txt, pages 0 to 39
    cached                FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF........     F in the page cache: 32
    present               xxxxxxxxxxxxxxxx........................     x an entry: 16

One block per run of areas that touch each other; the ruler counts pages from the start of the block. Rows of more
than 64 pages are folded; runs of rows that say the same are torn out. The same state gives the same text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mmaplab.constants import PAGE_SIZE
from mmaplab.pte import pte_dirty, pte_present, pte_user, pte_write
from mmaplab.views.scene import Area, Scene, Space, final
from mmaplab.views.svg import Text
from mmaplab.views.words import plural

COLUMNS = 64
"""Pages in one row."""
LABEL = 22
"""Where the pages begin."""
WIDEST = 104
"""Letters in a line at most: a note that does not fit beside its row stands below."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
KEYS = {
    "cached": {"F": "in the page cache", "D": "dirty", "e": "on the way from the disk"},
    "present": {"x": "an entry", "w": "an entry that permits stores", "W": "stored to", "#": "PROT_NONE"},
}
"""What a letter in a row says; only those that occur are explained. A dot says no."""


@dataclass(frozen=True)
class Block:
    """Areas that touch each other, and one letter per page in each row (`area`, `cached`, `present`)."""

    start: int
    areas: tuple[tuple[str, Area], ...]
    rows: dict[str, str]


def strip(source: object, pid: int | None = None) -> Text:
    """Return the strip of a process, as its kernel's trace (or records, or the process itself) tells it.

    `pid` says which; without it the process given, the only one, or the one that ran last. Raises ValueError for a
    process that the trace does not know as living.
    """
    own = getattr(source, "pid", None)
    if pid is None and isinstance(own, int) and hasattr(source, "mm"):
        pid, source = own, source.mm
    scene = final(source)
    return of_scene(scene, pid if pid is not None else _default(scene))


def of_scene(scene: Scene, pid: int) -> Text:
    """Return the strip of one process of a scene."""
    space = scene.space_of(pid)
    if space is None:
        known = ", ".join(map(str, sorted(scene.processes))) or "none"
        raise ValueError(f"the trace knows no living process {pid}; it knows {known}")
    blocks = list(_blocks(scene, space))
    if not blocks:
        return Text(f"P{pid}: no area")
    lines: list[str] = []
    for number, block in enumerate(blocks):
        lines += [""] if number else []
        lines += _written(block, f"P{pid}" if number == 0 else "")
    return Text("\n".join(lines))


def _default(scene: Scene) -> int:
    """Return the process that ran last, or where it is gone, the first one."""
    return scene.pid if scene.pid in scene.processes else min(scene.processes, default=scene.pid)


# ---------------------------------------------------------------- reading the scene


def _blocks(scene: Scene, space: Space) -> Iterator[Block]:
    """Yield the blocks of an address space in address order."""
    lettered = [(LETTERS[i % len(LETTERS)], area) for i, area in enumerate(space.sorted_areas())]
    run: list[tuple[str, Area]] = []
    for letter, area in lettered:
        if run and run[-1][1].end != area.start:
            yield _block(scene, space, run)
            run = []
        run.append((letter, area))
    if run:
        yield _block(scene, space, run)


def _block(scene: Scene, space: Space, run: Sequence[tuple[str, Area]]) -> Block:
    rows = {"area": "".join(letter * area.npages for letter, area in run)}
    if any(area.ino for _, area in run):
        rows["cached"] = "".join(_cached(scene, area, i) for _, area in run for i in range(area.npages))
    pages = range(run[0][1].start, run[-1][1].end, PAGE_SIZE)
    rows["present"] = "".join(_present(space, addr) for addr in pages)
    return Block(run[0][1].start, tuple(run), rows)


def _cached(scene: Scene, area: Area, page: int) -> str:
    """Return whether the file page behind the page is in the page cache."""
    state = scene.files.get(area.ino)
    index = area.pgoff + page
    if not area.ino:
        return " "
    if state is None or index not in state.pages:
        return "."
    return "D" if index in state.dirty else "F" if index in state.uptodate else "e"


def _present(space: Space, addr: int) -> str:
    """Return what the page's entry permits."""
    pte = space.ptes.get(addr, 0)
    if not pte_present(pte):
        return "."
    if not pte_user(pte):
        return "#"
    return ("W" if pte_dirty(pte) else "w") if pte_write(pte) else "x"


# ---------------------------------------------------------------- writing it


def _written(block: Block, who: str) -> list[str]:
    """Return the lines of one block: folded after 64 pages, rows that repeat torn out."""
    total = len(block.rows["area"])
    notes = _notes(block)
    beside = len(block.areas) == 1 and LABEL + min(total, COLUMNS) + 5 + max(map(len, notes.values())) <= WIDEST
    lines: list[str] = []
    before: tuple[str, ...] = ()
    torn = 0
    for first in range(0, total, COLUMNS):
        pieces = tuple(row[first : first + COLUMNS] for row in block.rows.values())
        last = first + COLUMNS >= total
        if pieces == before and not last:
            torn += len(pieces[0])
            continue
        lines += [f"{'':{LABEL}}~ {plural(torn, 'page')} more of the same"] if torn else []
        before, torn = pieces, 0
        lines.append(f"{who if first == 0 else '':{LABEL}}{ruler(first, len(pieces[0]))}".rstrip())
        for name, piece in zip(block.rows, pieces, strict=True):
            label = f"{name:8}{block.start + first * PAGE_SIZE:x}" if name == "area" else name
            note = f"     {notes[name]}" if beside else ""
            lines.append(f"{label:{LABEL}}{piece}{note}".rstrip())
    lines += [] if beside else [f"{'':{LABEL}}{note}" for note in _legend(block)]
    return lines


def ruler(first: int, n: int) -> str:
    """Return page numbers every 10 pages, for pages `first` to `first + n - 1`; a number stands above its page."""
    marks = [" "] * n
    at = first if first == 0 else (first + 9) // 10 * 10
    while at < first + n:
        number = str(at)
        if at - first + len(number) <= n or at == first:
            marks[at - first : at - first + len(number)] = number
        at += 10
    return "".join(marks).rstrip()


def _notes(block: Block) -> dict[str, str]:
    """Return what stands to the right of each row: the area, and what the letters say, counted."""
    notes = {"area": ", ".join(_area(letter, area) for letter, area in block.areas)}
    for name, key in KEYS.items():
        row = block.rows.get(name, "")
        found = [f"{letter} {meaning}: {row.count(letter):,}" for letter, meaning in key.items() if letter in row]
        notes[name] = ", ".join(found) if found else f"{'no entry' if name == 'present' else 'none cached'}"
    return notes


def _legend(block: Block) -> list[str]:
    """Return the notes of a block of several areas, one to a line."""
    notes = _notes(block)
    areas = [_area(letter, area) for letter, area in block.areas]
    return areas + [f"{name}: {notes[name]}" for name in block.rows if name != "area"]


def _area(letter: str, area: Area) -> str:
    """Return what a letter stands for: `A r--s book.txt, pages 0 to 39`."""
    if not area.ino:
        return f"{letter} {area.perms} {area.name or 'anonymous'}"
    last = area.pgoff + area.npages - 1
    pages = f"page {area.pgoff}" if last == area.pgoff else f"pages {area.pgoff} to {last}"
    return f"{letter} {area.perms} {area.name}, {pages}"
