"""The commands `mmaplab release` and `mmaplab grade`.

    mmaplab release [--check]                      make exercises/ from solutions/, or say what differs
    mmaplab grade SUBMISSIONS --out DIR ...        grade a notebook, a folder of them, or a zip

Importing this room loads nothing heavy; each command imports what it needs when it runs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_release_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `mmaplab release`."""
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the exercises are out of date")
    parser.add_argument("--root", type=Path, default=Path(), help="the project's folder (default: this one)")


def run_release(args: argparse.Namespace) -> int:
    """Make the exercises; returns 1 where `--check` finds a difference, 2 where a master breaks a rule."""
    try:
        from mmaplab.grading.release import BadMaster, release
    except ImportError as error:
        print(f"mmaplab release needs nbgrader ({error}): pip install 'mmaplab[instructor]'", file=sys.stderr)
        return 2
    try:
        products = release(args.root)
    except BadMaster as error:
        print(f"mmaplab release: {error}", file=sys.stderr)
        return 2
    stale = [product for product in products if not product.current]
    for product in stale:
        if not args.check:
            product.path.parent.mkdir(parents=True, exist_ok=True)
            product.path.write_bytes(product.data)
        print(f"{'out of date' if args.check else 'written'}: {product.path}")
    if not stale:
        print(f"{len(products)} files, all up to date")
    return 1 if args.check and stale else 0


def add_grade_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `mmaplab grade`."""
    parser.add_argument("submissions", type=Path, help="a notebook, a folder of notebooks, or a zip of them")
    parser.add_argument("--out", type=Path, required=True, help="the folder for scores.json, scores.csv and the pages")
    parser.add_argument("--solutions", type=Path, default=Path("solutions"), help="the masters (default: ./solutions)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="submissions graded at the same time")
    parser.add_argument(
        "--timeout",
        type=float,
        default=30.0,
        metavar="S",
        help="seconds that one test of an answer may take; a third of it as processor time (default: 30)",
    )
    parser.add_argument("--memory", type=int, default=2048, metavar="MiB", help="address space of an answer's process")
    parser.add_argument(
        "--resume", action="store_true", help="go on after an interruption: keep what is graded already"
    )
    parser.add_argument(
        "--allow-unprotected",
        action="store_true",
        help="grade without a sandbox where there is none: answers can then read files and use the network",
    )


def run_grade(args: argparse.Namespace) -> int:
    """Grade submissions; returns 0 when all could be graded, 1 when some could not, 2 when nothing could start."""
    from mmaplab.grading.bulk import CannotGrade, grade_all
    from mmaplab.grading.sandbox import Limits

    limits = Limits(seconds=args.timeout, memory_bytes=args.memory << 20)
    try:
        summary = grade_all(
            args.submissions,
            args.out,
            solutions=args.solutions,
            jobs=args.jobs,
            limits=limits,
            resume=args.resume,
            allow_unprotected=args.allow_unprotected,
            say=lambda text: print(text, file=sys.stderr, flush=True),
        )
    except CannotGrade as error:
        print(f"mmaplab grade: {error}", file=sys.stderr)
        return 2
    print(summary.text())
    return 1 if summary.broken else 0
