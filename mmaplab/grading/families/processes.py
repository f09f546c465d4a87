"""Pages that go: to a child at fork, and away at munmap. Programs for copy_page_range and zap_page_range."""

from __future__ import annotations

from random import Random

from mmaplab.constants import PAGE_SIZE, PMD_SIZE, Madv
from mmaplab.grading.families.draft import (
    ANON,
    ARENA,
    NONE,
    PRIVATE,
    READ,
    RW,
    SHARED,
    SHARED_ANON,
    Draft,
    at,
)
from mmaplab.grading.programs import Scenario

DONTNEED = int(Madv.MADV_DONTNEED)
TABLE = PMD_SIZE // PAGE_SIZE
"""Pages that one page table covers."""


# ---------------------------------------------------------------- copy_page_range: what does the child get?


def private_memory(random: Random) -> Scenario:
    """Private pages: both sides have the same frames, and neither may store to them."""
    draft = Draft(random)
    npages = random.randrange(1, 4)
    area = draft.map(ARENA, npages)
    draft.touch(area, npages, 3, stores=0.8)
    child = draft.fork()
    for who in random.sample((child, "p", child), 3):
        draft.touch(area, npages, 1, who)
    draft.touch(area, npages, 2, child, stores=0.0)
    draft.touch(area, npages, 2, "p", stores=0.0)
    return draft.scenario()


def shared_memory(random: Random) -> Scenario:
    """Shared memory: what one side stores, the other one loads."""
    draft = Draft(random)
    area = draft.map(ARENA, 2, RW, SHARED_ANON)
    draft.touch(area, 2, 2)
    child = draft.fork()
    for who in (child, "p", child):
        draft.store(area, random.randrange(2), who=who)
        draft.load(area, random.randrange(2), who="p" if who == child else child)
    return draft.scenario()


def shared_and_private_beside(random: Random) -> Scenario:
    """A shared and a private area of one file, both stored to before the fork."""
    draft = Draft(random)
    fd = draft.open(draft.file("f", 2))
    shared = draft.map(ARENA, 2, RW, SHARED, fd)
    private = draft.map(2 * ARENA, 2, RW, PRIVATE, fd)
    for area in (shared, private):
        draft.touch(area, 2, 2)
    child = draft.fork()
    for _ in range(4):
        who, area = random.choice((child, "p")), random.choice((shared, private))
        draft.touch(area, 2, 1, who)
    return draft.scenario()


def pages_that_can_be_found_again(random: Random) -> Scenario:
    """Areas that hold no page of their own: the child faults its pages in from the file."""
    draft = Draft(random)
    fd = draft.open(draft.file("f", 3))
    area = draft.map(ARENA, 3, RW, random.choice((PRIVATE, SHARED)), fd)
    draft.load(area, random.randrange(3))
    if random.random() < 0.4:
        draft.store(area, random.randrange(3))
    child = draft.fork()
    draft.touch(area, 3, 3, child)
    return draft.scenario()


def zeros_and_stores(random: Random) -> Scenario:
    """Anonymous pages of which some were only loaded from: the zero page goes along too."""
    draft = Draft(random)
    area = draft.map(ARENA, 3)
    draft.load(area, 0)
    if random.random() < 0.8:
        draft.store(area, 1)
    child = draft.fork()
    for who in (child, "p"):
        draft.touch(area, 3, 2, who)
    return draft.scenario()


def without_rights(random: Random) -> Scenario:
    """Private pages that may not be stored to, or not be touched at all, when the fork comes."""
    draft = Draft(random)
    area = draft.map(ARENA, 2)
    draft.store(area, 0)
    draft.store(area, 1)
    draft.call("mprotect", at(area, random.randrange(2)), PAGE_SIZE, random.choice((READ, NONE)))
    child = draft.fork()
    draft.call("mprotect", area, 2 * PAGE_SIZE, RW, who=child)
    for who in (child, "p"):
        draft.touch(area, 2, 2, who)
    return draft.scenario()


def guarded(random: Random) -> Scenario:
    """An area with a guard in it: the child runs into it as well."""
    draft = Draft(random)
    area = draft.map(ARENA, 3)
    draft.store(area, 0)
    page = random.randrange(1, 3)
    draft.call("madvise", at(area, page), PAGE_SIZE, int(Madv.MADV_GUARD_INSTALL))
    child = draft.fork()
    for who in (child, "p"):
        draft.load(area, page, who=who)
    return draft.scenario()


def over_two_tables(random: Random) -> Scenario:
    """An area that crosses from one page table into the next."""
    draft = Draft(random)
    before = random.randrange(1, 3)
    area = draft.map(ARENA + (TABLE - before) * PAGE_SIZE, before + 2)
    draft.touch(area, before + 2, 3, stores=1.0)
    child = draft.fork()
    for who in (child, "p"):
        draft.touch(area, before + 2, 2, who)
    return draft.scenario()


def grandchildren(random: Random) -> Scenario:
    """A child that forks again."""
    draft = Draft(random)
    area = draft.map(ARENA, 2)
    draft.touch(area, 2, 2, stores=1.0)
    child = draft.fork()
    draft.touch(area, 2, 1, child)
    grandchild = draft.fork(child)
    for who in random.sample(("p", child, grandchild), 3):
        draft.touch(area, 2, 1, who, stores=0.8)
    for who in ("p", child, grandchild):
        draft.load(area, 0, who=who)
    return draft.scenario()


