"""What the course is, as data: its chapters, what it claims, its questions and its terms.

    chapters()["05_the_page_fault"].reading        60 (minutes)
    claims()["C19"].statement                      "Only where no entry permits the access. ..."
    questions()["05-1"].answers                    {"64 faults": "That is one fault per page. ...", ...}
    beliefs()["sigbus"].says                       "SIGBUS means that an address is not aligned."
    glossary()["folio"].means                      "What the page cache keeps as one unit: ..."

The texts lie beside this file, in TOML, where authors change them.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
VERDICTS = ("true", "with a condition", "imprecise", "wrong")


@dataclass(frozen=True)
class Chapter:
    """One chapter; `reading` and `exercises` are minutes, exercises 0 where there are none.

    `predictions` says how many predictions its cells ask for, `words` how many texts in the learner's own words.
    """

    stem: str
    title: str
    question: str
    reading: int
    exercises: int
    predictions: int
    words: int

    @property
    def number(self) -> str:
        """The chapter's number, two digits."""
        return self.stem[:2]


@dataclass(frozen=True)
class Claim:
    """What is commonly said, whether it is so (one of VERDICTS), and what is so."""

    key: str
    chapter: str
    popular: str
    verdict: str
    statement: str


@dataclass(frozen=True)
class Question:
    """One question; each wrong answer has its feedback, the right one None."""

    key: str
    question: str
    answers: dict[str, str | None]


@dataclass(frozen=True)
class Term:
    """One term of the course, with the chapter that explains it."""

    name: str
    chapter: str
    means: str


@dataclass(frozen=True)
class Belief:
    """Something that many believe, whether it is true, the claim that decides it, and what is so."""

    key: str
    says: str
    true: bool
    claim: str
    so: str


@cache
def beliefs() -> dict[str, Belief]:
    """Return what is asked before and after the course, by its key."""
    return {key: Belief(key, **entry) for key, entry in _load("beliefs.toml").items()}


@cache
def chapters() -> dict[str, Chapter]:
    """Return every chapter, by the stem of its notebook, in order."""
    return {stem: Chapter(stem, **entry) for stem, entry in _load("chapters.toml").items()}


@cache
def claims() -> dict[str, Claim]:
    """Return every claim, by its number."""
    return {key: Claim(key, **entry) for key, entry in _load("claims.toml").items()}


@cache
def questions() -> dict[str, Question]:
    """Return every question of «Check yourself», by its key: the chapter's number and the question's."""
    found = {}
    for path in sorted((HERE / "questions").glob("*.toml")):
        for key, entry in _load(f"questions/{path.name}").items():
            answers = {answer: None if said is True else said for answer, said in entry["answers"].items()}
            found[key] = Question(key, entry["question"], answers)
    return found


@cache
def glossary() -> dict[str, Term]:
    """Return every term, by its name."""
    return {name: Term(name, **entry) for name, entry in _load("glossary.toml").items()}


def _load(name: str) -> dict[str, Any]:
    with (HERE / name).open("rb") as file:
        return tomllib.load(file)
