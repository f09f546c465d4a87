"""mmap."""

from __future__ import annotations

from mmaplab.constants import (
    MAP_32BIT,
    MAP_ANONYMOUS,
    MAP_DENYWRITE,
    MAP_DROPPABLE,
    MAP_EXECUTABLE,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_GROWSDOWN,
    MAP_HUGETLB,
    MAP_LOCKED,
    MAP_NONBLOCK,
    MAP_NORESERVE,
    MAP_POPULATE,
    MAP_PRIVATE,
    MAP_SHARED,
    MAP_SHARED_VALIDATE,
    MAP_STACK,
    MAP_SYNC,
    MAP_UNINITIALIZED,
    O_ACCMODE,
    O_APPEND,
    O_PATH,
    O_RDONLY,
    O_RDWR,
    O_WRONLY,
    PROT_EXEC,
    PROT_NONE,
    PROT_READ,
    PROT_WRITE,
    RLIMIT_AS,
    RLIMIT_DATA,
    RLIMIT_MEMLOCK,
    RLIMIT_STACK,
    TASK_SIZE,
)
from mmaplab.interface import Process
from mmaplab.sim import mmap
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
    anon,
    answer_of,
    filled,
    firsts,
    mapped,
    perms,
    strip,
)

UNKNOWN = 1 << 25
"""A bit of mmap's flags that means nothing."""
HIGH = 0x7000_0000_0000
"""An address where nothing is mapped."""
NO_LOCK_RIGHT = {"cap_ipc_lock": False}
HUGE = ANON | MAP_HUGETLB
TWO_MIB = 1 << 21
MAP_HUGE_2MB, MAP_HUGE_1GB, MAP_HUGE_64KB = 21 << 26, 30 << 26, 16 << 26


def lock_limited(p: Process, limit: int) -> Process:
    p.setrlimit(RLIMIT_MEMLOCK, limit)
    return p


def limited(p: Process, resource: int, limit: int) -> Process:
    p.setrlimit(resource, limit)
    return p


def executed(p: Process, prot: int) -> None:
    """Store a return instruction, and execute it under other rights."""
    a = anon(p, 1)
    p.store(a, b"\xc3")
    p.mprotect(a, PAGE, prot)
    p.execute(a)


def shared_by_two(p: Process) -> bytes:
    """A child stores; the parent and the file see it."""
    a = mapped(p)
    p.fork().store(a, b"child")
    return p.load(a, 5) + p.pread(p.open("f"), 5, 0)


def private_copy(p: Process) -> bytes:
    a = mapped(p, flags=MAP_PRIVATE)
    p.store(a, b"mine")
    return p.load(a, 4) + p.pread(p.open("f"), 4, 0)


def replaced(p: Process) -> bytes:
    """MAP_FIXED discards the overlapped part."""
    a = filled(p)
    assert p.mmap(a + PAGE, PAGE, RW, ANON | MAP_FIXED) == a + PAGE
    return firsts(p, a)


def overlapped(p: Process) -> int:
    a = filled(p)
    return p.mmap(a + 3 * PAGE, 2 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE)


