"""Experiments of chapters 02 and 03: the areas of this very Python process, counted and timed.

    count_areas()           lines of /proc/self/maps before and after mmap, munmap and mprotect
    time_with_areas()       mmap and munmap with few areas, and with many
    promises()              what large mappings take: memory, page tables, the kernel's account of promises

Each raises NotAvailable where there is no live Linux.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from mmaplab.constants import PAGE_SIZE, Map, Prot
from mmaplab.lab import Value
from mmaplab.real import FileMapping, file_mapping, maps, warm_file
from mmaplab.real.libc import check, function, map_memory, require_linux, unmap_memory
from mmaplab.real.own import status
from mmaplab.real.procfs import parse_counters

OURS = int(Map.MAP_PRIVATE | Map.MAP_ANONYMOUS)
RW = int(Prot.PROT_READ | Prot.PROT_WRITE)


def count_areas(times: int = 50) -> dict[str, Value]:
    """Count how many areas each kind of call adds to this process; negative where it removes some.

    And the most that a process may have: vm.max_map_count, Documentation/admin-guide/sysctl/vm.rst.
    """
    require_linux()
    counted: dict[str, Value] = {}
    kept: list[int] = []
    with warm_file(times) as path:
        counted[f"{times} anonymous pages"] = _added(
            lambda: kept.extend(map_memory(0, PAGE_SIZE, RW, OURS, -1, 0) for _ in range(times))
        )
        with open(path, "rb") as file:
            same = [0] * times
            down = [page * PAGE_SIZE for page in reversed(range(times))]
            for name, offsets in ((f"{times} times file page 0", same), (f"file pages {times - 1} to 0", down)):
                before = len(maps())
                kept.extend(_map_pages(file.fileno(), offsets))
                counted[name] = len(maps()) - before
    for address in kept:
        unmap_memory(address, PAGE_SIZE)
    allowed = int(Path("/proc/sys/vm/max_map_count").read_text(encoding="ascii"))
    return counted | _cuts() | {"areas allowed": allowed}


def _map_pages(fd: int, offsets: list[int]) -> list[int]:
    return [map_memory(0, PAGE_SIZE, Prot.PROT_READ, Map.MAP_SHARED, fd, offset) for offset in offsets]


def _cuts() -> dict[str, Value]:
    """Cut one area in the middle, join it, and give a page back."""
    mprotect = function("mprotect")
    room = map_memory(0, 11 * PAGE_SIZE, Prot.PROT_NONE, OURS, -1, 0)  # its ends keep the neighbours away
    inner, middle = room + PAGE_SIZE, room + 4 * PAGE_SIZE
    check(mprotect(inner, 9 * PAGE_SIZE, RW), "mprotect")
    counted: dict[str, Value] = {
        "mprotect in the middle": _added(lambda: mprotect(middle, 3 * PAGE_SIZE, int(Prot.PROT_READ))),
        "and back": _added(lambda: mprotect(middle, 3 * PAGE_SIZE, RW)),
        "munmap in the middle": _added(lambda: unmap_memory(middle, PAGE_SIZE)),
    }
    unmap_memory(room, 11 * PAGE_SIZE)
    return counted


def _added(call: Callable[[], object]) -> int:
    before = len(maps())
    call()
    return len(maps()) - before


def time_with_areas(few: int = 300, many: int = 20_000, rounds: int = 400) -> dict[str, Value]:
    """Time an mmap and a munmap of one page, with few further areas and with many; medians in microseconds."""
    require_linux()
    timed: dict[str, Value] = {}
    for name, count in (("few", few), ("many", many)):
        address = _stripes(count)
        timed[f"areas, {name}"] = len(maps())
        timed[f"microseconds with {name}"] = statistics.median(_one_round() for _ in range(rounds)) / 1000
        unmap_memory(address, count * PAGE_SIZE)
    return timed


def _stripes(count: int) -> int:
    """Make `count` areas of one page each, side by side, alternately readable and not; returns their address."""
    mprotect = function("mprotect")
    address = map_memory(0, count * PAGE_SIZE, Prot.PROT_NONE, OURS, -1, 0)
    for page in range(0, count, 2):
        check(mprotect(address + page * PAGE_SIZE, PAGE_SIZE, int(Prot.PROT_READ)), "mprotect")
    return address


def _one_round() -> int:
    start = time.perf_counter_ns()
    unmap_memory(map_memory(0, PAGE_SIZE, RW, OURS, -1, 0), PAGE_SIZE)
    return time.perf_counter_ns() - start


def promises() -> dict[str, Value]:
    """Map much and touch little: what grows? In KiB; the account of promises is the whole machine's."""
    require_linux()
    before = status()
    address = map_memory(0, 64 << 30, RW, OURS | Map.MAP_NORESERVE, -1, 0)
    mapped = status()
    unmap_memory(address, 64 << 30)
    with warm_file(1) as path:
        with open(path, "r+b") as file:
            file.truncate(1 << 30)
        private = _promised(path, int(Map.MAP_PRIVATE))
        shared = _promised(path, int(Map.MAP_SHARED))
    return {
        "64 GiB: memory, KiB": (mapped["VmRSS"] - before["VmRSS"]) // 1024,
        "64 GiB: page tables, KiB": (mapped["VmPTE"] - before["VmPTE"]) // 1024,
        "a byte in every 2 MiB of 256 MiB: page tables, KiB": _tables_of_touches(128),
        "1 GiB private: promised, KiB": private,
        "1 GiB shared: promised, KiB": shared,
    }


def _tables_of_touches(count: int) -> int:
    """Touch one byte in each of `count` ranges of 2 MiB; returns by how many KiB the page tables grow."""
    address = map_memory(0, count << 21, RW, OURS | Map.MAP_NORESERVE, -1, 0)
    before = status()["VmPTE"]
    with FileMapping(address, count << 21, RW) as mapping:
        mapping.array[:: 1 << 21] = 1
        return (status()["VmPTE"] - before) // 1024


def _promised(path: str, flags: int) -> int:
    """Return by how many KiB the account grows when 1 GiB of a file is mapped writable."""
    before = _committed()
    with file_mapping(path, prot=RW, flags=flags):
        return _committed() - before


def _committed() -> int:
    with open("/proc/meminfo", encoding="ascii") as file:
        return parse_counters(file.read())["Committed_AS"] // 1024
