"""Small programs for learners' own predictions, one family for a chapter; they decide about no kernel function.

two_roads           01  one file through a mapping and through calls: which letters does each reader get?
rights_and_holes    02  how does each access end?
births              03  how many areas are there after each call?
ties                04  which page of the file does each load show?
hops                08  how many bytes does the processor copy?
edges               10  how does each access end, while the file changes its size?
messages            11  which letters reach the other process?
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from mmaplab.calls import Name
from mmaplab.constants import PAGE_SIZE, Open
from mmaplab.grading.families.draft import ANON, ARENA, NONE, PRIVATE, READ, RW, SHARED, SHARED_ANON, Draft, at
from mmaplab.grading.programs import Scenario

SPOTS = ((0, 0), (0, 1), (1, 0))
"""The letters of `two_roads`: page and byte."""


def two_roads(random: Random) -> Scenario:
    """Stores and writes, loads and reads, of three bytes of one file."""
    draft = Draft(random)
    fd = draft.open(draft.file("f", 2))
    area = draft.map(ARENA, 2, RW, SHARED, fd)
    draft.call("pwrite", fd, b"ab", 0)
    draft.call("pwrite", fd, b"c", PAGE_SIZE)
    roads: list[Callable[[int, int], None]] = [
        lambda page, byte: draft.store(area, page, byte),
        lambda page, byte: draft.call("pwrite", fd, bytes([65 + len(draft.calls)]), page * PAGE_SIZE + byte),
    ]
    for road in random.sample([0, 0, 1, 1], 4):
        page, byte = random.choice(SPOTS)
        if random.random() < 0.4:
            random.choice(roads)(*random.choice(SPOTS))
        roads[road](page, byte)
        if road == 0:  # who changed it on one road is read on the other one
            draft.call("pread", fd, 2 - page, page * PAGE_SIZE)
        else:
            draft.call("load", at(area, page), 2 - page)
    draft.store(area, 0, random.randrange(2))
    draft.call("load", at(area, 0), 2)
    return draft.scenario()


def rights_and_holes(random: Random) -> Scenario:
    """Areas with several rights, a hole among them, and a file that was opened for reading only."""
    draft = Draft(random)
    fd = draft.open(draft.file("f", 2), int(Open.O_RDONLY))
    area = draft.map(ARENA, 6, random.choice((READ, RW)))
    of_file = draft.map(ARENA + 8 * PAGE_SIZE, 2, READ, random.choice((SHARED, PRIVATE)), fd)
    first, second, hole = random.sample(range(6), 3)
    draft.call("mprotect", at(area, first), PAGE_SIZE, NONE)
    draft.call("mprotect", at(area, second), PAGE_SIZE, random.choice((READ, RW)))
    draft.call("munmap", at(area, hole), PAGE_SIZE)
    draft.call("mprotect", of_file, 2 * PAGE_SIZE, RW)
    for page in random.sample([first, second, hole, hole, *range(6)], 7):
        random.choice((draft.load, draft.store))(area, page)
    draft.store(of_file, random.randrange(2))
    return draft.scenario()


def births(random: Random) -> Scenario:
    """Areas that are made, given other rights and taken away, page by page, side by side."""
    draft = Draft(random)
    rights: list[int | None] = [None] * 8
    area = draft.map(ARENA, 2, READ)
    rights[:2] = [READ] * 2
    for _ in range(9):
        there = [page for page in range(8) if rights[page] is not None]
        kind = random.choice(("map", "map", "protect", "unmap")) if there else "map"
        page, prot = random.choice(there if kind != "map" else range(8)), random.choice((READ, RW))
        if kind == "map":
            draft.map(ARENA + page * PAGE_SIZE, 1, prot)
        elif kind == "protect":
            draft.call("mprotect", at(area, page), PAGE_SIZE, prot)
        else:
            draft.call("munmap", at(area, page), PAGE_SIZE)
        rights[page] = None if kind == "unmap" else prot
    return draft.scenario()


def ties(random: Random) -> Scenario:
    """Three areas of one file, each from another page on; the last lies over the end of the first."""
    draft = Draft(random)
    fd = draft.open(draft.file("f", 40))
    starts = random.sample(range(1, 32), 3)
    first = draft.map(ARENA, 8, READ, SHARED, fd, starts[0])
    other = draft.map(ARENA + 16 * PAGE_SIZE, 4, READ, random.choice((SHARED, PRIVATE)), fd, starts[1])
    over = random.randrange(3, 7)
    draft.map(ARENA + over * PAGE_SIZE, 2, READ, SHARED, fd, starts[2])
    draft.call("close", fd)
    for page in random.sample([over - 1, over, over + 1, *random.sample(range(8), 2)], 5):
        draft.load(first, page, random.randrange(PAGE_SIZE))
    draft.load(other, random.randrange(4), random.randrange(PAGE_SIZE))
    return draft.scenario()


def hops(random: Random) -> Scenario:
    """Reads and writes, loads and stores of a file that two areas map, one shared and one private."""
    draft = Draft(random)
    fd = draft.open(draft.file("f", 8, warm=random.random() < 0.5))
    shared = draft.map(ARENA, 8, RW, SHARED, fd)
    private = draft.map(ARENA + 16 * PAGE_SIZE, 8, RW, PRIVATE, fd)
    page, other = random.sample(range(6), 2)
    lines: list[Callable[[], None]] = [
        lambda: draft.call("pread", fd, random.randrange(1, 3) * PAGE_SIZE, page * PAGE_SIZE),
        lambda: draft.call("pwrite", fd, b"word", other * PAGE_SIZE),
        lambda: draft.call("load", at(shared, page), 2 * PAGE_SIZE),
        lambda: draft.call("load", at(private, other), PAGE_SIZE),
        lambda: draft.store(shared, other),
        lambda: draft.store(private, page),
        lambda: draft.store(private, page, 8),
        lambda: draft.store(private, other),
    ]
    for line in random.sample(lines, 7):
        line()
    return draft.scenario()


def edges(random: Random) -> Scenario:
    """Accesses around the end of a file, before and after it has been moved."""
    draft = Draft(random)
    fd = draft.open(draft.file("f", 3))
    area = draft.map(ARENA, 5, random.choice((READ, RW)), SHARED, fd)
    for pages in (3, random.choice((1, 2)), random.choice((4, 5))):
        size = pages * PAGE_SIZE - random.randrange(1, PAGE_SIZE)
        draft.call("ftruncate", fd, size)
        draft.load(area, pages - 1, PAGE_SIZE - 1)
        if pages < 3:  # a page that the file had, and has no more
            draft.load(area, pages, 7)
        for _ in range(2):
            random.choice((draft.load, draft.store))(area, random.choice((pages - 1, pages, random.randrange(6))), 7)
    return draft.scenario()


def messages(random: Random) -> Scenario:
    """Parent and child, a page that they share and one that each has for itself."""
    draft = Draft(random)
    areas: list[Name] = [draft.map(ARENA, 1, RW, SHARED_ANON), draft.map(ARENA + 2 * PAGE_SIZE, 1, RW, ANON)]
    for area in areas:
        draft.store(area)
    who = ["p", draft.fork()]
    for area in random.sample(areas * 2, 4):
        storing, other = random.sample(who, 2)
        draft.store(area, who=storing)
        draft.load(area, who=random.choice((other, other, storing)))
    for area in areas:
        draft.load(area, who=random.choice(who))
    return draft.scenario()


CHAPTERS = (two_roads, rights_and_holes, births, ties, hops, edges, messages)
