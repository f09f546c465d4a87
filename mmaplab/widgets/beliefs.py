"""What a learner believes about mmap, asked before the course and after it.

    beliefs("before")       one line for each belief: agree, disagree, not sure
    beliefs("after")        the same again; then the table says what changed
    what_changed()          the table alone, for readers without a running kernel

Most of the beliefs are wrong and some are true; which, is not said before the second round. Answers are kept in the
learner's notes.
"""

from __future__ import annotations

import html

import ipywidgets

from mmaplab import course, notes
from mmaplab.course import Belief, claims
from mmaplab.views import theme
from mmaplab.widgets import twin

ROUNDS = ("before", "after")
CHOICES = ("agree", "disagree", "not sure")
HEADINGS = ("belief", "before", "after", "true?", "what is so")


def believed(which: str, key: str) -> str:
    """Return what the learner said in a round, '' if nothing."""
    said = notes.read()["answers"].get(f"belief-{which}-{key}", {}).get("answer", "")
    return said if said in CHOICES else ""


class Changed:
    """The table of both rounds, with what is so."""

    def __repr__(self) -> str:
        return "\n".join(
            f"{b.says}\n    before: {_word(b, 'before')}, after: {_word(b, 'after')}\n    {_is_so(b)}: {b.so}"
            for b in _all()
        )

    def _repr_html_(self) -> str:
        head = "".join(f"<th style='text-align:left;padding:0 .5em'>{h}</th>" for h in HEADINGS)
        return f"<table><tr>{head}</tr>{''.join(_row(b) for b in _all())}</table>"


def _all() -> list[Belief]:
    return list(course.beliefs().values())


def _word(b: Belief, which: str) -> str:
    return believed(which, b.key) or "not answered"


def _is_so(b: Belief) -> str:
    return "true" if b.true else "wrong"


def _row(b: Belief) -> str:
    """Return one belief as a row; an answer of the learner's own stands on purple."""
    cells = [html.escape(b.says)]
    for which in ROUNDS:
        said = believed(which, b.key)
        colour = f"background:{theme.YOU};color:{theme.INK}" if said else ""
        cells.append(f"<span style='{colour};padding:0 .4em'>{said or 'not answered'}</span>")
    cells += [f"<b>{_is_so(b)}</b>", f"{html.escape(b.so)} (chapter {claims()[b.claim].chapter[:2]})"]
    style = "text-align:left;vertical-align:top;padding:.1em .5em"
    return "<tr>" + "".join(f"<td style='{style}'>{cell}</td>" for cell in cells) + "</tr>"


def what_changed() -> Changed:
    """Return what the learner believed before and after, beside what is so."""
    return Changed()


class Beliefs(twin.Twin, ipywidgets.VBox):  # type: ignore[misc]
    """One round of questions; after the second one, the table."""

    def __init__(self, which: str) -> None:
        self.which = which
        self.asked = {b.key: self._line(b) for b in _all()}
        self.said = ipywidgets.HTML()
        super().__init__([*self.asked.values(), self.said])
        self._look()

    def __repr__(self) -> str:
        return f"beliefs({self.which!r})"

    def twin(self) -> str:
        """Return the beliefs; what is so is not said."""
        return twin.asked("Do you agree?", (b.says for b in _all()), "Run the cell to say so, belief by belief.")

    def _line(self, b: Belief) -> ipywidgets.Widget:
        """Return one belief with its three buttons, marked as answered before."""
        buttons = ipywidgets.ToggleButtons(options=CHOICES, value=believed(self.which, b.key) or None)
        buttons.style.button_width = "7em"
        buttons.observe(lambda change: self.answer(b.key, change["new"]), "value")
        words = ipywidgets.HTML(html.escape(b.says), layout={"width": "34em"})
        return ipywidgets.HBox([words, buttons], layout={"flex_flow": "row wrap", "align_items": "center"})

    def answer(self, key: str, answer: str) -> None:
        """Keep one answer. Raises KeyError for an unknown belief, ValueError for an answer that is none."""
        if answer not in CHOICES:
            raise ValueError(f"{answer!r} is no answer: give one of {', '.join(CHOICES)}")
        notes.write("answers", f"belief-{self.which}-{course.beliefs()[key].key}", {"answer": answer})
        self._look()

    def _look(self) -> None:
        answered = sum(bool(believed(self.which, b.key)) for b in _all())
        words = f"{answered} of {len(_all())} answered."
        if self.which == "before":
            words += " What is so, you find out in the chapters; chapter 11 asks again."
        elif answered == len(_all()):
            true = sum(b.true for b in _all())
            words += f" {true} of them are true. What changed:{what_changed()._repr_html_()}"
        self.said.value = f"<div role='status'>{words}</div>"


def beliefs(which: str) -> Beliefs:
    """Ask for the learner's beliefs in one of ROUNDS; raises ValueError for another."""
    if which not in ROUNDS:
        raise ValueError(f"{which!r} is no round: give 'before' or 'after'")
    return Beliefs(which)
