"""read, write, pread (and pwrite), lseek, ftruncate and fsync."""

from __future__ import annotations

from mmaplab.constants import (
    O_CREAT,
    O_DIRECT,
    O_PATH,
    O_RDONLY,
    O_RDWR,
    O_SYNC,
    O_WRONLY,
    RLIMIT_FSIZE,
    SEEK_CUR,
    SEEK_DATA,
    SEEK_END,
    SEEK_HOLE,
    SEEK_SET,
    TASK_SIZE,
)
from mmaplab.interface import Process
from mmaplab.sim import Kernel, readwrite
from tests.manpages.table import DATA, PAGE, Left, Page, Row, mapped

LARGEST_EXT4 = (2**32 - 1) * PAGE
"""Bytes of the largest file on ext4 with blocks of 4096 bytes."""


def size(p: Process, fd: int) -> int:
    return p.fstat(fd).st_size


def direct(p: Process, offset: int, count: int) -> bytes:
    return p.pread(p.open("f", O_RDONLY | O_DIRECT), count, offset)[:3]


def direct_written(p: Process, offset: int, data: bytes) -> tuple[int, bytes]:
    """Write past the page cache, then read through it."""
    written = p.pwrite(p.open("f", O_WRONLY | O_DIRECT), data, offset)
    return written, p.pread(p.open("f"), 3, offset)


def piped(p: Process, *writes: bytes) -> tuple[int, int]:
    ends = p.pipe()
    for data in writes:
        p.write(ends[1], data)
    return ends


def end_of_pipe(p: Process) -> bytes:
    """What was written can be read when the write end is closed; then comes the end."""
    read_end, write_end = piped(p, b"one", b"two")
    p.close(write_end)
    return p.read(read_end, 4) + b"|" + p.read(read_end, 99) + b"|" + p.read(read_end, 99)


def position_moves(p: Process) -> tuple[bytes, int]:
    fd = p.open("f")
    p.read(fd, PAGE - 1)
    return p.read(fd, 2), p.lseek(fd, 0, SEEK_CUR)


def second_block_broken(kernel: Kernel) -> None:
    """The disk can neither read nor write the second page of the file `f`."""
    for direction in ("read", "write"):
        kernel.disk.broken[direction].add((kernel.files.names["f"].ino, 1))


READ = Page(
    "read",
    {
        "DESCRIPTION the position moves by what was read; at the end, 0 bytes": [
            Row(position_moves, (b"AB", PAGE + 1)),
            Row(lambda p: (p.lseek(fd := p.open("f"), 4 * PAGE), p.read(fd, 99), p.read(fd, 99))[1:], (b"tail", b"")),
            Row(lambda p: p.read(p.open("f"), 0), b""),
            Row(end_of_pipe, b"onet|wo|"),
        ],
        "EAGAIN O_NONBLOCK": Left(readwrite.do_read),
        "EAGAIN or EWOULDBLOCK socket": Left(readwrite.do_read),
        "EBADF no descriptor, or not open for reading": [
            Row(lambda p: p.read(77, 1), "EBADF"),
            Row(lambda p: p.read(-1, 1), "EBADF"),
            Row(lambda p: p.read(p.open("f", O_WRONLY), 1), "EBADF"),
            Row(lambda p: p.read(p.open("f", O_WRONLY), 0), "EBADF"),
            Row(lambda p: p.read(p.pipe()[1], 1), "EBADF"),
        ],
        "EFAULT": [
            Row(lambda p: p.read(p.open("f"), 2**63), "EFAULT"),
            Row(lambda p: p.read(p.open("f"), TASK_SIZE + 1), "EFAULT"),
            Row(lambda p: p.read(p.pipe()[0], 2**64 - 1), "EFAULT"),
            Row(lambda p: p.read(p.open("f", O_WRONLY), 2**63), "EBADF"),
        ],
        "EINTR": Left(readwrite.do_read),
        "EINVAL O_DIRECT, not aligned": [
            Row(lambda p: direct(p, 1, 512), "EINVAL"),
            Row(lambda p: direct(p, 0, 100), "EINVAL"),
            Row(lambda p: direct(p, 0, 0), b""),
        ],
        "EINVAL timerfd": Left(readwrite.do_read),
        "EIO": [
            Row(lambda p: p.pread(p.open("f"), 1, PAGE), "EIO", machine=second_block_broken, warm=False),
            Row(lambda p: len(p.read(p.open("f"), 2 * PAGE)), PAGE, machine=second_block_broken, warm=False),
        ],
        "EISDIR": Left(readwrite.do_read),
    },
)


