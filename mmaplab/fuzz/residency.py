"""After each call: which pages are in memory around the bytes that the process has named last, on both kernels?

p.load(a + 0x5123)      the area of a, from 32 pages below a + 0x5000 to 32 pages above it
p.ftruncate(fd, 0)      there again: the call names no address, but may have emptied the pages
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

from mmaplab.calls import Call, Name, Outcome
from mmaplab.constants import PAGE_MASK, PAGE_SIZE
from mmaplab.interface import MapsEntry, Process
from mmaplab.lockstep import Difference, Lockstep, Seen, Side

AROUND = 32 * PAGE_SIZE
"""So far on either side: two windows of fault-around. The whole area is compared at the end of the program."""
NAMED = {"load", "touch", "store", "execute", "munmap", "mprotect", "mremap", "msync", "madvise", "mlock", "munlock"}
"""The calls whose first argument is an address; that of a mapping is its result."""
Missing = Callable[[], Sequence[int]]
"""Returns the pages of a file (their numbers) that are predicted to be in memory and are not."""
Answer = list[bool] | int
"""What mincore said, or the errno with which it was refused."""


class Residency:
    """Compares what mincore(2) says of a few pages, after each call of a program in lockstep."""

    def __init__(self, lockstep: Lockstep, missing: Mapping[str, Missing]) -> None:
        self.lockstep, self.missing = lockstep, missing
        self.spots: dict[str, int] = {}
        """The address that each process has named last."""
        self.areas: dict[str, Sequence[MapsEntry]] = {}
        """The areas of each process, as they were compared last."""

    def compare(self, call: Call, predicted: Seen) -> Difference | None:
        """Return how the pages in memory differ; None, too, where the process has ended or named no area yet."""
        real, who = self.lockstep.real, "p" if call.who == "kernel" else call.who
        self.areas |= dict(predicted.maps)
        self.spots[who] = self.named(call, predicted.outcome) or self.spots.get(who, 0)
        start, end = self.window(who)
        if call.name == "drop_caches" and self.mapped_fewer(cast(str, call.args[0])):
            self.lockstep.free = True
            return None
        if real is None or start == end or call.name == "exit":
            return None
        ours, theirs = (residency(side, who, start, end) for side in (self.lockstep.sim, real))
        if ours == theirs:
            return None
        what = f"pages in memory from {start:#x} to {end:#x}"
        return self.lockstep.differ(call, what, residency_text(ours), residency_text(theirs))

    def mapped_fewer(self, path: str) -> bool:
        """Did the live kernel drop pages that it was free not to map: all near a fault that met the disk? (FREEDOMS)"""
        gone = self.missing[path]() if path in self.missing else []
        return bool(gone) and all(any(map(self.lockstep.is_racy, self.addresses(path, page))) for page in gone)

    def addresses(self, path: str, page: int) -> Iterator[int]:
        """Yield where processes may have a page of a file in their address space."""
        for area in (area for areas in self.areas.values() for area in areas if area.path.endswith(path)):
            addr = area.start + page * PAGE_SIZE - area.offset
            if area.start <= addr < area.end:
                yield addr

    def named(self, call: Call, outcome: Outcome) -> int | None:
        """Return the address that a call is about, if it is about one."""
        if call.name == "mmap" and outcome.ok:
            return cast(int, outcome.value)
        if call.name not in NAMED or not call.args:
            return None
        first = call.args[0]
        if not isinstance(first, Name):
            return cast(int, first)
        base = self.lockstep.sim.names.get(first.name)
        return base + first.offset if isinstance(base, int) else None

    def window(self, who: str) -> tuple[int, int]:
        """Return the range that is looked at: pages of one area, around the address that was named last."""
        spot = self.spots[who]
        for area in self.areas.get(who, ()):
            if area.start <= spot < area.end:
                page = spot & PAGE_MASK
                return max(area.start, page - AROUND), min(area.end, page + AROUND)
        return 0, 0


def residency(side: Side, who: str, start: int, end: int) -> Answer:
    """Return what mincore says on one side."""
    try:
        return cast(Process, side.names[who]).mincore(start, end - start)
    except OSError as refused:
        return refused.errno or errno.EIO


def residency_text(answer: Answer) -> str:
    """Return an answer as text, one letter for each page."""
    return f"errno {answer}" if isinstance(answer, int) else "".join("x" if here else "." for here in answer)
