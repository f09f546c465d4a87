"""From records to steps: bursts of like events become one step, which a picture can show and a sentence can say.

    DiskRead, 32 x (Copy dma_in, PageUptodate)      ->  one step, 32 copies
    16 x SetPte of neighbouring pages               ->  one step, 16 entries
    all that create_file does                       ->  one step

A step keeps all its records, so that no count is lost: the ledger over the steps is the ledger over the trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmaplab.pte import pte_present
from mmaplab.sim import events as ev
from mmaplab.sim.trace import Record
from mmaplab.views import words
from mmaplab.views.scene import Scene, apply, records_of

QUIET = ("create_file", "drop_caches", "exit")
"""Work of the kernel that is one step as a whole."""


@dataclass(frozen=True)
class Step:
    """One step: its records, the scene before and after, and what happened in a sentence; `span` is the outermost."""

    records: tuple[Record, ...]
    before: Scene
    scene: Scene
    sentence: str
    context: str
    span: tuple[Record, ...] = ()

    @property
    def events(self) -> list[ev.Event]:
        """The events of the step."""
        return [record.event for record in self.records]

    @property
    def kinds(self) -> list[str]:
        """What a reader may look for in this step: 'fault', 'copy', 'syscall', 'signal'."""
        found = [
            ("fault", any(isinstance(e, ev.PageFault) for e in self.events)),
            ("copy", any(isinstance(e, ev.Copy) for e in self.events)),
            ("syscall", any(isinstance(e, ev.Syscall) for e in self.events)),
            ("signal", any(isinstance(e, ev.Signal) for e in self.events)),
        ]
        return [name for name, here in found if here]


def steps(source: object, last: int | None = None) -> list[Step]:
    """Return the steps of a kernel, a trace or a list of records; `last` keeps those of the last n outermost spans.

    The scene is folded from all records, so give the kernel or the whole trace where the state before matters.
    Raises ValueError where `last` is not positive.
    """
    records = records_of(source)
    if last is not None and last < 1:
        raise ValueError(f"last={last}: give the number of outermost spans to show, 1 or more")
    begin = _start(records, last)
    scene = Scene()
    for record in records[:begin]:
        apply(scene, record)
    found: list[Step] = []
    span: list[Record] = []
    for group in groups(records[begin:]):
        before, scene = scene, scene.copy()
        for record in group:
            apply(scene, record)
        if not before.running:
            span = []
        span.extend(group)
        sentence, context = step_sentence(group, before, scene), context_of(before, scene)
        found.append(Step(tuple(group), before, scene, sentence, context, tuple(span)))
    return found


def _start(records: Sequence[Record], last: int | None) -> int:
    """Return where the last n outermost spans begin."""
    if last is None:
        return 0
    starts, depth = [], 0
    for i, record in enumerate(records):
        if isinstance(record.event, ev.Done):
            depth -= 1
        elif isinstance(record.event, (ev.Syscall, ev.Access, ev.PageFault, ev.KernelWork)):
            if depth == 0:
                starts.append(i)
            depth += 1
    return starts[-last] if len(starts) >= last else 0


def groups(records: Sequence[Record]) -> list[list[Record]]:
    """Return the records in bursts; every record is in exactly one, in order."""
    found: list[list[Record]] = []
    i = 0
    while i < len(records):
        n = _length(records, i)
        found.append(list(records[i : i + n]))
        i += n
    return found


def _length(records: Sequence[Record], i: int) -> int:
    """Return how many records from the i-th on are one step."""
    event = records[i].event
    match event:
        case ev.KernelWork() if event.what in QUIET:
            return _until_done(records, i)
        case ev.PageAlloc(use="cache") | ev.CacheAdd():
            return _run(records, i, (ev.PageAlloc, ev.CacheAdd))
        case ev.PageAlloc():
            return _run(records, i, (ev.PageAlloc, ev.Zero))
        case ev.DiskRead():
            return 1 + _run(records, i + 1, (ev.Copy, ev.PageUptodate), "dma_in")
        case ev.PageClean() | ev.DiskWrite():
            return _run(records, i, (ev.PageClean, ev.DiskWrite, ev.Copy), "dma_out")
        case ev.CacheDelete() | ev.PageFree():
            return _run(records, i, (ev.CacheDelete, ev.PageFree))
        case ev.TableAlloc() | ev.TableFree() | ev.ClearPte() | ev.FdInstall() | ev.PageDirty() | ev.PageUptodate():
            return _run(records, i, (type(event),))
        case ev.SetPte():
            return _entries(records, i, event)
        case ev.CacheHit() | ev.CacheMiss():
            return _run(records, i, (type(event),))
    return 1


def _run(records: Sequence[Record], i: int, kinds: tuple[type[ev.Event], ...], why: str = "") -> int:
    n, first = 0, records[i].event if i < len(records) else None
    while i + n < len(records) and isinstance(records[i + n].event, kinds):
        event = records[i + n].event
        if isinstance(event, ev.Copy) and event.why != why:
            break
        if isinstance(event, ev.PageAlloc) and isinstance(first, ev.PageAlloc) and event.use != first.use:
            break
        n += 1
    return n


def _entries(records: Sequence[Record], i: int, first: ev.SetPte) -> int:
    """Return how many entries from here on are set in the same table for the same reason."""
    n = 0
    while i + n < len(records):
        event = records[i + n].event
        if not isinstance(event, ev.SetPte) or event.mm != first.mm:
            break
        if pte_present(event.old) != pte_present(first.old):
            break
        n += 1
    return n


def _until_done(records: Sequence[Record], i: int) -> int:
    depth = 0
    for n, record in enumerate(records[i:], 1):
        if isinstance(record.event, ev.Done):
            depth -= 1
        elif isinstance(record.event, (ev.Syscall, ev.Access, ev.PageFault, ev.KernelWork)):
            depth += 1
        if depth == 0:
            return n
    return len(records) - i


def step_sentence(group: Sequence[Record], before: Scene, scene: Scene) -> str:
    """Return what a step means, in one sentence."""
    events = [record.event for record in group]
    first = events[0]
    if len(events) == 1:
        return words.sentence(first, before if isinstance(first, (ev.ClearPte, ev.FileFree)) else scene)
    copied = [e for e in events if isinstance(e, ev.Copy)]
    match first:
        case ev.KernelWork():
            return _quiet(first, events, scene)
        case ev.DiskRead():
            name = scene.file(first.ino).name
            return f"{_are(len(copied), 'page')} copied from the disk into the page cache: {_span(events)} of {name}."
        case ev.PageClean() | ev.DiskWrite():
            name = scene.file(first.ino).name
            return f"{_are(len(copied), 'page')} copied from the page cache to the disk: {_span(events)} of {name}."
        case ev.PageAlloc() | ev.CacheAdd():
            return _frames(events, scene)
        case ev.SetPte():
            return _set(events, scene)
        case ev.ClearPte():
            place = words.where(before.spaces.get(first.mm), first.addr)
            return f"{_are(len(events), 'entry')} cleared, from {place} on."
        case ev.CacheDelete() | ev.PageFree():
            gone = sum(isinstance(e, ev.CacheDelete) for e in events)
            what = f"{words.plural(gone, 'page')} leave the page cache; " if gone else ""
            text = f"{what}{words.plural(sum(isinstance(e, ev.PageFree) for e in events), 'frame')} are given back."
            return text[0].upper() + text[1:]
    return _several(first, events, scene)


def _several(first: ev.Event, events: Sequence[ev.Event], scene: Scene) -> str:
    n = len(events)
    match first:
        case ev.TableAlloc():
            return f"{_are(n, 'page table')} made, down to the one for this address."
        case ev.TableFree():
            return f"{_are(n, 'page table')} given back."
        case ev.CacheHit():
            return f"{_span(events).capitalize()} of {scene.file(first.ino).name} are in the page cache."
        case ev.CacheMiss():
            return f"{_span(events).capitalize()} of {scene.file(first.ino).name} are not in the page cache."
        case ev.PageDirty():
            return f"{_span(events).capitalize()} of {scene.file(first.ino).name} are dirty: newer than the disk."
        case ev.PageUptodate():
            return f"{_span(events).capitalize()} of {scene.file(first.ino).name} now hold the file's bytes."
    return f"{words.sentence(first, scene)[:-1]}, and {words.plural(n - 1, 'event')} like it."


def _are(n: int, noun: str) -> str:
    return f"{words.plural(n, noun)} {'is' if n == 1 else 'are'}"


def _span(events: Sequence[ev.Event]) -> str:
    """Return the file pages that the events name, as `page 3` or `pages 0 to 31`."""
    named = [e.index for e in events if isinstance(e, (ev.CacheHit, ev.CacheMiss, ev.CacheAdd, ev.PageUptodate))]
    named += [e.index for e in events if isinstance(e, (ev.PageDirty, ev.PageClean))]
    for event in events:
        if isinstance(event, (ev.DiskRead, ev.DiskWrite)):
            named += range(event.index, event.index + event.npages)
    low, high = min(named), max(named)
    return words.pages(low, high - low + 1) if len(set(named)) == high - low + 1 else f"pages from {low} to {high}"


def _frames(events: Sequence[ev.Event], scene: Scene) -> str:
    added = [e for e in events if isinstance(e, ev.CacheAdd)]
    if added:
        verb = "take places" if len(added) > 1 else "takes a place"
        return f"{_span(events).capitalize()} of {scene.file(added[0].ino).name} {verb} in the page cache, still empty."
    taken = [e for e in events if isinstance(e, ev.PageAlloc)]
    zeroed = any(isinstance(e, ev.Zero) for e in events)
    what = f"Frame {taken[0].pfn} is" if len(taken) == 1 else f"{words.plural(len(taken), 'frame')} are"
    return f"{what} taken for the process alone{' and filled with zeros' if zeroed else ''}."


def _set(events: Sequence[ev.Event], scene: Scene) -> str:
    entries = [e for e in events if isinstance(e, ev.SetPte)]
    space = scene.spaces.get(entries[0].mm)
    area = space.area_at(entries[0].addr) if space else None
    verb = "changed" if pte_present(entries[0].old) else "set"
    if area is None:
        return f"{_are(len(entries), 'entry')} {verb}."
    low, high = area.index(entries[0].addr), area.index(entries[-1].addr)
    return f"{_are(len(entries), 'entry')} {verb}: pages {low} to {high} of {area.name or 'anonymous memory'}."


def _quiet(first: ev.KernelWork, events: Sequence[ev.Event], scene: Scene) -> str:
    if first.what == "create_file":
        made = next((e for e in events if isinstance(e, ev.FileCreate)), None)
        if made:
            file = scene.file(made.ino)
            warm = "kept in the page cache" if file.pages else "not in the page cache"
            return f"The file {file.name} is made: {words.plural(file.npages, 'page')}, {warm}."
    if first.what == "drop_caches":
        gone = sum(isinstance(e, ev.CacheDelete) for e in events)
        return f"The page cache lets go of what it can: {words.plural(gone, 'page')}."
    return f"The kernel works on its own: {first.what.replace('_', ' ')}."


def context_of(before: Scene, scene: Scene) -> str:
    """Return what the machine is in the middle of: the open spans, outermost first."""
    running = max((before.running, scene.running), key=len)
    parts = []
    for event in running:
        match event:
            case ev.Syscall():
                parts.append(f"P{event.pid}: {words.call(event)}")
            case ev.Access():
                parts.append(f"P{event.pid}: {event.kind} at {event.addr:#x}")
            case ev.PageFault():
                parts.append(f"page fault ({event.want})")
            case ev.KernelWork():
                parts.append(f"kernel: {event.what.replace('_', ' ')}")
    return " › ".join(parts)


def strays(step: Step) -> dict[int, int]:
    """Return, per mm, the address outside all areas that the step is about: under access, or answered by a signal."""
    found = {}
    ended = {e.addr for e in step.events if isinstance(e, ev.Signal)}
    for event in (*step.scene.running, *step.events):
        if not isinstance(event, (ev.Access, ev.PageFault)):
            continue
        if event in step.scene.running or event.addr in ended:
            mm = event.mm if isinstance(event, ev.PageFault) else step.scene.processes.get(event.pid, -1)
            space = step.scene.spaces.get(mm)
            if space and not space.area_at(event.addr):
                found[mm] = event.addr
    return found
