"""Judging an answer: ask the process that holds it for plain data, and compare here.

    kind      what is asked for                         what is compared
    value     a variable                                its value, type by type, with `expected`
    call      results of a function for given inputs    each with the expected one
    slot      observations on generated programs        with the reference's observations, made here
    program   the calls that a program makes            what they cost when they are made again, here
    witness   the calls that a program makes            they must cost something else under a faulty kernel function

Every kind is one function `(test, ask) -> Finding`. Whatever an answer does, the test ends with a finding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from mmaplab.calls import call_text
from mmaplab.grading.ask import Ask, Died, Reply
from mmaplab.grading.bugs import BUGS
from mmaplab.grading.cost import MEASURES, cost
from mmaplab.grading.difference import difference_lines, first_difference
from mmaplab.grading.families import generate
from mmaplab.grading.observe import Observation, observe
from mmaplab.grading.plain import Plain, kind_of, same, told
from mmaplab.grading.programs import Scenario, shorten
from mmaplab.grading.questions import Test


@dataclass(frozen=True)
class Finding:
    """What one test found: did the answer pass, a sentence, and lines that show it.

    `missing` says that a name was not there, so that cells before the answer may be needed.
    """

    test: Test
    passed: bool
    message: str = ""
    lines: tuple[str, ...] = ()
    missing: bool = False

    @property
    def points(self) -> int:
        """The points that the answer gets for this test."""
        return self.test.points if self.passed else 0


class Unanswered(Exception):
    """There is nothing to judge; the message is a sentence, `missing` says that a name was not found."""

    def __init__(self, message: str, missing: bool = False) -> None:
        super().__init__(message)
        self.missing = missing


def judge(test: Test, ask: Ask) -> Finding:
    """Return what the test found; never raises for whatever the answer does."""
    try:
        return KINDS[test.kind](test, ask)
    except Died as error:
        return Finding(test, False, f"`{test.answer}` gave no answer: {error}.")
    except Unanswered as error:
        return Finding(test, False, str(error), missing=error.missing)
    except Exception as error:  # data of a kind that no answer hands over by accident
        return Finding(test, False, f"`{test.answer}` handed over data that cannot be read ({type(error).__name__}).")


def asked(test: Test, ask: Ask, request: Reply, key: str) -> Plain:
    """Ask, and return one item of the reply; raises Unanswered where there is none."""
    reply = ask({**request, "name": test.answer})
    if "missing" in reply:
        raise Unanswered(f"`{test.answer}` is not there: the cell must give it a value.", missing=True)
    if "raised" in reply:
        raised = str(reply["raised"])[:400]
        raise Unanswered(f"`{test.answer}`: {raised}", missing=reply.get("kind") == "NameError")
    if key not in reply:
        raise Unanswered(f"`{test.answer}` handed over something else than was asked for.")
    return reply[key]


# ---------------------------------------------------------------- values


def judge_value(test: Test, ask: Ask) -> Finding:
    """Compare a variable, or one item of it (`item`), with `expected`; `mistakes` explains well-known wrong values."""
    value = asked(test, ask, {"do": "value"}, "value")
    if value is None:
        raise Unanswered("not answered yet.")
    if "item" in test.spec:
        value = item_of(value, test.spec["item"], test.answer)
    expected = test.spec["expected"]
    if value is None:
        raise Unanswered("not answered yet.")
    if same(value, expected):
        return Finding(test, True, told(value))
    return Finding(test, False, wrong_value(test, value, expected))


def item_of(value: Plain, item: Plain, name: str) -> Plain:
    """Return one item of a list (by number) or of a dictionary (by key); raises Unanswered."""
    if type(item) is int and isinstance(value, list) and item < len(value):
        return value[item]
    pairs = value.get("dict") if isinstance(value, dict) else None
    for pair in pairs if isinstance(pairs, list) else ():
        if isinstance(pair, list) and len(pair) == 2 and same(pair[0], item):
            return pair[1]
    raise Unanswered(f"`{name}` is {told(value)}: it has no item {item!r}.")


def wrong_value(test: Test, value: Plain, expected: Plain) -> str:
    """Return the sentence for a wrong value, with the reason where it is a well-known mistake."""
    text = f"expected {told(expected)}, came {told(value)}"
    if type(value) is not type(expected):
        text += f": a {kind_of(value)}, where a {kind_of(expected)} is asked for"
    mistakes = test.spec.get("mistakes")
    for pair in mistakes if isinstance(mistakes, list) else ():
        if isinstance(pair, list) and len(pair) == 2 and same(pair[0], value):
            return f"{text}. {pair[1]}"
    return text + "."


def judge_call(test: Test, ask: Ask) -> Finding:
    """Call a function with the inputs of `cases`, [[arguments, result], ...], and compare the results."""
    cases = test.spec["cases"]
    assert isinstance(cases, list)
    pairs = [case for case in cases if isinstance(case, list)]
    values = asked(test, ask, {"do": "call", "args": [pair[0] for pair in pairs]}, "values")
    for number, (arguments, expected) in enumerate(pairs):
        came = values[number] if isinstance(values, list) and number < len(values) else None
        if not same(came, expected):
            given = ", ".join(told(arg) for arg in arguments) if isinstance(arguments, list) else ""
            return Finding(test, False, f"{test.answer}({given}): expected {told(expected)}, came {told(came)}.")
    return Finding(test, True, f"{len(pairs)} calls")


# ---------------------------------------------------------------- kernel functions


def judge_slot(test: Test, ask: Ask) -> Finding:
    """Run generated programs on a kernel with the learner's function, and compare with the reference."""
    slot = str(test.spec["slot"])
    family, first, count = family_of(test)
    for seed in range(first, first + count):
        scenario, expected = generate(family, seed), reference(family, seed)
        came = asked(test, ask, {"do": "observe", "slot": slot, "scenario": scenario.to_plain()}, "seen")
        at = first_difference(expected, came)
        if at is not None:
            step = came[at] if isinstance(came, list) and at < len(came) else None
            if isinstance(step, dict) and "raised" in step and not test.hidden:
                raise Unanswered(f"`{test.answer}` raised {step['raised']}", "NameError" in str(step["raised"]))
            if test.hidden:
                return Finding(test, False, "differs from the reference in a program that is not shown.")
            return Finding(
                test,
                False,
                "differs from the reference; the shortest program that shows it:",
                shortest(test, ask, slot, scenario),
            )
    return Finding(test, True, f"{count} programs agree with the reference")