# ---------------------------------------------------------------- zap_page_range: what goes?


def all_of_it(random: Random) -> Scenario:
    """A whole area that is unmapped, between others that stay."""
    draft = Draft(random)
    npages = random.randrange(1, 4)
    left = draft.map(ARENA, 1, READ)
    area = draft.map(ARENA + PAGE_SIZE, npages)
    right = draft.map(ARENA + (1 + npages) * PAGE_SIZE, 1, READ)
    for page in range(npages):
        draft.store(area, page)
    draft.load(left)
    draft.load(right)
    draft.call("munmap", area, npages * PAGE_SIZE)
    for one in (left, area, right):
        draft.load(one)
    return draft.scenario()


def part_of_it(random: Random) -> Scenario:
    """Some pages of an area: the first ones, the last ones, or some in the middle."""
    draft = Draft(random)
    npages = random.randrange(3, 6)
    area = draft.map(ARENA, npages)
    for page in range(npages):
        draft.store(area, page)
    first = random.randrange(npages)
    count = random.randrange(1, npages - first + 1)
    if random.random() < 0.5:
        draft.call("munmap", at(area, first), count * PAGE_SIZE)
    else:
        draft.call("madvise", at(area, first), count * PAGE_SIZE, DONTNEED)
    for page in range(npages):
        draft.load(area, page)
    return draft.scenario()


def not_needed(random: Random) -> Scenario:
    """MADV_DONTNEED: private pages are zeros, or the file's bytes, afterwards; the area stays."""
    draft = Draft(random)
    fd = draft.open(draft.file("f", 2))
    area = draft.map(ARENA, 2, RW, *random.choice(((ANON, None), (PRIVATE, fd), (SHARED, fd))))
    draft.touch(area, 2, 3, stores=0.7)
    draft.call("madvise", area, random.randrange(1, 3) * PAGE_SIZE, DONTNEED)
    draft.load(area, 0)
    draft.load(area, 1)
    return draft.scenario()


def stored_through(random: Random) -> Scenario:
    """A shared page whose entry alone knows that it was stored to: the entry hands it on when it goes."""
    draft = Draft(random, file_system=random.choice(("tmpfs", "tmpfs", "ext4")))
    fd = draft.open(draft.file("f", 1))
    draft.call("ftruncate", fd, 3 * PAGE_SIZE)
    area = draft.map(ARENA, 3, RW, SHARED, fd)
    page = random.randrange(3)
    draft.load(area, page)
    draft.store(area, page)
    if random.random() < 0.5:
        draft.call("munmap", area, 3 * PAGE_SIZE)
    else:
        draft.call("madvise", at(area, page), PAGE_SIZE, DONTNEED)
    draft.call("fsync", fd)
    return draft.scenario()


def a_frame_of_two(random: Random) -> Scenario:
    """A private page that parent and child both have: one side lets go of it, the other one keeps it."""
    draft = Draft(random)
    area = draft.map(ARENA, 2)
    draft.store(area, 0)
    draft.store(area, 1)
    child = draft.fork()
    who, other = random.sample((child, "p"), 2)
    draft.call("munmap", at(area, random.randrange(2)), PAGE_SIZE, who=who)
    draft.load(area, 0, who=other)
    draft.load(area, 1, who=other)
    draft.store(area, 0, who=other)
    return draft.scenario()


def across_tables(random: Random) -> Scenario:
    """A range that reaches over a page table's end, or over a page table with nothing in it."""
    draft = Draft(random)
    before, after = random.randrange(1, 3), random.choice((2, TABLE + 2))
    npages = before + after
    area = draft.map(ARENA + (TABLE - before) * PAGE_SIZE, npages)
    for page in (0, before - 1, before, npages - 1):
        draft.store(area, page)
    draft.call("madvise", at(area, random.randrange(2)), (npages - 2) * PAGE_SIZE, DONTNEED)
    for page in (0, before, npages - 1):
        draft.load(area, page)
    return draft.scenario()


def remembered(random: Random) -> Scenario:
    """A page that the processor remembers when it goes, and that is mapped anew."""
    draft = Draft(random)
    area = draft.map(ARENA, 1)
    draft.store(area)
    draft.load(area)
    draft.call("munmap", area, PAGE_SIZE)
    if random.random() < 0.5:
        draft.map(ARENA, 1)
    draft.load(area)
    return draft.scenario()


def at_the_exit(random: Random) -> Scenario:
    """A process that ends: its pages become free, its stores to files stay."""
    draft = Draft(random, file_system=random.choice(("tmpfs", "ext4")))
    fd = draft.open(draft.file("f", 2))
    area = draft.map(ARENA, 2, RW, SHARED, fd)
    memory = draft.map(2 * ARENA, 2)
    draft.touch(memory, 2, 2)
    child = draft.fork()
    for one in (area, memory):
        draft.touch(one, 2, 2, child, stores=0.8)
    draft.call("exit", 0, who=child)
    draft.touch(memory, 2, 2)
    return draft.scenario()


COPIES = (
    private_memory,
    shared_memory,
    zeros_and_stores,
    pages_that_can_be_found_again,
    shared_and_private_beside,
    without_rights,
    guarded,
    over_two_tables,
    grandchildren,
)
ZAPS = (
    all_of_it,
    part_of_it,
    not_needed,
    remembered,
    stored_through,
    a_frame_of_two,
    across_tables,
    at_the_exit,
)
