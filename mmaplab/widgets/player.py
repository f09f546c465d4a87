"""The player: one widget that steps through a trace, forward and back, and says in a sentence what each step did.

    player(kernel)            the last system call or access
    player(kernel, last=4)    the last four
    player_twin(kernel)       the same as a picture that needs no running kernel: an output of its own, in its own cell

The browser gets the whole film once (film.py) and never asks Python again. When the kernel goes on afterwards, the
player says that it is stale. Keys: left, right, Home, End, space; up and down point at the next area or page; f, c, s
go to the next fault, copy, system call, with Shift to the one before; p is presenter mode: large type over the whole
screen. Esc leaves it, and ends the pointing.
"""

from __future__ import annotations

import weakref
from pathlib import Path

import anywidget
import traitlets
from IPython import get_ipython

from mmaplab.views.linked import linked, picture
from mmaplab.views.scene import records_of
from mmaplab.views.steps import Step, steps
from mmaplab.views.svg import Svg
from mmaplab.widgets.film import film, styles
from mmaplab.widgets.twin import Twin, shown

MOST_STEPS = 400
"""Steps that one player holds; a longer trace is to be cut with `last`."""


class Player(Twin, anywidget.AnyWidget):  # type: ignore[misc]
    """A player of one trace; `steps` are its steps, `still(k)` is its k-th as a picture (from 1)."""

    _esm = Path(__file__).parent / "player.js"
    film = traitlets.Unicode().tag(sync=True)
    styles = traitlets.Unicode().tag(sync=True)
    start = traitlets.Int(0).tag(sync=True)
    stale = traitlets.Bool(False).tag(sync=True)

    def __init__(self, source: object, found: list[Step], start: int) -> None:
        made = film(found)
        self._plan, self.steps = made.plan, found
        self._source, self._length = source, _length(source)
        super().__init__(film=made.data, styles=styles(), start=start)
        watch(self)

    def __repr__(self) -> str:
        return f"<player of {len(self.steps)} steps>"

    def twin(self) -> str:
        """Return the step that the player begins with, as a picture."""
        step = self.start + 1
        return shown(self.still(step), f"Step {step} of {len(self.steps)}. Run the cell to go through them.")

    def still(self, step: int) -> Svg:
        """Return one step as a picture; numbered from 1. Raises IndexError where there is no such step."""
        if not 1 <= step <= len(self.steps):
            raise IndexError(f"step {step}: this player has steps 1 to {len(self.steps)}")
        return picture(self.steps[step - 1], self._plan, step, len(self.steps))

    def refresh(self) -> bool:
        """Compare with the kernel; returns whether the player is stale now."""
        gone_on = _length(self._source) != self._length
        self.stale = gone_on
        return gone_on


def watch(widget: Player) -> None:
    """Look after every cell whether the kernel has gone on since; ends with the widget, or once it is stale."""
    shell = get_ipython()
    if shell is None:
        return
    kept = weakref.ref(widget)

    def look(*_: object) -> None:
        alive = kept()
        if alive is None or alive.refresh():
            shell.events.unregister("post_run_cell", look)

    shell.events.register("post_run_cell", look)


def _length(source: object) -> int:
    """Return a number that grows when a kernel goes on: that of its last record."""
    records = records_of(source)
    return records[-1].seq + 1 if records else 0


def player(source: object, last: int | None = 1, start: int = 1) -> Player:
    """Return a player of the last `last` outermost spans (None: of all) of a kernel, a trace or records.

    `start` is the step to begin with, from 1. Raises ValueError where there is no step, or more than 400 of them.
    """
    found = steps(source, last)
    if not found:
        raise ValueError("there is nothing to play: the trace holds no step; make a call first")
    if len(found) > MOST_STEPS:
        raise ValueError(f"{len(found)} steps are more than a player shows ({MOST_STEPS}): give a smaller last=")
    return Player(source, found, max(0, min(len(found), start) - 1))


def player_twin(source: object, last: int = 1, step: int | None = None) -> Svg:
    """Return the player's static twin: one step of it, or (without `step`) the whole as one picture."""
    return linked(source, last, step)
