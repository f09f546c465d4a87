"""Experiments of chapter 07: the dirty pages of this very Python process, and who cleans them.

    dirty_after_each_call()     stores, MS_ASYNC, MS_SYNC: what smaps says after each
    cached_after_munmap()       what munmap leaves in the page cache
    flusher_rules()             the kernel's own numbers, and one dirty page that nobody asks about

Each raises NotAvailable where there is no live Linux.
"""

from __future__ import annotations

import os
from pathlib import Path

from mmaplab.constants import PAGE_SIZE, Ms, Prot
from mmaplab.lab import Value
from mmaplab.owners import dirty_pages
from mmaplab.real import FileMapping, fault_counts, file_mapping, residency, warm_file
from mmaplab.real.libc import check, function, require_linux, unmap_memory

RW = int(Prot.PROT_READ | Prot.PROT_WRITE)


def sync(mapping: FileMapping, flags: int, pages: int | None = None) -> None:
    """Call msync(2) for the first `pages` pages of a mapping, or all; raises OSError."""
    length = mapping.length if pages is None else pages * PAGE_SIZE
    check(function("msync")(mapping.address, length, flags), "msync")


def dirty_after_each_call(pages: int = 64) -> dict[str, Value]:
    """Store to every page of a shared mapping; count its dirty pages after each call, and the faults of new stores."""
    require_linux()
    with warm_file(pages) as path, file_mapping(path, prot=RW) as m:
        array = m.array
        array[::PAGE_SIZE] = 1
        told: dict[str, Value] = {"pages stored to": pages, "dirty after the stores": dirty_pages(m)}
        sync(m, Ms.MS_ASYNC)
        told["dirty after MS_ASYNC"] = dirty_pages(m)
        sync(m, Ms.MS_SYNC, 2)
        told["dirty after MS_SYNC of two pages"] = dirty_pages(m)
        sync(m, Ms.MS_SYNC)
        told["dirty after MS_SYNC"] = dirty_pages(m)
        with fault_counts() as faults:
            array[::PAGE_SIZE] = 2
        told["faults of the next stores"] = faults.minor
        return told


def cached_after_munmap(pages: int = 64) -> dict[str, Value]:
    """Store to every page of a mapping, unmap it, and look at the file through a second mapping."""
    require_linux()
    with warm_file(pages) as path:
        with file_mapping(path, prot=RW) as m:
            m.array[::PAGE_SIZE] = 1
            address, length = m.address, m.length
        unmap_memory(address, length)  # a hole by now: no error
        with file_mapping(path, prot=RW) as again:
            array = again.array
            array[::PAGE_SIZE].sum()
            return {
                "pages stored to": pages,
                "pages cached after munmap": sum(residency(again)),
                "pages dirty after munmap": dirty_pages(again),
                "munmap of the hole": 0,
            }


def flusher_rules() -> dict[str, Value]:
    """Return the flusher's numbers of this machine, and how a dirty page fares that nobody asks about."""
    require_linux()
    with warm_file(4) as path, open(path, "r+b") as file, file_mapping(path, prot=RW) as m:
        m.array[0] = 1
        left = dirty_pages(m)
        os.fsync(file.fileno())
        return {
            "oldest dirty page, seconds": _setting("dirty_expire_centisecs") / 100,
            "flusher wakes every, seconds": _setting("dirty_writeback_centisecs") / 100,
            "and when dirty memory is, percent": _setting("dirty_background_ratio"),
            "dirty after a store, nobody asked": left,
            "dirty after fsync": dirty_pages(m),
        }


def _setting(name: str) -> int:
    """Return one number of /proc/sys/vm; Documentation/admin-guide/sysctl/vm.rst."""
    return int(Path("/proc/sys/vm", name).read_text(encoding="ascii"))
