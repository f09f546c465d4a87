"""Run a small program with assertions on the simulator, and the same program beside the live kernel.

The program asserts what the rule says. On the simulator it runs alone, with every invariant checked after each call.
Live, it is given the results of the live kernel, so the same assertions hold it to the rule; and the simulator makes
each call too, must do the same, and must leave the same behind (`mmaplab.fuzz.compare`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mmaplab.constants import MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, PAGE_SIZE, PROT_READ, PROT_WRITE
from mmaplab.explain import _entries
from mmaplab.fuzz.compare import run_python
from mmaplab.fuzz.pair import Pair
from mmaplab.fuzz.writer import FileData
from mmaplab.interface import FaultCounts, Process, Program
from mmaplab.interface import Kernel as AnyKernel
from mmaplab.pte import pte_dirty, pte_pfn
from mmaplab.real import procfs
from mmaplab.sim import Kernel, KernelConfig, invariants
from mmaplab.sim.inode import Folio
from mmaplab.sim.memory import ZERO_PFN
from mmaplab.sim.mm_types import MmStruct

PAGE = PAGE_SIZE
TABLE = 512 * PAGE
"""What one page table covers: 2 MiB."""
ARENA = 0x10_0000_0000
"""A multiple of 2 MiB, far from everything."""
RW = PROT_READ | PROT_WRITE
ANON = MAP_PRIVATE | MAP_ANONYMOUS
FIXED = ANON | MAP_FIXED
SHARED = MAP_SHARED | MAP_FIXED
PRIVATE = MAP_PRIVATE | MAP_FIXED

Files = Mapping[str, FileData]


@dataclass(frozen=True)
class Both:
    """What runs the programs of one test: the simulator alone, or (`pair`) the simulator beside the live kernel."""

    config: KernelConfig
    pair: Pair | None = None

    def __call__(self, program: Program, files: Files | None = None, warm: bool = True) -> None:
        """Run a program; raises AssertionError where it breaks its rule, or where the kernels differ."""
        if self.pair:
            run = run_python(program, self.pair, files or {}, warm)
            assert run.difference is None, str(run.difference)
            return
        with Kernel(self.config, check=invariants.check) as kernel:
            for path, data in (files or {}).items():
                kernel.create_file(path, data.bytes(), warm=warm)
            program(kernel.spawn())

    def ask(self, program: Callable[[AnyKernel, Process], None], pages: int, warm: bool = True) -> None:
        """Run a program that needs its kernel, too, on a simulated or on the live one; its file is `f0`."""
        data = FileData(pages * PAGE).bytes()
        if not self.pair:
            with Kernel(self.config, check=invariants.check) as kernel:
                kernel.create_file("f0", data, warm=warm)
                program(kernel, kernel.spawn())
            return
        live = self.pair.real
        live.create_file("f0", data, warm=warm)
        p = live.spawn()
        try:
            program(live, p)
        finally:
            p.unlink("f0")
            p.exit()

    @property
    def on_disk(self) -> bool:
        """Is the file system ext4?"""
        return self.config.file_system == "ext4"


def with_both_settings(program: Program, field: str, *values: object, files: Files | None = None) -> None:
    """Run a program on simulators that differ in one field of their configuration; it is given no live kernel."""
    for value in values:
        Both(replace(KernelConfig(), **{field: value}))(program, files)  # type: ignore[arg-type]


# ---------------------------------------------------------------- what a program asks of either kernel


def areas(p: Process, start: int = 0, end: int = 1 << 64) -> list[tuple[int, int, str]]:
    """Return (first page, end page, rights) of the areas in a range; pages are counted from its start."""
    inside = [area for area in p.maps() if start <= area.start < end]
    return [((a.start - start) // PAGE, (a.end - start) // PAGE, a.perms) for a in inside]


def arena(p: Process) -> list[tuple[int, int, str]]:
    """Return the areas from ARENA on, pages counted from there."""
    return areas(p, ARENA, ARENA + 1024 * TABLE)


def pages(p: Process) -> list[tuple[int, int]]:
    """Return the areas from ARENA on as (first page, end page)."""
    return [(first, end) for first, end, _ in arena(p)]


def minor(p: Process, addr: int, data: bytes | None = None) -> int:
    """Load a byte, or store `data`; return its minor faults. Raises AssertionError where one is major."""
    found = faults(p, addr, data)
    assert found.major == 0, found
    return found.minor


def faults(p: Process, addr: int, data: bytes | None = None) -> FaultCounts:
    """Load a byte, or store `data`; return its faults."""
    before = p.faults()
    if data is None:
        p.load(addr)
    else:
        p.store(addr, data)
    return p.faults() - before


def entries(p: Process, addr: int, count: int) -> str:
    """Return the page-table entries of `count` pages, `#` for each that is there."""
    raw = getattr(p, "_recorder", None)
    text = _entries(raw.names[p._who] if raw else p, addr, addr + count * PAGE)  # type: ignore[attr-defined]
    assert text is not None
    return text


def strip(present: list[bool]) -> str:
    """Return an answer of mincore as text, `#` for each page in memory."""
    return "".join("#" if page else "." for page in present)


def resident(p: Process, addr: int, count: int) -> str:
    """Ask mincore about `count` pages."""
    return strip(p.mincore(addr, count * PAGE))


def rss(p: Process) -> tuple[int, int, int]:
    """Return the pages in memory of (private anonymous memory, files, shared memory); the worker's own are in it."""
    if mm := space_of(p):
        return (mm.rss.anon, mm.rss.file, mm.rss.shmem)
    found = procfs.parse_counters(Path(f"/proc/{p.pid}/status").read_text())
    anon, file, shmem = (found[f"Rss{kind}"] // PAGE for kind in ("Anon", "File", "Shmem"))
    return (anon, file, shmem)


def space_of(p: Process) -> MmStruct | None:
    """Return the address space of a simulated process, None for a live one."""
    return getattr(p, "mm", None)


def smaps(p: Process, addr: int) -> dict[str, int]:
    """Return, for the area at `addr`, its pages in memory: shared or private, clean or dirty. smaps, fs/proc."""
    if mm := space_of(p):
        return simulated_smaps(mm, addr)
    entry = next(e for e in procfs.parse_smaps(Path(f"/proc/{p.pid}/smaps").read_text()) if e.area.start == addr)
    kinds = ("Shared_Clean", "Shared_Dirty", "Private_Clean", "Private_Dirty")
    return {kind: entry[kind] // PAGE for kind in kinds if entry[kind]}


def simulated_smaps(mm: MmStruct, addr: int) -> dict[str, int]:
    """Count as smaps_account does: shared is what several entries map, dirty the entry's bit or the page's."""
    vma = next(vma for vma in mm.areas if vma.vm_start == addr)
    found: dict[str, int] = {}
    for _, pte in mm.pgd.entries(vma.vm_start, vma.vm_end):
        page = mm.memory.pages[pte_pfn(pte)]
        if page.pfn == ZERO_PFN:
            continue  # it is nobody's
        dirty = page.anon or pte_dirty(pte) or (isinstance(page.folio, Folio) and page.folio.dirty)
        kind = f"{'Shared' if page.mapcount > 1 else 'Private'}_{'Dirty' if dirty else 'Clean'}"
        found[kind] = found.get(kind, 0) + 1
    return found
