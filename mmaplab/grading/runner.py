"""Grading one submission: a function from bytes to a result, in plain data.

    for each question     the given cells before it and the answer, in a fresh child
    for each test         asked for data; compared here; a child that died is replaced, and the next test goes on

An answer that needs what other cells define (a NameError) gets a second try with all the submission's own cells.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from mmaplab.grading.apart import Judges
from mmaplab.grading.ask import Died
from mmaplab.grading.asked import Finding
from mmaplab.grading.box import IN_ALL, IN_ALL_QUESTIONS, SPENT, Box, Purse, boxed
from mmaplab.grading.owner import owner_of
from mmaplab.grading.package import Room
from mmaplab.grading.plain import Plain
from mmaplab.grading.questions import Question, Test
from mmaplab.grading.sandbox import Limits, Protection
from mmaplab.grading.submission import Assignment, Submission, Unreadable, cells_of, choose, read_submission
from mmaplab.grading.usage import busy
from mmaplab.grading.whole import slots_of_kernel

MOST_DEATHS = 3
"""After so many deaths of one answer's process, the rest of its tests are lost untried."""
PRELOAD = ("mmaplab.exercise", "mmaplab.grading.observe", "mmaplab.program")
MOST_STARTS = 3
Result = dict[str, Plain]


class SandboxFailed(RuntimeError):
    """No answer can be run, for a reason that lies with this machine."""


@dataclass
class Grader:
    """What grading needs: masters, protection, limits, and a package without the functions that are asked for."""

    assignments: Sequence[Assignment]
    protection: Protection
    limits: Limits
    package: Path
    """The folder that holds the package that answers run with; it has no slot's reference."""
    references: dict[tuple[str, ...], list[Room]]
    """What an answer is given back, by the slot that it is asked for; '' for an answer that is no kernel function."""
    preload: Sequence[str] = PRELOAD
    judges: Judges = field(default_factory=Judges)
    secret: Sequence[Path] = ()
    """Folders and files that answers must not see, wherever they are: masters, submissions, results."""
    student: re.Pattern[str] | None = None
    """What of a submission's path names the student whose seed its variants must have; None where any seed counts."""
    _owner: str = ""
    _box: Box | None = None
    _stack: ExitStack = field(default_factory=ExitStack)
    _purse: Purse = field(default_factory=lambda: Purse(0))

    def grade(self, data: bytes, name: str) -> Result:
        """Return the result of one submission; never raises for whatever it holds, but SandboxFailed for a machine."""
        result: Result = {"name": name, "sha256": hashlib.sha256(data).hexdigest(), "broken": "", "notes": []}
        try:
            cells = cells_of(data)
            assignment = choose(cells, self.assignments)
            submission = read_submission(cells, assignment)
        except Unreadable as error:
            return {**result, "broken": str(error), "assignment": "", "points": 0, "max": 0, "questions": []}
        with ExitStack() as stack:
            purse = Purse(IN_ALL_QUESTIONS * self.limits.seconds * busy())
            mine = owner_of(name, self.student)  # several threads may grade with one grader
            own = replace(self, _box=None, _stack=stack, _purse=purse, _owner=mine)
            graded = [own.question(question, assignment, submission) for question in assignment.questions]
        return {
            **result,
            "assignment": assignment.name,
            "notes": list(submission.notes),
            "points": sum(int(str(question["points"])) for question in graded),
            "max": sum(question.points for question in assignment.questions),
            "questions": list(graded),
        }

    def question(self, question: Question, assignment: Assignment, submission: Submission) -> Result:
        """Return the result of one question."""
        answer = submission.answer(f"{question.key}-answer")
        stub = assignment.cell(f"{question.key}-answer").stub
        if answer is not None and answer.strip() == stub.strip():
            return question_result(question, [Finding(test, False, "Not answered.") for test in question.tests], [])
        purse = Purse(IN_ALL * self.limits.seconds * busy(), self._purse)
        findings, notes = self.attempt(question, first_cells(question, assignment, answer), purse)
        if any(finding.missing for finding in findings):
            again, more = self.attempt(question, all_cells(question, submission), purse)
            if sum(f.points for f in again) > sum(f.points for f in findings):
                findings, notes = (
                    again,
                    [*more, "The answer needed other cells of the notebook; they were run before it."],
                )
        return question_result(question, findings, notes)

    def attempt(self, question: Question, cells: Sequence[str], purse: Purse) -> tuple[list[Finding], list[str]]:
        """Run cells and judge what they leave, test by test, the public ones first.

        What a cell raises is told of the runs before public tests only: no cell can tell of a hidden one.
        """
        findings: list[Finding] = []
        notes: list[str] = []
        running: tuple[str, ...] | None = None
        hopeless, deaths = "", 0
        for test in sorted(question.tests, key=lambda test: (test.hidden, slots_asked(test))):
            if purse.left <= 0:
                hopeless = hopeless or f"Not tried: {SPENT}."
            if hopeless or deaths >= MOST_DEATHS:
                findings.append(Finding(test, False, hopeless or "Not tried: the answer's process had died too often."))
                continue
            box = self.box(running is None or running != slots_asked(test))
            try:
                if running != slots_asked(test):
                    note = run_cells(box, cells, self.references[slots_asked(test)], purse)
                    running = slots_asked(test)
                    notes += [note] * (bool(note) and note not in notes and not test.hidden)
            except Died as error:  # the cells themselves: they would do it again
                hopeless = f"The answer did not run: {error}."
                findings.append(Finding(test, False, hopeless))
                continue
            findings.append(self.judges.judge(owned(test, self._owner), partial(purse.ask, box)))
            if not box.alive:
                running, deaths = None, deaths + 1
        return findings, notes

    def box(self, fresh: bool) -> Box:
        """Return the running box, with a fresh child or the one that runs; a new box where none lives.

        Raises SandboxFailed where none starts: that is no answer's fault, and must cost none its points.
        """
        if not fresh and self._box is not None and self._box.alive:
            return self._box
        why = ""
        for _ in range(MOST_STARTS):
            if self._box is None or self._box.dead:
                started = boxed(self.protection, self.package, self.limits, self.preload, self.secret)
                self._box = self._stack.enter_context(started)
            try:
                self._box.begin()
            except Died as error:  # of what the answer before has done to it, perhaps
                why = str(error)
            else:
                return self._box
        raise SandboxFailed(f"the grader's own process does not start ({self.protection.name}): {why}")


