"""Random programs on both kernels, for chapter 11: as an experiment, and as a button.

    random_programs(20, seed=1)      {"programs": 20, "steps": 800, ..., "programs that differ": 0}
    fuzz_here()                      a button that goes on with others; a program that differs is shortened and shown

The command `mmaplab fuzz` is the same for thousands of programs. See mmaplab/fuzz.
"""

from __future__ import annotations

import html
import threading

import ipywidgets

from mmaplab.fuzz.hunt import Totals, fuzz, program_text, programs
from mmaplab.fuzz.live import live_pair
from mmaplab.fuzz.pair import Pair
from mmaplab.lab import NotAvailable, Value
from mmaplab.widgets.twin import Twin, said

STEPS = 40
"""Calls of each program."""


def random_programs(number: int = 20, seed: int = 1) -> dict[str, Value]:
    """Run random programs on the simulated and on the live kernel, step by step; raises NotAvailable."""
    with pair_here() as pair:
        totals = fuzz(programs("all", seed, number, STEPS), pair, stop_after=number, shrinks=False)
    return told(totals, seed)


def pair_here() -> Pair:
    """Return the live kernel and its simulator, on a disk's file system or on tmpfs; raises NotAvailable."""
    try:
        return live_pair("ext4")
    except NotAvailable:
        return live_pair("tmpfs")


def told(totals: Totals, seed: int) -> dict[str, Value]:
    """Return the outcome in named values."""
    return {
        "first seed": seed,
        "programs": sum(totals.programs.values()),
        "steps compared": totals.steps + totals.looks,
        "page faults": totals.faults,
        "programs that differ": len(totals.differences),
    }


class FuzzHere(Twin, ipywidgets.VBox):  # type: ignore[misc]
    """Start, Stop and a seed; `totals` holds what the programs so far came to."""

    def __init__(self, number: int, seed: int) -> None:
        self.number, self.totals, self.halt = number, Totals(), threading.Event()
        self.seed = ipywidgets.IntText(value=seed, description="seed", layout={"width": "12em"})
        self.start = ipywidgets.Button(description=f"Run {number} programs", icon="play")
        self.stop = ipywidgets.Button(description="Stop", icon="stop", disabled=True)
        self.said = ipywidgets.HTML("Nothing has run yet.")
        self.start.on_click(lambda _button: self.run())
        self.stop.on_click(lambda _button: self.halt.set())
        super().__init__([ipywidgets.HBox([self.start, self.stop, self.seed]), self.said])

    def __repr__(self) -> str:
        return f"fuzz_here({self.number})"

    def twin(self) -> str:
        """Return what the button would do."""
        return said(f"Run the cell for a button that runs {self.number} random programs on both kernels, here.")

    def run(self) -> threading.Thread:
        """Begin, in the background; the thread ends with the last program, the first difference, or Stop."""
        self.halt.clear()
        self.start.disabled, self.stop.disabled = True, False
        thread = threading.Thread(target=self._work, daemon=True)
        thread.start()
        return thread

    def _work(self) -> None:
        try:
            with pair_here() as pair:
                self._all(pair, int(self.seed.value))
        except (NotAvailable, OSError) as reason:
            self._say(f"This machine cannot be asked: {reason}")
        finally:
            self.start.disabled, self.stop.disabled = False, True

    def _all(self, pair: Pair, seed: int) -> None:
        self.totals = Totals()
        for done, program in enumerate(programs("all", seed, self.number, STEPS), 1):
            if self.halt.is_set():
                break
            found = fuzz([program], pair)
            self._add(found)
            self._say(self._so_far(seed, done))
            if found.differences:
                shown = html.escape(program_text(*found.differences[0]))
                self.said.value += f"<pre style='line-height:1.2'>{shown}</pre>"
                return
        self.seed.value = seed + self.number

    def _add(self, found: Totals) -> None:
        self.totals.programs.update(found.programs)
        self.totals.steps += found.steps
        self.totals.looks += found.looks
        self.totals.faults += found.faults
        self.totals.differences += found.differences

    def _so_far(self, seed: int, done: int) -> str:
        values = told(self.totals, seed)
        alike = "one differs" if values["programs that differ"] else "all alike"
        return (
            f"{done} of {self.number} programs, {values['steps compared']:,} steps on both kernels, "
            f"{values['page faults']:,} page faults: {alike}. Seeds {seed} to {seed + done - 1}."
        )

    def _say(self, words: str) -> None:
        self.said.value = f"<div role='status'>{html.escape(words)}</div>"


def fuzz_here(number: int = 50, seed: int = 100) -> FuzzHere:
    """Offer to run random programs on both kernels under this notebook; a seed makes the same programs again."""
    return FuzzHere(number, seed)