def extended(p: Process) -> tuple[bytes, int]:
    """Write behind the end: what lies between is a hole of zeros."""
    fd = p.open("g", O_RDWR)
    p.pwrite(fd, b"z", 9)
    return p.pread(fd, 99, 0), size(p, fd)


def file_size_limited(p: Process, *calls: tuple[bytes, int]) -> tuple[int, ...]:
    p.setrlimit(RLIMIT_FSIZE, 10)
    fd = p.open("g", O_RDWR)
    return tuple(p.pwrite(fd, data, offset) for data, offset in calls)


def no_reader(p: Process) -> int:
    read_end, write_end = p.pipe()
    p.close(read_end)
    return p.write(write_end, b"x")


def reader_in_the_child(p: Process) -> int:
    read_end, write_end = p.pipe()
    p.fork()
    p.close(read_end)
    return p.write(write_end, b"x")


WRITE = Page(
    "write",
    {
        "DESCRIPTION RLIMIT_FSIZE cuts what is written": [
            Row(lambda p: file_size_limited(p, (b"x" * 9, 7)), (3,)),
            Row(extended, (b"another\0\0z", 10)),
            Row(lambda p: p.write(p.open("f", O_RDWR), b""), 0),
        ],
        "EAGAIN O_NONBLOCK": Left(readwrite.do_write),
        "EAGAIN or EWOULDBLOCK socket": Left(readwrite.do_write),
        "EBADF no descriptor, or not open for writing": [
            Row(lambda p: p.write(77, b"x"), "EBADF"),
            Row(lambda p: p.write(p.open("f"), b"x"), "EBADF"),
            Row(lambda p: p.write(p.open("f"), b""), "EBADF"),
            Row(lambda p: p.write(p.pipe()[0], b"x"), "EBADF"),
        ],
        "EDESTADDRREQ": Left(readwrite.do_write),
        "EDQUOT": Left(readwrite.do_write),
        "EFAULT": Left(readwrite.do_write),
        "EFBIG": [
            Row(lambda p: p.pwrite(p.open("f", O_RDWR), b"x", LARGEST_EXT4), "EFBIG"),
            Row(lambda p: p.pwrite(p.open("f", O_RDWR), b"xy", LARGEST_EXT4 - 1), 1),
            Row(lambda p: p.pwrite(p.open("f", O_RDWR), b"x", 2**62), "EFBIG"),
            Row(lambda p: file_size_limited(p, (b"x", 10)), "EFBIG"),
            Row(lambda p: file_size_limited(p, (b"", 10)), (0,)),
        ],
        "EINTR": Left(readwrite.do_write),
        "EINVAL O_DIRECT, not aligned": [
            Row(lambda p: direct_written(p, 1, b"x" * 512), "EINVAL"),
            Row(lambda p: direct_written(p, 0, b"x"), "EINVAL"),
            Row(lambda p: p.pwrite(p.open("f", O_RDWR), b"x", 2**63 - 1), "EINVAL"),
        ],
        "EIO": [
            Row(lambda p: p.pwrite(p.open("f", O_RDWR | O_SYNC), b"x", PAGE), "EIO", machine=second_block_broken),
            Row(lambda p: p.pwrite(p.open("f", O_RDWR), b"x", PAGE), "EIO", machine=second_block_broken, warm=False),
        ],
        "ENOSPC": [
            Row(lambda p: p.pwrite(p.open("f", O_RDWR), bytes(PAGE), 8 * PAGE), "ENOSPC", {"disk_pages": 6}),
            Row(lambda p: p.pwrite(p.open("f", O_RDWR), bytes(PAGE), 8 * PAGE), "ENOSPC", {"disk_pages": 6}, "tmpfs"),
        ],
        "EPERM file seal": Left(readwrite.do_write),
        "EPIPE": [Row(no_reader, "EPIPE"), Row(reader_in_the_child, 1)],
    },
)

