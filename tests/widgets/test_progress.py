"""Progress: read from the notes, exported, reset; nothing else counts it."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from mmaplab import notes
from mmaplab.course import chapters, questions
from mmaplab.grading.desk import check
from mmaplab.widgets.ownwords import own_words
from mmaplab.widgets.predict import predict
from mmaplab.widgets.progress import cells_of, progress, progress_table
from mmaplab.widgets.questions import ask
from tests.grading.helpers import full_marks

EXERCISES = len(full_marks())
"""Exercises of chapter 05."""


@pytest.fixture(autouse=True)
def own_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMAPLAB_HOME", str(tmp_path))


def right_answer(key: str) -> str:
    return next(answer for answer, said in questions()[key].answers.items() if said is None)


def test_a_fresh_learner_has_done_nothing() -> None:
    rows = progress_table().rows
    assert [row.chapter for row in rows] == list(chapters().values())
    assert all((row.predicted, row.written, row.right, row.solved) == (0, 0, 0, 0) for row in rows)
    for row in rows:
        assert f"0 of {row.chapter.predictions}" in cells_of(row)[1], "how many there are is said before the first"


def test_predictions_answers_and_exercises_are_counted() -> None:
    predict("how many?", 1, 2, key="05-tables").guess(2)
    ask("05-1").answer(right_answer("05-1"))
    wrong = next(answer for answer, said in questions()["05-2"].answers.items() if said)
    ask("05-2").answer(wrong)
    own_words("why?", key="05-recap").box.value = "Because of the window."
    notes.write("exercises", "fault-bill", {"chapter": "05", "passed": 3, "of": 3})
    notes.write("exercises", "fault-recall", {"chapter": "05", "passed": 1, "of": 2})
    row = next(row for row in progress_table().rows if row.chapter.number == "05")
    assert (row.predicted, row.written, row.right, row.questions) == (1, 1, 1, 5)
    assert (row.solved, row.exercises) == (1, EXERCISES)
    assert "05 The page fault" in repr(progress_table()) and "1 of 5" in progress_table()._repr_html_()


def test_a_text_that_was_taken_back_is_not_counted() -> None:
    box = own_words("why?", key="05-recap").box
    box.value = "Because."
    box.value = ""
    assert all(row.written == 0 for row in progress_table().rows)


def test_no_more_is_done_than_there_is_to_do() -> None:
    """Notes from an older edition may hold predictions that no cell asks for any more."""
    for n in range(50):
        notes.write("predictions", f"05-old-{n}", {"guess": n})
    row = next(row for row in progress_table().rows if row.chapter.number == "05")
    assert row.predicted == row.chapter.predictions


def test_what_check_finds_is_counted() -> None:
    check("fault-bill", [1, 0, 1, 0, 1, 1], 0)
    check("fault-recall", [0], None, 0)
    check("fault-exact", None)  # not answered: nothing to count
    kept = notes.read()["exercises"]
    assert kept == {
        "fault-bill": {"chapter": "05", "passed": 3, "of": 3},
        "fault-recall": {"chapter": "05", "passed": 1, "of": 2},
    }
    row = next(row for row in progress_table().rows if row.chapter.number == "05")
    assert (row.solved, row.exercises) == (1, EXERCISES)


def test_notes_can_be_exported() -> None:
    predict("how many?", 1, 2, key="05-tables").guess(2)
    page = progress()
    page.export.click()
    data = re.search(r"base64,([^']+)'", page.said.value)
    assert data and json.loads(base64.b64decode(data[1]))["predictions"]["05-tables"]["guess"] == 2


def test_beginning_anew_is_asked_twice_and_keeps_the_old_notes(tmp_path: Path) -> None:
    predict("how many?", 1, 2, key="05-tables").guess(2)
    page = progress()
    page.begin.click()
    assert notes.read()["predictions"]
    page.begin.click()
    assert not notes.read()["predictions"]
    assert json.loads((tmp_path / "notes.before.json").read_text())["predictions"]


def test_foreign_notes_count_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "notes.json").write_text('{"predictions": 3, "answers": {"05-1": {"right": "yes"}}, "more": 1}')
    assert all(row.right == 0 for row in progress_table().rows)
