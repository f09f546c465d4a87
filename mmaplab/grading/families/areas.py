"""Areas: where they begin and end, and which become one. Programs for find_vma and can_vma_merge."""

from __future__ import annotations

from random import Random

from mmaplab.constants import PAGE_SIZE, TASK_SIZE, Madv, Map, Mremap
from mmaplab.grading.families.draft import ANON, ARENA, NONE, PRIVATE, READ, RW, SHARED, SHARED_ANON, Draft, at
from mmaplab.grading.programs import Scenario

MOVE = int(Mremap.MREMAP_MAYMOVE | Mremap.MREMAP_FIXED)
RIGHTS = (NONE, READ, RW)


# ---------------------------------------------------------------- find_vma: which area is it?


def at_the_edges(random: Random) -> Scenario:
    """The first and the last byte of an area, and the bytes beside it."""
    draft = Draft(random)
    npages = random.randrange(1, 4)
    area = draft.map(ARENA, npages)
    edges = [at(area, 0), at(area, 0, -1), at(area, npages, -1), at(area, npages)]
    for addr in random.sample(edges, 4):
        draft.call("load", addr, 1)
    return draft.scenario()


def in_the_gaps(random: Random) -> Scenario:
    """Accesses between two areas, below the lowest and above the highest."""
    draft = Draft(random)
    low, gap, high = (random.randrange(1, 4) for _ in range(3))
    first = draft.map(ARENA, low)
    draft.map(ARENA + (low + gap) * PAGE_SIZE, high)
    for page in random.sample([-1, low, low + gap - 1, low + gap, low + gap + high, 0], 5):
        draft.load(first, page)
    return draft.scenario()


def side_by_side(random: Random) -> Scenario:
    """Areas that touch each other, with different rights: whose byte is it?"""
    draft = Draft(random)
    sizes = [random.randrange(1, 3) for _ in range(3)]
    first = draft.map(ARENA, sizes[0], random.choice(RIGHTS))
    draft.map(ARENA + sizes[0] * PAGE_SIZE, sizes[1], random.choice(RIGHTS))
    draft.map(ARENA + (sizes[0] + sizes[1]) * PAGE_SIZE, sizes[2], random.choice(RIGHTS))
    draft.touch(first, sum(sizes) + 1, 8)
    return draft.scenario()


def below_a_growing_area(random: Random) -> Scenario:
    """An access below an area that grows downwards: find_vma must return that area, which does not hold it."""
    draft = Draft(random)
    other = draft.map(ARENA, 1)
    stack = draft.map(ARENA + (300 + random.randrange(8)) * PAGE_SIZE, 2, RW, ANON | int(Map.MAP_GROWSDOWN))
    draft.store(stack, -random.randrange(1, 4))
    draft.load(stack, random.randrange(-6, 3))
    draft.load(other, random.randrange(3))
    return draft.scenario()


def among_many_areas(random: Random) -> Scenario:
    """Many areas of one page or two, with gaps: the tree has more than one level."""
    draft = Draft(random)
    first = draft.map(ARENA, 1, READ)
    page = 1
    for _ in range(random.randrange(12, 24)):
        page += random.randrange(3)
        draft.map(ARENA + page * PAGE_SIZE, 1, random.choice((READ, RW)))
        page += 1
    draft.touch(first, page + 2, 8)
    return draft.scenario()


def after_areas_changed(random: Random) -> Scenario:
    """Areas that were cut or taken away between two accesses: what was found before is no answer."""
    draft = Draft(random)
    npages = random.randrange(3, 6)
    area = draft.map(ARENA, npages)
    page = random.randrange(npages)
    draft.load(area, page)
    change = random.choice(("munmap", "mprotect"))
    draft.call(change, at(area, random.randrange(npages)), PAGE_SIZE, *([READ] if change == "mprotect" else []))
    for _ in range(4):
        draft.touch(area, npages, 1)
    return draft.scenario()


def no_area_at_all(random: Random) -> Scenario:
    """An access in an address space without an area."""
    draft = Draft(random)
    draft.call("load", random.choice((0, ARENA, TASK_SIZE - PAGE_SIZE, TASK_SIZE - 1)), 1)
    return draft.scenario()


# ---------------------------------------------------------------- can_vma_merge: one area or two?


def alike(random: Random) -> Scenario:
    """Anonymous areas that are alike and touch: left, right, and around a gap that is filled."""
    draft = Draft(random)
    starts = [0, 2, 4, 6]
    random.shuffle(starts)
    for start in starts:
        draft.map(ARENA + start * PAGE_SIZE, 2, RW)
    return draft.scenario()


def other_rights(random: Random) -> Scenario:
    """Areas that touch and differ in their rights, or in who shares them."""
    draft = Draft(random)
    for start in random.sample((0, 1, 2), 3):
        draft.map(ARENA + start * PAGE_SIZE, 1, random.choice((READ, RW)), random.choice((ANON, SHARED_ANON)))
    return draft.scenario()


