"""Predictions and answers are kept, may change, and never stop a notebook."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from mmaplab import notes
from mmaplab.views.guess import guessed_pages
from mmaplab.widgets.predict import compare, compare_pages, guess_of, guessed, predict, predict_pages
from mmaplab.widgets.quiz import quiz, quiz_variant
from tests.views.drawing import check
from tests.views.pictures import count, labels


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MMAPLAB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_click_is_kept_and_may_be_changed() -> None:
    asked = predict("faults", 0, 1, 64, key="k")
    assert "Not answered" in asked.said.value
    asked.buttons[2].click()
    assert guess_of("k") == 64
    asked.buttons[1].click()
    assert guess_of("k") == 1
    assert predict("faults", 0, 1, 64, key="k").said.value == asked.said.value  # it is there again tomorrow


def test_a_number_is_typed_where_there_are_no_choices() -> None:
    asked = predict("faults", key="n")
    box = asked.children[1].children[0]
    box.value = "1,024"
    assert guess_of("n") == 1024
    box.value = "many"
    assert asked.said.value.startswith("<div role='status'>many is no whole number")
    assert guess_of("n") == 1024


def test_guess_and_outcome_stand_side_by_side() -> None:
    assert repr(compare("k", 5)) == "simulator: 5"
    predict("faults", 4, 5, key="k").guess(4)
    shown = compare("k", 5)
    assert "you: 4" in shown._repr_html_()
    assert "simulator: <b>5</b>" in shown._repr_html_()
    assert repr(shown) == "simulator: 5"  # what is stored does not depend on the learner


def test_a_broken_file_is_kept_aside(home: Path) -> None:
    home.mkdir()
    (home / "notes.json").write_text("{not json")
    assert guess_of("k") is None
    predict("faults", 4, key="k").guess(4)
    assert guess_of("k") == 4
    assert (home / "notes.broken.json").read_text() == "{not json"


@pytest.mark.parametrize("content", ["[]", '{"predictions": 3}', '{"predictions": {"k": {"guess": [1]}}}'])
def test_odd_content_is_no_error(home: Path, content: str) -> None:
    home.mkdir()
    (home / "notes.json").write_text(content)
    assert guess_of("k") is None


def test_a_folder_that_cannot_be_written_is_said(home: Path) -> None:
    home.parent.mkdir(exist_ok=True)
    home.write_text("a file, not a folder")
    asked = predict("faults", 4, key="k")
    asked.guess(4)
    assert "could not be kept" in asked.said.value


def test_a_wrong_answer_names_its_picture() -> None:
    asked = quiz("Which?", {"one": "That is one per page.", "two": None}, key="q")
    assert not asked.answer("one")
    assert "one per page" in asked.feedback.value
    assert asked.answer("two")
    assert notes.read()["answers"]["q"] == {"right": True, "tries": 2, "answer": "two"}


def test_a_question_without_one_right_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="exactly one right answer"):
        quiz("Which?", {"one": "no", "two": "no"}, key="q")


def test_a_variant_gives_new_numbers_from_its_seed() -> None:
    def make(rng: random.Random) -> tuple[str, dict[str, str | None]]:
        n = rng.randrange(1000)
        return f"What is {n} + 1?", {str(n): "You forgot the 1.", str(n + 1): None}

    one, same = quiz_variant(make, seed=5, key="v"), quiz_variant(make, seed=5, key="v")
    assert one.question == same.question
    one.again()
    assert one.question != same.question


def test_notes_are_plain_json(home: Path) -> None:
    predict("faults", 4, key="k").guess(4)
    assert json.loads((home / "notes.json").read_text())["predictions"]["k"]["guess"] == 4


def test_pages_are_clicked_kept_and_taken_back() -> None:
    asked = predict_pages("which are present?", pages=20, key="w")
    assert "Not answered" in asked.said.value
    for page in (3, 4, 5, 9, 9):
        asked.buttons[page].click()
    assert guessed("w") == [3, 4, 5]
    assert "pages 3-5" in asked.said.value
    assert [asked.buttons[i].description for i in (3, 9)] == ["3 ✓", "9"]
    again = predict_pages("which are present?", pages=20, key="w")  # it is there again tomorrow
    assert again.chosen == {3, 4, 5}
    assert guess_of("w") is None  # a guess of another kind is none of a number


def test_no_page_is_an_answer_too() -> None:
    asked = predict_pages("which?", key="w")
    asked.buttons[1].click()
    asked.none.click()
    assert guessed("w") == []
    assert "no page" in asked.said.value


def test_guessed_pages_stand_beside_those_that_came() -> None:
    outcome = [page < 4 for page in range(20)]
    alone = compare_pages("w", outcome)
    check(alone.picture)
    assert repr(alone) == "simulator: pages 0-3"
    assert count(alone.picture, "rect", "you") == 0
    asked = predict_pages("which?", pages=20, key="w")
    for page in (0, 1, 7):
        asked.buttons[page].click()
    both = compare_pages("w", outcome)
    check(both.picture)
    assert repr(both) == repr(alone)  # a stored notebook does not depend on who ran it
    assert (count(both.picture, "rect", "you"), count(both.picture, "rect", "inkfill")) == (3, 4)
    assert sum(label.words == "≠" for label in labels(both.picture)) == 3  # pages 2, 3, 7
    assert both.picture.description == "You: pages 0-1, 7. simulator: pages 0-3. 17 of 20 pages as you said."


@pytest.mark.parametrize("pages", [1, 16, 64])
@pytest.mark.parametrize("seed", range(3))
def test_every_size_is_drawn_without_overlap(pages: int, seed: int) -> None:
    rng = random.Random(seed)
    guess = {page for page in range(pages) if rng.random() < 0.5}
    outcome = {page for page in range(pages) if rng.random() < 0.5}
    picture = guessed_pages(guess, outcome, pages, "live")
    check(picture)
    assert count(picture, "rect", "inkfill") == len(outcome)


def test_too_many_pages_to_click_are_refused() -> None:
    with pytest.raises(ValueError, match="1 to 64"):
        predict_pages("which?", pages=65, key="w")
    with pytest.raises(ValueError, match="1 to 64"):
        compare_pages("w", [])
