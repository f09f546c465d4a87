"""What differs between machines, kernels and file systems, as plain values.

The rules of the course hold everywhere; these numbers and switches say where kernels part company. A named profile
sets all of them: `KernelConfig.named("modern")` is Linux 6.18 with ext4, `"classic"` a long-term kernel (5.15).
`KernelConfig.of_this_machine()` takes what Linux tells about the machine under the notebook.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from mmaplab.constants import PAGE_SIZE, RLIM_INFINITY, TASK_SIZE
from mmaplab.releases import Release, by_release, thp_align_anon

KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "int": ((int,), "a whole number"),
    "int | None": ((int, type(None)), "a whole number, or None"),
    "float": ((int, float), "a number of seconds"),
    "bool": ((bool,), "True or False"),
    "str": ((str,), "a string"),
}
"""What a field of each type takes, and in words."""
LEAST = {
    "memory_pages": 1,
    "disk_pages": 0,
    "max_map_count": 1,
    "commit_limit_bytes": 0,
    "mmap_min_addr": 0,
    "hint_min_addr": 0,
    "start_brk": 0,
    "data_segment_bytes": 0,
    "cpus": 1,
    "tlb_entries": 1,
    "ra_pages": 0,
    "io_pages": 0,
    "rlimit_memlock": 0,
    "rlimit_stack": 0,
    "rlimit_as": 0,
    "rlimit_data": 0,
    "dirty_expire_seconds": 0,
}
"""The smallest value of a field."""


@dataclass(frozen=True)
class KernelConfig:
    """One machine. Sizes ending in `_bytes` are bytes, those ending in `_pages` pages, `_seconds` seconds."""

    # memory management
    page_size: int = PAGE_SIZE
    fault_around_bytes: int = 65536
    """A read fault maps the cached pages of a window of this size; debugfs fault_around_bytes."""
    memory_pages: int | None = None
    """Frames of the machine, or of the memory limit; None for no limit."""
    max_map_count: int = 65530
    overcommit_memory: int = 0
    commit_limit_bytes: int = 64 << 30
    """The largest single private writable mapping that overcommit mode 0 grants: total memory and swap."""
    mmap_base: int = 0x7FFF_F7FF_F000
    """Un-hinted mappings are placed below this address, the highest first."""
    task_size: int = TASK_SIZE
    mmap_min_addr: int = 65536
    """MAP_FIXED below this address is refused, where there is no CAP_SYS_RAWIO."""
    hint_min_addr: int = 65536
    """Hints below this address mean this one: the larger of mmap_min_addr and CONFIG_LSM_MMAP_MIN_ADDR."""
    start_brk: int = 0x5555_5555_9000
    data_segment_bytes: int = 0
    """The program file's own data, which RLIMIT_DATA counts together with the heap."""
    cpus: int = 2
    tlb_entries: int = 1536

    # readahead of the disk
    ra_pages: int = 32
    """Readahead window of the device; /sys/block/*/queue/read_ahead_kb over 4."""
    io_pages: int = 256
    """Largest request of the device; /sys/block/*/queue/max_sectors_kb over 4."""

    # file system
    file_system: str = "ext4"
    journal: bool = True
    """Has ext4 a journal, so that fsync of one file commits the changes of all? (mkfs.ext4 makes one.)"""
    large_folios: bool = True
    """ext4 keeps large writes and streams in folios of many pages (6.16 and later)."""
    disk_pages: int | None = None
    """Blocks of the disk, or pages of the tmpfs; None for no limit."""

    # what newer kernels do
    map_whole_folio: bool = True
    """A fault maps the whole large folio that it hits (6.18 and later)."""
    eof_quirk: bool = True
    """Fault-around maps nothing when the last folio of an ext4 file meets a missing page table (6.18)."""
    thp_align_anon: str = "multiple"
    """Which un-hinted private anonymous mappings start on 2 MiB: 'multiple' of 2 MiB, 'larger' than it, or 'never'."""
    thp_align_file: bool = True
    mremap_multi: bool = True
    """mremap with MREMAP_FIXED and an unchanged size may move several areas at once (6.17 and later)."""
    merge_unfaulted: bool = True
    """An area with anonymous pages may merge with a neighbour that has none when its flags change (6.16 and later)."""
    async_hit_is_minor: bool = True
    """Touching the readahead marker page is a minor fault (6.4 and later)."""
    ra_align_end: bool = True
    """Asynchronous readahead ends on a folio boundary (6.16 and later)."""
    exec_only_readable: bool = True
    """PROT_EXEC alone is readable; False on processors with protection keys."""
    thp: bool = True
    """Built with CONFIG_TRANSPARENT_HUGEPAGE: madvise knows the advice on huge pages."""
    ksm: bool = True
    """Built with CONFIG_KSM: madvise knows MADV_MERGEABLE and MADV_UNMERGEABLE."""
    pt_reclaim: bool = True
    """madvise(MADV_DONTNEED) frees page tables that it empties (6.14 and later)."""

    # which calls it knows
    madv_populate: bool = True
    """madvise knows MADV_POPULATE_READ and MADV_POPULATE_WRITE (5.14 and later)."""
    madv_dontneed_locked: bool = True
    """madvise knows MADV_DONTNEED_LOCKED (5.18 and later)."""
    madv_collapse: bool = True
    """madvise knows MADV_COLLAPSE (6.1 and later)."""
    map_stack_apart: bool = True
    """MAP_STACK memory wants no huge pages, and merges with no other (6.7 and later)."""
    map_droppable: bool = True
    """mmap knows MAP_DROPPABLE (6.11 and later)."""
    madv_guard: bool = True
    """madvise knows MADV_GUARD_INSTALL and MADV_GUARD_REMOVE (6.13 and later)."""
    madv_guard_files: bool = True
    """Guards may be made in mappings of files, too (6.15 and later)."""

    # rights of the processes
    cap_sys_rawio: bool = True
    cap_ipc_lock: bool = True
    rlimit_memlock: int = 8 << 20
    rlimit_stack: int = 8 << 20
    rlimit_as: int = RLIM_INFINITY
    rlimit_data: int = RLIM_INFINITY

    # write-back
    dirty_background_bytes: int | None = None
    """The flusher wakes when more than this is dirty; None for `dirty_background_ratio`."""
    dirty_bytes: int | None = None
    """Writers wait before more than this is dirty; None for `dirty_ratio`."""
    dirty_background_ratio: int = 10
    """The same as a percentage of the memory that is free or page cache, where `memory_pages` says how much there is;
    without it there is no limit."""
    dirty_ratio: int = 20
    dirty_expire_seconds: float = 30.0
    flush_tick_seconds: float = 5.0
    commit_seconds: float = 5.0
    """The journal commits names, sizes and new blocks so long after the first change."""

    def __post_init__(self) -> None:
        self._check_kinds()
        if self.page_size != PAGE_SIZE:
            raise ValueError(f"page_size is {self.page_size}: the model is built for pages of {PAGE_SIZE} bytes")
        if self.file_system not in ("ext4", "tmpfs"):
            raise ValueError(f"file_system is {self.file_system!r}: the model knows 'ext4' and 'tmpfs'")
        if self.fault_around_bytes % PAGE_SIZE or self.fault_around_bytes & (self.fault_around_bytes - 1):
            raise ValueError(f"fault_around_bytes is {self.fault_around_bytes}: give a power of two of whole pages")
        if self.thp_align_anon not in ("multiple", "larger", "never"):
            raise ValueError(f"thp_align_anon is {self.thp_align_anon!r}: give 'multiple', 'larger' or 'never'")
        for name, least in LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} is {value}: give {least} or more")
        self._check_addresses()
        self._check_write_back()

    def _check_kinds(self) -> None:
        """Raise TypeError for a field whose value is not of the field's kind."""
        for field in fields(self):
            value, words = getattr(self, field.name), str(field.type)
            kinds, wanted = KINDS[words]
            if not isinstance(value, kinds) or (isinstance(value, bool) and words != "bool"):
                raise TypeError(f"{field.name} is {value!r}: give {wanted}")

    def _check_addresses(self) -> None:
        """Raise ValueError for addresses that this machine does not have."""
        if self.task_size % PAGE_SIZE or not 0 < self.task_size <= TASK_SIZE:
            raise ValueError(f"task_size is {self.task_size:#x}: give whole pages, {TASK_SIZE:#x} at most")
        if self.mmap_base % PAGE_SIZE or not self.mmap_min_addr < self.mmap_base <= TASK_SIZE:
            raise ValueError(
                f"mmap_base is {self.mmap_base:#x}: give the start of a page above mmap_min_addr, "
                f"{self.mmap_min_addr:#x}, and {TASK_SIZE:#x} at most"
            )
        if self.overcommit_memory not in (0, 1, 2):
            raise ValueError(f"overcommit_memory is {self.overcommit_memory}: Linux knows 0, 1 and 2")

    def _check_write_back(self) -> None:
        """Raise ValueError for what Linux refuses in /proc/sys/vm/dirty_* (dirty_bytes_min is two pages)."""
        for name, least in (("dirty_background_bytes", 1), ("dirty_bytes", 2 * PAGE_SIZE)):
            nbytes = getattr(self, name)
            if nbytes is not None and nbytes < least:
                raise ValueError(f"{name} is {nbytes}: give {least} bytes or more, or None for the ratio")
        for name in ("dirty_background_ratio", "dirty_ratio"):
            if not 0 <= getattr(self, name) <= 100:
                raise ValueError(f"{name} is {getattr(self, name)}: give a percentage")
        for name in ("flush_tick_seconds", "commit_seconds"):  # Linux counts in hundredths
            if not getattr(self, name) >= 0.01:
                raise ValueError(f"{name} is {getattr(self, name)}: give 0.01 seconds or more")

    @property
    def fault_around_pages(self) -> int:
        """Pages in the window of fault-around; 1 switches it off."""
        return max(1, self.fault_around_bytes // PAGE_SIZE)

    @staticmethod
    def named(name: str) -> KernelConfig:
        """Return a profile: 'modern' (6.18, ext4), 'classic' (5.15, ext4), or either with '-tmpfs' behind it."""
        base, _, file_system = name.partition("-")
        if base not in PROFILES or file_system not in ("", "tmpfs"):
            raise ValueError(f"no profile {name!r}: give one of {', '.join(PROFILES)}, or one with '-tmpfs' behind it")
        return replace(PROFILES[base], file_system=file_system or "ext4")

    @staticmethod
    def of_this_machine(measured: Mapping[str, object] | None = None) -> KernelConfig:
        """Return what is known of the running kernel's release, with the `measured` fields set.

        `measured` is what `mmaplab.real.probe` found out, by field name; unknown names are an error. Without Linux
        the answer is 'modern'.
        """
        config = of_release(_release())
        known = {f.name for f in fields(KernelConfig)}
        unknown = set(measured or {}) - known
        if unknown:
            raise ValueError(f"KernelConfig has no field {min(unknown)!r}")
        return replace(config, **dict(measured or {}))  # type: ignore[arg-type]


def _release() -> Release:
    """Return the (major, minor) version of the running Linux, or a high one where it tells none."""
    try:
        system = os.uname()
    except AttributeError:
        return (99, 0)
    if system.sysname != "Linux":
        return (99, 0)
    found = re.match(r"(\d+)\.(\d+)", system.release)
    return (int(found[1]), int(found[2])) if found else (99, 0)


def of_release(release: Release) -> KernelConfig:
    """Return the configuration of a release of Linux with ext4."""
    return replace(KernelConfig(thp_align_anon=thp_align_anon(release)), **by_release(release))  # type: ignore[arg-type]


PROFILES: dict[str, KernelConfig] = {"modern": KernelConfig(), "classic": of_release((5, 15))}
"""The named profiles. 'classic' follows the version notes of each field; it was not compared with a live 5.15."""


def checked_config(config: object) -> KernelConfig:
    """Return a configuration, the newest where there is none; raises TypeError for anything else."""
    if config is None:
        return PROFILES["modern"]
    if not isinstance(config, KernelConfig):
        how = f"KernelConfig.named({config!r})" if isinstance(config, str) else "KernelConfig(ra_pages=8)"
        raise TypeError(f"config is {config!r}: give a KernelConfig, such as {how}")
    return config
