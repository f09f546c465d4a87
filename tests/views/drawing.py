"""How the tests look at a picture: as a list of shapes with sizes, not as a string."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass

from mmaplab.views import theme
from mmaplab.views.svg import Svg

SIZES = {"t": 18.0, "h": 13.0, "l": 14.0}
SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True)
class Label:
    """One line of text and the box that it fills, in user units."""

    words: str
    left: float
    top: float
    right: float
    bottom: float
    size: float


def shapes(picture: Svg) -> Iterator[ET.Element]:
    """Yield every element of the picture; fails where it is not well-formed XML."""
    yield from ET.fromstring(picture.svg).iter()


def of_class(picture: Svg, cls: str) -> list[ET.Element]:
    """Return the elements of a class, for example `shaft`: the thick arrows."""
    return [e for e in shapes(picture) if cls in e.get("class", "").split()]


def arrows(picture: Svg) -> int:
    """Return how many thick arrows there are."""
    return len(of_class(picture, "shaft"))


def labels(picture: Svg) -> list[Label]:
    """Return all texts with the boxes that they need."""
    found = []
    for element in shapes(picture):
        if element.tag != f"{SVG}text" or not element.text:
            continue
        classes = element.get("class", "").split()
        size = next((SIZES[c] for c in classes if c in SIZES), 12.0)
        bold = bool({"b", "t", "h", "l", "alarm", "youtext"} & set(classes))
        # the estimate of the theme is a little generous; what counts is what really overlaps
        width = theme.text_width(element.text, size, "m" in classes, bold) * 0.97
        x, y = float(element.get("x", "0")), float(element.get("y", "0"))
        left = x - width / 2 if "mid" in classes else x - width if "end" in classes else x
        found.append(Label(element.text, left, y - size * 0.78, left + width, y + size * 0.2, size))
    return found


def overlapping(picture: Svg) -> list[tuple[str, str]]:
    """Return the pairs of labels that lie on each other."""
    every = labels(picture)
    return [
        (a.words, b.words)
        for i, a in enumerate(every)
        for b in every[i + 1 :]
        if a.left < b.right and b.left < a.right and a.top < b.bottom and b.top < a.bottom
    ]


def outside(picture: Svg) -> list[str]:
    """Return the labels that do not fit into the picture."""
    return [
        each.words
        for each in labels(picture)
        if each.left < 0 or each.right > picture.width or each.top < 0 or each.bottom > picture.height
    ]


def check(picture: Svg) -> None:
    """Assert what holds for every picture of the course."""
    assert picture.width == theme.WIDTH
    root = ET.fromstring(picture.svg)
    assert root[0].tag == f"{SVG}title" and root[0].text
    assert root[1].tag == f"{SVG}desc" and root[1].text and root[1].text.endswith(".")
    assert "http" not in picture.svg.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"#[0-9A-Fa-f]{6}", "".join(picture.parts)), "a colour outside the theme"
    assert overlapping(picture) == []
    assert outside(picture) == []
    assert min((each.size for each in labels(picture)), default=12.0) >= 12
    shown = picture._repr_html_()
    data = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', shown)
    assert data and base64.b64decode(data[1]).decode() == picture.svg
    assert re.search(r'alt="[^"]{10,}"', shown)
    assert repr(picture) == picture.text and picture.text.strip()
