"""The exercises are what the masters give, byte for byte, and nbgrader can use both."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from mmaplab.course import chapters
from mmaplab.grading.release import BadMaster, check_master, exercise_of, public_part, release
from mmaplab.grading.submission import assignment_of

from .helpers import EXERCISE, MASTER, MASTERS, ROOT, cell_named, notebook


def test_the_exercises_are_up_to_date() -> None:
    assert [str(product.path.relative_to(ROOT)) for product in release(ROOT) if not product.current] == []


def test_every_exercise_has_a_master() -> None:
    made = {product.path for product in release(ROOT)}
    assert set((ROOT / "exercises").glob("*.ipynb")) <= made
    assert set((ROOT / "mmaplab" / "grading" / "public").glob("*.json")) <= made


def test_the_release_is_the_same_on_every_run() -> None:
    text = MASTER.read_text(encoding="utf-8")
    assert exercise_of(text) == exercise_of(text)


def test_cell_ids_and_grade_ids_are_kept_and_outputs_are_not() -> None:
    master, exercise = notebook(MASTER), notebook(EXERCISE)
    assert [cell["id"] for cell in master["cells"]] == [cell["id"] for cell in exercise["cells"]]
    for cell in exercise["cells"]:
        ours = cell["metadata"]["nbgrader"]
        assert ours["schema_version"] == 3 and ours["grade_id"]
        assert cell["cell_type"] == "markdown" or (cell["outputs"] == [] and cell["execution_count"] is None)


def test_only_answers_may_be_edited() -> None:
    for cell in notebook()["cells"]:
        ours = cell["metadata"]["nbgrader"]
        assert cell["metadata"]["deletable"] is False
        assert cell["metadata"].get("editable", True) is ours["solution"]


def test_both_notebooks_are_valid() -> None:
    for path in (MASTER, EXERCISE):
        nbformat.validate(nbformat.read(path, as_version=4))


def test_the_public_part_holds_no_hidden_test() -> None:
    text = public_part(MASTER.read_text(encoding="utf-8"))
    assert "[0, 16, 27]" not in text.replace("\n", "").replace("  ", "")
    assert all("hidden" not in test for question in json.loads(text) for test in question["tests"])


def test_nbgrader_itself_would_make_the_same_exercise(tmp_path: Path) -> None:
    from nbgrader.converters.generate_assignment import GenerateAssignment

    made = [step.__name__ for step in GenerateAssignment.preprocessors.default_args[0]]
    ours = [step.__name__ for step in __import__("mmaplab.grading.release", fromlist=["STEPS"]).STEPS]
    assert ours == [name for name in made if name not in ("IncludeHeaderFooter", "InstantiateTests", "SaveCells")]


@pytest.mark.parametrize("master", MASTERS, ids=lambda path: path.stem)
def test_the_grader_knows_each_cell_of_the_exercise_without_nbgrader(master: Path) -> None:
    text = master.read_text(encoding="utf-8")
    made = {cell["id"]: "".join(cell["source"]) for cell in json.loads(exercise_of(text))["cells"]}
    for cell in assignment_of(master.stem, text).cells:
        assert cell.stub == made[cell.cell_id], cell.grade_id


def test_an_answer_cell_that_is_all_solution_becomes_a_remark_as_with_nbgrader() -> None:
    book = notebook(MASTER)
    cell = cell_named(book, "fault-bill-answer")
    cell["source"] = "faults = [1]\ncopied = 0"
    text = json.dumps(book)
    made = {cell["id"]: "".join(cell["source"]) for cell in json.loads(exercise_of(text))["cells"]}
    assert assignment_of("05", text).cell("fault-bill-answer").stub == made[cell["id"]] == "# YOUR ANSWER HERE"


def label_of(book: dict, key: str, number: int, new: str = "") -> str:
    """Return the label of a public test; with `new`, change it."""
    test = cell_named(book, key)["metadata"]["mmaplab"]["question"]["tests"][number]
    test["label"] = new or test["label"]
    return test["label"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda b: cell_named(b, "fault-bill")["metadata"]["nbgrader"].update(points=3), "another number"),
        (lambda b: cell_named(b, "fault-bill")["metadata"]["nbgrader"].update(schema_version=2), "schema_version 3"),
        (lambda b: cell_named(b, "fault-bill")["metadata"]["nbgrader"].update(remark="x"), "no other keys"),
        (lambda b: cell_named(b, "fault-bill")["metadata"]["nbgrader"].update(grade_id="a b"), "letters, digits"),
        (lambda b: cell_named(b, "fault-bill-task")["metadata"]["nbgrader"].update(grade_id="setup"), "used twice"),
        (lambda b: cell_named(b, "fault-bill")["metadata"]["mmaplab"]["question"].update(hidden=9), "metadata says 9"),
        (lambda b: cell_named(b, "fault-bill")["metadata"]["mmaplab"]["question"].pop("hints"), "has no 'hints'"),
        (lambda b: cell_named(b, "fault-bill")["metadata"]["mmaplab"]["question"].update(key="x"), "needs cells 'x'"),
        (lambda b: label_of(b, "fault-bill", 0, label_of(b, "fault-bill", 1)), "two tests have the label"),
    ],
)
def test_a_master_that_breaks_a_rule_is_told_which(change, says: str) -> None:
    book = notebook(MASTER)
    change(book)
    with pytest.raises(BadMaster, match=says):
        check_master(json.dumps(book), "05.ipynb")


def test_a_folder_without_masters_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(BadMaster, match="no masters"):
        release(tmp_path)


def test_grading_itself_loads_nothing_of_nbgrader() -> None:
    code = "import sys, mmaplab.grading.bulk, mmaplab.grading.similarpage; print('nbgrader' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "False\n"


MINUTES = {1: 5, 2: 10, 3: 30}
LEGEND = "★ five minutes, ★★ ten minutes, ★★★ half an hour"
COUNTS = {5: "five", 6: "six", 7: "seven"}


@pytest.mark.parametrize("master", MASTERS, ids=lambda path: path.stem)
def test_the_stars_of_a_chapter_are_its_minutes(master: Path) -> None:
    text = master.read_text(encoding="utf-8")
    questions = check_master(text, master.name)
    assert sum(MINUTES[question.stars] for question in questions) == chapters()[master.stem].exercises
    first = " ".join("".join(json.loads(text)["cells"][0]["source"]).split())
    assert LEGEND in first
    assert f"{COUNTS[len(questions)].capitalize()} exercises" in first
    chapter = (master.parents[1] / "notebooks" / master.name).read_text(encoding="utf-8")
    assert f"It has {COUNTS[len(questions)]} tasks" in chapter
