"""msync, mincore, mlock and munlock."""

from __future__ import annotations

from mmaplab.constants import (
    MADV_RANDOM,
    MS_ASYNC,
    MS_INVALIDATE,
    MS_SYNC,
    RLIMIT_MEMLOCK,
    TASK_SIZE,
)
from mmaplab.interface import Process
from mmaplab.sim import mlock, msync
from tests.manpages.advice_programs import HIGH, hole, locked, private_stores, stored
from tests.manpages.table import MINUS_ONE, PAGE, Left, Page, R, Row, anon, filled, mapped, strip

NO_LOCK_RIGHT = {"cap_ipc_lock": False}


def synced(p: Process, flags: int) -> tuple[int, bytes]:
    """Return how many minor faults the next store takes: one if msync has made the page clean."""
    a = stored(p)
    p.msync(a, 2 * PAGE, flags)
    before = p.faults().minor
    p.store(a, b"z")
    return p.faults().minor - before, p.pread(3, 1, 0)


MSYNC = Page(
    "msync",
    {
        "MS_ASYNC": [Row(lambda p: synced(p, MS_ASYNC), (0, b"z")), Row(lambda p: synced(p, 0), (0, b"z"))],
        "MS_SYNC": [
            Row(lambda p: synced(p, MS_SYNC), (1, b"z")),
            Row(lambda p: synced(p, MS_SYNC), (0, b"z"), file_system="tmpfs"),
            Row(lambda p: p.msync(private_stores(p), PAGE, MS_SYNC), None),
        ],
        "MS_INVALIDATE": [
            Row(lambda p: synced(p, MS_INVALIDATE), (0, b"z")),
            Row(lambda p: synced(p, MS_SYNC | MS_INVALIDATE), (1, b"z")),
        ],
        "EBUSY MS_INVALIDATE of what is locked": [
            Row(lambda p: p.msync(locked(p), PAGE, MS_INVALIDATE), "EBUSY"),
            Row(lambda p: p.msync(locked(p), PAGE, MS_SYNC), None),
        ],
        "EINVAL not aligned, unknown flags, or both MS_SYNC and MS_ASYNC": [
            Row(lambda p: p.msync(filled(p) + 1, PAGE, MS_SYNC), "EINVAL"),
            Row(lambda p: p.msync(filled(p), PAGE, 8), "EINVAL"),
            Row(lambda p: p.msync(filled(p), PAGE, -1), "EINVAL"),
            Row(lambda p: p.msync(filled(p), PAGE, MS_SYNC | MS_ASYNC), "EINVAL"),
        ],
        "ENOMEM not mapped": [
            Row(lambda p: p.msync(hole(p), 4 * PAGE, MS_SYNC), "ENOMEM"),
            Row(lambda p: p.msync(hole(p), 4 * PAGE, MS_ASYNC), "ENOMEM"),
            Row(lambda p: p.msync(HIGH, PAGE, MS_SYNC), "ENOMEM"),
            Row(lambda p: p.msync(HIGH, 0, MS_SYNC), None),
            Row(lambda p: p.msync(PAGE, MINUS_ONE - PAGE + 1, MS_SYNC), "ENOMEM"),
            Row(lambda p: p.msync(filled(p), MINUS_ONE - PAGE + 1, MS_SYNC), "ENOMEM"),
            Row(lambda p: p.msync(MINUS_ONE - PAGE + 1, PAGE, MS_SYNC), "ENOMEM"),
        ],
        "DESCRIPTION a length that rounds up to 0 in 64 bits asks for nothing": [
            Row(lambda p: p.msync(PAGE, MINUS_ONE, MS_SYNC), None),
            Row(lambda p: p.msync(PAGE, MINUS_ONE - PAGE + 2, MS_SYNC), None),
            Row(lambda p: p.msync(filled(p), MINUS_ONE, MS_SYNC), None),
            Row(lambda p: p.msync(MINUS_ONE - PAGE + 1, MINUS_ONE, MS_SYNC), None),
        ],
    },
)


def cold_then_loaded(p: Process) -> str:
    a = mapped(p, R, pages=5)
    p.madvise(a, 5 * PAGE, MADV_RANDOM)
    p.load(a + 2 * PAGE)
    return strip(p.mincore(a, 5 * PAGE))


MINCORE = Page(
    "mincore",
    {
        "DESCRIPTION one answer a page": [
            Row(cold_then_loaded, "..x..", warm=False),
            Row(lambda p: strip(p.mincore(mapped(p), 5 * PAGE)), "xxxxx"),
            Row(lambda p: strip(p.mincore(anon(p), 4 * PAGE)), "...."),
            Row(lambda p: strip(p.mincore(filled(p), 2 * PAGE + 1)), "xxx"),
            Row(lambda p: p.mincore(filled(p), 0), []),
        ],
        "EAGAIN kernel out of resources": Left(msync.do_mincore),
        "EFAULT vec": Left(msync.do_mincore),
        "EINVAL addr is not aligned": [
            Row(lambda p: p.mincore(filled(p) + 1, PAGE), "EINVAL"),
            Row(lambda p: p.mincore(filled(p) + 1, 0), "EINVAL"),
        ],
        "ENOMEM length beyond the address space": [
            Row(lambda p: p.mincore(filled(p), MINUS_ONE), "ENOMEM"),
            Row(lambda p: p.mincore(TASK_SIZE, PAGE), "ENOMEM"),
            Row(lambda p: p.mincore(PAGE, MINUS_ONE), "ENOMEM"),
            Row(lambda p: p.mincore(filled(p), TASK_SIZE), "ENOMEM"),
        ],
        "ENOMEM not mapped": [
            Row(lambda p: p.mincore(hole(p), 4 * PAGE), "ENOMEM"),
            Row(lambda p: p.mincore(HIGH, PAGE), "ENOMEM"),
        ],
    },
)


