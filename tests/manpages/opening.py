"""open and unlink."""

from __future__ import annotations

from mmaplab.constants import (
    O_ACCMODE,
    O_APPEND,
    O_ASYNC,
    O_CLOEXEC,
    O_CREAT,
    O_DIRECTORY,
    O_DSYNC,
    O_EXCL,
    O_LARGEFILE,
    O_NOATIME,
    O_NOCTTY,
    O_NOFOLLOW,
    O_NONBLOCK,
    O_PATH,
    O_RDONLY,
    O_RDWR,
    O_SYNC,
    O_TMPFILE,
    O_TRUNC,
    O_WRONLY,
    RLIMIT_NOFILE,
    SEEK_CUR,
)
from mmaplab.interface import Process
from mmaplab.sim import namei
from tests.manpages.files import direct, direct_written, size
from tests.manpages.table import DATA, PAGE, Left, Page, R, Row, mapped


def appended(p: Process) -> tuple[bytes, int]:
    """With O_APPEND every write goes to the end, also one at an offset."""
    fd = p.open("g", O_RDWR | O_APPEND)
    p.pwrite(fd, b"!", 0)
    p.lseek(fd, 2)
    p.write(fd, b"?")
    return p.pread(fd, 99, 0), p.lseek(fd, 0, SEEK_CUR)


def harmless(p: Process, flags: int) -> bytes:
    """Read, write and map through a descriptor with flags that change nothing."""
    fd = p.open("g", O_RDWR | flags)
    p.pwrite(fd, b"A", 0)
    return p.load(p.mmap(0, PAGE, R, 1, fd), 7) + p.read(fd, 2)


def written_through(p: Process, flags: int) -> int:
    """Return the faults of the next store after write() has written the page back: one, where it has."""
    a = mapped(p)
    p.store(a, b"x")
    before = p.faults().minor
    p.pwrite(p.open("f", O_RDWR | flags), b"y", 0)
    p.store(a, b"z")
    return p.faults().minor - before


def path_only(p: Process, call: str, *args: object) -> object:
    return getattr(p, call)(p.open("f", O_PATH | O_RDWR), *args)


def no_more_descriptors(p: Process, call: str, *args: object) -> object:
    """Descriptor 3 is the last that the limit allows."""
    p.setrlimit(RLIMIT_NOFILE, 4)
    p.open("f")
    return getattr(p, call)(*args)


def freed_descriptor(p: Process) -> int:
    p.setrlimit(RLIMIT_NOFILE, 5)
    p.open("f")
    p.open("f")
    p.close(3)
    return p.open("f")


NOT_HERE = Left(namei.do_open)


