"""Experiments of chapter 02: the address space of this very Python process.

    my_space()              its areas, the bytes they cover, the bytes in memory
    raw_lines()             some lines of its maps, as the kernel writes them
    one_line()              one area of our own making, as maps and smaps show it
    thread_and_me()         a thread's areas beside ours
    kernel_thread()         a task that has no address space, beside ours
    predict_places()        our areas loaded into the simulated kernel, which says where the next ones will be

Each raises NotAvailable where there is no live Linux.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Sequence
from pathlib import Path

from mmaplab.constants import PAGE_SIZE, TASK_SIZE, Map, Prot
from mmaplab.interface import MapsEntry
from mmaplab.lab import NotAvailable, Value
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


def raw_lines() -> dict[str, Value]:
    """Return some lines of /proc/self/maps, by what they are; a kind that this process lacks is left out.

    Fields are parted by one space, where the kernel pads the name, and `~` stands for the home directory. Linux:
    show_map_vma, fs/proc/task_mmu.c.
    """
    require_linux()
    program = str(Path("/proc/self/exe").readlink())
    found: dict[str, Value] = {}
    for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="backslashreplace").splitlines():
        fields = line.split(maxsplit=5)
        perms, name = fields[1], fields[5] if len(fields) > 5 else ""
        for kind, is_it in (
            ("the program's code", name == program and "x" in perms),
            ("the heap", name == "[heap]"),
            ("memory from mmap", name == "" and perms == "rw-p"),
            ("the C library's code", _is_libc(name) and "x" in perms),
            ("the stack", name == "[stack]"),
            ("code of the kernel's", name == "[vdso]"),
        ):
            if is_it:
                found.setdefault(kind, " ".join(fields).replace(f" {Path.home()}/", " ~/"))
    return found


def _is_libc(name: str) -> bool:
    """Is it the C library: glibc's libc.so.6, or musl's, which is its loader as well?"""
    return Path(name).name.startswith(("libc.so", "libc-", "ld-musl"))


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


def kernel_thread() -> dict[str, Value]:
    """Look at kthreadd, the kernel's own thread that starts the others: has its /proc/PID/status a line VmSize?

    proc_pid_status(5). Raises NotAvailable where it cannot be seen: a container shows its own processes only.
    """
    require_linux()
    ours, its = _status("self"), _status("2")
    if its.get("Name") != "kthreadd":
        raise NotAvailable("no thread of the kernel can be seen here: a container shows its own processes only")
    try:
        lines: Value = Path("/proc/2/maps").read_text(encoding="ascii").count("\n")
    except OSError:
        lines = "may not be read"
    return {
        "task 2": its["Name"],
        "VmSize in its status": "VmSize" in its,
        "lines of its maps": lines,
        "VmSize in our status": "VmSize" in ours,
    }


def _status(pid: str) -> dict[str, str]:
    """Return the lines of /proc/PID/status, by name; none where it may not be seen."""
    try:
        text = Path("/proc", pid, "status").read_text(encoding="utf-8", errors="backslashreplace")
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


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
