"""Asking an answer's process for data, and what a test found: the parts that every kind of test is made of."""

from __future__ import annotations

from dataclasses import dataclass

from mmaplab.grading.ask import Ask, Reply
from mmaplab.grading.plain import Plain, kind_of, same, told
from mmaplab.grading.programs import Scenario
from mmaplab.grading.questions import Test
from mmaplab.views.svg import Svg


@dataclass(frozen=True)
class Finding:
    """What one test found: did the answer pass, a sentence, and lines that show it.

    `missing` says that a name was not there, so that cells before the answer may be needed. A kernel function that
    differs from the reference has the `program` that shows it, and a `picture` of what both kernels have after it.
    """

    test: Test
    passed: bool
    message: str = ""
    lines: tuple[str, ...] = ()
    missing: bool = False
    program: Scenario | None = None
    picture: Svg | None = None

    @property
    def points(self) -> int:
        """The points that the answer gets for this test."""
        return self.test.points if self.passed else 0


class Unanswered(Exception):
    """There is nothing to judge; the message is a sentence, `missing` says that a name was not found."""

    def __init__(self, message: str, missing: bool = False) -> None:
        super().__init__(message)
        self.missing = missing


def asked(test: Test, ask: Ask, request: Reply, key: str) -> Plain:
    """Ask, and return one item of the reply; raises Unanswered where there is none."""
    return replied(test, ask, request, key)[key]


def replied(test: Test, ask: Ask, request: Reply, key: str) -> Reply:
    """Ask, and return the reply; raises Unanswered where it has no such item."""
    reply = ask({**request, "name": test.answer})
    if "missing" in reply:
        raise Unanswered(f"`{test.answer}` is not there: the cell must give it a value.", missing=True)
    if "raised" in reply:
        raised = str(reply["raised"])[:400]
        raise Unanswered(f"`{test.answer}`: {raised}", missing=reply.get("kind") == "NameError")
    if key not in reply:
        raise Unanswered(f"`{test.answer}` handed over something else than was asked for.")
    return reply


def wrong_value(test: Test, value: Plain, expected: Plain) -> str:
    """Return the sentence for a wrong value, with the reason where it is a well-known mistake."""
    text = f"expected {told(expected)}, came {told(value)}"
    if type(value) is not type(expected):
        text += f": a {kind_of(value)}, where a {kind_of(expected)} is asked for"
    mistakes = test.spec.get("mistakes")
    for pair in mistakes if isinstance(mistakes, list) else ():
        if isinstance(pair, list) and len(pair) == 2 and same(pair[0], value):
            return f"{text}. {pair[1]}"
    return text + "."
