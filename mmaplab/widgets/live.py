"""Faults of the live kernel, drawn while they arrive.

    live_walk(pages=4096, order="random")     press Start: numpy walks a cold file, each fault becomes a dot

The walk runs in a thread of its own, in short pieces; between them the addresses are drained and the picture is drawn,
a few times a second. It can be stopped, and it always ends in a table.
"""

from __future__ import annotations

import html
import random
import threading
import time

import ipywidgets

from mmaplab.lab import NotAvailable
from mmaplab.real import drop_cache, fault_addresses, file_mapping, warm_file
from mmaplab.views import theme
from mmaplab.views.svg import Svg, circle, line, rect, text

PAGE = 4096
ORDERS = ("sequential", "random")
ADVICE = ("the kernel may read ahead", "the kernel reads the touched page only")
PIECE = 32
"""Pages touched between two looks at the addresses."""
PER_SECOND = 5


class LiveWalk(ipywidgets.VBox):  # type: ignore[misc]
    """A walk over a cold file, with Start and Stop; `table` holds the outcome when it has ended."""

    def __init__(self, pages: int, order: str) -> None:
        if order not in ORDERS:
            raise ValueError(f"order is {order!r}: give one of {', '.join(ORDERS)}")
        self.pages, self.order = pages, order
        self._halt = threading.Event()
        self.table: dict[str, int] = {}
        self.start = ipywidgets.Button(description="Start", icon="play")
        self.stop = ipywidgets.Button(description="Stop", icon="stop", disabled=True)
        self.advice = ipywidgets.ToggleButtons(
            options=[("no advice", 0), ("MADV_RANDOM", 1)], style={"button_width": "auto"}, tooltips=ADVICE
        )
        self.start.on_click(lambda _button: self.run())
        self.stop.on_click(lambda _button: self._halt.set())
        self.picture, self.said = ipywidgets.HTML(), ipywidgets.HTML("Nothing has run yet.")
        self.worker: threading.Thread | None = None
        said = ipywidgets.HTML("madvise before the walk:", layout={"margin": "2px 4px 2px 16px"})
        controls = ipywidgets.HBox([self.start, self.stop, said, self.advice], layout={"flex_flow": "row wrap"})
        super().__init__([controls, self.picture, self.said])

    def __repr__(self) -> str:
        return f"live_walk({self.pages} pages, {self.order})"

    def run(self) -> threading.Thread:
        """Begin the walk; returns its thread."""
        self._halt.clear()
        self.start.disabled, self.stop.disabled = True, False
        self.worker = threading.Thread(target=self._work, daemon=True)
        self.worker.start()
        return self.worker

    def _work(self) -> None:
        try:
            self._walk()
        except NotAvailable as reason:
            self.said.value = f"This machine cannot show it: {html.escape(str(reason))}."
        except OSError as error:
            self.said.value = f"The walk failed: {html.escape(str(error))}."
        finally:
            self.start.disabled, self.stop.disabled = False, True

    def _walk(self) -> None:
        """Touch every page once, in the order asked for; draw what has arrived a few times a second."""
        order = list(range(self.pages))
        if self.order == "random":
            random.Random(5).shuffle(order)
        faults: list[tuple[int, bool]] = []
        touched, drawn = 0, 0.0
        with warm_file(self.pages) as path:
            drop_cache(path)
            with file_mapping(path, advice=self.advice.value) as m, fault_addresses(m.address, m.length) as seen:
                for i in range(0, self.pages, PIECE):
                    for page in order[i : i + PIECE]:
                        m.array[page * PAGE]
                    touched = min(i + PIECE, self.pages)
                    faults += [((addr - m.address) // PAGE, kind == "major") for addr, kind in seen.drain()]
                    if time.monotonic() - drawn > 1 / PER_SECOND:
                        drawn = time.monotonic()
                        self._draw(faults, touched)
                    if self._halt.is_set():
                        break
        self._finish(faults, touched)

    def _draw(self, faults: list[tuple[int, bool]], touched: int) -> None:
        self.picture.value = raster_svg(faults, self.pages)._repr_html_()
        self.said.value = f"{touched:,} of {self.pages:,} pages touched, {len(faults):,} faults."

    def _finish(self, faults: list[tuple[int, bool]], touched: int) -> None:
        self._draw(faults, touched)
        major = sum(is_major for _, is_major in faults)
        self.table = {"pages touched": touched, "major faults": major, "minor faults": len(faults) - major}
        rows = "".join(f"<tr><td>{name}</td><td>{number:,}</td></tr>" for name, number in self.table.items())
        ended = "Stopped." if self._halt.is_set() else "Finished."
        self.said.value = f"<div role='status'>{ended}</div><table>{rows}</table>"


def live_walk(pages: int = 4096, order: str = "sequential") -> LiveWalk:
    """Return a widget that walks a cold file of `pages` pages and draws its faults as they arrive.

    Raises ValueError for an order that is neither 'sequential' nor 'random'.
    """
    return LiveWalk(pages, order)


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
        parts.append(circle(x, y, 4, "ring") if waited else circle(x, y, 1.6, "dot"))
    major = sum(is_major for _, is_major in faults)
    said = f"{len(faults):,} faults, {major:,} of them major, for {pages:,} pages."
    return Svg(top + height + 30, "Faults as they arrive", said, said, tuple(parts), theme.WIDTH)