OPEN = Page(
    "open",
    {
        "O_RDONLY": [Row(lambda p: p.write(p.open("f"), b"x"), "EBADF")],
        "O_WRONLY": [Row(lambda p: p.read(p.open("f", O_WRONLY), 1), "EBADF")],
        "O_RDWR": [Row(lambda p: p.write(p.open("f", O_RDWR), b"x"), 1)],
        "O_ACCMODE neither reading nor writing": [
            Row(lambda p: p.read(p.open("f", O_ACCMODE), 1), "EBADF"),
            Row(lambda p: p.write(p.open("f", O_ACCMODE), b"x"), "EBADF"),
            Row(lambda p: p.ftruncate(p.open("f", O_ACCMODE), 0), "EINVAL"),
            Row(lambda p: p.fsync(p.open("f", O_ACCMODE)), None),
        ],
        "O_APPEND": [Row(appended, (b"another!?", 9)), Row(appended, (b"another!?", 9), file_system="tmpfs")],
        "O_ASYNC": [Row(lambda p: harmless(p, O_ASYNC), b"AnotherAn")],
        "O_CLOEXEC": [Row(lambda p: harmless(p, O_CLOEXEC), b"AnotherAn")],
        "O_CREAT": [
            Row(lambda p: size(p, p.open("new", O_CREAT)), 0),
            Row(lambda p: size(p, p.open("f", O_CREAT)), len(DATA)),
        ],
        "O_DIRECT": [
            Row(lambda p: direct(p, PAGE, 512), b"BBB"),
            Row(lambda p: direct(p, 4 * PAGE, 512), b"tai"),
            Row(lambda p: direct(p, 5 * PAGE, 512), b""),
            Row(lambda p: direct_written(p, PAGE, b"x" * PAGE), (PAGE, b"xxx")),
            Row(lambda p: direct_written(p, 512, b"x" * 512), (512, b"xxx")),
            Row(lambda p: direct(p, 1, 1), b"A", file_system="tmpfs"),
        ],
        "O_DIRECTORY": [
            Row(lambda p: p.open("f", O_DIRECTORY), "ENOTDIR"),
            Row(lambda p: p.open("new", O_DIRECTORY), "ENOENT"),
            Row(lambda p: p.open("new", O_DIRECTORY | O_CREAT), "EINVAL"),
        ],
        "O_DSYNC": [Row(lambda p: written_through(p, O_DSYNC), 1), Row(lambda p: written_through(p, 0), 0)],
        "O_EXCL": [
            Row(lambda p: p.open("f", O_CREAT | O_EXCL), "EEXIST"),
            Row(lambda p: p.open("new", O_CREAT | O_EXCL), 3),
            Row(lambda p: p.open("f", O_EXCL), 3),
        ],
        "O_LARGEFILE": [Row(lambda p: harmless(p, O_LARGEFILE), b"AnotherAn")],
        "O_NOATIME": [Row(lambda p: harmless(p, O_NOATIME), b"AnotherAn")],
        "O_NOCTTY": [Row(lambda p: harmless(p, O_NOCTTY), b"AnotherAn")],
        "O_NOFOLLOW": [Row(lambda p: harmless(p, O_NOFOLLOW), b"AnotherAn")],
        "O_NONBLOCK": [Row(lambda p: harmless(p, O_NONBLOCK), b"AnotherAn")],
        "O_PATH": [
            Row(lambda p: path_only(p, "fstat").st_size, len(DATA)),  # type: ignore[attr-defined]
            Row(lambda p: path_only(p, "dup"), 4),
            Row(lambda p: path_only(p, "close"), None),
            Row(lambda p: path_only(p, "read", 1), "EBADF"),
            Row(lambda p: path_only(p, "pwrite", b"x", 0), "EBADF"),
            Row(lambda p: path_only(p, "lseek", 0), "EBADF"),
            Row(lambda p: path_only(p, "ftruncate", 0), "EBADF"),
            Row(lambda p: path_only(p, "fsync"), "EBADF"),
            Row(lambda p: p.open("new", O_PATH | O_CREAT), "ENOENT"),
            Row(lambda p: (p.open("f", O_PATH | O_TRUNC), size(p, 3))[1], len(DATA)),
            Row(lambda p: p.open("f", O_PATH | O_DIRECTORY), "ENOTDIR"),
        ],
        "O_SYNC": [Row(lambda p: written_through(p, O_SYNC), 1)],
        "O_TMPFILE": [
            Row(lambda p: p.open("f", O_TMPFILE | O_RDWR), "ENOTDIR"),
            Row(lambda p: p.open("f", O_TMPFILE | O_WRONLY), "ENOTDIR"),
            Row(lambda p: p.open("new", O_TMPFILE | O_RDWR), "ENOENT"),
            Row(lambda p: p.open("f", O_TMPFILE & ~O_DIRECTORY | O_RDWR), "EINVAL"),
        ],
        "O_TRUNC": [
            Row(lambda p: size(p, p.open("f", O_TRUNC | O_RDWR)), 0),
            Row(lambda p: size(p, p.open("f", O_TRUNC | O_RDONLY)), 0),
        ],
        "EACCES permissions of users": NOT_HERE,
        "EACCES protected_regular": NOT_HERE,
        "EBADF directory descriptor of openat": NOT_HERE,
        "EBUSY block device": NOT_HERE,
        "EDQUOT": NOT_HERE,
        "EEXIST O_CREAT and O_EXCL": [Row(lambda p: p.open("f", O_CREAT | O_EXCL | O_RDWR), "EEXIST")],
        "EFAULT": NOT_HERE,
        "EFBIG 32-bit program": NOT_HERE,
        "EINTR": NOT_HERE,
        "EINVAL file system without O_DIRECT": NOT_HERE,
        "EINVAL flags": [
            Row(lambda p: p.open("new", O_DIRECTORY | O_CREAT | O_RDWR), "EINVAL"),
            Row(lambda p: harmless(p, 1 << 26), b"AnotherAn"),
        ],
        "EINVAL O_TMPFILE without O_WRONLY or O_RDWR": [Row(lambda p: p.open("f", O_TMPFILE), "EINVAL")],
        "EINVAL name that the file system forbids": NOT_HERE,
        "EINVAL last component of the path": NOT_HERE,
        "EISDIR": NOT_HERE,
        "EISDIR O_TMPFILE on a kernel without it": NOT_HERE,
        "ELOOP symbolic links": NOT_HERE,
        "ELOOP O_NOFOLLOW of a symbolic link": NOT_HERE,
        "EMFILE": [
            Row(lambda p: no_more_descriptors(p, "open", "f"), "EMFILE"),
            Row(lambda p: no_more_descriptors(p, "open", "new"), "EMFILE"),
            Row(freed_descriptor, 3),
        ],
        "ENAMETOOLONG": [
            Row(lambda p: p.open("n" * 256), "ENAMETOOLONG"),
            Row(lambda p: p.open("n" * 256, O_CREAT), "ENAMETOOLONG"),
            Row(lambda p: p.open("é" * 128, O_CREAT), "ENAMETOOLONG"),
            Row(lambda p: p.open("n" * 255, O_CREAT), 3),
        ],
        "ENFILE": NOT_HERE,
        "ENODEV": NOT_HERE,
        "ENOENT no file": [Row(lambda p: p.open("new"), "ENOENT"), Row(lambda p: p.open("new", O_TRUNC | 2), "ENOENT")],
        "ENOENT directory in the path": NOT_HERE,
        "ENOENT O_TMPFILE of what is not there": [Row(lambda p: p.open("new", O_TMPFILE | O_RDWR), "ENOENT")],
        "ENOMEM": NOT_HERE,
        "ENOMEM kernel memory": NOT_HERE,
        "ENOSPC no room for the new file, of which only the data take room": [
            Row(lambda p: p.write(p.open("new", O_CREAT | O_RDWR), bytes(PAGE)), "ENOSPC", {"disk_pages": 6}),
        ],
        "ENOTDIR a component of the path": NOT_HERE,
        "ENOTDIR O_DIRECTORY of a file": [Row(lambda p: p.open("f", O_DIRECTORY), "ENOTDIR")],
        "ENXIO": NOT_HERE,
        "ENXIO a device": NOT_HERE,
        "ENXIO a socket": NOT_HERE,
        "EOPNOTSUPP file system without O_TMPFILE": NOT_HERE,
        "EOVERFLOW 32-bit program": NOT_HERE,
        "EPERM O_NOATIME of another's file": NOT_HERE,
        "EPERM file seal": NOT_HERE,
        "EROFS": NOT_HERE,
        "ETXTBSY": NOT_HERE,
        "ETXTBSY swap file": NOT_HERE,
        "ETXTBSY file that the kernel reads": NOT_HERE,
        "EWOULDBLOCK lease": NOT_HERE,
    },
)


