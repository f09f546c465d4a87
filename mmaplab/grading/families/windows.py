"""Reading a mapped file: which pages does a fault map? Programs for do_fault_around, and for faults in general.

The first four place the area where one of the window's four bounds decides: its own size, the area's start, the area's
end, the page table's end.
"""

from __future__ import annotations

from random import Random

from mmaplab.calls import Call, Name
from mmaplab.constants import PAGE_SIZE, PMD_SIZE, Map, Prot
from mmaplab.grading.families.draft import ARENA, RW, SHARED, Draft
from mmaplab.grading.plain import Plain
from mmaplab.grading.programs import FileSpec, Scenario


def _reading(start: int, npages: int, pgoff: int, touched: list[int], **config: Plain) -> Scenario:
    """Return the program that maps `npages` pages at page `start` of the arena and loads from some of them."""
    fixed = int(Map.MAP_SHARED | Map.MAP_FIXED)
    at = ARENA + start * PAGE_SIZE
    mapping = (at, npages * PAGE_SIZE, int(Prot.PROT_READ), fixed, Name("fd"), pgoff * PAGE_SIZE)
    loads = tuple(Call("p", "load", (Name("a", page * PAGE_SIZE), 1)) for page in touched)
    opening = (Call("p", "open", ("f", 0, 0o644), ("fd",)), Call("p", "mmap", mapping, ("a",)))
    return Scenario((FileSpec("f", pgoff + npages + 20),), opening + loads, dict(config))


def inside_the_area(random: Random) -> Scenario:
    """Loads far from both ends of the area: windows that begin on a multiple of 64 KiB."""
    npages = random.randrange(96, 160)
    return _reading(random.randrange(64), npages, random.randrange(40), random.sample(range(32, npages - 32), 2))


def at_the_start(random: Random) -> Scenario:
    """The area begins inside a window: the window begins with it, and still has its full length."""
    npages = random.randrange(40, 64)
    start = 16 * random.randrange(4) + random.randrange(1, 15)
    return _reading(start, npages, random.randrange(40), [random.randrange(15 - start % 16 + 1), *range(0, npages, 3)])


def at_the_end(random: Random) -> Scenario:
    """The area ends inside the window, and the file goes on behind it."""
    npages = 16 * random.randrange(2, 4) + random.randrange(1, 15)
    return _reading(0, npages, random.randrange(40), [npages - 1 - random.randrange(npages % 16)])


def at_the_table(random: Random) -> Scenario:
    """The area crosses into the next page table, and begins so that a window could cross with it."""
    before = random.choice([random.randrange(2, 15), random.randrange(20, 60)])
    touched = random.randrange(max(0, before - 15), before)
    return _reading(PMD_SIZE // PAGE_SIZE - before, before + 40, random.randrange(40), [touched])


def with_another_window(random: Random) -> Scenario:
    """Another fault_around_bytes than 64 KiB."""
    npages = random.randrange(96, 160)
    nbytes = PAGE_SIZE * random.choice([2, 4, 8, 32])
    return _reading(
        random.randrange(64), npages, random.randrange(40), [random.randrange(npages)], fault_around_bytes=nbytes
    )


def anywhere(random: Random) -> Scenario:
    """Small areas anywhere around a page table's end, touched several times."""
    npages = random.randrange(1, 48)
    touched = [random.randrange(npages) for _ in range(random.randrange(1, 4))]
    return _reading(random.randrange(470, 560), npages, random.randrange(600), touched)


def a_walk(random: Random) -> Scenario:
    """Loads here and there in a mapping of six windows: some find the entries that another one has made."""
    return _reading(16 * random.randrange(4), 96, random.randrange(40), [random.randrange(96) for _ in range(10)])


def loads_and_stores(random: Random) -> Scenario:
    """Loads and stores in a shared mapping of three windows: which access still finds no entry that permits it?"""
    draft = Draft(random)
    fd = draft.open(draft.file("f", 48))
    area = draft.map(ARENA + 16 * random.randrange(4) * PAGE_SIZE, 48, RW, SHARED, fd)
    pages = [16 * window + page for window in range(3) for page in random.sample(range(16), 2)]
    for _ in range(10):
        random.choice((draft.load, draft.store))(area, random.choice(pages))
    return draft.scenario()


WINDOWS = (inside_the_area, at_the_start, at_the_end, at_the_table, with_another_window, anywhere)
WALKS = (a_walk, loads_and_stores)
"""For a learner's own program; the families above decide about do_fault_around."""
