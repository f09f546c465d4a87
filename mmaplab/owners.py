"""Experiments of chapter 06: whose page is it? Asked of Linux about this very Python process.

    copies_of_one_store()       a private mapping before and after one store
    one_frame_for_two()         the proportional share of a mapping, alone and beside a second one
    first_stores()              faults and dirty pages of stores to pages that are present
    time_of_change()            which of these stores moves the file's st_mtime

Each raises NotAvailable where there is no live Linux.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from mmaplab.constants import PAGE_SIZE, Madv, Map, Ms, Prot
from mmaplab.lab import NotAvailable, Value
from mmaplab.real import fault_counts, file_mapping, smaps, warm_file
from mmaplab.real.files import DISK, file_system_of
from mmaplab.real.libc import check, function, require_linux
from mmaplab.real.own import Span, span

RW = int(Prot.PROT_READ | Prot.PROT_WRITE)
TICK_SECONDS = 0.02
"""Longer than the step of a file's times, which is a tick of the clock: 10 ms at most."""


def sizes(mapping: Span) -> dict[str, int]:
    """Return what smaps says of one mapping, in bytes, by name."""
    address, _ = span(mapping)
    return next(entry for entry in smaps() if entry.area.start == address).sizes


def copies_of_one_store() -> dict[str, Value]:
    """Store one byte into a private mapping of two pages, then write to the file, then throw the copy away."""
    require_linux()
    with warm_file(2) as path, file_mapping(path, prot=RW, flags=Map.MAP_PRIVATE) as m, open(path, "r+b") as file:
        array = m.array
        word(array, 0), word(array, PAGE_SIZE)
        before = sizes(m)["Anonymous"]
        array[:4] = list(b"MINE")
        told: dict[str, Value] = {
            "bytes anonymous before": before,
            "bytes anonymous after one store": sizes(m)["Anonymous"],
        }
        for page in range(2):
            os.pwrite(file.fileno(), b"late", page * PAGE_SIZE)
        told["page with a copy, after a write"] = word(array, 0)
        told["page without"] = word(array, PAGE_SIZE)
        told["the file's own"] = os.pread(file.fileno(), 4, 0).decode()
        m.advise(Madv.MADV_DONTNEED)
        told["after MADV_DONTNEED"] = word(array, 0)
        return told


def word(array: Any, at: int) -> str:
    """Return the four bytes of an array from `at` on, as text."""
    return bytes(array[at : at + 4]).decode("latin-1")


def one_frame_for_two(pages: int = 64) -> dict[str, Value]:
    """Map a file shared and load all of it; then map it once more, private, and load again: Pss in bytes."""
    require_linux()
    with warm_file(pages) as path, file_mapping(path) as first:
        first.array[::PAGE_SIZE].sum()
        alone = sizes(first)
        with file_mapping(path, flags=Map.MAP_PRIVATE) as second:
            second.array[::PAGE_SIZE].sum()
            beside = sizes(first)
    return {"Rss": alone["Rss"], "one mapping: Pss": alone["Pss"], "two mappings: Pss": beside["Pss"]}


def first_stores(pages: int = 64) -> dict[str, Value]:
    """Load every page of a shared mapping, then store to each, twice; count faults, and dirty pages by smaps."""
    require_linux()
    with warm_file(pages) as path, file_mapping(path, prot=RW) as m:
        array = m.array
        array[::PAGE_SIZE].sum()
        clean = dirty_pages(m)
        with fault_counts() as first:
            array[::PAGE_SIZE] = 1
        with fault_counts() as second:
            array[::PAGE_SIZE] = 2
        return {
            "pages stored to": pages,
            "pages dirty before": clean,
            "pages dirty after": dirty_pages(m),
            "faults of the first stores": first.minor,
            "faults of the second stores": second.minor,
        }


def time_of_change() -> dict[str, Value]:
    """Load, store and sync through a shared mapping; after each step: has it moved the file's st_mtime?

    inode(7); Linux: file_update_time, called by page_mkwrite. Raises NotAvailable on file systems that note the time
    of a store in ways of their own, or not at all (tmpfs).
    """
    require_linux()
    with warm_file(2) as path, file_mapping(path, prot=RW) as m, open(path, "rb") as file:
        kind = file_system_of(path).fs_type
        if kind not in (*DISK, "overlay"):
            raise NotAvailable(f"the file lies on {kind}, which need not note the time of a store")
        array = m.array

        def moves(step: Callable[[], object]) -> bool:
            time.sleep(TICK_SECONDS)
            before = os.fstat(file.fileno()).st_mtime_ns
            step()
            return os.fstat(file.fileno()).st_mtime_ns != before

        return {
            "a load": moves(lambda: int(array[0])),
            "the first store": moves(lambda: array.put(0, 1)),
            "a store to the dirty page": moves(lambda: array.put(0, 2)),
            "the first store to another page": moves(lambda: array.put(PAGE_SIZE, 1)),
            "MS_SYNC": moves(lambda: check(function("msync")(m.address, m.length, Ms.MS_SYNC), "msync")),
            "the first store after MS_SYNC": moves(lambda: array.put(0, 3)),
        }


def dirty_pages(mapping: Span) -> int:
    """Return how many pages of a mapping this process has made dirty; Shared_Dirty and Private_Dirty of smaps."""
    found = sizes(mapping)
    return (found["Shared_Dirty"] + found["Private_Dirty"]) // PAGE_SIZE
