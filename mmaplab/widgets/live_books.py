"""Two live plots of the real kernel: what is in memory and dirty, and what read() costs beside a mapping.

    live_pages(pages=1024)       a mapping is walked, stored to, and written back with MS_SYNC
    live_copies(pages=1024)      the same pages by read() and through a mapping: bytes copied, entries into the kernel

Both run in a thread of their own, can be stopped, and end in a table.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import cast

import ipywidgets

from mmaplab.constants import PAGE_SIZE, Ms, Prot
from mmaplab.lab import Value
from mmaplab.real import FileMapping, drop_cache, file_mapping, libc, residency, smaps, thread_io_counters, warm_file
from mmaplab.views.curves import Curve, Frame, plot
from mmaplab.views.svg import Svg, line, text
from mmaplab.widgets.running import LiveRun

ADVICE = ("the kernel may read ahead", "the kernel reads the touched page only")
PIECE = 16
"""Pages between two looks."""


def _checked(pages: int) -> int:
    if pages < PIECE:
        raise ValueError(f"pages is {pages}: give {PIECE} at least")
    return pages


def _numbers(values: Mapping[str, Value], name: str) -> list[int]:
    """Return a list of a recorded outcome."""
    return list(cast("list[int]", values.get(name, [])))


# ---------------------------------------------------------------- resident and dirty


class LivePages(LiveRun):
    """Resident and dirty pages of a mapping that is walked, stored to, and written back."""

    name = "live pages"

    def __init__(self, pages: int, pace: float) -> None:
        self.pages = _checked(pages)
        self.resident: list[int] = []
        self.dirty: list[int] = []
        self.advice = ipywidgets.ToggleButtons(options=[("no advice", 0), ("MADV_RANDOM", 1)], tooltips=ADVICE)
        super().__init__(pace, ipywidgets.HTML("madvise before the walk:"), self.advice)

    def __repr__(self) -> str:
        return f"live_pages({self.pages} pages)"

    def work(self) -> dict[str, Value]:
        """Load each page, store to each page, then msync(MS_SYNC)."""
        self.resident, self.dirty = [0], [0]
        with warm_file(self.pages) as path:
            drop_cache(path)
            with file_mapping(path, prot=Prot.PROT_READ | Prot.PROT_WRITE, advice=self.advice.value) as m:
                loaded = self._walk(m, store=False)
                after_loads = residency(m)
                stored = self._walk(m, store=True)
                before = self._look(m)
                libc.check(libc.function("msync")(m.address, m.length, int(Ms.MS_SYNC)), "msync")
                after = self._look(m)
        return {
            "pages": self.pages,
            "loaded": loaded,
            "resident after the loads": sum(after_loads),
            "stored to": stored,
            "dirty before MS_SYNC": before,
            "dirty after MS_SYNC": after,
            "resident, at each look": self.resident,
            "dirty, at each look": self.dirty,
        }

    def _walk(self, m: FileMapping, store: bool) -> int:
        """Touch every page once, in order; returns how many were touched before the run was stopped."""
        array = m.array
        for first in range(0, self.pages, PIECE):
            if self.halt.is_set():
                return first
            for page in range(first, min(first + PIECE, self.pages)):
                if store:
                    array[page * PAGE_SIZE] = 1
                else:
                    array[page * PAGE_SIZE]
            self._look(m)
            self.rest()
        return self.pages

    def _look(self, m: FileMapping) -> int:
        """Note how many pages are resident and dirty; returns the latter. /proc/self/smaps, mincore(2)."""
        sizes = [entry.sizes for entry in smaps() if entry.area.start == m.address]
        dirty = sum(size["Shared_Dirty"] + size["Private_Dirty"] for size in sizes) // PAGE_SIZE
        self.resident.append(sum(residency(m)))
        self.dirty.append(dirty)
        return dirty

    def draw(self, values: Mapping[str, Value] | None = None) -> Svg:
        """Return the two curves over the looks."""
        pages = self.pages if values is None else int(cast("int", values["pages"]))
        resident = self.resident if values is None else _numbers(values, "resident, at each look")
        dirty = self.dirty if values is None else _numbers(values, "dirty, at each look")
        looks = max(len(resident) - 1, 2 * -(-pages // PIECE) + 2)
        curves = [Curve("resident", list(enumerate(resident))), Curve("dirty", list(enumerate(dirty)))]
        frame = Frame(70, 44, 500, 190, looks, pages)
        middle, base = frame.x + frame.width / 2, frame.y + frame.height
        parts = plot(frame, curves, "pages of the mapping", "")
        for i, phase in enumerate(("every page is loaded", "every page is stored to")):
            parts.append(text(frame.x + frame.width * (0.25 + 0.5 * i), base + 18, phase, "mid s"))
        parts.append(line(middle, frame.y, middle, base, "none"))
        parts.append(text(frame.x + frame.width + 8, base + 22, "last: MS_SYNC", "s"))
        said = (
            f"After {len(resident)} looks {curves[0].last:,.0f} of {pages:,} pages are resident, "
            f"{curves[1].last:,.0f} are dirty; at most {max(dirty, default=0):,.0f} were dirty."
        )
        return Svg(270, "Resident and dirty pages", said, said, tuple(parts))


def live_pages(pages: int = 1024, pace: float = 0.02) -> LivePages:
    """Return a widget that walks a cold mapping, stores to it, and writes it back; `pace`: seconds between looks.

    Raises ValueError for fewer pages than are touched between two looks.
    """
    return LivePages(pages, pace)


# ---------------------------------------------------------------- read() against mmap


class LiveCopies(LiveRun):
    """The same pages by read() and through a mapping: bytes copied, and entries into the kernel."""

    name = "live copies"

    def __init__(self, pages: int, pace: float) -> None:
        self.pages = _checked(pages)
        self.books: dict[str, list[int]] = {}
        super().__init__(pace)

    def __repr__(self) -> str:
        return f"live_copies({self.pages} pages)"

    def work(self) -> dict[str, Value]:
        """Read a warm file page by page in both ways, by turns."""
        self.books = {name: [0] for name in ("read bytes", "read calls", "mmap bytes", "mmap faults")}
        done = 0
        with warm_file(self.pages) as path, file_mapping(path) as m:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                for first in range(0, self.pages, PIECE):
                    done = min(first + PIECE, self.pages)
                    self._read(fd, range(first, done))
                    self._touch(m, range(first, done))
                    if not self.rest():
                        break
            finally:
                os.close(fd)
        last = {name: int(values[-1]) for name, values in self.books.items()}
        return {
            "pages": self.pages,
            "pages read in both ways": done,
            "read: bytes copied": last["read bytes"],
            "read: system calls": last["read calls"],
            "mapping: bytes copied": last["mmap bytes"],
            "mapping: page faults": last["mmap faults"],
            **{f"{name}, at each look": values for name, values in self.books.items()},
        }

    def _book(self, name: str, more: int) -> None:
        self.books[name].append(self.books[name][-1] + more)

    def _read(self, fd: int, pages: range) -> None:
        buffer = bytearray(PAGE_SIZE)
        with thread_io_counters() as io:
            for page in pages:
                os.preadv(fd, [buffer], page * PAGE_SIZE)
        self._book("read bytes", io["rchar"])
        self._book("read calls", io["syscr"])

    def _touch(self, m: FileMapping, pages: range) -> None:
        array, places = m.array, [page * PAGE_SIZE for page in pages]
        with thread_io_counters() as io:
            before = _minor_faults()
            for place in places:
                array[place]
            faults = _minor_faults() - before
        self._book("mmap bytes", io["rchar"])
        self._book("mmap faults", faults)

    def draw(self, values: Mapping[str, Value] | None = None) -> Svg:
        """Return two plots beside each other: bytes copied, entries into the kernel."""
        pages = self.pages if values is None else int(cast("int", values["pages"]))
        names = ("read bytes", "read calls", "mmap bytes", "mmap faults")
        books = self.books if values is None else {n: _numbers(values, f"{n}, at each look") for n in names}
        looks = -(-pages // PIECE)

        def curve(name: str, label: str, scale: float = 1.0) -> Curve:
            return Curve(label, [(i, y * scale) for i, y in enumerate(books.get(name, []))])

        copied = [curve("read bytes", "read()", 1 / 1024), curve("mmap bytes", "mmap", 1 / 1024)]
        entered = [curve("read calls", "read()"), curve("mmap faults", "mmap")]
        parts = plot(Frame(64, 44, 190, 180, looks, pages * PAGE_SIZE / 1024), copied, "KiB copied", "pages, in order")
        parts += plot(Frame(420, 44, 190, 180, looks, pages), entered, "entries into the kernel", "pages, in order")
        said = (
            f"read() has copied {copied[0].last:,.0f} KiB in {entered[0].last:,.0f} system calls; "
            f"the mapping has copied {copied[1].last:,.0f} KiB and taken {entered[1].last:,.0f} page faults."
        )
        return Svg(260, "read() beside a mapping", said, said, tuple(parts))


def _minor_faults() -> int:
    """Return the minor faults of this thread so far; getrusage(2), RUSAGE_THREAD."""
    import resource  # not on every system; who comes here has a live Linux

    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt


def live_copies(pages: int = 1024, pace: float = 0.03) -> LiveCopies:
    """Return a widget that reads a warm file by read() and through a mapping; `pace`: seconds between looks.

    Raises ValueError for fewer pages than are read between two looks.
    """
    return LiveCopies(pages, pace)
