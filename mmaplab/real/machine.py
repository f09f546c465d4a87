"""What this machine's kernel does, measured with a few pages in a live process; as fields of `KernelConfig`.

Every function takes a fresh process and cleans up nothing: the process is thrown away afterwards.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
from collections.abc import Callable
from pathlib import Path

from mmaplab.constants import PAGE_SIZE, PMD_SIZE, Madv, Map, Mremap, Open, Prot
from mmaplab.real import files, procfs
from mmaplab.real.kernel import LinuxKernel
from mmaplab.real.process import LinuxProcess
from mmaplab.releases import Release, by_release

with contextlib.suppress(ImportError):  # not on every system; who uses it has a live Linux
    import resource

READ_WRITE = Prot.PROT_READ | Prot.PROT_WRITE
PRIVATE = Map.MAP_PRIVATE | Map.MAP_ANONYMOUS
ARENA = 0x30_0000_0000
"""A multiple of 2 MiB in an unused part of the address space."""
FIXED_SHARED = Map.MAP_SHARED | Map.MAP_FIXED
CAP_IPC_LOCK, CAP_SYS_RAWIO = 14, 17
NEVER = 1e9
"""A number of seconds that no program waits for."""
Values = dict[str, int | float | bool | str]


def machine(kernel: LinuxKernel) -> Values:
    """Return what is known of this machine, by the names of `KernelConfig`'s fields."""
    values: Values = {
        "page_size": kernel.page_size,
        "mmap_base": kernel.mmap_base,
        "file_system": "tmpfs" if kernel.file_system == "tmpfs" else "ext4",
        "cpus": len(os.sched_getaffinity(0)),
    }
    values |= by_release(release())
    values |= from_proc()
    values |= readahead_of(kernel.directory)
    values |= journal_of(kernel.directory)
    values |= measure(kernel)
    return values


def measure(kernel: LinuxKernel) -> Values:
    """Measure what can be measured; what fails is left out, and the profile's value holds."""
    values: Values = {}
    asked = (fault_around, lowest_hint, alignment_of_anonymous, moves_several, merges_unfaulted)
    for measurement in (*asked, known_advice, stacks_apart, droppable):
        values |= _in_process(kernel, measurement)
    if kernel.file_system == "ext4":
        values |= _in_process(kernel, alignment_of_files)
        window = int(values.get("fault_around_bytes", 65536)) // PAGE_SIZE
        values |= _in_process(kernel, lambda p: whole_folios(p, window))
    else:
        values["large_folios"] = False
    return values


def _in_process(kernel: LinuxKernel, measurement: Callable[[LinuxProcess], Values]) -> Values:
    process = kernel.spawn()
    try:
        return measurement(process)
    except OSError:
        return {}
    finally:
        process.exit()


def release() -> Release:
    """Return the (major, minor) version of the kernel, or a high one where it tells none."""
    found = re.match(r"(\d+)\.(\d+)", platform.release())
    return (int(found[1]), int(found[2])) if found else (99, 0)


def from_proc() -> Values:
    """Return what /proc tells: limits, rights, memory."""
    values: Values = {}
    for field, name in (("max_map_count", "max_map_count"), ("overcommit_memory", "overcommit_memory")):
        values |= _number(f"/proc/sys/vm/{name}", field, 1)
    values |= _number("/proc/sys/vm/mmap_min_addr", "mmap_min_addr", 1)
    values["data_segment_bytes"] = data_segment()
    values |= _number("/proc/sys/vm/dirty_expire_centisecs", "dirty_expire_seconds", 0.01)
    values |= _number("/proc/sys/vm/dirty_writeback_centisecs", "flush_tick_seconds", 0.01)
    if values.get("flush_tick_seconds") == 0:  # that switches the regular flusher off
        values["flush_tick_seconds"] = NEVER
    for name in ("dirty_bytes", "dirty_background_bytes", "dirty_ratio", "dirty_background_ratio"):
        values |= {field: value for field, value in _number(f"/proc/sys/vm/{name}", name, 1).items() if value}
    for field, folder in (("thp", "transparent_hugepage"), ("ksm", "ksm")):
        values[field] = Path("/sys/kernel/mm", folder).exists()
    memory = procfs.parse_counters(Path("/proc/meminfo").read_text())
    values["commit_limit_bytes"] = memory["MemTotal"] + memory.get("SwapTotal", 0)
    rights = int(re.findall(r"CapEff:\s*([0-9a-f]+)", Path("/proc/self/status").read_text())[0], 16)
    values["cap_ipc_lock"] = bool(rights >> CAP_IPC_LOCK & 1)
    values["cap_sys_rawio"] = bool(rights >> CAP_SYS_RAWIO & 1)
    for field in ("memlock", "stack", "as", "data"):
        values[f"rlimit_{field}"] = resource.getrlimit(getattr(resource, f"RLIMIT_{field.upper()}"))[0] % 2**64
    values["exec_only_readable"] = not procfs.has_protection_keys()
    return values