PREAD = Page(
    "pread",
    {
        "DESCRIPTION pread and pwrite leave the position alone": [
            Row(lambda p: (p.pread(fd := p.open("f"), 2, PAGE - 1), p.lseek(fd, 0, SEEK_CUR)), (b"AB", 0)),
            Row(lambda p: (p.pwrite(fd := p.open("f", 2), b"x", 5), p.lseek(fd, 0, SEEK_CUR)), (1, 0)),
            Row(lambda p: p.pread(p.open("f"), 9, 9 * PAGE), b""),
        ],
        "ERRORS of lseek": [
            Row(lambda p: p.pread(p.open("f"), 1, -1), "EINVAL"),
            Row(lambda p: p.pwrite(p.open("f", 2), b"x", -1), "EINVAL"),
            Row(lambda p: p.pread(p.pipe()[0], 1, 0), "ESPIPE"),
            Row(lambda p: p.pwrite(p.pipe()[1], b"x", 0), "ESPIPE"),
            Row(lambda p: p.pread(p.pipe()[0], 1, -1), "EINVAL"),
            Row(lambda p: p.pread(p.pipe()[1], 1, 0), "ESPIPE"),
            Row(lambda p: p.pread(77, 1, -1), "EINVAL"),
            Row(lambda p: p.pwrite(77, b"x", 0), "EBADF"),
            Row(lambda p: p.pread(p.open("f"), 2, 2**63 - 1), "EINVAL"),
        ],
    },
)


def holes(p: Process) -> int:
    """A file of five pages: data in the second and the fourth."""
    fd = p.open("holes", O_CREAT | O_RDWR)
    p.pwrite(fd, b"x", PAGE)
    p.pwrite(fd, b"x" * PAGE, 3 * PAGE)
    p.ftruncate(fd, 5 * PAGE)
    return fd


def seeks(p: Process, *where: tuple[int, int]) -> tuple[int, ...]:
    fd = holes(p)
    return tuple(p.lseek(fd, offset, whence) for offset, whence in where)


DATA_AND_HOLES = ((0, SEEK_DATA), (PAGE + 9, SEEK_DATA), (PAGE * 2, SEEK_DATA), (0, SEEK_HOLE), (PAGE, SEEK_HOLE))
FOUND = (PAGE, PAGE + 9, 3 * PAGE, 0, 2 * PAGE)

LSEEK = Page(
    "lseek",
    {
        "SEEK_SET": [Row(lambda p: p.lseek(p.open("f"), 5, SEEK_SET), 5)],
        "SEEK_CUR": [Row(lambda p: (p.lseek(fd := p.open("f"), 5), p.lseek(fd, -2, SEEK_CUR)), (5, 3))],
        "SEEK_END": [Row(lambda p: p.lseek(p.open("f"), 5, SEEK_END), len(DATA) + 5)],
        "SEEK_DATA": [
            Row(lambda p: seeks(p, *DATA_AND_HOLES), FOUND),
            Row(lambda p: seeks(p, *DATA_AND_HOLES), FOUND, file_system="tmpfs"),
            Row(lambda p: seeks(p, (4 * PAGE, SEEK_DATA)), "ENXIO"),
        ],
        "SEEK_HOLE": [
            Row(lambda p: p.lseek(p.open("f"), 5, SEEK_HOLE), len(DATA)),
            Row(lambda p: seeks(p, (3 * PAGE + 1, SEEK_HOLE), (4 * PAGE + 1, SEEK_HOLE)), (4 * PAGE, 4 * PAGE + 1)),
            Row(lambda p: (p.fsync(fd := holes(p)), p.lseek(fd, PAGE, SEEK_HOLE))[1], 2 * PAGE),
        ],
        "EBADF": [Row(lambda p: p.lseek(77, 0), "EBADF")],
        "EINVAL whence, or a position that is negative or beyond the end of the device": [
            Row(lambda p: p.lseek(p.open("f"), 0, 5), "EINVAL"),
            Row(lambda p: p.lseek(p.open("f"), 0, -1), "EINVAL"),
            Row(lambda p: p.lseek(p.open("f"), -1), "EINVAL"),
            Row(lambda p: p.lseek(p.open("f"), -len(DATA) - 1, SEEK_END), "EINVAL"),
            Row(lambda p: p.lseek(p.open("f"), LARGEST_EXT4 + 1), "EINVAL"),
            Row(lambda p: p.lseek(p.open("f"), LARGEST_EXT4), LARGEST_EXT4),
            Row(lambda p: p.lseek(p.open("f"), 2**63 - 1), 2**63 - 1, file_system="tmpfs"),
            Row(lambda p: p.lseek(p.open("f"), 2**63 - 1, SEEK_END), "EINVAL", file_system="tmpfs"),
        ],
        "ENXIO beyond the end, or no data": [
            Row(lambda p: p.lseek(p.open("f"), len(DATA), SEEK_DATA), "ENXIO"),
            Row(lambda p: p.lseek(p.open("f"), len(DATA), SEEK_HOLE), "ENXIO"),
            Row(lambda p: p.lseek(p.open("f"), -1, SEEK_HOLE), "ENXIO"),
            Row(lambda p: p.lseek(p.open("f"), -1, SEEK_DATA), "ENXIO", file_system="tmpfs"),
        ],
        "EOVERFLOW": Left(readwrite.do_lseek),
        "ESPIPE": [
            Row(lambda p: p.lseek(p.pipe()[0], 0), "ESPIPE"),
            Row(lambda p: p.lseek(p.pipe()[0], 0, 7), "EINVAL"),
        ],
    },
)


