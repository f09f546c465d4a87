"""What all live plots have in common: Start and Stop, a thread that works, a picture, and a table at the end.

The work runs in short pieces; between them it draws, a few times a second, and looks whether it is to stop. Where this
machine cannot show it, the recorded run stands in its place, and says so.
"""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Mapping

import ipywidgets

from mmaplab.lab import NotAvailable, Value, lab, recorded
from mmaplab.views.svg import Svg
from mmaplab.widgets import twin
from mmaplab.widgets.themed import themed

PER_SECOND = 5
"""Pictures drawn in a second at most."""


class LiveRun(twin.Twin, ipywidgets.VBox):  # type: ignore[misc]
    """A run with Start and Stop; `table` holds its outcome when it has ended.

    A kind of run has a `name` (of its recorded result), `work()`, which returns the outcome, and `draw()`.
    """

    name = ""

    def __init__(self, pace: float, *controls: ipywidgets.Widget) -> None:
        self.pace = pace
        self.halt = threading.Event()
        self.table: dict[str, Value] = {}
        self.worker: threading.Thread | None = None
        self.drawn = 0.0
        self.start = ipywidgets.Button(description="Start", icon="play", tooltip="begin the run")
        self.stop = ipywidgets.Button(description="Stop", icon="stop", tooltip="end the run now", disabled=True)
        self.start.on_click(lambda _button: self.run())
        self.stop.on_click(lambda _button: self.halt.set())
        self.picture, self.said = ipywidgets.HTML(), ipywidgets.HTML("Nothing has run yet.")
        row = ipywidgets.HBox([self.start, self.stop, *controls], layout={"flex_flow": "row wrap"})
        super().__init__([row, self.picture, self.said])

    def work(self) -> Mapping[str, Value]:
        """Run, piece by piece; return the outcome. Raises NotAvailable, OSError."""
        raise NotImplementedError

    def draw(self, values: Mapping[str, Value] | None = None) -> Svg:
        """Return the picture of the run so far, or of a recorded outcome."""
        raise NotImplementedError

    def twin(self) -> str:
        """Return the recorded run: its picture, its table, and where and when it was."""
        note = "Run the cell and press Start: it is drawn on your own kernel."
        try:
            result = recorded(self.name, "nothing runs here")
        except NotAvailable:
            return twin.said(note)
        picture = self.draw(result.results)._repr_html_()
        return f"{picture}{_rows(result.results)}{twin.said(f'{result.source[0].upper()}{result.source[1:]}. {note}')}"

    def run(self) -> threading.Thread:
        """Begin; returns the thread that works."""
        self.halt.clear()
        self.start.disabled, self.stop.disabled = True, False
        self.worker = threading.Thread(target=self._all, daemon=True)
        self.worker.start()
        return self.worker

    def rest(self) -> bool:
        """Draw if it is time to, wait for `pace` seconds; returns whether to go on."""
        if time.monotonic() - self.drawn > 1 / PER_SECOND:
            self.drawn = time.monotonic()
            self.picture.value = themed(self.draw())
        return not self.halt.wait(self.pace)

    def _all(self) -> None:
        try:
            told = dict(self.work())
            self._finish(told)
        except NotAvailable as reason:
            self._recorded(str(reason))
        except Exception as error:  # in a thread nobody else would ever see it
            words = html.escape(f"{type(error).__name__}: {error}")
            self.said.value = f"<div role='status'>The run failed: {words}.</div>"
        finally:
            self.start.disabled, self.stop.disabled = False, True

    def _finish(self, told: dict[str, Value]) -> None:
        stopped = self.halt.is_set()
        self.table = told if stopped else dict(lab(lambda: told, self.name).results)
        self._show("Stopped." if stopped else "Finished.")
        self.picture.value = themed(self.draw(self.table))

    def _recorded(self, reason: str) -> None:
        """Show the recorded run; where there is none, only why."""
        try:
            result = recorded(self.name, reason)
        except NotAvailable as nothing:
            self.said.value = f"<div role='status'>This machine cannot show it: {html.escape(str(nothing))}.</div>"
            return
        self.table = dict(result.results)
        self._show(f"This machine cannot show it: {result.source}.")
        self.picture.value = themed(self.draw(self.table))

    def _show(self, words: str) -> None:
        """Say how it ended, with the outcome as a table."""
        self.said.value = f"<div role='status'>{html.escape(words)}</div>{_rows(self.table)}"


def _rows(outcome: Mapping[str, Value]) -> str:
    """Return an outcome as a table; lists are what the picture is drawn from."""
    rows = []
    for name, value in outcome.items():
        if isinstance(value, int | float | str):
            words = value if isinstance(value, str) else f"{value:,}"
            head = f"<th scope='row' style='text-align:left'>{html.escape(name)}</th>"
            rows.append(f"<tr>{head}<td style='text-align:left'>{html.escape(words)}</td></tr>")
    return f"<table>{''.join(rows)}</table>"
