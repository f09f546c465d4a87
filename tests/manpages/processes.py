"""brk, fork and setrlimit."""

from __future__ import annotations

from mmaplab.constants import (
    MAP_ANONYMOUS,
    MAP_GROWSDOWN,
    MAP_SHARED,
    RLIM_INFINITY,
    RLIMIT_AS,
    RLIMIT_CORE,
    RLIMIT_CPU,
    RLIMIT_DATA,
    RLIMIT_FSIZE,
    RLIMIT_LOCKS,
    RLIMIT_MEMLOCK,
    RLIMIT_MSGQUEUE,
    RLIMIT_NICE,
    RLIMIT_NOFILE,
    RLIMIT_NPROC,
    RLIMIT_RSS,
    RLIMIT_RTPRIO,
    RLIMIT_RTTIME,
    RLIMIT_SIGPENDING,
    RLIMIT_STACK,
    TASK_SIZE,
)
from mmaplab.interface import Process
from mmaplab.sim import fork, rlimit
from tests.manpages.table import (
    ANON,
    MINUS_ONE,
    PAGE,
    RW,
    Left,
    Page,
    R,
    Row,
    after,
    alive,
    among,
    anon,
    filled,
    firsts,
    perms,
)

HIGH = 0x7000_0000_0000


def moved_break(p: Process, *distances: int) -> tuple[int, ...]:
    """Move the break by so many bytes, each counted from where it began; return where it is each time."""
    start = p.brk(0)
    return tuple(p.brk((start + distance) % 2**64) - start for distance in distances)


def heap(p: Process) -> tuple[str, bytes]:
    start = p.brk(0)
    p.brk(start + 100)
    p.store(start, b"heap")
    return p.maps()[0].path, p.load(start, 4)


MUCH = 64 << 20
"""More than any Python's own data, which RLIMIT_DATA counts as well."""


