"""Many random programs one after the other: find those that differ, judge them, shorten them, write them down.

Program number `i` of a run has the seed `seed + i`, and the profiles take turns: so each program can be run again by
its own seed and profile.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from mmaplab.fuzz.compare import Run, run
from mmaplab.fuzz.coverage import Coverage, coverage_of
from mmaplab.fuzz.generate import generate
from mmaplab.fuzz.pair import Pair
from mmaplab.fuzz.profiles import PROFILES
from mmaplab.fuzz.shrink import shrink
from mmaplab.fuzz.writer import FuzzProgram
from mmaplab.program import source_text

TRIES = 3
"""A difference that does not come back in so many further runs was a disturbance from outside: see FREEDOMS."""


@dataclass
class Totals:
    """What a run of many programs came to."""

    programs: Counter[str] = field(default_factory=Counter)
    steps: int = 0
    """Calls of the programs, each compared."""
    looks: int = 0
    """Calls that looked at everything when a program was over, each compared."""
    faults: int = 0
    coverage: Coverage = field(default_factory=Counter)
    free: int = 0
    """Programs that were not compared to their end, since the kernels parted where they may (FREEDOMS)."""
    disturbed: list[str] = field(default_factory=list)
    differences: list[tuple[FuzzProgram, Run]] = field(default_factory=list)
    """The shortened programs, and how they went."""

    def __str__(self) -> str:
        counted = ", ".join(f"{name} {n}" for name, n in self.programs.items())
        return (
            f"{sum(self.programs.values())} programs ({counted}), {self.steps:,} steps and {self.looks:,} looks, "
            f"{self.faults:,} page faults: {len(self.differences)} differences, {len(self.disturbed)} disturbed"
            + f", {self.free} not compared to the end"
            * bool(self.free)
        )

    def add(self, program: FuzzProgram, outcome: Run) -> None:
        """Count one program that was run."""
        made = len(outcome.steps) - outcome.looks
        self.programs[program.profile] += 1
        self.steps += made
        self.looks += outcome.looks
        self.faults += outcome.faults
        self.free += outcome.free
        self.coverage.update(coverage_of(outcome.steps[:made]))


def programs(profile: str, seed: int, number: int, steps: int, first: int = 0) -> Iterator[FuzzProgram]:
    """Yield `number` programs of the run that starts with `seed`, from the `first` on; 'all' takes profiles in turn."""
    names = list(PROFILES) if profile == "all" else [profile]
    for i in range(first, first + number):
        yield generate(names[i % len(names)], seed + i, steps)


def fuzz(
    todo: Iterable[FuzzProgram], pair: Pair, stop_after: int = 1, progress: bool = False, shrinks: bool = True
) -> Totals:
    """Run programs until `stop_after` of them differ; each difference is shrunk to the shortest program."""
    totals, began = Totals(), time.monotonic()
    for program in todo:
        outcome = run(program, pair)
        totals.add(program, outcome)
        if outcome.difference:
            judge(program, outcome, pair, totals, shrinks)
        if progress and sum(totals.programs.values()) % 20 == 0:
            rate = totals.steps / (time.monotonic() - began)
            print(f"\r{totals}, {rate:,.0f} steps/s", end="", file=sys.stderr, flush=True)
        if len(totals.differences) >= stop_after:
            break
    if progress:
        print(file=sys.stderr)
    return totals


def judge(program: FuzzProgram, outcome: Run, pair: Pair, totals: Totals, shrinks: bool = True) -> None:
    """Is it a difference, or a disturbance from outside? A difference comes back, and is shrunk."""
    assert outcome.difference
    again = [run(program, pair).difference for _ in range(TRIES)]
    short = program
    try:
        if not all(other and other.what == outcome.difference.what for other in again):
            raise ValueError("it did not come back")
        if shrinks:
            short = shortest(program, pair)
    except ValueError:  # also where it came back at first, and not when it was to be shrunk
        totals.disturbed.append(f"{program.profile} {program.seed}: {outcome.difference}")
    else:
        totals.differences.append((short, run(short, pair, trace=True)))


def shortest(program: FuzzProgram, pair: Pair) -> FuzzProgram:
    """Return the program with every call left out that the difference does not need."""
    calls = shrink(
        program.calls,
        lambda kept: run(replace(program, calls=tuple(kept)), pair).difference is not None,
        most_tries=600,
    )
    used = {arg for call in calls for arg in call.args if isinstance(arg, str)}
    return replace(program, calls=tuple(calls), files={path: d for path, d in program.files.items() if path in used})


# ---------------------------------------------------------------- showing and saving


def program_text(program: FuzzProgram, outcome: Run) -> str:
    """Return a program as a Python module: its files and `def program(p)`; `compare.run_python` runs it again."""
    title = f"{program.profile} {program.seed}: {outcome.difference.what if outcome.difference else 'no difference'}."
    files = ",\n    ".join(f"{path!r}: {data!r}" for path, data in program.files.items())
    body = source_text(*outcome.made(len(program.calls)))
    places = [f"{name} = {addr:#x}" for name, addr in program.places.items() if name in body]
    head = f'"""{title}"""\n\nfrom mmaplab.fuzz.writer import FileData\n'
    return "\n".join([head, body.replace("\n\n\n", f"\n\n{chr(10).join(places)}\nFILES = {{{files}}}\n\n\n", 1)])


def save(program: FuzzProgram, outcome: Run, directory: Path, file_system: str) -> Path:
    """Write a shortened program as a Python file; returns its path."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{program.profile}_{program.seed}_{file_system}.py"
    path.write_text(program_text(program, outcome))
    return path
