"""`mmaplab fuzz`: run random programs on both kernels; show, shorten and save what differs.

    mmaplab fuzz --programs 200 --seed 1 --profile all --file-system ext4

Program number `i` of a run has the seed `seed + i`, and the profiles take turns: so each program can be run again by
its own seed and profile with `--programs 1`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from mmaplab.fuzz.compare import Run, run
from mmaplab.fuzz.generate import generate
from mmaplab.fuzz.pair import Pair
from mmaplab.fuzz.profiles import PROFILES
from mmaplab.fuzz.shrink import shrink
from mmaplab.fuzz.writer import FuzzProgram
from mmaplab.lockstep import FREEDOMS
from mmaplab.program import source_text

TRIES = 3
"""A difference that does not come back in so many further runs was a disturbance from outside: see FREEDOMS."""


@dataclass
class Totals:
    """What a run of many programs came to."""

    programs: Counter[str] = field(default_factory=Counter)
    steps: int = 0
    faults: int = 0
    disturbed: list[str] = field(default_factory=list)
    differences: list[tuple[FuzzProgram, Run]] = field(default_factory=list)
    """The shortened programs, and how they went."""

    def __str__(self) -> str:
        counted = ", ".join(f"{name} {n}" for name, n in self.programs.items())
        return (
            f"{sum(self.programs.values())} programs ({counted}), {self.steps:,} steps, {self.faults:,} page faults: "
            f"{len(self.differences)} differences, {len(self.disturbed)} disturbed"
        )


def programs(profile: str, seed: int, number: int, steps: int) -> Iterator[FuzzProgram]:
    """Yield `number` programs from `seed` on; 'all' takes the profiles in turn."""
    names = list(PROFILES) if profile == "all" else [profile]
    for i in range(number):
        yield generate(names[i % len(names)], seed + i, steps)


def fuzz(
    todo: Iterator[FuzzProgram], pair: Pair, stop_after: int = 1, progress: bool = False, shrinks: bool = True
) -> Totals:
    """Run programs until `stop_after` of them differ; each difference is shrunk to the shortest program."""
    totals, began = Totals(), time.monotonic()
    for program in todo:
        outcome = run(program, pair)
        totals.programs[program.profile] += 1
        totals.steps += len(outcome.steps)
        totals.faults += outcome.faults
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
    again = [run(program, pair) for _ in range(TRIES)]
    if not all(other.difference and other.difference.what == outcome.difference.what for other in again):
        totals.disturbed.append(f"{program.profile} {program.seed}: {outcome.difference}")
        return
    short = shortest(program, pair) if shrinks else program
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


# ---------------------------------------------------------------- the command line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mmaplab fuzz`."""
    parser.add_argument("--programs", type=int, default=200, metavar="N", help="how many programs (200)")
    parser.add_argument("--seed", type=int, default=None, metavar="S", help="of the first program (from the clock)")
    parser.add_argument("--steps", type=int, default=80, metavar="N", help="calls in each program (80)")
    parser.add_argument(
        "--profile", choices=["all", *PROFILES], default="all", help="the kind of programs (all in turn)"
    )
    parser.add_argument(
        "--file-system", choices=["ext4", "tmpfs"], default="ext4", help="of the programs' files (ext4)"
    )
    parser.add_argument(
        "--directory", type=Path, default=None, help="a directory on that file system (found by itself)"
    )
    parser.add_argument("--stop-after", type=int, default=1, metavar="N", help="stop after N differences (1)")
    parser.add_argument("--save", type=Path, default=Path("fuzz-differences"), help="where shortened programs go")
    parser.add_argument("--no-shrink", action="store_true", help="do not shorten the programs that differ")
    parser.add_argument("--not-compared", action="store_true", help="list what is not compared, and why")


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 0 where both kernels agree, 1 where they differ, 2 without a live kernel."""
    parser = argparse.ArgumentParser(prog="mmaplab fuzz", description="Random programs on both kernels, compared.")
    add_arguments(parser)
    args = parser.parse_args(argv)
    if args.not_compared:
        print("\n".join(f"{freedom.what}:\n    {freedom.reason}" for freedom in FREEDOMS))
        return 0
    from mmaplab.fuzz.live import live_pair  # here, so that everything else works where there is no Linux

    try:
        pair = live_pair(args.file_system, args.directory)
    except RuntimeError as missing:
        print(f"mmaplab fuzz needs a live Linux kernel: {missing}", file=sys.stderr)
        return 2
    with pair:
        return report(args, pair)


def report(args: argparse.Namespace, pair: Pair) -> int:
    """Run the programs that the options ask for, and print what came of them."""
    seed = args.seed if args.seed is not None else int(time.time())
    print(f"seed {seed}, profile {args.profile}, {args.programs} programs of {args.steps} steps on {args.file_system}")
    todo = programs(args.profile, seed, args.programs, args.steps)
    totals = fuzz(todo, pair, args.stop_after, progress=sys.stderr.isatty(), shrinks=not args.no_shrink)
    for program, outcome in totals.differences:
        path = save(program, outcome, args.save, args.file_system)
        print(f"\n{program_text(program, outcome)}\n{outcome.difference}\nsaved as {path}")
    for line in totals.disturbed:
        print(f"disturbed: {line}")
    print(totals)
    return 1 if totals.differences else 0


if __name__ == "__main__":
    raise SystemExit(main())
