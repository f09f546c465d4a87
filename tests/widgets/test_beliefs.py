"""Beliefs before and after the course: kept, compared, and not given away in the first round."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmaplab import course
from mmaplab.course import claims
from mmaplab.widgets.beliefs import beliefs, believed, what_changed


@pytest.fixture(autouse=True)
def own_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMAPLAB_HOME", str(tmp_path))


def test_every_belief_is_decided_by_a_claim() -> None:
    assert len(course.beliefs()) >= 20
    assert {b.claim for b in course.beliefs().values()} <= set(claims())


def test_no_answer_is_right_all_the_time() -> None:
    true = [b.true for b in course.beliefs().values()]
    assert 2 <= sum(true) <= len(true) // 2
    assert not any(true[:1] + true[-1:]), "neither the first nor the last one gives it away"


def test_the_first_round_gives_nothing_away() -> None:
    asked = beliefs("before")
    for key in course.beliefs():
        asked.answer(key, "agree")
    assert not any(b.so in asked.said.value for b in course.beliefs().values())
    assert "true" not in asked.said.value and "wrong" not in asked.said.value


def test_the_second_round_shows_what_changed() -> None:
    beliefs("before").answer("async", "agree")
    after = beliefs("after")
    for key in course.beliefs():
        after.answer(key, "disagree")
    assert (believed("before", "async"), believed("after", "async")) == ("agree", "disagree")
    assert all(b.so.split("'")[0] in after.said.value for b in course.beliefs().values())
    true = sum(b.true for b in course.beliefs().values())
    assert f"{true} of them are true" in after.said.value and after.said.value.count("<b>true</b>") == true
    assert "before: agree, after: disagree\n    wrong: It checks its arguments" in repr(what_changed())


def test_an_answer_is_there_when_asked_again() -> None:
    beliefs("before").answer("order", "not sure")
    assert beliefs("before").asked["order"].children[1].value == "not sure"


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="'later' is no round"):
        beliefs("later")
    with pytest.raises(ValueError, match="'maybe' is no answer"):
        beliefs("before").answer("order", "maybe")
