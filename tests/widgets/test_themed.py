"""Pictures that follow the page's theme: drawn inline, described, and readable on both grounds."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from mmaplab.views import theme
from mmaplab.views.svg import Svg, rect, text
from mmaplab.widgets.themed import STYLE, themed


def test_a_picture_is_inline_and_told_in_words() -> None:
    picture = Svg(80, "One <page>", "Page 0 is 'cached'.", "F", (rect(1, 2, 3, 4, "file"), text(5, 6, "F", "on")))
    made = themed(picture)
    drawn = ET.fromstring(made.removeprefix(STYLE))
    assert drawn.attrib["aria-label"] == "One <page>. Page 0 is 'cached'."
    assert (drawn.attrib["role"], drawn.attrib["viewBox"]) == ("img", "0 0 720 80")
    assert [part.attrib["class"] for part in drawn] == ["paper", "file", "on"]


def test_no_style_of_a_picture_reaches_the_rest_of_the_page() -> None:
    rules = re.findall(r"([^{}]+)\{[^{}]*\}", STYLE.removeprefix("<style>").removesuffix("</style>"))
    assert rules and all(".mmaplab-picture " in rule for rule in rules)


def test_words_on_a_halo_can_be_read_in_the_dark() -> None:
    found = re.search(r"\.now\{fill:(#\w+);stroke", STYLE)
    assert found and theme.contrast(found[1], theme.DARK["ink"]) >= 4.5
