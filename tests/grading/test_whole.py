"""A whole kernel of a learner's own: several functions in one kernel, compared on programs for each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mmaplab.grading.ask import Died, Reply
from mmaplab.grading.asked import Finding
from mmaplab.grading.families import SLOT_FAMILIES
from mmaplab.grading.judge import judge
from mmaplab.grading.questions import Test
from mmaplab.grading.runner import slots_asked
from mmaplab.grading.serve import SERVICES
from mmaplab.sim.kernel import REFERENCE
from tests.grading.versions.faults import always_copies_private_pages, by_owner

SPEC = {"slots": ["find_vma", "do_wp_page"], "families": ["in_the_gaps", "after_fork"], "first": 0, "count": 3}


def find_vma(mm: Any, addr: int) -> Any:
    return next((vma for vma in mm.areas if vma.vm_end > addr), None)


def judged(hidden: bool = False, dies: bool = False, **functions: Callable[..., Any]) -> Finding:
    def ask(request: Reply) -> Reply:
        if dies:
            raise Died("it died of SIGSEGV")
        try:
            return SERVICES[str(request["do"])](request, dict(functions))
        except Exception as error:
            return {"raised": f"{type(error).__name__}: {error}", "kind": type(error).__name__}

    return judge(Test("kernel", "all together", 3, "find_vma", hidden, SPEC), ask)


def chosen(choose: Callable[..., Any]) -> Finding:
    """Judge a choice of windows on plain numbers, in the kernel."""
    spec = {"slot": "page_cache_sync_ra", "through": "choose", "families": list(SLOT_FAMILIES["page_cache_sync_ra"])}

    def ask(request: Reply) -> Reply:
        return SERVICES[str(request["do"])](request, {"choose": choose})

    return judge(Test("slot", "in the kernel", 1, "choose", False, {**spec, "count": 12}), ask)


def choose(index: int, request: int, previous: int | None, before: int, most: int) -> list[int]:
    if index == 0 or previous in (index, index - 1):
        size = 1 << (request - 1).bit_length()
        size *= 4 if size <= most // 32 else 2
        size = size if size <= most // 2 else most
        return [size, size - request if size > request else size // 2]
    run = 2 * before if before == index else before
    return [min(run + request, most), 1] if before > request else [request, 0]


def test_a_choice_on_plain_numbers_is_made_in_the_kernel() -> None:
    finding = chosen(choose)
    assert finding.passed, finding
    assert finding.message == "96 programs agree with the reference"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda index, request, previous, before, most: [request, 0], "reference"),
        (lambda index, request, previous, before, most: None, "NoneType"),
        (lambda index, request, previous, before, most: [10**12, 1], "10^12 pages"),
        (lambda index, request, previous, before, most: [request, -1], "1 page, -1 of them ahead"),
        (lambda index, request, previous, before, most: [1.5, 0], "1.5 pages"),
    ],
)
def test_a_wrong_choice_is_shown_by_a_program(wrong: Callable[..., Any], says: str) -> None:
    finding = chosen(wrong)
    assert not finding.passed and finding.program is not None and len(finding.program.calls) <= 2
    assert says.replace("10^12", "1000000000000") in "\n".join(finding.lines)


def test_right_functions_agree_together() -> None:
    finding = judged(find_vma=find_vma, do_wp_page=by_owner)
    assert finding.passed and finding.points == 3
    assert finding.message == "6 programs agree with the reference"


def test_one_wrong_function_is_found_and_its_program_shown() -> None:
    finding = judged(find_vma=find_vma, do_wp_page=always_copies_private_pages)
    assert not finding.passed and finding.points == 0
    assert finding.message == "differs from the reference; the shortest program that shows it:"
    assert finding.lines[0].startswith("your kernel differs from the reference after ")
    assert finding.program is not None and len(finding.program.calls) <= 6 and finding.picture is not None


def test_a_kernel_that_dies_is_told_as_a_whole() -> None:
    finding = judged(find_vma=find_vma, do_wp_page=by_owner, dies=True)
    assert not finding.passed and finding.message == "your kernel gave no answer: it died of SIGSEGV."
    assert finding.lines[0] == "in this program:"


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
