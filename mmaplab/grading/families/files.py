"""Files: what is read ahead, what is written back. Programs for page_cache_sync_ra, do_writepages and do_msync."""

from __future__ import annotations

from random import Random

from mmaplab.calls import Name
from mmaplab.constants import PAGE_SIZE, Madv, Ms
from mmaplab.grading.families.draft import ANON, ARENA, PRIVATE, READ, RW, SHARED, Draft, at
from mmaplab.grading.programs import Scenario

SYNC, ASYNC, INVALIDATE = int(Ms.MS_SYNC), int(Ms.MS_ASYNC), int(Ms.MS_INVALIDATE)


# ---------------------------------------------------------------- page_cache_sync_ra: how much is read?


def _cold(random: Random, npages: int) -> tuple[Draft, Name]:
    """Return a program that has opened a file which is not in the page cache; windows of several sizes."""
    draft = Draft(random, ra_pages=random.choice((4, 8, 16, 32)))
    return draft, draft.open(draft.file("f", npages, warm=False))


def the_first_page(random: Random) -> Scenario:
    """A read at the start of a file: the first window, by the size of the request."""
    draft, fd = _cold(random, random.choice((1, 3, 40, 80)))
    draft.call("read", fd, random.choice((1, 1, 2, 3, 5, 8, 12)) * PAGE_SIZE)
    return draft.scenario()


def one_after_the_other(random: Random) -> Scenario:
    """Reads that go on where the last one ended."""
    draft, fd = _cold(random, 80)
    size = random.choice((1, 2, 3)) * PAGE_SIZE
    for _ in range(random.randrange(2, 8)):
        draft.call("read", fd, size)
    return draft.scenario()


def here_and_there(random: Random) -> Scenario:
    """Reads far from each other: each is a stray one and reads what it needs."""
    draft, fd = _cold(random, 90)
    for _ in range(3):
        draft.call("pread", fd, random.randrange(1, 4) * PAGE_SIZE, random.randrange(1, 85) * PAGE_SIZE)
    return draft.scenario()


def behind_cached_pages(random: Random) -> Scenario:
    """A read behind pages that are cached, not where the last one ended: a run that grows, and then is doubled."""
    draft, fd = _cold(random, 90)
    start, count = random.choice((0, 20)), random.randrange(1, 7)
    for page in range(count):
        draft.call("pread", fd, PAGE_SIZE, (start + page) * PAGE_SIZE)
    draft.call("pread", fd, 1, random.randrange(60, 80) * PAGE_SIZE)
    draft.call("pread", fd, random.randrange(1, 3) * PAGE_SIZE, (start + count + random.randrange(12)) * PAGE_SIZE)
    return draft.scenario()


def back_at_the_first_window(random: Random) -> Scenario:
    """A read right behind the first read's window of 4 pages, or at its mark, not where the last one ended."""
    draft, fd = _cold(random, 90)
    draft.call("pread", fd, 2 * PAGE_SIZE, 0)
    draft.call("pread", fd, 1, random.randrange(60, 80) * PAGE_SIZE)
    draft.call("pread", fd, PAGE_SIZE, random.choice((4, 2)) * PAGE_SIZE)
    return draft.scenario()


def near_the_end(random: Random) -> Scenario:
    """Reads near the end of the file, and past it."""
    npages = random.randrange(2, 12)
    draft, fd = _cold(random, npages)
    draft.call("pread", fd, random.randrange(1, 4) * PAGE_SIZE, random.randrange(npages) * PAGE_SIZE)
    draft.call("pread", fd, 4 * PAGE_SIZE, (npages - 1) * PAGE_SIZE)
    return draft.scenario()


def more_than_a_window(random: Random) -> Scenario:
    """A request that is larger than the window."""
    draft, fd = _cold(random, 120)
    draft.call("pread", fd, random.randrange(20, 60) * PAGE_SIZE, random.randrange(10) * PAGE_SIZE)
    draft.call("pread", fd, PAGE_SIZE, random.randrange(119) * PAGE_SIZE)
    return draft.scenario()


def advised(random: Random) -> Scenario:
    """Loads from a mapping with MADV_SEQUENTIAL: the fault asks for a whole window."""
    draft, fd = _cold(random, 80)
    area = draft.map(ARENA, 80, READ, SHARED, fd)
    draft.call("madvise", area, 80 * PAGE_SIZE, int(Madv.MADV_SEQUENTIAL))
    for page in sorted(random.sample(range(80), 3)):
        draft.load(area, page)
    return draft.scenario()


# ---------------------------------------------------------------- do_writepages: what is written?


