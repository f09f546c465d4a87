"""Every flag and every error of the man pages: a program with Linux's answer, or a `Leaves out:` that names it."""

from __future__ import annotations

import errno
import inspect
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmaplab.fuzz.live import live_pair
from mmaplab.fuzz.pair import Pair
from mmaplab.interface import Process
from mmaplab.lab import NotAvailable
from mmaplab.lockstep import Lockstep, Side
from mmaplab.program import Limits, Recorder
from mmaplab.sim import Kernel, KernelConfig, invariants
from mmaplab.sim.events import Done, Syscall
from mmaplab.twin import Comparison
from tests.manpages import advice, descriptors, files, mapping, opening, processes, remapping, residency, unmapping
from tests.manpages.table import FILES, Left, Page, Row, answer_of

ROOMS = (mapping, unmapping, remapping, advice, residency, opening, files, descriptors, processes)
PAGES: tuple[Page, ...] = tuple(page for room in ROOMS for page in room.PAGES)
CASES = [
    pytest.param(row, id=f"{page.name}: {entry}" + (f" [{i}]" if len(rows) > 1 else ""))
    for page in PAGES
    for entry, rows in page.entries.items()
    if not isinstance(rows, Left)
    for i, row in enumerate(rows)
]
LEFT = [
    pytest.param(entry, left, id=f"{page.name}: {entry}")
    for page in PAGES
    for entry, left in page.entries.items()
    if isinstance(left, Left)
]
ASKED = {
    "mmap", "munmap", "mprotect", "mremap", "msync", "madvise", "mincore", "mlock", "brk", "fork", "ftruncate", "open",
    "read", "write", "pread", "lseek", "memfd_create", "dup", "pipe", "fsync", "unlink", "setrlimit",
}  # fmt: skip
"""The pages that must have a table."""


# ---------------------------------------------------------------- the rows


def predicted(row: Row) -> object:
    """Return the simulator's answer; the invariants are checked after every call."""
    config = KernelConfig(file_system=row.file_system, **row.config)  # type: ignore[arg-type]
    kernel = Kernel(config, check=invariants.check)
    for path, data in FILES.items():
        kernel.create_file(path, data, warm=row.warm)
    if row.machine:
        row.machine(kernel)
    answer = answer_of(row.program, kernel.spawn())
    assert kernel.trace.depth == 0
    assert not unnamed(kernel)
    return answer


def unnamed(kernel: Kernel) -> list[str]:
    """Return the errors of calls that `mmaplab.interface.Process` does not name in the docstring of the call."""
    found, calls = [], []
    for record in kernel.trace.records:
        if isinstance(record.event, Syscall):
            calls.append(record.event.name)
        elif isinstance(record.event, Done) and record.event.of == "Syscall":
            name, outcome = calls.pop(), str(record.event.outcome).replace("ENOTSUP", "EOPNOTSUPP")
            doc = inspect.getdoc(getattr(Process, name, None)) or ""
            if outcome in errno.__dict__ and not re.search(rf"\b{outcome}\b", doc):
                found.append(f"{name}: {outcome}")
    return found


def applies(row: Row, pair: Pair) -> bool:
    """Is the live machine one of those that the row is about?"""
    return row.machine is None and all(getattr(pair.config, name) == value for name, value in row.config.items())


def measured_answer(row: Row, pair: Pair) -> tuple[object, Comparison]:
    """Return the live kernel's answer, and the comparison of each step with what is predicted."""
    process = pair.real.spawn()
    sim = Kernel(pair.config_for(process))
    lockstep = Lockstep(Side(sim, sim.spawn()), Side(pair.real, process))
    lockstep.cold = not row.warm
    try:
        for path, data in FILES.items():
            for kernel in (sim, pair.real):
                kernel.create_file(path, data, warm=row.warm)
        recorder = Recorder(lockstep.make, lockstep.real.names if lockstep.real else {}, Limits())
        answer = answer_of(row.program, recorder.stand_in("p"))
    finally:
        clear(pair, lockstep)
    return answer, Comparison(lockstep.steps, live=True)


def clear(pair: Pair, lockstep: Lockstep) -> None:
    """End the processes and remove the files of a row."""
    for process in (lockstep.real.living() if lockstep.real else {}).values():
        process.exit()
    for path in Path(getattr(pair.real, "directory", "")).iterdir():
        path.unlink()


@pytest.mark.parametrize("row", CASES)
def test_the_simulator_gives_the_answer_of_linux(row: Row) -> None:
    assert predicted(row) == row.answer