def continued_files(random: Random) -> Scenario:
    """Areas of one open file that touch: the file's pages go on, leave some out, or come again."""
    draft = Draft(random)
    fd = draft.open(draft.file("f", 8))
    flags = random.choice((SHARED, PRIVATE))
    size, page = random.randrange(1, 3), random.randrange(3)
    following = random.choice((page + size, page + size, page + size + 1, page, page + 1))
    parts = [(0, page), (size, following)]
    for start, first in random.sample(parts, 2):
        draft.map(ARENA + start * PAGE_SIZE, size, READ, flags, fd, first)
    return draft.scenario()


def other_files(random: Random) -> Scenario:
    """Areas of two files, or of one file that was opened twice, whose page numbers go on."""
    draft = Draft(random)
    draft.file("f", 8)
    draft.file("g", 8)
    one, two = draft.open("f"), draft.open(random.choice("fg"))
    draft.map(ARENA, 2, READ, SHARED, one, 0)
    draft.map(ARENA + 2 * PAGE_SIZE, 2, READ, SHARED, two, 2)
    draft.map(ARENA + 4 * PAGE_SIZE, 2, READ, SHARED, random.choice((one, two)), 4)
    return draft.scenario()


def file_and_memory(random: Random) -> Scenario:
    """A private area of a file beside an anonymous one, with page numbers that go on by chance."""
    draft = Draft(random)
    fd = draft.open(draft.file("f", 2))
    first = ARENA // PAGE_SIZE
    draft.map(ARENA, 1, RW, ANON)
    draft.map(ARENA + PAGE_SIZE, 1, RW, PRIVATE, fd, first + 1)
    draft.map(ARENA + 2 * PAGE_SIZE, 1, RW, ANON)
    return draft.scenario()


def moved_memory(random: Random) -> Scenario:
    """Anonymous memory that was stored to and then moved keeps the page numbers of its old place."""
    draft = Draft(random)
    still = draft.map(ARENA, 1)
    away = draft.map(ARENA + 8 * PAGE_SIZE, 1)
    if random.random() < 0.7:
        draft.store(away)
    draft.call("mremap", away, PAGE_SIZE, PAGE_SIZE, MOVE, ARENA + PAGE_SIZE)
    if random.random() < 0.5:
        draft.map(ARENA + 2 * PAGE_SIZE, 1)
    draft.store(still)
    return draft.scenario()


def two_identities(random: Random) -> Scenario:
    """Areas that both have private pages of their own, made alike by mprotect, or joined around a gap."""
    draft = Draft(random)
    left = draft.map(ARENA, 1, RW)
    right = draft.map(ARENA + (1 + random.randrange(2)) * PAGE_SIZE, 1, random.choice((RW, READ)))
    for area in random.sample((left, right), random.randrange(1, 3)):
        draft.store(area)
    draft.call("mprotect", right, PAGE_SIZE, RW)
    draft.store(right)
    draft.map(ARENA + PAGE_SIZE, 1)
    draft.call("mprotect", right, PAGE_SIZE, READ)
    draft.call("mprotect", left, PAGE_SIZE, READ)
    return draft.scenario()


def a_gap_between_two_identities(random: Random) -> Scenario:
    """Two areas with private pages of their own and a gap between them that is filled: only one of them grows."""
    draft = Draft(random)
    left = draft.map(ARENA, 1)
    right = draft.map(ARENA + 2 * PAGE_SIZE, 1)
    for area in random.sample((left, right), 2):
        draft.store(area)
    draft.map(ARENA + PAGE_SIZE, 1)
    for area in random.choice(((left, left), (right, right))):
        draft.call("mprotect", area, PAGE_SIZE, READ)
        draft.call("mprotect", area, PAGE_SIZE, RW)
    return draft.scenario()


def inherited_identities(random: Random) -> Scenario:
    """After fork, a child's area that holds pages of the parent takes no new neighbour."""
    draft = Draft(random)
    area = draft.map(ARENA, 1)
    if random.random() < 0.7:
        draft.store(area)
    child = draft.fork()
    fixed = ANON | int(Map.MAP_FIXED)
    for who in random.sample((child, "p"), 2):
        draft.call("mmap", ARENA + PAGE_SIZE, PAGE_SIZE, RW, fixed, -1, 0, who=who)
    return draft.scenario()


def flags_that_change(random: Random) -> Scenario:
    """A part of an area that gets other flags and gets them back: cut out, and joined again."""
    draft = Draft(random)
    area = draft.map(ARENA, 4)
    page, npages = random.randrange(3), random.randrange(1, 3)
    call, there, back = random.choice(FLAG_CHANGES)
    for value in (there, back):
        draft.call(call, at(area, page), npages * PAGE_SIZE, value)
    return draft.scenario()


FLAG_CHANGES = (
    ("mprotect", READ, RW),
    ("madvise", int(Madv.MADV_SEQUENTIAL), int(Madv.MADV_NORMAL)),
    ("madvise", int(Madv.MADV_DONTFORK), int(Madv.MADV_DOFORK)),
)
"""(call, one value, the value that takes it back)."""

FINDING = (
    no_area_at_all,
    at_the_edges,
    in_the_gaps,
    side_by_side,
    below_a_growing_area,
    after_areas_changed,
    among_many_areas,
)
MERGING = (
    alike,
    other_rights,
    continued_files,
    other_files,
    file_and_memory,
    moved_memory,
    two_identities,
    inherited_identities,
    a_gap_between_two_identities,
    flags_that_change,
)
