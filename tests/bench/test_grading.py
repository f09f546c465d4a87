"""The bench's room on grading: both graders get the same class, and give it the same points."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from mmaplab.bench import grading
from mmaplab.bench.grading import MASTER, autograde, grade, make_course, measure
from mmaplab.bench.measure import Bench, NotMeasurable
from mmaplab.grading.sandbox import find_protection

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in the project's folder, as `make bench` does; skip where answers cannot be kept in."""
    monkeypatch.chdir(ROOT)
    if find_protection() is None:
        pytest.skip("this machine offers no sandbox: install bubblewrap")


def test_both_graders_give_the_same_points_to_the_same_class(tmp_path: Path) -> None:
    course = make_course(tmp_path, 2)
    assert grade(course, 2) > 0
    assert autograde(course) > 0
    found = json.loads((course / "graded" / "scores.json").read_text(encoding="utf-8"))["submissions"]
    ours = {entry["name"].split("/")[0]: entry["points"] for entry in found}
    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        theirs = {s.student.id: s.score for s in book.assignment_submissions(MASTER.stem)}
    assert ours == theirs
    assert all(0 < points < found[0]["max"] for points in ours.values())


def test_a_quick_run_has_a_row_for_each_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grading, "make_course", lambda folder, count: folder)
    monkeypatch.setattr(grading, "grade", lambda course, jobs: 2.0 / jobs)
    monkeypatch.setattr(grading, "autograde", lambda course: 12.0)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    all_jobs, one_job, other = measure(Bench())
    assert (all_jobs.value.median, all_jobs.unit, other.value.median) == (16 * 60, "per minute", 80)
    assert all_jobs.ratio is not None and one_job.ratio is not None
    assert (all_jobs.ratio.median, one_job.ratio.median, all_jobs.met) == (12, 6, True)


def test_without_masters_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotMeasurable, match="run this in the project's folder"):
        list(measure(Bench(quick=True)))