def family_of(test: Test) -> tuple[str, int, int]:
    """Return the programs of a slot's test: `count` of its `family`, from number `first` on."""
    first, count = test.spec.get("first", 0), test.spec["count"]
    assert type(first) is int and type(count) is int
    return str(test.spec["family"]), first, count


@lru_cache(maxsize=4096)
def reference(family: str, seed: int) -> Observation:
    """Return what the reference shows on a generated program; the same for every submission."""
    return observe(generate(family, seed))


def shortest(test: Test, ask: Ask, slot: str, scenario: Scenario) -> tuple[str, ...]:
    """Return the lines that show the difference on the shortest program that still has one."""

    def answer(shorter: Scenario) -> Plain:
        return asked(test, ask, {"do": "observe", "slot": slot, "scenario": shorter.to_plain()}, "seen")

    def fails(shorter: Scenario) -> bool:
        return first_difference(observe(shorter), answer(shorter)) is not None

    found = shorten(scenario, fails)
    return tuple(difference_lines(test.answer, found, observe(found), answer(found)))


# ---------------------------------------------------------------- programs


def judge_program(test: Test, ask: Ask) -> Finding:
    """Make a program's calls again and compare what they cost with `budget`: {"minor": 10, "system_calls": [0, 4]}."""
    scenario = recorded(test, ask)
    paid = cost(scenario)
    budget = test.spec["budget"]
    assert isinstance(budget, dict)
    for name, allowed in budget.items():
        least, most = allowed if isinstance(allowed, list) else (allowed, allowed)
        assert type(least) is int and type(most) is int
        if not least <= paid[name] <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            message = f"{MEASURES[name]}: expected {wanted}, came {paid[name]}."
            return Finding(test, False, message, tuple(call_text(call, brief=True) for call in scenario.calls[:12]))
    return Finding(test, True, ", ".join(f"{paid[name]} {MEASURES[name]}" for name in budget))


def judge_witness(test: Test, ask: Ask) -> Finding:
    """Run a program's calls on the reference and on a faulty kernel function; their results or faults must differ."""
    scenario = recorded(test, ask)
    slot, bug = str(test.spec["slot"]), str(test.spec["bug"])
    most = test.spec.get("most_calls")
    if type(most) is int and len(scenario.calls) > most:
        return Finding(test, False, f"`{test.answer}` makes {len(scenario.calls)} calls; at most {most} are asked for.")
    right, wrong = observe(scenario), observe(scenario, {slot: BUGS[bug]})
    for call, expected, came in zip(scenario.calls, right, wrong, strict=False):
        seen = [
            {key: step.get(key) for key in ("outcome", "faults", "raised")}
            for step in (expected, came)
            if isinstance(step, dict)
        ]
        if not same(seen[0], seen[1]):
            return Finding(test, True, f"{call_text(call)} tells them apart")
    text = f"{bug} and the reference answer every call of `{test.answer}` alike, with the same faults."
    return Finding(test, False, text, tuple(call_text(call, brief=True) for call in scenario.calls[:12]))


def recorded(test: Test, ask: Ask) -> Scenario:
    """Return the calls that the learner's program makes, with the files of the test; raises Unanswered."""
    start = Scenario.of({"files": test.spec.get("files", []), "config": test.spec.get("config", {}), "calls": []})
    calls = asked(test, ask, {"do": "record", "scenario": start.to_plain()}, "calls")
    try:
        scenario = Scenario.of({**start.to_plain(), "calls": calls})
    except ValueError as error:
        raise Unanswered(f"`{test.answer}`: {error}.") from None
    if not scenario.calls:
        raise Unanswered(f"`{test.answer}` makes no call yet.")
    return scenario


KINDS: dict[str, Callable[[Test, Ask], Finding]] = {
    "value": judge_value,
    "call": judge_call,
    "slot": judge_slot,
    "program": judge_program,
    "witness": judge_witness,
}
"""One function for each kind of test."""
