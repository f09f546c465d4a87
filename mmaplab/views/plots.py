"""Plots of measurements, in the course's style, with matplotlib.

One message per plot, labels in place, colours of the theme. matplotlib is loaded when the first plot is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mmaplab.views import theme

STYLE = {
    "figure.figsize": (7.2, 3.0),
    "figure.dpi": 100,
    "figure.facecolor": theme.WHITE,
    "axes.facecolor": theme.WHITE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.labelsize": 11,
    "font.size": 11,
    "text.color": theme.INK,
    "axes.labelcolor": theme.INK,
    "svg.hashsalt": "mmaplab",
}


@contextmanager
def figure(title: str, x: str, y: str) -> Iterator[Any]:
    """Give the axes of one plot in the course's style, then show it; `x` and `y` are labels with their units."""
    from matplotlib import pyplot

    with pyplot.rc_context(STYLE):  # type: ignore[arg-type]
        _, axes = pyplot.subplots(layout="constrained")
        axes.set(title=title, xlabel=x, ylabel=y)
        yield axes
        pyplot.show()


def raster(faults: Sequence[int], *, pages: int, title: str) -> None:
    """Plot faults in the order in which they arrived: `faults` are page numbers in a mapping of `pages` pages."""
    with figure(title, "fault, in order of arrival", "page of the mapping") as axes:
        axes.plot(range(1, len(faults) + 1), faults, "o", color=theme.FAULT, markersize=4)
        axes.set_ylim(-pages * 0.03, pages * 1.03)
        axes.annotate(f"{len(faults)} faults for {pages} pages", (0.99, 0.05), xycoords="axes fraction", ha="right")
