"""The table of answers: what each exercise gives for typical wrong answers, and for right ones unlike the master's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .helpers import EXERCISE, KEYS, MASTER, corpus, notebook, points, submission

FULL = {"fault-recall": 4, "fault-bill": 7, "fault-window": 8, "fault-bug": 5, "fault-exact": 4}
ANSWERS = [
    (key, name, FULL[key] if kept == "full" else int(kept), source)
    for (key, kept, name), source in corpus("answers.txt")
]
Grade = Callable[[bytes], dict]


def test_the_master_gets_full_marks(grade: Grade) -> None:
    assert points(grade(MASTER.read_bytes())) == FULL


def test_the_untouched_release_gets_nothing(grade: Grade) -> None:
    result = grade(EXERCISE.read_bytes())
    assert points(result) == dict.fromkeys(KEYS, 0)
    assert result["notes"] == []


@pytest.mark.parametrize(("key", "name", "expected", "source"), ANSWERS, ids=[f"{a[0]}: {a[1]}" for a in ANSWERS])
def test_an_answer_gets_its_points(grade: Grade, key: str, name: str, expected: int, source: str) -> None:
    result = points(grade(submission({key: source})))
    assert result == dict.fromkeys(KEYS, 0) | {key: expected}


@pytest.mark.parametrize("key", KEYS)
def test_every_exercise_has_five_wrong_and_two_right_answers(key: str) -> None:
    kept = [points for question, _, points, _ in ANSWERS if question == key]
    assert sum(points < FULL[key] for points in kept) >= 5
    assert sum(points == FULL[key] for points in kept) >= 2


def test_the_exercise_holds_no_solution_and_no_hidden_test() -> None:
    text = EXERCISE.read_text(encoding="utf-8")
    assert not any(
        word in text for word in ("BEGIN SOLUTION", "BEGIN HIDDEN", "hidden=[", "careless = ", "first + n, SLOTS")
    )
    assert notebook()["nbformat"] == 4
