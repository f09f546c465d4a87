"""Every notebook as a reader meets it: JupyterLab opens it, runs it from top to bottom, and nothing goes wrong.

Pictures at two widths, and of the dark theme, are kept in `.artifacts/browser/`, for a person to look at.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from mmaplab.bench.jupyterlab import Lab
from tests.browser.conftest import ARTIFACTS, ROOT

pytestmark = pytest.mark.browser

NOTEBOOKS = sorted(path for folder in ("notebooks", "exercises") for path in (ROOT / folder).glob("*.ipynb"))
WIDTHS = (1280, 1920)
WITHOUT_BUTTONS = ("claims", "glossary")


def name_of(path: Path) -> str:
    """Return the notebook's path below the project."""
    return path.relative_to(ROOT).as_posix()


def test_there_are_notebooks() -> None:
    """The list is not empty by mistake."""
    assert len(NOTEBOOKS) >= 3


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=name_of)
def test_a_notebook_runs_from_top_to_bottom(lab: Lab, notebook: Path) -> None:
    """No cell raises, the console stays quiet, no dialog opens, every picture is drawn; the file does not change.

    Then every button of every widget is pressed once, and still nothing is wrong.
    """
    before = notebook.read_bytes()
    view = lab.open(name_of(notebook), width=WIDTHS[0])
    view.run_all()
    for width in WIDTHS:
        view.page.set_viewport_size({"width": width, "height": 900})
        view.page.wait_for_timeout(300)
        assert view.pictures(ARTIFACTS / notebook.parent.name, f"{notebook.stem}-{width}")
    if notebook.parent.name == "notebooks":
        view.theme("JupyterLab Dark")
        assert view.pictures(ARTIFACTS / "dark", f"{notebook.stem}-{WIDTHS[-1]}")
    pressed = view.press_all()
    problems = view.problems()
    view.close()
    assert not problems, "\n".join(problems)
    assert pressed > 0 or notebook.parent.name == "exercises" or notebook.stem in WITHOUT_BUTTONS
    assert notebook.read_bytes() == before