def data_segment() -> int:
    """Return the bytes of this program's own data, start_data to end_data: its live processes inherit them. proc(5)."""
    fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    return int(fields[43]) - int(fields[42])


def _number(path: str, field: str, unit: float) -> Values:
    try:
        value = int(Path(path).read_text())
    except (OSError, ValueError):
        return {}
    return {field: value if unit == 1 else value * unit}


def journal_of(directory: str) -> Values:
    """Return what the kernel shows of the ext4 below a directory: its journal, by the mount options; ext4(5)."""
    device = files.file_system_of(directory).device
    options = Path("/proc/fs/ext4") / Path(f"/sys/dev/block/{device}").resolve().name / "options"
    try:
        return ext4_options(options.read_text())
    except OSError:
        return {}


def ext4_options(text: str) -> Values:
    """Return whether there is a journal, and how often it commits, from a mounted file system's options; ext4(5)."""
    values: Values = {"journal": "data=" in text}
    commit = re.search(r"^commit=(\d+)$", text, re.MULTILINE)
    if commit and int(commit[1]):  # 0 stands for the default
        values["commit_seconds"] = int(commit[1])
    return values


def readahead_of(directory: str) -> Values:
    """Return the readahead window and the largest request of the device below a directory, in pages, from sysfs."""
    device = files.file_system_of(directory).device
    block = Path(f"/sys/dev/block/{device}").resolve()
    queues = [block / "queue", block.parent / "queue", Path(f"/sys/class/bdi/{device}")]
    values: Values = {}
    for field, name in (("ra_pages", "read_ahead_kb"), ("io_pages", "max_sectors_kb")):
        for queue in queues:
            found = _number(str(queue / name), field, 1)
            if found:
                values[field] = int(found[field]) // 4
                break
    return values


# ---------------------------------------------------------------- measured


def fault_around(p: LinuxProcess) -> Values:
    """One load of a page amid 512 cached ones of a file in memory: how many entries does it set?"""
    fd = p.memfd_create("fault-around")
    for _ in range(512):
        p.write(fd, b"x" * PAGE_SIZE)
    a = p.mmap(ARENA, PMD_SIZE, Prot.PROT_READ, FIXED_SHARED, fd)
    p.load(a + 256 * PAGE_SIZE)
    return {"fault_around_bytes": sum(map(bool, p.pagemap(a, PMD_SIZE))) * PAGE_SIZE}


def lowest_hint(p: LinuxProcess) -> Values:
    """A mapping with the address of the second page as its hint: where is it?"""
    return {"hint_min_addr": p.mmap(PAGE_SIZE, PAGE_SIZE, Prot.PROT_NONE, PRIVATE)}


def whole_folios(p: LinuxProcess, window: int) -> Values:
    """A file written in one piece of 2 MiB, and one load: are more pages mapped than the window has?"""
    fd = p.open("folios", Open.O_RDWR | Open.O_CREAT)
    try:
        p.write(fd, b"x" * PMD_SIZE)
        p.write(fd, b"x" * PMD_SIZE)
        a = p.mmap(ARENA, 2 * PMD_SIZE, Prot.PROT_READ, FIXED_SHARED, fd)
        p.load(a + 256 * PAGE_SIZE)
        whole = sum(map(bool, p.pagemap(a, PMD_SIZE))) > window
    finally:
        p.unlink("folios")
    return {"map_whole_folio": True, "large_folios": True} if whole else {"map_whole_folio": False}


