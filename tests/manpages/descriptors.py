"""memfd_create, dup and pipe."""

from __future__ import annotations

from mmaplab.constants import RLIMIT_NOFILE
from mmaplab.interface import Process
from mmaplab.sim import namei
from tests.manpages.files import piped
from tests.manpages.opening import no_more_descriptors
from tests.manpages.table import PAGE, RW, SHARED, Left, Page, Row


def memory_file(p: Process) -> tuple[bytes, str]:
    fd = p.memfd_create("note")
    p.ftruncate(fd, PAGE)
    a = p.mmap(0, PAGE, RW, SHARED, fd)
    p.store(a, b"in memory")
    return p.pread(fd, 9, 0), p.maps()[0].path


NOT_HERE = Left(namei.do_memfd_create)

MEMFD_CREATE = Page(
    "memfd_create",
    {
        "DESCRIPTION a file in memory without a name, open for reading and writing": [
            Row(memory_file, (b"in memory", "/memfd:note (deleted)")),
            Row(lambda p: p.memfd_create("same") != p.memfd_create("same"), True),
            Row(lambda p: p.fstat(p.memfd_create("")).st_size, 0),
        ],
        "MFD_CLOEXEC": NOT_HERE,
        "MFD_ALLOW_SEALING": NOT_HERE,
        "MFD_HUGETLB": NOT_HERE,
        "MFD_HUGE_2MB": NOT_HERE,
        "EFAULT": NOT_HERE,
        "EINVAL unknown flags": NOT_HERE,
        "EINVAL name of more than 249 bytes": [
            Row(lambda p: p.memfd_create("n" * 250), "EINVAL"),
            Row(lambda p: p.memfd_create("é" * 125), "EINVAL"),
            Row(lambda p: p.memfd_create("n" * 249), 3),
            Row(lambda p: p.memfd_create("a/b"), 3),
        ],
        "EINVAL MFD_HUGETLB with MFD_ALLOW_SEALING": NOT_HERE,
        "EMFILE": [Row(lambda p: no_more_descriptors(p, "memfd_create", "m"), "EMFILE")],
        "ENFILE": NOT_HERE,
        "ENOMEM": NOT_HERE,
        "EPERM MFD_HUGETLB": NOT_HERE,
    },
)


def one_position(p: Process) -> bytes:
    """Both descriptors share the position."""
    fd = p.open("f")
    other = p.dup(fd)
    p.lseek(fd, PAGE)
    p.close(fd)
    return p.read(other, 1)


def lowest(p: Process) -> int:
    for _ in range(3):
        p.open("f")
    p.close(4)
    return p.dup(5)


DUP2 = Left(namei.do_dup)

DUP = Page(
    "dup",
    {
        "DESCRIPTION the lowest free number for the same open file": [Row(one_position, b"B"), Row(lowest, 4)],
        "EBADF oldfd": [Row(lambda p: p.dup(77), "EBADF"), Row(lambda p: p.dup(-1), "EBADF")],
        "EBADF newfd out of range": DUP2,
        "EBUSY": DUP2,
        "EINTR": DUP2,
        "EINVAL flags of dup3": DUP2,
        "EINVAL equal descriptors": DUP2,
        "EMFILE": [
            Row(lambda p: no_more_descriptors(p, "dup", 3), "EMFILE"),
            Row(lambda p: no_more_descriptors(p, "dup", 77), "EBADF"),
        ],
        "ENOMEM": DUP2,
    },
)


def in_order(p: Process) -> bytes:
    read_end, _ = piped(p, b"one", b"", b"two", b"x" * PAGE)
    return p.read(read_end, 5) + p.read(read_end, PAGE)[:3]


def through_a_child(p: Process) -> bytes:
    """A child writes, and its parent reads to the end."""
    read_end, write_end = p.pipe()
    child = p.fork()
    p.close(write_end)
    child.write(write_end, b"from the child")
    child.exit()
    return p.read(read_end, 99) + b"." + p.read(read_end, 99)


def full(p: Process) -> int:
    """16 pages fit; the first part of a write goes to the page that the last one has begun."""
    read_end, write_end = p.pipe()
    p.write(write_end, b"x" * 100)
    p.write(write_end, b"y" * (15 * PAGE + 3996))
    return len(p.read(read_end, 1 << 20))


def one_descriptor_left(p: Process) -> object:
    p.setrlimit(RLIMIT_NOFILE, 4)
    return p.pipe()


PIPE2 = Left(namei.do_pipe)

PIPE = Page(
    "pipe",
    {
        "DESCRIPTION bytes in order from the write end to the read end": [
            Row(lambda p: p.pipe(), (3, 4)),
            Row(in_order, b"onetwoxxx"[:5] + b"oxx"),
            Row(through_a_child, b"from the child."),
            Row(full, 16 * PAGE),
            Row(lambda p: p.fstat(p.pipe()[0]).st_size, 0),
        ],
        "O_CLOEXEC": PIPE2,
        "O_DIRECT": PIPE2,
        "O_NONBLOCK": PIPE2,
        "O_NOTIFICATION_PIPE": PIPE2,
        "EFAULT": PIPE2,
        "EINVAL flags of pipe2": PIPE2,
        "EMFILE": [
            Row(lambda p: no_more_descriptors(p, "pipe"), "EMFILE"),
            Row(one_descriptor_left, "EMFILE"),
        ],
        "ENFILE": PIPE2,
        "ENFILE memory for pipes": PIPE2,
        "ENOPKG": PIPE2,
    },
)

PAGES = (MEMFD_CREATE, DUP, PIPE)