def limited(p: Process, limit: int) -> Process:
    p.setrlimit(RLIMIT_MEMLOCK, limit)
    return p


def lock_apart(p: Process, call: str) -> None:
    """Lock, or unlock, every second page of one area."""
    a = anon(p, 40)
    if call == "munlock":
        p.mlock(a, 40 * PAGE)
    for i in range(1, 40, 2):
        getattr(p, call)(a + i * PAGE, PAGE)


MLOCK = Page(
    "mlock",
    {
        "DESCRIPTION mlock brings pages in, munlock lets them go": [
            Row(lambda p: (p.mlock(a := anon(p), 2 * PAGE), strip(p.mincore(a, 4 * PAGE)))[1], "xx.."),
            Row(lambda p: (p.mlock(a := anon(p), 2 * PAGE), p.munlock(a, 2 * PAGE), len(p.maps()))[2], 1),
            Row(lambda p: (p.mlock((a := anon(p)) + 1, PAGE), strip(p.mincore(a, 4 * PAGE)))[1], "xx.."),
            Row(lambda p: (p.mlock(anon(p), 0), len(p.maps()))[1], 1),
            Row(lambda p: (p.mlock(PAGE, MINUS_ONE), p.munlock(PAGE, MINUS_ONE)), (None, None), {"cap_ipc_lock": True}),
            Row(lambda p: p.mlock(PAGE + 1, MINUS_ONE - PAGE + 1), None, {"cap_ipc_lock": True}),
        ],
        "MLOCK_ONFAULT": Left(mlock.do_mlock),
        "MCL_CURRENT": Left(mlock.do_mlock),
        "MCL_FUTURE": Left(mlock.do_mlock),
        "MCL_ONFAULT": Left(mlock.do_mlock),
        "EAGAIN could not be locked": Left(mlock.do_mlock),
        "EINVAL addr and length wrap around": [
            Row(lambda p: p.mlock(filled(p), 2**64 - PAGE), "EINVAL", {"cap_ipc_lock": True}),
            Row(lambda p: p.munlock(filled(p), 2**64 - PAGE), "EINVAL"),
            Row(lambda p: p.munlock(PAGE, 2**64 - PAGE), "EINVAL"),
        ],
        "EINVAL flags of mlock2": Left(mlock.do_mlock),
        "EINVAL flags of mlockall": Left(mlock.do_mlock),
        "EINVAL addr is not aligned, but not on Linux": [Row(lambda p: p.mlock(filled(p) + 1, PAGE), None)],
        "ENOMEM not mapped": [
            Row(lambda p: p.mlock(hole(p), 4 * PAGE), "ENOMEM"),
            Row(lambda p: p.munlock(hole(p), 4 * PAGE), "ENOMEM"),
            Row(lambda p: p.mlock(HIGH, PAGE), "ENOMEM"),
            Row(lambda p: p.mlock(mapped(p, pages=7), 7 * PAGE), "ENOMEM"),
        ],
        "ENOMEM more areas than max_map_count": [
            Row(lambda p: lock_apart(p, "mlock"), "ENOMEM", {"max_map_count": 20}),
            Row(lambda p: lock_apart(p, "munlock"), "ENOMEM", {"max_map_count": 20}),
        ],
        "ENOMEM beyond RLIMIT_MEMLOCK": [
            Row(lambda p: p.mlock(anon(limited(p, 2 * PAGE)), 3 * PAGE), "ENOMEM", NO_LOCK_RIGHT),
            Row(lambda p: p.mlock(anon(limited(p, 2 * PAGE)), 2 * PAGE), None, NO_LOCK_RIGHT),
            Row(lambda p: p.mlock(anon(limited(p, 2 * PAGE)), 3 * PAGE), None, {"cap_ipc_lock": True}),
        ],
        "ENOMEM half of the memory, in Linux 2.4": Left(mlock.do_mlock),
        "EPERM no privilege and RLIMIT_MEMLOCK 0": [
            Row(lambda p: p.mlock(anon(limited(p, 0)), PAGE), "EPERM", NO_LOCK_RIGHT),
            Row(lambda p: p.munlock(anon(limited(p, 0)), PAGE), None, NO_LOCK_RIGHT),
        ],
        "EPERM munlockall": Left(mlock.do_mlock),
    },
)

PAGES = (MSYNC, MINCORE, MLOCK)
