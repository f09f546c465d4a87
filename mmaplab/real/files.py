"""The private directory of a live kernel, its files, and the page cache below them."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from mmaplab.constants import PAGE_SIZE, Map, Prot
from mmaplab.lab import NotAvailable
from mmaplab.real import libc, procfs

with contextlib.suppress(ImportError):  # not on every system; who uses it has a live Linux
    import fcntl

PREFIX, NEW = "mmaplab-live-", ".mmaplab-new-"
"""How the names of private directories begin: once they have their lock, and for the moment before."""
DISK = ("ext4", "ext3", "ext2", "xfs", "btrfs", "f2fs")
"""File systems with a disk and the ordinary page cache, preferred for experiments."""
SETTLE_SECONDS = 2.0
YOUNG_SECONDS = 60
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""The errors that no other program, but another place, would avoid."""


class NoRoom(OSError, NotAvailable):
    """The disk is full or read-only, or a limit on the sizes of files is reached.

    An experiment that meets it shows its recorded result (`mmaplab.lab`).
    """


def file_system_of(path: str | os.PathLike[str]) -> procfs.MountEntry:
    """Return the mount that holds a path, found by device number, else by the longest mount point."""
    real = os.path.realpath(path)
    device = Path(real).stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    best = procfs.MountEntry("/", "unknown", number)
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for mount in procfs.parse_mountinfo(file.read()):
            inside = real == mount.mount_point or real.startswith(mount.mount_point.rstrip("/") + "/")
            if inside and len(mount.mount_point) >= len(best.mount_point):
                best = mount
    return best


def make_directory(parent: str | os.PathLike[str] | None) -> tuple[str, int]:
    """Make a private directory in `parent`, or (None) where there is a disk; returns its path and a descriptor of it.

    The descriptor holds a lock, which says that the owner lives. What owners that were killed left behind is removed
    first. The path is absolute: the notebook may go to another directory. Raises OSError, NotAvailable.
    """
    parent = os.fspath(parent) if parent is not None else default_parent()
    try:
        absolute = str(Path(parent).absolute())
        sweep(absolute)
        made = tempfile.mkdtemp(prefix=NEW, dir=absolute)
        try:
            return _named(made)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    except OSError as error:
        kind = NoRoom if error.errno in NO_ROOM else type(error)
        raise kind(
            error.errno,
            f"no directory for the live kernel's files can be made in {parent!r} ({error.strerror}): "
            "give another one, directory=...",
        ) from None


def _named(made: str) -> tuple[str, int]:
    """Give a new directory its lock, and only then the name by which `sweep` knows it."""
    fd = os.open(made, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # a file system without locks; nothing is swept away there
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        path = Path(made).with_name(Path(made).name.replace(NEW, PREFIX))
        Path(made).rename(path)
    except BaseException:
        os.close(fd)
        raise
    return str(path), fd


def remove_directory(path: str, fd: int) -> None:
    """Remove a private directory with all its files, then its lock; no error if it is gone."""
    shutil.rmtree(path, ignore_errors=True)
    os.close(fd)


def sweep(parent: str) -> None:
    """Remove the private directories in `parent` whose owners are gone (killed, with no time to tidy up)."""
    old = time.time() - YOUNG_SECONDS
    for path in [*Path(parent).glob(PREFIX + "*"), *Path(parent).glob(NEW + "*")]:
        try:
            if path.name.startswith(NEW) and path.stat().st_mtime > old:
                continue  # it may be about to get its lock
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        except OSError:
            pass
        finally:
            os.close(fd)


def default_parent() -> str:
    """Return a directory of the user's on a file system with a disk, or the best there is; raises NotAvailable."""
    usable = []
    for place in _candidates():
        try:
            place.mkdir(parents=True, exist_ok=True)
            if os.access(place, os.W_OK | os.X_OK):
                usable.append(str(place))
        except OSError:
            continue
    for path in usable:
        if file_system_of(path).fs_type in DISK:
            return path
    if usable:
        return usable[0]
    raise NotAvailable("no directory can be written to, so there is no place for the live kernel's files")


def _candidates() -> Iterator[Path]:
    cache = os.environ.get("XDG_CACHE_HOME")
    with contextlib.suppress(RuntimeError):
        yield (Path(cache) if cache else Path.home() / ".cache") / "mmaplab"
    yield Path(tempfile.gettempdir())
    yield Path("/var/tmp")
    yield Path("/dev/shm")


# ---------------------------------------------------------------- files and their pages


def write_file(path: str, data: bytes, mode: int = 0o644) -> None:
    """Make a file with these bytes, written page by page (so that each page has a folio of its own), on the disk.

    Raises FileExistsError, NoRoom, OSError.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        _write_pages(fd, memoryview(data))
        os.fsync(fd)
    except BaseException as error:
        Path(path).unlink()
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise NoRoom(
                error.errno,
                f"no room for the {len(data):,} bytes of {Path(path).name!r} in {str(Path(path).parent.parent)!r} "
                f"({error.strerror}): make room there, or give another place, directory=...",
            ) from None
        raise
    finally:
        os.close(fd)


def _write_pages(fd: int, data: memoryview) -> None:
    for start in range(0, len(data), PAGE_SIZE):
        page = data[start : start + PAGE_SIZE]
        if os.write(fd, page) != len(page):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def drop_pages(path: str) -> None:
    """Write a file's dirty pages back, then drop what no process maps from the page cache; posix_fadvise(2)."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)


def file_residency(path: str, settle: bool = False) -> list[bool]:
    """Return for each page of a file whether the page cache holds it, asked through a mapping of our own; mincore(2).

    `settle` asks again until two answers, 2 ms apart, agree: readahead goes on after the access that began it.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size
        if not size:
            return []
        at = libc.map_memory(0, size, Prot.PROT_READ, Map.MAP_SHARED, fd)
    finally:
        os.close(fd)
    try:
        answer = libc.page_residency(at, size)
        deadline = time.monotonic() + SETTLE_SECONDS
        while settle and time.monotonic() < deadline:
            time.sleep(0.002)
            before, answer = answer, libc.page_residency(at, size)
            if before == answer:
                break
        return answer
    finally:
        libc.unmap_memory(at, size)


def read_untraced(path: str) -> bytes:
    """Return a file's bytes, and drop from the page cache again what only this reading brought in.

    Dirty pages cannot be dropped: one that was cached without being valid (mm/truncate.c) is valid afterwards.
    """
    before = file_residency(path)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if not all(before):
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
        parts = []
        while part := os.read(fd, 1 << 20):
            parts.append(part)
        for first, length in _gaps(before):
            os.posix_fadvise(fd, first * PAGE_SIZE, length * PAGE_SIZE, os.POSIX_FADV_DONTNEED)
        return b"".join(parts)
    finally:
        os.close(fd)


def _gaps(resident: list[bool]) -> Iterator[tuple[int, int]]:
    """Return (first, length) of the runs of pages that are not resident."""
    first = None
    for i, here in enumerate([*resident, True]):
        if not here and first is None:
            first = i
        elif here and first is not None:
            yield first, i - first
            first = None
