"""A whole kernel of a learner's own: several functions in one kernel, compared on programs for each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmaplab.grading.ask import Reply
from mmaplab.grading.asked import Finding
from mmaplab.grading.judge import judge
from mmaplab.grading.questions import Test
from mmaplab.grading.runner import slots_asked
from mmaplab.grading.serve import SERVICES
from mmaplab.sim.kernel import REFERENCE
from tests.grading.versions.faults import always_copies_private_pages, by_owner

SPEC = {"slots": ["find_vma", "do_wp_page"], "families": ["in_the_gaps", "after_fork"], "first": 0, "count": 3}


def find_vma(mm: Any, addr: int) -> Any:
    return next((vma for vma in mm.areas if vma.vm_end > addr), None)


def judged(hidden: bool = False, **functions: Callable[..., Any]) -> Finding:
    def ask(request: Reply) -> Reply:
        try:
            return SERVICES[str(request["do"])](request, dict(functions))
        except Exception as error:
            return {"raised": f"{type(error).__name__}: {error}", "kind": type(error).__name__}

    return judge(Test("kernel", "all together", 3, "find_vma", hidden, SPEC), ask)


def test_right_functions_agree_together() -> None:
    finding = judged(find_vma=find_vma, do_wp_page=by_owner)
    assert finding.passed and finding.points == 3
    assert finding.message == "6 programs agree with the reference"


def test_one_wrong_function_is_found_and_its_program_shown() -> None:
    finding = judged(find_vma=find_vma, do_wp_page=always_copies_private_pages)
    assert not finding.passed and finding.points == 0
    assert "your kernel differs from the reference in program" in finding.message and finding.lines


def test_a_hidden_program_is_not_shown() -> None:
    finding = judged(hidden=True, find_vma=find_vma, do_wp_page=always_copies_private_pages)
    assert not finding.passed and not finding.lines
    assert finding.message == "differs from the reference in a program that is not shown."


def test_a_missing_function_is_named() -> None:
    finding = judged(find_vma=REFERENCE.find_vma)
    assert not finding.passed and finding.missing
    assert "'do_wp_page' is not defined" in finding.message


def test_all_of_its_references_are_taken_out() -> None:
    assert slots_asked(Test("kernel", "all together", 3, "find_vma", False, SPEC)) == ("do_wp_page", "find_vma")
    assert slots_asked(Test("slot", "one", 1, "find_vma", False, {"slot": "find_vma"})) == ("find_vma",)
    assert slots_asked(Test("value", "none", 1, "x", False, {})) == ()
