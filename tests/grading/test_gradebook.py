"""Scores in a real nbgrader course: made by nbgrader's own commands, read back by its own gradebook and exporter."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from mmaplab.cli import main
from mmaplab.grading.bulk import grade_all
from mmaplab.grading.gradebook import (
    CannotImport,
    Imported,
    chosen_results,
    folder_around,
    import_scores,
    student_pattern,
)
from mmaplab.grading.runner import Grader

from .helpers import BILL, KEYS, MASTER, RECALL, TOTAL, solutions, submission

NAME = MASTER.stem


@pytest.fixture(scope="module")
def graded(grader: Grader, masters: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graded folder: anna has everything, bert one answer, cleo two submissions, emil a broken file."""
    folder = tmp_path_factory.mktemp("submitted")
    right = solutions()
    for name, answers in {
        "anna/05": right,
        "bert/05": {"fault-bill": right["fault-bill"]},
        "cleo/first": {},
        "cleo/second": {"fault-recall": right["fault-recall"]},
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / f"{name}.ipynb").write_bytes(submission(answers))
    (folder / "emil.ipynb").write_bytes(b"{")
    grade_all(folder, folder / "graded", masters)
    return folder / "graded"


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """An empty course, with a configuration file as nbgrader reads it."""
    (tmp_path / "course").mkdir()
    (tmp_path / "course" / "nbgrader_config.py").write_text(
        "c = get_config()\nc.CourseDirectory.course_id = 'memory'\n", encoding="utf-8"
    )
    return tmp_path / "course"


def nbgrader(course: Path, *words: str) -> None:
    """Run one of nbgrader's own commands in a course."""
    environment = {**os.environ, "JUPYTER_CONFIG_DIR": str(course.parent / "config"), "HOME": str(course.parent)}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    command = [sys.executable, "-m", "nbgrader", *words]
    done = subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]


def gradebook(course: Path) -> Gradebook:
    return Gradebook(f"sqlite:///{course}/gradebook.db")


def scores(course: Path) -> dict[str, tuple[float, float]]:
    """Return each student's score and the highest possible one, as nbgrader computes them."""
    with gradebook(course) as book:
        return {s.student.id: (s.score, s.max_score) for s in book.assignment_submissions(NAME)}


def test_scores_stand_in_the_gradebook_question_by_question(graded: Path, course: Path, masters: Path) -> None:
    imported = import_scores(graded, course, masters)
    assert scores(course) == {"anna": (TOTAL, TOTAL), "bert": (BILL, TOTAL), "cleo": (RECALL, TOTAL)}
    assert imported.submissions == 3
    assert [line.split(":")[0] for line in imported.left_out] == ["cleo/first.ipynb", "emil.ipynb"]
    with gradebook(course) as book:
        grades = {key: book.find_grade(key, NAME, NAME, "bert").score for key in KEYS}
        comment = book.find_comment("fault-window-answer", NAME, NAME, "bert").comment
        assert not any(s.needs_manual_grade for s in book.assignment_submissions(NAME))
    assert grades == dict.fromkeys(KEYS, 0) | {"fault-bill": BILL}
    assert "windows in the middle of an area: 0 of 1. Not answered." in comment


def test_nbgrader_exports_what_was_imported(graded: Path, course: Path, masters: Path) -> None:
    import_scores(graded, course, masters)
    nbgrader(course, "export")
    rows = list(csv.DictReader((course / "grades.csv").open(encoding="utf-8")))
    assert {row["student_id"]: float(row["score"]) for row in rows} == {"anna": TOTAL, "bert": BILL, "cleo": RECALL}
    assert {row["assignment"] for row in rows} == {NAME}


def test_an_assignment_that_nbgrader_has_generated_itself_is_taken_as_it_is(
    graded: Path, course: Path, masters: Path
) -> None:
    source = course / "source" / NAME
    source.mkdir(parents=True)
    (source / MASTER.name).write_bytes(MASTER.read_bytes())
    nbgrader(course, "generate_assignment", NAME)
    with gradebook(course) as book:
        cells = {cell.name: (cell.id, cell.max_score) for cell in book.find_notebook(NAME, NAME).grade_cells}
    import_scores(graded, course, masters)
    with gradebook(course) as book:
        notebook = book.find_notebook(NAME, NAME)
        assert {cell.name: cell.max_score for cell in notebook.grade_cells} == {n: m for n, (_, m) in cells.items()}
    assert scores(course)["anna"] == (TOTAL, TOTAL)


def test_a_second_import_replaces_scores_and_keeps_a_graders_own(graded: Path, course: Path, masters: Path) -> None:
    import_scores(graded, course, masters)
    with gradebook(course) as book:
        book.find_grade("fault-bill", NAME, NAME, "cleo").manual_score = 3
        book.find_grade("fault-recall", NAME, NAME, "cleo").auto_score = 1
        book.db.commit()
    import_scores(graded, course, masters)
    assert scores(course) == {"anna": (TOTAL, TOTAL), "bert": (BILL, TOTAL), "cleo": (3 + RECALL, TOTAL)}
    with gradebook(course) as book:
        assert book.find_grade("fault-bill", NAME, NAME, "cleo").needs_manual_grade
        assert not book.find_grade("fault-recall", NAME, NAME, "cleo").needs_manual_grade


def test_each_page_goes_into_the_courses_feedback(graded: Path, course: Path, masters: Path) -> None:
    import_scores(graded, course, masters)
    page = (course / "feedback" / "bert" / NAME / f"{NAME}.html").read_text(encoding="utf-8")
    assert f"{BILL} of {TOTAL} points" in page
    assert {path.parent.parent.name for path in course.glob("feedback/*/*/*.html")} == {"anna", "bert", "cleo"}


