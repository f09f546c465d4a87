"""The trace is complete: whoever folds all events has what the kernel holds, on every kind of machine.

Random programs of every profile of the fuzzer; memory and disk are short, there is a journal or none, and a tmpfs.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from mmaplab.calls import perform
from mmaplab.constants import MADV_PAGEOUT, MADV_REMOVE, MAP_SHARED, O_CREAT, O_RDWR, PAGE_SIZE, PROT_READ, PROT_WRITE
from mmaplab.fuzz.generate import generate
from mmaplab.fuzz.profiles import PROFILES
from mmaplab.sim import Kernel, KernelConfig, invariants
from mmaplab.sim.events import CacheAdd, CacheDelete, FolioSplit
from mmaplab.sim.pgtable import PageTable
from mmaplab.sim.pipe import WouldBlock
from mmaplab.sim.trace import Record
from mmaplab.views.scene import final
from tests.views.test_scene import scene_of

MACHINES: dict[str, tuple[KernelConfig, int | None, int | None]] = {
    "modern": (KernelConfig(), None, None),
    "classic": (KernelConfig.named("classic"), None, None),
    "no journal": (KernelConfig(journal=False), None, None),
    "little memory": (KernelConfig(), 40, None),
    "little disk": (KernelConfig(large_folios=False), None, 12),
    "little of both": (KernelConfig(cpus=1, tlb_entries=4), 60, 20),
    "tmpfs": (KernelConfig(file_system="tmpfs"), None, None),
    "little tmpfs": (KernelConfig(file_system="tmpfs"), 50, 10),
}
"""Each machine, with the frames and the blocks that it has beside what the files of a program take; None: no limit."""
SEEDS = (1, 2, 3)
STEPS = 40


def after(machine: str, profile: str, seed: int) -> Kernel:
    """Return a kernel after a random program, whose calls may fail for want of memory, or of a block."""
    config, frames, blocks = MACHINES[machine]
    program = generate(profile, seed, steps=STEPS)
    pages = sum(-(-data.size // PAGE_SIZE) for data in program.files.values())
    in_memory = pages if config.file_system == "tmpfs" else 0
    kernel = Kernel(
        replace(
            config,
            memory_pages=None if frames is None else frames + in_memory,
            disk_pages=None if blocks is None else blocks + pages,
        )
    )
    for path, data in program.files.items():
        kernel.create_file(path, data.bytes(), warm=program.warm)
    names: dict[str, object] = {"kernel": kernel, "p": kernel.spawn(), **program.places}
    for call in program.calls:
        with suppress(WouldBlock):  # a read of an empty pipe
            perform(call, names)
    return kernel


def tables_of(pgd: PageTable) -> set[tuple[int, int]]:
    """Return (level, first address) of every table below the root."""
    found = set()
    for i, puds in pgd.pgd.items():
        found.add((3, i << 39))
        for j, pmds in puds.items():
            found |= {(2, i << 39 | j << 30)} | {(1, i << 39 | j << 30 | k << 21) for k in pmds}
    return found


Place = tuple[int, int]
"""A file page: (inode, index)."""


def folios_told(records: list[Record]) -> dict[Place, Place]:
    """Return (first page, pages) of the folio of each cached page, as CacheAdd, FolioSplit and CacheDelete tell it."""
    found: dict[Place, Place] = {}
    for event in (record.event for record in records):
        if isinstance(event, CacheAdd):
            found[event.ino, event.index] = (event.index & -(1 << event.order), 1 << event.order)
        elif isinstance(event, CacheDelete):
            del found[event.ino, event.index]
        elif isinstance(event, FolioSplit):
            for index in range(event.index, event.index + event.npages):
                size = event.npages
                while size > 1 and index & -size == event.at & -size:
                    size //= 2
                found[event.ino, index] = (index & -size, size)
    return found


def folios_held(kernel: Kernel) -> dict[Place, Place]:
    """Return the same of the kernel's own structures."""
    inodes = [inode for sb in (kernel.sb, kernel.files.tmpfs) for inode in sb.s_inodes.values()]
    return {
        (inode.ino, index): (folio.index, len(folio.pages))
        for inode in inodes
        for index, folio in inode.i_mapping.i_pages.items()
    }


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("profile", PROFILES)
def test_the_fold_of_all_events_is_what_the_kernel_holds(profile: str, machine: str) -> None:
    for seed in SEEDS:
        kernel = after(machine, profile, seed)
        folded, real = final(kernel), scene_of(kernel)
        for process in kernel.processes.values():
            real.spaces[process.mm.mm].tables = tables_of(process.mm.pgd)
        assert folded == real, f"seed {seed}"
        assert folios_told(kernel.trace.records) == folios_held(kernel), f"seed {seed}"
        assert invariants.broken(kernel) == [], f"seed {seed}"
        assert kernel.trace.depth == 0


@pytest.mark.parametrize("length", [1, PAGE_SIZE, 5 * PAGE_SIZE + 7, 16 * PAGE_SIZE, 63 * PAGE_SIZE])
def test_the_trace_tells_how_large_folios_are_split(length: int) -> None:
    """By a cut, by a hole, and by MADV_PAGEOUT of a part."""
    kernel = Kernel(check=invariants.check)
    p = kernel.spawn()
    fd = p.open("f", O_RDWR | O_CREAT)
    for _ in range(3):
        p.pwrite(fd, bytes(64 * PAGE_SIZE), 0)
        p.fsync(fd)
        a = p.mmap(0, 64 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd)
        p.load(a)
        p.madvise(a + 3 * PAGE_SIZE, 2 * PAGE_SIZE, MADV_PAGEOUT)
        p.madvise(a + 33 * PAGE_SIZE, 3 * PAGE_SIZE, MADV_REMOVE)
        p.munmap(a, 64 * PAGE_SIZE)
        p.ftruncate(fd, length)
        assert folios_told(kernel.trace.records) == folios_held(kernel)
        p.ftruncate(fd, 0)
    assert sum(isinstance(record.event, FolioSplit) for record in kernel.trace.records) > 3
