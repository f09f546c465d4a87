"""`mmaplab fuzz`: run random programs on both kernels; show, shorten and save what differs.

    mmaplab fuzz --programs 200 --seed 1 --profile all --file-system ext4
    mmaplab fuzz --programs 100000 --seed 1 --file-system both --jobs 2 --log fuzz.jsonl

Program number `i` of a run has the seed `seed + i`, and the profiles take turns: so each program can be run again by
its own seed and profile with `--programs 1`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from mmaplab.freedoms import FREEDOMS
from mmaplab.fuzz.coverage import table
from mmaplab.fuzz.hunt import fuzz, program_text, programs, save
from mmaplab.fuzz.pair import Pair
from mmaplab.fuzz.profiles import PROFILES


def from_one(text: str) -> int:
    """Return a number of programs, steps, differences or processes: 1 or more; argparse shows what is said here."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    made = argparse.ArgumentParser(prog="mmaplab fuzz", description="Random programs on both kernels, compared.")
    option = made.add_argument
    option("--programs", type=from_one, default=200, metavar="N", help="how many programs (200)")
    option("--seed", type=int, default=None, metavar="S", help="of the first program (from the clock)")
    option("--steps", type=from_one, default=80, metavar="N", help="calls in each program (80)")
    option("--profile", choices=["all", *PROFILES], default="all", help="the kind of programs (all in turn)")
    option(
        "--file-system",
        choices=["ext4", "tmpfs", "both"],
        default="ext4",
        help="of the programs' files (ext4); both: in turn, with --log",
    )
    option("--directory", type=Path, default=None, help="a directory on that file system (found by itself)")
    option("--stop-after", type=from_one, default=1, metavar="N", help="stop after N differences (1)")
    option("--save", type=Path, default=Path("fuzz-differences"), help="where shortened programs go")
    option("--no-shrink", action="store_true", help="do not shorten the programs that differ")
    option("--jobs", type=from_one, default=1, metavar="N", help="processes at a time, with --log (1)")
    option("--log", type=Path, default=None, help="keep what is done in this file: an interrupted run can go on")
    option("--coverage", action="store_true", help="print which calls, errors, signals and flags were reached")
    option("--not-compared", action="store_true", help="list what is not compared, and why")
    return made


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 0 where both kernels agree, 1 where they differ, 2 where nothing could be compared."""
    options = parser()
    args = options.parse_args(argv)
    if args.not_compared:
        print("\n".join(f"{freedom.what}:\n    {freedom.reason}" for freedom in FREEDOMS))
        return 0
    if args.log is None and (args.jobs > 1 or args.file_system == "both"):
        options.error("--jobs and --file-system both need --log FILE, which keeps what is done")
    if args.log and args.seed is None:
        options.error("--log needs --seed S: a run that can go on has a seed that is known")
    try:
        check_place(args.save)
        return logged(args) if args.log else at_once(args)
    except (RuntimeError, ValueError) as missing:
        print(f"mmaplab fuzz: {missing}", file=sys.stderr)
    except OSError as refused:
        print(f"mmaplab fuzz: {refused.strerror}{f': {refused.filename}' * bool(refused.filename)}", file=sys.stderr)
    return 2


def check_place(directory: Path) -> None:
    """Raise OSError where programs cannot be saved: better now than when one is found. Leaves nothing behind."""
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=directory):
        pass
    for path in missing:
        path.rmdir()


def at_once(args: argparse.Namespace) -> int:
    """Run the programs in this process. Raises RuntimeError where there is no live Linux kernel."""
    from mmaplab.fuzz.live import live_pair  # here, so that everything else works where there is no Linux

    try:
        pair = live_pair(args.file_system, args.directory)
    except RuntimeError as missing:
        raise RuntimeError(f"it needs a live Linux kernel: {missing}") from None
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
    if args.coverage:
        print(table(totals.coverage))
    print(totals)
    return 1 if totals.differences else 0


def logged(args: argparse.Namespace) -> int:
    """Run the programs in several processes, and keep what is done in a file. Raises RuntimeError, ValueError."""
    from mmaplab.fuzz.campaign import Log, Plan, campaign

    plan = Plan(args.seed, args.programs, args.profile, args.steps, args.file_system)
    log = Log(args.log, plan)
    result = campaign(plan, log, args.jobs, args.stop_after, args.save, args.directory)
    for portion in log.done.values():
        for line in (*portion.differences, *(f"disturbed: {line}" for line in portion.disturbed)):
            print(line)
    if result["programs"] == plan.programs:
        log.finish(result)
    print(json.dumps(result))
    return 1 if result["differences"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
