"""Kernel functions of a learner's under test: in which slots, on which programs, and what is seen there.

    {"kind": "slot", "answer": "fixed_find_vma", "slot": "find_vma", "family": "in_the_gaps", "first": 100, "count": 3}
    {"kind": "slot", "answer": "choose", "slot": "page_cache_sync_ra", "through": "choose", ...}
    {"kind": "kernel", "answer": "find_vma", "slots": ["find_vma", "do_wp_page"], "families": ["in_the_gaps", ...], ...}

A `kernel` has all functions of `slots` at once, each with the name of its slot: what one of them does to the others'
programs is compared, too. Either kind may have several `families`: `count` programs are made of each.
A function that chooses on plain numbers does not stand in the slot itself: it goes `through` one of contracts.CHOICES.
"""

from __future__ import annotations

from functools import lru_cache

from mmaplab.grading.ask import Ask, Reply
from mmaplab.grading.asked import asked
from mmaplab.grading.families import generate
from mmaplab.grading.observe import Observation, observe
from mmaplab.grading.plain import Plain
from mmaplab.grading.programs import Scenario
from mmaplab.grading.questions import Test


def slots_of_kernel(test: Test) -> tuple[str, ...]:
    """Return the slots that a learner's kernel has functions of their own for."""
    slots = test.spec["slots"]
    assert isinstance(slots, list)
    return tuple(sorted(str(slot) for slot in slots))


def programs_of(test: Test) -> list[tuple[str, int]]:
    """Return the programs of a test: of each of its families `count`, from number `first` on."""
    families, first, count = test.spec.get("families"), test.spec.get("first", 0), test.spec["count"]
    assert type(first) is int and type(count) is int
    names = families if isinstance(families, list) else [test.spec["family"]]
    return [(str(name), seed) for name in names for seed in range(first, first + count)]


def name_of(test: Test) -> str:
    """Return what a test's answer is called: the function's name, or the kernel as a whole."""
    return "your kernel" if test.kind == "kernel" else test.answer


@lru_cache(maxsize=4096)
def reference(family: str, seed: int) -> Observation:
    """Return what the reference shows on a generated program; the same for every submission."""
    return observe(generate(family, seed))


def seen(test: Test, ask: Ask, scenario: Scenario) -> Plain:
    """Return what a kernel with the learner's function, or all of them, shows on a program."""
    where: Reply = {"slots": list(slots_of_kernel(test))} if test.kind == "kernel" else {"slot": test.spec["slot"]}
    if "through" in test.spec:
        where["through"] = test.spec["through"]
    return asked(test, ask, {"do": "observe", **where, "scenario": scenario.to_plain()}, "seen")
