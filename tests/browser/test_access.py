"""Nobody is shut out: axe finds nothing serious in the running widgets, light and dark, and in the exported HTML."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from nbconvert import HTMLExporter

from mmaplab.bench.jupyterlab import Lab, View
from tests.browser.access import complaints
from tests.browser.conftest import ROOT

pytestmark = pytest.mark.browser

THEMES = ("JupyterLab Light", "JupyterLab Dark")
PARTS = {"player": ".mmaplab[data-step]", "workbench": ".mmaplab-workbench", "outputs": ".jp-OutputArea-output"}
ITS_OWN_STYLE = (".jp-InputPrompt", ".jp-OutputPrompt", ".highlight")
"""What nbconvert colours itself: prompts and code are greyer and greener than axe likes, in every exported notebook."""


@pytest.fixture(scope="module")
def widgets(lab: Lab) -> Iterator[View]:
    """The notebook with every widget, run once."""
    view = lab.open("tests/browser/widgets.ipynb")
    view.run_all()
    yield view
    view.close()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("part", PARTS)
def test_nothing_serious_in_the_running_widgets(widgets: View, theme: str, part: str) -> None:
    widgets.theme(theme)
    widgets.page.wait_for_timeout(700)
    assert complaints(widgets.page, PARTS[part]) == []


CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("notebook", CHAPTERS, ids=[path.stem for path in CHAPTERS])
def test_nothing_serious_in_a_chapter_as_html(lab: Lab, notebook: Path, tmp_path: Path) -> None:
    body, _ = HTMLExporter().from_filename(str(notebook))
    file = tmp_path / "chapter.html"
    file.write_text(body, encoding="utf-8")
    page = lab.browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(file.as_uri(), wait_until="domcontentloaded")
    try:
        assert complaints(page, "body", ITS_OWN_STYLE) == []
    finally:
        page.close()
