"""The guards of madvise: MADV_GUARD_INSTALL and MADV_GUARD_REMOVE."""

from __future__ import annotations

from mmaplab.constants import (
    MADV_COLD,
    MADV_DONTNEED,
    MADV_FREE,
    MADV_GUARD_INSTALL,
    MADV_GUARD_REMOVE,
    MADV_PAGEOUT,
    MADV_POPULATE_WRITE,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_PRIVATE,
)
from mmaplab.interface import Process
from tests.manpages.advice_programs import drain, hole, locked, touched
from tests.manpages.table import PAGE, RW, Left, R, Row, alive, anon, filled, firsts, mapped, strip

HIGH = 0x7000_0000_0000


def guarded(p: Process, a: int) -> int:
    """Make guards of the second and the third page."""
    p.madvise(a + PAGE, 2 * PAGE, MADV_GUARD_INSTALL)
    return a


def guarded_child(p: Process) -> str:
    a = guarded(p, filled(p))
    return alive(p.fork(), a)


def guards_moved(p: Process) -> str:
    a = guarded(p, filled(p))
    return alive(p, p.mremap(a, 4 * PAGE, 4 * PAGE, 3, HIGH))


def guards_stay(p: Process, *advice: int) -> str:
    a = guarded(p, filled(p))
    for each in advice:
        if each in (MADV_FREE, MADV_PAGEOUT):
            drain(p)
        p.madvise(a, 4 * PAGE, each)
    return alive(p, a)


def guards_mapped_over(p: Process) -> bytes:
    a = guarded(p, filled(p))
    p.mmap(a, 4 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)
    return firsts(p, a)


def guards_of_a_file(p: Process) -> tuple[str, bytes]:
    a = guarded(p, touched(p))
    marks = alive(p, a)
    p.madvise(a, 4 * PAGE, MADV_GUARD_REMOVE)
    return marks, firsts(p, a)


def guards_and_truncate(p: Process) -> str:
    a = guarded(p, mapped(p))
    p.ftruncate(3, 0)
    p.ftruncate(3, 4 * PAGE)
    return alive(p, a)


def guard_residency(p: Process) -> str:
    return strip(p.mincore(guarded(p, filled(p)), 4 * PAGE)) + strip(p.mincore(guarded(p, touched(p)), 4 * PAGE))


KNOWN = {"madv_guard": True}
FILES_TOO = {"madv_guard": True, "madv_guard_files": True}
GUARDS: dict[str, list[Row] | Left] = {
    "MADV_GUARD_INSTALL since Linux 6.13, in man-pages 6.14 and later": [
        Row(lambda p: alive(p, guarded(p, filled(p))), "x..x", KNOWN),
        Row(lambda p: p.store(guarded(p, filled(p)) + PAGE, b"x"), "SEGV_MAPERR", KNOWN),
        Row(lambda p: alive(p, guarded(p, anon(p))), "x..x", KNOWN),
        Row(lambda p: (guarded(p, filled(p)), len(p.maps()))[1], 1, KNOWN),
        Row(guarded_child, "x..x", KNOWN),
        Row(guards_moved, "x..x", KNOWN),
        Row(lambda p: guards_stay(p, MADV_DONTNEED), "x..x", KNOWN),
        Row(lambda p: guards_stay(p, MADV_FREE, MADV_PAGEOUT, MADV_COLD), "x..x", KNOWN),
        Row(lambda p: guards_stay(p, MADV_POPULATE_WRITE), "EFAULT", KNOWN),
        Row(lambda p: guards_stay(p, MADV_GUARD_INSTALL), "....", KNOWN),
        Row(lambda p: p.mlock(guarded(p, filled(p)), 4 * PAGE), "ENOMEM", KNOWN),
        Row(lambda p: p.madvise(locked(p), PAGE, MADV_GUARD_INSTALL), "EINVAL", KNOWN),
        Row(lambda p: (p.munmap(a := guarded(p, filled(p)), 4 * PAGE), alive(p, a))[1], "....", KNOWN),
        Row(lambda p: (p.mprotect(a := guarded(p, filled(p)), 4 * PAGE, R), alive(p, a))[1], "x..x", KNOWN),
        Row(guards_mapped_over, bytes(4), KNOWN),
        Row(guard_residency, "x..xxxxx", FILES_TOO),
        Row(guards_and_truncate, "x..x", FILES_TOO),
        Row(guards_and_truncate, "x..x", FILES_TOO, file_system="tmpfs"),
        Row(lambda p: p.madvise(hole(p), 4 * PAGE, MADV_GUARD_INSTALL), "ENOMEM", KNOWN),
    ],
    "MADV_GUARD_REMOVE since Linux 6.13, in man-pages 6.14 and later": [
        Row(
            lambda p: (a := guarded(p, filled(p)), p.madvise(a, 4 * PAGE, MADV_GUARD_REMOVE), firsts(p, a))[2],
            b"a\0\0d",
            KNOWN,
        ),
        Row(guards_of_a_file, ("x..x", b"ABCD"), FILES_TOO),
        Row(guards_of_a_file, ("x..x", b"ABCD"), FILES_TOO, file_system="tmpfs"),
        Row(lambda p: p.madvise(locked(p), PAGE, MADV_GUARD_REMOVE), None, KNOWN),
    ],
}
