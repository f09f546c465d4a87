"""What holds for every picture of the course, in one assertion."""

from __future__ import annotations

import base64
import re
from html import unescape

from mmaplab.views import theme
from mmaplab.views.svg import Svg
from tests.views.pictures import NAME, collisions, outside, small_print, tree


def check(picture: Svg) -> None:
    """Assert what holds for every picture: size, names, colours of the theme only, labels apart, how it is shown."""
    assert picture.width == theme.WIDTH
    root = tree(picture)
    assert root[0].tag == f"{NAME}title" and root[0].text
    assert root[1].tag == f"{NAME}desc" and root[1].text and root[1].text.endswith(".")
    assert "http" not in picture.svg.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"#[0-9A-Fa-f]{6}", "".join(picture.parts)), "a colour outside the theme"
    assert collisions(picture) == []
    assert outside(picture) == []
    assert small_print(picture) == []
    shown = picture._repr_html_()
    data = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', shown)
    assert data and base64.b64decode(data[1]).decode() == picture.svg
    alt = re.search(r'alt="([^"]+)"', shown)
    assert alt and picture.title in unescape(alt[1])
    assert repr(picture) == picture.text and picture.text.strip()
