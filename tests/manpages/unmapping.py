"""munmap."""

from __future__ import annotations

from mmaplab.constants import (
    TASK_SIZE,
)
from mmaplab.interface import Process
from tests.manpages.mapping import HIGH
from tests.manpages.table import (
    ANON,
    MINUS_ONE,
    PAGE,
    RW,
    Page,
    Row,
    alive,
    filled,
    mapped,
)

GIB = 1 << 30


def hole_beyond_max_map_count(p: Process) -> None:
    a = p.mmap(0, 40 * PAGE, RW, ANON)
    for i in range(1, 40, 2):
        p.munmap(a + i * PAGE, PAGE)


def split(p: Process) -> list[int]:
    """A hole in the middle leaves two areas."""
    a = filled(p)
    p.munmap(a + PAGE, PAGE)
    return [(area.end - area.start) // PAGE for area in p.maps()]


MUNMAP = Page(
    "munmap",
    {
        "DESCRIPTION pages that hold a byte of the range go": [
            Row(split, [1, 2]),
            Row(lambda p: (a := filled(p), p.munmap(a, 1), alive(p, a))[-1], ".xxx"),
            Row(lambda p: (a := filled(p), p.munmap(a + PAGE, PAGE + 1), alive(p, a))[-1], "x..x"),
            Row(lambda p: (a := filled(p), p.munmap(a, PAGE), p.load(a))[-1], "SEGV_MAPERR"),
        ],
        "DESCRIPTION a range without pages is no error": [Row(lambda p: p.munmap(HIGH, GIB), None)],
        "DESCRIPTION closing the descriptor does not unmap": [
            Row(lambda p: (a := mapped(p), p.close(3), p.load(a))[-1], b"A"),
        ],
        "EINVAL addr, length": [
            Row(lambda p: p.munmap(filled(p) + 1, PAGE), "EINVAL"),
            Row(lambda p: p.munmap(filled(p), 0), "EINVAL"),
            Row(lambda p: p.munmap(filled(p), MINUS_ONE), "EINVAL"),
            Row(lambda p: p.munmap(TASK_SIZE, PAGE), "EINVAL"),
            Row(lambda p: p.munmap(MINUS_ONE - 4095, PAGE), "EINVAL"),
        ],
        "ENOMEM a hole would make more areas than max_map_count": [
            Row(hole_beyond_max_map_count, "ENOMEM", {"max_map_count": 15}),
        ],
    },
    man="mmap",
)

PAGES = (MUNMAP,)
