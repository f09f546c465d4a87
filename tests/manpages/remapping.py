"""mprotect and mremap."""

from __future__ import annotations

from mmaplab.constants import (
    MAP_FIXED,
    MAP_GROWSDOWN,
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    PROT_EXEC,
    PROT_GROWSDOWN,
    PROT_GROWSUP,
    PROT_NONE,
    PROT_READ,
    PROT_SEM,
    PROT_WRITE,
    RLIMIT_AS,
    RLIMIT_DATA,
    RLIMIT_MEMLOCK,
    TASK_SIZE,
)
from mmaplab.interface import Process
from mmaplab.sim import mprotect
from tests.manpages.mapping import HIGH, NO_LOCK_RIGHT, limited, lock_limited
from tests.manpages.table import (
    ANON,
    MINUS_ONE,
    PAGE,
    PRIVATE,
    RW,
    SHARED,
    Left,
    Page,
    R,
    Row,
    alive,
    among,
    anon,
    answer_of,
    filled,
    firsts,
    mapped,
    perms,
)


def changed(p: Process, prot: int) -> str:
    """Change the second of four pages."""
    a = filled(p)
    p.mprotect(a + PAGE, PAGE, prot)
    return perms(p)


def known_bits(p: Process) -> list[int]:
    """Give every bit of prot alone; return those that are no EINVAL."""
    a = anon(p)
    return [bit for bit in range(64) if answer_of(lambda p, bit=bit: p.mprotect(a, PAGE, 1 << bit), p) != "EINVAL"]  # type: ignore[misc]


def two_and_a_hole(p: Process) -> int:
    a = filled(p)
    p.munmap(a + 2 * PAGE, PAGE)
    return a


def first_part_changes(p: Process) -> str:
    """A hole answers ENOMEM, with what lies before it changed."""
    a = two_and_a_hole(p)
    try:
        p.mprotect(a, 4 * PAGE, R)
    except OSError:
        return perms(p)
    return "no error"


def stack_like(p: Process) -> int:
    return p.mmap(HIGH, 2 * PAGE, RW, ANON | MAP_GROWSDOWN | MAP_FIXED)


def from_below_the_stack(p: Process) -> str:
    """With PROT_GROWSDOWN the change begins where the area does, also where the range begins in a hole."""
    p.mprotect(stack_like(p) - PAGE, 2 * PAGE, R | PROT_GROWSDOWN)
    return perms(p)


def rights_alternate(p: Process) -> None:
    """Every second page of one area gets other rights."""
    a = anon(p, 40)
    for i in range(1, 40, 2):
        p.mprotect(a + i * PAGE, PAGE, R)


MPROTECT = Page(
    "mprotect",
    {
        "PROT_NONE": [Row(lambda p: changed(p, PROT_NONE), "rw-p ---p rw-p")],
        "PROT_READ": [Row(lambda p: changed(p, PROT_READ), "rw-p r--p rw-p")],
        "PROT_WRITE": [Row(lambda p: changed(p, PROT_WRITE), "rw-p -w-p rw-p")],
        "PROT_EXEC": [Row(lambda p: changed(p, PROT_EXEC), "rw-p --xp rw-p")],
        "PROT_SEM": [Row(lambda p: changed(p, PROT_READ | PROT_SEM), "rw-p r--p rw-p")],
        "PROT_SAO": [Row(lambda p: changed(p, PROT_READ | 0x10), "EINVAL")],
        "PROT_GROWSUP": [
            Row(lambda p: changed(p, PROT_READ | PROT_GROWSUP), "EINVAL"),
            Row(lambda p: p.mprotect(stack_like(p) - PAGE, 2 * PAGE, R | PROT_GROWSUP), "ENOMEM"),
        ],
        "PROT_GROWSDOWN": [
            Row(lambda p: changed(p, PROT_READ | PROT_GROWSDOWN), "EINVAL"),
            Row(lambda p: (a := stack_like(p), p.mprotect(a + PAGE, PAGE, R | PROT_GROWSDOWN), perms(p))[-1], "r--p"),
            Row(from_below_the_stack, "r--p rw-p"),
        ],
        "EACCES the file was opened for reading only": [
            Row(lambda p: p.mprotect(p.mmap(0, PAGE, R, SHARED, p.open("f")), PAGE, RW), "EACCES"),
            Row(lambda p: p.mprotect(p.mmap(0, PAGE, R, PRIVATE, p.open("f")), PAGE, RW), None),
        ],
        "EINVAL addr is not aligned": [
            Row(lambda p: p.mprotect(filled(p) + 1, PAGE, R), "EINVAL"),
            Row(lambda p: p.mprotect(filled(p) + 1, 0, R), "EINVAL"),
            Row(lambda p: p.mprotect(filled(p), 0, R), None),
        ],
        "EINVAL pkey_mprotect has no such key": Left(mprotect.do_mprotect),
        "EINVAL both PROT_GROWSUP and PROT_GROWSDOWN": [
            Row(lambda p: changed(p, PROT_READ | PROT_GROWSUP | PROT_GROWSDOWN), "EINVAL"),
        ],
        "EINVAL unknown bits in prot": [
            Row(lambda p: changed(p, 0x40), "EINVAL"),
            *(Row(lambda p, bit=bit: changed(p, PROT_READ | 1 << bit), "EINVAL") for bit in (26, 31, 40)),  # type: ignore[misc]
            Row(known_bits, [0, 1, 2, 3]),
        ],
        "EINVAL PROT_SAO without the hardware": [Row(lambda p: changed(p, 0x10), "EINVAL")],
        "ENOMEM internal structures": Left(mprotect.do_mprotect),
        "ENOMEM pages that are not mapped": [
            Row(lambda p: p.mprotect(HIGH, PAGE, R), "ENOMEM"),
            Row(lambda p: p.mprotect(two_and_a_hole(p), 4 * PAGE, R), "ENOMEM"),
            Row(first_part_changes, "r--p rw-p"),
            Row(lambda p: p.mprotect(filled(p), MINUS_ONE, R), "ENOMEM"),
            Row(lambda p: p.mprotect(TASK_SIZE, PAGE, R), "ENOMEM"),
        ],
        "ENOMEM more areas than max_map_count": [Row(rights_alternate, "ENOMEM", {"max_map_count": 20})],
    },
)


