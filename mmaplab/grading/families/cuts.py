"""Files that get shorter while they are mapped. Programs for truncate_pagecache."""

from __future__ import annotations

from random import Random

from mmaplab.calls import Name
from mmaplab.constants import PAGE_SIZE, Ms, Open
from mmaplab.grading.families.draft import ARENA, PRIVATE, READ, RW, SHARED, Draft
from mmaplab.grading.programs import Scenario


def _touched(random: Random, npages: int, flags: int = SHARED, **config: str) -> tuple[Draft, Name, Name]:
    """Return a program with a mapped file of `npages` pages, every page of it loaded or stored to."""
    draft = Draft(random, **config)
    fd = draft.open(draft.file("f", npages))
    area = draft.map(ARENA, npages, RW, flags, fd)
    for page in range(npages):
        random.choice((draft.load, draft.store))(area, page)
    return draft, fd, area


def cut_at_the_end_of_a_page(random: Random) -> Scenario:
    """A shared file is cut to whole pages, or to nothing: what lies behind is SIGBUS, what lies before is untouched."""
    npages = random.randrange(2, 6)
    draft, fd, area = _touched(random, npages)
    draft.call("ftruncate", fd, random.randrange(npages) * PAGE_SIZE)
    draft.touch(area, npages, 3)
    return draft.scenario()


def cut_inside_a_page(random: Random) -> Scenario:
    """A shared file is cut inside a page: that page stays, with zeros behind the end."""
    npages = random.randrange(2, 5)
    draft, fd, area = _touched(random, npages)
    last = random.randrange(npages)
    draft.call("ftruncate", fd, last * PAGE_SIZE + random.choice((1, 2000, 4095)))
    draft.load(area, last, random.choice((0, 4095)))
    draft.touch(area, npages, 2)
    return draft.scenario()


def cut_and_grown_again(random: Random) -> Scenario:
    """A file is cut and gets its old size back: what was there is not there any more."""
    npages = random.randrange(2, 5)
    draft, fd, area = _touched(random, npages)
    draft.call("ftruncate", fd, random.randrange(2 * npages) * PAGE_SIZE // 2)
    draft.call("ftruncate", fd, npages * PAGE_SIZE)
    draft.call("pread", fd, npages * PAGE_SIZE, 0)
    draft.touch(area, npages, 2, stores=0.3)
    return draft.scenario()


def private_copies(random: Random) -> Scenario:
    """A private mapping, some pages of which the process has copied: its own copies behind the end go as well."""
    draft, fd, area = _touched(random, 4, PRIVATE)
    draft.call("ftruncate", fd, random.choice((0, 1, 2, 3)) * PAGE_SIZE + random.choice((0, 0, 100)))
    for page in random.sample(range(4), 2):
        draft.load(area, page)
    draft.call("ftruncate", fd, 4 * PAGE_SIZE)
    draft.load(area, random.randrange(4))
    return draft.scenario()


def dirty_pages_behind_the_end(random: Random) -> Scenario:
    """Pages that were stored to lie behind the new end: nobody writes them any more."""
    draft = Draft(random)
    fd = draft.open(draft.file("f", 4))
    area = draft.map(ARENA, 4, RW, SHARED, fd)
    for page in random.sample(range(4), 3):
        draft.store(area, page)
    draft.call("ftruncate", fd, random.choice((PAGE_SIZE, 2 * PAGE_SIZE, PAGE_SIZE + 100)))
    draft.call("msync", area, PAGE_SIZE, int(Ms.MS_SYNC))
    draft.call("fsync", fd)
    return draft.scenario()


def two_who_map_it(random: Random) -> Scenario:
    """Two processes, and two areas with other offsets, map the file: all of them lose the pages."""
    draft, fd, area = _touched(random, 4, random.choice((SHARED, PRIVATE)))
    child = draft.fork()
    other = draft.map(2 * ARENA, 3, READ, SHARED, fd, 1)
    draft.load(other, random.randrange(3))
    draft.call("ftruncate", fd, random.choice((1, 2, 3)) * PAGE_SIZE - random.choice((0, 0, 500)))
    draft.load(area, random.randrange(4), who=child)
    draft.load(other, random.randrange(3))
    draft.store(area, random.randrange(4), who=child)
    return draft.scenario()


def emptied_by_open(random: Random) -> Scenario:
    """Somebody opens the file with O_TRUNC while it is mapped."""
    draft, fd, area = _touched(random, 3)
    draft.open("f", int(Open.O_RDWR | Open.O_TRUNC))
    draft.load(area, random.randrange(3))
    draft.call("pwrite", fd, b"new", random.randrange(2) * PAGE_SIZE)
    draft.touch(area, 3, 2)
    return draft.scenario()


def large_folios(random: Random) -> Scenario:
    """The pages lie in folios of several pages, and the new end cuts one of them."""
    draft = Draft(random)
    fd = draft.open(draft.file("f", 1))
    draft.call("pwrite", fd, b"z" * (8 * PAGE_SIZE), 8 * PAGE_SIZE)
    if random.random() < 0.6:
        draft.call("fsync", fd)
    area = draft.map(ARENA, 16, RW, SHARED, fd)
    draft.load(area, random.randrange(8, 16))
    draft.call("ftruncate", fd, random.randrange(8, 16) * PAGE_SIZE + random.choice((0, 0, 1000)))
    draft.touch(area, 16, 3)
    return draft.scenario()


def in_memory_files(random: Random) -> Scenario:
    """The same on a tmpfs, where there is no disk to read a page from again."""
    draft, fd, area = _touched(random, 3, file_system="tmpfs")
    draft.call("ftruncate", fd, random.choice((0, 100, PAGE_SIZE, 2 * PAGE_SIZE, 2 * PAGE_SIZE + 1)))
    draft.call("ftruncate", fd, 3 * PAGE_SIZE)
    for page in range(3):
        draft.load(area, page)
    return draft.scenario()


CUTS = (
    cut_at_the_end_of_a_page,
    cut_inside_a_page,
    cut_and_grown_again,
    private_copies,
    dirty_pages_behind_the_end,
    emptied_by_open,
    two_who_map_it,
    in_memory_files,
    large_folios,
)
