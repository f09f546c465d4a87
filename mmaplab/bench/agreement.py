"""The simulated and the live kernel, step by step: how fast random programs are compared, and whether they agree."""

from __future__ import annotations

import time
from collections.abc import Iterator

from mmaplab.bench.measure import Bench, Goal, NotMeasurable, Row
from mmaplab.fuzz.generate import generate
from mmaplab.fuzz.hunt import fuzz
from mmaplab.fuzz.live import live_pair
from mmaplab.fuzz.profiles import PROFILES
from mmaplab.lab import NotAvailable

TITLE = "Both kernels, step by step"


def measure(bench: Bench) -> Iterator[Row]:
    """Yield the rows; wall-clock time, since the live kernel's share is part of it."""
    try:
        pair = live_pair("ext4")
    except NotAvailable as reason:
        raise NotMeasurable(str(reason)) from reason
    with pair:
        rates, steps, differences = [], 0, 0
        for run in range(bench.repeats):
            first = bench.seed + 1_000 * run
            todo = [generate(name, first + i) for i in range(bench.size(4, 1)) for name in PROFILES]
            began = time.perf_counter()
            totals = fuzz(todo, pair, stop_after=len(todo), shrinks=False)
            rates.append(totals.steps / (time.perf_counter() - began))
            steps, differences = steps + totals.steps, differences + len(totals.differences)
        yield bench.row("steps of random programs, made on both kernels and compared", rates, "steps/s")
        goal = Goal.at_most(0)
        yield bench.row(f"programs that differ, in {steps:,} steps", float(differences), "programs", goal=goal)
