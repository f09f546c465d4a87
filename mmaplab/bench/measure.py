"""What a measurement is: a value with its spread, a ratio to something that the same minute measured, and a goal.

A *room* of the bench is a module with two names:

    TITLE = "Wrappers against C"

    def measure(bench: Bench) -> Iterator[Row]:
        yield bench.row("load of a byte", seconds, "ns", scale=1e9, ratio=ratios, goal=Goal.at_most(10, of="ratio"))

where `seconds` are the results of several runs (`bench.times(work)`) and `ratios` one number for each run
(`bench.against(work, yardstick)` measures both by turns, so that a busy machine slows both). The name of the module
goes into `ROOMS` (rooms.py). A room that this machine cannot measure raises `NotMeasurable`, and the report says why.

Processor time is measured where a room does not say otherwise: other programs on the machine disturb it less.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

Clock = Callable[[], float]
Work = Callable[[], object]


class NotMeasurable(Exception):
    """This machine cannot measure the room; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a row has to reach: `bound` at most or at least, by its `value` or by its `ratio`."""

    kind: Literal["at most", "at least"]
    bound: float
    of: Literal["value", "ratio"] = "value"

    @classmethod
    def at_most(cls, bound: float, of: Literal["value", "ratio"] = "value") -> Self:
        """Return the goal of a number that is to be small."""
        return cls("at most", bound, of)

    @classmethod
    def at_least(cls, bound: float, of: Literal["value", "ratio"] = "value") -> Self:
        """Return the goal of a number that is to be large."""
        return cls("at least", bound, of)

    def met(self, number: float) -> bool:
        """Does a number reach it?"""
        return number <= self.bound if self.kind == "at most" else number >= self.bound

    def __str__(self) -> str:
        return f"{self.kind} {short(self.bound)}{' x' if self.of == 'ratio' else ''}"


@dataclass(frozen=True, slots=True)
class Spread:
    """Several results of one measurement: the median, the lowest and the highest, and how many there were."""

    median: float
    low: float
    high: float
    runs: int

    @classmethod
    def of(cls, results: Sequence[float]) -> Self:
        """Return the spread of some results; raises ValueError where there is none."""
        if not results:
            raise ValueError("a measurement without a result: give at least one number")
        return cls(statistics.median(results), min(results), max(results), len(results))

    def __str__(self) -> str:
        if self.runs == 1 or self.low == self.high:
            return short(self.median)
        return f"{short(self.median)} ({short(self.low)} to {short(self.high)})"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report: `unit` is that of `value`; `ratio` is to what `name` says, None where it has none."""

    name: str
    value: Spread
    unit: str
    ratio: Spread | None = None
    goal: Goal | None = None

    @property
    def met(self) -> bool | None:
        """Is the goal reached by the median? None where there is no goal."""
        if self.goal is None:
            return None
        measured = self.ratio if self.goal.of == "ratio" else self.value
        if measured is None:
            raise ValueError(f"{self.name!r} has a goal for its ratio, and no ratio")
        return self.goal.met(measured.median)


@dataclass(frozen=True, slots=True)
class Bench:
    """How to measure: `repeats` runs of each work; `quick` asks a room for smaller sizes; `seed` for its programs."""

    quick: bool = False
    repeats: int = 5
    seed: int = 1
    clock: Clock = time.process_time

    def size(self, full: int, quick: int) -> int:
        """Return the size that this run is to have."""
        return quick if self.quick else full

    def times(self, work: Work, repeats: int | None = None, clock: Clock | None = None) -> list[float]:
        """Return the seconds of each of several runs of `work`."""
        return [timed(work, clock or self.clock) for _ in range(repeats or self.repeats)]

    def against(self, work: Work, yardstick: Work, repeats: int | None = None) -> tuple[list[float], list[float]]:
        """Return the seconds of `work` and of `yardstick`, run by turns; `ratios` divides them pair by pair."""
        pairs = [(timed(work, self.clock), timed(yardstick, self.clock)) for _ in range(repeats or self.repeats)]
        return [one for one, _ in pairs], [other for _, other in pairs]

    def row(
        self,
        name: str,
        results: Sequence[float] | float,
        unit: str,
        scale: float = 1.0,
        ratio: Sequence[float] | float | None = None,
        goal: Goal | None = None,
    ) -> Row:
        """Return a row from raw results; each result is multiplied by `scale` to come out in `unit`."""
        value = Spread.of([scale * result for result in many(results)])
        return Row(name, value, unit, None if ratio is None else Spread.of(many(ratio)), goal)


def timed(work: Work, clock: Clock) -> float:
    """Return the seconds that one run of `work` takes, garbage collection before it and not during it."""
    gc.collect()
    running = gc.isenabled()
    gc.disable()
    try:
        start = clock()
        work()
        return clock() - start
    finally:
        if running:
            gc.enable()


def many(results: Sequence[float] | float) -> Sequence[float]:
    """Return a list of results, also for a single one."""
    return [float(results)] if isinstance(results, (int, float)) else results


def ratios(ones: Sequence[float], others: Sequence[float]) -> list[float]:
    """Return the ratio of each pair; raises ValueError for lists of different length."""
    return [one / max(other, 1e-9) for one, other in zip(ones, others, strict=True)]


def short(number: float) -> str:
    """Return a number with three figures that say something: 0.0123, 1.23, 123, 12,345."""
    if number and abs(number) < 100:
        digits = f"{number:.3g}"
        return digits if "e" not in digits else f"{number:.2e}"
    return f"{number:,.0f}"


def row_of(stored: dict[str, Any]) -> Row:
    """Return the row that a report holds as plain values."""
    ratio, goal = stored.get("ratio"), stored.get("goal")
    return Row(
        stored["name"],
        Spread(**stored["value"]),
        stored["unit"],
        Spread(**ratio) if ratio else None,
        Goal(**goal) if goal else None,
    )
