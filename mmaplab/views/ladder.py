"""The ladder: what one access or one call caused, event by event, in causal order.

    Access                       P1 loads one byte from page 3 of data.bin.
    | TlbMiss                    The processor holds no entry for page 3 of data.bin: it walks the page table.
    | PageFault                  A page fault: no entry permits this load of page 3 of data.bin, ...
    | | CacheMiss                Page 3 of data.bin is not in the page cache.
    | | ...
    | | Done: major              The fault ends: major, for the page had to be brought in.

One rung per event, indented by the spans that it is inside; a burst of like events is one rung. A grey ground is the
kernel's. Give the kernel or the trace: then the ladder knows the names of files and pages. Records alone will do too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from mmaplab.sim import events as ev
from mmaplab.views import shapes, words
from mmaplab.views.linked import cost, whole
from mmaplab.views.scene import records_of
from mmaplab.views.steps import Step, steps
from mmaplab.views.svg import Svg, circle, line, rect, text
from mmaplab.views.theme import MARGIN, WIDTH, wrap

LABEL, INDENT = 48, 16
"""Where the outermost event's name begins, and how far a span is moved in."""
WORDS, WORDS_WIDTH = 238, 412
"""Where the sentences begin, and how wide they may be; at the right there is room for the word `kernel`."""
ROW = 17
MOST_RUNGS = 60
"""Rungs that are drawn; of a longer ladder the middle is left out, and counted."""
SPANS = (ev.Syscall, ev.Access, ev.PageFault, ev.KernelWork)


@dataclass(frozen=True)
class Rung:
    """One rung: the names of its events, how deep it stands, what it means, and the kind of thing it is about."""

    names: tuple[str, ...]
    depth: int
    sentence: str
    kind: str
    in_kernel: bool
    opens: bool = False
    closes: bool = False


def ladder(source: object, last: int | None = None, span: int | None = None) -> Svg:
    """Return the ladder of the last `last` outermost spans (system calls, accesses, the kernel's own work).

    Without `last`: of the last one of a kernel or a trace, of all of a list of records. `span` shows one of the
    outermost spans by its place, as Python counts (-2: the last but one). Raises ValueError for an empty trace or a
    `last` below 1, IndexError for a span that is not there.
    """
    found = _chosen(source, last, span)
    if not found:
        raise ValueError("there is no rung to draw: the trace is empty; make a call first")
    said = _title(found)
    rows = _shortened(_folded([rung_of(step) for step in found]))
    head, y = _head(said)
    body, bottom = _body(rows, y)
    return Svg(bottom + 14, "Event ladder", said, _text_form(said, rows), tuple(head + body))


def _title(found: Sequence[Step]) -> str:
    """Return what happened and what it cost, in one sentence."""
    tops = [e for step in found for e in step.events[:1] if isinstance(e, SPANS) and step.records[0].depth == 0]
    if len(tops) < 2:
        return whole(found).sentence
    names = Counter({ev.Access: "access", ev.Syscall: "system call"}.get(type(e), "piece of work") for e in tops)
    what = ", ".join(words.plural(n, name) for name, n in names.items())
    return f"{what}: {cost([record for step in found for record in step.records])}."


def _chosen(source: object, last: int | None, span: int | None) -> list[Step]:
    """Return the steps to show, folded from all that the source knows."""
    if span is None:
        alone = isinstance(source, (list, tuple))
        return steps(source, last if last is not None else None if alone else 1)
    records = records_of(source)
    starts = [i for i, r in enumerate(records) if r.depth == 0 and not isinstance(r.event, ev.Done)]
    if not -len(starts) <= span < len(starts):
        raise IndexError(f"span {span}: there are {len(starts)} outermost spans in this trace")
    place = span % len(starts)
    end = starts[place + 1] if place + 1 < len(starts) else len(records)
    return steps(records[:end], last=1)


def rung_of(step: Step) -> Rung:
    """Return one step as a rung."""
    events = step.events
    first = events[0]
    done = isinstance(first, ev.Done)
    return Rung(
        names=(_done_name(first),) if isinstance(first, ev.Done) else _names(events),
        depth=step.records[0].depth + (1 if done else 0),
        sentence=step.sentence,
        kind=_kind(first),
        in_kernel=_in_kernel(step, first),
        opens=isinstance(first, SPANS) and len(events) == 1,
        closes=done,
    )


