"""Plots: images with an alternative text, the same bytes for the same numbers."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from mmaplab.views.plots import plot, raster
from mmaplab.views.theme import FAULT

PAGES = [0, 11, 27, 43]


def test_a_raster_says_what_it_shows() -> None:
    made = raster(PAGES, pages=64, title="Faults of one pass")
    assert repr(made) == "Faults of one pass: 4 faults for 64 pages; the faulting pages are 0, 11, 27, 43."
    html = made._repr_html_()
    alt = re.search(r'alt="([^"]+)"', html)
    assert alt and alt[1] == "Faults of one pass. 4 faults for 64 pages; the faulting pages are 0, 11, 27, 43."
    data = re.search(r"base64,([^\"]+)", html)
    assert data and base64.b64decode(data[1]).decode() == made.svg


def test_each_fault_is_one_mark() -> None:
    made = raster(PAGES, pages=64, title="t")
    uses = [e for e in ElementTree.fromstring(made.svg).iter() if e.tag.endswith("use")]
    marks = [e for e in uses if FAULT.lower() in e.attrib.get("style", "")]
    assert len(marks) == len(PAGES)
    heights = [float(e.attrib["y"]) for e in marks]
    assert heights == sorted(heights, reverse=True)  # later pages stand higher


def test_the_same_numbers_give_the_same_bytes() -> None:
    assert raster(PAGES, pages=64, title="t").svg == raster(PAGES, pages=64, title="t").svg


def test_no_fault_and_a_wrong_page() -> None:
    assert repr(raster([], pages=64, title="t")) == "t: 0 faults for 64 pages."
    with pytest.raises(ValueError, match="page 64 is not in a mapping of 64 pages"):
        raster([64], pages=64, title="t")


def test_any_drawing_gets_the_style() -> None:
    made = plot("A title", "What it shows.", "in words", lambda axes: axes.plot([1, 2], [3, 4]))
    assert "A title" in made.svg and repr(made) == "in words"


def test_matplotlib_is_loaded_by_the_first_plot_only() -> None:
    code = "import sys, mmaplab.views.plots; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
