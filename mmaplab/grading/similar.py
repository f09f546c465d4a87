"""`mmaplab similar SUBMISSIONS --out FILE.html`: which answers of a class are more alike than chance makes them.

Answers to the same question are compared by their shapes (shape.py), less what the exercise gives. A run of tokens
that half the class has says little, one that two answers share with nobody else says much:

    weight of a run     1 for two answers, less the more have it, down to 0 for all of a large class
    alike               weight of the shared runs / weight of the shorter answer's runs, from 0 to 1
    evidence            weight of the shared runs: a short answer can be alike by chance, a long one hardly

Each answer is also compared with what every learner can find: the kernel function itself, which stands in the package,
and the master's answer. And the seeds of variants are listed, since equal ones make equal numbers (seeds.py).

Nothing is run, and nothing leaves this machine: the report is one file that refers to nothing. It proves nothing
either. It says where a person should look.
"""

from __future__ import annotations

import ast
import inspect
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import combinations
from pathlib import Path

from mmaplab.grading.bulk import load_assignments
from mmaplab.grading.finding import content, find_submissions
from mmaplab.grading.package import HELPERS
from mmaplab.grading.questions import Question
from mmaplab.grading.runner import slots_asked
from mmaplab.grading.seeds import Seed, parsed, seeds_of, together
from mmaplab.grading.shape import grams, shape
from mmaplab.grading.submission import Assignment, Unreadable, cells_of, choose, read_submission
from mmaplab.sim.kernel import REFERENCE

LEAST_ALIKE = 0.7
"""From here on a pair is listed."""
LEAST_EVIDENCE = 20.0
"""From here on a pair is listed; an answer of a line or two never reaches it."""
SMALLEST_CLASS = 20
"""Weights in a smaller class are as in one of this size: what three of three have is not yet common."""

Gram = tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """One learner's answer to one question; `runs` are its shape's, less what was given, with their lines."""

    name: str
    question: str
    source: str
    runs: dict[Gram, set[int]]


@dataclass(frozen=True)
class Pair:
    """Two answers to the same question, and the lines of each that the other has too."""

    one: Answer
    other: Answer
    alike: float
    evidence: float

    @property
    def lines(self) -> tuple[set[int], set[int]]:
        """The lines (from 0 on) of each answer that hold something shared."""
        shared = self.one.runs.keys() & self.other.runs.keys()
        return (
            {line for run in shared for line in self.one.runs[run]},
            {line for run in shared for line in self.other.runs[run]},
        )


@dataclass(frozen=True)
class Compared:
    """What was compared, sentences about files that could not be read, and the pairs, the strongest first."""

    submissions: int
    answers: int
    left_out: tuple[str, ...]
    pairs: tuple[Pair, ...]
    seeds: tuple[Seed, ...] = ()


def compare_all(submissions: Path, solutions: Path, alike: float = LEAST_ALIKE) -> Compared:
    """Compare all submissions in a folder or a zip. Raises CannotGrade where there are none, or no masters."""
    assignments = load_assignments(solutions)
    given = {assignment.name: given_runs(assignment) for assignment in assignments}
    answers: list[Answer] = []
    left_out: list[str] = []
    seeds: list[Seed] = []
    count = 0
    for item in find_submissions(submissions):
        data, complaint = content(item)
        try:
            if complaint:
                raise Unreadable(complaint)
            cells = cells_of(data)
            assignment = choose(cells, assignments)
        except Unreadable as error:
            left_out.append(f"{item.name}: {error}")
            continue
        count += 1
        submission = read_submission(cells, assignment)
        seeds += seeds_of(item.name, assignment, submission)
        for question in assignment.questions:
            source = submission.answer(f"{question.key}-answer") or ""
            answers.append(answer(item.name, question.key, source, given[assignment.name]))
    answers = [one for one in answers if one.runs]
    handed_in = {one.question for one in answers}
    known = [one for assignment in assignments for one in known_answers(assignment, given[assignment.name], handed_in)]
    return Compared(count, len(answers), tuple(left_out), tuple(pairs(answers, alike, known)), tuple(together(seeds)))


def answer(name: str, question: str, source: str, given: Collection[Gram]) -> Answer:
    """Return an answer with the runs of its shape that were not given."""
    runs = {run: lines for run, lines in grams(shape(source)).items() if run not in given}
    return Answer(name, question, source, runs)


