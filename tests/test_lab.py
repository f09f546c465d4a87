"""Experiments fall back to recorded results, and say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmaplab import lab as room
from mmaplab.lab import NotAvailable, lab


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "RECORDED", tmp_path / "recorded")
    monkeypatch.delenv("MMAPLAB_LIVE", raising=False)
    monkeypatch.delenv("MMAPLAB_RECORD", raising=False)


def refused() -> dict[str, room.Value]:
    raise NotAvailable("perf events are refused")


def test_a_live_result_says_that_it_is_live() -> None:
    result = lab(lambda: {"faults": 5}, "walk")
    assert (result["faults"], result.live) == (5, True)
    assert "live" in result.source
    assert "faults: 5" in repr(result)


def test_a_refused_experiment_shows_the_recorded_result_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMAPLAB_RECORD", "1")
    lab(lambda: {"faults": [0, 16, 17]}, "A walk")
    result = lab(refused, "A walk")
    assert (result["faults"], result.live) == ([0, 16, 17], False)
    assert "perf events are refused" in result.source
    assert "recorded on" in result.source
    assert "recorded on" in result._repr_html_()


def test_switching_the_live_kernel_off_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMAPLAB_RECORD", "1")
    lab(lambda: {"n": 1}, "n")
    monkeypatch.setenv("MMAPLAB_LIVE", "off")
    result = lab(lambda: pytest.fail("must not run"), "n")
    assert not result.live


def test_without_a_recorded_result_the_reason_is_raised() -> None:
    with pytest.raises(NotAvailable, match="perf events are refused, and no result of 'x' was recorded"):
        lab(refused, "x")


def test_an_error_of_the_experiment_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        lab(lambda: {"n": 1 // 0}, "x")


def test_a_number_is_asked_for_as_a_number() -> None:
    result = lab(lambda: {"n": 2, "words": "two"}, "x")
    assert result.number("n") == 2
    with pytest.raises(TypeError, match="'two', not a number"):
        result.number("words")
