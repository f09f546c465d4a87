"""The decks, from their files: what is on a slide, what is said beside it, and that nothing comes from outside."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from mmaplab.course import chapters
from mmaplab.course.teaching import teaching
from mmaplab.publish.chapters import NoCourse, notebook
from mmaplab.publish.deck import bet, deck
from mmaplab.publish.slides import make_slides

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The decks by the stem of their chapter."""
    folder = tmp_path_factory.mktemp("slides")
    _contents, *decks = make_slides(ROOT, folder)
    return {path.name.split(".")[0]: path for path in decks}


def kind(cell: NotebookNode) -> str:
    return str(cell.metadata.slideshow.slide_type)


@pytest.mark.parametrize("stem", chapters())
def test_a_deck_has_slides_pictures_and_what_is_said(stem: str) -> None:
    cells = deck(notebook(ROOT, stem)).cells
    kinds = [kind(cell) for cell in cells]
    assert kinds[0] == "slide" and kinds.count("slide") >= 5 and kinds.count("subslide") >= 5
    assert not any("widget" in cell.metadata.get("tags", []) for cell in cells)
    said = "\n".join(cell.source for cell in cells if kind(cell) == "notes")
    book = {cell.id: cell for cell in notebook(ROOT, stem).cells}
    for name, note in teaching()[stem].notes.items():
        left_out = "widget" in book[name].metadata.get("tags", []) and not bet(book[name].source)
        assert note in said or left_out, name


@pytest.mark.parametrize("stem", chapters())
def test_no_answer_stands_on_the_slide_of_its_question(stem: str) -> None:
    cells = deck(notebook(ROOT, stem)).cells
    for before, after in pairwise(cells):
        if before.source.startswith("<div class='bet'>") or (before is cells[0]):
            assert kind(after) in ("slide", "subslide", "notes"), after.source[:60]


def test_a_bet_is_a_card_with_its_choices() -> None:
    card = bet('predict("pages read", 0, 1, "all <of> them", key="k")')
    assert "pages read" in card and card.count("<li>") == 3 and "all &lt;of&gt; them" in card
    pages = bet('predict_pages("which pages?", pages=64, key="k")')
    assert pages == "<div class='bet'><b>Your bet:</b> which pages?</div>"
    assert bet("player(kernel)") == "" and bet("predict(question, 1, 2, key='k')") == ""


def test_reading_a_chapter_for_slides_does_not_change_it() -> None:
    book = notebook(ROOT, "05_the_page_fault")
    before = nbformat.writes(book)
    deck(book)
    assert nbformat.writes(book) == before


@pytest.mark.parametrize("stem", chapters())
def test_a_deck_loads_what_lies_beside_it_and_nothing_else(made: dict[str, Path], stem: str) -> None:
    text = made[stem].read_text(encoding="utf-8")
    loads = re.findall(r"<(?:script|link|img|iframe|source|video)\b[^>]*?\b(?:src|href)=[\"']([^\"']+)", text)
    assert loads
    for load in loads:
        assert load.startswith("data:") or (made[stem].parent / load).is_file(), load[:80]
    assert not re.search(r"\bimport\b[^;]*?https?://|@import|MathJax\.|require\(\s*\{", text)


def test_reveal_comes_with_its_licence_and_no_style_from_outside(made: dict[str, Path]) -> None:
    folder = next(iter(made.values())).parent / "reveal"
    assert "Permission is hereby granted" in (folder / "LICENSE").read_text(encoding="utf-8")
    assert not any(re.search(r"@import|url\(\s*[\"']?(?!data:)", path.read_text()) for path in folder.glob("*.css"))


def test_a_folder_without_a_course_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoCourse):
        make_slides(tmp_path, tmp_path / "slides")
