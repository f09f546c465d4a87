"""Predicted against measured: the table of one program on two kernels.

    step  call                              result
       1  a = p.mmap(0, 163840, ...)        ○●       0x7f...
       2  p.load(a)                         ○●       b'w', 1 minor
       3  p.store(a, b'W')                  ○  sim   1 minor               a row that differs is marked and explained
                                            ●  live  no fault
    after step 3, on both sides: the areas, and for an access the entries in the page table

A hollow circle is the simulator's prediction, a filled one is what the live kernel did.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mmaplab.views.svg import Svg, circle, line, rect, text
from mmaplab.views.theme import MARGIN, WIDTH, text_width, wrap

ROW = 17
CALL, RESULT, WORDS = 62, 394, 450
"""Where the calls, the circles and the results begin."""
SIZE = 12
FIXED = "\u00a0"
"""A blank that stays, where signs stand below each other."""


class Row(Protocol):
    """What a row of the comparison tells; see `mmaplab.twin.Row`."""

    @property
    def number(self) -> int:
        """The first step of the row."""

    @property
    def count(self) -> int:
        """How many steps are folded into the row."""

    @property
    def call(self) -> str:
        """The call, as code."""

    @property
    def predicted(self) -> str:
        """The simulator's result."""

    @property
    def happened(self) -> str | None:
        """The live kernel's result; None where there is no live kernel."""

    @property
    def agrees(self) -> bool:
        """Are the two the same?"""

    @property
    def faults(self) -> str:
        """The predicted faults, as words."""

    @property
    def note(self) -> str:
        """What differs."""


class Comparison(Protocol):
    """What the table needs of a comparison; see `mmaplab.twin.Comparison`."""

    live: bool

    def rows(self) -> Sequence[Row]:
        """Return the rows of the table."""

    def summary(self) -> str:
        """Return the outcome in a sentence."""

    def state(self) -> Sequence[str]:
        """Return the state of both sides after the first step that differs; lines of signs begin with four blanks."""

    def text(self) -> str:
        """Return the comparison as text."""


def twinview(comparison: Comparison) -> Svg:
    """Return the table of a comparison; without a live kernel it holds the predictions, and says so."""
    summary = comparison.summary()
    parts, y = [], 28.0
    for words in wrap(summary, WIDTH - 2 * MARGIN, 14, bold=True):
        parts.append(text(MARGIN, y, words, "l"))
        y += 20
    parts += _key(comparison.live, y + 6)
    y += 30
    first = next((row.number for row in comparison.rows() if _differs(row)), 0)
    for i, row in enumerate(comparison.rows()):
        drawn, height = _row(row, y, i % 2 == 1, row.number == first)
        parts += drawn
        y += height
    parts.append(line(MARGIN, y, WIDTH - MARGIN, y, "rule"))
    if first:
        drawn, height = _state(comparison.state(), first, y + 12)
        parts += drawn
        y += 12 + height
    return Svg(y + 14, "Predicted against measured", summary, comparison.text(), tuple(parts))


def _state(lines: Sequence[str], step: int, y: float) -> tuple[list[str], float]:
    """Return what both sides look like after the first step that differs, and its height."""
    parts = [text(MARGIN, y + 17, f"after step {step}, on both sides:", "s")]
    y, top = y + ROW, y
    for words in lines:
        mono = words.startswith("    ")
        for piece in [words[4:].replace(" ", FIXED)] if mono else cut(words.strip(), WIDTH - 2 * MARGIN):
            parts.append(text(MARGIN, y + 17, piece, "m" if mono else ""))
            y += ROW
    return parts, y - top + 6


def _differs(row: Row) -> bool:
    return row.happened is not None and not row.agrees


def _key(live: bool, y: float) -> list[str]:
    """Return the heads of the columns, with what the circles mean."""
    parts = [text(MARGIN, y, "step", "s"), text(CALL, y, "call", "s"), _sim(RESULT + 6, y - 4)]
    parts.append(text(RESULT + 17, y, "sim, predicted", "s"))
    if live:
        parts += [_live(RESULT + 126, y - 4), text(RESULT + 137, y, "live, measured", "s")]
    return [*parts, line(MARGIN, y + 9, WIDTH - MARGIN, y + 9)]


def _sim(x: float, y: float) -> str:
    return circle(x, y, 5, "void ol")


def _live(x: float, y: float) -> str:
    return circle(x, y, 5, "inkfill")


def _row(row: Row, y: float, odd: bool, first: bool) -> tuple[list[str], float]:
    """Return the parts of one row and its height; the first row that differs is in focus."""
    number = f"{row.number}" if row.count == 1 else f"{row.number}-{row.number + row.count - 1}"
    call = cut(row.call, RESULT - CALL - 12, mono=True)
    result, lines = _result(row, y)
    height = ROW * max(len(call), lines) + 8
    ground = "now" if first else "kernel" if odd else ""
    parts = [rect(0, y, WIDTH, height, ground, 0)] if ground else []
    parts += [text(6, y + 17, "▸", "h")] if first else []
    parts.append(text(MARGIN, y + 17, number))
    parts += [text(CALL, y + 17 + ROW * i, words, "m") for i, words in enumerate(call)]
    return parts + result, height


def _result(row: Row, y: float) -> tuple[list[str], int]:
    """Return the circles with what they stand for, and how many lines that takes."""
    width = WIDTH - MARGIN - WORDS
    predicted = cut(" ".join(f"{row.predicted} {row.faults}".split()), width)
    if not _differs(row):
        parts = [_sim(RESULT + 6, y + 13)] + ([] if row.happened is None else [_live(RESULT + 19, y + 13)])
        return parts + _lines(predicted, WORDS, y), len(predicted)
    happened = cut(" ".join((row.happened or "").split()), width, bold=True)
    note = cut(f"they differ in: {row.note}", width) if row.note else []
    below = y + ROW * len(predicted)
    parts = [_sim(RESULT + 6, y + 13), text(RESULT + 17, y + 17, "sim"), *_lines(predicted, WORDS, y)]
    parts += [_live(RESULT + 6, below + 13), text(RESULT + 17, below + 17, "live", "b")]
    parts += _lines(happened, WORDS, below, "b") + _lines(note, WORDS, below + ROW * len(happened), "s")
    return parts, len(predicted) + len(happened) + len(note)


def _lines(rows: Sequence[str], x: float, y: float, cls: str = "") -> list[str]:
    return [text(x, y + 17 + ROW * i, words, cls) for i, words in enumerate(rows)]


def cut(words: str, width: float, mono: bool = False, bold: bool = False) -> list[str]:
    """Return the words in lines of at most `width` user units; a word that is too long for a line is broken."""
    lines: list[str] = []
    for word in words.split(" "):
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(joined, SIZE, mono, bold) <= width:
            lines[-1] = joined
            continue
        while text_width(word, SIZE, mono, bold) > width:
            keep = max(4, int(len(word) * width / text_width(word, SIZE, mono, bold)))
            lines.append(word[:keep])
            word = word[keep:]
        lines.append(word)
    return lines
