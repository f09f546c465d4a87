"""Judging a whole kernel of a learner's own: all functions of `slots`, in one kernel, on programs for each of them.

    {"kind": "kernel", "answer": "find_vma", "slots": ["find_vma", "do_wp_page"], "families": ["in_the_gaps", ...],
     "first": 100, "count": 3, ...}

The functions have the names of their slots. What each of them does to the others' programs is compared, too.
"""

from __future__ import annotations

from mmaplab.grading.ask import Ask, Died, Reply
from mmaplab.grading.asked import Finding, asked
from mmaplab.grading.difference import difference_lines, first_difference
from mmaplab.grading.families import generate
from mmaplab.grading.observe import observe
from mmaplab.grading.plain import Plain
from mmaplab.grading.programs import Scenario
from mmaplab.grading.questions import Test


def slots_of_kernel(test: Test) -> tuple[str, ...]:
    """Return the slots that a learner's kernel has functions of their own for."""
    slots = test.spec["slots"]
    assert isinstance(slots, list)
    return tuple(sorted(str(slot) for slot in slots))


def judge_kernel(test: Test, ask: Ask) -> Finding:
    """Run programs on a kernel with all of the learner's functions, and compare with the reference."""
    families, first, count = test.spec["families"], test.spec["first"], test.spec["count"]
    assert isinstance(families, list) and isinstance(first, int) and isinstance(count, int)
    made = 0
    for family in families:
        for seed in range(first, first + count):
            scenario = generate(str(family), seed)
            made += 1
            try:
                expected, came = observe(scenario), seen(test, ask, scenario)
            except Died as error:
                return Finding(test, False, f"your kernel gave no answer in program {made}: {error}.")
            if first_difference(expected, came) is None:
                continue
            if test.hidden:
                return Finding(test, False, "differs from the reference in a program that is not shown.")
            lines = tuple(difference_lines(" and ".join(slots_of_kernel(test)), scenario, expected, came))
            return Finding(test, False, f"your kernel differs from the reference in program {made}:", lines)
    return Finding(test, True, f"{made} programs agree with the reference")


def seen(test: Test, ask: Ask, scenario: Scenario) -> Plain:
    """Return what a kernel with all of the learner's functions shows on a program."""
    slots: list[Plain] = list(slots_of_kernel(test))
    request: Reply = {"do": "observe", "slots": slots, "scenario": scenario.to_plain()}
    return asked(test, ask, request, "seen")
