"""A notebook that was run, saved and opened again: each widget has become its twin, and no complaint is seen."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmaplab.bench.jupyterlab import Lab, View
from tests.browser.conftest import ARTIFACTS, ROOT

pytestmark = pytest.mark.browser

NAME = "widgets.ipynb"
SAVE = "() => window.jupyterapp.commands.execute('docmanager:save')"
SEEN = """() => {
  const all = css => [...document.querySelectorAll(css)].filter(node => node.checkVisibility());
  return {
    widgets: all('.mmaplab-live').length,
    twins: all('.mmaplab-twin').length,
    pictures: all('.mmaplab-twin img').length,
    complaints: all('.jp-OutputArea-output')
      .filter(node => /^(Loading|Error displaying) widget/.test(node.textContent)).length,
    styles: all('.jp-OutputArea-output').filter(node => node.innerText.includes('display:none')).length,
  };
}"""
SHOWN = 7
"""The widgets of the notebook, all of them with a twin."""
TWINS = {"widgets": 0, "twins": SHOWN, "pictures": 6, "complaints": 0, "styles": 0}


@pytest.fixture(scope="module")
def own(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab on a folder of its own, in which a notebook may be saved."""
    folder = tmp_path_factory.mktemp("saved")
    shutil.copy(ROOT / "tests" / "browser" / NAME, folder)
    log = ARTIFACTS / "jupyterlab-saved.log"
    with Lab(folder, lab.chromium, log, first=NAME, browser=lab.browser) as running:
        view = running.open(NAME)
        view.run_all()
        assert view.page.evaluate(SEEN) == {"widgets": SHOWN, "twins": 0, "pictures": 0, "complaints": 0, "styles": 0}
        view.page.evaluate(SAVE)
        view.close()
        yield running


def opened(lab: Lab, name: str) -> View:
    """Open a notebook, and give what is to replace the widgets time to come."""
    view = lab.open(name)
    view.page.wait_for_function("document.querySelectorAll('.jp-OutputArea-output').length > 7")
    view.page.wait_for_timeout(3000)
    return view


def test_what_was_saved_is_seen_again(own: Lab) -> None:
    view = opened(own, NAME)
    assert view.page.evaluate(SEEN) == TWINS
    view.run_all()
    assert view.page.evaluate(SEEN)["twins"] == 0
    assert view.page.evaluate(SEEN)["widgets"] == SHOWN
    view.close()


def test_it_is_seen_where_the_notebook_is_not_trusted(own: Lab) -> None:
    """Somebody else's notebook: JupyterLab takes out styles and what needs a kernel, and the twin stays."""
    book = json.loads((own.root / NAME).read_text(encoding="utf-8"))
    book["cells"][0]["source"] = "# Written by somebody else"
    for cell in book["cells"]:
        cell["metadata"].pop("trusted", None)
    (own.root / "theirs.ipynb").write_text(json.dumps(book), encoding="utf-8")
    view = opened(own, "theirs.ipynb")
    assert view.page.evaluate(SEEN) == TWINS
    view.close()


def test_it_is_seen_in_an_export(own: Lab, tmp_path: Path) -> None:
    """`nbconvert --to html` of what a learner has saved: no widget, no empty line for it, and no style as words."""
    from nbconvert import HTMLExporter

    body, _ = HTMLExporter().from_filename(str(own.root / NAME))
    page = own.browser.new_page()
    (tmp_path / "page.html").write_text(body, encoding="utf-8")
    page.goto((tmp_path / "page.html").as_uri(), wait_until="domcontentloaded")
    assert page.evaluate(SEEN) == TWINS
    page.close()
