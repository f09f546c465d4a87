"""The progress bar of a long run: one line on a terminal, a line for each step where the output goes to a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TextIO

WIDTH = 24
"""Signs of the bar itself."""
LINE = 100
"""Columns that a line may take."""


class Step(Protocol):
    """What a bar shows: the number of steps done, of how many, and the last one in words."""

    @property
    def number(self) -> int:
        """Steps done."""

    @property
    def total(self) -> int:
        """Steps in all."""


class Bar:
    """Shows steps on a stream. `clock` gives seconds; the speed is that of this run alone, not of an earlier one."""

    def __init__(self, stream: TextIO, clock: Callable[[], float]) -> None:
        self.stream, self.clock = stream, clock
        self.terminal = stream.isatty()
        self.began = clock()
        self.before = -1
        self.shown = False

    def show(self, step: Step) -> None:
        """Show a step."""
        if self.before < 0:
            self.before = step.number - 1
        text = printable(f"{self.bar(step)} {step}"[:LINE] if self.terminal else str(step))
        self.stream.write(f"\r{text:{LINE}}" if self.terminal else f"{text}\n")
        self.stream.flush()
        self.shown = True

    def bar(self, step: Step) -> str:
        """Return the bar, with how many steps a minute it goes, and how many minutes remain at this speed."""
        full = WIDTH * step.number // max(1, step.total)
        minutes = max(1e-9, (self.clock() - self.began) / 60)
        speed = (step.number - self.before) / minutes
        left = f"{speed:.0f}/min, {(step.total - step.number) / max(speed, 1e-9):.0f} min left"
        return f"[{'#' * full}{'.' * (WIDTH - full)}] {left}"

    def close(self) -> None:
        """End the line, where one was begun."""
        if self.terminal and self.shown:
            self.stream.write("\n")
            self.stream.flush()


def printable(text: str) -> str:
    """Return a text that moves no cursor and fits into any terminal's encoding."""
    return "".join(sign if sign.isprintable() else "?" for sign in text).encode("utf-8", "replace").decode()
