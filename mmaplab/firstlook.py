"""Experiments of chapter 01: mmap seen from outside, in this very Python process.

    with text_file("Dear reader") as path: ...      a small file on the disk, for a `with` block
    with cold_file(64) as path: ...                 a file of 64 pages, none of which is in memory
    loaded_elsewhere(path, 4)                       the first four bytes, as another process loads them from a mapping
    can_be_mapped()                                 what mmap takes, and the errno where it does not
    cold_touch()                                    touched, mapped, read: three numbers

Each raises NotAvailable where there is no live Linux.
"""

from __future__ import annotations

import errno
import mmap
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from mmaplab.constants import PAGE_SIZE, Map
from mmaplab.lab import NotAvailable, Value
from mmaplab.real import drop_cache, file_mapping, io_counters, maps, pagemap, residency, warm_file


@contextmanager
def text_file(text: str) -> Iterator[str]:
    """Make a file that holds `text`, on a disk where the user has one, for a `with` block; gives its path."""
    with warm_file(1) as path:
        Path(path).write_text(text, encoding="utf-8")
        yield path


@contextmanager
def cold_file(pages: int) -> Iterator[str]:
    """Make a file of `pages` pages that is only on the disk, for a `with` block; gives its path.

    Raises NotAvailable where the file has no disk, or will not leave memory.
    """
    with warm_file(pages) as path:
        drop_cache(path)
        with file_mapping(path) as m:
            if any(residency(m)):
                raise NotAvailable("the file cannot be taken out of memory: its file system has no disk")
        yield path


def loaded_elsewhere(path: str, count: int) -> str:
    """Let a process of its own map a file and load its first `count` bytes; returns them as text."""
    program = "import mmap, sys; file = open(sys.argv[1], 'r+b'); m = mmap.mmap(file.fileno(), 0)"
    started = [sys.executable, "-I", "-c", f"{program}; print(m[:{count}].decode())", path]
    return subprocess.run(started, capture_output=True, text=True, check=True).stdout.rstrip("\n")


def can_be_mapped() -> dict[str, Value]:
    """Try mmap(2) on descriptors of several kinds: 'yes', or the name of the error; and count our areas.

    Raises NotAvailable where one of the two devices is missing.
    """
    answers: dict[str, Value] = {}
    read_end, write_end = os.pipe()
    with (
        tempfile.TemporaryDirectory() as directory,
        text_file("x") as path,
        closing(socket.socket(socket.AF_UNIX)) as local,
    ):
        named = {"a file": path, "the device /dev/zero": "/dev/zero"}
        named |= {"the device /dev/null": "/dev/null", "a directory": directory}
        opened = {name: _open(place) for name, place in named.items()}
        for name, fd in (opened | {"a pipe": read_end, "a local socket": local.fileno(), "no file at all": -1}).items():
            answers[name] = _try(fd)
        for fd in (*opened.values(), read_end, write_end):
            os.close(fd)
    areas = maps()
    answers["areas of this process"] = len(areas)
    answers["of them with a file"] = sum(area.path.startswith("/") for area in areas)
    return answers


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise NotAvailable(f"{path} cannot be opened here: {error.strerror}") from None


def _try(fd: int) -> str:
    """Return 'yes' if a page of `fd` can be mapped for reading, else the name of the error."""
    flags = mmap.MAP_PRIVATE | (mmap.MAP_ANONYMOUS if fd < 0 else 0)
    try:
        mmap.mmap(fd, 1, flags=flags, prot=mmap.PROT_READ).close()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "yes"


def cold_touch(pages: int = 1024, page: int = 512) -> dict[str, Value]:
    """Map a file that is only on the disk, touch one byte, then map it once more with MAP_POPULATE; count each time.

    Pages, entries and bytes; mincore(2). Raises NotAvailable where the file has no disk.
    """
    counted: dict[str, Value] = {"pages": pages}
    with cold_file(pages) as path:
        with file_mapping(path) as m:
            counted["in memory after mmap"], counted["entries after mmap"] = sum(residency(m)), sum(pagemap(m))
            array, before = m.array, io_counters()
            array[page * PAGE_SIZE]
            after = io_counters()
            del array  # an array keeps its mapping
            counted["bytes from the disk"] = after["read_bytes"] - before["read_bytes"]
            counted["calls of read"] = after["syscr"] - before["syscr"] - _reads_of_a_look()
            counted["in memory after one byte"], counted["entries after one byte"] = sum(residency(m)), sum(pagemap(m))
        drop_cache(path)
        with file_mapping(path, flags=Map.MAP_SHARED | Map.MAP_POPULATE) as m:
            counted["in memory after MAP_POPULATE"] = sum(residency(m))
    return counted


def _reads_of_a_look() -> int:
    """Return how many calls of read one look at the counters takes by itself."""
    first, second = io_counters(), io_counters()
    return second["syscr"] - first["syscr"]
