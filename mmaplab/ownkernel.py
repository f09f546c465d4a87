"""Your own kernel, against Linux: the functions that you wrote, in the simulated kernel, on a collection of programs.

    against_linux(find_vma=my_find_vma, do_wp_page=my_do_wp_page)

Each program runs on the kernel with your functions and on the live one, step by step: addresses, errors, signals,
bytes, areas, residency and faults are compared. Where there is no Linux, the simulated kernel with the reference
functions stands in, and the result says so.
"""

from __future__ import annotations

import html
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mmaplab.constants import PAGE_SIZE, Madv, Map, Ms, Open, Prot
from mmaplab.experiments import like
from mmaplab.interface import FatalSignal, Process, Program
from mmaplab.lab import NotAvailable
from mmaplab.real import LinuxKernel
from mmaplab.real.probe import measured
from mmaplab.sim import Kernel, KernelConfig
from mmaplab.twin import Comparison, twin

RW, OURS = Prot.PROT_READ | Prot.PROT_WRITE, Map.MAP_PRIVATE | Map.MAP_ANONYMOUS
FILES = {"book": b"".join(n.to_bytes(8, "little") * 512 for n in range(48))}
"""The file that every program finds, cached in single pages."""


def placing(p: Process) -> None:
    """Areas are placed, cut, joined and replaced."""
    a = p.mmap(0, 4 * PAGE_SIZE, RW, OURS)
    b = p.mmap(0, 2 * PAGE_SIZE, Prot.PROT_READ, OURS)
    p.munmap(a + PAGE_SIZE, PAGE_SIZE)
    p.mmap(0, PAGE_SIZE, RW, OURS)
    p.mprotect(b, PAGE_SIZE, RW)
    p.mmap(b, PAGE_SIZE, Prot.PROT_READ, OURS | Map.MAP_FIXED)
    p.mmap(0, 8 * PAGE_SIZE, RW, OURS)


def finding(p: Process) -> None:
    """Addresses at the ends of areas, and between them."""
    a = p.mmap(0, 3 * PAGE_SIZE, RW, OURS)
    p.munmap(a + PAGE_SIZE, PAGE_SIZE)
    for at in (0, PAGE_SIZE - 1, PAGE_SIZE, 2 * PAGE_SIZE - 1, 2 * PAGE_SIZE, 3 * PAGE_SIZE):
        with suppress(FatalSignal):
            p.load(a + at)
    with suppress(OSError):
        p.mprotect(a, 3 * PAGE_SIZE, Prot.PROT_READ)


def windows(p: Process) -> None:
    """Loads of a cached file at several places: which pages does a fault map?"""
    fd = p.open("book")
    a = p.mmap(0, 40 * PAGE_SIZE, Prot.PROT_READ, Map.MAP_SHARED, fd, 3 * PAGE_SIZE)
    for page in (20, 0, 39, 15, 16, 31):
        p.load(a + page * PAGE_SIZE, 8)


def copying(p: Process) -> None:
    """Stores into private pages, a fork, and stores of both sides."""
    v = p.mmap(0, 4 * PAGE_SIZE, RW, Map.MAP_PRIVATE, p.open("book"))
    m = p.mmap(0, 4 * PAGE_SIZE, RW, OURS)
    p.load(v)
    p.load(m)
    p.store(v, b"x")
    p.store(m, b"y")
    p.store(v + 2 * PAGE_SIZE, b"z")
    child = p.fork()
    child.store(v, b"c")
    p.store(v, b"p")
    p.store(m, b"q")
    child.load(m, 2)
    p.load(v, 2)
    child.exit()


def throwing_away(p: Process) -> None:
    """Pages are given back, and come again."""
    fd = p.open("book", Open.O_RDWR)
    v = p.mmap(0, 20 * PAGE_SIZE, RW, Map.MAP_PRIVATE, fd)
    p.load(v + 5 * PAGE_SIZE)
    p.store(v + 6 * PAGE_SIZE, b"mine")
    p.madvise(v + 5 * PAGE_SIZE, 2 * PAGE_SIZE, Madv.MADV_DONTNEED)
    p.load(v + 6 * PAGE_SIZE, 4)
    p.munmap(v, 7 * PAGE_SIZE)
    p.load(v + 8 * PAGE_SIZE)
    with suppress(FatalSignal):
        p.load(v + 6 * PAGE_SIZE)


