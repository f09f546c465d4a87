"""Physical memory: frames, who uses them, and the only function that moves bytes.

    pfn    0        1        2        3                a frame is 4096 bytes; pfn is its number
         +------+--------+--------+--------+
         | zero | cache  | anon   | free   |           pfn 0 is the shared page of zeros
         +------+--------+--------+--------+
    refcount: users of the frame (the page cache, each entry that maps it). At 0 the frame is free again.
    mapcount: the page-table entries that map it.

A page's bytes are an immutable `bytes` value, so that the disk and the page cache can hold the same one, and no byte
can change but through `copy`, `clear` and `user_store`. New frames hold a visible pattern until they are filled.

Linux: mm/page_alloc.c, include/linux/mm_types.h. Newer kernels say *folio* where they mean one or more pages handled
together; here `Page` is one frame and `Folio` (inode.py) a run of them. Leaves out: zones, NUMA, the buddy system.
"""

from __future__ import annotations

import heapq

from mmaplab.constants import PAGE_SIZE
from mmaplab.sim.events import Copy, PageAlloc, PageFree, UserStore, Zero
from mmaplab.sim.trace import Trace

ZEROS = bytes(PAGE_SIZE)
JUNK = b"\xa5" * PAGE_SIZE
"""What a frame holds before it is filled: a pattern, so that a missing clear shows itself."""
ZERO_PFN = 0


class OutOfMemory(Exception):
    """No frame is free, none could be reclaimed, and no other process could be ended for it."""


def nothing_to_reclaim() -> bool:
    """The answer of a machine that cannot reclaim, or end a process: no frame was freed."""
    return False


class Page:
    """One frame in use. Linux: struct page.

    `folio` is the run of the page cache that it belongs to, None for anonymous memory. `anon_exclusive` says that
    exactly one process may use it, so that a store needs no copy (PageAnonExclusive).
    """

    __slots__ = ("anon_exclusive", "data", "folio", "mapcount", "pfn", "refcount")

    def __init__(self, pfn: int) -> None:
        self.pfn = pfn
        self.data = JUNK
        self.refcount = 1
        self.mapcount = 0
        self.folio: object | None = None
        self.anon_exclusive = False

    @property
    def anon(self) -> bool:
        """Is it anonymous memory (a private page), not a page of a file?"""
        return self.folio is None

    def __repr__(self) -> str:
        kind = "anon" if self.anon else "cache"
        return f"<Page pfn={self.pfn} {kind} refcount={self.refcount} mapcount={self.mapcount}>"


class Memory:
    """All frames of the machine; a device with doors.

    `limit` is the number of frames, None for no limit. Before memory is out, `reclaim` is asked for a free frame, and
    then `kill` to end a process other than the one that runs; each returns True when it has done so.
    """

    def __init__(self, trace: Trace, limit: int | None = None) -> None:
        self.trace = trace
        self.limit = limit
        self.reclaim = self.kill = nothing_to_reclaim
        self.zero_page = Page(ZERO_PFN)
        self.zero_page.data = ZEROS
        self.pages: dict[int, Page] = {ZERO_PFN: self.zero_page}
        self._next_pfn = 1
        self._free: list[int] = []

    @property
    def used(self) -> int:
        """Frames in use, without the zero page."""
        return len(self.pages) - 1

    def alloc_page(self, use: str, patient: bool = True) -> Page:
        """Return a frame that nobody uses, the lowest first; its one reference is the caller's.

        Raises OutOfMemory when the limit is reached and nothing can be reclaimed; before that, other processes are
        ended, the largest first, if the caller is `patient`: readahead and large folios can do without (__GFP_NORETRY).
        Linux: mm/page_alloc.c; with a limit try_charge_memcg, mm/memcontrol.c (4.19 and later).
        """
        while self.limit is not None and self.used >= self.limit:
            if not self.reclaim() and not (patient and self.kill()):
                raise OutOfMemory(f"all {self.limit} frames are in use and none can be reclaimed")
        if self._free:
            pfn = heapq.heappop(self._free)
        else:
            pfn = self._next_pfn
            self._next_pfn += 1
        page = self.pages[pfn] = Page(pfn)
        self.trace.emit(PageAlloc, pfn, use)
        return page

    def get_page(self, page: Page) -> None:
        """Note one more user."""
        page.refcount += 1

    def put_page(self, page: Page) -> None:
        """Note one user less; the last one frees the frame."""
        page.refcount -= 1
        if page.refcount == 0:
            del self.pages[page.pfn]
            heapq.heappush(self._free, page.pfn)
            page.data = JUNK
            self.trace.emit(PageFree, page.pfn)

    def copy(
        self, why: str, data: bytes, target: Page | None = None, offset: int = 0, source: Page | None = None
    ) -> bytes:
        """Move bytes: into `target` at `offset`, or out of memory where there is no target. Returns the bytes.

        The only function of the simulator that moves bytes, so that counting `Copy` events is exact. `why` names
        the hop (see `events.Copy`).
        """
        if target is not None:
            if len(data) == PAGE_SIZE:
                target.data = data
            else:
                target.data = target.data[:offset] + data + target.data[offset + len(data) :]
        ends = (source.pfn if source else -1, target.pfn if target else -1)
        self.trace.emit(Copy, why, len(data), *ends)
        return data

    def clear(self, page: Page, offset: int = 0, nbytes: int = PAGE_SIZE) -> None:
        """Fill `nbytes` bytes of a frame with zeros. Linux: clear_highpage, folio_zero_segment."""
        page.data = page.data[:offset] + ZEROS[:nbytes] + page.data[offset + nbytes :]
        self.trace.emit(Zero, page.pfn, nbytes)

    def user_store(self, page: Page, offset: int, data: bytes) -> None:
        """The program's own store instructions: no copy of the kernel's."""
        page.data = page.data[:offset] + data + page.data[offset + len(data) :]
        self.trace.emit(UserStore, page.pfn, offset, len(data))
