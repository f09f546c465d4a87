"""Check yourself: a question whose every wrong answer names the picture it comes from.

    quiz("Which is certain?", {"64 faults": "That is one fault per page ...", "at least 4": None}, key="05-q1")
    quiz_variant(make, seed=5, key="05-q5")     make(rng) -> (question, answers); a button gives new numbers

None marks the right answer. What was answered, and after how many tries, is kept in the learner's notes.
"""

from __future__ import annotations

import html
import random
from collections.abc import Callable

import ipywidgets

from mmaplab import notes
from mmaplab.widgets import twin

Answers = dict[str, str | None]
MakeQuestion = Callable[[random.Random], tuple[str, Answers]]


class Quiz(twin.Twin, ipywidgets.VBox):  # type: ignore[misc]
    """One question; an answer is judged at once."""

    def __init__(self, question: str, answers: Answers, key: str) -> None:
        self.key, self.tries = key, 0
        self.heading, self.feedback, self.choices = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.VBox()
        super().__init__([self.heading, self.choices, self.feedback])
        self.ask(question, answers)

    def __repr__(self) -> str:
        return f"quiz({self.question!r})"

    def twin(self) -> str:
        """Return the question with its answers; which one is right is not said."""
        return twin.asked(self.question, self.answers, "Run the cell and click an answer: it says why.")

    def ask(self, question: str, answers: Answers) -> None:
        """Put a question; raises ValueError unless exactly one answer is right."""
        if sum(feedback is None for feedback in answers.values()) != 1:
            raise ValueError(f"the question {question!r} needs exactly one right answer (feedback None)")
        self.question, self.answers = question, answers
        self.heading.value = f"<b>{html.escape(question)}</b>"
        self.feedback.value = ""
        wide = {"width": "auto", "max_width": "46em"}
        buttons = [ipywidgets.Button(description=answer, layout=wide) for answer in answers]
        for button in buttons:
            button.on_click(lambda pressed: self.answer(pressed.description))
        self.choices.children = buttons

    def answer(self, answer: str) -> bool:
        """Judge an answer; returns whether it is right. Raises KeyError for one that was not offered."""
        wrong = self.answers[answer]
        self.tries += 1
        notes.write("answers", self.key, {"right": wrong is None, "tries": self.tries, "answer": answer})
        said = f"<b>{html.escape(answer)}</b>"
        words = f"✓ right: {said}" if wrong is None else f"✗ {said}: {html.escape(wrong)}"
        self.feedback.value = f"<div role='status'>{words}</div>"
        return wrong is None


class QuizVariant(Quiz):
    """A question with numbers of its own; a button makes new ones."""

    def __init__(self, make: MakeQuestion, seed: int, key: str) -> None:
        self.make, self.seed = make, seed
        super().__init__(*make(random.Random(seed)), key)
        again = ipywidgets.Button(description="New numbers", icon="refresh")
        again.on_click(lambda _button: self.again())
        self.children = (self.heading, self.choices, self.feedback, again)

    def again(self) -> None:
        """Ask once more with the next seed."""
        self.seed += 1
        self.ask(*self.make(random.Random(self.seed)))


def quiz(question: str, answers: Answers, key: str) -> Quiz:
    """Ask one question; see the room's head for the form."""
    return Quiz(question, answers, key)


def quiz_variant(make: MakeQuestion, seed: int, key: str) -> QuizVariant:
    """Ask a question that is made from a seed, again and again with new numbers."""
    return QuizVariant(make, seed, key)
