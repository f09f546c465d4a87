"""The write-back time line: the pages of one file, from the first store to a power failure.

              store     msync     store     flusher   | power failure
    page 0   [v1/////] [v1     ] [v2/////] [v2     ]  | keeps v2         in memory; hatched: dirty
                           ||                  ||     |                  thick arrow: write-back, a copy to the disk
    disk     (v0     ) (v1     ) (v1     ) (v2     )  |                  what a power failure leaves
              0 s                           30 s

Time runs to the right, in moments: what took no time is drawn beside each other. v2 is the page after two stores.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from mmaplab.views import shapes
from mmaplab.views.scene import records_of
from mmaplab.views.svg import Svg, group, line, path, rect, text
from mmaplab.views.theme import MARGIN, text_width
from mmaplab.views.words import plural
from mmaplab.views.writeback import History, Moment, Page, history

LEFT, RIGHT = 112, 558
TOP, BAND, ARROW, BLOCK, SPACE = 82, 26, 28, 22, 16
ROW = BAND + ARROW + BLOCK + SPACE
MOST_PAGES, MOST_MOMENTS = 5, 7
"""Rows and columns that are drawn; what is left out is said."""


def timeline(source: object, path: str | None = None, power: float | None = None) -> Svg:
    """Return the write-back time line of a file of a kernel, a trace or records; of the one stored to last by default.

    `power` is the second since boot at which the power fails; None: after the last record. Raises ValueError where no
    page of a file was stored to, FileNotFoundError for a name that the trace does not know.
    """
    story = history(records_of(source), path, power)
    pages, moments = story.changed()[:MOST_PAGES], story.moments[-MOST_MOMENTS:]
    title = f"Write-back of {story.file.name}"
    parts = [text(MARGIN, 26, title, "t"), *_heads(story, moments)]
    y = float(TOP)
    for index in pages:
        parts += _row(story, moments, index, y)
        y += ROW
    parts += _clock(story, moments, y) + _failure(story, _end(moments), y)
    notes = _notes(story, pages, moments)
    parts += [text(MARGIN, y + 44 + 18 * i, words, "s") for i, words in enumerate(notes)]
    return Svg(y + 40 + 18 * len(notes), title, said(story), _text(story, pages, moments, notes), tuple(parts))


def said(story: History) -> str:
    """Return the history in one sentence: what was stored, written back, and lost."""
    pages = [page for moment in story.moments for page in moment.pages.values()]
    stores, writes = sum(page.stored for page in pages), sum(bool(page.written) for page in pages)
    lost = [index for index in story.changed() if _lost(story, index)]
    loses = plural(len(lost), "page") if lost else "no page"
    return (
        f"{plural(stores, 'store')} to {story.file.name}, {plural(writes, 'page')} written back; "
        f"a power failure at {story.now:g} s takes the latest stores to {loses}."
    )


def _lost(story: History, index: int) -> bool:
    """Does the disk not hold the latest stores to a page?"""
    return story.after_failure(index) != _latest(story, index)


def _latest(story: History, index: int) -> int:
    """Return the version that a load would see."""
    page = story.last()[index]
    return (page.disk if page.memory is None else page.memory) or 0


def _left(story: History, index: int) -> tuple[str, str]:
    """Return what a power failure leaves of a page: as two lines."""
    left = story.after_failure(index)
    if left is None:
        return ("no such file" if story.file.durable_size is None else "not in the file"), "all is lost"
    return f"v{left} is left", f"v{_latest(story, index)} is lost" if _lost(story, index) else "all kept"


# ---------------------------------------------------------------- drawing it


def _columns(moments: Sequence[Moment]) -> list[tuple[float, float]]:
    """Return the left edge and the width of each moment's column."""
    width = min(96.0, (RIGHT - LEFT) / max(len(moments), 1))
    return [(LEFT + i * width, width) for i in range(len(moments))]


def _end(moments: Sequence[Moment]) -> float:
    """Return the right edge of the last column."""
    return sum(_columns(moments)[-1]) if moments else float(LEFT)


def _heads(story: History, moments: Sequence[Moment]) -> list[str]:
    """Return what the machine did, above each column."""
    parts = []
    for (x, width), moment in zip(_columns(moments), moments, strict=True):
        parts.append(text(x + width / 2, TOP - 24, moment.name, "mid b"))
        why = [page.written for page in moment.pages.values() if page.written not in ("", moment.name)]
        if why:
            parts.append(text(x + width / 2, TOP - 10, f"({why[0]})", "mid s"))
    return parts


def _row(story: History, moments: Sequence[Moment], index: int, y: float) -> list[str]:
    parts = [
        text(MARGIN, y + 12, f"page {index}", "h"),
        text(MARGIN, y + 28, "in memory", "s"),
        text(MARGIN, y + BAND + ARROW + 16, "on the disk", "s"),
    ]
    gone = Page(None, None, False)
    for (x, width), moment in zip(_columns(moments), moments, strict=True):
        page = moment.pages.get(index, gone)
        parts.append(_memory(page, x, y, width))
        parts.append(_block(page, x, y + BAND + ARROW, width))
        if page.written:
            parts.append(_write_back(x + width / 2, y))
    first, second = _left(story, index)
    after = _end(moments) + 30
    parts.append(text(after, y + BAND + ARROW + 4, first, "b"))
    parts.append(text(after, y + BAND + ARROW + 20, second, "alarm" if "lost" in second else "s"))
    return parts


