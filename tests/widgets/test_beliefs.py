"""Beliefs before and after the course: kept, compared, and not given away in the first round."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmaplab.course import claims, misconceptions
from mmaplab.widgets.beliefs import beliefs, believed, what_changed


@pytest.fixture(autouse=True)
def own_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMAPLAB_HOME", str(tmp_path))


def test_every_misconception_is_contradicted_by_a_claim() -> None:
    assert len(misconceptions()) >= 10
    assert {m.claim for m in misconceptions().values()} <= set(claims())


def test_the_first_round_gives_nothing_away() -> None:
    asked = beliefs("before")
    for key in misconceptions():
        asked.answer(key, "agree")
    assert not any(m.so in asked.said.value for m in misconceptions().values())


def test_the_second_round_shows_what_changed() -> None:
    beliefs("before").answer("async", "agree")
    after = beliefs("after")
    for key in misconceptions():
        after.answer(key, "disagree")
    assert (believed("before", "async"), believed("after", "async")) == ("agree", "disagree")
    assert all(m.so.split("'")[0] in after.said.value for m in misconceptions().values())
    assert "before: agree, after: disagree" in repr(what_changed())


def test_an_answer_is_there_when_asked_again() -> None:
    beliefs("before").answer("order", "not sure")
    assert beliefs("before").asked["order"].children[1].value == "not sure"


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="'later' is no round"):
        beliefs("later")
    with pytest.raises(ValueError, match="'maybe' is no answer"):
        beliefs("before").answer("order", "maybe")