@pytest.fixture(scope="module")
def pairs() -> Iterator[dict[str, Pair | str]]:
    """A live kernel for each file system, or why there is none."""
    found: dict[str, Pair | str] = {}
    for file_system in ("ext4", "tmpfs"):
        try:
            found[file_system] = live_pair(file_system)
        except NotAvailable as missing:
            found[file_system] = str(missing)
    yield found
    for pair in found.values():
        if isinstance(pair, Pair):
            pair.close()


@pytest.mark.live
@pytest.mark.parametrize("row", CASES)
def test_the_live_kernel_gives_it_too(row: Row, pairs: dict[str, Pair | str]) -> None:
    pair = pairs[row.file_system]
    if isinstance(pair, str):
        pytest.skip(pair)
    if not applies(row, pair):
        return  # a row about another machine; the simulator plays it
    answer, comparison = measured_answer(row, pair)
    assert answer == row.answer
    assert row.free or comparison.difference is None, str(comparison)


# ---------------------------------------------------------------- the tables


def test_every_page_has_a_table() -> None:
    assert {page.name for page in PAGES} == ASKED
    assert not [page.name for page in PAGES if not page.entries or not page.source]


def test_every_entry_that_is_not_left_out_has_a_row() -> None:
    empty = [f"{page.name}: {entry}" for page in PAGES for entry, rows in page.entries.items() if rows == []]
    assert not empty


NO_ERROR_HERE = ("Linux", "ignored", "the break stays")
"""The words of an entry whose error is one of other systems, or is told by no errno."""


def test_the_entry_of_an_error_has_a_row_that_ends_in_one() -> None:
    """A program that only succeeds shows nothing of the error: then it is left out, and said so."""
    without = []
    for page in PAGES:
        for entry, rows in page.entries.items():
            told = isinstance(rows, Left) or any(re.search(r"\b(E[A-Z]{2,}|SEGV_\w+)", str(row.answer)) for row in rows)
            if re.match("E[A-Z]", entry) and not told and not any(words in entry for words in NO_ERROR_HERE):
                without.append(f"{page.name}: {entry}")
    assert not without


@pytest.mark.parametrize(("entry", "left"), LEFT)
def test_what_is_left_out_is_said_where_it_is_missed(entry: str, left: Left) -> None:
    doc = " ".join((inspect.getdoc(left.function) or "").split())
    _, said, paragraph = doc.partition("Leaves out:")
    assert said and re.search(rf"\b{re.escape(entry)}\b", paragraph), (
        f"{left.function.__qualname__} does not say that it leaves out: {entry}"
    )


FLAG = re.compile(r"^ {7}([A-Z]+_[A-Z0-9_]+)(?:$|,| \(|  )")
"""A flag that has a paragraph: its name stands alone, or with the versions that know it."""
ERROR = re.compile(r"^ {7}(?:\([^)]*\) )?(E[A-Z0-9]{2,})\b")


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_no_entry_of_the_installed_page_is_missing(page: Page) -> None:
    """Where the manual is installed, in the version that the table names."""
    text = manual(page.man or page.name)
    if page.source.removeprefix("Linux ") not in text:
        pytest.skip(f"{page.source} is not installed here")
    same = [other for other in PAGES if (other.man or other.name) == (page.man or page.name)]
    ours = Counter(re.split("[ ,]", entry)[0] for other in same for entry in other.entries)
    flags, errors = headings(text)
    assert not {name: n for name, n in Counter(errors).items() if ours[name] < n}
    assert not set(flags) - set(ours)


def manual(name: str) -> str:
    """Return a page of section 2 as plain text; '' where there is no manual."""
    if not shutil.which("man"):
        return ""
    environment = {**os.environ, "MANWIDTH": "160", "LC_ALL": "C", "MAN_KEEP_FORMATTING": "0"}
    done = subprocess.run(["man", "-P", "cat", "2", name], capture_output=True, text=True, env=environment, check=False)
    return re.sub(r".\x08", "", done.stdout)


def headings(text: str) -> tuple[list[str], list[str]]:
    """Return the names of the flags, and of the errors, that have a paragraph each; an error may have several."""
    description, _, rest = text.partition("\nERRORS\n")
    errors = re.split(r"\n(?=[A-Z])", rest)[0]
    flags = [match[1] for line in description.splitlines() if (match := FLAG.match(line))]
    return flags, [match[1] for line in errors.splitlines() if (match := ERROR.match(line))]
