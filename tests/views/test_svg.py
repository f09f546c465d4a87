"""A picture is deterministic, well-formed, an image with alternative text, and has a fixed text form."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from mmaplab.views.svg import Svg, Text, group, num, rect, text
from tests.views.pictures import tree


@pytest.fixture
def picture() -> Svg:
    parts = (rect(1, 2, 3, 4, "file o"), text(5, 6, "a < b & c"))
    return Svg(40, "A <title>", "One sentence.", "text form", parts)


def test_it_is_well_formed_and_says_what_it_is(picture: Svg) -> None:
    root = tree(picture)
    found = {child.tag.split("}")[1]: child.text for child in root if child.text}
    assert (found["title"], found["desc"]) == ("A <title>", "One sentence.")
    assert root.get("viewBox") == "0 0 720 40"
    assert "a < b & c" in "".join(root.itertext())


def test_a_notebook_shows_an_image_with_alternative_text(picture: Svg) -> None:
    html = picture._repr_html_()
    found = re.fullmatch(
        r'<img src="data:image/svg\+xml;base64,([^"]+)" alt="([^"]+)" width="720" style="[^"]+">', html
    )
    assert found
    assert base64.b64decode(found[1]).decode() == picture.svg
    assert found[2] == "A &lt;title&gt;. One sentence."


def test_plain_text_is_the_text_form(picture: Svg) -> None:
    assert repr(picture) == picture.text == "text form"


def test_nothing_comes_from_the_network(picture: Svg) -> None:
    assert re.findall(r"https?://[^\"' ]+", picture.svg) == ["http://www.w3.org/2000/svg"]


def test_it_can_be_saved(picture: Svg, tmp_path: Path) -> None:
    assert picture.save(tmp_path / "p.svg").read_text(encoding="utf-8") == picture.svg


def test_numbers_are_short() -> None:
    assert [num(1.0), num(2.50), num(0.04), num(100)] == ["1", "2.5", "0", "100"]


def test_a_group_writes_its_data_attributes_escaped_and_leaves_empty_ones_out() -> None:
    assert group(["x"], data_col='a"b', data_area="") == '<g data-col="a&quot;b">x</g>'


def test_a_text_form_shows_itself() -> None:
    assert repr(Text("a\nb")) == "a\nb"
