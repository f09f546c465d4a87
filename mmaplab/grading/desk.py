"""At the desk: `check` answers at once whether and why an answer is wrong, and never ends the notebook's kernel.

    check("fault-bill", bill)                  one question of an exercise notebook, by its key
    hint("fault-bill", 2)                      its hints, one after the other
    variant("fault-own", "Anna")               a program of your own, where the question has one for each learner
    check_slot(do_fault_around)                a kernel function against the reference, on generated programs

What a learner wrote runs in a fork of the notebook's process, under limits of time and memory. The tests that are
public stand in the package, with hints and the section to reread; the hidden ones stand in the masters only.
"""

from __future__ import annotations

import dis
import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mmaplab import notes
from mmaplab.grading.ask import DESK_SECONDS, forked
from mmaplab.grading.asked import Finding
from mmaplab.grading.contracts import CONTRACTS, misfit, slot_of
from mmaplab.grading.cost import ACCESSES, QUESTIONS
from mmaplab.grading.families import SLOT_FAMILIES, situation
from mmaplab.grading.judge import judge
from mmaplab.grading.plain import Plain
from mmaplab.grading.questions import PUBLIC, Question, Test, chapter_of, public_question
from mmaplab.grading.variant import Variant, variant_of
from mmaplab.grading.wording import as_html
from mmaplab.interface import Process, Program
from mmaplab.lab import NotAvailable
from mmaplab.program import Log, record
from mmaplab.sim import Kernel as SimulatedKernel
from mmaplab.views.svg import Svg
from mmaplab.views.words import plural

Function = Callable[..., object]


