"""The course as data: every text leads to a chapter, and nothing is said twice."""

from __future__ import annotations

import re

import pytest

from mmaplab.course import VERDICTS, chapters, claims, glossary, questions


def test_there_are_twelve_chapters_in_order() -> None:
    assert [chapter.number for chapter in chapters().values()] == [f"{n:02}" for n in range(12)]


def test_every_claim_has_a_chapter_and_a_verdict() -> None:
    assert list(claims()) == [f"C{n:02}" for n in range(1, 46)]
    for claim in claims().values():
        assert claim.chapter in chapters(), claim.key
        assert claim.verdict in VERDICTS, claim.key
        assert claim.statement.endswith("."), claim.key


def test_every_chapter_but_the_first_makes_claims() -> None:
    assert {claim.chapter for claim in claims().values()} == set(chapters()) - {"00_start_here"}


@pytest.mark.parametrize("key", sorted(questions()))
def test_a_question_has_one_right_answer_and_feedback_for_the_others(key: str) -> None:
    question = questions()[key]
    assert re.fullmatch(r"\d\d-[\w-]+", key) and any(c.number == key[:2] for c in chapters().values())
    assert sum(said is None for said in question.answers.values()) == 1
    assert len(question.answers) >= 3
    for said in question.answers.values():
        assert said is None or len(said) >= 20


def test_every_term_is_explained_by_a_chapter() -> None:
    assert list(glossary()) == sorted(glossary(), key=str.lower)
    for term in glossary().values():
        assert term.chapter in chapters(), term.name
        assert term.means.endswith("."), term.name
