"""The experiments that chapters share: two kernels set up alike, touches timed.

Each is small enough to be read in a lesson. What needs the live kernel raises `NotAvailable` where there is none.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import replace

from mmaplab.interface import Process, Program
from mmaplab.lab import NotAvailable, Value
from mmaplab.real import LinuxKernel, drop_cache, fault_counts, file_mapping, warm_file
from mmaplab.real.probe import measured
from mmaplab.sim import Kernel, KernelConfig
from mmaplab.twin import Comparison
from mmaplab.twin import twin as run_on_both

PAGE = 4096
MADV_RANDOM = 1


def twin(program: Program, files: Mapping[str, bytes] | None = None, warm: bool = True) -> Comparison:
    """Run a program on the simulated and on the live kernel, step by step; without Linux, on the simulated one.

    The simulator is configured like this machine and starts from the live process's own layout, so it predicts
    addresses too. `files` are made first on both, cached in single pages where `warm`.
    """
    try:
        real = LinuxKernel()
    except NotAvailable:
        return run_on_both(program, Kernel(), None, files, warm)
    with real:
        config = KernelConfig.of_this_machine(measured(real.directory))
        return run_on_both(program, lambda process: Kernel(like(config, process)), real, files, warm)


def like(config: KernelConfig, process: Process | None) -> KernelConfig:
    """Return the configuration of a simulator whose first process starts as this live one."""
    if process is None:
        return config
    base = getattr(process, "mmap_base", config.mmap_base)
    return replace(config, mmap_base=base, start_brk=process.brk(0))


def time_touches() -> dict[str, Value]:
    """Time single touches: of a mapped page, of a cached page without entry, and of a page on the disk.

    Medians in nanoseconds, the interpreter's own cost included, which is the same in all three.
    """
    with warm_file(4096) as path:
        with file_mapping(path) as m:
            minor = [nanoseconds(m.array, page) for page in range(0, 4096, 32)]
            hit = [nanoseconds(m.array, page) for page in range(0, 4096, 32)]
        drop_cache(path)
        with file_mapping(path, advice=MADV_RANDOM) as m:
            major = [nanoseconds(m.array, page) for page in range(0, 4096, 64)]
    return {
        "hit, ns": statistics.median(hit),
        "minor fault, ns": statistics.median(minor),
        "major fault, ns": statistics.median(major),
    }


def faults_by_piece(pages: int = 512) -> dict[str, Value]:
    """Write files of `pages` pages in pieces of several sizes; count the faults of one pass over a mapping of each.

    A last piece of some bytes lies behind the pages, for the folio at a file's end is mapped by other rules.
    """
    told: dict[str, Value] = {"pages": pages}
    for piece in (1, 16, 64, pages):
        with warm_file(1) as path, open(path, "wb", buffering=0) as file:
            for _ in range(pages // piece):
                file.write(bytes(piece * PAGE))
            file.write(b"the end")
            told[f"faults, written {piece} at a time"] = min(_faults_of_a_pass(path, pages) for _ in range(3))
    return told


def _faults_of_a_pass(path: str, pages: int) -> int:
    """Map the first pages of a file and load a byte of each; the number of faults."""
    with file_mapping(path, length=pages * PAGE) as m, fault_counts() as faults:
        m.array[::PAGE].sum()
    return faults.minor + faults.major


def nanoseconds(array: object, page: int) -> int:
    """Return how long one load of a page took, in nanoseconds."""
    start = time.perf_counter_ns()
    array[page * PAGE]  # type: ignore[index]
    return time.perf_counter_ns() - start
