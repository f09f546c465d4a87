"""How long it takes until something happens: the import, and the first line of the command."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

from mmaplab.bench.measure import Bench, Goal, Row, ratios

TITLE = "Import and start"
IMPORT = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"


def measure(bench: Bench) -> Iterator[Row]:
    """Yield the rows; wall-clock time, each in a Python of its own."""
    runs = bench.size(2 * bench.repeats, 2)
    command = [sys.executable, "-m", "mmaplab", "--help"]
    run(*command)  # the first start writes the byte code
    bare, helped = [], []
    for _ in range(runs):
        bare.append(seconds(sys.executable, "-c", "pass"))
        helped.append(seconds(*command))
    yield bench.row("python -c pass", bare, "ms", 1e3)
    yield bench.row(
        "mmaplab --help; ratio to python -c pass", helped, "ms", 1e3, ratios(helped, bare), Goal.at_most(200)
    )
    for module, goal in (
        ("mmaplab", Goal.at_most(100)),
        ("mmaplab.sim", None),
        ("mmaplab.exercise", None),
        ("mmaplab.notebook", None),
    ):
        took = [float(run(sys.executable, "-c", IMPORT.format(module))) for _ in range(runs)]
        yield bench.row(f"import {module}", took, "ms", 1e3, goal=goal)


def seconds(*command: str) -> float:
    """Return the seconds by the clock on the wall that a command takes."""
    start = time.perf_counter()
    run(*command)
    return time.perf_counter() - start


def run(*command: str) -> str:
    """Return what a command prints; raises CalledProcessError where it fails."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
