"""A picture as plain SVG text, and how a notebook shows it.

    parts = [rect(20, 20, 34, 34, "file o"), text(37, 42, "F", "mid l on")]
    Svg(height=80, title="One page", description="Page 0 is cached.", text="F", parts=parts)

Shown as `<img src="data:image/svg+xml;base64,...">`: an image survives where a notebook's reader has no running
kernel, and where inline SVG is taken out. The plain text beside it is the picture's text form. All coordinates are
absolute user units, so that a test can compute what overlaps.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path

from mmaplab.views import theme


def num(value: float) -> str:
    """Return a coordinate, as short as it can be written."""
    return f"{value:.1f}".rstrip("0").rstrip(".")


def rect(x: float, y: float, width: float, height: float, cls: str, rx: float = 3) -> str:
    """Return a rectangle with rounded corners."""
    return f'<rect x="{num(x)}" y="{num(y)}" width="{num(width)}" height="{num(height)}" rx="{num(rx)}" class="{cls}"/>'


def text(x: float, y: float, content: str, cls: str = "") -> str:
    """Return one line of text with its baseline at `y`."""
    named = f' class="{cls}"' if cls else ""
    return f'<text x="{num(x)}" y="{num(y)}"{named}>{escape(content, quote=False)}</text>'


def path(d: str, cls: str) -> str:
    """Return a path."""
    return f'<path d="{d}" class="{cls}"/>'


def line(x1: float, y1: float, x2: float, y2: float, cls: str = "thin") -> str:
    """Return a straight line without a head: «is the same memory»."""
    return path(f"M{num(x1)},{num(y1)} L{num(x2)},{num(y2)}", cls)


def circle(x: float, y: float, r: float, cls: str) -> str:
    """Return a circle."""
    return f'<circle cx="{num(x)}" cy="{num(y)}" r="{num(r)}" class="{cls}"/>'


def group(parts: Iterable[str], **attributes: str) -> str:
    """Return the parts in one `<g>`; an attribute `data_k` is written `data-k`."""
    written = "".join(f' {name.replace("_", "-")}="{escape(value)}"' for name, value in attributes.items() if value)
    return f"<g{written}>{''.join(parts)}</g>"


class Text(str):
    """A text form; a notebook shows it as it is, without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True, repr=False)
class Svg:
    """One picture: 720 user units wide, `height` high, on its own white ground.

    `description` is one sentence and becomes the alternative text; `text` is the text form of the same content.
    """

    height: float
    title: str
    description: str
    text: str
    parts: tuple[str, ...]
    width: float = theme.WIDTH

    @property
    def svg(self) -> str:
        """The whole picture, the same bytes each time."""
        w, h = num(self.width), num(self.height)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img">'
            f"<title>{escape(self.title)}</title><desc>{escape(self.description)}</desc><style>{theme.css()}</style>"
            + rect(0, 0, self.width, self.height, "paper", 0)
            + "".join(self.parts)
            + "</svg>"
        )

    def save(self, file: str | Path) -> Path:
        """Write the picture into a file; returns its path."""
        target = Path(file)
        target.write_text(self.svg, encoding="utf-8")
        return target

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.svg.encode()).decode()
        alt = escape(f"{self.title}. {self.description}".replace("..", "."))
        return (
            f'<img src="data:image/svg+xml;base64,{data}" alt="{alt}" width="{num(self.width)}" '
            f'style="max-width:100%;height:auto;background:#fff">'
        )

    def __repr__(self) -> str:
        return self.text
