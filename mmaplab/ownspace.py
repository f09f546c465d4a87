"""Experiments of chapter 02: the address space of this very Python process.

    my_space()              its areas, the bytes they cover, the bytes in memory
    one_line()              one area of our own making, as maps and smaps show it
    thread_and_me()         a thread's areas beside ours
    predict_places()        our areas loaded into the simulated kernel, which says where the next ones will be

Each raises NotAvailable where there is no live Linux.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Sequence

from mmaplab.constants import PAGE_SIZE, TASK_SIZE, Map, Prot
from mmaplab.interface import MapsEntry
from mmaplab.lab import Value
from mmaplab.real import FileMapping, file_mapping, maps, smaps, status, warm_file
from mmaplab.real.libc import check, function, map_memory, require_linux, unmap_memory
from mmaplab.sim import Kernel, KernelConfig
from mmaplab.sim.process import Process

RIGHTS = {"r": Prot.PROT_READ, "w": Prot.PROT_WRITE, "x": Prot.PROT_EXEC}
OURS = int(Map.MAP_PRIVATE | Map.MAP_ANONYMOUS)


def my_space() -> dict[str, Value]:
    """Count the areas of this process, what they cover and what of it is in memory."""
    require_linux()
    areas, now = [area for area in maps() if area.end <= TASK_SIZE], status()
    return {
        "areas": len(areas),
        "of them with a file": sum(area.path.startswith("/") for area in areas),
        "MiB covered, by maps": sum(area.end - area.start for area in areas) >> 20,
        "MiB covered, by VmSize": now["VmSize"] >> 20,
        "MiB in memory": now["VmRSS"] >> 20,
    }


def one_line() -> dict[str, Value]:
    """Map eight pages of a file from page 16 on, and read what the kernel says of the area."""
    require_linux()
    both = int(Prot.PROT_READ | Prot.PROT_WRITE)
    with warm_file(64) as path, file_mapping(path, 8 * PAGE_SIZE, 16 * PAGE_SIZE, both) as m:
        area, flags = _look(m)
        told: dict[str, Value] = {
            "start is the address that mmap gave": area.start == m.address,
            "bytes": area.end - area.start,
            "perms": area.perms,
            "offset": area.offset,
            "flags": flags,
        }
        check(function("mprotect")(m.address, m.length, int(Prot.PROT_READ)), "mprotect")
        told["flags after mprotect"] = _look(m)[1]
        with file_mapping(path) as read_only:
            told["flags of a read-only file"] = _look(read_only)[1]
            try:
                check(function("mprotect")(read_only.address, PAGE_SIZE, both), "mprotect")
                told["mprotect to write it"] = "granted"
            except OSError as error:
                told["mprotect to write it"] = errno.errorcode[error.errno or 0]
        return told


def _look(mapping: FileMapping) -> tuple[MapsEntry, str]:
    """Return a mapping's entry in maps, and the letters of its vm_flags."""
    entry = next(entry for entry in smaps() if entry.area.start == mapping.address)
    return entry.area, " ".join(entry.vm_flags)


def thread_and_me() -> dict[str, Value]:
    """Start a thread; compare its areas with ours, and let it store a byte that we load."""
    require_linux()
    seen: dict[str, Value] = {}
    both = int(Prot.PROT_READ | Prot.PROT_WRITE)
    page = FileMapping(map_memory(0, PAGE_SIZE, both, OURS), PAGE_SIZE, both).array

    def look() -> None:
        number = threading.get_native_id()
        with open(f"/proc/self/task/{number}/maps", encoding="utf-8", errors="surrogateescape") as file:
            its = file.read()
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as file:
            seen["same areas"] = file.read() == its
        page[0] = 84
        seen["lines"] = its.count("\n")

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    seen["its store is seen here"] = bool(page[0] == 84)
    return seen


def load_areas(areas: Sequence[MapsEntry]) -> Process:
    """Return a simulated process with the same ranges and rights: all that the search for a free place looks at."""
    top = max(area.end for area in areas if area.path not in ("[stack]", "[vdso]", "[vvar]", "[vvar_vclock]"))
    process = Kernel(KernelConfig(mmap_base=top), record=False).spawn()
    for area in areas:
        prot = sum(RIGHTS[letter] for letter in area.perms if letter in RIGHTS)
        flags = OURS | Map.MAP_FIXED | Map.MAP_NORESERVE
        process.mmap(area.start, area.end - area.start, prot, flags)
    return process


def predict_places(pages: Sequence[int] = (1, 3, 17, 300, 5000)) -> dict[str, Value]:
    """Let the simulator say where mappings of several sizes will go in this process; then make them, one by one."""
    require_linux()
    places: dict[str, Value] = {}
    right = 0
    for count in pages:
        model = load_areas([area for area in maps() if area.end <= TASK_SIZE])
        predicted = model.mmap(0, count * PAGE_SIZE, Prot.PROT_READ, OURS | Map.MAP_NORESERVE)
        happened = map_memory(0, count * PAGE_SIZE, Prot.PROT_READ, OURS | Map.MAP_NORESERVE)
        unmap_memory(happened, count * PAGE_SIZE)
        right += predicted == happened
        places[f"{count} pages"] = f"predicted {predicted:#x}, happened {happened:#x}"
    return places | {"right": right, "of": len(pages)}