def stores_then_sync(random: Random) -> Scenario:
    """Stores to some pages of a shared mapping, then msync of some of them."""
    draft = Draft(random)
    fd = draft.open(draft.file("f", 6))
    area = draft.map(ARENA, 6, RW, SHARED, fd)
    for page in random.sample(range(6), 3):
        draft.store(area, page)
    first = random.randrange(6)
    draft.call("msync", at(area, first), random.randrange(1, 7 - first) * PAGE_SIZE, SYNC)
    return draft.scenario()


def writes_then_fsync(random: Random) -> Scenario:
    """Pages that write() has made dirty, then fsync: all of them, once each."""
    draft = Draft(random)
    fd = draft.open(draft.file("f", 4, warm=random.random() < 0.5))
    for page in random.sample(range(4), 2):
        draft.call("pwrite", fd, b"new", page * PAGE_SIZE)
    draft.call("fsync", fd)
    draft.call("pwrite", fd, b"newer", random.randrange(4) * PAGE_SIZE)
    draft.call("fsync", fd)
    return draft.scenario()


def stored_again(random: Random) -> Scenario:
    """A page that is stored to again after it was written: the second store must be noticed."""
    draft = Draft(random)
    fd = draft.open(draft.file("f", 2))
    area = draft.map(ARENA, 2, RW, SHARED, fd)
    page = random.randrange(2)
    draft.store(area, page)
    draft.call("fsync", fd)
    if random.random() < 0.5:
        draft.call("fsync", fd)
    draft.store(area, page)
    draft.call("fsync", fd)
    return draft.scenario()


def two_dirty_files(random: Random) -> Scenario:
    """Two files with dirty pages, of which one is written."""
    draft = Draft(random)
    one, two = draft.open(draft.file("f", 2)), draft.open(draft.file("g", 2))
    areas = draft.map(ARENA, 2, RW, SHARED, one), draft.map(2 * ARENA, 2, RW, SHARED, two)
    for area in areas:
        draft.store(area, random.randrange(2))
    draft.call("fsync", random.choice((one, two)))
    return draft.scenario()


def longer_files(random: Random) -> Scenario:
    """A file that grew or shrank, with bytes behind its end, is written."""
    draft = Draft(random)
    fd = draft.open(draft.file("f", 2))
    area = draft.map(ARENA, 4, RW, SHARED, fd)
    draft.call("ftruncate", fd, random.choice((PAGE_SIZE + 100, 100, 3 * PAGE_SIZE)))
    draft.store(area, random.randrange(3), 3000)
    draft.call("fsync", fd)
    draft.call("pwrite", fd, b"end", random.randrange(4) * PAGE_SIZE)
    draft.call("fsync", fd)
    return draft.scenario()


def large_writes(random: Random) -> Scenario:
    """Writes that are kept in folios of several pages: the whole folio is written."""
    draft = Draft(random)
    fd = draft.open(draft.file("f", 1))
    npages = random.choice((2, 4, 8))
    draft.call("pwrite", fd, b"z" * (npages * PAGE_SIZE), 8 * PAGE_SIZE)
    area = draft.map(ARENA, 16, RW, SHARED, fd)
    draft.call("msync", at(area, 8 + random.randrange(npages)), PAGE_SIZE, SYNC)
    draft.call("fsync", fd)
    return draft.scenario()


def in_memory_only(random: Random) -> Scenario:
    """A file of a tmpfs: there is no disk to write to."""
    draft = Draft(random, file_system="tmpfs")
    fd = draft.open(draft.file("f", 2))
    area = draft.map(ARENA, 2, RW, SHARED, fd)
    draft.store(area, random.randrange(2))
    draft.call("msync", area, 2 * PAGE_SIZE, SYNC)
    draft.call("fsync", fd)
    return draft.scenario()


# ---------------------------------------------------------------- do_msync: what does the call promise?


def _stored(random: Random, npages: int, flags: int = SHARED) -> tuple[Draft, Name]:
    """Return a program with a mapped file of `npages` pages, all of them stored to."""
    draft = Draft(random)
    fd = draft.open(draft.file("f", npages))
    area = draft.map(ARENA, npages, RW, flags, fd)
    for page in range(npages):
        draft.store(area, page)
    return draft, area


def kinds_of_sync(random: Random) -> Scenario:
    """MS_SYNC, MS_ASYNC, neither, both, and flags that nobody knows."""
    draft, area = _stored(random, 2)
    for flags in random.sample((0, ASYNC, SYNC, SYNC | ASYNC, INVALIDATE, SYNC | INVALIDATE, 8, SYNC | 64), 3):
        draft.call("msync", area, 2 * PAGE_SIZE, flags)
    return draft.scenario()


def parts_of_pages(random: Random) -> Scenario:
    """Addresses inside a page, and lengths that are no whole pages."""
    draft, area = _stored(random, 3)
    for _ in range(3):
        byte, length = random.choice((0, 0, 1, 2048)), random.choice((0, 1, 4095, 4097, 8192))
        draft.call("msync", at(area, random.randrange(3), byte), length, random.choice((SYNC, ASYNC)))
    return draft.scenario()