DIRECTORIES = Left(namei.do_unlink)


UNLINK = Page(
    "unlink",
    {
        "DESCRIPTION the name goes, the file stays while somebody uses it": [
            Row(lambda p: (a := mapped(p), p.unlink("f"), p.load(a), p.pread(3, 1, PAGE))[2:], (b"A", b"B")),
            Row(lambda p: (p.unlink("f"), p.open("f"))[1], "ENOENT"),
            Row(lambda p: (p.unlink("g"), p.unlink("g"))[1], "ENOENT"),
            Row(lambda p: (p.open("f"), p.unlink("f"), size(p, p.open("f", O_CREAT)))[2], 0),
        ],
        "AT_REMOVEDIR": DIRECTORIES,
        "EACCES": DIRECTORIES,
        "EBUSY": DIRECTORIES,
        "EFAULT": DIRECTORIES,
        "EIO": DIRECTORIES,
        "EISDIR": DIRECTORIES,
        "EISDIR without AT_REMOVEDIR": DIRECTORIES,
        "ELOOP": DIRECTORIES,
        "ENAMETOOLONG": [Row(lambda p: p.unlink("n" * 256), "ENAMETOOLONG")],
        "ENOENT": [Row(lambda p: p.unlink("new"), "ENOENT"), Row(lambda p: p.unlink(""), "ENOENT")],
        "ENOMEM": DIRECTORIES,
        "ENOTDIR": DIRECTORIES,
        "ENOTDIR AT_REMOVEDIR of a file": DIRECTORIES,
        "EPERM": DIRECTORIES,
        "EPERM of a directory": DIRECTORIES,
        "EPERM or EACCES sticky bit": DIRECTORIES,
        "EPERM immutable": DIRECTORIES,
        "EROFS": DIRECTORIES,
        "EBADF directory descriptor of unlinkat": DIRECTORIES,
        "EINVAL flags of unlinkat": DIRECTORIES,
    },
)

PAGES = (OPEN, UNLINK)
