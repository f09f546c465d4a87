"""Experiments of chapter 09: large files, files that are not in memory, and files cached in large pieces.

    a_terabyte()            a sparse file of 1 TiB, mapped whole, touched in ten places
    tables_of_a_walk()      what the page tables take for 64 MiB of touched pages
    cold_and_random()       single pages of a file that is only on the disk, in three ways
    cold_in_order()         all pages of such a file, in order, in six ways
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

from mmaplab.constants import PAGE_SIZE, Madv, Map
from mmaplab.lab import NotAvailable, Value
from mmaplab.real import drop_cache, fault_counts, file_mapping, io_counters, residency, rollup, status, warm_file
from mmaplab.real.libc import require_linux

TIB = 1 << 40
SEED = 9
PIECE = 64 * PAGE_SIZE
"""What is asked for at a time, where a file is gone through in order."""


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
    _drop(path)
    before, start = io_counters()["read_bytes"], time.perf_counter_ns()
    with fault_counts() as faults:
        action()
    return {
        f"{name}: milliseconds": round((time.perf_counter_ns() - start) / 1e6, 1),
        f"{name}: pages from the disk": (io_counters()["read_bytes"] - before) // PAGE_SIZE,
        f"{name}: major faults": faults.major,
    }


def _drop(path: str) -> None:
    """Take a file out of memory; raises NotAvailable where that cannot be done."""
    drop_cache(Path(path))
    with file_mapping(path) as m:
        if any(residency(m)):
            raise NotAvailable("the file cannot be taken out of memory: its file system has no disk")


def cold_in_order(pages: int = 4096, rounds: int = 3) -> dict[str, Value]:
    """Go through a cold file in order: by read, through a mapping, and with what madvise and mmap offer for that.

    For each way: pages from the disk, faults of the pass (MAP_POPULATE has its own before it), and the time of both,
    divided by that of read. Medians of rounds in random order. A way that the kernel does not take is left out.
    """
    require_linux()
    rng = random.Random(SEED)
    with warm_file(pages) as path:
        ways = {way: action for way, action in WAYS.items() if _taken(path, action)}
        order = [way for _ in range(rounds) for way in rng.sample(list(ways), len(ways))]
        runs = [(way, _cold_pass(path, ways[way])) for way in order]
    found = {
        way: [statistics.median_low(each) for each in zip(*(run for name, run in runs if name == way), strict=True)]
        for way in ways
    }
    told: dict[str, Value] = {"pages": pages}
    for way, (disk, faults, taken) in found.items():
        told |= {f"{way}: pages from the disk": disk, f"{way}: faults of the pass": faults}
        told[f"{way}: time, of read's"] = round(taken / found["read"][2], 2)
    return told


def _cold_pass(path: str, action: Callable[[str], int]) -> tuple[int, int, int]:
    """Drop the file from memory and go through it: pages from the disk, faults, nanoseconds."""
    _drop(path)
    before, start = io_counters()["read_bytes"], time.perf_counter_ns()
    faults = action(path)
    taken = time.perf_counter_ns() - start
    return (io_counters()["read_bytes"] - before) // PAGE_SIZE, faults, taken


def _by_read(path: str) -> int:
    """Read a file in pieces into one buffer, and use a byte of each page; the faults."""
    buffer = bytearray(PIECE)
    view = memoryview(buffer)
    with open(path, "rb", buffering=0) as file, fault_counts() as faults:
        while file.readinto(buffer):
            sum(view[::PAGE_SIZE])
    return faults.minor + faults.major


def _by_mapping(path: str, flags: int = 0, advice: int | None = None) -> int:
    """Map a file and use a byte of each page, in order; the faults of that."""
    with file_mapping(path, flags=Map.MAP_SHARED | flags, advice=advice) as m:
        view = memoryview(m.array)
        with fault_counts() as faults:
            for at in range(0, len(view), PIECE):
                sum(view[at : at + PIECE : PAGE_SIZE])
    return faults.minor + faults.major


WAYS: dict[str, Callable[[str], int]] = {
    "read": _by_read,
    "mmap": _by_mapping,
    "MADV_SEQUENTIAL": lambda path: _by_mapping(path, advice=Madv.MADV_SEQUENTIAL),
    "MAP_POPULATE": lambda path: _by_mapping(path, Map.MAP_POPULATE),
    "MADV_HUGEPAGE": lambda path: _by_mapping(path, advice=Madv.MADV_HUGEPAGE),
    "MADV_RANDOM": lambda path: _by_mapping(path, advice=Madv.MADV_RANDOM),
}
"""The ways of `cold_in_order`."""


def _taken(path: str, action: Callable[[str], int]) -> bool:
    """Does the kernel take what a way asks for? MADV_HUGEPAGE is EINVAL where it is built without such pages."""
    try:
        action(path)
    except OSError:
        return False
    return True


def two_regimes(pages: int = 8192, rounds: int = 7) -> dict[str, Value]:
    """Walk a file that was written page by page, and one that was written in large pieces; faults and milliseconds.

    Each is walked through a mapping, and by read in pieces of 256 KiB; a byte of each page is used.
    """
    require_linux()
    told: dict[str, Value] = {"pages": pages}
    with warm_file(pages) as path:
        large = f"{path}.large"
        with open(large, "wb", buffering=0) as file:
            for _ in range(pages // 512):
                file.write(bytes(512 * PAGE_SIZE))
            os.fsync(file.fileno())
        for name, which in (("single pages", path), ("large pieces", large)):
            walks = [(*_walk(which), _timed_read(which)) for _ in range(rounds)]
            told[f"{name}: faults"] = statistics.median_low([faults for faults, *_ in walks])
            told[f"{name}: mmap, milliseconds"] = round(statistics.median(taken for _, taken, _ in walks), 2)
            told[f"{name}: read, milliseconds"] = round(statistics.median(taken for *_, taken in walks), 2)
        Path(large).unlink()
    return told


def _walk(path: str) -> tuple[int, float]:
    """Map the file, load a byte of each page, unmap it; faults and milliseconds."""
    start = time.perf_counter_ns()
    with file_mapping(path) as m, fault_counts() as faults:
        m.array[::PAGE_SIZE].sum()
    return faults.minor, (time.perf_counter_ns() - start) / 1e6


def _timed_read(path: str) -> float:
    """Read the file in pieces, use a byte of each page; milliseconds."""
    start = time.perf_counter_ns()
    _by_read(path)
    return (time.perf_counter_ns() - start) / 1e6