@dataclass(frozen=True)
class Verdict:
    """What `check` found. Shown as text and as HTML; both are the same on every run."""

    title: str
    summary: str
    findings: tuple[Finding, ...] = ()
    hints: tuple[str, ...] = ()
    key: str = ""
    section: str = ""

    @property
    def passed(self) -> bool:
        """Did every public test pass?"""
        return bool(self.findings) and all(finding.passed for finding in self.findings)

    @property
    def picture(self) -> Svg | None:
        """What the reference and the learner's kernel have after the shortest program; None where they agree."""
        return next((finding.picture for finding in self.findings if finding.picture is not None), None)

    def __repr__(self) -> str:
        lines = [f"{self.title}: {self.summary}"]
        for finding in self.findings:
            lines.append(f"  {'passed' if finding.passed else 'lost  '}  {finding.test.label}: {finding.message}")
            lines += [f"          {line}" for line in finding.lines]
        if self.hints:
            lines.append(f"  Hint 1 of {len(self.hints)}: {self.hints[0]}")
            if len(self.hints) > 1:
                lines.append(f'  The next one: hint("{self.key}", 2)')
        if self.section:
            lines.append(f"  Reread: {self.section}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(_finding_html(finding) for finding in self.findings)
        reread = f"<p>Reread: <b>{as_html(self.section)}</b></p>" if self.section else ""
        return (
            f"<div><p><b>{as_html(self.title)}</b>: {as_html(self.summary)}</p>"
            f"{rows}{_hints_html(self.hints)}{reread}</div>"
        )


def _finding_html(finding: Finding) -> str:
    mark = "✓ passed" if finding.passed else "✗ lost"
    shown = f"<pre>{html.escape(chr(10).join(finding.lines))}</pre>" if finding.lines else ""
    picture = finding.picture._repr_html_() if finding.picture is not None else ""
    return f"<p>{mark} · {as_html(finding.test.label)}: {as_html(finding.message)}</p>{shown}{picture}"


def _hints_html(hints: Sequence[str]) -> str:
    """Return the hints, each folded away inside the one before."""
    inner = ""
    for number in range(len(hints), 0, -1):
        inner = (
            f"<details><summary>Hint {number} of {len(hints)}</summary>"
            f"<p>{as_html(hints[number - 1])}</p>{inner}</details>"
        )
    return inner


# ---------------------------------------------------------------- questions


def check(key: str, *answers: object) -> Verdict:
    """Judge the answers to the question `key` by its public tests.

    Give the answers in the order in which the cell names them. How far they are goes into the learner's own notes.
    Raises KeyError for an unknown key and TypeError for a wrong number of answers; whatever the answers themselves do
    only loses their tests.
    """
    question = public_question(key)
    if len(answers) != len(question.answers):
        raise TypeError(f"check({key!r}, ...) takes {', '.join(question.answers)}, not {_count(len(answers), 'value')}")
    waiting = f"{_count(len(question.tests), 'public check')} and {question.hidden} hidden wait for it"
    if all(is_blank(answer) for answer in answers):
        return Verdict(question.title, f"not answered yet; {waiting}.", key=key)
    findings = judge_all(question.tests, dict(zip(question.answers, answers, strict=True)))
    passed = sum(finding.passed for finding in findings)
    # for the learner's own page of progress; where nothing can be written, the answer is judged all the same
    notes.write("exercises", key, {"chapter": chapter_of(key), "passed": passed, "of": len(findings)})
    hidden = f"{question.hidden} hidden one{'s' * (question.hidden != 1)} remain{'s' * (question.hidden == 1)}"
    if passed == len(findings):
        return Verdict(question.title, f"public checks passed, {hidden}.", findings, key=key)
    summary = f"{passed} of {_count(len(findings), 'public check')} passed, {hidden}."
    return Verdict(question.title, summary, findings, question.hints, key, question.section)


def variant(key: str, seed: str | int) -> Variant | None:
    """Return the program of your own for the question `key`, made from your name; `.again()` makes another one.

    None in a grader's process, which has no questions at hand and shows nothing. Raises KeyError for an unknown key,
    ValueError where the question has no variants, or for no name.
    """
    if not PUBLIC.exists():
        return None
    for test in public_question(key).tests:
        if test.kind == "variant":
            return variant_of(test.spec, seed)
    raise ValueError(f"the question {key!r} has the same program for everybody")


def hint(key: str, step: int = 1) -> str:
    """Return hint number `step` (from 1 on) of a question; raises KeyError, ValueError where there is none."""
    question = public_question(key)
    if not 1 <= step <= len(question.hints):
        raise ValueError(f"{question.title} has the hints 1 to {len(question.hints)}, not {step}")
    text = question.hints[step - 1]
    rest = f'  The next one: hint("{key}", {step + 1})' if step < len(question.hints) else "  That is the last hint."
    return f"Hint {step} of {len(question.hints)}: {text}{rest}"


def score(key: str, answers: Sequence[object], hidden: Sequence[Mapping[str, Plain]]) -> int:
    """Return the points for the answers, hidden tests and all; what a master's check cell ends in.

    nbgrader takes a number that a cell ends in as its points. Raises as `check` does.
    """
    question: Question = public_question(key).with_hidden(hidden)
    if all(is_blank(answer) for answer in answers):
        return 0
    return sum(f.points for f in judge_all(question.tests, dict(zip(question.answers, answers, strict=True))))


def judge_all(tests: Sequence[Test], namespace: dict[str, object]) -> tuple[Finding, ...]:
    """Judge answers that live in this process; one that dies loses its test, and the next gets a new process."""
    findings = []
    for test in tests:
        with forked(namespace) as child:
            findings.append(judge(test, child.ask))
    return tuple(findings)


def is_blank(answer: object) -> bool:
    """Is it an answer that nobody has given yet: None, or a function that holds nothing but its docstring?"""
    if answer is None:
        return True
    code = getattr(answer, "__code__", None)
    if code is None:
        return False
    return all(
        instruction.opname in ("RESUME", "NOP", "RETURN_VALUE")
        or (instruction.opname in ("LOAD_CONST", "RETURN_CONST") and instruction.argval is None)
        for instruction in dis.get_instructions(code)
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


# ---------------------------------------------------------------- kernel functions


def check_slot(function: Function | str, other: Function | str = "", programs: int = 60) -> Verdict:
    """Compare a kernel function of the learner's with the reference, on `programs` generated programs or more.

    `check_slot(find_vma)`, `check_slot(my_find_vma)`: the slot is in the function's name; `check_slot("find_vma", f)`:
    it is said. The shortest program that shows a difference is told with both answers, and drawn. The function runs in
    a process of its own, so nothing it does can end this one. Raises ValueError for no slot, TypeError for no function.
    """
    slot, function = _slot_and_function(function, other)
    if is_blank(function):
        return Verdict(slot, "not answered yet.")
    why = misfit(slot, function)
    if why:
        called = Test("slot", "how the kernel calls it", 1, slot, False, {})
        return Verdict(slot, "cannot be called.", (Finding(called, False, f"{why}."),))
    families = SLOT_FAMILIES[slot]
    each = -(-programs // len(families))
    tests = [
        Test("slot", situation(family), 1, slot, False, {"slot": slot, "family": family, "count": each})
        for family in families
    ]
    findings: list[Finding] = []
    for test in tests:
        with forked({slot: function}, DESK_SECONDS) as child:
            findings.append(judge(test, child.ask))
        if not findings[-1].passed:
            return Verdict(slot, "differs from the reference.", tuple(findings))
    return Verdict(slot, f"agrees with the reference on {each * len(families)} programs.", tuple(findings))


def _slot_and_function(one: Function | str, other: Function | str) -> tuple[str, Function]:
    """Return the slot that is meant and the learner's function for it."""
    function, name = (other, one) if isinstance(one, str) else (one, other)
    if isinstance(function, str) or not callable(function):
        raise TypeError(f"{function!r} is no function: check_slot(my_find_vma), or check_slot('find_vma', my_function)")
    slot = str(name) or slot_of(function)
    if slot not in CONTRACTS:
        given = name or getattr(function, "__name__", "this function")
        raise ValueError(f"no kernel function is named {given!r}; those that can be replaced: {', '.join(CONTRACTS)}")
    return slot, function


# ---------------------------------------------------------------- the live kernel


def run_here(program: Program, files: Mapping[str, bytes], warm: bool = True) -> Verdict:
    """Run a program on the live kernel under this notebook, with `files` in the page cache where `warm`; say its cost.

    Where there is no live kernel that can be asked, the simulated one answers, and the text says so.
    """
    from mmaplab.real import LinuxKernel  # only here: the rest of this room runs on every system

    if is_blank(program):
        return Verdict("your kernel", "not answered yet.")
    try:
        with LinuxKernel() as kernel:
            return Verdict("the live kernel", told_cost(record(program, kernel, files, warm)))
    except NotAvailable as reason:
        log = record(program, SimulatedKernel(), files, warm)
        return Verdict("the simulated kernel", f"{told_cost(log)} (The live one could not be asked: {reason}.)")


def frames_here(program: Callable[[Process], Process], addr: int = 0x1000_0000) -> Verdict:
    """Run a program that returns its child on the live kernel, and say how both share the frames of the area at `addr`.

    Rss counts the area's frames; Pss counts each frame by its share, half for two users (proc_pid_smaps(5)).
    """
    from mmaplab.real.sharing import shares_of_two

    if is_blank(program):
        return Verdict("your kernel", "not answered yet.")
    try:
        both = zip(("parent", "child"), shares_of_two(program, addr), strict=True)
        told = "; ".join(f"{who}: Rss {sizes['Rss']:,} bytes, Pss {sizes['Pss']:,} bytes" for who, sizes in both)
        return Verdict("the live kernel", f"{told}.")
    except ValueError as reason:
        return Verdict("the live kernel", f"{reason}.")
    except NotAvailable as reason:
        return Verdict("the live kernel", f"it could not be asked: {reason}.")


def told_cost(log: Log) -> str:
    """Return what a recorded program cost, in a sentence."""
    taken = [step.faults for step in log if step.faults is not None]
    minor, major = sum(faults.minor for faults in taken), sum(faults.major for faults in taken)
    calls = sum(step.call.name not in ACCESSES + QUESTIONS for step in log)
    died = f" It ended with {log.died}." if log.died else ""
    return f"{plural(minor, 'minor fault')}, {plural(major, 'major fault')}, {plural(calls, 'system call')}.{died}"
