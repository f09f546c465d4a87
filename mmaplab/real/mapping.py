"""Files mapped into this very process, with all that mmap(2) can do, and their pages in the page cache.

with warm_file(1024) as path, file_mapping(path) as m:
    m.array[::4096].sum()               a NumPy view of the mapping: no byte is copied
    cached(path).dirty                  pages of the file that differ from the disk
"""

from __future__ import annotations

import ctypes
import errno
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from mmaplab.constants import PAGE_SIZE, Map, Prot
from mmaplab.lab import NotAvailable
from mmaplab.real import files, libc

Path = str | os.PathLike[str]
OVERLAYFS_SUPER_MAGIC = 0x794C_7630
"""The type of file system that statfs(2) tells; include/uapi/linux/magic.h."""


@dataclass(frozen=True, slots=True)
class CacheStat:
    """Pages of a file in the page cache, and what became of others; cachestat(2)."""

    cached: int
    dirty: int
    writeback: int
    evicted: int
    recently_evicted: int


class FileMapping:
    """A mapping of this process: `address` and `length` in bytes, `array` a NumPy view of its bytes.

    It is unmapped at the end of a `with` block or by `close()`, but never while an array still shows it. If the file
    is made shorter meanwhile, touching the lost pages ends this process with SIGBUS.
    """

    def __init__(self, address: int, length: int, prot: int) -> None:
        self.address, self.length, self.prot = address, length, prot
        self._memory: ctypes.Array[ctypes.c_ubyte] | None = (ctypes.c_ubyte * length).from_address(address)
        weakref.finalize(self._memory, libc.unmap_memory, address, length).atexit = False

    @property
    def memory(self) -> ctypes.Array[ctypes.c_ubyte]:
        """The bytes for ctypes; raises ValueError where the mapping is closed."""
        if self._memory is None:
            raise ValueError("this mapping is closed: its addresses may be somebody else's now")
        return self._memory

    @property
    def array(self) -> Any:
        """A NumPy array of the bytes (uint8), without a copy; read-only unless the mapping may be written."""
        import numpy

        view = memoryview(self.memory)
        return numpy.frombuffer(view if self.prot & Prot.PROT_WRITE else view.toreadonly(), dtype=numpy.uint8)

    def advise(self, advice: int) -> None:
        """Advise the kernel about the mapping; madvise(2). Raises OSError."""
        libc.check(libc.function("madvise")(ctypes.addressof(self.memory), self.length, advice), "madvise")

    def close(self) -> None:
        """Unmap, as soon as no array shows the mapping any more."""
        self._memory = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        return self.length


def file_mapping(
    path: Path,
    length: int | None = None,
    offset: int = 0,
    prot: int = Prot.PROT_READ,
    flags: int = Map.MAP_SHARED,
    advice: int | None = None,
) -> FileMapping:
    """Map a file into this process; mmap(2), mm/mmap.c: do_mmap.

    `length` and `offset` in bytes, by default the whole file; `flags` may hold what Python's own mmap lacks, for
    example MAP_POPULATE; `advice` is given to madvise at once. Raises OSError, NotAvailable, and ValueError where there
    is no byte to map.
    """
    libc.require_linux()
    writes = prot & Prot.PROT_WRITE and flags & Map.MAP_SHARED
    fd = os.open(path, (os.O_RDWR if writes else os.O_RDONLY) | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size - offset if length is None else length
        if size <= 0:
            raise ValueError(f"{os.fspath(path)!r} from byte {offset}, {size} bytes: a mapping needs one byte at least")
        mapping = FileMapping(libc.map_memory(0, size, prot, flags, fd, offset), size, prot)
    finally:
        os.close(fd)
    if advice is not None:
        mapping.advise(advice)
    return mapping


@contextmanager
def warm_file(pages: int, directory: Path | None = None) -> Iterator[str]:
    """Make a file of `pages` pages, cached one by one and clean, for a `with` block; gives its path.

    It lies on a disk where the user has one. Raises OSError, NotAvailable, and ValueError for a negative number.
    """
    libc.require_linux()
    if pages < 0:
        raise ValueError(f"warm_file of {pages} pages: give a number that is not negative")
    made, lock = files.make_directory(directory)
    try:
        path = f"{made}/warm.bin"
        files.write_file(path, b"".join(i.to_bytes(8, "little") * (PAGE_SIZE // 8) for i in range(pages)))
        yield path
    finally:
        files.remove_directory(made, lock)


def drop_cache(path: Path) -> None:
    """Write a file's dirty pages back and drop all that no process maps; posix_fadvise(2), mm/fadvise.c."""
    libc.require_linux()
    files.drop_pages(os.fspath(path))


def cached(file: Path | int) -> CacheStat:
    """Return how many pages of a file (a path or a descriptor) are cached, dirty, under writeback.

    cachestat(2), mm/filemap.c: filemap_cachestat; from Linux 6.5. Raises NotAvailable where it is missing, forbidden
    (containers), or says nothing (overlayfs: it answers 0 for everything), and OSError for what is no file.
    """
    libc.require_linux()
    fd = file if isinstance(file, int) else os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.file_system_magic(fd) == OVERLAYFS_SUPER_MAGIC:
            raise NotAvailable(
                "cachestat answers 0 for every file of a container's own layers (overlayfs): use a file on a volume, "
                "or residency() of a mapping, which tells what is cached"
            )
        return CacheStat(*_cachestat(fd))
    except OSError as error:
        if error.errno in (errno.EBADF, errno.EINVAL):
            raise
        raise NotAvailable(
            f"cachestat does not work here ({error.strerror}): Linux before 6.5, a container's filter, or somebody "
            "else's file; residency() of a mapping tells what is cached"
        ) from None
    finally:
        if not isinstance(file, int):
            os.close(fd)


def _cachestat(fd: int) -> list[int]:
    whole = (ctypes.c_uint64 * 2)(0, 0)
    answer = (ctypes.c_uint64 * 5)()
    libc.raw_syscall(libc.CACHESTAT, fd, ctypes.addressof(whole), ctypes.addressof(answer), 0)
    return list(answer)
