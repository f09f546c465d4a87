"""The player and the workbench: how long a step takes in a browser, and how long a click takes until it is seen.

The step is measured in a headless Chromium: the player's own module with a film of 200 steps; a key is pressed, and the
script and the layout that follows are timed. A click in the workbench is measured twice: in Python alone (the call,
the picture of the new state, the code), and in JupyterLab, from the button to the painted picture.
"""

from __future__ import annotations

import base64
import json
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from mmaplab.bench.measure import Bench, Goal, NotMeasurable, Row
from mmaplab.constants import PAGE_SIZE, Madv, Map, Prot
from mmaplab.sim import Kernel
from mmaplab.views.steps import Step, steps
from mmaplab.widgets import player
from mmaplab.widgets.film import film, styles
from mmaplab.widgets.workbench import workbench

TITLE = "The player and the workbench"
STEPS, PAGES = 200, 300
ROUNDS = 12
CLICKED = ("mmap", "0", "msync", "tick", "munmap")
"""The buttons of the workbench that each round presses: map, touch page 0, write back, let time pass, unmap."""
WORKBENCH = "from mmaplab.notebook import workbench\nboard = workbench()\nboard.count.value = board.pages.value\nboard"
"""A workbench whose munmap takes the whole of a new area away, so that each round ends as it began."""

OPEN = """async ([code, film, styles]) => {
  const begun = performance.now();
  const {default: widget} = await import(`data:text/javascript;base64,${code}`);
  const state = {film, styles, start: 0, stale: false};
  widget.render({model: {get: (name) => state[name], on() {}, off() {}}, el: document.body});
  document.body.offsetHeight;
  return performance.now() - begun;
}"""
STEP_ALL = """() => {
  const root = document.querySelector(".mmaplab"), took = [];
  const press = (key) => {
    const begun = performance.now();
    root.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
    root.querySelector("svg").getBoundingClientRect();
    took.push(performance.now() - begun);
  };
  const last = Number(root.querySelector("input").max);
  for (let i = 0; i < last; i++) press("ArrowRight");
  for (let i = 0; i < last; i++) press("ArrowLeft");
  return took;
}"""

CLICK = """name => new Promise((done, failed) => {
  const bench = document.querySelector(".mmaplab-workbench");
  const button = [...bench.querySelectorAll("button")].find(each =>
    each.textContent.trim() === name || each.textContent.trim().startsWith(name + " "));
  const code = bench.querySelector("pre"), before = code.textContent;
  const begun = performance.now();
  const late = setTimeout(() => failed(new Error(`nothing has come of ${name}`)), 10000);
  const look = () => {
    const now = bench.querySelector("pre");
    if (!now || now.textContent === before) return requestAnimationFrame(look);
    clearTimeout(late);
    requestAnimationFrame(() => done(performance.now() - begun));
  };
  button.click();
  look();
})"""


def measure(bench: Bench) -> Iterator[Row]:
    """Yield the rows; wall-clock time, as a person waits for it."""
    found = long_story()
    data = film(found).data
    name = f"a film of {STEPS} steps, {PAGES} pages"
    yield bench.row(f"{name}: what travels", len(data.encode()), "kB", 1e-3, goal=Goal.at_most(1000))
    yield bench.row("click on a page of the workbench, in Python, 95th percentile", clicks(bench), "ms", 1e3)
    opened, stepped = in_a_browser(bench, data)
    yield bench.row(f"{name}: opens in the browser", opened, "ms", goal=Goal.at_most(1000))
    yield bench.row("a step of it, 95th percentile", stepped, "ms", goal=Goal.at_most(16))
    name = "a click that makes a call, in JupyterLab, until it is seen, 95th percentile"
    yield bench.row(name, clicks_in_jupyterlab(bench), "ms", goal=Goal.at_most(100))


def long_story() -> list[Step]:
    """Return 200 steps: loads all over a file of 300 pages, read one by one."""
    kernel = Kernel()
    kernel.create_file("long.bin", bytes(PAGES * PAGE_SIZE))
    p = kernel.spawn()
    a = p.mmap(0, PAGES * PAGE_SIZE, Prot.PROT_READ, Map.MAP_SHARED, p.open("long.bin"))
    p.madvise(a, PAGES * PAGE_SIZE, Madv.MADV_RANDOM)
    for page in range(0, PAGES, 5):
        p.load(a + page * PAGE_SIZE)
    return steps(kernel, None)[:STEPS]


def clicks(bench: Bench) -> list[float]:
    """Return for each run the 95th percentile of the seconds that a click on a page takes."""
    found = []
    for _ in range(bench.size(bench.repeats, 2)):
        board = workbench()
        board.pages.value = 8
        board.map.click()
        took = []
        for _, button in [*board.buttons.values()] * 3:
            begun = time.perf_counter()
            button.click()
            took.append(time.perf_counter() - begun)
        found.append(percentile(took, 95))
    return found


def in_a_browser(bench: Bench, data: str) -> tuple[list[float], list[float]]:
    """Return for each run the milliseconds to open a film, and the 95th percentile of its steps.

    Raises NotMeasurable where there is no Chromium, or no Playwright to drive it.
    """
    chromium = browser_here()
    from playwright.sync_api import sync_playwright

    code = base64.b64encode((Path(player.__file__).with_suffix(".js")).read_bytes()).decode()
    opened, stepped = [], []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(bench.size(bench.repeats, 2)):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            opened.append(float(page.evaluate(OPEN, [code, data, styles()])))
            stepped.append(percentile(page.evaluate(STEP_ALL), 95))
            page.close()
        browser.close()
    return opened, stepped


def browser_here() -> str:
    """Return the path of Chromium. Raises NotMeasurable where there is none, or no Playwright to drive it."""
    if find_spec("playwright") is None:
        raise NotMeasurable("Playwright is missing: in the course's folder, pip install -e '.[test]'")
    from mmaplab.bench.jupyterlab import find_chromium

    chromium = find_chromium()
    if chromium is None:
        raise NotMeasurable("there is no Chromium: install it, or set CHROMIUM to its path")
    return chromium


def clicks_in_jupyterlab(bench: Bench) -> list[float]:
    """Return for each run the 95th percentile of the milliseconds from a click to the painted answer.

    The answer is there when the workbench's code has a new line and the next frame was drawn. Raises NotMeasurable
    as `in_a_browser` does.
    """
    chromium = browser_here()
    from mmaplab.bench.jupyterlab import Lab

    found = []
    with tempfile.TemporaryDirectory(prefix="mmaplab-clicks-") as name:
        root = Path(name)
        (root / "bench.ipynb").write_text(json.dumps(one_cell(WORKBENCH)), encoding="utf-8")
        with Lab(root, chromium, root / "jupyterlab.log", "bench.ipynb") as lab:
            view = lab.open("bench.ipynb")
            view.run_all()
            for _ in range(bench.size(bench.repeats, 2)):
                took = [float(view.page.evaluate(CLICK, each)) for _ in range(ROUNDS) for each in CLICKED]
                found.append(percentile(took, 95))
            view.close()
    return found


def one_cell(source: str) -> dict[str, object]:
    """Return a notebook of one code cell."""
    cell: dict[str, object] = {"cell_type": "code", "id": "one", "source": source}
    cell |= {"metadata": {}, "outputs": [], "execution_count": None}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def percentile(numbers: list[float], part: int) -> float:
    """Return the number that `part` percent of the numbers do not exceed."""
    ordered = sorted(numbers)
    return ordered[max(0, -(-len(ordered) * part // 100) - 1)]
