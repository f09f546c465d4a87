"""The seeds that learners gave for their variants: who has whose numbers? Read in the answers' texts; nothing runs.

fault-own   Anna     anna/05.ipynb, bert/05.ipynb     given by several: one of them has the other's program
fault-own   cleo17   cleo/05.ipynb
fault-own   ?        dora/05.ipynb                    computed: the text does not say which
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mmaplab.grading.submission import Assignment, Submission
from mmaplab.grading.variant import NOBODY

COMPUTED = "?"
"""Stands for a seed that is no plain text or number."""


@dataclass(frozen=True)
class Seed:
    """A question's seed, and the submissions that give it."""

    question: str
    seed: str
    names: tuple[str, ...]

    @property
    def shared(self) -> bool:
        """Have several given it, or can that not be seen?"""
        return len(self.names) > 1 or self.seed == COMPUTED


def seeds_of(name: str, assignment: Assignment, submission: Submission) -> Iterator[Seed]:
    """Yield the seeds that one submission gives: in the answer's cell, or in another one that the learner wrote."""
    for question in assignment.questions:
        for variable in {str(test.spec.get("seed", "seed")) for test in question.tests if test.kind == "variant"}:
            answer = submission.answer(f"{question.key}-answer") or ""
            given = seed_in(answer, variable)
            for _, _, source in submission.own:
                given = given or seed_in(source, variable)
            if given:
                yield Seed(question.key, given, (name,))


def seed_in(source: str, variable: str) -> str:
    """Return what a cell gives a variable last, '' where it gives nothing, or nobody's name."""
    found = ""
    for node in ast.walk(parsed(source)):
        targets = node.targets if isinstance(node, ast.Assign) else ()
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == variable for t in targets):
            plain = isinstance(node.value, ast.Constant)
            value = node.value.value if isinstance(node.value, ast.Constant) else None
            text = str(value).strip() if isinstance(value, str | int) else "" if plain else COMPUTED
            found = "" if text.lower() in NOBODY else text
    return found


def together(seeds: Iterable[Seed]) -> list[Seed]:
    """Return each seed once, with all who give it; those that several give stand first."""
    names: dict[tuple[str, str], list[str]] = {}
    for one in seeds:
        names.setdefault((one.question, one.seed), []).extend(one.names)
    found = [Seed(question, seed, tuple(sorted(who))) for (question, seed), who in names.items()]
    return sorted(found, key=lambda one: (not one.shared, one.question, one.seed))


def parsed(source: str) -> ast.AST:
    """Return a cell's syntax tree, an empty one where it is no Python."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])
