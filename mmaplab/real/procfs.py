"""Parsers: the text and bytes of /proc/PID/* to records; proc(5). All but `has_protection_keys` read no file."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from mmaplab.interface import MapsEntry

_MAPS_LINE = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) \S+ \d+ *(.*)")


@dataclass(frozen=True, slots=True)
class SmapsEntry:
    """One area of /proc/PID/smaps: the line of maps, and its counters in bytes (`Rss`, `Private_Dirty`, ...)."""

    area: MapsEntry
    sizes: dict[str, int] = field(default_factory=dict)
    vm_flags: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> int:
        return self.sizes[name]


@dataclass(frozen=True, slots=True)
class PageEntry:
    """One page's 64 bits of /proc/PID/pagemap; Documentation/admin-guide/mm/pagemap.rst.

    `pfn` is 0 without CAP_SYS_ADMIN. `file` also holds for shared anonymous memory. True if present.
    """

    present: bool
    swapped: bool
    file: bool
    exclusive: bool
    soft_dirty: bool
    pfn: int

    def __bool__(self) -> bool:
        return self.present


@dataclass(frozen=True, slots=True)
class MountEntry:
    """One mount of /proc/PID/mountinfo: where it is, the file system's type, and the device number."""

    mount_point: str
    fs_type: str
    device: str


def parse_maps(text: str) -> list[MapsEntry]:
    """Return the areas of /proc/PID/maps; raises ValueError for a line that is none. fs/proc/task_mmu.c."""
    entries = []
    for line in text.splitlines():
        found = _MAPS_LINE.fullmatch(line)
        if not found:
            raise ValueError(f"no line of /proc/PID/maps: {line!r}")
        entries.append(_maps_entry(found))
    return entries


def _maps_entry(found: re.Match[str]) -> MapsEntry:
    start, end, perms, offset, path = found.groups()
    return MapsEntry(int(start, 16), int(end, 16), perms, int(offset, 16), unescape(path))


def parse_smaps(text: str) -> list[SmapsEntry]:
    """Return the areas of /proc/PID/smaps or smaps_rollup, sizes in bytes. fs/proc/task_mmu.c, show_smap."""
    entries: list[SmapsEntry] = []
    for line in text.splitlines():
        found = _MAPS_LINE.fullmatch(line)
        if found:
            entries.append(SmapsEntry(_maps_entry(found)))
            continue
        name, _, rest = line.partition(":")
        if not entries:
            raise ValueError(f"no line of /proc/PID/smaps: {line!r}")
        if name == "VmFlags":
            entries[-1] = SmapsEntry(entries[-1].area, entries[-1].sizes, tuple(rest.split()))
        elif rest.endswith(" kB"):
            entries[-1].sizes[name] = int(rest[:-3]) * 1024
    return entries


def parse_counters(text: str) -> dict[str, int]:
    """Return the numbers of /proc/PID/io, status, /proc/meminfo or vmstat by name; `kB` becomes bytes."""
    counters = {}
    for line in text.splitlines():
        found = re.fullmatch(r"(\S+?):?\s+(\d+)( kB)?", line)
        if found:
            counters[found.group(1)] = int(found.group(2)) * (1024 if found.group(3) else 1)
    return counters


def parse_pagemap(data: bytes) -> list[PageEntry]:
    """Return the pages of a piece of /proc/PID/pagemap, 8 bytes each. fs/proc/task_mmu.c, pagemap_read."""
    return [_page_entry(bits) for (bits,) in struct.iter_unpack("=Q", data)]


def _page_entry(bits: int) -> PageEntry:
    present = bool(bits >> 63 & 1)
    return PageEntry(
        present=present,
        swapped=bool(bits >> 62 & 1),
        file=bool(bits >> 61 & 1),
        exclusive=bool(bits >> 56 & 1),
        soft_dirty=bool(bits >> 55 & 1),
        pfn=bits & (1 << 55) - 1 if present else 0,
    )


def parse_mountinfo(text: str) -> Iterator[MountEntry]:
    """Return the mounts of /proc/PID/mountinfo. fs/proc_namespace.c, show_mountinfo."""
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        yield MountEntry(unescape(fields[4]), after.split()[0], fields[2])


def unescape(path: str) -> str:
    """Return a path with the octal escapes of /proc (`\\040`) turned back."""
    if "\\" not in path:
        return path
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), path)


@cache
def has_protection_keys() -> bool:
    """Return whether the processor can forbid loads from memory for execution only; pkeys(7), /proc/cpuinfo."""
    return " ospke" in Path("/proc/cpuinfo").read_text()
