"""Every control of every widget is pressed once in a browser: nothing breaks, and what it does is seen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator

from mmaplab.bench.jupyterlab import Lab, View
from tests.browser.conftest import ARTIFACTS

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def widgets(lab: Lab) -> Iterator[View]:
    """The notebook with every widget, run once; it must end without a complaint."""
    view = lab.open("tests/browser/widgets.ipynb")
    view.run_all()
    yield view
    problems = view.problems()
    view.close()
    assert not problems, "\n".join(problems)


@pytest.fixture
def bench(widgets: View) -> Locator:
    """The workbench, started again."""
    found = widgets.page.locator(".mmaplab-workbench")
    found.scroll_into_view_if_needed()
    found.locator("button", has_text="Start again").click()
    said(found, "Make a call.")
    return found


def said(bench: Locator, words: str) -> None:
    """Wait until the workbench says something."""
    bench.locator("[role=status]", has_text=words).wait_for(timeout=10_000)


def press(bench: Locator, name: str) -> None:
    """Press the button of that name."""
    bench.get_by_role("button", name=name, exact=True).click()


def test_a_mapping_appears_splits_and_merges(bench: Locator) -> None:
    press(bench, "mmap")
    said(bench, "p1.mmap(0, 4 * PAGE_SIZE")
    bench.get_by_label("from", exact=True).fill("a+1")
    rights = bench.get_by_label("rights", exact=True).nth(1)
    rights.select_option("PROT_READ")
    press(bench, "mprotect")
    said(bench, "p1.mprotect(a + 1 * PAGE_SIZE")
    said(bench, "The area at a is split into 3 areas.")
    assert bench.locator("text=r--s data.bin").count() == 1
    assert bench.locator("text=rw-s data.bin").count() == 2
    rights.select_option("PROT_READ | PROT_WRITE")
    press(bench, "mprotect")
    bench.locator("text=r--s data.bin").wait_for(state="detached", timeout=10_000)
    said(bench, "3 areas are merged into one.")
    assert bench.locator("text=rw-s data.bin").count() == 1


def test_a_click_on_a_page_faults_and_shows_its_entry(bench: Locator) -> None:
    press(bench, "mmap")
    press(bench, "store")
    press(bench, "2")
    said(bench, 'p1.store(a + 2 * PAGE_SIZE, b"x"): done')
    bench.get_by_role("button", name="2 F rw", exact=True).wait_for(timeout=10_000)
    picture = bench.locator("svg.mmaplab-picture")
    assert "Address space" in (picture.get_attribute("aria-label") or "")
    press(bench, "linked view of the last call")
    bench.locator("svg[aria-label*='stores one byte to page 2']").wait_for(timeout=10_000)
    press(bench, "address space")


def test_the_newest_code_is_in_sight_and_all_of_it_can_be_copied(bench: Locator, widgets: View) -> None:
    """However long the session is: the last call stands in the box, and Copy takes the whole."""
    press(bench, "mmap")
    for _ in range(5):
        press(bench, "mprotect")
        press(bench, "munmap")  # of what is gone: an error, or of nothing
        press(bench, "load")
        press(bench, "touch")
    code = bench.locator("pre")
    bench.locator("pre .new", has_text="p1.load(0)").wait_for(timeout=10_000)
    box, new = code.bounding_box(), code.locator(".new").bounding_box()
    assert code.evaluate("node => node.scrollHeight > node.clientHeight + 20")
    assert box and new and box["y"] <= new["y"] and new["y"] + new["height"] <= box["y"] + box["height"] + 1
    widgets.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    press(bench, "Copy")
    said(bench, "Copied.")
    copied = widgets.page.evaluate("navigator.clipboard.readText()")
    assert copied == code.text_content()
    names: dict[str, object] = {}
    exec(copied, names)
    assert "p1" in names


def test_the_code_is_marked_where_the_clipboard_is_closed(bench: Locator, widgets: View) -> None:
    """A page without a secure address has no clipboard: then the browser copies what is marked."""
    press(bench, "mmap")
    bench.locator("pre .new", has_text="p1.mmap").wait_for(timeout=10_000)
    widgets.page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined, configurable: true})")
    press(bench, "Copy")
    said(bench, "opied")
    assert "p1.mmap" in widgets.page.evaluate("getSelection().toString()")
    widgets.page.evaluate("delete navigator.clipboard")


def test_pictures_follow_the_theme(bench: Locator, widgets: View) -> None:
    """What a running kernel draws is dark on a dark page."""
    press(bench, "mmap")
    said(bench, "p1.mmap")
    paper = bench.locator("svg.mmaplab-picture .paper")
    colour = "node => getComputedStyle(node).fill"
    assert paper.evaluate(colour) == "rgb(255, 255, 255)"
    widgets.theme("JupyterLab Dark")
    assert paper.evaluate(colour) == "rgb(22, 24, 27)"
    bench.screenshot(path=str(ARTIFACTS / "workbench-dark.png"))
    widgets.theme("JupyterLab Light")


def test_it_works_with_the_keyboard_alone(bench: Locator) -> None:
    bench.get_by_role("button", name="mmap", exact=True).focus()
    bench.page.keyboard.press("Enter")
    first = bench.get_by_role("button", name="0", exact=True)
    first.wait_for(timeout=10_000)
    first.focus()
    bench.page.keyboard.press("Space")
    said(bench, "(a")


def test_every_button_of_the_workbench(bench: Locator, widgets: View) -> None:
    press(bench, "mmap")
    names = (
        "store",
        "0",
        "1",
        "load",
        "msync",
        "mprotect",
        "madvise",
        "tick",
        "run the flusher",
        "fork",
        "touch",
        "areas after each call",
        "write-back time line",
    )
    for name in (*names, "pull the plug", "linked view of the last call", "mmap", "address space", "munmap"):
        press(bench, name)
        widgets.page.wait_for_timeout(250)
    said(bench, "p1.munmap")
    code = bench.locator("pre").inner_text()
    assert "p2 = p1.fork()" in code
    assert "kernel = kernel.power_failure()" in code
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    bench.screenshot(path=str(ARTIFACTS / "workbench.png"))


def test_every_button_of_the_player(widgets: View) -> None:
    player = widgets.page.locator(".mmaplab[data-step]").first
    player.scroll_into_view_if_needed()
    player.focus()
    player.press("Home")
    buttons = player.get_by_role("button")
    names = [buttons.nth(i).get_attribute("aria-label") or "" for i in range(buttons.count())]
    assert set(names) >= {"one step back", "one step forward", "play", "next fault", "next copy", "next system call"}
    for name in ("one step forward", "one step back", "next fault", "next copy", "next system call"):
        player.get_by_role("button", name=name).click()
    player.press("Home")
    player.get_by_role("button", name="play").click()
    widgets.page.wait_for_timeout(1500)
    player.get_by_role("button", name="pause").click()
    assert int(player.get_attribute("data-step") or 0) >= 1


def test_a_player_says_that_its_kernel_has_gone_on(widgets: View) -> None:
    players = widgets.page.locator(".mmaplab[data-step]")
    assert players.count() == 3
    assert players.nth(0).locator("[role=status]", has_text="Stale").is_visible()
    assert not players.nth(1).locator("[role=status]", has_text="Stale").is_visible()


def test_pages_are_guessed_with_clicks(widgets: View) -> None:
    page = widgets.page
    page.get_by_role("button", name="7", exact=True).last.click()
    page.get_by_role("button", name="7 ✓", exact=True).wait_for(timeout=10_000)
    page.get_by_role("button", name="no page", exact=True).click()
    page.locator("[role=status]", has_text="You said no page").wait_for(timeout=10_000)


def test_live_plots_start_and_end_in_a_table(widgets: View) -> None:
    starts = widgets.page.locator("button", has_text="Start").filter(has_not_text="again")
    assert starts.count() == 2
    for i in range(2):
        starts.nth(i).click()
    ended = widgets.page.locator("[role=status]").filter(has_text="Finished.")
    cannot = widgets.page.locator("[role=status]").filter(has_text="This machine cannot show it")
    ended.or_(cannot).nth(1).wait_for(timeout=60_000)
    assert widgets.page.locator("th[scope=row]").count() >= 10


def test_every_button_of_a_play(lab: Lab) -> None:
    view = lab.open("notebooks/05_the_page_fault.ipynb")
    view.run_all()
    play = view.page.locator(".mmaplab-live", has_text="Task.").last
    play.scroll_into_view_if_needed()
    again = play.locator("button", has_text="Start again")
    total = play.locator("button").count()
    assert total > 4
    for i in range(total):
        play.locator("button").nth(i).click()
        view.page.wait_for_timeout(40)
    again.click()
    play.locator("[role=status]", has_text="Click a page.").wait_for(timeout=10_000)
    problems = view.problems()
    view.close()
    assert not problems, "\n".join(problems)
