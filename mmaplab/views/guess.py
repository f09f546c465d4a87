"""Pages that a learner has guessed beside those that it came to: purple for you, ink for the kernel.

page       0  1  2  3
you       [x][x][ ][ ]      what was clicked
simulator [#][ ][ ][#]      what came
              !     !       where they differ
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mmaplab.views.svg import Svg, rect, text
from mmaplab.views.theme import MARGIN, WIDTH

LEFT, SIZE, PITCH = 112, 30, 36
IN_A_ROW = (WIDTH - MARGIN - LEFT) // PITCH
ROW = 118


def guessed_pages(guess: Collection[int] | None, outcome: Collection[int], pages: int, who: str) -> Svg:
    """Return the picture; without a guess it holds the outcome alone."""
    parts = []
    for number, first in enumerate(range(0, pages, IN_A_ROW)):
        shown = range(first, min(first + IN_A_ROW, pages))
        y = 40.0 + number * (ROW if guess is not None else ROW - PITCH)
        if guess is not None:
            parts += [text(MARGIN, y + 20, "you", "youtext"), *_boxes(shown, guess, y, "you o", "on")]
            parts += [_differs(page - first, y) for page in shown if (page in guess) != (page in outcome)]
            y += PITCH
        parts += [text(MARGIN, y + 20, who, "b"), *_boxes(shown, outcome, y, "inkfill", "mark")]
        parts += [text(_x(p - first) + SIZE / 2, y + SIZE + 15, str(p), "mid m s") for p in shown]
    rows = -(-pages // IN_A_ROW)
    height = 40 + rows * (ROW if guess is not None else ROW - PITCH)
    said = words(guess, outcome, pages, who)
    title = "Your pages and the outcome" if guess is not None else "The outcome"
    head = title if guess is None else f"{right(guess, outcome, pages)} of {pages} pages as you said"
    return Svg(height, title, said, said, (text(MARGIN, 24, head, "h"), *parts))


def words(guess: Collection[int] | None, outcome: Collection[int], pages: int, who: str) -> str:
    """Return the comparison in a sentence."""
    came = f"{who}: {runs(outcome)}"
    if guess is None:
        return f"{came}."
    return f"You: {runs(guess)}. {came}. {right(guess, outcome, pages)} of {pages} pages as you said."


def right(guess: Collection[int], outcome: Collection[int], pages: int) -> int:
    """Return how many pages came as guessed."""
    return sum((page in guess) == (page in outcome) for page in range(pages))


def runs(pages: Collection[int]) -> str:
    """Return page numbers as runs: `pages 0-3, 8`; `no page` where there is none."""
    found = list(_runs(sorted(pages)))
    if not found:
        return "no page"
    written = ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in found)
    return f"page {written}" if len(pages) == 1 else f"pages {written}"


def _runs(pages: list[int]) -> Iterator[tuple[int, int]]:
    start = 0
    for i, page in enumerate(pages):
        if i + 1 == len(pages) or pages[i + 1] != page + 1:
            yield pages[start], page
            start = i + 1


def _x(place: int) -> float:
    return float(LEFT + place * PITCH)


def _boxes(shown: range, wanted: Collection[int], y: float, fill: str, ink: str) -> Iterator[str]:
    for place, page in enumerate(shown):
        if page not in wanted:
            yield rect(_x(place), y, SIZE, SIZE, "void absent")
            continue
        yield rect(_x(place), y, SIZE, SIZE, fill)
        yield text(_x(place) + SIZE / 2, y + 20, "✓", f"mid l {ink}")


def _differs(place: int, y: float) -> str:
    """Return the mark under a page that was guessed otherwise."""
    return text(_x(place) + SIZE / 2, y + PITCH + SIZE + 30, "≠", "mid alarm")