def moved(p: Process, flags: int, target: int = HIGH, size: int = 2 * PAGE) -> tuple[bytes, str]:
    """Move two of four pages; what is at the new place, and what is left at the old one."""
    a = filled(p)
    b = p.mremap(a, 2 * PAGE, size, flags, target)
    return firsts(p, b, size // PAGE), alive(p, a)


def shared_twice(p: Process) -> bytes:
    """old_size 0 makes a second mapping of a shared one."""
    a = mapped(p)
    b = p.mremap(a, 0, 5 * PAGE, MREMAP_MAYMOVE)
    p.store(a, b"both")
    return p.load(b, 4)


def grown_by_mremap(p: Process, flags: int = 0) -> int:
    """Grow the lower of two neighbouring areas of different rights."""
    a = filled(p)
    p.mprotect(a + 2 * PAGE, PAGE, R)
    return p.mremap(a, 2 * PAGE, 4 * PAGE, flags) - a


def locked(p: Process, pages: int = 2) -> int:
    """Lock the first pages of four."""
    a = filled(p)
    p.munmap(a + pages * PAGE, (4 - pages) * PAGE)
    p.mlock(a, pages * PAGE)
    return a


def locked_and_forbidden(p: Process) -> int:
    """Lock two pages, and forbid any further lock."""
    a = locked(p)
    p.setrlimit(RLIMIT_MEMLOCK, 0)
    return a


def two_kinds(p: Process) -> int:
    """Anonymous memory, and behind it a file."""
    a = anon(p, 4)
    p.mmap(a + 2 * PAGE, 2 * PAGE, R, PRIVATE | MAP_FIXED, p.open("f"))
    return a


MREMAP = Page(
    "mremap",
    {
        "MREMAP_MAYMOVE": [
            Row(lambda p: grown_by_mremap(p, MREMAP_MAYMOVE) != 0, True),
            Row(
                lambda p: (a := filled(p), p.mremap(a, 4 * PAGE, PAGE, MREMAP_MAYMOVE) - a, alive(p, a))[1:],
                (0, "x..."),
            ),
            Row(lambda p: (a := filled(p), p.mremap(a, PAGE, PAGE) - a)[1], 0),
        ],
        "MREMAP_FIXED": [
            Row(lambda p: moved(p, MREMAP_MAYMOVE | MREMAP_FIXED), (b"ab", "..xx")),
            Row(lambda p: moved(p, MREMAP_MAYMOVE | MREMAP_FIXED, size=4 * PAGE), (b"ab\0\0", "..xx")),
            Row(lambda p: (a := filled(p), p.mremap(a, PAGE, PAGE, 3, a + 2 * PAGE), alive(p, a))[-1], ".xxx"),
        ],
        "MREMAP_DONTUNMAP": [
            Row(lambda p: moved(p, MREMAP_MAYMOVE | MREMAP_DONTUNMAP), (b"ab", "xxxx")),
            Row(lambda p: (a := filled(p), p.mremap(a, PAGE, PAGE, 5, HIGH), p.load(a))[-1], b"\0"),
        ],
        "EAGAIN locked, and beyond RLIMIT_MEMLOCK": [
            Row(lambda p: p.mremap(locked(lock_limited(p, 2 * PAGE)), 8192, 12288), "EAGAIN", NO_LOCK_RIGHT),
            Row(lambda p: p.mremap(locked_and_forbidden(p), 8192, 12288), "EAGAIN", NO_LOCK_RIGHT),
            Row(lambda p: p.mremap(locked(lock_limited(p, 2 * PAGE)), 8192, 12288) % PAGE, 0, {"cap_ipc_lock": True}),
        ],
        "EFAULT not mapped, or mappings of different types": [
            Row(lambda p: p.mremap(HIGH, PAGE, PAGE), "EFAULT"),
            Row(lambda p: p.mremap(filled(p), 5 * PAGE, 6 * PAGE, MREMAP_MAYMOVE), "EFAULT"),
            Row(lambda p: p.mremap(two_kinds(p), 4 * PAGE, 5 * PAGE, MREMAP_MAYMOVE), "EFAULT"),
        ],
        "EINVAL old_address is not aligned": [Row(lambda p: p.mremap(filled(p) + 1, PAGE, PAGE), "EINVAL")],
        "EINVAL unknown flags": [Row(lambda p: p.mremap(filled(p), PAGE, PAGE, 8), "EINVAL")],
        "EINVAL new_size is 0": [Row(lambda p: p.mremap(filled(p), PAGE, 0), "EINVAL")],
        "EINVAL new_size or new_address": [
            Row(lambda p: p.mremap(filled(p), PAGE, 2**63), "EINVAL"),
            Row(lambda p: p.mremap(filled(p), PAGE, PAGE, 3, HIGH + 1), "EINVAL"),
            Row(lambda p: p.mremap(filled(p), PAGE, PAGE, 3, TASK_SIZE), "EINVAL"),
        ],
        "EINVAL the old and the new range overlap": [
            Row(lambda p: (a := filled(p), p.mremap(a, 2 * PAGE, 2 * PAGE, 3, a + PAGE)), "EINVAL"),
        ],
        "EINVAL MREMAP_FIXED or MREMAP_DONTUNMAP without MREMAP_MAYMOVE": [
            Row(lambda p: moved(p, MREMAP_FIXED), "EINVAL"),
            Row(lambda p: moved(p, MREMAP_DONTUNMAP), "EINVAL"),
        ],
        "EINVAL MREMAP_DONTUNMAP of other memory, which Linux 5.13 and later permit": [
            Row(lambda p: p.load(p.mremap(mapped(p), PAGE, PAGE, 5, HIGH)), b"A"),
        ],
        "EINVAL MREMAP_DONTUNMAP with another size": [Row(lambda p: moved(p, 5, size=3 * PAGE), "EINVAL")],
        "EINVAL old_size 0 of what is not shared": [
            Row(shared_twice, b"both"),
            Row(lambda p: p.mremap(filled(p), 0, PAGE, MREMAP_MAYMOVE), "EINVAL"),
        ],
        "EINVAL old_size 0 without MREMAP_MAYMOVE": [Row(lambda p: p.mremap(mapped(p), 0, PAGE), "ENOMEM")],
        "ENOMEM cannot grow where it is, or not enough address space": [
            Row(grown_by_mremap, "ENOMEM"),
            Row(lambda p: p.mremap(anon(limited(p, RLIMIT_AS, 6 * PAGE)), 4 * PAGE, 7 * PAGE, 1), "ENOMEM"),
            Row(lambda p: p.mremap(anon(limited(p, RLIMIT_DATA, 6 * PAGE)), 4 * PAGE, 7 * PAGE, 1), "ENOMEM"),
            Row(lambda p: p.mremap(anon(p), 4 * PAGE, TASK_SIZE, 1), "ENOMEM"),
        ],
        "ENOMEM MREMAP_DONTUNMAP, or a move, makes too many areas": [
            Row(lambda p: p.mremap(anon(limited(p, RLIMIT_AS, 6 * PAGE)), 4 * PAGE, 4 * PAGE, 5), "ENOMEM"),
            # measured at 65,530 too: what has a new address is refused from 5 areas below the limit on, the rest from 3
            Row(lambda p: p.mremap(among(p, 14), PAGE, PAGE, 3, HIGH), HIGH, {"max_map_count": 20}),
            Row(lambda p: p.mremap(among(p, 15), PAGE, PAGE, 3, HIGH), "ENOMEM", {"max_map_count": 20}),
            Row(lambda p: p.mremap(among(p, 14), PAGE, PAGE, 5, HIGH), HIGH, {"max_map_count": 20}),
            Row(lambda p: p.mremap(among(p, 15), PAGE, PAGE, 5, HIGH), "ENOMEM", {"max_map_count": 20}),
            Row(lambda p: p.mremap(among(p, 16), PAGE, 8 * PAGE, 1) % PAGE, 0, {"max_map_count": 20}),
            Row(lambda p: p.mremap(among(p, 17), PAGE, 8 * PAGE, 1), "ENOMEM", {"max_map_count": 20}),
        ],
    },
)

PAGES = (MPROTECT, MREMAP)
