"""Faults of the live kernel, drawn while they arrive.

    live_walk(pages=4096, order="random")     press Start: numpy walks a cold file, each fault becomes a dot

The walk goes piece by piece; after each piece the addresses that have come are drained. It can be stopped, and it
always ends in a table.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import cast

import ipywidgets

from mmaplab.constants import PAGE_SIZE
from mmaplab.lab import Value
from mmaplab.real import drop_cache, fault_addresses, file_mapping, warm_file
from mmaplab.views import theme
from mmaplab.views.svg import Svg, circle, line, rect, text
from mmaplab.widgets.running import LiveRun

ORDERS = ("sequential", "random")
ADVICE = ("the kernel may read ahead", "the kernel reads the touched page only")
PIECE = 32
"""Pages touched between two looks at the addresses."""
ARRIVED = "page and major, of each fault"


class LiveWalk(LiveRun):
    """A walk over a cold file, with Start and Stop; `table` holds the outcome when it has ended."""

    def __init__(self, pages: int, order: str, pace: float) -> None:
        if order not in ORDERS:
            raise ValueError(f"order is {order!r}: give one of {', '.join(ORDERS)}")
        self.pages, self.order, self.name = pages, order, f"live walk {order}"
        self.faults: list[tuple[int, bool]] = []
        self.advice = ipywidgets.ToggleButtons(
            options=[("no advice", 0), ("MADV_RANDOM", 1)], style={"button_width": "auto"}, tooltips=ADVICE
        )
        said = ipywidgets.HTML("madvise before the walk:", layout={"margin": "2px 4px 2px 16px"})
        super().__init__(pace, said, self.advice)

    def __repr__(self) -> str:
        return f"live_walk({self.pages} pages, {self.order})"

    def work(self) -> dict[str, Value]:
        """Touch every page once, in the order asked for, and note which touches faulted."""
        order = list(range(self.pages))
        if self.order == "random":
            random.Random(5).shuffle(order)
        self.faults = []
        touched = 0
        with warm_file(self.pages) as path:
            drop_cache(path)
            with file_mapping(path, advice=self.advice.value) as m, fault_addresses(m.address, m.length) as seen:
                for i in range(0, self.pages, PIECE):
                    for page in order[i : i + PIECE]:
                        m.array[page * PAGE_SIZE]
                    touched = min(i + PIECE, self.pages)
                    self.faults += [((a - m.address) // PAGE_SIZE, kind == "major") for a, kind in seen.drain()]
                    if not self.rest():
                        break
        major = sum(is_major for _, is_major in self.faults)
        return {
            "pages": self.pages,
            "madvise": "MADV_RANDOM" if self.advice.value else "no advice",
            "pages touched": touched,
            "major faults": major,
            "minor faults": len(self.faults) - major,
            ARRIVED: [[page, int(is_major)] for page, is_major in self.faults],
        }

    def draw(self, values: Mapping[str, Value] | None = None) -> Svg:
        """Return the raster of the faults so far, or of a recorded walk."""
        if values is None:
            return raster_svg(self.faults, self.pages)
        came = cast("list[list[int]]", values.get(ARRIVED, []))
        return raster_svg([(page, bool(major)) for page, major in came], int(cast("int", values["pages"])))


def live_walk(pages: int = 4096, order: str = "sequential", pace: float = 0.03) -> LiveWalk:
    """Return a widget that walks a cold file of `pages` pages and draws its faults as they arrive.

    `pace`: seconds between looks. Raises ValueError for an order that is neither 'sequential' nor 'random'.
    """
    return LiveWalk(pages, order, pace)


def raster_svg(faults: list[tuple[int, bool]], pages: int) -> Svg:
    """Return the raster: one mark per fault, in order of arrival from left to right; major ones are large."""
    width, height, left, top = 620.0, 200.0, 70.0, 24.0
    shown = faults if len(faults) <= 1500 else faults[:: len(faults) // 1500 + 1]
    parts = [rect(left, top, width, height, "user", 0), line(left, top + height, left + width, top + height)]
    parts += [text(left - 8, top + 12, f"{pages:,}", "s end"), text(left - 8, top + height, "page 0", "s end")]
    parts.append(text(left + width, top + height + 18, f"{len(faults):,} faults, in order of arrival", "s end"))
    parts.append(text(left, 16, "ring: major, the page had to be brought in; dot: minor", "s"))
    for i, (page, waited) in enumerate(shown):
        x, y = left + width * (i + 0.5) / max(len(shown), 1), top + height * (1 - (page + 0.5) / pages)
        parts.append(circle(x, y, 4, "ring") if waited else circle(x, y, 1.6, "inkfill"))
    major = sum(is_major for _, is_major in faults)
    said = f"{len(faults):,} faults, {major:,} of them major, for {pages:,} pages."
    return Svg(top + height + 30, "Faults as they arrive", said, said, tuple(parts), theme.WIDTH)
