"""The cost model: time is a sum of counts, each times a price.

    T =   calls x call  +  mappings x mapping  +  opens x open
        + faults x fault  +  entries x entry  +  zeroed x zero  +  cow x cow
        + copied x copy  +  loaded x load  +  in_order x stride  +  at_random x miss  +  ...

The counts (`Work`) come from a simulated kernel, which runs the program and keeps a trace; the prices (`Prices`) come
from this machine. Disk times are not in it: a device's times drift too much to be worth a number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Self

from mmaplab import ledger
from mmaplab.constants import PAGE_SIZE
from mmaplab.interface import Process
from mmaplab.sim import Kernel, KernelConfig
from mmaplab.sim.events import Zero

Program = Callable[[Process, int], None]


@dataclass(frozen=True)
class Work:
    """What a program does, in counts: the kernel's part from a trace, the program's own part from the program.

    `copied` and `loaded` in bytes, everything else in times; the `hot` ones of them stay in the processor's caches.
    `loaded` are bytes that the program goes through in order; `in_order` and `at_random` are single loads, one a page,
    by way of the page table. `first_word` and `first_page` are pages entered in order for the first time, right behind
    the fault that made their entries, for one word of them or for all. `scattered` are reads at random places of a
    file; `array_calls` are calls into NumPy.
    """

    calls: int = 0
    mappings: int = 0
    opens: int = 0
    faults: int = 0
    entries: int = 0
    zeroed: int = 0
    cow: int = 0
    copied: int = 0
    hot_copied: int = 0
    scattered: int = 0
    loaded: int = 0
    hot_loaded: int = 0
    first_word: int = 0
    first_page: int = 0
    in_order: int = 0
    at_random: int = 0
    array_calls: int = 0


@dataclass(frozen=True)
class Prices:
    """Nanoseconds for one of each, on one machine; of copies and loads for one byte, but of `scattered`."""

    call: float
    mapping: float
    open: float
    fault: float
    entry: float
    zero: float
    cow: float
    copy: float
    hot_copy: float
    scattered: float
    load: float
    hot_load: float
    first_word: float
    first_page: float
    stride: float
    miss: float
    array_call: float

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Self:
        """Return the prices that an experiment gave by name; raises ValueError where one is missing."""
        missing = [field.name for field in fields(cls) if not isinstance(values.get(field.name), (int, float))]
        if missing:
            raise ValueError(f"the prices lack {', '.join(missing)}: run calibrate() again")
        return cls(**{field.name: float(str(values[field.name])) for field in fields(cls)})


def parts(work: Work, prices: Prices) -> dict[str, float]:
    """Return what each part of the work costs, in nanoseconds; parts that cost nothing are left out."""
    found = {
        "system calls": work.calls * prices.call,
        "mmap and munmap": work.mappings * prices.mapping,
        "open and close": work.opens * prices.open,
        "faults": work.faults * prices.fault,
        "entries made and taken away": work.entries * prices.entry,
        "pages of zeros": work.zeroed * prices.zero,
        "pages copied on write": work.cow * prices.cow,
        "bytes copied": work.copied * prices.copy
        + work.hot_copied * prices.hot_copy
        + work.scattered * prices.scattered,
        "the program's own loads": work.loaded * prices.load
        + work.hot_loaded * prices.hot_load
        + work.first_word * prices.first_word
        + work.first_page * prices.first_page
        + work.in_order * prices.stride
        + work.at_random * prices.miss
        + work.array_calls * prices.array_call,
    }
    return {name: cost for name, cost in found.items() if cost}


def estimate(work: Work, prices: Prices) -> float:
    """Return the nanoseconds that the work should take."""
    return sum(parts(work, prices).values())


def work_of(program: Program, npages: int, hot: bool = False, **own: int) -> Work:
    """Run `program(p, fd)` on a simulated kernel, `fd` being a cached file of `npages` pages; return its work.

    `own` is the program's own part, which no kernel sees: loaded, in_order, array_calls and so on. `hot` says that the
    file is so small that it stays in the processor's caches.
    """
    kernel = _kernel(npages)
    process = kernel.spawn()
    fd = process.open("f")
    kernel.trace.records.clear()
    program(process, fd)
    records = list(kernel.trace.records)
    process.exit()
    calls = ledger.syscalls(records)
    zeroed = sum(isinstance(record.event, Zero) for record in records)
    cow = ledger.copy_counts(records)["cow"]
    moved = ledger.copies(records)
    copied = moved["copy_to_user"] + moved["copy_from_user"]
    return Work(
        calls=sum(calls[name] for name in ("pread", "read", "pwrite", "write", "fstat")),
        mappings=calls["mmap"],
        opens=calls["open"],
        faults=ledger.faults(records).minor - zeroed - cow,
        entries=ledger.entries_set(records) - zeroed - cow,
        zeroed=zeroed,
        cow=cow,
        copied=0 if hot else copied,
        hot_copied=copied if hot else 0,
        **own,
    )


@lru_cache(maxsize=2)
def _kernel(npages: int) -> Kernel:
    """Return a simulated kernel with a cached, clean file, shared by programs that leave the file as it is."""
    kernel = Kernel(KernelConfig())
    kernel.create_file("f", bytes(npages * PAGE_SIZE), warm=True)
    return kernel
