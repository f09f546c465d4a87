"""The player in a browser: it steps with keys and buttons, forwards and back, without asking Python."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator

from mmaplab.bench.jupyterlab import Lab, View

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
    chapter.page.mouse.move(0, 0)
    found.focus()
    found.press("Home")
    found.press("Escape")
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


def test_pointing_at_an_area_lights_all_of_it(player: Locator) -> None:
    """An area is all its pages, with their entries, cached pages and blocks; its sentence stands below the picture."""
    player.press("End")
    player.locator("svg [data-area]:not([data-col]) text").first.hover()
    lit = player.locator("svg .lit")
    columns = {lit.nth(i).get_attribute("data-col") for i in range(lit.count())}
    assert len(columns - {None}) > 1
    assert told_by(player).startswith("An area of P1: ")


def told_by(player: Locator) -> str:
    """Return what is said of the thing that is pointed at."""
    return player.locator(".told").inner_text()


def heard_from(player: Locator) -> str:
    """Return what a screen reader was given to read aloud."""
    return player.locator("[aria-live=polite]").text_content() or ""


def test_the_keys_point_as_the_mouse_does(player: Locator) -> None:
    """Down and up go from area to page to page: it lights up, it is written, and it is read aloud."""
    player.press("End")
    seen = []
    for _ in range(3):
        player.press("ArrowDown")
        assert player.locator("svg .lit").count() >= 2
        assert heard_from(player) == told_by(player)
        seen.append(told_by(player))
    assert seen[0].startswith("An area of P1: ")
    assert "Page 0 of " in "".join(seen)
    assert len(set(seen)) == 3
    player.press("ArrowUp")
    assert told_by(player) == seen[1]


def test_what_is_pointed_at_stays_lit_while_the_steps_go_by(player: Locator) -> None:
    """The sentence about a page changes with its state, and the light stays on it."""
    player.press("End")
    player.press("ArrowDown")
    while ", entry r" not in told_by(player):
        player.press("ArrowDown")
    after = told_by(player)
    player.press("Home")
    assert told_by(player).split(":")[0] == after.split(":")[0]
    assert "without an entry" in told_by(player)
    assert player.locator("svg .lit").count() >= 2
    player.press("Escape")
    assert player.locator("svg .lit").count() == 0


def test_shift_goes_back_to_the_fault_and_to_the_copy(player: Locator) -> None:
    """Who has passed the thing goes back to it."""
    player.press("f")
    fault = step_of(player)
    player.press("End")
    player.press("Shift+C")
    assert "copied from the disk" in words_of(player)
    player.press("Shift+F")
    assert step_of(player) == fault


def test_a_key_without_a_target_says_so(player: Locator) -> None:
    """The step stays as it is, and that there is no other fault, copy or system call is seen and read aloud."""
    player.press("End")
    last = step_of(player)
    for key, thing in {"f": "fault", "c": "copy", "s": "system call"}.items():
        player.press(key)
        assert heard_from(player) == told_by(player) == f"No further {thing}."
    player.press("Home")
    player.press("Shift+C")
    assert heard_from(player) == told_by(player) == "No copy before this step."
    assert step_of(player) == 0 < last


def test_sentence_and_disk_are_seen_together(lab: Lab) -> None:
    """Two processes and a file, in a window of 900 pixels: from the sentence to the disk nothing is out of sight."""
    view = lab.open("tests/browser/widgets.ipynb")
    view.run_all()
    high = view.page.locator(".mmaplab[data-step]").last
    high.evaluate("node => node.scrollIntoView()")
    pane = view.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-WindowedPanel-outer").bounding_box()
    for player in (high, view.page.locator(".mmaplab[data-step]").first):
        say, film = player.locator(".in").bounding_box(), player.locator("svg.mmaplab-film").bounding_box()
        assert pane and say and film
        assert film["y"] + film["height"] - say["y"] < pane["height"]
        assert size_in(player) >= 9.5
    view.close()


SMALLEST = """node => {
  const box = node.getBoundingClientRect(), view = node.viewBox.baseVal;
  return 12 * Math.min(box.width / view.width, box.height / view.height);
}"""


def size_in(player: Locator) -> float:
    """Return how large the smallest type of the picture is, in pixels."""
    return float(player.locator("svg.mmaplab-film").evaluate(SMALLEST))


def test_each_step_is_read_aloud(player: Locator) -> None:
    """The live region gets the number of the step and its sentence."""
    player.press("ArrowRight")
    assert heard_from(player) == f"Step 2: {words_of(player)}"
    player.press("ArrowRight")
    assert heard_from(player) == f"Step 3: {words_of(player)}"


LIT = "rgb(204, 121, 167)"


def lit_in(player: Locator) -> str:
    """Point at something; return the colour of its edge."""
    player.press("ArrowDown")
    edge = player.locator("svg .lit > :is(.o, .ol, .none, .absent)").first
    return str(edge.evaluate("node => getComputedStyle(node).stroke"))


def test_it_follows_the_theme(chapter: View, player: Locator) -> None:
    """JupyterLab's dark theme makes the player dark, without a new run."""
    colour = "node => getComputedStyle(node).backgroundColor"
    light = player.evaluate(colour)
    assert lit_in(player) == LIT
    chapter.theme("JupyterLab Dark")
    chapter.page.wait_for_function("document.querySelector('.mmaplab[data-step]').classList.contains('dark')")
    assert player.evaluate(colour) != light
    assert lit_in(player) == LIT
    chapter.theme("JupyterLab Light")
    chapter.page.wait_for_function("!document.querySelector('.mmaplab[data-step]').classList.contains('dark')")
    assert player.evaluate(colour) == light


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
