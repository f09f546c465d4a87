"""The table of answers: what each exercise gives for typical wrong answers, and for right ones unlike the master's.

`answers/NN.txt` has a section for each answer: `=== question | points it keeps, or full | what is special about it`.
Answers to different questions are graded together, one of each, since no question may touch another one's points.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path

import pytest

from mmaplab.grading.bugs import BUGS, BY_SLOT
from mmaplab.grading.difference import first_difference
from mmaplab.grading.families import generate
from mmaplab.grading.observe import observe
from mmaplab.grading.pairs import PAIRS
from mmaplab.grading.plain import to_plain
from mmaplab.grading.questions import questions_of
from mmaplab.grading.whole import programs_of, reference, slots_of_kernel

from .helpers import MASTERS, corpus, exercise, full_marks, notebook, points, submission

HERE = Path(__file__).parent
Grade = Callable[[bytes], dict]
Answer = tuple[str, str, int, str]
"""The question, what is special, the points it keeps, the source."""


def answers_to(master: Path) -> list[Answer]:
    """Return the answers to a master's questions; none where nobody has written any, which another test notices."""
    full = full_marks(master)
    if not (HERE / "answers" / f"{master.stem[:2]}.txt").exists():
        return []
    sections = corpus(f"answers/{master.stem[:2]}.txt")
    return [(key, name, full[key] if kept == "full" else int(kept), source) for (key, kept, name), source in sections]


def rounds() -> list[tuple[Path, tuple[Answer, ...]]]:
    """Return submissions to grade: each holds the next answer to every question of its master."""
    made = []
    for master in MASTERS:
        by_question = [[a for a in answers_to(master) if a[0] == key] for key in full_marks(master)]
        made += [(master, tuple(a for a in chosen if a)) for chosen in zip_longest(*by_question)]
    return made


ROUNDS = rounds()
NAMES = [f"{master.stem} {number}" for number, (master, _) in enumerate(ROUNDS)]
every_master = pytest.mark.parametrize("master", MASTERS, ids=[path.stem for path in MASTERS])


@every_master
def test_the_master_gets_full_marks(grade: Grade, master: Path) -> None:
    result = grade(master.read_bytes())
    assert points(result) == full_marks(master), result


@every_master
def test_the_untouched_release_gets_nothing(grade: Grade, master: Path) -> None:
    result = grade(exercise(master).read_bytes())
    assert points(result) == dict.fromkeys(full_marks(master), 0)
    assert result["notes"] == []


@pytest.mark.parametrize(("master", "answers"), ROUNDS, ids=NAMES)
def test_answers_get_their_points(grade: Grade, master: Path, answers: tuple[Answer, ...]) -> None:
    sources = {key: source for key, _, _, source in answers}
    result = points(grade(submission(sources, notebook(exercise(master)))))
    expected = dict.fromkeys(full_marks(master), 0) | {key: kept for key, _, kept, _ in answers}
    wrong = [
        f"{key}, {name}: {result[key]} points, expected {kept}" for key, name, kept, _ in answers if result[key] != kept
    ]
    assert result == expected, "\n".join(wrong)


@every_master
def test_every_exercise_has_five_wrong_and_two_right_answers(master: Path) -> None:
    full, answers = full_marks(master), answers_to(master)
    assert len(full) >= 5
    for key, best in full.items():
        kept = [points for question, _, points, _ in answers if question == key]
        assert sum(points < best for points in kept) >= 5, key
        assert sum(points == best for points in kept) >= 2, key


@every_master
def test_a_faulty_function_that_is_handed_in_as_it_was_gets_no_point(master: Path) -> None:
    for question in questions_of(notebook(master)["cells"]):
        for found in question.tests:
            if found.kind == "witness":
                bug = {str(found.spec["slot"]): BUGS[str(found.spec["bug"])]}
                for test in question.tests:
                    if test is not found:
                        assert any(differs(*program, bug) for program in programs_of(test)), (question.key, test.label)
            if found.kind == "differs":
                wrong = PAIRS[str(found.spec["pair"])][1]
                for test in question.tests:
                    if test is not found:
                        assert any(outcome(wrong, case[0]) != case[1] for case in test.spec["cases"]), test.label


def test_a_faulty_function_in_a_learners_own_kernel_loses_points() -> None:
    kernels = [
        (question, test)
        for master in MASTERS
        for question in questions_of(notebook(master)["cells"])
        for test in question.tests
        if test.kind == "kernel"
    ]
    assert kernels
    for question, _ in kernels:
        programs = {program for owner, test in kernels if owner is question for program in programs_of(test)}
        slots = {slot for owner, test in kernels if owner is question for slot in slots_of_kernel(test)}
        for slot in sorted(slots & BY_SLOT.keys()):
            for bug in BY_SLOT[slot]:
                assert any(differs(*program, {slot: bug}) for program in sorted(programs)), (question.key, bug)


def differs(family: str, seed: int, bug: dict[str, Callable]) -> bool:
    """Does a generated program tell a faulty function from the reference?"""
    return first_difference(reference(family, seed), observe(generate(family, seed), bug)) is not None


def outcome(function: Callable, arguments: list) -> object:
    """Return what a function answers, as plain data, or the error's name."""
    try:
        return to_plain(function(*copy.deepcopy(arguments)))
    except Exception as error:
        return type(error).__name__


@every_master
def test_the_exercise_holds_no_solution_and_no_hidden_test(master: Path) -> None:
    text = exercise(master).read_text(encoding="utf-8")
    assert not any(word in text for word in ("BEGIN SOLUTION", "BEGIN HIDDEN", "hidden=["))
    assert notebook(exercise(master))["nbformat"] == 4
