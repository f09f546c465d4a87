"""How fast a class is graded: `mmaplab grade` and `nbgrader autograde`, by turns, on the same notebooks.

Both run as commands of their own, start and reports included, by the clock on the wall. nbgrader grades one notebook
after the other, without a sandbox: what is handed in here is therefore made here, from the master's own answers.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from mmaplab.bench.measure import Bench, Goal, NotMeasurable, Row, ratios
from mmaplab.grading.questions import source_of
from mmaplab.grading.submission import grade_id_of, nbgrader_of

TITLE = "Grading a class"
MASTER = Path("solutions") / "05_the_page_fault.ipynb"


def measure(bench: Bench) -> Iterator[Row]:
    """Yield the rows; raises NotMeasurable without nbgrader or without the masters."""
    if find_spec("nbgrader") is None:
        raise NotMeasurable("nbgrader is not installed: in the course's folder, pip install -e '.[instructor]'")
    if not MASTER.is_file():
        raise NotMeasurable(f"there is no {MASTER} here: run this in the project's folder")
    count, jobs = bench.size(16, 2), os.cpu_count() or 1
    with TemporaryDirectory() as name:
        course = make_course(Path(name), count)
        with_all, with_one, other = [], [], []
        for _ in range(bench.size(3, 1)):
            with_all.append(count / (grade(course, jobs) / 60))
            other.append(count / (autograde(course) / 60))
            with_one.append(count / (grade(course, 1) / 60))
    told = f"`mmaplab grade --jobs {jobs}`, {count} notebooks; ratio to `nbgrader autograde`"
    goal = Goal.at_least(5, of="ratio") if not bench.quick else None
    yield bench.row(told, with_all, "per minute", ratio=ratios(with_all, other), goal=goal)
    told = "`mmaplab grade --jobs 1`; ratio to `nbgrader autograde`"
    yield bench.row(told, with_one, "per minute", ratio=ratios(with_one, other))
    yield bench.row("`nbgrader autograde`", other, "per minute")


def make_course(folder: Path, count: int) -> Path:
    """Make a course of nbgrader's with one assignment, and with `count` submissions; returns its folder."""
    from mmaplab.grading.release import exercise_of

    text = MASTER.read_text(encoding="utf-8")
    source = folder / "source" / MASTER.stem
    source.mkdir(parents=True)
    (source / MASTER.name).write_text(text, encoding="utf-8")
    for number in range(count):
        place = folder / "submitted" / f"learner{number:03}" / MASTER.stem
        place.mkdir(parents=True)
        (place / MASTER.name).write_text(handed_in(text, exercise_of(text), number), encoding="utf-8")
    (folder / "solutions").mkdir()
    shutil.copy(MASTER, folder / "solutions")
    run(folder, "nbgrader", "generate_assignment", MASTER.stem)
    return folder


def handed_in(master: str, exercise: str, number: int) -> str:
    """Return a submission: the master's answers, but for one that this learner has not given."""
    answers = {cell["id"]: source_of(cell) for cell in json.loads(master)["cells"] if is_answer(cell)}
    notebook = json.loads(exercise)
    missing = list(answers)[number % len(answers)]
    for cell in notebook["cells"]:
        if cell["id"] in answers and cell["id"] != missing:
            cell["source"] = answers[cell["id"]]
    return json.dumps(notebook)


def is_answer(cell: dict[str, object]) -> bool:
    """Is this a cell that a learner fills in?"""
    return nbgrader_of(cell).get("solution") is True and bool(grade_id_of(cell))


def grade(course: Path, jobs: int) -> float:
    """Return the seconds that our grader takes."""
    words = ["mmaplab", "grade", "submitted", "--out", "graded", "--jobs", str(jobs)]
    return run(course, *words)


def autograde(course: Path) -> float:
    """Return the seconds that nbgrader takes."""
    return run(course, "nbgrader", "autograde", MASTER.stem, "--force")


def run(course: Path, module: str, *words: str) -> float:
    """Run a command in the course, with a configuration and a home of its own; returns its seconds."""
    environment = {**os.environ, "HOME": str(course), "JUPYTER_CONFIG_DIR": str(course / "config")}
    environment["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", module, *words], cwd=course, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NotMeasurable(f"{module} {words[0]} has failed: {(done.stderr or done.stdout).strip()[-300:]}")
    return time.perf_counter() - start
