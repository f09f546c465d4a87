"""Plots of measurements, in the course's style, drawn by matplotlib, which is loaded with the first plot.

    raster(walked["faulting pages"], pages=1024, title="Faults of one pass, in order")

One message per plot, which is its title; labels in place; colours of the theme. A plot is an image with an
alternative text and a text form, like every other picture, and the same numbers give the same bytes.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from mmaplab.views import theme

STYLE = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.labelsize": 9,
    "axes.labelcolor": theme.INK,
    "axes.edgecolor": theme.INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": theme.INK,
    "xtick.color": theme.INK,
    "ytick.color": theme.INK,
    "svg.hashsalt": "mmaplab",
    "svg.fonttype": "none",
}
"""What matplotlib is told; 9 points are 12.5 user units. `svg.hashsalt` makes its names the same each time."""

WIDTH, HEIGHT = 7.2, 3.2
"""Inches, of 100 user units each: a plot is as wide as every other picture."""


@dataclass(frozen=True, repr=False)
class Plot:
    """One plot: `svg` is the picture, `description` its alternative text, `text` its text form."""

    title: str
    description: str
    text: str
    svg: str

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.svg.encode()).decode()
        alt = escape(f"{self.title}. {self.description}")
        return (
            f'<img src="data:image/svg+xml;base64,{data}" alt="{alt}" width="{theme.WIDTH}" '
            f'style="max-width:100%;height:auto;background:#fff">'
        )

    def __repr__(self) -> str:
        return self.text


def plot(title: str, description: str, text: str, draw: Callable[[Any], None]) -> Plot:
    """Return what `draw(axes)` draws, in the course's style. `axes` are matplotlib's."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(WIDTH, HEIGHT), dpi=100, facecolor=theme.WHITE)
        figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.1)
        axes = figure.subplots()
        axes.set_title(title)
        draw(axes)
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    return Plot(title, description, text, written.getvalue())


def raster(faults: Sequence[int], *, pages: int, title: str) -> Plot:
    """Return one mark per fault, in order of arrival: `faults` are page numbers in a mapping of `pages` pages.

    Raises ValueError for a page that the mapping does not have.
    """
    outside = [page for page in faults if not 0 <= page < pages]
    if outside:
        raise ValueError(f"page {outside[0]} is not in a mapping of {pages} pages: faults are page numbers, from 0")
    count = f"{len(faults):,} fault{'' if len(faults) == 1 else 's'} for {pages:,} pages"

    def draw(axes: Any) -> None:
        axes.plot(range(1, len(faults) + 1), list(faults), marker="$ϟ$", linestyle="", color=theme.FAULT, markersize=7)
        axes.set(xlabel="fault, in order of arrival", ylabel="page of the mapping", ylim=(-pages * 0.04, pages * 1.04))
        axes.set_xlim(0, max(len(faults), 1) + 1)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(axis="y", color=theme.FREE, linewidth=0.6)
        axes.text(0.99, 0.06, count, transform=axes.transAxes, ha="right", weight="bold")

    shown = ", ".join(map(str, faults[:8])) + (f", ... {faults[-1]}" if len(faults) > 8 else "")
    said = f"{count}; the faulting pages are {shown}." if faults else f"{count}."
    return plot(title, said, f"{title}: {said}", draw)