def writing_back(p: Process) -> None:
    """Stores into shared pages, and calls of msync of both kinds."""
    a = p.mmap(0, 4 * PAGE_SIZE, RW, Map.MAP_SHARED, p.open("book", Open.O_RDWR))
    for flags in (Ms.MS_ASYNC, Ms.MS_SYNC):
        p.store(a, b"s")
        p.store(a + PAGE_SIZE, b"t")
        p.msync(a, PAGE_SIZE, flags)
    p.store(a, b"u")
    with suppress(OSError):
        p.msync(a, 5 * PAGE_SIZE, Ms.MS_SYNC)


def ending(p: Process) -> None:
    """A file that grows and is cut off under its mapping."""
    fd = p.open("book", Open.O_RDWR)
    a = p.mmap(0, 50 * PAGE_SIZE, RW, Map.MAP_SHARED, fd)
    for length in (49 * PAGE_SIZE, 10 * PAGE_SIZE, 10 * PAGE_SIZE + 100):
        p.ftruncate(fd, length)
        for page in (9, 10, 11, 48):
            with suppress(FatalSignal):
                p.load(a + page * PAGE_SIZE, 4)


COLLECTION: tuple[Program, ...] = (placing, finding, windows, copying, throwing_away, writing_back, ending)


@dataclass(frozen=True)
class OwnKernel:
    """How one kernel fared: a comparison for each program of the collection; `live` says against whom."""

    slots: tuple[str, ...]
    comparisons: dict[str, Comparison]
    live: bool

    @property
    def score(self) -> int:
        """Programs without any difference."""
        return sum(comparison.difference is None for comparison in self.comparisons.values())

    def rows(self) -> list[tuple[str, int, str]]:
        """Return (program, steps compared, its first difference or '')."""
        return [
            (name, len(c.steps), "" if c.difference is None else c.summary()) for name, c in self.comparisons.items()
        ]

    def __repr__(self) -> str:
        lines = [f"  {name:14} {steps:3} steps  {wrong or 'agrees'}" for name, steps, wrong in self.rows()]
        return "\n".join([self._title(), *lines])

    def _title(self) -> str:
        mine = ", ".join(self.slots) if self.slots else "no function of yours"
        whom = "the live kernel" if self.live else "the simulated reference kernel (there is no live one here)"
        return f"{self.score} of {len(self.comparisons)} programs agree with {whom}; your kernel has {mine}"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td style='text-align:left'>{name}</td><td>{steps}</td>"
            f"<td style='text-align:left'>{'✗ ' + html.escape(wrong) if wrong else '✓ agrees'}</td></tr>"
            for name, steps, wrong in self.rows()
        )
        return f"<table><caption style='text-align:left'>{html.escape(self._title())}</caption>{rows}</table>"


def against_linux(**slots: Any) -> OwnKernel:
    """Run the collection on the simulated kernel with your functions in it, and on the live one; compare each step.

    Raises TypeError for a name that is no slot, and what a function of yours raises.
    """
    Kernel(**slots)  # an unknown name is said at once
    comparisons = {}
    live = True
    for program in COLLECTION:
        try:
            comparisons[program.__name__] = _on_linux(program, slots)
        except NotAvailable:
            live = False
            comparisons[program.__name__] = twin(program, Kernel(**slots), Kernel(), FILES)
    return OwnKernel(tuple(slots), comparisons, live)


def _on_linux(program: Program, slots: dict[str, Any]) -> Comparison:
    with LinuxKernel() as real:
        config = KernelConfig.of_this_machine(measured(real.directory))
        return twin(program, lambda process: Kernel(like(config, process), **slots), real, FILES)
