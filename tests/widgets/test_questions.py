"""Every question has one right answer, and every wrong one says where it comes from."""

from __future__ import annotations

import pytest

from mmaplab.course import questions
from mmaplab.widgets.questions import ask


@pytest.mark.parametrize("key", sorted(questions()))
def test_each_question_can_be_asked_and_answered(key: str) -> None:
    asked = ask(key)
    right = [answer for answer, feedback in questions()[key].answers.items() if feedback is None]
    assert [asked.answer(answer) for answer in right] == [True]
    assert asked.feedback.value.startswith("<div role='status'>"), "what a click has brought is read aloud"
    for answer, feedback in questions()[key].answers.items():
        if feedback is not None:
            assert not asked.answer(answer)
            assert asked.feedback.value.startswith("<div role='status'>")
            assert feedback in asked.feedback.value.replace("&#x27;", "'")


def test_an_unknown_question_is_named() -> None:
    with pytest.raises(LookupError, match="no question '99-1'"):
        ask("99-1")
