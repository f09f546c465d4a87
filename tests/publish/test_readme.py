"""README: its program, its table, its examples and its picture are what the course does."""

from __future__ import annotations

import doctest
import re
import struct
from pathlib import Path

import pytest

from mmaplab.publish import readme
from mmaplab.publish.chapters import NoCourse

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.live
def test_the_twin_table_is_what_the_program_prints_here() -> None:
    assert readme.masked(readme.printed(readme.program(ROOT))) == readme.masked(readme.stored_table(ROOT))
    assert "agree in all 4 steps" in readme.stored_table(ROOT)


def test_the_examples_do_what_they_show() -> None:
    result = doctest.testfile(str(ROOT / "README.md"), module_relative=False)
    assert result.failed == 0
    assert result.attempted >= 20
    example = TEXT.partition("## As a library\n")[2].partition("\n## ")[0]
    assert example.count("```pycon") == 6  # the machine, and five examples


def test_the_examples_need_the_simulated_kernel_only() -> None:
    example = TEXT.partition("## As a library\n")[2].partition("\n## ")[0]
    rooms = set(re.findall(r"from (mmaplab[\w.]*) import", example))
    assert rooms <= {"mmaplab", "mmaplab.constants", "mmaplab.sim", "mmaplab.sim.mm_types"}


def test_the_picture_shows_the_step_that_its_words_tell() -> None:
    shown = readme.the_player()
    words = re.search(r'<img src="docs/player.png" width="\d+" alt="([^"]+)">', TEXT)
    assert words and words.group(1) == f"The player, at step {readme.STEP}: {shown.steps[readme.STEP - 1].sentence}"
    head = (ROOT / "docs" / "player.png").read_bytes()[:24]
    width, height = struct.unpack(">II", head[16:24])
    assert head[1:4] == b"PNG" and width > 1200 and 0.4 < height / width < 1.2


@pytest.mark.browser
def test_the_picture_can_be_taken_anew() -> None:
    try:
        png, says = readme.photograph()
    except readme.NotShowable as reason:
        pytest.skip(str(reason))
    assert png[1:4] == b"PNG" and len(png) > 20_000
    assert says == readme.the_player().steps[readme.STEP - 1].sentence


def test_the_first_screen_says_what_this_is_and_where_to_go() -> None:
    first = TEXT.partition("## Other ways to set it up")[0]
    assert all(word in first for word in ("docs/player.png", "make lab", "make test", "Predicted and measured agree"))
    rows = re.findall(r"^\| ([a-z ]+) \| (.+) \|$", first, re.MULTILINE)
    assert {who for who, _ in rows} >= {"learn", "teach", "grade", "change something"}
    assert len(first.splitlines()) < 70


def test_a_folder_without_readme_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoCourse):
        readme.program(tmp_path)
