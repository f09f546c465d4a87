"""The commands `mmaplab release`, `mmaplab grade`, `mmaplab gradebook` and `mmaplab similar`.

    mmaplab release [--check]                      make exercises/ from solutions/, or say what differs
    mmaplab grade SUBMISSIONS --out DIR ...        grade a notebook, a folder of them, or a zip
    mmaplab gradebook DIR --course COURSE          take the scores over into nbgrader's gradebook
    mmaplab similar SUBMISSIONS --out FILE         say which answers are alike

Importing this room loads nothing heavy; each command imports what it needs when it runs.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from mmaplab.grading.bar import Bar


def add_release_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `mmaplab release`."""
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the exercises are out of date")
    parser.add_argument("--root", type=Path, default=Path(), help="the project's folder (default: this one)")


def run_release(args: argparse.Namespace) -> int:
    """Make the exercises; returns 1 where `--check` finds a difference, 2 where a master breaks a rule."""
    try:
        from mmaplab.grading.release import BadMaster, release
    except ImportError as error:
        print(
            f"mmaplab release needs nbgrader ({error}): in the project's folder, pip install -e '.[instructor]'",
            file=sys.stderr,
        )
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
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="submissions graded at the same time (default: 1)"
    )
    parser.add_argument(
        "--cluster", default="", metavar="ADDRESS", help="grade on the Dask cluster at tcp://HOST:PORT instead of here"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=30.0,
        metavar="S",
        help="seconds that one request to an answer may take, a third of it as processor time, and four times as many "
        "for all of a question; more where the machine is busy (default: 30)",
    )
    parser.add_argument(
        "--memory", type=int, default=2048, metavar="MiB", help="memory of all processes of an answer (default: 2048)"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on after an interruption: keep what is graded already"
    )
    parser.add_argument(
        "--student",
        nargs="?",
        const="",
        metavar="REGEX",
        help="take variants only with the student's name as their seed: what of a submission's path is the name, as a "
        "group; without REGEX the first folder, or the file's name (default: any seed counts)",
    )
    parser.add_argument(
        "--allow-unprotected",
        action="store_true",
        help="grade without a sandbox where there is none: answers can then read files and use the network",
    )


def run_grade(args: argparse.Namespace) -> int:
    """Grade submissions; returns 0 when all could be graded, 1 when some could not, 2 when nothing could start."""
    from mmaplab.grading.bulk import Ways, grade_all
    from mmaplab.grading.finding import CannotGrade
    from mmaplab.grading.sandbox import Limits

    limits = Limits(seconds=args.timeout, memory_bytes=args.memory << 20)
    ways = Ways(args.jobs, args.cluster, limits, args.allow_unprotected, args.student)
    bar = Bar(sys.stderr, time.monotonic)
    try:
        summary = grade_all(args.submissions, args.out, args.solutions, ways, args.resume, bar.show)
    except CannotGrade as error:
        bar.close()
        print(f"mmaplab grade: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        bar.close()
        print("mmaplab grade: interrupted. What is graded is kept: go on with --resume", file=sys.stderr)
        return 130
    bar.close()
    print(summary.text())
    return 1 if summary.broken else 0


def add_gradebook_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `mmaplab gradebook`."""
    parser.add_argument("out", type=Path, help="the folder that `mmaplab grade` has written")
    parser.add_argument("--course", type=Path, required=True, help="the folder of the nbgrader course")
    parser.add_argument("--solutions", type=Path, default=Path("solutions"), help="the masters (default: ./solutions)")
    parser.add_argument(
        "--student",
        default="",
        metavar="REGEX",
        help="what of a submission's path names the student, as a group: '^([^_]+)_' takes what stands before the "
        "first underscore (default: the first folder, or the file's name)",
    )


def run_gradebook(args: argparse.Namespace) -> int:
    """Take scores over into a gradebook; returns 1 where some were left out, 2 where that cannot be done."""
    try:
        from mmaplab.grading.gradebook import CannotImport, import_scores
    except ImportError as error:
        print(
            f"mmaplab gradebook needs nbgrader ({error}): in the project's folder, pip install -e '.[instructor]'",
            file=sys.stderr,
        )
        return 2
    try:
        imported = import_scores(args.out, args.course, args.solutions, args.student)
    except CannotImport as error:
        print(f"mmaplab gradebook: {error}", file=sys.stderr)
        return 2
    print(imported.text())
    return 1 if imported.left_out else 0


def add_similar_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `mmaplab similar`."""
    parser.add_argument("submissions", type=Path, help="a folder of notebooks, or a zip of them")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.html", help="the report")
    parser.add_argument("--solutions", type=Path, default=Path("solutions"), help="the masters (default: ./solutions)")
    parser.add_argument(
        "--alike", type=float, default=0.7, metavar="SHARE", help="list pairs from this share on, 0 to 1 (default: 0.7)"
    )


def run_similar(args: argparse.Namespace) -> int:
    """Write the report; returns 2 where nothing can be compared."""
    from mmaplab.grading.finding import CannotGrade
    from mmaplab.grading.similar import compare_all
    from mmaplab.grading.similarpage import similar_page

    try:
        compared = compare_all(args.submissions, args.solutions, args.alike)
    except CannotGrade as error:
        print(f"mmaplab similar: {error}", file=sys.stderr)
        return 2
    args.out.write_text(similar_page(compared), encoding="utf-8")
    told = [f"{compared.submissions} submissions compared", f"{len(compared.pairs)} pairs are alike"]
    several = sum(seed.shared for seed in compared.seeds)
    told += [f"{several} seeds are given by several, or computed"] * bool(several)
    print(f"{'; '.join(told)}. Report: {args.out}")
    return 0