def alignment_of_anonymous(p: LinuxProcess) -> Values:
    """Un-hinted mappings of 4 MiB, and of a page more: do they start on 2 MiB?"""
    p.mmap(0, PAGE_SIZE, Prot.PROT_NONE, PRIVATE | Map.MAP_NORESERVE)
    multiple = p.mmap(0, 2 * PMD_SIZE, Prot.PROT_NONE, PRIVATE | Map.MAP_NORESERVE)
    p.mmap(0, PAGE_SIZE, Prot.PROT_NONE, PRIVATE | Map.MAP_NORESERVE)
    larger = p.mmap(0, 2 * PMD_SIZE + PAGE_SIZE, Prot.PROT_NONE, PRIVATE | Map.MAP_NORESERVE)
    if larger % PMD_SIZE == 0:
        return {"thp_align_anon": "larger"}
    return {"thp_align_anon": "multiple" if multiple % PMD_SIZE == 0 else "never"}


def alignment_of_files(p: LinuxProcess) -> Values:
    """An un-hinted mapping of 4 MiB of a file: does it start on 2 MiB?"""
    fd = p.open("aligned", Open.O_RDWR | Open.O_CREAT)
    try:
        p.ftruncate(fd, 2 * PMD_SIZE)
        p.mmap(0, PAGE_SIZE, Prot.PROT_NONE, PRIVATE)
        return {"thp_align_file": p.mmap(0, 2 * PMD_SIZE, Prot.PROT_READ, Map.MAP_SHARED, fd) % PMD_SIZE == 0}
    finally:
        p.unlink("aligned")


def moves_several(p: LinuxProcess) -> Values:
    """Two areas, moved by one mremap."""
    a = p.mmap(ARENA, 2 * PAGE_SIZE, READ_WRITE, PRIVATE | Map.MAP_FIXED)
    p.mprotect(a, PAGE_SIZE, Prot.PROT_READ)
    try:
        p.mremap(a, 2 * PAGE_SIZE, 2 * PAGE_SIZE, Mremap.MREMAP_MAYMOVE | Mremap.MREMAP_FIXED, a + PMD_SIZE)
    except OSError:
        return {"mremap_multi": False}
    return {"mremap_multi": True}


def merges_unfaulted(p: LinuxProcess) -> Values:
    """An area with a page of its own gets the flags of a neighbour that has none: one area or two?"""
    a = p.mmap(ARENA, 2 * PAGE_SIZE, READ_WRITE, PRIVATE | Map.MAP_FIXED)
    p.madvise(a, PAGE_SIZE, Madv.MADV_DONTFORK)
    p.store(a + PAGE_SIZE, b"x")
    p.madvise(a + PAGE_SIZE, PAGE_SIZE, Madv.MADV_DONTFORK)
    return {"merge_unfaulted": len(p.maps()) == 1}


def known_advice(p: LinuxProcess) -> Values:
    """Advice about no byte: whether the kernel knows it is looked at first."""
    values: Values = {
        "madv_populate": knows(p, Madv.MADV_POPULATE_READ),
        "madv_dontneed_locked": knows(p, Madv.MADV_DONTNEED_LOCKED),
        "madv_guard": knows(p, Madv.MADV_GUARD_INSTALL),
    }
    if Path("/sys/kernel/mm/transparent_hugepage").exists():  # without it nobody knows this advice
        values["madv_collapse"] = knows(p, Madv.MADV_COLLAPSE)
    a = p.mmap(ARENA, PAGE_SIZE, READ_WRITE, FIXED_SHARED | Map.MAP_ANONYMOUS)
    values["madv_guard_files"] = knows(p, Madv.MADV_GUARD_INSTALL, a, PAGE_SIZE)
    return values


def knows(p: LinuxProcess, advice: int, addr: int = 0, length: int = 0) -> bool:
    """Does the kernel take this advice about the range?"""
    try:
        p.madvise(addr, length, advice)
    except OSError:
        return False
    return True


def stacks_apart(p: LinuxProcess) -> Values:
    """Memory, and a neighbour with MAP_STACK: one area or two?"""
    p.mmap(ARENA, PAGE_SIZE, READ_WRITE, PRIVATE | Map.MAP_FIXED)
    p.mmap(ARENA + PAGE_SIZE, PAGE_SIZE, READ_WRITE, PRIVATE | Map.MAP_FIXED | Map.MAP_STACK)
    return {"map_stack_apart": len(p.maps()) == 2}


def droppable(p: LinuxProcess) -> Values:
    """A mapping of the type MAP_DROPPABLE: is it EINVAL?"""
    try:
        p.mmap(0, PAGE_SIZE, READ_WRITE, Map.MAP_DROPPABLE | Map.MAP_ANONYMOUS)
    except OSError:
        return {"map_droppable": False}
    return {"map_droppable": True}
