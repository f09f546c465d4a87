"""Predict, then see: a learner's guess before a result, kept and never graded.

    predict("minor faults of the loop", 0, 1, 64, key="05-loop")      buttons; a click is kept, and may be changed
    compare("05-loop", p.faults().minor)                              you: 64, simulator: 1

    predict_pages("which pages are present after a load of page 20?", pages=64, key="05-window")     click pages
    compare_pages("05-window", pages)                                 a row of pages for you, one for the simulator

The cells after a prediction run whether or not it was answered.
"""

from __future__ import annotations

import html
from collections.abc import Collection, Sequence
from typing import Any

import ipywidgets

from mmaplab import notes
from mmaplab.views import theme
from mmaplab.views.guess import guessed_pages, runs
from mmaplab.widgets import twin

Choice = int | float | str

MOST_PAGES = 64
"""Pages that are shown to be clicked."""
UNASKED = "Not answered yet. Run the next cell when you are ready."
KEPT = "The next cells show your guess beside the outcome."


class Predict(twin.Twin, ipywidgets.VBox):  # type: ignore[misc]
    """A question with its choices as buttons, or a box for a number where there are none."""

    def __init__(self, question: str, choices: tuple[Choice, ...], key: str) -> None:
        self.question, self.key, self.choices = question, key, choices
        self.said = ipywidgets.HTML()
        title = ipywidgets.HTML(f"<b>Your prediction:</b> {html.escape(question)}")
        wide = {"width": "auto", "min_width": "8em"}  # wide enough for its words, and for a finger
        self.buttons = [
            ipywidgets.Button(description=shown(choice), tooltip=question, layout=wide) for choice in choices
        ]
        for button, choice in zip(self.buttons, choices, strict=True):
            button.add_class("mmaplab-choice")
            button.on_click(lambda _button, choice=choice: self.guess(choice))
        controls = self.buttons or [self._box()]
        super().__init__([title, ipywidgets.HBox(controls, layout={"flex_flow": "row wrap"}), self.said])
        self._show(guess_of(key))

    def __repr__(self) -> str:
        return f"predict({self.question!r})"

    def twin(self) -> str:
        """Return the question with its choices."""
        note = "Run the cell to choose." if self.choices else "Run the cell to type a number."
        return twin.asked(f"Your prediction: {self.question}", map(shown, self.choices), f"{note} {KEPT}")

    def _box(self) -> ipywidgets.Widget:
        box = ipywidgets.Text(placeholder="a number, then Enter", continuous_update=False)
        box.observe(self._typed, "value")
        return box

    def _typed(self, change: dict[str, Any]) -> None:
        try:
            self.guess(int(change["new"].replace(",", "").strip()))
        except ValueError:
            words = f"{html.escape(change['new'])} is no whole number: type digits, for example 16."
            self.said.value = f"<div role='status'>{words}</div>"

    def guess(self, choice: Choice) -> None:
        """Keep a guess; a later one replaces it."""
        kept = notes.write("predictions", self.key, {"guess": choice, "question": self.question})
        self._show(choice, kept)

    def _show(self, guess: Choice | None, kept: bool = True) -> None:
        for button in self.buttons:
            chosen = guess is not None and button.description == shown(guess)
            button.style.button_color = theme.YOU if chosen else None
            button.style.text_color = theme.INK if chosen else None
        lost = "" if kept else " (it could not be kept on disk)"
        told = f"You said <b>{html.escape(shown(guess))}</b>{lost}. Run the next cell." if guess is not None else ""
        self.said.value = f"<div role='status'>{told or UNASKED}</div>"


def predict(question: str, *choices: Choice, key: str) -> Predict:
    """Ask for a prediction; `key` names it in the learner's notes. With no choices, a number is typed."""
    return Predict(question, choices, key)


def guess_of(key: str) -> Choice | None:
    """Return what the learner has predicted under a key, or None."""
    guess = notes.read()["predictions"].get(key, {}).get("guess")
    return guess if isinstance(guess, (int, float, str)) else None


class Comparison:
    """A prediction beside its outcome: purple for you, ink for the kernel."""

    def __init__(self, guess: Choice | None, outcome: Choice, who: str) -> None:
        self.guess, self.outcome, self.who = guess, outcome, who

    def __repr__(self) -> str:
        return f"{self.who}: {shown(self.outcome)}"

    def _repr_html_(self) -> str:
        kernel = f"{html.escape(self.who)}: <b>{html.escape(shown(self.outcome))}</b>"
        if self.guess is None:
            return kernel
        mark = "as you said" if self.guess == self.outcome else "look again at why"
        style = f"background:{theme.YOU};color:{theme.INK};padding:0 .4em"
        you = f"<span style='{style}'>you: {html.escape(shown(self.guess))}</span>"
        return f"{you} &nbsp; {kernel} &nbsp; {mark}"


