"""Experiments of chapter 06: whose page is it? Asked of Linux about this very Python process.

    copies_of_one_store()       a private mapping before and after one store
    one_frame_for_two()         the proportional share of a mapping, alone and beside a second one
    first_stores()              faults and dirty pages of stores to pages that are present

Each raises NotAvailable where there is no live Linux.
"""

from __future__ import annotations

import os
from typing import Any

from mmaplab.constants import PAGE_SIZE, Madv, Map, Prot
from mmaplab.lab import Value
from mmaplab.real import FileMapping, fault_counts, file_mapping, smaps, warm_file
from mmaplab.real.libc import require_linux

RW = int(Prot.PROT_READ | Prot.PROT_WRITE)


def sizes(mapping: FileMapping) -> dict[str, int]:
    """Return what smaps says of one mapping, in bytes, by name."""
    return next(entry for entry in smaps() if entry.area.start == mapping.address).sizes


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


def dirty_pages(mapping: FileMapping) -> int:
    """Return how many pages of a mapping this process has made dirty."""
    found = sizes(mapping)
    return (found["Shared_Dirty"] + found["Private_Dirty"]) // PAGE_SIZE
