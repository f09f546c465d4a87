"""Very many random programs, in several processes at a time, in portions that are logged: a run can be interrupted.

    mmaplab fuzz --programs 100000 --seed 1 --file-system both --jobs 2 --log fuzz.jsonl

The log has one line of JSON for the plan, one for each portion that is done, and at the end one with the result. The
same command with the same log goes on where it was interrupted.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from mmaplab.fuzz.hunt import fuzz, program_text, programs, save
from mmaplab.fuzz.live import live_pair
from mmaplab.fuzz.pair import Pair

PORTION = 50
"""Programs in one portion: some seconds' work, which is lost when a run is interrupted."""


@dataclass(frozen=True)
class Plan:
    """Which programs are run, and where; `file_system` is "ext4", "tmpfs", or "both": portions in turn."""

    seed: int
    programs: int
    profile: str = "all"
    steps: int = 80
    file_system: str = "ext4"

    @property
    def portions(self) -> int:
        """How many portions there are."""
        return -(-self.programs // PORTION)

    def file_system_of(self, portion: int) -> str:
        """Return where a portion is run."""
        return ("ext4", "tmpfs")[portion % 2] if self.file_system == "both" else self.file_system


@dataclass(frozen=True)
class Portion:
    """What one portion came to; `differences` are the shortened programs as text."""

    portion: int
    programs: int
    steps: int
    looks: int
    faults: int
    seconds: float
    disturbed: list[str]
    differences: list[str]


_pairs: dict[str, Pair] = {}
"""The live pairs of this process, by file system: they are used for all of its portions."""


def run_portion(plan: Plan, portion: int, saved: str, directory: str | None) -> Portion:
    """Run one portion to its end; programs that differ are shortened and saved. Raises NotAvailable."""
    where, began = plan.file_system_of(portion), time.monotonic()
    if where not in _pairs:
        _pairs[where] = live_pair(where, Path(directory) if directory else None)
    first = portion * PORTION
    number = min(PORTION, plan.programs - first)
    totals = fuzz(programs(plan.profile, plan.seed, number, plan.steps, first), _pairs[where], stop_after=number)
    for program, outcome in totals.differences:
        save(program, outcome, Path(saved), where)
    texts = [f"{program_text(program, outcome)}\n{outcome.difference}" for program, outcome in totals.differences]
    counts = number, totals.steps, totals.looks, totals.faults
    return Portion(portion, *counts, round(time.monotonic() - began, 3), totals.disturbed, texts)


class Log:
    """The file of a campaign; raises ValueError where it belongs to another plan."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self.path = path
        self.done: dict[int, Portion] = {}
        if not path.exists():
            self._write({"plan": asdict(plan)})
            return
        for line in path.read_text().splitlines():
            record = json.loads(line)
            if "plan" in record and record["plan"] != asdict(plan):
                raise ValueError(f"{path} is the log of another run, {record['plan']}: name another file with --log")
            if "portion" in record:
                self.done[record["portion"]] = Portion(**record)

    def add(self, portion: Portion) -> None:
        """Write down a portion that is done."""
        self.done[portion.portion] = portion
        self._write(asdict(portion))

    def finish(self, result: dict[str, object]) -> None:
        """Write down the result."""
        self._write({"result": result})

    def _write(self, record: dict[str, object]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(record) + "\n")


def campaign(
    plan: Plan, log: Log, jobs: int, stop_after: int, saved: Path, directory: Path | None
) -> dict[str, object]:
    """Run what is not in the log yet, until `stop_after` programs differ; returns the result of all portions."""
    todo = [portion for portion in range(plan.portions) if portion not in log.done]
    began = time.monotonic()
    with workers(jobs) as pool:
        where = str(directory) if directory else None
        futures = [pool.submit(run_portion, plan, portion, str(saved), where) for portion in todo]
        for future in finished(futures):
            log.add(future.result())
            show_progress(plan, log, len(todo), time.monotonic() - began)
            if sum(len(portion.differences) for portion in log.done.values()) >= stop_after:
                break
    return result_of(plan, log)


@contextmanager
def workers(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of fresh processes; those portions that have not begun are left out when the block is left early."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, context, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def finished(futures: list[Future[Portion]]) -> Iterator[Future[Portion]]:
    """Yield the futures as they end; Ctrl-C ends the run after the portions that are under way."""
    try:
        yield from as_completed(futures)
    except KeyboardInterrupt:
        print("\ninterrupted: the same command goes on with what is left", file=sys.stderr)


def show_progress(plan: Plan, log: Log, todo: int, seconds: float) -> None:
    """Print on one line how far the run is, and how many minutes are left."""
    result = result_of(plan, log)
    left = plan.portions - len(log.done)
    minutes = seconds / max(1, todo - left) * left / 60
    print(
        f"\r{result['programs']:,} of {plan.programs:,} programs, {result['steps']:,} steps, "
        f"{result['differences']} differences, {result['disturbed']} disturbed, {minutes:.0f} min left   ",
        end="" if left else "\n",
        file=sys.stderr,
        flush=True,
    )


def result_of(plan: Plan, log: Log) -> dict[str, object]:
    """Return the result as one record: the plan, what was run, and on which kernel. `seconds` add up all processes."""
    done = log.done.values()
    sums = {name: sum(getattr(portion, name) for portion in done) for name in ("programs", "steps", "looks", "faults")}
    return {
        **sums,
        "differences": sum(len(portion.differences) for portion in done),
        "disturbed": sum(len(portion.disturbed) for portion in done),
        "seed": plan.seed,
        "profile": plan.profile,
        "file_system": plan.file_system,
        "steps_each": plan.steps,
        "kernel": os.uname().release,
        "seconds": round(sum(portion.seconds for portion in done)),
        "date": time.strftime("%Y-%m-%d"),
    }
