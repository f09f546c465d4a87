"""Predicted against measured: the table of one program on two kernels.

    step  call                         predicted                 happened
       1  a = p.mmap(0, 163840, ...)   ○ 0x7f...                 ● 0x7f...
       2  p.load(a)                    ○ b'w' · 1 minor          ● the same

○ is the simulator, ● the live kernel; a row that differs is marked in words and in colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mmaplab.views import theme
from mmaplab.views.svg import Svg, line, rect, text

ROW, CALL, PREDICTED, HAPPENED = 17, 52, 388, 560
SIZE = 12


class Row(Protocol):
    """What a row of the comparison tells; see `mmaplab.twin.Row`."""

    number: int
    count: int
    call: str
    predicted: str
    happened: str | None
    agrees: bool
    faults: str
    note: str


class Comparison(Protocol):
    """What the table needs of a comparison; see `mmaplab.twin.Comparison`."""

    live: bool

    def rows(self) -> Sequence[Row]:
        """Return the rows of the table."""

    def summary(self) -> str:
        """Return the outcome in a sentence."""

    def text(self) -> str:
        """Return the comparison as text."""


def twinview(comparison: Comparison) -> Svg:
    """Return the table of a comparison; without a live kernel, the right column says so."""
    parts = [
        text(theme.MARGIN, 24, "step", "s"),
        text(CALL, 24, "call", "h"),
        text(PREDICTED, 24, "○ predicted", "h"),
        text(HAPPENED, 24, "● your kernel" if comparison.live else "● no live kernel here", "h"),
        line(theme.MARGIN, 32, theme.WIDTH - theme.MARGIN, 32),
    ]
    y = 36.0
    for row in comparison.rows():
        drawn, height = _row(row, y)
        parts += drawn
        y += height
    summary = comparison.summary()
    parts += [line(theme.MARGIN, y + 4, theme.WIDTH - theme.MARGIN, y + 4)]
    for words in theme.wrap(summary, theme.WIDTH - 2 * theme.MARGIN, SIZE, bold=True):
        y += 20
        parts.append(text(theme.MARGIN, y + 4, words, "b"))
    return Svg(y + 16, "Predicted against measured", summary, comparison.text(), tuple(parts))


def _row(row: Row, y: float) -> tuple[list[str], float]:
    """Return the parts of one row and its height."""
    predicted = " · ".join(filter(None, (row.predicted, row.faults)))
    happened = "" if row.happened is None else "the same" if row.agrees else row.happened
    number = f"{row.number}" if row.count == 1 else f"{row.number}-{row.number + row.count - 1}"
    call = _wrap(row.call, PREDICTED - CALL - 8, mono=True)
    left, right = _wrap(predicted, HAPPENED - PREDICTED - 22), _wrap(happened, theme.WIDTH - HAPPENED - 36)
    if row.note and not row.agrees:
        right += _wrap(row.note, theme.WIDTH - HAPPENED - 36)
    height = ROW * max(len(call), len(left), len(right)) + 8
    parts = [] if row.agrees or row.happened is None else [rect(8, y, theme.WIDTH - 16, height, "now", 3)]
    parts.append(text(theme.MARGIN, y + 17, number, "s"))
    parts += [text(CALL, y + 17 + ROW * i, words, "m") for i, words in enumerate(call)]
    parts += [text(PREDICTED, y + 17 + ROW * i, words) for i, words in enumerate(left)]
    parts += [text(HAPPENED, y + 17 + ROW * i, words, "" if row.agrees else "b") for i, words in enumerate(right)]
    return parts, height


def _wrap(words: str, width: float, mono: bool = False) -> list[str]:
    """Return the words in lines of at most `width` user units; a word that is too long is cut."""
    lines: list[str] = []
    for word in words.split(" "):
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and theme.text_width(joined, SIZE, mono=mono) <= width:
            lines[-1] = joined
            continue
        while theme.text_width(word, SIZE, mono=mono) > width:
            keep = max(4, int(width / (SIZE * 0.62)))
            lines.append(word[:keep])
            word = word[keep:]
        lines.append(word)
    return lines
