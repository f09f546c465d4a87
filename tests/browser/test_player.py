"""The player in a browser: it steps with keys and buttons, forwards and back, without asking Python."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator

from tests.browser.jupyterlab import Lab, View

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def chapter(lab: Lab) -> Iterator[View]:
    """The chapter on page faults, run once."""
    view = lab.open("notebooks/05_the_page_fault.ipynb")
    view.run_all()
    yield view
    view.close()


@pytest.fixture
def player(chapter: View) -> Locator:
    """The chapter's first player, at its first step."""
    found = chapter.page.locator(".mmaplab[data-step]").first
    found.scroll_into_view_if_needed()
    found.focus()
    found.press("Home")
    return found


def step_of(player: Locator) -> int:
    """Return the number of the step that is shown."""
    return int(player.get_attribute("data-step") or -1)


def words_of(player: Locator) -> str:
    """Return the sentence that says what happens in the step."""
    return player.locator(".say").inner_text()


def test_arrows_step_forwards_and_back(player: Locator) -> None:
    """Each key press is one step, with a sentence of its own; the way back shows the same sentences."""
    forwards = [words_of(player)]
    for step in range(1, 6):
        player.press("ArrowRight")
        assert step_of(player) == step
        forwards.append(words_of(player))
    assert all(forwards)
    assert len(set(forwards)) > 1
    backwards = [words_of(player)]
    for _ in range(5):
        player.press("ArrowLeft")
        backwards.append(words_of(player))
    assert backwards == forwards[::-1]


def test_the_ends_are_ends(player: Locator) -> None:
    """Before the first and after the last step there is nothing."""
    player.press("ArrowLeft")
    assert step_of(player) == 0
    player.press("End")
    last = step_of(player)
    assert last > 5
    player.press("ArrowRight")
    assert step_of(player) == last


def test_the_slider_reaches_every_step(player: Locator) -> None:
    """The slider has as many places as there are steps."""
    player.press("End")
    last = step_of(player)
    slider = player.locator("input[type=range]")
    assert slider.get_attribute("max") == str(last)
    slider.fill(str(last // 2))
    assert step_of(player) == last // 2


def test_the_picture_says_what_it_shows(player: Locator) -> None:
    """Who cannot see the picture hears its step: the label changes with it."""
    picture = player.locator("svg.mmaplab-film")
    before = picture.get_attribute("aria-label")
    player.press("End")
    after = picture.get_attribute("aria-label")
    assert before
    assert after
    assert before != after


def test_a_key_jumps_to_the_fault_and_to_the_copy(player: Locator) -> None:
    """Who looks for one thing need not step through all the others."""
    player.press("f")
    assert "page fault" in words_of(player)
    player.press("c")
    assert "copied from the disk" in words_of(player)
    assert player.get_by_role("button", name="next copy").is_disabled()


def test_pointing_at_a_page_lights_its_entry_its_frame_and_its_block(player: Locator) -> None:
    """One page is one column in all lanes: the linked maps light up together."""
    player.press("c")
    page = player.locator("svg [data-addr]").first
    page.hover()
    lit = player.locator("svg .lit")
    columns = {lit.nth(i).get_attribute("data-col") for i in range(lit.count())}
    assert len(columns) == 1
    assert lit.count() >= 4


def test_stepping_asks_nobody(chapter: View, player: Locator) -> None:
    """The browser has everything: a step sends no message to the kernel."""
    before = chapter.sent
    assert before > 0
    for step in range(1, 4):
        player.press("ArrowRight")
        assert step_of(player) == step
    chapter.page.wait_for_timeout(300)
    assert chapter.sent == before


def size_of(player: Locator, selector: str) -> float:
    """Return the size of type in pixels."""
    return float(player.locator(selector).evaluate("node => parseFloat(getComputedStyle(node).fontSize)"))


def test_presenter_mode_is_large_and_still_steps(chapter: View, player: Locator) -> None:
    """The key p fills the screen: larger type, the same arrow keys, and Esc leads back."""
    small, width = size_of(player, ".say"), player.bounding_box()["width"]  # type: ignore[index]
    player.press("p")
    chapter.page.wait_for_function("document.querySelector('.mmaplab.presenting') !== null")
    assert size_of(player, ".say") >= 1.8 * small
    assert size_of(player, "button >> nth=0") >= 20
    box, window = player.bounding_box(), chapter.page.evaluate("[innerWidth, innerHeight]")
    assert box and (box["x"], box["y"]) == (0, 0) and [box["width"], box["height"]] == window and box["width"] > width
    player.press("ArrowRight")
    assert step_of(player) == 1
    picture = player.locator("svg.mmaplab-film").bounding_box()
    assert picture and picture["y"] + picture["height"] <= window[1] and picture["height"] > 0.3 * window[1]
    player.press("Escape")
    chapter.page.wait_for_function("document.querySelector('.mmaplab.presenting') === null")
    assert size_of(player, ".say") == small
    player.press("ArrowRight")
    assert step_of(player) == 2


def test_presenter_mode_has_a_button(chapter: View, player: Locator) -> None:
    """Who has a mouse presents as well."""
    player.get_by_role("button", name="presenter mode").click()
    assert "presenting" in (player.get_attribute("class") or "")
    player.get_by_role("button", name="presenter mode").click()
    assert "presenting" not in (player.get_attribute("class") or "")
