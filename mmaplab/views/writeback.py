"""What happens between a store and the disk: the pages of a file in memory and on the disk, moment by moment.

    moment    what the machine did: a store, msync, the flusher; a moment in which no page changed is left out
    version   how many stores the bytes of a page have seen: v0 is the file as it was created

A write-back copies the version in memory to the disk. What a power failure leaves is the disk's version, where the
journal has made the file's name and size durable. Folded from a trace, so that a picture (timeline.py) can draw it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mmaplab.constants import PAGE_SIZE
from mmaplab.sim import events as ev
from mmaplab.sim.trace import Record
from mmaplab.views.scene import FileState, Scene, apply

SPANS = (ev.Syscall, ev.Access, ev.KernelWork)


@dataclass(frozen=True)
class Page:
    """A file page after a moment: its versions in memory and on the disk (None: none is there), and what happened."""

    memory: int | None
    disk: int | None
    dirty: bool
    stored: bool = False
    written: str = ""
    """Why it was written back in this moment; empty where it was not."""


@dataclass(frozen=True)
class Moment:
    """What the machine did, when (seconds since boot), and the file's pages after it."""

    name: str
    now: float
    pages: dict[int, Page]


@dataclass
class Fold:
    """Versions of all file pages, by (ino, index)."""

    scene: Scene = field(default_factory=Scene)
    made: dict[tuple[int, int], int] = field(default_factory=dict)
    memory: dict[tuple[int, int], int] = field(default_factory=dict)
    disk: dict[tuple[int, int], int] = field(default_factory=dict)
    frames: dict[int, tuple[int, int]] = field(default_factory=dict)
    stored: set[tuple[int, int]] = field(default_factory=set)
    written: dict[tuple[int, int], str] = field(default_factory=dict)

    def take(self, record: Record) -> None:
        """Go on by one record."""
        event = record.event
        apply(self.scene, record)
        match event:
            case ev.CacheAdd():
                page = (event.ino, event.index)
                self.frames[event.pfn] = page
                self.memory[page] = self.disk.get(page, self.made.get(page, 0))
            case ev.CacheDelete():
                self.frames.pop(event.pfn, None)
                self.memory.pop((event.ino, event.index), None)
            case ev.UserStore() if event.pfn in self.frames:
                self._store(self.frames[event.pfn])
            case ev.Copy() if event.why == "copy_from_user" and event.target in self.frames:
                self._store(self.frames[event.target])
            case ev.DiskWrite():
                for index in range(event.index, event.index + event.npages):
                    self._write(event, (event.ino, index))
            case ev.DiskDiscard():
                for index in range(event.index, event.index + event.npages):
                    self.disk.pop((event.ino, index), None)

    def _store(self, page: tuple[int, int]) -> None:
        if any(isinstance(span, ev.KernelWork) and span.what == "create_file" for span in self.scene.running):
            return
        self.made[page] = self.made.get(page, 0) + 1
        self.memory[page] = self.made[page]
        self.stored.add(page)

    def _write(self, event: ev.DiskWrite, page: tuple[int, int]) -> None:
        if event.why == "direct":
            self.made[page] = self.made.get(page, 0) + 1
        self.disk[page] = self.memory.get(page, self.made.get(page, 0))
        if event.why != "create_file":
            self.written[page] = event.why

    def page(self, ino: int, index: int) -> Page:
        """Return the state of one page, and what happened to it since `fresh`."""
        key = (ino, index)
        file = self.scene.files.get(ino)
        dirty = file is not None and index in file.dirty
        return Page(self.memory.get(key), self.disk.get(key), dirty, key in self.stored, self.written.get(key, ""))

    def fresh(self) -> None:
        """Begin the next moment."""
        self.stored, self.written = set(), {}


@dataclass(frozen=True)
class History:
    """The moments of one file, from its first store (`first` is before it) to a power failure at `now` seconds."""

    file: FileState
    first: dict[int, Page]
    moments: list[Moment]
    now: float

    def changed(self) -> list[int]:
        """Return the pages that were stored to or written back, in order."""
        return sorted({i for m in self.moments for i, page in m.pages.items() if page.stored or page.written})

    def last(self) -> dict[int, Page]:
        """Return the pages after the last moment."""
        return self.moments[-1].pages if self.moments else self.first

    def after_failure(self, index: int) -> int | None:
        """Return the version of a page that is left after the power failure; None where the file does not reach it.

        A page that was never written reads as zeros, as it did before the first store. Leaves out: truncation.
        """
        size = self.file.durable_size
        if size is None or index * PAGE_SIZE >= size:
            return None
        return self.last()[index].disk or 0


def history(records: Sequence[Record], path: str | None = None, until: float | None = None) -> History:
    """Return the history of a file, from its first store on: the file stored to last where `path` is None.

    `until` is the second of the power failure; None: after the last record. Raises ValueError where no file page was
    stored to, FileNotFoundError for a name that the trace does not know.
    """
    cut = records if until is None else _before(records, until)
    ino = _file(cut, path)
    fold = Fold()
    moments: list[Moment] = []
    first: dict[int, Page] = {}
    name, started = "", 0.0
    for record in cut:
        if record.depth == 0 and isinstance(record.event, SPANS):
            name, started = _name(record.event), fold.scene.now
            fold.fresh()
        fold.take(record)
        if record.depth == 0 and isinstance(record.event, ev.Done) and ino in fold.scene.files:
            pages = _pages(fold, ino)
            if not moments and not any(page.stored for page in pages.values()):
                first = pages
            elif _changed(moments[-1].pages if moments else {}, pages):
                moments.append(Moment(name, started, pages))
    now = fold.scene.now if until is None else until
    return History(fold.scene.file(ino), first, moments, now)


def _before(records: Sequence[Record], until: float) -> list[Record]:
    """Return the records up to a second; what happens in that very second still happens."""
    for number, record in enumerate(records):
        if isinstance(record.event, ev.Clock) and record.event.now > until:
            return list(records[:number])
    return list(records)


def _file(records: Iterable[Record], path: str | None) -> int:
    fold, last = Fold(), 0
    for record in records:
        fold.take(record)
        if fold.stored:
            last = next(iter(fold.stored))[0]
            fold.fresh()
    if path is not None:
        return fold.scene.file_named(path).ino
    if not last:
        raise ValueError("no page of a file was stored to: store through a shared mapping or call write first")
    return last


def _name(event: ev.Event) -> str:
    match event:
        case ev.Syscall():
            return event.name
        case ev.KernelWork():
            return event.what
        case ev.Access():
            return event.kind
    raise TypeError(f"{type(event).__name__} opens no span")


def _pages(fold: Fold, ino: int) -> dict[int, Page]:
    """Return the file's pages as they are: those inside its size, and those that memory or disk still hold."""
    known = {index for number, index in (*fold.memory, *fold.disk) if number == ino}
    known |= set(range(fold.scene.files[ino].npages))
    return {index: fold.page(ino, index) for index in sorted(known)}


def _changed(before: dict[int, Page], after: dict[int, Page]) -> bool:
    return any(page.stored or page.written for page in after.values()) or any(
        index not in before or (before[index].memory is None) != (page.memory is None) for index, page in after.items()
    )