def test_the_course_says_where_its_database_is(graded: Path, course: Path, masters: Path, tmp_path: Path) -> None:
    database = tmp_path / "elsewhere.db"
    config = course / "nbgrader_config.py"
    config.write_text(f"c = get_config()\nc.CourseDirectory.db_url = 'sqlite:///{database}'\n", encoding="utf-8")
    import_scores(graded, course, masters)
    assert database.is_file() and not (course / "gradebook.db").exists()


def test_the_command_says_what_was_done(
    graded: Path, course: Path, masters: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["gradebook", str(graded), "--course", str(course), "--solutions", str(masters)]
    assert main(words) == 1
    text = capsys.readouterr().out
    assert "3 submissions taken over into sqlite:///" in text
    assert "left out: emil.ipynb: The file is not JSON" in text
    assert main(["gradebook", str(course), "--course", str(course), "--solutions", str(masters)]) == 2


@pytest.mark.parametrize(
    ("pattern", "name", "student"),
    [
        ("", "anna/05.ipynb", "anna"),
        ("", "a b/x/05.ipynb", "a b"),
        ("", "anna.m.ipynb", "anna.m"),
        (r"^([^_]+)_", "meyeranna_12345_05.ipynb", "meyeranna"),
        (r"([^/_]+)_[^/]*$", "handins/ada_01.ipynb", "ada"),
    ],
)
def test_a_students_name_is_found_in_the_path(pattern: str, name: str, student: str) -> None:
    found = student_pattern(pattern).search(name)
    assert found is not None and found.group(1) == student


def test_what_cannot_be_taken_over_is_told(graded: Path, course: Path, masters: Path, tmp_path: Path) -> None:
    with pytest.raises(CannotImport, match="no folder that `mmaplab grade` has written"):
        import_scores(tmp_path, course, masters)
    with pytest.raises(CannotImport, match=r"no folder .*nbgrader quickstart"):
        import_scores(graded, tmp_path / "nothing", masters)
    with pytest.raises(CannotImport, match="--solutions"):
        import_scores(graded, course, tmp_path)
    with pytest.raises(CannotImport, match="needs one group"):
        import_scores(graded, course, masters, "a")
    with pytest.raises(CannotImport, match="no regular expression"):
        import_scores(graded, course, masters, "(")


def test_of_several_submissions_the_best_counts_and_each_other_is_told_which_one() -> None:
    def graded_with(name: str, points: int) -> dict[str, object]:
        return {"name": f"class/{name}.ipynb", "assignment": NAME, "broken": "", "points": points}

    imported = Imported("a database")
    results = [graded_with("anna", 3), graded_with("bert", 28), graded_with("cleo", 2), graded_with("dora", 28)]
    chosen = chosen_results(results, student_pattern(""), imported)
    assert chosen == {(NAME, "class"): results[1]}
    assert imported.left_out == [
        f"class/{name}.ipynb: class has another submission with 28, class/bert.ipynb"
        for name in ("anna", "cleo", "dora")
    ]


def zipped(path: Path, answers: dict[str, dict[str, str]]) -> Path:
    with zipfile.ZipFile(path, "w") as z:
        for name, given in answers.items():
            z.writestr(name, submission(given))
    return path


def test_a_folder_around_a_whole_class_is_nobody(grader: Grader, course: Path, masters: Path, tmp_path: Path) -> None:
    bill = {"fault-bill": solutions()["fault-bill"]}
    archive = zipped(tmp_path / "class.zip", {"subs/ada/x.ipynb": bill, "subs/cyd/x.ipynb": {}})
    grade_all(archive, tmp_path / "graded", masters)
    imported = import_scores(tmp_path / "graded", course, masters)
    assert scores(course) == {"ada": (BILL, TOTAL), "cyd": (0, TOTAL)} and not imported.left_out
    rows = list(csv.DictReader((tmp_path / "graded" / "scores.csv").open(encoding="utf-8")))
    assert [row["submission"] for row in rows] == ["subs/ada/x.ipynb", "subs/cyd/x.ipynb"]


@pytest.mark.parametrize(
    "names",
    [
        ["handins/ada_01.ipynb", "handins/cyd_01.ipynb"],
        ["a/ada/x.ipynb", "a/cyd/x.ipynb", "b/x.ipynb"],
        [*(f"handins/{name}.ipynb" for name in "abcd"), "late/e.ipynb"],
    ],
    ids=["one flat folder", "groups", "one flat folder, and one more"],
)
def test_a_class_that_would_be_one_student_is_refused(
    grader: Grader, course: Path, masters: Path, tmp_path: Path, names: list[str]
) -> None:
    grade_all(zipped(tmp_path / "class.zip", {name: {} for name in names}), tmp_path / "graded", masters)
    with pytest.raises(CannotImport, match=r"would belong to one student, '(handins|a)': .*--student"):
        import_scores(tmp_path / "graded", course, masters)
    assert not (course / "gradebook.db").exists()
    import_scores(tmp_path / "graded", course, masters, r"([^/_]+)(?:_[^/]*|/x|)\.ipynb$")
    assert len(scores(course)) == len({name.removesuffix("/x.ipynb") for name in names})


@pytest.mark.parametrize(
    ("names", "around"),
    [
        (["subs/ada/x.ipynb", "subs/cyd/x.ipynb"], "subs/"),
        (["a/b/ada/x.ipynb", "a/b/cyd/x.ipynb"], "a/b/"),
        (["ada/01.ipynb", "ada/02.ipynb"], ""),
        (["ada/x.ipynb", "cyd/x.ipynb"], ""),
        (["subs/ada/x.ipynb", "subs/cyd.ipynb"], ""),
        ([], ""),
    ],
)
def test_the_folder_around_is_found(names: list[str], around: str) -> None:
    assert folder_around(names) == around
