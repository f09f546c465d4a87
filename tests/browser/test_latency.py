"""How long a click takes until it is seen, in JupyterLab; kept in `.artifacts/browser/latency.json` for a person.

A click on a page of the workbench is a system call or an access on the simulated kernel: from the browser to Python
and back, and until the picture has changed and was painted.
"""

from __future__ import annotations

import json

import pytest

from mmaplab.bench.player import percentile
from tests.browser.conftest import ARTIFACTS
from tests.browser.jupyterlab import Lab

pytestmark = pytest.mark.browser

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


def test_the_latency_of_clicks_is_kept(lab: Lab) -> None:
    """Map, unmap, let time pass: each click is seen; what it took is written down."""
    view = lab.open("tests/browser/widgets.ipynb")
    view.run_all()
    view.page.locator(".mmaplab-workbench").scroll_into_view_if_needed()
    view.page.locator(".mmaplab-workbench").get_by_label("pages", exact=True).nth(1).fill("4")
    view.page.keyboard.press("Tab")
    calls = ("mmap", "0", "msync", "tick", "munmap")
    took = [float(view.page.evaluate(CLICK, name)) for _ in range(12) for name in calls]
    view.close()
    assert len(took) == 60
    told = {"clicks": len(took), "median ms": percentile(took, 50), "95th percentile ms": percentile(took, 95)}
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    (ARTIFACTS / "latency.json").write_text(json.dumps(told) + "\n", encoding="utf-8")
