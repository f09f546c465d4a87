"""Experiments of chapter 08: the copies and the entries of this very Python process, from the kernel's own books.

    books_of_reading()          /proc/self/io around four ways to read a file
    entries_of_three_ways()     system calls and faults for 1 MiB
    slices_and_views()          which Python objects are copies
    four_ways_to_copy()         one file into another

Each raises NotAvailable where there is no live Linux.
"""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from mmaplab.constants import PAGE_SIZE
from mmaplab.lab import NotAvailable, Value
from mmaplab.real import drop_cache, fault_counts, file_mapping, residency, thread_io_counters, warm_file
from mmaplab.real.libc import require_linux


def _booked(action: Callable[[], object]) -> dict[str, int]:
    """Return what `action` adds to the books of this thread: a notebook has others, which read meanwhile."""
    with thread_io_counters() as books:
        action()
    return books


def books_of_reading(pages: int = 1024) -> dict[str, Value]:
    """Read a file warm, cold, past the page cache, and through a mapping; bytes asked for, and from the disk.

    proc_pid_io(5). Raises NotAvailable where there is no Linux, no disk, or no O_DIRECT.
    """
    require_linux()
    size = pages * PAGE_SIZE
    told: dict[str, Value] = {"bytes": size}
    buffer = mmap.mmap(-1, size)  # whole pages, as O_DIRECT wants them
    with warm_file(pages) as path:
        told |= _read(path, os.O_RDONLY, buffer, "warm read")
        told |= _read_mapping(path)
        drop_cache(path)
        told |= _read(path, os.O_RDONLY, buffer, "cold read")
        drop_cache(path)
        try:
            told |= _read(path, os.O_RDONLY | os.O_DIRECT, buffer, "direct read")
        except OSError as error:
            raise NotAvailable(f"this file system refuses O_DIRECT ({error.strerror})") from None
        with file_mapping(path) as m:
            told["direct read: pages cached"] = sum(residency(m))
    buffer.close()
    if not told["cold read: from the disk"]:
        raise NotAvailable("the file cannot be taken out of memory: its file system has no disk")
    return told


def _read(path: str, flags: int, buffer: mmap.mmap, name: str) -> dict[str, Value]:
    fd = os.open(path, flags)
    try:
        booked = _booked(lambda: os.preadv(fd, [buffer], 0))
    finally:
        os.close(fd)
    return {f"{name}: rchar": booked["rchar"], f"{name}: from the disk": booked["read_bytes"]}


def _read_mapping(path: str) -> dict[str, Value]:
    """Go through a mapping of a warm file; once more where the machine took pages of it away meanwhile."""
    for _ in range(3):
        with file_mapping(path) as m:
            array = m.array
            array[:1].sum()  # NumPy loads what it needs for a sum now, and not under our eyes
            with fault_counts() as faults:
                booked = _booked(array.sum)
            del array
        if not booked["read_bytes"]:
            break
    return {
        "warm mapping: rchar": booked["rchar"],
        "warm mapping: from the disk": booked["read_bytes"],
        "warm mapping: faults": faults.minor,
    }


def entries_of_three_ways(pages: int = 256) -> dict[str, Value]:
    """Read 1 MiB in pieces of 4 and of 64 KiB, and through a mapping; count calls and faults."""
    require_linux()
    size = pages * PAGE_SIZE
    told: dict[str, Value] = {}
    with warm_file(pages) as path, open(path, "rb", buffering=0) as file, file_mapping(path) as m:
        for piece in (PAGE_SIZE, 16 * PAGE_SIZE):
            booked = _booked(partial(_read_in_pieces, file.fileno(), size, piece))
            told[f"{piece // 1024} KiB reads: calls"] = booked["syscr"]
        array = m.array
        array[:1].sum()
        with fault_counts() as faults:
            booked = _booked(lambda: array[::PAGE_SIZE].sum())
        told["mapping: calls of read"], told["mapping: faults"] = booked["syscr"], faults.minor
    return told


def _read_in_pieces(fd: int, size: int, piece: int) -> None:
    """Read a file from its beginning, `piece` bytes at a time, into one buffer."""
    buffer = bytearray(piece)
    for at in range(0, size, piece):
        os.preadv(fd, [buffer], at)


def slices_and_views() -> dict[str, Value]:
    """Take a slice, a memoryview and a NumPy array of a mapping, then store: which of them show the store?"""
    require_linux()
    import numpy

    with warm_file(1) as path, open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as m:
        taken, view, array = m[0:4], memoryview(m), numpy.frombuffer(m, dtype=numpy.uint8)
        m[0:4] = b"late"
        told: dict[str, Value] = {
            "a slice follows a later store": taken == b"late",
            "a memoryview follows a later store": bytes(view[:4]) == b"late",
            "a numpy array follows a later store": bytes(array[:4]) == b"late",
        }
        del array
        view.release()
    return told


def four_ways_to_copy(pages: int = 4096) -> dict[str, Value]:
    """Copy a file four times, each in another way; count calls of read and write, and faults; time in milliseconds."""
    require_linux()
    told: dict[str, Value] = {}
    right = True
    with warm_file(pages) as path:
        wanted = Path(path).read_bytes()
        for name, way in WAYS.items():
            target = f"{path}.copy"
            with open(path, "rb") as source, open(target, "w+b") as sink:
                os.ftruncate(sink.fileno(), len(wanted))
                start = time.perf_counter_ns()
                with fault_counts() as faults:
                    calls = way(source.fileno(), sink.fileno(), len(wanted))
                told[f"{name}: calls"], told[f"{name}: faults"] = calls, faults.minor
                told[f"{name}: ms"] = (time.perf_counter_ns() - start) / 1e6
            right = right and Path(target).read_bytes() == wanted
            Path(target).unlink()
    return told | {"all copies are right": right}


def _by_read_and_write(source: int, sink: int, size: int) -> int:
    buffer, calls = memoryview(bytearray(16 * PAGE_SIZE)), 0
    while (n := os.readv(source, [buffer])) > 0:
        calls += 1 + (os.write(sink, buffer[:n]) > 0)
    return calls + 1


def _by_mapping(source: int, sink: int, size: int) -> int:
    with mmap.mmap(source, size, prot=mmap.PROT_READ) as m, mmap.mmap(sink, size) as n:
        with memoryview(m) as whole:
            n[:] = whole
    return 0


def _by_sendfile(source: int, sink: int, size: int) -> int:
    calls, at = 0, 0
    while at < size:
        at += os.sendfile(sink, source, at, size - at)
        calls += 1
    return calls


def _by_copy_file_range(source: int, sink: int, size: int) -> int:
    calls, at = 0, 0
    while at < size:
        at += os.copy_file_range(source, sink, size - at, at, at)
        calls += 1
    return calls


WAYS: dict[str, Callable[[int, int, int], int]] = {
    "read and write": _by_read_and_write,
    "mapping to mapping": _by_mapping,
    "sendfile": _by_sendfile,
    "copy_file_range": _by_copy_file_range,
}
