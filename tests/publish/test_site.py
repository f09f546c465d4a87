"""The site, from its files: links resolve, nothing comes from outside, every chapter and term is there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

from mmaplab.course import chapters, glossary
from mmaplab.course.teaching import teaching
from mmaplab.publish.chapters import NoCourse
from mmaplab.publish.pages import of_html, of_markdown, slug
from mmaplab.publish.search import sections
from mmaplab.publish.site import make_site
from mmaplab.widgets.twin import MARK

ROOT = Path(__file__).parents[2]
LOADS = {"src", "srcset", "poster", "data", "background"}


class Reader(HTMLParser):
    """Collects a page's ids, its links, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name in LOADS or (name == "href" and tag == "link"):
                self.loads.append(value or "")
            elif name == "href":
                self.links.append(value or "")


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Reader]:
    """Every page of the site, read."""
    return {path: Reader(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}


def targets(page: Path, links: list[str]) -> Iterator[tuple[str, Path, str]]:
    """Yield (link, file, place in it) for each link of a page that does not lead out of the site."""
    for link in links:
        parts = urlsplit(link)
        if not parts.scheme:
            yield link, (page.parent / unquote(parts.path)).resolve() if parts.path else page, unquote(parts.fragment)


def test_every_link_leads_to_a_page_and_to_a_place_in_it(pages: dict[Path, Reader]) -> None:
    wrong = []
    for page, reader in pages.items():
        for link, file, place in targets(page, reader.links):
            if file not in pages or (place and place not in pages[file].ids):
                wrong.append(f"{page.name}: {link}")
    assert not wrong, "\n".join(wrong)


def test_every_page_loads_from_the_folder_alone(site: Path, pages: dict[Path, Reader]) -> None:
    for page, reader in pages.items():
        for load in reader.loads:
            assert load.startswith("data:") or (page.parent / load).is_file(), f"{page.name} loads {load}"
    for path in [*site.rglob("*.js"), *site.rglob("*.css")]:
        if path.name != "index.js":
            assert not re.search(r"(https?:)?//[a-z]+\.|@import|url\(", path.read_text(encoding="utf-8")), path.name


def test_no_name_of_a_place_stands_twice(pages: dict[Path, Reader]) -> None:
    twice = {page.name: {i for i in reader.ids if reader.ids.count(i) > 1} for page, reader in pages.items()}
    assert not {page: ids for page, ids in twice.items() if ids}


def test_every_picture_is_described(site: Path) -> None:
    for page in site.rglob("*.html"):
        for image in re.findall(r"<img\b[^>]*>", page.read_text(encoding="utf-8")):
            assert re.search(r'alt="[^"]+"', image), f"{page.name}: {image[:80]}"


@pytest.mark.parametrize("stem", chapters())
def test_a_chapter_shows_its_stored_pictures_and_its_widgets_as_such(site: Path, stem: str) -> None:
    page = (site / "notebooks" / f"{stem}.html").read_text(encoding="utf-8")
    book = nbformat.read(ROOT / "notebooks" / f"{stem}.ipynb", as_version=4)
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    shown = [output for output in outputs if "<img" in "".join(output.get("data", {}).get("text/html", ""))]
    assert len(shown) >= 2 and page.count("<img") == len(shown)
    widgets = [cell for cell in book.cells if "widget" in cell.metadata.get("tags", [])]
    assert page.count("class='widget-note'") + page.count('class="widget-note"') == len(widgets)
    assert page.count(f'class="{MARK}"') == len(widgets)


def test_the_notes_of_the_instructor_are_on_no_page(site: Path) -> None:
    everything = "\n".join(path.read_text(encoding="utf-8") for path in site.rglob("*") if path.is_file())
    for told in teaching().values():
        for note in [*told.notes.values(), *told.goes_wrong]:
            assert note not in everything and json.dumps(note, ensure_ascii=False)[1:-1] not in everything


def page_of(site: Path, name: str) -> str:
    """Return the page of the chapter that defines a term."""
    return (site / "notebooks" / f"{glossary()[name].chapter}.html").read_text(encoding="utf-8")


def test_the_glossary_has_every_term_and_chapters_lead_to_it(site: Path, pages: dict[Path, Reader]) -> None:
    here = pages[site / "notebooks" / "glossary.html"]
    assert {slug(name) for name in glossary()} <= set(here.ids)
    for name in glossary():
        page = page_of(site, name)
        assert f'<a class="term" href="../notebooks/glossary.html#{slug(name)}" title="' in page, name
    assert glossary()["page fault"].means in page_of(site, "page fault")


def test_the_index_holds_every_section_once(site: Path, pages: dict[Path, Reader]) -> None:
    text = (site / "static" / "index.js").read_text(encoding="utf-8")
    found = json.loads(text.removeprefix("window.COURSE = ").rstrip().removesuffix(";"))
    places = [(one["page"], one["at"]) for one in found]
    assert len(set(places)) == len(places) > 200
    for page, at in places:
        assert not at or at in pages[site / page].ids
    assert any("three different numbers" in one["title"] and "MADV" not in one["title"] for one in found)


def test_a_section_is_its_heading_and_what_stands_below() -> None:
    page = of_html("<h1>One</h1><p>first words</p><h2>Two</h2><pre>code here</pre><h2>Two</h2>", "a/b.html", "")
    assert list(sections(page)) == [
        {"page": "a/b.html", "at": "one", "title": "One", "text": "first words"},
        {"page": "a/b.html", "at": "two", "title": "Two", "text": "code here"},
        {"page": "a/b.html", "at": "two-2", "title": "Two", "text": ""},
    ]


def test_a_style_that_travels_with_an_output_is_no_word_of_the_page() -> None:
    page = of_html(
        "<h1>One</h1><div><style>.a{display:none}</style><p>seen</p></div><!-- said by nobody -->", "b.html", ""
    )
    assert [section["text"] for section in sections(page)] == ["seen"]


def test_links_to_notebooks_become_links_to_pages_and_others_stay() -> None:
    page = of_markdown("# T\n\n[a](x.ipynb#cell-id=y) [b](z.md) [c](https://kernel.org/a.md)", "p.html", "")
    assert 'href="x.html#cell-id=y"' in page.body and 'href="z.html"' in page.body
    assert 'href="https://kernel.org/a.md"' in page.body


def test_a_folder_without_a_course_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoCourse, match="checkout of the course"):
        make_site(tmp_path, tmp_path / "site")
