"""README: its program, its table, its examples and its picture are what the course does."""

from __future__ import annotations

import doctest
import json
import re
import shutil
import struct
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from mmaplab.course import claims
from mmaplab.fuzz.profiles import PROFILES
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


SCREEN = (830, 1000)
"""Width of a README on a code host, and height of a browser's window on a large screen; pixels."""
FIRST = TEXT.partition("<!-- twin: end -->")[0]


def test_the_first_screen_says_what_this_is_and_where_to_go() -> None:
    assert all(word in FIRST for word in ("docs/player.png", "make lab", "make test", "Predicted and measured agree"))
    links = dict(re.findall(r"\[([^\]]+)\]\(([^)]+)\)", FIRST))
    assert {who.lower() for who in links} >= {"learn", "teach", "grade", "change something"}
    for place in filter(lambda link: link.startswith("#"), links.values()):
        assert re.search(rf"^## {place[1:].replace('-', ' ')}$", TEXT, re.MULTILINE | re.IGNORECASE)


@pytest.mark.browser
def test_the_first_screen_is_one_screen(tmp_path: Path) -> None:
    mistune = pytest.importorskip("mistune")
    browser = next(filter(None, map(shutil.which, readme.BROWSERS)), None)
    if browser is None:
        pytest.skip("there is no Chromium here")
    page = tmp_path / "README.html"
    style = "body{font:16px/1.5 sans-serif;margin:0}pre{font-size:85%;padding:16px}img{max-width:100%}"
    body = mistune.html(FIRST + "```").replace('src="docs/', f'src="file://{ROOT}/docs/')
    page.write_text(f"<!doctype html><meta charset=utf-8><style>{style}</style>{body}", encoding="utf-8")
    with sync_playwright() as driver:
        with driver.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"]) as chromium:
            shown = chromium.new_page(viewport={"width": SCREEN[0], "height": 400})
            shown.goto(page.as_uri())
            height = shown.evaluate("document.documentElement.scrollHeight")
    assert height <= SCREEN[1], f"what README shows first is {height} pixels high"


def test_the_numbers_in_the_prose_are_those_of_the_files() -> None:
    assert f"lists all {len(claims())} and runs them" in " ".join(TEXT.split())
    mutants = json.loads((ROOT / "tests" / "fuzz" / "mutants.json").read_text(encoding="utf-8"))
    noticed = [first for first in mutants["noticed"].values() if first is not None]
    assert f"({len(noticed)} of {len(mutants['noticed'])} within {mutants['programs']} programs" in TEXT
    programs = 2 * len(PROFILES) * -(-2000 // len(PROFILES))  # tests/fuzz/agreement.py, on two file systems
    assert f"`make test` runs {programs:,} random programs of about 80 calls" in TEXT


def test_a_folder_without_readme_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoCourse):
        readme.program(tmp_path)
