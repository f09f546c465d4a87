"""Grading a class: the report, going on after an interruption, several jobs, and what protection is stated."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmaplab.grading import bulk
from mmaplab.grading.bulk import CannotGrade, choose_protection, earlier, find_submissions, grade_all
from mmaplab.grading.runner import Grader
from mmaplab.grading.sandbox import UNPROTECTED

from .helpers import ROOT, solutions, submission

MASTERS = ROOT / "solutions"


@pytest.fixture
def class_of_six(tmp_path: Path, grader: Grader) -> Path:
    """Six submissions with 4, 7, 4, 0 points, one that is broken, and one that crashes in one answer."""
    folder = tmp_path / "class"
    folder.mkdir()
    right = solutions()
    for name, answers in {
        "anna": {"fault-recall": right["fault-recall"]},
        "bert": {"fault-bill": right["fault-bill"]},
        "cleo": {"fault-exact": right["fault-exact"]},
        "dora": {},
        "finn": {"fault-bill": right["fault-bill"], "fault-window": "import ctypes; ctypes.string_at(0)"},
    }.items():
        (folder / f"{name}.ipynb").write_bytes(submission(answers))
    (folder / "emil.ipynb").write_bytes(b"{")
    return folder


POINTS = {"anna": 4, "bert": 7, "cleo": 4, "dora": 0, "emil": 0, "finn": 7}


def points_in(out: Path) -> dict[str, int]:
    """Return the points in scores.json, by name."""
    entries = json.loads((out / "scores.json").read_text(encoding="utf-8"))["submissions"]
    return {entry["name"].removesuffix(".ipynb"): entry["points"] for entry in entries}


def test_scores_pages_and_index_are_written(class_of_six: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said: list[str] = []
    summary = grade_all(class_of_six, out, MASTERS, say=said.append)
    assert points_in(out) == POINTS
    assert (summary.graded, summary.broken) == (6, 1)
    assert said[0] == "[1/6] anna.ipynb: 4 of 28" and "not JSON" in said[4]
    rows = list(csv.DictReader((out / "scores.csv").open(encoding="utf-8")))
    assert [row["points"] for row in rows] == [str(points) for points in POINTS.values()]
    assert rows[1]["fault-bill"] == "7" and rows[4]["remark"].startswith("The file is not JSON")
    pages = {page.name.split(".")[0]: page.read_text(encoding="utf-8") for page in (out / "pages").iterdir()}
    assert pages.keys() == POINTS.keys()
    assert "died of SIGSEGV" in pages["finn"] and "7 of 28 points" in pages["finn"]
    for page in [*pages.values(), (out / "index.html").read_text(encoding="utf-8")]:
        assert "namespaces by" in page
        assert "://" not in page and "[0, 16, 27]" not in page and "[1, 0, 1, 0, 1, 1]" not in page


def test_two_jobs_give_the_same(class_of_six: Path, tmp_path: Path) -> None:
    grade_all(class_of_six, tmp_path / "out", MASTERS, jobs=2)
    assert points_in(tmp_path / "out") == POINTS


def test_resume_grades_only_what_is_new_or_changed(class_of_six: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    grade_all(class_of_six, out, MASTERS)
    (class_of_six / "dora.ipynb").write_bytes(submission({"fault-recall": "first_pass = [0, 16, 32]"}))
    said: list[str] = []
    summary = grade_all(class_of_six, out, MASTERS, resume=True, say=said.append)
    assert summary.kept == 5 and len(said) == 1 and "dora" in said[0]
    assert points_in(out) == POINTS | {"dora": 1}


def test_without_resume_everything_is_graded_again(class_of_six: Path, tmp_path: Path) -> None:
    grade_all(class_of_six, tmp_path / "out", MASTERS)
    assert grade_all(class_of_six, tmp_path / "out", MASTERS).kept == 0


def test_a_killed_grader_goes_on_from_where_it_was(class_of_six: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = (
        "import sys; from pathlib import Path; from mmaplab.grading.bulk import grade_all; "
        "grade_all(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))"
    )
    words = [sys.executable, "-c", code, str(class_of_six), str(out), str(MASTERS)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(words, start_new_session=True, env=environment)
    book = out / "results.jsonl"
    while process.poll() is None and (not book.is_file() or book.read_text(encoding="utf-8").count("\n") < 3):
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    with book.open("a", encoding="utf-8") as file:
        file.write('{"name": "cut o')
    summary = grade_all(class_of_six, out, MASTERS, resume=True)
    assert summary.kept >= 2
    assert points_in(out) == POINTS


def test_results_of_other_masters_are_not_kept(tmp_path: Path) -> None:
    book = tmp_path / "results.jsonl"
    book.write_text('{"stamp": "old"}\n{"name": "a", "points": 28}\n', encoding="utf-8")
    assert earlier(book, "new") == {}
    assert earlier(book, "old") == {"a": {"name": "a", "points": 28}}
    assert earlier(tmp_path / "nothing", "old") == {}


def test_without_a_sandbox_it_refuses_unless_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "find_protection", lambda: None)
    with pytest.raises(CannotGrade, match="--allow-unprotected"):
        choose_protection(False)
    assert choose_protection(True) is UNPROTECTED


def test_a_sandbox_that_does_not_start_costs_nobody_a_point(
    class_of_six: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "Grader", lambda *args: Grader(*args, preload=("no_such_module",)))
    with pytest.raises(CannotGrade, match=r"does not start .*--resume"):
        grade_all(class_of_six, tmp_path / "out", MASTERS)
    monkeypatch.undo()
    grade_all(class_of_six, tmp_path / "out", MASTERS, resume=True)
    assert points_in(tmp_path / "out") == POINTS


def test_nothing_to_grade_is_told(tmp_path: Path) -> None:
    with pytest.raises(CannotGrade, match="no file or folder"):
        list(find_submissions(tmp_path / "nothing"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(CannotGrade, match="no notebook in"):
        grade_all(tmp_path / "empty", tmp_path / "out", MASTERS, allow_unprotected=True)
    with pytest.raises(CannotGrade, match="no masters in"):
        grade_all(tmp_path, tmp_path / "out", tmp_path)
    (tmp_path / "bad.zip").write_bytes(b"PK")
    with pytest.raises(CannotGrade, match="not a zip"):
        list(find_submissions(tmp_path / "bad.zip"))