def _done_name(event: ev.Done) -> str:
    """Return how a span ended, if that is a word: `Done: major`."""
    return f"Done: {event.outcome}" if isinstance(event.outcome, str) else "Done"


def _names(events: Sequence[ev.Event]) -> tuple[str, ...]:
    """Return the names of a burst with their counts: `DiskRead`, `Copy ×32`; work that is one rung has its own name."""
    if isinstance(events[0], ev.KernelWork):
        return (events[0].what,)
    counted = Counter(type(event).__name__ for event in events)
    return tuple(f"{name} ×{n}" if n > 1 else name for name, n in counted.items())


KINDS: dict[str, tuple[type[ev.Event], ...]] = {
    "fault": (ev.PageFault, ev.Signal),
    "copy": (ev.Copy, ev.DiskRead, ev.DiskWrite),
    "entry": (ev.SetPte,),
    "held": (ev.TlbFill,),
    "no entry": (ev.ClearPte, ev.TlbMiss, ev.TlbFlush),
    "table": (ev.TableAlloc, ev.TableFree),
    "cached": (ev.CacheHit, ev.CacheAdd, ev.FolioSplit, ev.PageUptodate, ev.PageClean),
    "dirty": (ev.PageDirty,),
    "not cached": (ev.CacheMiss, ev.CacheDelete, ev.PageFree),
    "area": (ev.VmaLink, ev.VmaAdjust, ev.VmaUnlink),
}
"""What a rung's mark shows; see `_mark`."""


def _kind(event: ev.Event) -> str:
    if isinstance(event, ev.PageAlloc):
        return "cached" if event.use == "cache" else "anon"
    if isinstance(event, ev.Zero):
        return "zero"
    if isinstance(event, ev.Done):
        return "fault" if event.of == "PageFault" else ""
    return next((kind for kind, classes in KINDS.items() if isinstance(event, classes)), "")


def _in_kernel(step: Step, first: ev.Event) -> bool:
    """Is the processor in the kernel while this happens? Its own walk of the page table is not the kernel's work."""
    if isinstance(first, (ev.PageFault, ev.Syscall, ev.KernelWork)):
        return True
    return any(isinstance(event, (ev.PageFault, ev.Syscall, ev.KernelWork)) for event in step.before.running)


# ---------------------------------------------------------------- drawing


def _head(said: str) -> tuple[list[str], float]:
    parts, y = [], 28.0
    for row in wrap(said, WIDTH - 2 * MARGIN, 18, bold=True):
        parts.append(text(MARGIN, y, row, "t"))
        y += 23
    return parts, y - 4


def _folded(rungs: Sequence[Rung]) -> list[Rung | str]:
    """Return the rungs with runs of like outermost spans cut short: the first in full, the others as one line."""
    spans: list[list[Rung]] = []
    for rung in rungs:
        if rung.depth == 0 or not spans:
            spans.append([])
        spans[-1].append(rung)
    rows: list[Rung | str] = []
    for _, alike in groupby(spans, lambda span: [(rung.names, rung.depth) for rung in span]):
        run = list(alike)
        rows += run[0]
        if len(run) == 2:
            rows += run[1]
        elif len(run) > 2:
            rows.append(f"{len(run) - 1:,} more like it, the last: {run[-1][0].sentence}")
    return rows


def _shortened(rows: list[Rung | str]) -> list[Rung | str]:
    """Return the rows to draw: of a very long ladder the middle is left out."""
    if len(rows) <= MOST_RUNGS + 10:
        return rows
    tail = MOST_RUNGS // 3
    left_out = f"{len(rows) - MOST_RUNGS:,} more rungs"
    return [*rows[: MOST_RUNGS - tail], left_out, *rows[-tail:]]