def known_answers(assignment: Assignment, given: Collection[Gram], questions: Collection[str]) -> Iterator[Answer]:
    """Yield what a learner can find: the master's answers, and the package's own functions that are asked for."""
    for question in assignment.questions:
        if question.key in questions:
            source = assignment.cell(f"{question.key}-answer").source
            yield answer("(the master's answer)", question.key, source, given)
            for name, text in references(question):
                yield answer(f"(the package's own {name})", question.key, text, given)


def references(question: Question) -> Iterator[tuple[str, str]]:
    """Yield the functions that stand in the slots of a question, and those that they are made of, with their texts."""
    for slot in sorted({slot for test in question.tests for slot in slots_asked(test)}):
        function = getattr(REFERENCE, slot)
        yield slot, inspect.getsource(function)
        room = import_module(function.__module__)
        yield from ((name, inspect.getsource(getattr(room, name))) for name in HELPERS.get(slot, ()))


def pairs(answers: Iterable[Answer], alike: float = LEAST_ALIKE, known: Sequence[Answer] = ()) -> list[Pair]:
    """Return the pairs that are alike enough, the strongest first; of `known` answers no two are a pair."""
    by_question: dict[str, list[Answer]] = defaultdict(list)
    for one in answers:
        by_question[one.question].append(one)
    found = [pair for group in by_question.values() for pair in pairs_of(group, alike, known)]
    return sorted(found, key=lambda pair: (-pair.evidence * pair.alike, pair.one.name, pair.other.name))


def pairs_of(group: Sequence[Answer], alike: float, known: Sequence[Answer] = ()) -> list[Pair]:
    """Return the pairs of answers to one question that are alike enough."""
    spread = Counter(run for one in group for run in one.runs)
    weights = {run: weight(count, len(group)) for run, count in spread.items()}
    totals = [sum(weights[run] for run in one.runs) for one in group]
    shared: Counter[tuple[int, int]] = Counter()
    holders: dict[Gram, list[int]] = defaultdict(list)
    for number, one in enumerate(group):
        for run in one.runs:
            if spread[run] > 1 and weights[run] > 0:
                holders[run].append(number)
    for run, numbers in holders.items():
        for two in combinations(numbers, 2):
            shared[two] += weights[run]  # type: ignore[assignment]  # a Counter may hold any number
    found = []
    for (first, second), evidence in shared.items():
        share = evidence / min(totals[first], totals[second])
        if share >= alike and evidence >= LEAST_EVIDENCE:
            found.append(Pair(group[first], group[second], share, evidence))
    asked = [one for one in known if one.question == group[0].question]
    pairs_with = (with_known(one, other, weights) for one in group for other in asked)
    return found + [pair for pair in pairs_with if pair.alike >= alike and pair.evidence >= LEAST_EVIDENCE]


def with_known(one: Answer, known: Answer, weights: Mapping[Gram, float]) -> Pair:
    """Return an answer beside a known one; what the class has in common counts as little as between learners."""
    evidence = sum(weights[run] for run in one.runs.keys() & known.runs.keys())
    whole = min(sum(weights.get(run, 1.0) for run in answer.runs) for answer in (one, known))
    return Pair(one, known, evidence / whole if whole else 0.0, evidence)


def weight(count: int, all_of: int) -> float:
    """Return what a run says that `count` of `all_of` answers have: 1 for one or two of them, 0 for all of many."""
    return max(0.0, 1 - math.log(max(count, 2) / 2) / math.log(max(all_of, SMALLEST_CLASS) / 2))


# ---------------------------------------------------------------- what is given


def given_runs(assignment: Assignment) -> set[Gram]:
    """Return the runs that every learner has from the exercise: stubs, given cells, and functions that these show."""
    sources = [cell.stub or cell.source for cell in assignment.cells]
    shown = [text for source in sources for text in shown_functions(sources, source)]
    return {run for source in [*sources, *shown] for run in grams(shape(source))}


def shown_functions(cells: Sequence[str], cell: str) -> list[str]:
    """Return the texts of the functions that a given cell shows: `source(careless_handle_mm_fault)`."""
    places = imported_names(cells)
    texts = []
    for node in ast.walk(parsed(cell)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "source":
            for word in node.args:
                if isinstance(word, ast.Name) and word.id in places:
                    texts.append(inspect.getsource(getattr(import_module(places[word.id]), word.id)))
    return texts


def imported_names(cells: Sequence[str]) -> dict[str, str]:
    """Return the names that given cells take from this package, with their modules."""
    found = {}
    for cell in cells:
        for node in ast.walk(parsed(cell)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("mmaplab"):
                found.update({alias.asname or alias.name: str(node.module) for alias in node.names})
    return found
