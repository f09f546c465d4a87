"""How good the estimates are: programs that no calibration has seen, timed in random order, beside their estimate.

    contest()     each program: measured and estimated milliseconds; the median error; how often the winner is named
    races()       read against mmap in the places where one of them wins

A *race* is a pair of programs with the same result. Its winner counts only where the two differ by more than the noise.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mmaplab.costmodel.calibrate import ROUNDS, calibrate_on
from mmaplab.costmodel.ground import Ground
from mmaplab.costmodel.trials import (
    SEED,
    Trial,
    copying_on_write,
    filling_with_zeros,
    new_file,
    reading,
    reading_at_random,
    small_file_mapped,
    small_file_read,
    touching,
    touching_at_random,
)
from mmaplab.costmodel.work import Prices, estimate
from mmaplab.lab import Value

Run = Callable[[Ground], object]
KIB = 1024
DENSITIES = (1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256)
SMALL = (4, 16, 64, 256, 1024)
ENOUGH = 2_000_000
"""Nanoseconds after which a short program has run often enough."""


@dataclass(frozen=True)
class Timed:
    """A program with its times in milliseconds: the estimate, and the quartiles of the measured ones.

    The lower quartile counts as its time, as in the calibration: other programs can only make it slower.
    """

    trial: Trial
    estimated: float
    low: float
    median: float
    high: float

    @property
    def error(self) -> float:
        """How far the estimate is off, as a fraction of the measured time."""
        return self.estimated / self.low - 1


def pairs() -> list[tuple[Trial, Trial]]:
    """Return the races: (read, mmap)."""
    words = [(reading(kib * KIB), touching(1)) for kib in (4, 16, 64, 256, 2048)]
    sums = [(reading(kib * KIB, summed=True), touching(1, summed=True)) for kib in (4, 64, 2048)]
    again = [(reading(256 * KIB, True, passes), touching(passes, True)) for passes in (2, 4, 16)]
    random_pages = [(reading_at_random(density), touching_at_random(density)) for density in DENSITIES]
    return words + sums + again + random_pages + [(small_file_read(kib), small_file_mapped(kib)) for kib in SMALL]


def singles() -> list[Trial]:
    """Return programs that race with nobody."""
    return [reading(4096 * KIB), touching(4), filling_with_zeros(), copying_on_write()]


def everything() -> list[Trial]:
    """Return every program of the contest, each once."""
    return list({trial.name: trial for trial in singles() + [trial for pair in pairs() for trial in pair]}.values())


def measured(trials: list[Trial], pages: int, repeats: int, calibrations: int) -> dict[str, Timed]:
    """Calibrate; then time the programs in random order, each as often; return them by name. Raises NotAvailable."""
    order = random.Random(SEED)
    times: dict[str, list[float]] = {trial.name: [] for trial in trials}
    with Ground.of(pages) as ground:
        prices = Prices.of(calibrate_on(ground, calibrations))
        for trial in trials:
            trial.run(ground)  # what Python and NumPy load at the first time
        for _ in range(repeats):
            for trial in order.sample(trials, len(trials)):
                times[trial.name].append(_milliseconds(trial.run, ground))
    found = {}
    for trial in trials:
        low, median, high = statistics.quantiles(times[trial.name], n=4, method="inclusive")
        found[trial.name] = Timed(trial, estimate(trial.work(pages), prices) / 1e6, low, median, high)
    return found


def _milliseconds(run: Run, ground: Ground) -> float:
    """Return the time of a run of a program; a short one runs again and again, until some milliseconds have passed."""
    start = time.perf_counter_ns()
    runs = taken = 0
    while taken < ENOUGH and runs < 200:
        run(ground)
        runs, taken = runs + 1, time.perf_counter_ns() - start
    return taken / runs / 1e6


def differ(one: Timed, other: Timed) -> bool:
    """Do the two differ by more than the noise: do their middle halves stay apart?"""
    return one.high < other.low or other.high < one.low


def judged(found: dict[str, Timed]) -> dict[str, Value]:
    """Return how good the estimates are, in numbers."""
    clear = [(found[a.name], found[b.name]) for a, b in pairs() if differ(found[a.name], found[b.name])]
    named = [(one.estimated < other.estimated) == (one.low < other.low) for one, other in clear]
    rule = [other.low < one.low for one, other in clear]
    return {
        "programs": len(found),
        "median error, %": 100 * statistics.median(abs(timed.error) for timed in found.values()),
        "races with a clear winner": len(clear),
        "winners named by the model": sum(named),
        "winners named by 'mmap is faster'": sum(rule),
    }


def contest(pages: int = 16384, repeats: int = 9, calibrations: int = ROUNDS) -> dict[str, Value]:
    """Calibrate, estimate, measure, and compare; milliseconds by name, and the verdict. Raises NotAvailable."""
    found = measured(everything(), pages, repeats, calibrations)
    told: dict[str, Value] = dict(judged(found))
    for name, timed in found.items():
        told[f"{name}: estimated"], told[f"{name}: measured"] = timed.estimated, timed.low
    return told


def estimates(told: Mapping[str, Value]) -> dict[str, tuple[float, float]]:
    """Return what a contest told of each program: (estimated, measured) milliseconds, by name."""
    names = [name.removesuffix(": estimated") for name in told if name.endswith(": estimated")]
    return {name: (float(str(told[f"{name}: estimated"])), float(str(told[f"{name}: measured"]))) for name in names}


def races(pages: int = 16384, repeats: int = 7) -> dict[str, Value]:
    """Time read against mmap where one of them should win; ratios above 1 say that mmap is faster. NotAvailable."""
    chosen = {
        "sixteen passes, 256 KiB a call": (reading(256 * KIB, True, 16), touching(16, True)),
        "one pass, 4 KiB a call": (reading(4 * KIB), touching(1)),
        "one pass, 256 KiB a call": (reading(256 * KIB), touching(1)),
        "1/64 of the pages at random": (reading_at_random(1 / 64), touching_at_random(1 / 64)),
        "a file of 4 KiB": (small_file_read(4), small_file_mapped(4)),
        "a file of 256 KiB": (small_file_read(256), small_file_mapped(256)),
    }
    programs = {name: (read.run, mapped.run) for name, (read, mapped) in chosen.items()}
    programs["a new file, 64 KiB a call"] = new_file(64 * KIB, stored=False), new_file(64 * KIB, stored=True)
    with Ground.of(pages) as ground:
        for pair in programs.values():
            for run in pair:
                run(ground)
        return {name: round(_ratio(*pair, ground, repeats), 3) for name, pair in programs.items()}


def _ratio(read: Run, mapped: Run, ground: Ground, repeats: int) -> float:
    """Return time of read by time of mmap: the fastest run of each, by turns, for others can only slow them down."""
    rounds = [(_fastest(read, ground), _fastest(mapped, ground)) for _ in range(repeats)]
    return min(one for one, _ in rounds) / min(other for _, other in rounds)


def _fastest(run: Run, ground: Ground) -> float:
    """Return the fastest of some runs, in nanoseconds."""
    times: list[int] = []
    while sum(times) < ENOUGH and len(times) < 200:
        start = time.perf_counter_ns()
        run(ground)
        times.append(time.perf_counter_ns() - start)
    return min(times)
