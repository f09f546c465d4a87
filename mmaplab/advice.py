"""Experiments of chapter 11: what advice does, and what input and output have to do with faults.

    advice_effects()            one touch of a cold file under different advice, and what is no hint but an order
    faults_and_io()             faults without input, input without faults

Each raises NotAvailable where there is no live Linux.
"""

from __future__ import annotations

from mmaplab.constants import PAGE_SIZE, Madv, Map
from mmaplab.lab import NotAvailable, Value
from mmaplab.real import drop_cache, fault_counts, file_mapping, io_counters, pagemap, residency, warm_file
from mmaplab.real.libc import require_linux


def advice_effects(pages: int = 256, page: int = 128) -> dict[str, Value]:
    """Touch one byte of a cold file, by default and under MADV_RANDOM; then ask for all of it with MADV_WILLNEED.

    At last MAP_POPULATE and MADV_DONTNEED, which are no hints: the entries after each. Pages and entries; madvise(2).
    Raises NotAvailable where there is no Linux, or where the file has no disk.
    """
    require_linux()
    told: dict[str, Value] = {}
    with warm_file(pages) as path:
        for name, advice in (("default", Madv.MADV_NORMAL), ("MADV_RANDOM", Madv.MADV_RANDOM)):
            drop_cache(path)
            with file_mapping(path, advice=advice) as m:
                if any(residency(m)):
                    raise NotAvailable("the file cannot be taken out of memory: its file system has no disk")
                m.array[page * PAGE_SIZE]
                told[f"{name}: pages read for one touch"] = sum(residency(m))
        for name, advice in (("default", Madv.MADV_NORMAL), ("MADV_RANDOM", Madv.MADV_RANDOM)):
            with file_mapping(path) as m:
                m.array[::PAGE_SIZE].sum()  # now all of it is cached
            with file_mapping(path, advice=advice) as m, fault_counts() as faults:
                m.array[::PAGE_SIZE].sum()
            told[f"{name}: faults of a warm pass"] = faults.minor
        drop_cache(path)
        with file_mapping(path, advice=Madv.MADV_WILLNEED) as m:
            told["MADV_WILLNEED: entries"] = sum(pagemap(m))
        with file_mapping(path, flags=Map.MAP_SHARED | Map.MAP_POPULATE) as m:
            told["MAP_POPULATE: entries"] = sum(pagemap(m))
            m.advise(Madv.MADV_DONTNEED)
            told["MADV_DONTNEED: entries"] = sum(pagemap(m))
    return told


def faults_and_io(pages: int = 1024) -> dict[str, Value]:
    """Count faults of a warm pass with its input, and pages that came in without being touched."""
    require_linux()
    with warm_file(pages) as path:
        with file_mapping(path) as m:
            array, before = m.array, io_counters()["read_bytes"]
            array[:1].sum()
            with fault_counts() as faults:
                array[::PAGE_SIZE].sum()
            told: dict[str, Value] = {
                "warm pass: faults": faults.minor,
                "warm pass: bytes from the disk": io_counters()["read_bytes"] - before,
            }
            del array
        drop_cache(path)
        with file_mapping(path) as m:
            m.array[pages // 2 * PAGE_SIZE]
            told["one touch: pages touched"] = 1
            told["one touch: pages in memory"] = sum(residency(m))
        return told
