"""What a learner writes is kept, comes back tomorrow, and is the same for nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmaplab import notes
from mmaplab.widgets.ownwords import UNSAID, own_words, words_of


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MMAPLAB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_what_is_written_is_kept_and_comes_back() -> None:
    asked = own_words("why five?", key="05-recap")
    assert UNSAID in asked.said.value
    asked.box.value = "  windows of 16\n"
    assert words_of("05-recap") == "windows of 16"
    assert "Kept" in asked.said.value
    again = own_words("why five?", key="05-recap")
    assert again.box.value == "windows of 16"
    assert "Kept" in again.said.value
    again.box.value = ""
    assert words_of("05-recap") == ""
    assert UNSAID in again.said.value


def test_the_twin_knows_no_learner() -> None:
    asked = own_words("why <five>?", key="05-recap")
    empty = asked.twin()
    asked.box.value = "secret"
    assert asked.twin() == empty
    assert "why &lt;five&gt;?" in empty
    assert repr(asked) == "own_words('why <five>?')"


def test_a_home_that_cannot_be_written_is_said(home: Path) -> None:
    home.write_text("a file, where a folder should be")
    asked = own_words("why five?", key="05-recap")
    asked.box.value = "windows"
    assert "could not be kept" in asked.said.value


def test_notes_of_another_form_are_no_words() -> None:
    notes.write("words", "05-recap", {"text": 5})
    assert words_of("05-recap") == ""