def holes_in_the_range(random: Random) -> Scenario:
    """A range that is not mapped everywhere: ENOMEM, and what is mapped is written all the same."""
    draft, area = _stored(random, 4)
    draft.call("munmap", at(area, random.randrange(4)), PAGE_SIZE)
    for flags in random.sample((SYNC, SYNC, ASYNC, 0), 2):
        first = random.randrange(-1, 4)
        draft.call("msync", at(area, first), random.randrange(1, 6) * PAGE_SIZE, flags)
    return draft.scenario()


def nothing_mapped(random: Random) -> Scenario:
    """A range in which nothing is mapped, empty ranges, and ranges that go round the end of all addresses."""
    draft = Draft(random)
    cases = [
        (ARENA, PAGE_SIZE),
        (ARENA, 0),
        (ARENA + 1, PAGE_SIZE),
        (ARENA, 2**64 - ARENA),
        (ARENA, 2**64 - 2 * PAGE_SIZE),
        (ARENA, 2**64 - PAGE_SIZE),
        (2**64 - PAGE_SIZE, PAGE_SIZE),
    ]
    for addr, length in random.sample(cases, 3):
        draft.call("msync", addr, length, random.choice((SYNC, ASYNC, 0)))
    return draft.scenario()


def private_ones(random: Random) -> Scenario:
    """Private mappings and anonymous memory: there is nothing to write, and no error."""
    draft = Draft(random)
    fd = draft.open(draft.file("f", 2))
    shared = draft.map(ARENA, 2, RW, SHARED, fd)
    other = draft.map(ARENA + 2 * PAGE_SIZE, 2, RW, *random.choice(((PRIVATE, fd), (ANON, None))))
    draft.store(shared, 1)
    draft.store(other)
    draft.call("msync", random.choice((shared, other)), random.choice((2, 4)) * PAGE_SIZE, SYNC)
    draft.call("msync", other, 2 * PAGE_SIZE, SYNC)
    return draft.scenario()


def several_areas(random: Random) -> Scenario:
    """A range over several areas, of other pages of the file or of another file."""
    draft = Draft(random)
    one, two = draft.open(draft.file("f", 4)), draft.open(draft.file("g", 4))
    first = draft.map(ARENA, 2, RW, SHARED, one, random.randrange(3))
    second = draft.map(ARENA + 2 * PAGE_SIZE, 2, RW, SHARED, random.choice((one, two)), random.randrange(3))
    for area in (first, second):
        draft.touch(area, 2, 2, stores=1.0)
    start = random.randrange(3)
    draft.call("msync", at(first, start), random.randrange(1, 5 - start) * PAGE_SIZE, SYNC)
    return draft.scenario()


def locked_areas(random: Random) -> Scenario:
    """MS_INVALIDATE on an area that is locked in memory: EBUSY."""
    draft, area = _stored(random, 2)
    draft.call("mlock", at(area, random.randrange(2)), PAGE_SIZE)
    for flags in random.sample((SYNC, INVALIDATE, SYNC | INVALIDATE, ASYNC | INVALIDATE), 2):
        draft.call("msync", area, 2 * PAGE_SIZE, flags)
    return draft.scenario()


# ---------------------------------------------------------------- a learner's own program


def in_turns(random: Random) -> Scenario:
    """Stores to a shared mapping and calls that write it, in turns: which store is noticed by a fault?"""
    draft = Draft(random)
    fd = draft.open(draft.file("f", 3))
    area = draft.map(ARENA, 3, RW, SHARED, fd)
    draft.store(area, random.randrange(3))
    for _ in range(8):
        page = random.randrange(3)
        match random.choice(("store", "store", "store", "sync", "async", "fsync")):
            case "store":
                draft.store(area, page)
            case "fsync":
                draft.call("fsync", fd)
            case kind:
                draft.call("msync", at(area, page), PAGE_SIZE, SYNC if kind == "sync" else ASYNC)
    draft.store(area, random.randrange(3))
    return draft.scenario()


READAHEAD = (
    the_first_page,
    one_after_the_other,
    here_and_there,
    near_the_end,
    more_than_a_window,
    back_at_the_first_window,
    behind_cached_pages,
    advised,
)
WRITE_BACK = (
    writes_then_fsync,
    stores_then_sync,
    stored_again,
    two_dirty_files,
    longer_files,
    large_writes,
    in_memory_only,
)
SYNCS = (
    nothing_mapped,
    kinds_of_sync,
    parts_of_pages,
    private_ones,
    holes_in_the_range,
    several_areas,
    locked_areas,
)
TURNS = (in_turns,)