def _body(rows: Sequence[Rung | str], y: float) -> tuple[list[str], float]:
    """Return the rungs from `y` down, with the rails of the spans behind them."""
    ground: list[str] = []
    front: list[str] = []
    rails = _Rails()
    kernel: bool | None = None
    for rung in rows:
        if isinstance(rung, str):
            front += [line(LABEL + 5, y + 5, LABEL + 5, y + 25, "none"), text(LABEL + INDENT, y + 19, rung, "s")]
            y += 30
            continue
        said = wrap(rung.sentence, WORDS_WIDTH, 12, bold=rung.kind == "fault")
        height = ROW * max(len(said), len(rung.names)) + 8
        if rung.in_kernel:
            ground.append(rect(0, y, WIDTH, height + 0.5, "kernel", 0))
        if rung.in_kernel is not kernel:
            kernel = rung.in_kernel
            front.append(text(WIDTH - MARGIN, y + 17, "kernel" if kernel else "user", "end s"))
        front += _rung(rung, said, y)
        rails.pass_rung(rung, y)
        y += height
    return ground + rails.finished(y) + front, y


class _Rails:
    """The lines from where a span opens down to where it is done."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.open_at: dict[int, float] = {}

    def pass_rung(self, rung: Rung, y: float) -> None:
        """Begin a rail where a rung opens a span, end it where one is closed."""
        if rung.opens:
            self.open_at[rung.depth] = y + ROW + 4
        if rung.closes and rung.depth - 1 in self.open_at:
            x, start = self._x(rung.depth - 1), self.open_at.pop(rung.depth - 1)
            self.parts += [line(x, start, x, y + 13, "rule"), line(x, y + 13, x + 9, y + 13, "rule")]

    def finished(self, y: float) -> list[str]:
        """Return all rails; those of spans that are still open end at `y`."""
        still = [line(self._x(depth), start, self._x(depth), y, "rule") for depth, start in self.open_at.items()]
        return self.parts + still

    def _x(self, depth: int) -> float:
        return LABEL + INDENT * depth + 5


def _rung(rung: Rung, sentence: Sequence[str], y: float) -> list[str]:
    x, loud = LABEL + INDENT * rung.depth, rung.kind == "fault"
    weight = "m alarm" if loud else "m b" if rung.opens else "m"
    names = [text(x, y + 17 + ROW * i, name, weight) for i, name in enumerate(rung.names)]
    said = [text(WORDS, y + 17 + ROW * i, row, "alarm" if loud else "") for i, row in enumerate(sentence)]
    return [_mark(rung, y + 4), *names, *said]


PAGES = {"cached": ("file", "F"), "dirty": ("file", "F"), "anon": ("anon", "A"), "zero": ("zero", "0")}
"""Marks that are pages: fill and letter."""


def _mark(rung: Rung, y: float) -> str:
    """Return the small picture at the left: the course's shape for the kind of thing that changed."""
    x, middle = 14.0, y + 9
    match rung.kind:
        case "fault":
            return "" if rung.closes else shapes.zigzag(x + 10, middle + 2)
        case "copy":
            return shapes.arrow(x, middle, x + 20, middle)
        case "entry" | "held":
            edge = [rect(x - 3, middle - 9, 26, 18, "void ol", 9)] if rung.kind == "held" else []
            return "".join([*edge, rect(x, middle - 6, 20, 12, "entry o", 6)])
        case "no entry":
            return rect(x, middle - 6, 20, 12, "none", 6)
        case "table":
            rows = [line(x + 3, middle + d, x + 17, middle + d, "thin") for d in (-4, 0, 4)]
            return rect(x + 3, middle - 8, 14, 16, "void ol", 0) + "".join(rows)
        case "not cached":
            return rect(x + 2, middle - 8, 16, 16, "none", 2)
        case "area":
            return shapes.bracket(x, x + 20, middle - 3, 8)
    if rung.kind not in PAGES:
        return ""
    fill, letter = PAGES[rung.kind]
    parts = [rect(x + 2, middle - 8, 16, 16, f"{fill} o", 2), text(x + 10, middle + 4.5, letter, "mid b on")]
    return "".join([*parts, circle(x + 18, middle - 8, 3, "dot")] if rung.kind == "dirty" else parts)


def _text_form(said: str, rows: Sequence[Rung | str]) -> str:
    """Return the same ladder in letters."""
    names = ["" if isinstance(row, str) else "| " * row.depth + ", ".join(row.names) for row in rows]
    width = min(44, max(map(len, names)))
    lines = [said, ""]
    for name, row in zip(names, rows, strict=True):
        lines.append(f": {row}" if isinstance(row, str) else f"{name:{width}}  {row.sentence}".rstrip())
    return "\n".join(lines)
