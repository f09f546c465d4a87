"""Grading many submissions: find them, grade each, write down each result at once, and go on after an interruption.

out/results.jsonl     a line for each graded submission, written as soon as it is graded: what --resume goes on from
out/...               the reports, made from it at the end (report.py, formats.py)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mmaplab.grading.book import earlier, is_done, new_book, stamp_of, write_down
from mmaplab.grading.finding import CannotGrade, Found, find_submissions
from mmaplab.grading.owner import owner_of, student_pattern
from mmaplab.grading.report import write_reports
from mmaplab.grading.runner import Result, SandboxFailed
from mmaplab.grading.sandbox import Limits
from mmaplab.grading.submission import Assignment, assignment_of
from mmaplab.grading.units import ON_A_CLUSTER, Kit, in_processes, in_this_process, workplace

Work = Callable[[Sequence[Found]], Iterator[Result]]


@dataclass(frozen=True)
class Ways:
    """How to grade: `jobs` submissions at a time here, or on the cluster at an address; with which limits."""

    jobs: int = 1
    cluster: str = ""
    limits: Limits = field(default_factory=Limits)
    allow_unprotected: bool = False
    student: str | None = None
    """What of a path names the student whose seed a variant must have (a pattern, '' for owner.py's); None for any."""


@dataclass(frozen=True)
class Progress:
    """How far grading is: a submission that was graded now, its number, and how many there are in all."""

    number: int
    total: int
    name: str
    text: str

    def __str__(self) -> str:
        return f"[{self.number}/{self.total}] {self.name}: {self.text}"


@dataclass(frozen=True)
class Summary:
    """How it went: number of submissions, and of those that could not be graded."""

    out: Path
    graded: int
    broken: int
    kept: int
    protection: str

    def text(self) -> str:
        """Return the summary in two lines."""
        parts = [f"{self.graded} submissions graded"]
        parts += [f"{self.kept} of them before the interruption"] * bool(self.kept)
        parts += [f"{self.broken} of them could not be read"] * bool(self.broken)
        return f"{', '.join(parts)}. Report: {self.out / 'index.html'}\nProtection: {self.protection}."


def grade_all(
    submissions: Path,
    out: Path,
    solutions: Path,
    ways: Ways | None = None,
    resume: bool = False,
    say: Callable[[Progress], None] = lambda progress: None,
) -> Summary:
    """Grade every submission and write the report into `out`. Raises CannotGrade.

    Interrupted at any moment, also by SIGKILL, it can be called again with `resume`: what was graded is kept.
    """
    ways = ways or Ways()
    try:
        pattern = None if ways.student is None else student_pattern(ways.student)
    except ValueError as error:
        raise CannotGrade(str(error)) from None
    kit = Kit(
        tuple(load_assignments(solutions)), ways.limits, ways.allow_unprotected, (solutions, submissions, out), pattern
    )
    found = sorted(handed_in(submissions, out), key=lambda item: item.name)
    if not found:
        raise CannotGrade(f"there is no notebook in {submissions}")
    owners = {owner_of(item.name, pattern) for item in found}
    if pattern and len(found) > 1 and len(owners) == 1:  # a folder around all, perhaps: nobody's seed would count
        raise CannotGrade(
            f"all {len(found)} submissions would be of one student, {owners.pop()!r}: say with --student REGEX which "
            "part of the path names the student"
        )
    with workers(kit, ways) as (work, protection):
        out.mkdir(parents=True, exist_ok=True)
        results, kept = graded(
            found,
            out,
            stamp_of(solutions, ways.limits, protection.removeprefix(ON_A_CLUSTER), ways.student),
            work,
            resume,
            say,
        )
    write_reports(out, results, protection)
    return Summary(out, len(results), sum(bool(result["broken"]) for result in results), kept, protection)


def handed_in(submissions: Path, out: Path) -> Iterator[Found]:
    """Yield what was handed in: where `out` lies in the same folder, what is below it was not."""
    whole, part = submissions.resolve(), out.resolve()
    below = f"{part.relative_to(whole).as_posix()}/" if part.is_relative_to(whole) and part != whole else "\0"
    return (item for item in find_submissions(submissions) if not item.name.startswith(below))


def graded(
    found: Sequence[Found], out: Path, stamp: str, work: Work, resume: bool, say: Callable[[Progress], None]
) -> tuple[list[Result], int]:
    """Grade what is not graded yet, and keep each result at once; returns all of them, and how many were there."""
    done = earlier(out / "results.jsonl", stamp) if resume else {}
    left = [item for item in found if not is_done(item, done)]
    results = {name: done[name] for name in {item.name for item in found} - {item.name for item in left}}
    kept = len(results)
    with new_book(out / "results.jsonl", stamp, results.values()) as book:
        try:
            for number, result in enumerate(work(left), kept + 1):
                write_down(book, result)
                results[str(result["name"])] = result
                say(Progress(number, len(found), str(result["name"]), told_result(result)))
        except SandboxFailed as error:
            raise CannotGrade(f"{error}. What is graded is kept: go on with --resume") from None
    return [results[name] for name in sorted(results)], kept


@contextmanager
def workers(kit: Kit, ways: Ways) -> Iterator[tuple[Work, str]]:
    """Make what grades: this process, several, or a cluster; yields it, and a sentence about its protection."""
    if ways.cluster:
        try:
            from mmaplab.grading.cluster import cluster, on_cluster, protection_of
        except ImportError as error:
            raise CannotGrade(
                f"--cluster needs Dask ({error}): in the project's folder, pip install -e '.[cluster]'"
            ) from None
        with cluster(ways.cluster, kit) as client:
            yield lambda items: on_cluster(client, items), protection_of(client)
        return
    with workplace(kit) as grader:
        if ways.jobs <= 1:
            yield lambda items: in_this_process(grader, items), grader.protection.sentence
        else:
            yield lambda items: in_processes(grader, items, ways.jobs), grader.protection.sentence


def told_result(result: Result) -> str:
    """Return one result in a few words."""
    return str(result["broken"]) or f"{result['points']} of {result['max']}"


def load_assignments(solutions: Path) -> list[Assignment]:
    """Return the assignments whose masters are in a folder; raises CannotGrade."""
    masters = sorted(solutions.glob("*.ipynb"))
    if not masters:
        raise CannotGrade(f"there are no masters in {solutions}: run this in the project's folder, or give --solutions")
    return [assignment_of(path.stem, path.read_text(encoding="utf-8")) for path in masters]
