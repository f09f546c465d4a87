"""The simulated kernel: what its structures cost as they grow, and what an access costs when nobody records.

The yardstick is a bare Python loop that fills a dictionary with one entry for each page: less than that, a model that
keeps something for each page cannot do. `ratio` is the time in multiples of that loop's, so smaller is better.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mmaplab.bench.measure import Bench, Goal, Row, ratios, timed
from mmaplab.constants import PAGE_SIZE, Map, Prot
from mmaplab.sim import Kernel
from mmaplab.sim.process import Process

TITLE = "The simulated kernel"
PRIVATE = Map.MAP_PRIVATE | Map.MAP_ANONYMOUS
TOUCH_GOALS = (Goal.at_most(10, of="ratio"), Goal.at_most(0.1, of="ratio"))
"""A first touch, with its faults and new entries, may take ten times the bare loop's time; another, a tenth of it."""


def measure(bench: Bench) -> Iterator[Row]:
    """Yield the rows: areas, touches of a cached file, faults."""
    yield from areas(bench)
    yield from touches(bench)
    yield from faults(bench)


# ---------------------------------------------------------------- areas


def areas(bench: Bench) -> Iterator[Row]:
    """Unmapping one page and mapping it again, among many areas and among few."""
    many, few, calls = bench.size(60_000, 600), bench.size(100, 30), bench.size(2_000, 100)
    crowded, lonely = Crowd(many), Crowd(few)
    order = random.Random(bench.seed)
    pairs = []
    for _ in range(bench.repeats):
        pairs.append([timed(crowd.visit(order, calls), bench.clock) for crowd in (crowded, lonely)])
    slow, fast = [pair[0] / calls for pair in pairs], [pair[1] / calls for pair in pairs]
    yield bench.row(f"munmap and mmap of a page among {few} areas", fast, "us", 1e6)
    name = f"munmap and mmap of a page among {many:,} areas; ratio to {few} areas"
    yield bench.row(name, slow, "us", 1e6, ratios(slow, fast), Goal.at_most(2, of="ratio"))


class Crowd:
    """A process with many areas of one page, side by side; every second may be written, so none of them merge."""

    def __init__(self, number: int) -> None:
        self.p = Kernel(record=False).spawn()
        rights = [Prot.PROT_READ, Prot.PROT_READ | Prot.PROT_WRITE]
        self.areas = [(self.p.mmap(0, PAGE_SIZE, rights[i % 2], PRIVATE), rights[i % 2]) for i in range(number)]

    def visit(self, order: random.Random, calls: int) -> Callable[[], None]:
        """Return work: for so many areas by chance, unmap it and map it again; the kernel finds the hole by itself."""
        chosen = order.choices(self.areas, k=calls)

        def work() -> None:
            for addr, prot in chosen:
                self.p.munmap(addr, PAGE_SIZE)
                if self.p.mmap(0, PAGE_SIZE, prot, PRIVATE) != addr:
                    raise RuntimeError("the area went to another hole: the measurement is not what it says")

        return work


# ---------------------------------------------------------------- touches


