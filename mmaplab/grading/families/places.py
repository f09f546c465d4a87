"""Where does a new area go? Programs for get_unmapped_area."""

from __future__ import annotations

from random import Random

from mmaplab.calls import Name
from mmaplab.constants import PAGE_SIZE, PMD_SIZE, TASK_SIZE, Map, Mremap
from mmaplab.grading.families.draft import ANON, ARENA, NONE, READ, RW, SHARED, SHARED_ANON, Draft, at
from mmaplab.grading.programs import Scenario


def from_the_top(random: Random) -> Scenario:
    """Areas without a wish: each goes directly below the last one."""
    draft = Draft(random)
    for _ in range(random.randrange(2, 5)):
        draft.mmap(0, random.randrange(1, 5) * PAGE_SIZE, random.choice((READ, RW)))
    return draft.scenario()


def into_holes(random: Random) -> Scenario:
    """Holes that are too small, that fit exactly, and that have room to spare: the highest that fits is taken."""
    draft = Draft(random)
    areas = [draft.mmap(0, 3 * PAGE_SIZE) for _ in range(5)]
    for area in random.sample(areas[1:], 2):
        page, npages = random.choice(((0, 3), (0, 1), (1, 2), (0, 2)))
        draft.call("munmap", at(area, page), npages * PAGE_SIZE)
    for _ in range(2):
        draft.mmap(0, random.randrange(1, 4) * PAGE_SIZE)
    return draft.scenario()


def with_a_wish(random: Random) -> Scenario:
    """A hint that is free, taken, taken in part, not at a page's start, or very low."""
    draft = Draft(random)
    area = draft.map(ARENA, 2)
    npages = random.randrange(1, 4)
    wishes = [ARENA + page * PAGE_SIZE for page in (-3, -2, -1, 0, 1, 2, 3)] + [ARENA + 0x4123, 0x1000, 0x10000]
    for wish in random.sample(wishes, 2):
        draft.mmap(wish, npages * PAGE_SIZE)
    draft.load(area)
    return draft.scenario()


def wishes_at_the_end(random: Random) -> Scenario:
    """A hint at the very end of the user addresses, or beyond it."""
    draft = Draft(random)
    npages = random.randrange(1, 4)
    for pages in random.sample((0, 1, 2, 3, -1), 3):
        draft.mmap(TASK_SIZE - pages * PAGE_SIZE, npages * PAGE_SIZE)
    return draft.scenario()


def large_ones(random: Random) -> Scenario:
    """Areas of 2 MiB and more, anonymous or of a file: some begin on a multiple of 2 MiB."""
    rule = random.choice(("multiple", "larger", "never"))
    draft = Draft(random, thp_align_anon=rule, thp_align_file=random.random() < 0.7)
    fd = draft.open(draft.file("f", 1))
    draft.mmap(0, PAGE_SIZE)
    for _ in range(2):
        length = random.choice((1, 2, 3)) * PMD_SIZE + random.choice((0, 0, PAGE_SIZE, -PAGE_SIZE))
        file = random.choice((None, fd))
        flags = random.choice((ANON, SHARED_ANON)) if file is None else SHARED
        draft.mmap(0, length, READ, flags, file, random.choice((0, 1, 511, 512)) if file else 0)
    return draft.scenario()


def no_room(random: Random) -> Scenario:
    """More than all addresses, or a small address space that is full: from below then, or ENOMEM."""
    if random.random() < 0.3:
        draft = Draft(random)
        draft.mmap(0, random.choice((TASK_SIZE, TASK_SIZE + PAGE_SIZE, TASK_SIZE - PAGE_SIZE)), NONE)
        return draft.scenario()
    draft = Draft(random, mmap_min_addr=0x10000, mmap_base=0x40000, task_size=0x60000)
    for _ in range(random.randrange(1, 4)):  # 48 pages below mmap_base; the search from below finds 64
        draft.mmap(0, random.choice((8, 20, 40, 48, 50, 64, 65)) * PAGE_SIZE)
    return draft.scenario()


def below_what_grows(random: Random) -> Scenario:
    """Places below an area that grows downwards: 256 pages stay free for it, whatever is wished."""
    if random.random() < 0.5:
        draft = Draft(random)
        stack = draft.mmap(0, 2 * PAGE_SIZE, RW, ANON | int(Map.MAP_GROWSDOWN))
        draft.mmap(0, random.randrange(1, 3) * PAGE_SIZE)
        draft.load(stack, -1)
        return draft.scenario()
    draft = Draft(random, mmap_min_addr=0x10000, mmap_base=0x40000, task_size=0x400000)
    draft.map(0x300000, 2, RW, ANON | int(Map.MAP_GROWSDOWN))
    wish = random.choice((0, 0, 0x300000 - random.choice((2, 100, 256, 260)) * PAGE_SIZE))
    draft.mmap(wish, random.choice((2, 100, 200)) * PAGE_SIZE)
    return draft.scenario()


def grown_by_moving(random: Random) -> Scenario:
    """mremap that has no room to grow and moves the area to where it fits."""
    draft = Draft(random)
    areas = [draft.mmap(0, 2 * PAGE_SIZE, rights) for rights in (RW, READ, RW)]
    moved: Name = random.choice(areas)
    may = int(Mremap.MREMAP_MAYMOVE)
    draft.call("mremap", moved, 2 * PAGE_SIZE, random.randrange(3, 6) * PAGE_SIZE, may, 0, gives="moved")
    draft.mmap(0, PAGE_SIZE)
    return draft.scenario()


PLACING = (
    from_the_top,
    with_a_wish,
    into_holes,
    wishes_at_the_end,
    large_ones,
    no_room,
    below_what_grows,
    grown_by_moving,
)
