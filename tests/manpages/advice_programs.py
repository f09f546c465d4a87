"""The programs of the table of madvise."""

from __future__ import annotations

from mmaplab.constants import (
    MADV_COLLAPSE,
    MADV_DONTFORK,
    MADV_FREE,
    MADV_PAGEOUT,
    MADV_REMOVE,
    MADV_WILLNEED,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_PRIVATE,
    MAP_SHARED,
)
from mmaplab.interface import Process
from tests.manpages.table import PAGE, RW, R, alive, anon, filled, firsts, mapped, strip

HIGH = 0x7000_0000_0000
TWO_MIB = 1 << 21


def hole(p: Process) -> int:
    """Four pages, the third of which is not mapped."""
    a = filled(p)
    p.munmap(a + 2 * PAGE, PAGE)
    return a


def stored(p: Process) -> int:
    """Store to the first two pages of a shared mapping."""
    a = mapped(p)
    p.store(a, b"x")
    p.store(a + PAGE, b"y")
    return a


def areas_apart(p: Process, advice: int, back: int) -> tuple[int, int]:
    """Return how many areas four pages are when the second is advised, and when that is undone."""
    a = filled(p)
    p.madvise(a + PAGE, PAGE, advice)
    apart = len(p.maps())
    p.madvise(a + PAGE, PAGE, back)
    return apart, len(p.maps())


def drain(p: Process) -> None:
    """Let the pages of all processors reach reclaim's lists, which MADV_COLLAPSE does first (lru_add_drain_all).

    Otherwise MADV_PAGEOUT and MADV_FREE overlook pages that another processor has made lately.
    """
    there = p.mmap(HIGH, TWO_MIB, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)
    p.store(there, b"x")
    p.madvise(there, PAGE, MADV_COLLAPSE)
    p.munmap(there, TWO_MIB)


def advised(p: Process, advice: int, a: int, pages: int = 4) -> tuple[str, bytes, int]:
    """Return residency after the advice, what the pages hold then, and the faults it takes to see it."""
    if advice == MADV_PAGEOUT:
        drain(p)
    p.madvise(a, pages * PAGE, advice)
    residency = strip(p.mincore(a, pages * PAGE))
    before = p.faults().minor
    return residency, firsts(p, a, pages), p.faults().minor - before


def child_finds(p: Process, *advice: int) -> str:
    a = filled(p)
    for each in advice:
        p.madvise(a + PAGE, PAGE, each)
    child = p.fork()
    try:
        return str(child.load(a + PAGE))
    except Exception as error:
        return getattr(error, "code_name", str(error))


def touched(p: Process, prot: int = R, flags: int = MAP_SHARED) -> int:
    """Map the file and load a byte of each page."""
    a = mapped(p, prot, flags)
    firsts(p, a, 5)
    return a


def freed_then_paged_out(p: Process, again: bytes) -> bytes:
    """MADV_FREE gives three pages up, a store takes the second back, MADV_PAGEOUT reclaims."""
    a = filled(p)
    drain(p)
    p.madvise(a, 3 * PAGE, MADV_FREE)
    if again:
        p.store(a + PAGE, again)
    drain(p)
    p.madvise(a, 4 * PAGE, MADV_PAGEOUT)
    return firsts(p, a)


def private_stores(p: Process) -> int:
    a = mapped(p, flags=MAP_PRIVATE)
    p.store(a, b"x")
    return a


def removed(p: Process, prot: int = RW, flags: int = MAP_SHARED) -> bytes:
    a = mapped(p, prot, flags)
    p.madvise(a + PAGE, PAGE, MADV_REMOVE)
    return firsts(p, a)


def locked(p: Process) -> int:
    a = filled(p)
    p.mlock(a, 4 * PAGE)
    return a


def advice_apart(p: Process) -> None:
    """Every second page of one area is advised."""
    a = anon(p, 40)
    for i in range(1, 40, 2):
        p.madvise(a + i * PAGE, PAGE, MADV_DONTFORK)


def populated(p: Process, advice: int, a: int, pages: int = 4) -> tuple[str, int]:
    p.madvise(a, pages * PAGE, advice)
    before = p.faults().minor
    return alive(p, a, pages), p.faults().minor - before


def readonly(p: Process) -> int:
    return p.mmap(0, 4 * PAGE, R, MAP_PRIVATE | MAP_ANONYMOUS)


def willneed(p: Process) -> tuple[str, int]:
    """Have a cold file read, and load it."""
    a = mapped(p, R, pages=4)
    p.madvise(a, 4 * PAGE, MADV_WILLNEED)
    return firsts(p, a).decode(), p.faults().major


def paged_out(p: Process, a: int) -> str:
    drain(p)
    p.madvise(a, 4 * PAGE, MADV_PAGEOUT)
    return strip(p.mincore(a, 4 * PAGE))


def paged_out_after_write_back(p: Process) -> tuple[str, bytes, int]:
    """Written back, the dirty pages lose the mark that reclaim has left on them."""
    a = stored(p)
    drain(p)
    p.madvise(a, 2 * PAGE, MADV_PAGEOUT)
    p.fsync(3)
    before = p.faults().minor
    return strip(p.mincore(a, 2 * PAGE)), firsts(p, a, 2), p.faults().minor - before


def shared_by_two(p: Process) -> str:
    """What a child maps, too, is left alone."""
    a = touched(p)
    firsts(child := p.fork(), a)
    drain(p)
    p.madvise(a, 4 * PAGE, MADV_PAGEOUT)
    child.exit()
    return strip(p.mincore(a, 4 * PAGE))


def collapsed(p: Process, size: int, start: int = 0, length: int = TWO_MIB, touch: bool = True) -> None:
    a = p.mmap(HIGH, size, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)
    if touch:
        p.store(a, b"x")
    p.madvise(a + start, length, MADV_COLLAPSE)