def owned(test: Test, owner: str) -> Test:
    """Return the test with the name that a variant's seed must have, where it must have one."""
    return replace(test, spec={**test.spec, "owner": owner}) if owner and test.kind == "variant" else test


def slots_asked(test: Test) -> tuple[str, ...]:
    """Return the slots whose references a test's answer must not have, () for an answer that is no kernel function."""
    if test.kind == "kernel":
        return slots_of_kernel(test)
    return (str(test.spec["slot"]),) if test.kind == "slot" else ()


def run_cells(box: Box, cells: Sequence[str], references: Sequence[Room], purse: Purse) -> str:
    """Run cells in a fresh child; returns a sentence about the first that raised, or ''. Raises Died."""
    note = ""
    if references:
        box.ask({"do": "restore", "rooms": list(references)})
    for source in cells:
        reply = purse.ask(box, {"do": "run", "cells": [source]})
        if "raised" in reply and not note:
            note = f"A cell raised {str(reply['raised'])[:400]}"
    return note


def first_cells(question: Question, assignment: Assignment, answer: str | None) -> list[str]:
    """Return what an answer runs after: the given cells before it, and nothing else."""
    setup = assignment.setup_before(f"{question.key}-answer")
    return setup + ([answer] if answer is not None else [])


def all_cells(question: Question, submission: Submission) -> list[str]:
    """Return every cell of the submission up to the question's check, without the checks."""
    cells = []
    for role, grade_id, source in submission.own:
        if grade_id == question.key:
            break
        if role != "check":
            cells.append(source)
    return cells


def question_result(question: Question, findings: Sequence[Finding], notes: Sequence[str]) -> Result:
    """Return a question's result as plain data; of a hidden test, no more than its label and whether it passed."""
    tests: list[Plain] = []
    for finding in findings:
        message = finding.message if not finding.test.hidden else "passed" if finding.passed else "lost"
        tests.append(
            {
                "label": finding.test.label,
                "hidden": finding.test.hidden,
                "passed": finding.passed,
                "points": finding.points,
                "max": finding.test.points,
                "message": message,
                "lines": [] if finding.test.hidden else list(finding.lines),
            }
        )
    return {
        "key": question.key,
        "title": question.title,
        "points": sum(finding.points for finding in findings),
        "max": question.points,
        "notes": list(notes),
        "tests": tests,
        "section": question.section,
    }
