"""What Linux says of this very process: its areas, its page-table entries, its input and output.

    maps()                  the areas                     smaps(), rollup()   how much of them is in memory, and how
    residency(m)            pages in the page cache       pagemap(m)          pages in the page table
    io_counters()           bytes asked for, bytes read from the disk

`m` is a `FileMapping`, an `mmap.mmap`, a NumPy array, or an address with a length in bytes. Each raises NotAvailable
where there is no live Linux, or it does not let itself be asked (a container may hide files of /proc).
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmaplab.constants import PAGE_SIZE
from mmaplab.interface import MapsEntry
from mmaplab.lab import NotAvailable
from mmaplab.real import libc, procfs
from mmaplab.real.mapping import FileMapping

Span = FileMapping | mmap.mmap | int | Any


def maps() -> list[MapsEntry]:
    """Return the areas of this process; /proc/self/maps, fs/proc/task_mmu.c: show_map_vma."""
    return procfs.parse_maps(_text("/proc/self/maps"))


def smaps() -> list[procfs.SmapsEntry]:
    """Return the areas with their sizes in bytes (`Rss`, `Private_Dirty`, ...); fs/proc/task_mmu.c: show_smap."""
    return procfs.parse_smaps(_text("/proc/self/smaps"))


def rollup() -> dict[str, int]:
    """Return the sums of `smaps` over all areas, in bytes; fs/proc/task_mmu.c: show_smaps_rollup."""
    return procfs.parse_smaps(_text("/proc/self/smaps_rollup"))[0].sizes


def status() -> dict[str, int]:
    """Return the numbers of /proc/self/status, sizes in bytes: VmSize, VmRSS, VmPTE, ...; fs/proc/task_mmu.c."""
    return procfs.parse_counters(_text("/proc/self/status"))


def io_counters() -> dict[str, int]:
    """Return what this process has read and written; fs/proc/base.c: do_io_accounting.

    `rchar`, `wchar`: bytes asked for by read and write; `syscr`, `syscw`: calls; `read_bytes`, `write_bytes`: bytes
    fetched from the disk and pages made dirty, through mappings too.
    """
    return procfs.parse_counters(_text("/proc/self/io"))


@contextmanager
def thread_io_counters() -> Iterator[dict[str, int]]:
    """Give a dict that holds, after the `with` block, what this thread alone read and wrote in it.

    As `io_counters`, from /proc/thread-self/io; what looking adds is taken out. Raises NotAvailable.
    """
    libc.require_linux()
    told: dict[str, int] = {}
    with _asked("/proc/thread-self/io"):
        fd = os.open("/proc/thread-self/io", os.O_RDONLY | os.O_CLOEXEC)
    try:
        before = os.pread(fd, 4096, 0)
        yield told
        after = procfs.parse_counters(os.pread(fd, 4096, 0).decode())
    finally:
        os.close(fd)
    first = procfs.parse_counters(before.decode())
    told |= {name: after[name] - first[name] for name in after}
    told["rchar"] -= len(before)  # the look before is booked after it was answered
    told["syscr"] -= 1


def residency(mapping: Span, length: int | None = None) -> list[bool]:
    """Return for each page whether it is in memory, mapped here or not; mincore(2), mm/mincore.c: do_mincore.

    For a file that is somebody else's and read-only, Linux answers True for every page (since 5.2).
    """
    libc.require_linux()
    address, size = span(mapping, length)
    first = address - address % PAGE_SIZE
    return libc.page_residency(first, address + size - first)


def pagemap(mapping: Span, length: int | None = None) -> list[bool]:
    """Return for each page whether the page table has an entry for it; fs/proc/task_mmu.c: pagemap_read."""
    return [entry.present for entry in page_entries(mapping, length)]


def page_entries(mapping: Span, length: int | None = None) -> list[procfs.PageEntry]:
    """Return all that /proc/self/pagemap says of each page: present, of a file, swapped, exclusive."""
    libc.require_linux()
    address, size = span(mapping, length)
    first, last = address // PAGE_SIZE, -(-(address + size) // PAGE_SIZE)
    with _asked("/proc/self/pagemap"), open("/proc/self/pagemap", "rb", buffering=0) as file:
        file.seek(first * 8)
        return procfs.parse_pagemap(file.read((last - first) * 8) or b"")


def span(mapping: Span, length: int | None = None) -> tuple[int, int]:
    """Return (address, bytes) of a mapping, an array, or an address given with its length.

    Raises TypeError, and ValueError for a mapping that is closed, an array with gaps between its bytes (a slice with
    a step), or what is no range of addresses.
    """
    address, size = _span(mapping, length)
    if not (isinstance(address, int) and isinstance(size, int)):
        raise TypeError(f"address {address!r}, length {size!r}: give whole numbers")
    if not 0 <= address <= address + size <= 2**64:
        raise ValueError(f"address {address:#x} with {size} bytes is no range of addresses")
    return address, size


def _span(mapping: Span, length: int | None) -> tuple[int, int]:
    if isinstance(mapping, FileMapping):
        return ctypes.addressof(mapping.memory), mapping.length if length is None else length
    if isinstance(mapping, int):
        if length is None:
            raise TypeError(f"an address ({mapping:#x}) needs a length in bytes beside it")
        return mapping, length
    import numpy

    array = numpy.frombuffer(mapping, dtype=numpy.uint8) if not isinstance(mapping, numpy.ndarray) else mapping
    if not array.flags.forc:
        raise ValueError("the array's bytes do not lie side by side: ask for the whole, and pick from the answer")
    return array.ctypes.data, array.nbytes if length is None else length


@contextmanager
def _asked(path: str) -> Iterator[None]:
    """Say in words, as NotAvailable, that a file of /proc is hidden or may not be read; proc(5)."""
    try:
        yield
    except OSError as error:
        raise NotAvailable(
            f"{path} does not let itself be read here ({error.strerror}): a container's rules or a hardened kernel "
            "hide what this look needs"
        ) from None


def _text(path: str) -> str:
    libc.require_linux()
    with _asked(path), open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()