def truncated(p: Process, length: int) -> tuple[int, bytes]:
    fd = p.open("g", O_RDWR)
    p.ftruncate(fd, length)
    return size(p, fd), p.pread(fd, 99, 0)


def truncate_limited(p: Process, length: int) -> int:
    p.setrlimit(RLIMIT_FSIZE, 10)
    fd = p.open("f", O_RDWR)
    p.ftruncate(fd, length)
    return size(p, fd)


BY_PATH = Left(readwrite.do_ftruncate)

FTRUNCATE = Page(
    "ftruncate",
    {
        "DESCRIPTION shorter: the rest is lost; longer: zeros": [
            Row(lambda p: truncated(p, 3), (3, b"ano")),
            Row(lambda p: truncated(p, 9), (9, b"another\0\0")),
        ],
        "EACCES": BY_PATH,
        "EFAULT": BY_PATH,
        "EFBIG larger than the largest file": [
            Row(lambda p: p.ftruncate(p.open("f", 2), LARGEST_EXT4 + 1), "EFBIG"),
            Row(lambda p: p.ftruncate(p.open("f", 2), LARGEST_EXT4), None),
            Row(lambda p: truncate_limited(p, len(DATA) + 1), "EFBIG"),
            Row(lambda p: truncate_limited(p, 20), 20),
        ],
        "EINTR": BY_PATH,
        "EINVAL length is negative": [Row(lambda p: p.ftruncate(p.open("f", 2), -1), "EINVAL")],
        "EIO": BY_PATH,
        "EISDIR": BY_PATH,
        "ELOOP": BY_PATH,
        "ENAMETOOLONG": BY_PATH,
        "ENOENT": BY_PATH,
        "ENOTDIR": BY_PATH,
        "EPERM file system that cannot extend": BY_PATH,
        "EPERM file seal": BY_PATH,
        "EROFS": BY_PATH,
        "ETXTBSY": BY_PATH,
        "EBADF no descriptor": [
            Row(lambda p: p.ftruncate(77, 0), "EBADF"),
            Row(lambda p: p.ftruncate(77, -1), "EINVAL"),
        ],
        "EBADF or EINVAL not open for writing": [Row(lambda p: p.ftruncate(p.open("f"), 0), "EINVAL")],
        "EINVAL no regular file": [Row(lambda p: p.ftruncate(p.pipe()[1], 0), "EINVAL")],
        "EINVAL or EBADF O_PATH": [Row(lambda p: p.ftruncate(p.open("f", O_PATH), 0), "EBADF")],
    },
    man="truncate",
)


def cleaned(p: Process) -> int:
    """Return the faults of the first store after fsync: one, since the page is clean again."""
    a = mapped(p)
    p.store(a, b"x")
    before = p.faults().minor
    p.fsync(3)
    p.store(a, b"y")
    return p.faults().minor - before


def written_and_synced(p: Process) -> None:
    fd = p.open("f", O_RDWR)
    p.pwrite(fd, b"x", PAGE)
    p.fsync(fd)


FSYNC = Page(
    "fsync",
    {
        "DESCRIPTION dirty pages are written back": [
            Row(cleaned, 1),
            Row(cleaned, 0, file_system="tmpfs"),
            Row(lambda p: p.fsync(p.memfd_create("m")), None),
        ],
        "EBADF": [Row(lambda p: p.fsync(77), "EBADF"), Row(lambda p: p.fsync(p.open("f", O_PATH)), "EBADF")],
        "EINTR": Left(readwrite.do_fsync),
        "EIO": [
            Row(lambda p: written_and_synced(p), "EIO", machine=second_block_broken),
            Row(lambda p: p.fsync(p.open("f")), None, machine=second_block_broken),
        ],
        "ENOSPC": Left(readwrite.do_fsync),
        "EROFS": Left(readwrite.do_fsync),
        "EINVAL no support for synchronisation": [Row(lambda p: p.fsync(p.pipe()[0]), "EINVAL")],
        "ENOSPC and EDQUOT at write-back": Left(readwrite.do_fsync),
    },
)


PAGES = (READ, WRITE, PREAD, LSEEK, FTRUNCATE, FSYNC)
