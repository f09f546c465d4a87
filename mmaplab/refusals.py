"""Refusals, of chapter 10: a program of one line for each errno that a call around mmap may answer, and the reason.

    refusals()      {reason: program}
    refused()       the table: each program on a simulated kernel of its own; error, call, reason

The programs run on either kernel, and need a file "f". What a full or a broken disk answers is not here: nobody breaks
a disk for a lesson.
"""

from __future__ import annotations

import errno
import html
from dataclasses import dataclass

from mmaplab.constants import PAGE_SIZE as PAGE
from mmaplab.constants import TASK_SIZE, Madv, Map, Ms, Open, Prot
from mmaplab.interface import Program
from mmaplab.sim import Kernel, KernelConfig
from mmaplab.sim.events import Syscall

R, RW = Prot.PROT_READ, Prot.PROT_READ | Prot.PROT_WRITE
SHARED, PRIVATE, OURS = Map.MAP_SHARED, Map.MAP_PRIVATE, Map.MAP_PRIVATE | Map.MAP_ANONYMOUS
FREE, SYNC = OURS | Map.MAP_FIXED_NOREPLACE, Map.MAP_SHARED_VALIDATE | Map.MAP_SYNC


def refusals() -> dict[str, Program]:
    """Return for each reason a program whose last call is refused for it. Source: the errors of the man pages."""
    return {
        "open for reading, to be written shared": lambda p: p.mmap(0, PAGE, RW, SHARED, p.open("f")),
        "open for writing only": lambda p: p.mmap(0, PAGE, RW, PRIVATE, p.open("f", Open.O_WRONLY)),
        "more than the opening permits": lambda p: p.mprotect(p.mmap(0, 1, R, SHARED, p.open("f")), PAGE, RW),
        "no such descriptor": lambda p: p.mmap(0, PAGE, R, SHARED, 77),
        "the place is taken": lambda p: p.mmap(p.mmap(0, PAGE, R, OURS), PAGE, R, FREE),
        "an access here would be SIGBUS": lambda p: p.madvise(
            p.mmap(0, 4 * PAGE, R, SHARED, p.open("f")), 4 * PAGE, Madv.MADV_POPULATE_READ
        ),
        "length 0": lambda p: p.mmap(0, 0, R, OURS),
        "neither shared nor private": lambda p: p.mmap(0, PAGE, R, 0, p.open("f")),
        "offset inside a page": lambda p: p.mmap(0, PAGE, R, SHARED, p.open("f"), 512),
        "a pipe cannot be mapped": lambda p: p.mmap(0, PAGE, R, PRIVATE, p.pipe()[0]),
        "larger than the address space": lambda p: p.mmap(0, TASK_SIZE, R, OURS),
        "nothing is mapped there": lambda p: p.msync(PAGE, PAGE, Ms.MS_SYNC),
        "this file system has no MAP_SYNC": lambda p: p.mmap(0, PAGE, RW, SYNC, p.open("f", Open.O_RDWR)),
        "offset beyond any file": lambda p: p.mmap(0, 2 * PAGE, R, SHARED, p.open("f"), 2**63 - PAGE),
        "page 0, and not root": lambda p: p.mmap(0, PAGE, R, OURS | Map.MAP_FIXED),
    }


@dataclass(frozen=True)
class Refused:
    """The table of refusals: (error, call, reason) of each."""

    rows: tuple[tuple[str, str, str], ...]

    def __repr__(self) -> str:
        return "\n".join(f"{error:10} {call:9} {reason}" for error, call, reason in self.rows)

    def _repr_html_(self) -> str:
        left = "style='text-align:left'"
        head = "".join(f"<th {left}>{word}</th>" for word in ("error", "call", "reason"))
        rows = [[f"<code>{error}</code>", f"<code>{call}</code>", html.escape(why)] for error, call, why in self.rows]
        body = "".join(f"<tr>{''.join(f'<td {left}>{cell}</td>' for cell in row)}</tr>" for row in rows)
        return f"<table><tr>{head}</tr>{body}</table>"


def refused(config: KernelConfig | None = None) -> Refused:
    """Run each program on a simulated kernel of its own, by default for an ordinary user; the file "f" has two pages.

    A program that is not refused has 'no error' in its row.
    """
    return Refused(tuple(_row(reason, program, config) for reason, program in refusals().items()))


def name(error: OSError) -> str:
    """Return the name of an errno as the man pages have it; Python says ENOTSUP for EOPNOTSUPP, the same number."""
    return "EOPNOTSUPP" if error.errno == errno.EOPNOTSUPP else errno.errorcode[error.errno or 0]


def _row(reason: str, program: Program, config: KernelConfig | None) -> tuple[str, str, str]:
    kernel = Kernel(config or KernelConfig(cap_sys_rawio=False))
    kernel.create_file("f", bytes(2 * PAGE))
    told = "no error"
    try:
        program(kernel.spawn())
    except OSError as error:
        told = name(error)
    calls = [record.event.name for record in kernel.trace.records if isinstance(record.event, Syscall)]
    return told, calls[-1], reason
