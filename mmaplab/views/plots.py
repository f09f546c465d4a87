"""Plots of measurements, in the course's style, drawn by matplotlib, which is loaded with the first plot.

    raster(walked["faulting pages"], pages=1024, title="Faults of one pass, in order")

One message per plot, which is its title; labels in place; colours of the theme. A plot is an image with an
alternative text and a text form, like every other picture, and the same numbers give the same bytes.
"""

from __future__ import annotations

import base64
import io
import statistics
from collections.abc import Callable, Mapping, Sequence
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

LINES = ((theme.BLOCK, "--"), (theme.INK, "-"), (theme.FAULT, ":"))
"""Colour and line of the first, second and third row of a plot of lines: told apart without colour, too."""
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


def lines(rows: Mapping[str, Sequence[tuple[float, float]]], *, across: str, up: str, title: str) -> Plot:
    """Return one line for each row of points (x, y), named at its end; `across` and `up` name the axes.

    Raises ValueError where there is no line, or a line of no points.
    """
    if not rows or not all(rows.values()):
        raise ValueError(f"lines() got {dict(rows)}: give every name one point (x, y) at least")

    def draw(axes: Any) -> None:
        for (name, points), (colour, style) in zip(rows.items(), LINES, strict=False):
            axes.plot(*zip(*points, strict=True), color=colour, linestyle=style, linewidth=2)
            end = {"xytext": (6, 0), "textcoords": "offset points", "va": "center", "annotation_clip": False}
            axes.annotate(name, points[-1], color=colour, weight="bold", **end)
        axes.set(xlabel=across, ylabel=up, ylim=(0, None))
        axes.set_xlim(0, 1.12 * max(points[-1][0] for points in rows.values()))  # room for the names
        axes.grid(axis="y", color=theme.FREE, linewidth=0.6)

    ends = "; ".join(f"{name} from {pts[0][1]:,.4g} to {pts[-1][1]:,.4g}" for name, pts in rows.items())
    said = f"{up} against {across}: {ends}."
    return plot(title, said, f"{title}: {said}", draw)


def against(pairs: Mapping[str, tuple[float, float]], *, title: str, unit: str) -> Plot:
    """Return one mark for each (predicted, measured), on logarithmic axes with the line where both are equal.

    Raises ValueError for a number that is not above 0.
    """
    wrong = [name for name, pair in pairs.items() if min(pair) <= 0]
    if wrong or not pairs:
        raise ValueError(f"{wrong[0] if wrong else 'nothing'!r}: a logarithmic plot needs numbers above 0")
    low, high = min(map(min, pairs.values())), max(map(max, pairs.values()))

    def draw(axes: Any) -> None:
        axes.plot([low, high], [low, high], color=theme.INK, linewidth=1)
        axes.annotate("both equal ", (high, high), ha="right", va="bottom", color=theme.INK)
        for predicted, measured in pairs.values():
            axes.plot([measured], [predicted], marker="o", color=theme.BLOCK, markersize=5, alpha=0.7)
        axes.set(xscale="log", yscale="log", xlabel=f"measured, {unit}", ylabel=f"predicted, {unit}")

    off = statistics.median(abs(predicted / measured - 1) for predicted, measured in pairs.values())
    said = f"{len(pairs)} programs from {low:,.3g} to {high:,.4g} {unit}; half of them are within {100 * off:.0f} %."
    return plot(title, said, f"{title}: {said}", draw)
