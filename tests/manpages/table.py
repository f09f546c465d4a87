"""What a table of a man page is made of: entries, and rows that answer them.

    Page("msync", {
        "MS_SYNC": [Row(program, answer), ...]           a program, and what Linux answers
        "EPERM no-exec mount": Left(do_mmap),            stated in the docstring of do_mmap after "Leaves out:"
    })

A program ends with a value, with an errno (`"EINVAL"`) or with a signal (`"SEGV_MAPERR"`). The same row is asked of the
simulator and, step by step, of the live kernel.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mmaplab.constants import MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, O_RDWR, PROT_READ, PROT_WRITE, Sig
from mmaplab.interface import FatalSignal, Process
from mmaplab.sim import Kernel

PAGE = 4096
R, RW = PROT_READ, PROT_READ | PROT_WRITE
PRIVATE, SHARED = MAP_PRIVATE, MAP_SHARED
ANON = MAP_PRIVATE | MAP_ANONYMOUS
MINUS_ONE = 2**64 - 1
"""How a C caller's -1 arrives where Linux takes an unsigned number."""
DATA = b"".join(bytes([65 + i]) * PAGE for i in range(4)) + b"tail"
FILES = {"f": DATA, "g": b"another"}
"""The files of every row: `f` has four pages AAAA, BBBB, CCCC, DDDD, then "tail"."""
UNCACHED = "uncached"


@dataclass(frozen=True)
class Row:
    """One program and what Linux answers; `config` says on which machines, `file_system` where its files are.

    `warm` is False where the files must not be cached. `free` names what the live kernel may choose by itself, so that
    the steps are not compared, only the answer. `machine` does something to the simulated machine before the program:
    such a row cannot be asked of the live one.
    """

    program: Callable[[Process], object]
    answer: object
    config: Mapping[str, object] = field(default_factory=dict)
    file_system: str = "ext4"
    warm: bool = True
    free: str = ""
    machine: Callable[[Kernel], None] | None = None


@dataclass(frozen=True)
class Left:
    """An entry that the model leaves out: the docstring of `function` says so in the words of the entry."""

    function: Callable[..., object]


@dataclass(frozen=True)
class Page:
    """A man page, with an answer to each of its entries: every flag, and every paragraph under ERRORS.

    `entries` begin with the name of the flag or of the error. `source` is where the entries were taken from.
    """

    name: str
    entries: Mapping[str, list[Row] | Left]
    source: str = "Linux man-pages 6.03"
    man: str = ""
    """The name of the installed page, where it is another."""


def answer_of(program: Callable[[Process], object], p: Process) -> object:
    """Return how a program ends: its value, the name of an errno, or the name of a signal's code."""
    try:
        return program(p)
    except FatalSignal as signal:
        return "SIGKILL" if signal.signo == Sig.SIGKILL else signal.code_name
    except OSError as error:
        return "EOPNOTSUPP" if error.errno == errno.EOPNOTSUPP else errno.errorcode.get(error.errno or 0, str(error))


# ---------------------------------------------------------------- what many programs begin with


def anon(p: Process, pages: int = 4, flags: int = ANON, prot: int = RW) -> int:
    """Map anonymous memory; return where."""
    return p.mmap(0, pages * PAGE, prot, flags)


def among(p: Process, areas: int) -> int:
    """Make as many areas; return where the last one is, four pages of anonymous memory."""
    for i in range(areas - 1):
        p.mmap(0x6000_0000_0000 + 2 * i * PAGE, PAGE, R, ANON | MAP_FIXED)
    return anon(p)


def filled(p: Process, pages: int = 4) -> int:
    """Map anonymous memory with a private page behind each address: aaaa, bbbb, cccc, ..."""
    a = anon(p, pages)
    for i in range(pages):
        p.store(a + i * PAGE, bytes([97 + i]) * 4)
    return a


def mapped(p: Process, prot: int = RW, flags: int = MAP_SHARED, pages: int = 5, path: str = "f") -> int:
    """Map a file; return where."""
    return p.mmap(0, pages * PAGE, prot, flags, p.open(path, O_RDWR))


def firsts(p: Process, a: int, pages: int = 4) -> bytes:
    """Load the first byte of each page."""
    return b"".join(p.load(a + i * PAGE) for i in range(pages))


def alive(p: Process, a: int, pages: int = 4) -> str:
    """Load a byte of each page: `x` where it is there, `.` where that is a signal."""
    marks = ""
    for i in range(pages):
        try:
            p.load(a + i * PAGE)
            marks += "x"
        except FatalSignal:
            marks += "."
    return marks


def strip(residency: list[bool]) -> str:
    """Return what mincore says as text: `x` in memory, `.` not."""
    return "".join("x" if page else "." for page in residency)


def perms(p: Process) -> str:
    """Return the rights of all areas: `rw-p r--s`."""
    return " ".join(area.perms for area in p.maps())


def after(p: Process, *results: object) -> Process:
    """Return the process, once the `results` are there: lets a lambda make several calls."""
    return p
