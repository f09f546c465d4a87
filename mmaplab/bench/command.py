"""`mmaplab bench`: measure, print, and store.

mmaplab bench                      every room, at full size: some minutes
mmaplab bench simulator --quick    one room, at small sizes: a look whether it works, no number to quote
mmaplab bench --out DIR            DIR/bench.json, DIR/bench.txt and pictures as well
mmaplab bench --record             also the stored report, ./README.md's numbers, ./docs/goals.svg (`make bench`)
"""

from __future__ import annotations

import argparse
import json
from contextlib import suppress
from pathlib import Path

from mmaplab.bench import plots, report
from mmaplab.bench.measure import Bench
from mmaplab.bench.rooms import ROOMS
from mmaplab.views.svg import Svg


def parser() -> argparse.ArgumentParser:
    """Return the parser of the subcommand's options."""
    options = argparse.ArgumentParser(prog="mmaplab bench", description="Measure what the project promises in numbers.")
    options.add_argument("rooms", nargs="*", metavar="ROOM", help=f"{', '.join(ROOMS)} (default: all)")
    options.add_argument("--quick", action="store_true", help="small sizes: shows that it works, proves nothing")
    options.add_argument("--repeats", type=int, default=5, help="runs of each measurement (default: 5)")
    options.add_argument("--seed", type=int, default=1, help="of the random choices (default: 1)")
    options.add_argument("--out", type=Path, help="a folder for bench.json and bench.txt")
    options.add_argument("--record", action="store_true", help="store the report, and put its numbers into README.md")
    return options


def main(argv: list[str] | None = None) -> int:
    """Run the subcommand; returns 1 where a goal is missed, 2 for options that make no sense together."""
    options = parser()
    args = options.parse_args(argv)
    unknown = [name for name in args.rooms if name not in ROOMS]
    if unknown:
        options.error(f"the bench has no room {unknown[0]!r}: give some of {', '.join(ROOMS)}")
    if args.repeats < 1:
        options.error(f"--repeats {args.repeats}: give a number of runs from 1")
    if args.record and (args.quick or args.rooms):
        options.error("--record stores numbers that people quote: measure all rooms, and without --quick")
    bench = Bench(args.quick, min(args.repeats, 2) if args.quick else args.repeats, args.seed)
    found = report.measure(args.rooms or ROOMS, bench, lambda line: print(line, flush=True))
    if args.out:
        write(found, args.out)
    if args.record:
        record(found, Path("README.md"))
    return verdict(found)


def verdict(found: report.Report) -> int:
    """Say which goals are missed, and return the exit status: 1 where one is. A quick run judges nothing."""
    missed = report.unmet(found)
    if found["quick"]:
        print("\nA quick run: its sizes are too small to judge by.", flush=True)
        return 0
    print("\nEvery goal is met." if not missed else "\nNot met:\n  " + "\n  ".join(missed), flush=True)
    return 1 if missed else 0


def write(found: report.Report, folder: Path) -> None:
    """Write the report into a folder, as JSON and as text."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bench.json").write_text(as_json(found), encoding="utf-8")
    (folder / "bench.txt").write_text(report.text(found), encoding="utf-8")
    for name, picture in pictures(found).items():
        picture.save(folder / f"{name}.svg")


def pictures(found: report.Report) -> dict[str, Svg]:
    """Return the report's pictures by name: all goals, and the rows of each room; less what has nothing to draw."""
    made = {}
    with suppress(ValueError):
        made["goals"] = plots.goals(found)
    for room in found["rooms"]:
        with suppress(ValueError):
            made[room["name"]] = plots.bars(found, room["name"])
    return made


def record(found: report.Report, readme: Path) -> None:
    """Store the report, and put its numbers into README; raises ValueError where README has no place for them."""
    with_numbers = report.with_block(readme.read_text(encoding="utf-8"), found)
    report.STORED.write_text(as_json(found), encoding="utf-8")
    readme.write_text(with_numbers, encoding="utf-8")
    with suppress(ValueError, FileNotFoundError):
        plots.goals(found).save(readme.parent / "docs" / "goals.svg")


def as_json(found: report.Report) -> str:
    """Return the report as JSON that a person can read."""
    return json.dumps(found, indent=1) + "\n"
