"""The site and the slides in a browser, opened from a folder: the search finds, the slides step, nobody is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from mmaplab.bench.jupyterlab import Lab
from mmaplab.course import chapters
from mmaplab.publish.site import make_site
from mmaplab.publish.slides import make_slides

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, with the slides in it."""
    made = tmp_path_factory.mktemp("site")
    make_site(ROOT, made)
    make_slides(ROOT, made / "slides")
    return made


@pytest.fixture
def page(lab: Lab) -> Iterator[Page]:
    """A page of the browser; a request to anything but a file, or an error in a script, fails the test."""
    context = lab.browser.new_context(viewport={"width": 1280, "height": 800})
    one = context.new_page()
    wrong: list[str] = []
    one.on("request", lambda r: None if r.url.startswith(("file:", "data:", "about:")) else wrong.append(r.url))
    one.on("requestfailed", lambda request: wrong.append(f"cannot be loaded: {request.url}"))
    one.on("pageerror", lambda error: wrong.append(str(error)))
    one.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    yield one
    context.close()
    assert not wrong, "\n".join(wrong)


def test_every_page_opens_from_the_folder(folder: Path, page: Page) -> None:
    for path in sorted(folder.rglob("*.html")):
        page.goto(path.as_uri())
        assert page.title() and page.locator("h1").first.is_visible()
        broken = page.evaluate("[...document.images].filter(i => i.complete && !i.naturalWidth).length")
        assert broken == 0, path.name
        if "slides" not in path.parts:
            wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            assert wide <= 0, f"{path.name} is {wide} pixels wider than the window"


def test_no_page_is_wider_than_a_phone(folder: Path, page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    for path in sorted(set(folder.rglob("*.html")) - set((folder / "slides").rglob("*.html"))):
        page.goto(path.as_uri())
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, f"{path.name} is {wide} pixels wider than a phone's window"


def test_the_search_finds_a_section_and_leads_to_it(folder: Path, page: Page) -> None:
    page.goto((folder / "notebooks" / "00_start_here.html").as_uri())
    page.keyboard.press("/")
    page.keyboard.type("one fault maps a window")
    first = page.locator("#found a").first
    assert "One fault maps a window" in first.inner_text()
    page.keyboard.press("Enter")
    page.wait_for_url("**/05_the_page_fault.html#*")
    heading = page.locator("h2", has_text="One fault maps a window")
    box = heading.bounding_box()
    assert box and 0 <= box["y"] < 800


def test_every_word_must_be_found_and_a_question_without_answer_is_said(folder: Path, page: Page) -> None:
    page.goto((folder / "index.html").as_uri())
    page.fill("#ask", "readahead")
    many = page.locator("#found a").count()
    page.fill("#ask", "readahead xyzzyq")
    assert many >= 3
    assert page.locator("#found a").count() == 0
    assert "nothing found" in page.locator("#found").inner_text()
    page.keyboard.press("Escape")
    assert page.locator("#found").is_hidden()


def test_a_term_of_a_chapter_leads_to_the_glossary_and_back(folder: Path, page: Page) -> None:
    page.goto((folder / "notebooks" / "05_the_page_fault.html").as_uri())
    page.locator("a.term", has_text="minor fault").first.click()
    page.wait_for_url("**/glossary.html#minor-fault")
    page.locator("#minor-fault + p a").click()
    page.wait_for_url("**/05_the_page_fault.html")


FIT = """async () => {
  const found = [];
  for (const slide of Reveal.getSlides()) {
    const {h, v} = Reveal.getIndices(slide);
    Reveal.slide(h, v);
    await new Promise((done) => setTimeout(done, 20));
    const zoom = Number(slide.style.zoom || 1);
    const wide = slide.scrollWidth > slide.clientWidth + 1;
    found.push({h, v, zoom, wide, high: slide.scrollHeight * zoom > 761, empty: !slide.innerText.trim()});
  }
  return found;
}"""


@pytest.mark.parametrize("stem", chapters())
def test_every_slide_fits_and_can_be_read(folder: Path, page: Page, stem: str) -> None:
    page.goto((folder / "slides" / f"{stem}.slides.html").as_uri())
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    slides = page.evaluate(FIT)
    assert len(slides) > 12
    assert not [slide for slide in slides if slide["high"] or slide["wide"] or slide["empty"]]
    assert not [slide for slide in slides if slide["zoom"] < 0.55], "too small for a room: let the cell have less"


def test_arrow_keys_step_and_the_notes_are_for_the_speaker(folder: Path, page: Page) -> None:
    page.goto((folder / "slides" / "05_the_page_fault.slides.html").as_uri())
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    before = page.evaluate("Reveal.getSlidePastCount()")
    page.keyboard.press("Space")
    assert page.evaluate("Reveal.getSlidePastCount()") == before + 1
    assert page.locator("aside.notes").count() > 10
    assert page.locator("aside.notes").first.is_hidden()
    with page.context.expect_page() as opened:
        page.keyboard.press("s")
    speaker = opened.value
    speaker.wait_for_function("document.querySelector('.speaker-controls-notes .value')?.innerText.length > 20")