def break_limited(p: Process, resource: int, limit: int) -> tuple[int, ...]:
    p.setrlimit(resource, limit)
    return moved_break(p, limit // 2, limit + PAGE)


def break_meets_an_area(p: Process) -> tuple[int, ...]:
    start = p.brk(0)
    p.mmap((start + 4 * PAGE) & -PAGE, PAGE, RW, ANON)
    return moved_break(p, PAGE, 5 * PAGE)


BRK = Page(
    "brk",
    {
        "DESCRIPTION the break moves both ways, and the heap with it": [
            Row(lambda p: moved_break(p, 3 * PAGE, PAGE, 0, 10), (3 * PAGE, PAGE, 0, 10)),
            Row(heap, ("[heap]", b"heap")),
        ],
        "ENOMEM the break stays where it is": [
            Row(lambda p: moved_break(p, -PAGE, TASK_SIZE, MINUS_ONE), (0, 0, 0)),
            Row(lambda p: break_limited(p, RLIMIT_DATA, MUCH), (MUCH // 2, MUCH // 2)),
            Row(lambda p: break_limited(p, RLIMIT_AS, 2 * PAGE), (PAGE, PAGE)),
            Row(break_meets_an_area, (PAGE, PAGE)),
            Row(lambda p: moved_break(after(p, among(p, 20)), PAGE), (PAGE,), {"max_map_count": 20}),
            Row(lambda p: moved_break(after(p, among(p, 21)), PAGE), (0,), {"max_map_count": 20}),
        ],
    },
)


def copy_on_write(p: Process) -> tuple[bytes, bytes]:
    a = filled(p)
    child = p.fork()
    child.store(a, b"child")
    p.store(a + PAGE, b"parent")
    return firsts(p, a), firsts(child, a)


def shared_memory(p: Process) -> bytes:
    a = anon(p, flags=MAP_SHARED | MAP_ANONYMOUS)
    p.fork().store(a, b"child")
    return p.load(a, 5)


def not_inherited(p: Process) -> tuple[int, int]:
    """The child has no memory locks, and its faults are counted from 0."""
    a = filled(p)
    p.mlock(a, 4 * PAGE)
    child = p.fork()
    child.madvise(a, PAGE, 4)
    return child.faults().minor, child.faults().major


def one_position(p: Process) -> bytes:
    fd = p.open("f")
    p.fork().read(fd, PAGE)
    return p.read(fd, 1)


def own_descriptors(p: Process) -> int:
    fd = p.open("f")
    child = p.fork()
    child.close(fd)
    return p.lseek(fd, 0)


def limits_inherited(p: Process) -> int:
    p.setrlimit(RLIMIT_AS, 64 * PAGE)
    return p.fork().mmap(0, 65 * PAGE, RW, ANON)


NOT_HERE = Left(fork.dup_mmap)

FORK = Page(
    "fork",
    {
        "DESCRIPTION what the child has of its own, and what it shares": [
            Row(copy_on_write, (b"apcd", b"cbcd")),
            Row(shared_memory, b"child"),
            Row(not_inherited, (0, 0)),
            Row(one_position, b"B"),
            Row(own_descriptors, 0),
            Row(limits_inherited, "ENOMEM"),
            Row(lambda p: perms(p.fork()) if filled(p) else "", "rw-p"),
        ],
        "EAGAIN number of processes": NOT_HERE,
        "EAGAIN SCHED_DEADLINE": NOT_HERE,
        "ENOMEM memory is tight": NOT_HERE,
        "ENOMEM PID namespace": NOT_HERE,
        "ENOSYS": NOT_HERE,
        "ERESTARTNOINTR": NOT_HERE,
    },
)


def limited(p: Process, resource: int, limit: int) -> Process:
    p.setrlimit(resource, limit)
    return p


def limit_set(resource: int, limit: int = 0) -> list[Row]:
    """A limit that can be set, and that nothing here is held by."""
    return [Row(lambda p: (limited(p, resource, limit), alive(p, filled(p)))[1], "xxxx")]


def stack(p: Process) -> str:
    p.setrlimit(RLIMIT_STACK, 2 * PAGE)
    a = p.mmap(HIGH, PAGE, RW, ANON | MAP_GROWSDOWN)
    return alive(p, a - PAGE, 2) + alive(p, a - 2 * PAGE, 1)


def over_the_limit(p: Process) -> bytes:
    """A limit below what the process has takes nothing away."""
    a = filled(p)
    p.setrlimit(RLIMIT_AS, PAGE)
    p.store(a, b"still")
    return p.load(a, 5)


NOTHING = Left(rlimit.do_prlimit)

SETRLIMIT = Page(
    "setrlimit",
    {
        "RLIMIT_AS": [
            Row(lambda p: anon(limited(p, RLIMIT_AS, 3 * PAGE)), "ENOMEM"),
            Row(lambda p: anon(limited(p, RLIMIT_AS, 3 * PAGE), 3) % PAGE, 0),
            Row(over_the_limit, b"still"),
            Row(lambda p: (limited(p, RLIMIT_AS, PAGE), limited(p, RLIMIT_AS, RLIM_INFINITY), anon(p) % PAGE)[2], 0),
        ],
        "RLIMIT_CORE": limit_set(RLIMIT_CORE),
        "RLIMIT_CPU": limit_set(RLIMIT_CPU, 1000),
        "RLIMIT_DATA": [
            Row(lambda p: anon(limited(p, RLIMIT_DATA, 3 * PAGE)), "ENOMEM"),
            Row(lambda p: anon(limited(p, RLIMIT_DATA, 3 * PAGE), prot=R) % PAGE, 0),
            Row(lambda p: anon(limited(p, RLIMIT_DATA, 3 * PAGE), flags=MAP_SHARED | MAP_ANONYMOUS) % PAGE, 0),
        ],
        "RLIMIT_FSIZE": [Row(lambda p: limited(p, RLIMIT_FSIZE, 9).pwrite(p.open("g", 2), b"xyz", 7), 2)],
        "RLIMIT_LOCKS": limit_set(RLIMIT_LOCKS),
        "RLIMIT_MEMLOCK": [
            Row(lambda p: p.mlock(anon(limited(p, RLIMIT_MEMLOCK, PAGE)), 2 * PAGE), "ENOMEM", {"cap_ipc_lock": False}),
            Row(lambda p: p.mlock(anon(limited(p, RLIMIT_MEMLOCK, PAGE)), 2 * PAGE), None, {"cap_ipc_lock": True}),
        ],
        "RLIMIT_MSGQUEUE": limit_set(RLIMIT_MSGQUEUE),
        "RLIMIT_NICE": limit_set(RLIMIT_NICE),
        "RLIMIT_NOFILE": [
            Row(lambda p: limited(p, RLIMIT_NOFILE, 3).open("f"), "EMFILE"),
            Row(lambda p: limited(p, RLIMIT_NOFILE, 4).open("f"), 3),
            Row(lambda p: (p.open("f"), limited(p, RLIMIT_NOFILE, 0).read(3, 1))[1], b"A"),
        ],
        "RLIMIT_NPROC": limit_set(RLIMIT_NPROC),
        "RLIMIT_RSS": limit_set(RLIMIT_RSS),
        "RLIMIT_RTPRIO": limit_set(RLIMIT_RTPRIO),
        "RLIMIT_RTTIME": limit_set(RLIMIT_RTTIME),
        "RLIMIT_SIGPENDING": limit_set(RLIMIT_SIGPENDING),
        "RLIMIT_STACK": [Row(stack, "xx.")],
        "EFAULT": NOTHING,
        "EINVAL no such resource, or above the hard limit": [
            Row(lambda p: p.setrlimit(16, 0), "EINVAL"),
            Row(lambda p: p.setrlimit(-1, 0), "EINVAL"),
            Row(lambda p: p.setrlimit(RLIMIT_NOFILE, RLIM_INFINITY), "EINVAL"),
            Row(lambda p: p.setrlimit(RLIMIT_AS, RLIM_INFINITY), None),
        ],
        "EPERM raising the hard limit": NOTHING,
        "EPERM above nr_open": NOTHING,
        "EPERM another process": NOTHING,
        "ESRCH": NOTHING,
    },
)

PAGES = (BRK, FORK, SETRLIMIT)
