"""The cost model against the clock: programs that no calibration has seen, and races of read against mmap."""

from __future__ import annotations

from collections.abc import Iterator

from mmaplab.bench.measure import Bench, Goal, NotMeasurable, Row
from mmaplab.costmodel import contest
from mmaplab.lab import NotAvailable, Value

TITLE = "The cost model, on programs that it has not seen"


def measure(bench: Bench) -> Iterator[Row]:
    """Yield the rows; each run of the bench calibrates anew, and times every program several times."""
    try:
        runs = [contest(bench.size(16384, 4096), bench.size(9, 2)) for _ in range(bench.repeats)]
    except NotAvailable as reason:
        raise NotMeasurable(str(reason)) from reason
    programs = int(_number(runs[0], "programs"))
    errors = [_number(told, "median error, %") for told in runs]
    yield bench.row(f"median error over {programs} programs", errors, "%", goal=Goal.at_most(7))
    clear = sum(_number(told, "races with a clear winner") for told in runs)
    for rule, key, goal in (
        ("the model", "winners named by the model", Goal.at_least(95)),
        ("the rule 'mmap is faster'", "winners named by 'mmap is faster'", None),
    ):
        named = 100 * sum(_number(told, key) for told in runs) / max(clear, 1)
        yield bench.row(f"winners named by {rule}, of {clear:.0f} clear races", named, "%", goal=goal)


def _number(told: dict[str, Value], name: str) -> float:
    return float(str(told[name]))