@dataclass
class CachedFile:
    """A file in the page cache, in single pages; `fresh` maps it anew, in a process with empty page tables."""

    pages: int

    def __post_init__(self) -> None:
        self.kernel = Kernel(record=False)
        self.kernel.create_file("f", bytes(range(256)) * (self.pages * PAGE_SIZE // 256), warm=True)
        self.p: Process | None = None

    def fresh(self) -> tuple[Process, int]:
        """Return a new process and the address of its mapping."""
        if self.p is not None:
            self.p.exit()
        self.p = self.kernel.spawn()
        return self.p, self.p.mmap(0, self.pages * PAGE_SIZE, Prot.PROT_READ, Map.MAP_SHARED, self.p.open("f"))


def touches(bench: Bench) -> Iterator[Row]:
    """Every page of a cached file, touched by one call and by one load for each page, first and again."""
    pages = bench.size(262_144, 2_048)
    file = CachedFile(pages)
    bare = bench.times(lambda: fill_dictionary(pages))
    yield bench.row(f"bare loop: a dictionary of {pages:,} entries", rates(pages, bare), "entries/s")
    for name, visit, goals in (("touch(), one call", touch, TOUCH_GOALS), ("load() by page", load, (None, None))):
        first, again, yardstick = [], [], []
        for _ in range(bench.repeats if visit is touch else max(1, bench.repeats // 2)):
            p, addr = file.fresh()
            first.append(timed(lambda: visit(p, addr, pages), bench.clock))  # noqa: B023
            again.append(timed(lambda: visit(p, addr, pages), bench.clock))  # noqa: B023
            yardstick.append(timed(lambda: fill_dictionary(pages), bench.clock))
        for when, results, goal in (("first", first, goals[0]), ("again", again, goals[1])):
            label = f"{name}, {pages:,} cached pages, {when}; ratio to the bare loop's time"
            yield bench.row(label, rates(pages, results), "pages/s", 1, ratios(results, yardstick), goal)
    yield from recorded(bench, file, bare)


def recorded(bench: Bench, file: CachedFile, bare: list[float]) -> Iterator[Row]:
    """The same loads with every event recorded."""
    file.kernel.trace.recording = True
    p, addr = file.fresh()
    seconds = timed(lambda: load(p, addr, file.pages), bench.clock)
    file.kernel.trace.recording = False
    label = f"load() by page, {file.pages:,} cached pages, all events recorded; ratio to the bare loop's time"
    yield bench.row(label, file.pages / seconds, "pages/s", ratio=[seconds / one for one in bare])


def fill_dictionary(entries: int) -> None:
    """The yardstick: one entry for each page, and nothing else."""
    filled = {}
    for page in range(entries):
        filled[page] = page


def touch(p: Process, addr: int, pages: int) -> None:
    """Touch each page, in one call."""
    p.touch(addr, pages * PAGE_SIZE)


def load(p: Process, addr: int, pages: int) -> None:
    """Touch each page with a load of its own."""
    for at in range(addr, addr + pages * PAGE_SIZE, PAGE_SIZE):
        p.load(at)


def rates(count: int, seconds: list[float]) -> list[float]:
    """Return how many of `count` things there are in a second, for each run."""
    return [count / max(one, 1e-9) for one in seconds]


# ---------------------------------------------------------------- faults


def faults(bench: Bench) -> Iterator[Row]:
    """What a fault costs when there were few before it, and when there were a million."""
    few, many, last = bench.size(1_000, 100), bench.size(1_000_000, 3_000), bench.size(20_000, 500)
    p, addr = zeros(many)
    early = []
    for _ in range(bench.repeats):
        q, there = zeros(few)
        early.append(timed(lambda: load(q, there, few), bench.clock) / few)  # noqa: B023
    load(p, addr, many - last * bench.repeats)
    late = []
    for i in reversed(range(bench.repeats)):
        start = addr + (many - last * (i + 1)) * PAGE_SIZE
        late.append(timed(lambda: load(p, start, last), bench.clock) / last)  # noqa: B023
    if p.faults().minor != many:
        raise RuntimeError(f"{p.faults().minor} faults, not {many}: the measurement is not what it says")
    yield bench.row(f"a fault, within the first {few:,}", early, "us", 1e6)
    name = f"a fault, within the last of {many:,}; ratio to the first {few:,}"
    yield bench.row(name, late, "us", 1e6, ratios(late, early), Goal.at_most(1.5, of="ratio"))
    stores = bench.size(20_000, 200)
    seconds = []
    for _ in range(bench.repeats):
        q, there = zeros(stores)
        seconds.append(timed(lambda: store(q, there, stores), bench.clock))  # noqa: B023
    yield bench.row("first stores to anonymous memory, one fault each", rates(stores, seconds), "faults/s")


def zeros(pages: int) -> tuple[Process, int]:
    """Return a process and the address of private anonymous memory in it."""
    p = Kernel(record=False).spawn()
    return p, p.mmap(0, pages * PAGE_SIZE, Prot.PROT_READ | Prot.PROT_WRITE, PRIVATE)


def store(p: Process, addr: int, pages: int) -> None:
    """Store a byte to each page."""
    for at in range(addr, addr + pages * PAGE_SIZE, PAGE_SIZE):
        p.store(at, b"x")
