"""A question as data: its tests, its points and its hints, kept in one place in the master notebook.

    the cell with the check      metadata "mmaplab": {"question": {...}}     title, hints, public tests; stays
                                 ### BEGIN HIDDEN TESTS ... ### END         hidden tests; taken out by the release
    the cell with the solution   ### BEGIN SOLUTION ... ### END              taken out by the release

A test is a dictionary: `kind` (judge.py knows them), `label`, `points`, `answer` (the name of the variable or function
that the learner gives), and what its kind needs. A question's points are the sum of its tests'.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmaplab.grading.plain import Plain

PUBLIC = Path(__file__).parent / "public"
"""The public part of every question, made by the release; what `check` at the desk reads."""
BEGIN_HIDDEN, END_HIDDEN = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"


@dataclass(frozen=True)
class Test:
    """One test of a question; `spec` holds what the kind needs, as plain data."""

    __test__ = False  # pytest must not collect it
    kind: str
    label: str
    points: int
    answer: str
    hidden: bool
    spec: Mapping[str, Plain]

    @staticmethod
    def of(data: Mapping[str, Plain], hidden: bool) -> Test:
        """Return the test that a dictionary describes; raises ValueError where something is missing."""
        missing = [name for name in ("kind", "label", "points", "answer") if name not in data]
        if missing:
            raise ValueError(f"a test has no {missing[0]!r}: {dict(data)!r}")
        points = data["points"]
        if type(points) is not int or points < 1:
            raise ValueError(f"a test's points are {points!r}: give a whole number from 1 on")
        rest = {key: value for key, value in data.items() if key not in ("kind", "label", "points", "answer")}
        return Test(str(data["kind"]), str(data["label"]), points, str(data["answer"]), hidden, rest)


@dataclass(frozen=True)
class Question:
    """One exercise. `answers` are the names that the learner gives, in the order in which `check` takes them.

    `hidden` counts the hidden tests, also where they are not at hand; `stub` is the untouched answer cell.
    """

    key: str
    title: str
    stars: int
    section: str
    answers: tuple[str, ...]
    hints: tuple[str, ...]
    tests: tuple[Test, ...]
    hidden: int
    points: int

    @staticmethod
    def of(data: Mapping[str, Plain]) -> Question:
        """Return the question of a cell's metadata, with its public tests; raises ValueError."""
        try:
            tests = tuple(Test.of(test, hidden=False) for test in _dicts(data["tests"]))
            return Question(
                key=str(data["key"]),
                title=str(data["title"]),
                stars=_int(data["stars"]),
                section=str(data["section"]),
                answers=_texts(data["answers"]),
                hints=_texts(data["hints"]),
                tests=tests,
                hidden=_int(data["hidden"]),
                points=_int(data["points"]),
            )
        except KeyError as error:
            raise ValueError(f"the question {data.get('key')!r} has no {error}") from None

    def with_hidden(self, hidden: Sequence[Mapping[str, Plain]]) -> Question:
        """Return the whole question, as the master has it; raises ValueError where its numbers or labels are wrong."""
        tests = self.tests + tuple(Test.of(test, hidden=True) for test in hidden)
        if len(hidden) != self.hidden:
            raise ValueError(f"{self.key}: {len(hidden)} hidden tests, but its metadata says {self.hidden}")
        if sum(test.points for test in tests) != self.points:
            raise ValueError(f"{self.key}: the tests give {sum(t.points for t in tests)} points, not {self.points}")
        labels = [test.label for test in tests]
        twice = next((label for label in labels if labels.count(label) > 1), None)
        if twice is not None:
            raise ValueError(f"{self.key}: two tests have the label {twice!r}, and nobody could tell them apart")
        return replace(self, tests=tests)


def hidden_tests(source: str) -> list[dict[str, Plain]]:
    """Return the hidden tests that stand in a master's check cell; [] where there are none.

    They are the list `hidden=[...]` in the call of `score` between the markers: literals only, nothing is run.
    """
    if BEGIN_HIDDEN not in source:
        return []
    region = source.split(BEGIN_HIDDEN, 1)[1].split(END_HIDDEN, 1)[0]
    for node in ast.walk(ast.parse(region)):
        if isinstance(node, ast.keyword) and node.arg == "hidden":
            return _dicts(ast.literal_eval(node.value))
    raise ValueError("between the markers of the hidden tests there is no hidden=[...]")


def questions_of(cells: Sequence[Mapping[str, object]]) -> list[Question]:
    """Return the questions of a notebook's cells, in order, with the hidden tests where the cells still have them."""
    found = []
    for cell in cells:
        data = question_data(cell)
        if data is None:
            continue
        question = Question.of(data)
        source = source_of(cell)
        found.append(question.with_hidden(hidden_tests(source)) if BEGIN_HIDDEN in source else question)
    keys = [question.key for question in found]
    if len(set(keys)) < len(keys):
        raise ValueError(f"two questions have the same key: {', '.join(keys)}")
    return found


def question_data(cell: Mapping[str, object]) -> dict[str, Plain] | None:
    """Return what a cell's metadata say of its question, or None."""
    metadata = cell.get("metadata")
    ours = metadata.get("mmaplab") if isinstance(metadata, dict) else None
    data = ours.get("question") if isinstance(ours, dict) else None
    return data if isinstance(data, dict) else None


def source_of(cell: Mapping[str, object]) -> str:
    """Return a cell's text, which a notebook file may hold as a list of lines."""
    source = cell.get("source", "")
    return "".join(str(line) for line in source) if isinstance(source, list) else str(source)


def public_question(key: str, folder: Path = PUBLIC) -> Question:
    """Return the public part of a question; raises KeyError with a sentence where there is none."""
    known = []
    for path in sorted(folder.glob("*.json")):
        for data in json.loads(path.read_text(encoding="utf-8")):
            if data["key"] == key:
                return Question.of(data)
            known.append(data["key"])
    raise KeyError(f"there is no question {key!r}; there are {', '.join(known) or 'none'}")


def chapter_of(key: str, folder: Path = PUBLIC) -> str:
    """Return the number of the chapter that a question belongs to, two digits; raises KeyError."""
    for path in sorted(folder.glob("*.json")):
        if any(data["key"] == key for data in json.loads(path.read_text(encoding="utf-8"))):
            return path.stem[:2]
    raise KeyError(f"there is no question {key!r}")


def _dicts(value: object) -> list[dict[str, Plain]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError("tests are given as a list of dictionaries")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{value!r} is not a list of texts")
    return tuple(value)


def _int(value: object) -> int:
    if type(value) is not int:
        raise ValueError(f"{value!r} is not a whole number")
    return value