def grown(p: Process, flags: int = ANON | MAP_GROWSDOWN) -> str:
    """Touch the page below, and its neighbour, and one far below."""
    a = p.mmap(HIGH, PAGE, RW, flags)
    p.store(a - 1, b"x")
    p.load(a - 2 * PAGE)
    return str((a - p.maps()[0].start) // PAGE)


def grown_to_the_gap(p: Process) -> str:
    """A stack-like area stops growing a guard gap (256 pages) above its neighbour."""
    a = p.mmap(HIGH, PAGE, RW, ANON | MAP_GROWSDOWN | MAP_FIXED)
    p.mmap(a - 300 * PAGE, PAGE, RW, ANON | MAP_FIXED)
    p.load(a - 43 * PAGE)
    return alive(p, a - 44 * PAGE, 1)


def stack_limited(p: Process) -> str:
    """RLIMIT_STACK limits every area that grows."""
    a = p.mmap(HIGH, PAGE, RW, ANON | MAP_GROWSDOWN | MAP_FIXED)
    p.setrlimit(RLIMIT_STACK, 3 * PAGE)
    p.load(a - 2 * PAGE)
    return alive(p, a - 3 * PAGE, 1)


def populated(p: Process, flags: int) -> tuple[int, int]:
    """Return the faults of five touches after mmap with these flags."""
    a = p.mmap(0, 5 * PAGE, R, flags, p.open("f"))
    before = p.faults()
    for i in range(5):
        p.load(a + i * PAGE)
    after = p.faults() - before
    return after.minor, after.major


def pipe_mapped(p: Process) -> int:
    read_end, _ = p.pipe()
    return p.mmap(0, PAGE, R, SHARED, read_end)


def opened(p: Process, mode: int, prot: int, flags: int = SHARED) -> None:
    """Map the file through a descriptor of this mode."""
    p.mmap(0, PAGE, prot, flags, p.open("f", mode))


def below_2_gib(p: Process) -> bool:
    return p.mmap(0, PAGE, RW, ANON | MAP_32BIT) < 1 << 31


def droppable(p: Process) -> bytes:
    """A child finds zeros; the memory may be stored to and loaded."""
    a = p.mmap(0, PAGE, RW, MAP_ANONYMOUS | MAP_DROPPABLE)
    p.store(a, b"x")
    return p.load(a) + p.fork().load(a)


def beyond_max_map_count(p: Process) -> None:
    """Every second page has other rights, so that each is an area."""
    a = p.mmap(0, 40 * PAGE, RW, ANON)
    for i in range(0, 40, 2):
        p.mmap(a + i * PAGE, PAGE, R, ANON | MAP_FIXED)


def huge_over(p: Process, flags: int, offset: int = 0) -> tuple[object, str]:
    """Ask for huge pages over the end of an area; the answer, and which of its four pages are alive."""
    p.mmap(HIGH - PAGE, 4 * PAGE, RW, ANON | MAP_FIXED)
    kind = MAP_SHARED if flags & MAP_SHARED else MAP_PRIVATE
    answer = answer_of(lambda p: p.mmap(HIGH, PAGE, RW, kind | flags | MAP_ANONYMOUS | MAP_HUGETLB, -1, offset), p)
    return answer, alive(p, HIGH - PAGE)


MMAP = Page(
    "mmap",
    {
        "PROT_EXEC": [
            Row(lambda p: executed(p, PROT_READ | PROT_EXEC), None),
            Row(lambda p: executed(p, PROT_READ), "SEGV_ACCERR"),
        ],
        "PROT_READ": [
            Row(lambda p: p.load(mapped(p, PROT_READ), 2), b"AA"),
            Row(lambda p: p.store(mapped(p, PROT_READ), b"x"), "SEGV_ACCERR"),
        ],
        "PROT_WRITE": [Row(lambda p: p.load(mapped(p, PROT_WRITE), 2), b"AA")],
        "PROT_NONE": [Row(lambda p: p.load(mapped(p, PROT_NONE)), "SEGV_ACCERR")],
        "MAP_SHARED": [
            Row(shared_by_two, b"childchild"),
            Row(lambda p: p.mmap(0, PAGE, RW, SHARED | UNKNOWN), "EBADF"),
        ],
        "MAP_SHARED_VALIDATE": [
            Row(lambda p: p.load(mapped(p, flags=MAP_SHARED_VALIDATE)), b"A"),
            Row(lambda p: mapped(p, flags=MAP_SHARED_VALIDATE | UNKNOWN), "EOPNOTSUPP"),
            Row(lambda p: p.mmap(HIGH, PAGE, R, MAP_SHARED_VALIDATE | MAP_FIXED_NOREPLACE, p.open("f")), "EOPNOTSUPP"),
            Row(lambda p: p.load(mapped(p, flags=MAP_SHARED | UNKNOWN)), b"A"),
            Row(lambda p: anon(p, flags=MAP_SHARED_VALIDATE | MAP_ANONYMOUS), "EINVAL"),
        ],
        "MAP_PRIVATE": [Row(private_copy, b"mineAAAA")],
        "MAP_32BIT": [Row(below_2_gib, True, free="where below 2 GiB")],
        "MAP_ANON": [Row(lambda p: p.load(anon(p), 3), bytes(3))],
        "MAP_ANONYMOUS": [
            Row(lambda p: p.load(p.mmap(0, PAGE, RW, ANON, 77)), b"\0"),
            Row(lambda p: perms(p) if anon(p, flags=SHARED | MAP_ANONYMOUS) else "", "rw-s"),
        ],
        "MAP_DENYWRITE": [Row(lambda p: p.load(mapped(p, flags=SHARED | MAP_DENYWRITE)), b"A")],
        "MAP_EXECUTABLE": [Row(lambda p: p.load(mapped(p, flags=SHARED | MAP_EXECUTABLE)), b"A")],
        "MAP_FILE": [Row(lambda p: p.load(mapped(p, flags=SHARED | 0)), b"A")],
        "MAP_FIXED": [
            Row(replaced, b"a\0cd"),
            Row(lambda p: p.mmap(HIGH + 1, PAGE, RW, ANON | MAP_FIXED), "EINVAL"),
            Row(lambda p: p.mmap(0, PAGE, RW, ANON | MAP_FIXED), 0, {"cap_sys_rawio": True}),
            Row(lambda p: p.mmap(0, PAGE, RW, ANON | MAP_FIXED), "EPERM", {"cap_sys_rawio": False}),
        ],
        "MAP_FIXED_NOREPLACE": [
            Row(overlapped, "EEXIST"),
            Row(lambda p: p.mmap(HIGH, PAGE, RW, ANON | MAP_FIXED_NOREPLACE), HIGH),
        ],
        "MAP_GROWSDOWN": [
            Row(grown, "2"),
            Row(grown_to_the_gap, "."),
            Row(stack_limited, "."),
            Row(lambda p: grown(p, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN), "EINVAL"),
            Row(lambda p: mapped(p, flags=MAP_PRIVATE | MAP_GROWSDOWN), "EINVAL"),
        ],
        "MAP_HUGETLB": [
            Row(lambda p: anon(p, flags=ANON | MAP_HUGETLB), "ENOMEM"),
            Row(lambda p: mapped(p, flags=SHARED | MAP_HUGETLB), "EINVAL"),
            Row(lambda p: p.mmap(0, 0, RW, SHARED | MAP_HUGETLB, p.open("f")), "EINVAL"),
            Row(lambda p: p.mmap(0, PAGE, RW, MAP_SHARED_VALIDATE | MAP_ANONYMOUS | MAP_HUGETLB), "ENOMEM"),
            Row(lambda p: p.mmap(0, 0, RW, HUGE), "EINVAL"),
            Row(lambda p: p.mmap(0, MINUS_ONE, RW, HUGE), "EINVAL"),  # rounded up to 2 MiB, in 64 bits, it is 0
            Row(lambda p: p.mmap(0, TASK_SIZE, RW, HUGE, -1, PAGE), "ENOMEM"),
            Row(lambda p: p.mmap(0, PAGE, RW, HUGE, -1, PAGE), "EINVAL"),
            Row(lambda p: p.mmap(0, PAGE, RW, HUGE, -1, TWO_MIB), "ENOMEM"),
            Row(lambda p: p.mmap(0, PAGE, RW, HUGE, -1, -PAGE), "EOVERFLOW"),
            Row(lambda p: p.mmap(0, PAGE, RW, MAP_ANONYMOUS | MAP_HUGETLB), "EINVAL"),
            Row(lambda p: p.mmap(0, PAGE, RW, MAP_ANONYMOUS | MAP_HUGETLB | MAP_DROPPABLE), "EINVAL"),
            Row(lambda p: p.mmap(0, PAGE, RW, HUGE | MAP_GROWSDOWN), "EINVAL"),
            Row(lambda p: p.mmap(0, PAGE, RW, HUGE | MAP_SHARED_VALIDATE | MAP_SYNC), "EOPNOTSUPP"),
            Row(lambda p: p.mmap(HIGH + PAGE, PAGE, RW, HUGE | MAP_FIXED), "EINVAL"),
            Row(lambda p: p.mmap(HIGH + PAGE, TASK_SIZE + PAGE, RW, HUGE | MAP_FIXED), "ENOMEM"),
            Row(lambda p: p.mmap(MINUS_ONE - PAGE + 1, PAGE, RW, HUGE | MAP_FIXED), "EINVAL"),
            Row(lambda p: p.mmap(TASK_SIZE & -TWO_MIB, PAGE, RW, HUGE | MAP_FIXED), "ENOMEM"),
            Row(lambda p: p.mmap(0, PAGE, RW, HUGE | MAP_FIXED), "EPERM", {"cap_sys_rawio": False}),
            Row(lambda p: huge_over(p, MAP_FIXED), ("ENOMEM", "x...")),
            Row(lambda p: huge_over(p, MAP_FIXED | MAP_LOCKED), ("ENOMEM", "x...")),
            Row(lambda p: huge_over(p, MAP_FIXED, PAGE), ("EINVAL", "x...")),
            Row(lambda p: huge_over(p, MAP_FIXED | MAP_GROWSDOWN), ("EINVAL", "xxxx")),
            Row(lambda p: huge_over(p, MAP_FIXED | MAP_SHARED), ("ENOMEM", "x...")),
            Row(lambda p: huge_over(p, MAP_FIXED | MAP_HUGE_1GB), ("ENOMEM", "x...")),
            Row(lambda p: huge_over(p, MAP_FIXED_NOREPLACE), ("EEXIST", "xxxx")),
            Row(lambda p: huge_over(limited(p, RLIMIT_AS, TWO_MIB), MAP_FIXED), ("ENOMEM", "xxxx")),
            Row(lambda p: huge_over(p, 0), ("ENOMEM", "xxxx")),
        ],
        "MAP_HUGE_2MB": [
            Row(lambda p: anon(p, flags=ANON | MAP_HUGETLB | MAP_HUGE_2MB), "ENOMEM"),
            Row(lambda p: anon(p, flags=ANON | MAP_HUGETLB | MAP_HUGE_64KB), "EINVAL"),
        ],
        "MAP_HUGE_1GB": [Row(lambda p: anon(p, flags=ANON | MAP_HUGETLB | MAP_HUGE_1GB), "ENOMEM")],
        "MAP_LOCKED": [
            Row(lambda p: strip(p.mincore(anon(p, flags=ANON | MAP_LOCKED), 4 * PAGE)), "xxxx"),
            Row(lambda p: anon(lock_limited(p, 3 * PAGE), flags=ANON | MAP_LOCKED), "EAGAIN", NO_LOCK_RIGHT),
            Row(lambda p: anon(lock_limited(p, 0), flags=ANON | MAP_LOCKED), "EPERM", NO_LOCK_RIGHT),
            Row(lambda p: mapped(p, flags=SHARED | MAP_LOCKED, pages=9) % PAGE, 0),
        ],
        "MAP_NONBLOCK": [Row(lambda p: strip(p.mincore(anon(p, 2, ANON | MAP_POPULATE | MAP_NONBLOCK), 8192)), "..")],
        "MAP_NORESERVE": [
            Row(lambda p: anon(p, 16 << 30 >> 2, ANON | MAP_NORESERVE) % PAGE, 0),
            Row(lambda p: anon(p, (TASK_SIZE >> 13), ANON), "ENOMEM"),
            Row(lambda p: anon(p, (TASK_SIZE >> 13), ANON | MAP_NORESERVE) % PAGE, 0),
        ],
        "MAP_POPULATE": [
            Row(lambda p: populated(p, SHARED | MAP_POPULATE), (0, 0)),
            Row(lambda p: populated(p, SHARED), (1, 0)),
            Row(lambda p: mapped(p, flags=SHARED | MAP_POPULATE, pages=9) % PAGE, 0),
        ],
        "MAP_STACK": [Row(lambda p: p.load(anon(p, flags=ANON | MAP_STACK)), b"\0")],
        "MAP_SYNC": [
            Row(lambda p: mapped(p, flags=MAP_SHARED_VALIDATE | MAP_SYNC), "EOPNOTSUPP"),
            Row(lambda p: mapped(p, flags=MAP_SHARED_VALIDATE | MAP_SYNC), "EOPNOTSUPP", file_system="tmpfs"),
            Row(lambda p: mapped(p, flags=MAP_SHARED | MAP_SYNC), "EOPNOTSUPP"),  # the page says: silently ignored
            Row(lambda p: mapped(p, flags=MAP_PRIVATE | MAP_SYNC), "EOPNOTSUPP"),
            Row(lambda p: p.load(mapped(p, flags=MAP_SHARED | MAP_SYNC)), b"A", file_system="tmpfs"),
        ],
        "MAP_UNINITIALIZED": [Row(lambda p: p.load(anon(p, flags=ANON | MAP_UNINITIALIZED), 9), bytes(9))],
        "MAP_DROPPABLE since Linux 6.11, in man-pages 6.10 and later": [
            Row(droppable, b"x\0", {"map_droppable": True}),
            Row(lambda p: mapped(p, flags=MAP_DROPPABLE), "EINVAL"),
            Row(lambda p: anon(p, flags=MAP_ANONYMOUS | MAP_DROPPABLE | MAP_LOCKED), "EINVAL"),
            Row(lambda p: anon(p, flags=MAP_ANONYMOUS | MAP_DROPPABLE | MAP_GROWSDOWN), "EINVAL"),
            Row(
                lambda p: p.mlock(anon(p, flags=MAP_ANONYMOUS | MAP_DROPPABLE), PAGE),
                None,
                {"map_droppable": True},
            ),
        ],
        "EACCES not open for reading, or not for writing what is shared": [
            Row(lambda p: opened(p, O_WRONLY, PROT_WRITE), "EACCES"),
            Row(lambda p: opened(p, O_WRONLY, PROT_WRITE, PRIVATE), "EACCES"),
            Row(lambda p: opened(p, O_RDONLY, RW), "EACCES"),
            Row(lambda p: opened(p, O_RDONLY, RW, PRIVATE), None),
            Row(lambda p: opened(p, O_ACCMODE, R), "EACCES"),
            Row(lambda p: opened(p, O_RDWR | O_APPEND, RW), None),
        ],
        "EAGAIN too much memory has been locked": [
            Row(lambda p: anon(lock_limited(p, PAGE), 2, flags=ANON | MAP_LOCKED), "EAGAIN", NO_LOCK_RIGHT),
            Row(lambda p: anon(lock_limited(p, PAGE), 2, flags=ANON | MAP_LOCKED) % PAGE, 0, {"cap_ipc_lock": True}),
        ],
        "EBADF no descriptor": [
            Row(lambda p: p.mmap(0, PAGE, R, SHARED, 77), "EBADF"),
            Row(lambda p: p.mmap(0, PAGE, R, SHARED, -1), "EBADF"),
            Row(lambda p: p.mmap(0, 0, R, SHARED, 77), "EBADF"),
            Row(lambda p: opened(p, O_PATH, R), "EBADF"),
        ],
        "EEXIST MAP_FIXED_NOREPLACE clashes": [Row(overlapped, "EEXIST")],
        "EINVAL not aligned": [
            Row(lambda p: p.mmap(0, PAGE, R, SHARED, p.open("f"), 512), "EINVAL"),
            Row(lambda p: p.mmap(0, PAGE, R, ANON, -1, 512), "EINVAL"),
            Row(lambda p: p.mmap(HIGH + 512, PAGE, R, ANON), HIGH),
        ],
        "EINVAL length is 0": [Row(lambda p: p.mmap(0, 0, R, ANON), "EINVAL")],
        "EINVAL no type": [
            Row(lambda p: p.mmap(0, PAGE, R, MAP_ANONYMOUS), "EINVAL"),
            Row(lambda p: mapped(p, flags=0), "EINVAL"),
            Row(lambda p: mapped(p, flags=4), "EINVAL"),
            Row(lambda p: anon(p, flags=MAP_ANONYMOUS | 15), "EINVAL"),
        ],
        "ENFILE open files of the system": Left(mmap.do_mmap),
        "ENODEV cannot be mapped": [Row(pipe_mapped, "ENODEV")],
        "ENOMEM no memory": [
            Row(lambda p: p.mmap(0, TASK_SIZE, R, PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE), "ENOMEM"),
            Row(lambda p: p.mmap(0, MINUS_ONE, R, ANON), "ENOMEM"),
            Row(lambda p: p.mmap(0, 2**63, R, ANON), "ENOMEM"),
            Row(lambda p: anon(limited(p, RLIMIT_AS, 3 * PAGE)), "ENOMEM"),
        ],
        "ENOMEM max_map_count": [
            Row(beyond_max_map_count, "ENOMEM", {"max_map_count": 20}),
            Row(beyond_max_map_count, None, {"max_map_count": 65530}),
        ],
        "ENOMEM RLIMIT_DATA": [
            Row(lambda p: anon(limited(p, RLIMIT_DATA, 3 * PAGE)), "ENOMEM"),
            Row(lambda p: anon(limited(p, RLIMIT_DATA, 3 * PAGE), prot=R) % PAGE, 0),
            Row(lambda p: p.mprotect(anon(limited(p, RLIMIT_DATA, 3 * PAGE), prot=R), 4 * PAGE, RW), "ENOMEM"),
        ],
        "ENOMEM address beyond the address space": [
            Row(lambda p: p.mmap(TASK_SIZE, PAGE, R, ANON | MAP_FIXED), "ENOMEM"),
            Row(lambda p: p.mmap(TASK_SIZE - PAGE, 2 * PAGE, R, ANON | MAP_FIXED), "ENOMEM"),
            Row(lambda p: p.mmap(TASK_SIZE, PAGE, R, ANON) < TASK_SIZE, True),
        ],
        "EOVERFLOW offset and length": [
            Row(lambda p: p.mmap(0, PAGE, R, SHARED, p.open("f"), -PAGE), "EOVERFLOW"),
            Row(lambda p: p.mmap(0, 2 * PAGE, R, SHARED, p.open("f"), 2**63 - PAGE), "EOVERFLOW"),
            Row(lambda p: p.mmap(0, PAGE, R, SHARED, p.pipe()[0], -PAGE), "EOVERFLOW"),
            Row(lambda p: p.mmap(0, PAGE, R, SHARED, p.pipe()[0], -2 * PAGE), "ENODEV"),
        ],
        "EPERM no-exec mount": Left(mmap.do_mmap),
        "EPERM file seal": Left(mmap.do_mmap),
        "EPERM MAP_HUGETLB without a privilege": Left(mmap.do_mmap),
        "ETXTBSY MAP_DENYWRITE, which is ignored": [
            Row(lambda p: opened(p, O_RDWR, RW, SHARED | MAP_DENYWRITE), None),
        ],
        "SIGSEGV store to a read-only region": [Row(lambda p: p.store(mapped(p, R), b"x"), "SEGV_ACCERR")],
        "SIGBUS beyond the end of the file": [
            Row(lambda p: p.load(mapped(p, pages=6) + 5 * PAGE), "BUS_ADRERR"),
            Row(lambda p: p.load(mapped(p) + 4 * PAGE + 4, 3), bytes(3)),
        ],
    },
)


PAGES = (MMAP,)