def _memory(page: Page, x: float, y: float, width: float) -> str:
    """Return a page in memory during one moment: its version, hatched while it is newer than the disk."""
    wide = width - 6
    if page.memory is None:
        return rect(x + 3, y, wide, BAND, "none")
    words = f"F v{page.memory}"
    parts = [shapes.halo(x + 5, y + 2, wide - 4, BAND - 4)] if page.stored else []
    parts.append(rect(x + 3, y, wide, BAND, "file o"))
    if page.dirty:
        parts.append(_hatch(x + 3, y, wide, BAND))
        ground = text_width(words, 12, bold=True) + 8
        parts.append(rect(x + width / 2 - ground / 2, y + 4, ground, BAND - 8, "file", 4))
    parts.append(text(x + width / 2, y + 17.5, words, "mid b on"))
    return "".join(parts)


def _hatch(x: float, y: float, width: float, height: float) -> str:
    """Return the diagonal lines of a dirty page on a wide page."""
    lines = []
    for i in range(1, int((width + height) // 9)):
        d = i * 9.0
        low, high = max(0.0, d - width), min(d, height)
        lines.append(f"M{x + d - low:.1f},{y + low:.1f}L{x + d - high:.1f},{y + high:.1f}")
    return path("".join(lines), "hatch")


def _block(page: Page, x: float, y: float, width: float) -> str:
    """Return the page's block on the disk during one moment; empty where none was written yet."""
    wide, lid = width - 6, 4.0
    x += 3
    sides = f"M{x},{y + lid}A{wide / 2:.1f},{lid} 0 0 1 {x + wide:.1f},{y + lid}V{y + BLOCK - lid:.1f}"
    body = f"{sides}A{wide / 2:.1f},{lid} 0 0 1 {x:.1f},{y + BLOCK - lid:.1f}Z"
    if page.disk is None:
        return path(body, "void absent")
    return path(body, "block o") + text(x + wide / 2, y + 16, f"D v{page.disk}", "mid b onblue")


def _write_back(x: float, y: float) -> str:
    return group([shapes.arrow(x, y + BAND + 2, x, y + BAND + ARROW - 1)], data_copies="1")


def _clock(story: History, moments: Sequence[Moment], y: float) -> list[str]:
    """Return the axis: a time where it changes, a tear where time has passed without anything to draw."""
    parts = [line(LEFT, y, _end(moments) + 10, y), text(MARGIN, y + 17, "since boot", "s")]
    columns = _columns(moments)
    for i, ((x, width), moment) in enumerate(zip(columns, moments, strict=True)):
        if i == 0 or moments[i - 1].now != moment.now:
            parts.append(text(x + width / 2, y + 17, f"{moment.now:g} s", "mid m"))
    for (x, _), (before, after) in zip(columns[1:], pairwise(moments), strict=False):
        if before.now != after.now:
            parts.append(path(f"M{x:.1f},{TOP - 6}V{y:.1f}", "none"))
    return parts


def _failure(story: History, end: float, y: float) -> list[str]:
    """Return the line at which the power fails, with its word and its time."""
    return [
        path(f"M{end + 14},{TOP - 8}V{y}", "ring"),
        shapes.zigzag(end + 14, TOP - 22),
        text(end + 30, TOP - 24, "power failure", "alarm"),
        text(end + 30, TOP - 10, f"at {story.now:g} s", "s"),
    ]


def _notes(story: History, pages: Sequence[int], moments: Sequence[Moment]) -> list[str]:
    """Return what is to be known besides the picture."""
    notes = [
        "vN: the page after N stores; yellow: stored to in this moment; hatched: dirty, newer than the disk.",
        "Each thick arrow copies 4,096 bytes.",
    ]
    if len(moments) < len(story.moments):
        notes.append(f"{plural(len(story.moments) - len(moments), 'moment')} before these are left out.")
    if len(pages) < len(story.changed()):
        notes.append(f"{plural(len(story.changed()) - len(pages), 'page')} more were stored to, and are left out.")
    return notes


def _text(story: History, pages: Sequence[int], moments: Sequence[Moment], notes: Sequence[str]) -> str:
    def cells(words: Sequence[str]) -> str:
        return "".join(f"{word:>10}" for word in words)

    gone = Page(None, None, False)
    lines = [
        f"{f'write-back of {story.file.name}':20}",
        f"{'':14}{cells([m.name for m in moments])}   power failure",
        f"{'since boot':14}{cells([f'{m.now:g} s' for m in moments])}   at {story.now:g} s",
    ]
    for index in pages:
        states = [m.pages.get(index, gone) for m in moments]
        memory = ["." if p.memory is None else f"v{p.memory}{'*' * p.dirty}" for p in states]
        why = [f"|{p.written}" if p.written else "" for p in states]
        disk = ["." if p.disk is None else f"v{p.disk}" for p in states]
        lines += [
            f"{f'page {index}':14}{cells(memory)}",
            f"{'written back':14}{cells(why)}".rstrip(),
            f"{'disk':14}{cells(disk)}   {', '.join(_left(story, index))}",
        ]
    return "\n".join([line.rstrip() for line in lines] + ["* dirty; vN: the page after N stores.", *notes[2:]])
