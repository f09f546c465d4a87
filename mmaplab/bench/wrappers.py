"""What Python costs the experiments: the same loops on the same file, by the drivers and by a small C program.

A loop is run by the C program (touch.c, compiled here), by a live process (`LinuxKernel`), and by the wrappers for a
learner's own process (`file_mapping`, `fault_counts`, `io_counters`). Page faults and bytes copied should be the same:
then Python does not change what is measured. Time is not the same, and the report says how much.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mmaplab.bench.measure import Bench, Goal, NotMeasurable, Row, ratios
from mmaplab.constants import PAGE_SIZE, Madv, Map, Open, Prot
from mmaplab.experiments import time_touches
from mmaplab.lab import NotAvailable
from mmaplab.real import LinuxKernel, drop_cache, fault_counts, file_mapping, io_counters
from mmaplab.real.process import LinuxProcess
from mmaplab.real.procfs import parse_counters

TITLE = "Wrappers against C"
SOURCE = Path(__file__).with_name("touch.c")
PLACE, PIECE = 0x30_0000_0000, 64 << 10
"""Where the live process maps the file, and how much it reads at once: as in touch.c."""
READ_WRITE = Prot.PROT_READ | Prot.PROT_WRITE
WHAT = {
    "load": "load of a byte in each cached page: minor faults",
    "store": "store of a byte in each cached page: minor faults",
    "cold": "load of a byte in each page on the disk: major faults",
    "read": "read of the file in pieces of 64 KiB: bytes copied",
    "write": "write of the file in pieces of 64 KiB: bytes copied",
}


@dataclass(frozen=True, slots=True)
class Counted:
    """What a loop has caused."""

    minor: int
    major: int
    copied: int

    def of(self, loop: str) -> int:
        """Return the number that a loop is about."""
        return {"load": self.minor, "store": self.minor, "cold": self.major}.get(loop, self.copied)


def measure(bench: Bench) -> Iterator[Row]:
    """Yield the rows. Raises NotMeasurable where there is no C compiler or no live kernel."""
    pages = bench.size(2048, 1024)
    try:
        with compiled() as program, LinuxKernel() as kernel:
            kernel.create_file("bench", bytes(pages * PAGE_SIZE), warm=True)
            for loop, words in WHAT.items():
                yield from _counts(bench, program, kernel, loop, words, pages)
            yield from _times(bench, program, kernel.path("bench"), pages)
    except NotAvailable as reason:
        raise NotMeasurable(str(reason)) from reason


def _counts(bench: Bench, program: str, kernel: LinuxKernel, loop: str, words: str, pages: int) -> Iterator[Row]:
    """Yield what a live process and the wrappers count in a loop, each with its ratio to C."""
    path = kernel.path("bench")
    in_own_process(path, loop)  # once for nothing: the interpreter has its own memory now
    runs: dict[str, tuple[Callable[[], Counted], float]] = {
        "live process": (lambda: in_live_process(kernel, "bench", loop), 1.0),
        "wrappers": (lambda: in_own_process(path, loop), 1.05),
    }
    for who, (run, most) in runs.items():
        pairs = [(run().of(loop), in_c(program, path, loop, pages).of(loop)) for _ in range(bench.size(3, 1))]
        found, expected = [one for one, _ in pairs], [other for _, other in pairs]
        unit = "bytes" if "bytes" in words else "faults"
        yield bench.row(f"{words}, {who}", found, unit, 1, ratios(found, expected), Goal.at_most(most, of="ratio"))


def _times(bench: Bench, program: str, path: str, pages: int) -> Iterator[Row]:
    """Yield the medians of `time_touches`, each with its ratio to C; by the clock on the wall."""
    rounds = []
    for _ in range(bench.size(bench.repeats, 1)):
        here = time_touches()
        there = [float(word) for word in run_c(program, "times", path, pages)]
        rounds.append([(float(str(one)), other) for one, other in zip(here.values(), there, strict=True)])
    for name, pairs in zip(("hit", "minor fault", "major fault"), zip(*rounds, strict=True), strict=True):
        found, expected = [one for one, _ in pairs], [other for _, other in pairs]
        yield bench.row(f"time of a load, {name}, wrappers", found, "ns", 1, ratios(found, expected))


# ---------------------------------------------------------------- the three who run the loops


def in_live_process(kernel: LinuxKernel, name: str, loop: str) -> Counted:
    """Run a loop in a live process."""
    if loop == "cold":
        kernel.drop_caches(name)
    p = kernel.spawn()
    try:
        fd = p.open(name, Open.O_RDWR)
        size = p.fstat(fd).st_size
        work = _loop(p, fd, size, loop)
        before, copied = p.faults(), _copied(p)
        work()
        faults = p.faults() - before
        return Counted(faults.minor, faults.major, _copied(p) - copied)
    finally:
        p.exit()


def _loop(p: LinuxProcess, fd: int, size: int, loop: str) -> Callable[[], object]:
    """Prepare a loop, and return it."""
    if loop == "read":
        return lambda: [p.pread(fd, PIECE, at) for at in range(0, size, PIECE)]
    if loop == "write":
        return lambda: [p.pwrite(fd, b"w" * PIECE, at) for at in range(0, size, PIECE)]
    prot = READ_WRITE if loop == "store" else Prot.PROT_READ
    a = p.mmap(PLACE, size, prot, Map.MAP_SHARED | Map.MAP_FIXED_NOREPLACE, fd)
    if loop == "store":
        return lambda: store_each(p, a, size)
    if loop == "cold":
        p.madvise(a, size, Madv.MADV_RANDOM)
    return lambda: p.touch(a, size)


def store_each(p: LinuxProcess, addr: int, size: int) -> None:
    """Store one byte in each page."""
    for at in range(addr, addr + size, PAGE_SIZE):
        p.store(at, b"s")


def _copied(p: LinuxProcess) -> int:
    """Return the bytes that a live process has read and written by system calls; proc_pid_io(5)."""
    counters = parse_counters(Path(f"/proc/{p.pid}/io").read_text())
    return counters["rchar"] + counters["wchar"]


def in_own_process(path: str, loop: str) -> Counted:
    """Run a loop in this process, with the wrappers."""
    if loop == "cold":
        drop_cache(path)
    if loop in ("read", "write"):
        return _own_copies(path, loop)
    prot = READ_WRITE if loop == "store" else Prot.PROT_READ
    with file_mapping(path, prot=prot, advice=Madv.MADV_RANDOM if loop == "cold" else None) as m:
        array = m.array
        with fault_counts() as faults:
            if loop == "store":
                array[::PAGE_SIZE] = ord("s")
            else:
                array[::PAGE_SIZE].sum()
        del array
    return Counted(faults.minor, faults.major, 0)


def _own_copies(path: str, loop: str) -> Counted:
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size
        first, before = io_counters(), io_counters()
        for at in range(0, size, PIECE):
            if loop == "read":
                os.pread(fd, PIECE, at)
            else:
                os.pwrite(fd, b"w" * PIECE, at)
        after = io_counters()
    finally:
        os.close(fd)
    looking = _sum(before) - _sum(first)  # to look is to read, too
    return Counted(0, 0, _sum(after) - _sum(before) - looking)


def _sum(counters: dict[str, int]) -> int:
    return counters["rchar"] + counters["wchar"]


def in_c(program: str, path: str, loop: str, pages: int) -> Counted:
    """Run a loop in the C program."""
    return Counted(*(int(word) for word in run_c(program, loop, path, pages)))


def run_c(program: str, *arguments: object) -> list[str]:
    """Return the words that the C program prints."""
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=True)
    return done.stdout.split()


@contextmanager
def compiled() -> Iterator[str]:
    """Compile touch.c for a `with` block; gives the program's path. Raises NotMeasurable."""
    compiler = next(filter(None, map(shutil.which, (os.environ.get("CC", "cc"), "cc", "gcc", "clang"))), None)
    if compiler is None:
        raise NotMeasurable("there is no C compiler: install gcc or clang, or name one in CC")
    with tempfile.TemporaryDirectory(prefix="mmaplab-bench-") as directory:
        program = f"{directory}/touch"
        done = subprocess.run([compiler, "-O2", "-o", program, str(SOURCE)], capture_output=True, text=True)
        if done.returncode:
            raise NotMeasurable(f"{compiler} cannot compile touch.c here: {done.stderr.strip()}")
        yield program