class PredictPages(twin.Twin, ipywidgets.VBox):  # type: ignore[misc]
    """A question that is answered by clicking pages; every click is kept at once."""

    def __init__(self, question: str, pages: int, key: str) -> None:
        if not 1 <= pages <= MOST_PAGES:
            raise ValueError(f"pages is {pages}: give 1 to {MOST_PAGES}")
        self.question, self.key, self.chosen = question, key, set(guessed(key) or ())
        title = ipywidgets.HTML(f"<b>Your prediction:</b> {html.escape(question)} Click the pages.")
        self.buttons = [ipywidgets.Button(layout={"width": "52px", "margin": "1px"}) for _ in range(pages)]
        self.none = ipywidgets.Button(
            description="no page", tooltip="say that no page will be", layout={"width": "110px"}
        )
        self.said = ipywidgets.HTML()
        super().__init__([title, ipywidgets.HBox(self.buttons, layout={"flex_flow": "row wrap"}), self.none, self.said])
        self._show(guessed(key) is not None)
        for page, button in enumerate(self.buttons):
            button.on_click(lambda _button, page=page: self.click(page))
        self.none.on_click(lambda _button: self.clear())

    def __repr__(self) -> str:
        return f"predict_pages({self.question!r})"

    def twin(self) -> str:
        """Return the question."""
        note = f"Run the cell to click some of its {len(self.buttons)} pages. {KEPT}"
        return twin.asked(f"Your prediction: {self.question}", note=note)

    def click(self, page: int) -> None:
        """Choose a page, or take it back, and keep the guess."""
        self.chosen ^= {page}
        self._keep()

    def clear(self) -> None:
        """Say that no page will be."""
        self.chosen.clear()
        self._keep()

    def _keep(self) -> None:
        kept = notes.write("predictions", self.key, {"guess": sorted(self.chosen), "question": self.question})
        self._show(True, kept)

    def _show(self, answered: bool, kept: bool = True) -> None:
        for page, button in enumerate(self.buttons):
            chosen = page in self.chosen
            button.description = f"{page} ✓" if chosen else f"{page}"
            button.tooltip = f"page {page}, {'' if chosen else 'not '}chosen"
            button.style.button_color = theme.YOU if chosen else None
            button.style.text_color = theme.INK if chosen else None
        lost = "" if kept else " (it could not be kept on disk)"
        said = f"You said <b>{runs(self.chosen)}</b>{lost}." if answered else "Not answered yet."
        self.said.value = f"<div role='status'>{said} Run the next cell when you are ready.</div>"


def predict_pages(question: str, pages: int = 16, *, key: str) -> PredictPages:
    """Ask for a prediction that is given by clicking pages; `key` names it in the learner's notes.

    Raises ValueError for more pages than can be shown.
    """
    return PredictPages(question, pages, key)


def guessed(key: str) -> list[int] | None:
    """Return the pages that the learner has clicked under a key, or None where nothing was clicked."""
    guess = notes.read()["predictions"].get(key, {}).get("guess")
    if not isinstance(guess, list) or not all(type(page) is int for page in guess):
        return None
    return guess


class PagesComparison:
    """Pages that were predicted beside those that it came to."""

    def __init__(self, guess: Collection[int] | None, outcome: Collection[int], pages: int, who: str) -> None:
        self.guess, self.outcome, self.who = guess, outcome, who
        self.picture = guessed_pages(guess, outcome, pages, who)

    def __repr__(self) -> str:
        return f"{self.who}: {runs(self.outcome)}"

    def _repr_html_(self) -> str:
        return self.picture._repr_html_()


def compare_pages(key: str, outcome: Sequence[bool], who: str = "simulator") -> PagesComparison:
    """Show the pages that the learner clicked beside the outcome, which holds for each page whether it is.

    Raises ValueError where there are more pages than can be shown.
    """
    if not 1 <= len(outcome) <= MOST_PAGES:
        raise ValueError(f"the outcome has {len(outcome)} pages: give 1 to {MOST_PAGES}")
    return PagesComparison(guessed(key), [page for page, is_so in enumerate(outcome) if is_so], len(outcome), who)


def compare(key: str, outcome: Choice, who: str = "simulator") -> Comparison:
    """Show the learner's prediction beside what came."""
    return Comparison(guess_of(key), outcome, who)


def shown(choice: Choice) -> str:
    """Return a choice as a button shows it: numbers with thousands separators."""
    return f"{choice:,}" if isinstance(choice, (int, float)) and not isinstance(choice, bool) else str(choice)
