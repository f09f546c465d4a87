"""Experiments of chapter 09: large files, files that are not in memory, and files cached in large pieces.

    a_terabyte()            a sparse file of 1 TiB, mapped whole, touched in ten places
    tables_of_a_walk()      what the page tables take for 64 MiB of touched pages
    cold_and_random()       single pages of a file that is only on the disk, in three ways
    two_regimes()           a file cached in single pages, and one in large folios: what a pass costs

Each raises NotAvailable where there is no live Linux. The races of read against mmap are in mmaplab/costmodel.
"""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from mmaplab.constants import PAGE_SIZE, Madv
from mmaplab.lab import NotAvailable, Value
from mmaplab.real import drop_cache, fault_counts, file_mapping, io_counters, residency, rollup, status, warm_file
from mmaplab.real.libc import require_linux

TIB = 1 << 40
SEED = 9


def a_terabyte(places: int = 10) -> dict[str, Value]:
    """Map a sparse file of 1 TiB and load a byte in some places; bytes. Raises NotAvailable."""
    require_linux()
    with warm_file(1) as path:
        try:
            os.truncate(path, TIB)
        except OSError as error:
            raise NotAvailable(f"this file system has no files of 1 TiB ({error.strerror})") from None
        with file_mapping(path) as m:
            array, resident, tables = m.array, rollup()["Rss"], status()["VmPTE"]
            for place in range(places):
                array[place * (TIB // places)]
            del array
            return {
                "mapped": TIB,
                "places touched": places,
                "resident": rollup()["Rss"] - resident,
                "page tables": status()["VmPTE"] - tables,
                "on the disk": Path(path).stat().st_blocks * 512,
            }


def tables_of_a_walk(pages: int = 16384) -> dict[str, Value]:
    """Touch every page of a file that is cached page by page; bytes of page tables."""
    require_linux()
    with warm_file(pages) as path, file_mapping(path) as m:
        tables = status()["VmPTE"]
        m.array[::PAGE_SIZE].sum()
        return {"mapped": pages * PAGE_SIZE, "pages touched": pages, "page tables": status()["VmPTE"] - tables}


def cold_and_random(pages: int = 8192, touched: int = 100) -> dict[str, Value]:
    """Get a word of some pages of a cold file, in random order: by read, through a mapping, under MADV_RANDOM."""
    require_linux()
    chosen = random.Random(SEED).sample(range(pages), touched)
    told: dict[str, Value] = {"pages wanted": touched}
    with warm_file(pages) as path:

        def by_read() -> None:
            fd = os.open(path, os.O_RDONLY)
            for page in chosen:
                os.pread(fd, PAGE_SIZE, page * PAGE_SIZE)
            os.close(fd)

        def by_mapping(advice: int) -> None:
            with file_mapping(path, advice=advice) as m:
                for page in chosen:
                    m.array[page * PAGE_SIZE]

        told |= _cold(path, by_read, "read")
        told |= _cold(path, lambda: by_mapping(Madv.MADV_NORMAL), "mmap")
        told |= _cold(path, lambda: by_mapping(Madv.MADV_RANDOM), "mmap, MADV_RANDOM")
    return told


def _cold(path: str, action: Callable[[], object], name: str) -> dict[str, Value]:
    """Drop the file from memory, run `action`, and tell what it cost."""
    drop_cache(Path(path))
    with file_mapping(path) as m:
        if any(residency(m)):
            raise NotAvailable("the file cannot be taken out of memory: its file system has no disk")
    before, start = io_counters()["read_bytes"], time.perf_counter_ns()
    with fault_counts() as faults:
        action()
    return {
        f"{name}: milliseconds": round((time.perf_counter_ns() - start) / 1e6, 1),
        f"{name}: pages from the disk": (io_counters()["read_bytes"] - before) // PAGE_SIZE,
        f"{name}: major faults": faults.major,
    }


def two_regimes(pages: int = 8192, rounds: int = 7) -> dict[str, Value]:
    """Walk a file that was written page by page, and one that was written in one piece; faults and milliseconds."""
    require_linux()
    told: dict[str, Value] = {"pages": pages}
    with warm_file(pages) as path:
        large = f"{path}.large"
        with open(large, "wb", buffering=0) as file:
            for _ in range(pages // 512):
                file.write(bytes(512 * PAGE_SIZE))
            os.fsync(file.fileno())
        for name, which in (("single pages", path), ("large pieces", large)):
            walks = [_walk(which) for _ in range(rounds)]
            told[f"{name}: faults"] = statistics.median_low([faults for faults, _ in walks])
            told[f"{name}: milliseconds"] = round(statistics.median(taken for _, taken in walks), 2)
        Path(large).unlink()
    return told


def _walk(path: str) -> tuple[int, float]:
    """Map the file, load a byte of each page, unmap it; faults and milliseconds."""
    start = time.perf_counter_ns()
    with file_mapping(path) as m, fault_counts() as faults:
        m.array[::PAGE_SIZE].sum()
    return faults.minor, (time.perf_counter_ns() - start) / 1e6
