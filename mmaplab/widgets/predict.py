"""Predict, then see: a learner's guess before a result, kept and never graded.

    predict("minor faults of the loop", 0, 1, 64, key="05-loop")      buttons; a click is kept, and may be changed
    compare("05-loop", p.faults().minor)                              you 64, simulator 1

The cells after a prediction run whether or not it was answered.
"""

from __future__ import annotations

import html
from typing import Any

import ipywidgets

from mmaplab import notes
from mmaplab.views import theme

Choice = int | float | str


class Predict(ipywidgets.VBox):  # type: ignore[misc]
    """A question with its choices as buttons, or a box for a number where there are none."""

    def __init__(self, question: str, choices: tuple[Choice, ...], key: str) -> None:
        self.question, self.key = question, key
        self.said = ipywidgets.HTML()
        title = ipywidgets.HTML(f"<b>Your prediction:</b> {html.escape(question)}")
        self.buttons = [ipywidgets.Button(description=shown(choice), tooltip=question) for choice in choices]
        for button, choice in zip(self.buttons, choices, strict=True):
            button.add_class("mmaplab-choice")
            button.on_click(lambda _button, choice=choice: self.guess(choice))
        controls = self.buttons or [self._box()]
        super().__init__([title, ipywidgets.HBox(controls, layout={"flex_flow": "row wrap"}), self.said])
        self._show(guess_of(key))

    def __repr__(self) -> str:
        return f"predict({self.question!r})"

    def _box(self) -> ipywidgets.Widget:
        box = ipywidgets.Text(placeholder="a number, then Enter", continuous_update=False)
        box.observe(self._typed, "value")
        return box

    def _typed(self, change: dict[str, Any]) -> None:
        try:
            self.guess(int(change["new"].replace(",", "").strip()))
        except ValueError:
            self.said.value = f"{html.escape(change['new'])!s} is no whole number: type digits, for example 16."

    def guess(self, choice: Choice) -> None:
        """Keep a guess; a later one replaces it."""
        kept = notes.write("predictions", self.key, {"guess": choice, "question": self.question})
        self._show(choice, kept)

    def _show(self, guess: Choice | None, kept: bool = True) -> None:
        for button in self.buttons:
            button.style.button_color = theme.YOU if guess is not None and button.description == shown(guess) else None
        if guess is None:
            self.said.value = "Not answered yet. Run the next cell when you are ready."
        else:
            lost = "" if kept else " (it could not be kept on disk)"
            self.said.value = f"You said <b>{html.escape(shown(guess))}</b>{lost}. Run the next cell."


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
        return f"{self.who} {shown(self.outcome)}"

    def _repr_html_(self) -> str:
        kernel = f"<b>{html.escape(self.who)} {html.escape(shown(self.outcome))}</b>"
        if self.guess is None:
            return kernel
        mark = "as you said" if self.guess == self.outcome else "look again at why"
        you = f"<span style='background:{theme.YOU};padding:0 .4em'>you {html.escape(shown(self.guess))}</span>"
        return f"{you} &nbsp; {kernel} &nbsp; {mark}"


def compare(key: str, outcome: Choice, who: str = "simulator") -> Comparison:
    """Show the learner's prediction beside what came."""
    return Comparison(guess_of(key), outcome, who)


def shown(choice: Choice) -> str:
    """Return a choice as a button shows it: numbers with thousands separators."""
    return f"{choice:,}" if isinstance(choice, (int, float)) and not isinstance(choice, bool) else str(choice)
