"""Plots: images with an alternative text, the same bytes for the same numbers."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from mmaplab.views.plots import against, lines, plot, raster
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


def test_lines_are_named_at_their_ends_and_told_in_words() -> None:
    rows = {"read": [(1, 10.0), (4, 40.0)], "mmap": [(1, 20.0), (4, 20.0)]}
    made = lines(rows, across="passes", up="microseconds", title="A mapping pays once")
    assert repr(made) == ("A mapping pays once: microseconds against passes: read from 10 to 40; mmap from 20 to 20.")
    assert ">read</text>" in made.svg and ">mmap</text>" in made.svg
    assert made.svg == lines(rows, across="passes", up="microseconds", title="A mapping pays once").svg


def test_predicted_against_measured_has_a_mark_for_each() -> None:
    made = against({"a": (1.0, 1.0), "b": (2.0, 4.0), "c": (10.0, 9.0)}, title="Three", unit="ms")
    assert repr(made) == "Three: 3 programs from 1 to 10 ms; half of them are within 11 %."
    marks = [e for e in ElementTree.fromstring(made.svg).iter() if "line2d" in e.attrib.get("id", "")]
    assert len(marks) >= 4


@pytest.mark.parametrize("rows", [{}, {"read": []}])
def test_no_line_is_refused(rows: dict[str, list[tuple[float, float]]]) -> None:
    with pytest.raises(ValueError, match="one point"):
        lines(rows, across="x", up="y", title="t")


def test_a_logarithm_needs_numbers_above_zero() -> None:
    with pytest.raises(ValueError, match="'a': a logarithmic plot"):
        against({"a": (0.0, 1.0)}, title="t", unit="ms")


def test_any_drawing_gets_the_style() -> None:
    made = plot("A title", "What it shows.", "in words", lambda axes: axes.plot([1, 2], [3, 4]))
    assert "A title" in made.svg and repr(made) == "in words"


def test_matplotlib_is_loaded_by_the_first_plot_only() -> None:
    code = "import sys, mmaplab.views.plots; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
