"""Judging an answer: ask the process that holds it for plain data, and compare here.

    kind      what is asked for                         what is compared
    value     a variable                                its value, type by type, with `expected`
    call      results of a function for given inputs    each with the expected one
    slot      observations on generated programs        with the reference's observations, made here
    kernel    the same, of several functions at once    with the reference's observations
    program   the calls that a program makes            what they cost when they are made again, here
    witness   the calls that a program makes            they must cost something else under a faulty kernel function
    variant   a seed, and an answer                     the answer with that for the seed's own program
    differs   the arguments of a function on plain data a faulty version must answer otherwise than a kernel

Every kind is one function `(test, ask) -> Finding`. Whatever an answer does, the test ends with a finding.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from mmaplab.calls import call_text
from mmaplab.grading.ask import Ask, Died
from mmaplab.grading.asked import Finding, Unanswered, asked, replied, wrong_value
from mmaplab.grading.bugs import BUGS
from mmaplab.grading.cost import measure, measure_words, run_again
from mmaplab.grading.difference import OWN_FAULTS, difference_lines, first_difference, step_text
from mmaplab.grading.families import generate
from mmaplab.grading.observe import observe
from mmaplab.grading.picture import difference_picture
from mmaplab.grading.plain import Plain, kind_of, same, told
from mmaplab.grading.programs import Scenario
from mmaplab.grading.questions import Test
from mmaplab.grading.shorten import shorten
from mmaplab.grading.usage import busy
from mmaplab.grading.variant import judge_variant
from mmaplab.grading.whole import name_of, programs_of, reference, seen

BUDGET = 600
"""How many programs are tried in all to find the shortest."""
SHORTEN_SECONDS, SLOW_SECONDS = 20.0, 1.0
"""How long that may take in all, and a single one, on an idle machine; no shorter one is looked for after that."""
MOST_FAILING = 3
"""So many failing programs are shortened; the shortest result is shown."""
MOST_LINES = 16
"""Lines of a program that is shown as it was generated."""
MOST_PARTS = 1000
"""Values in a situation that is given to a faulty function: those that tell it from a kernel have a few dozen."""
WORDS = {
    "": "differs from the reference",
    "raised": "raises an error",
    "wrong_type": "gives back something that the kernel cannot use",
    "endless": "does not come to an end",
    "broken": "leaves the kernel broken",
}


def judge(test: Test, ask: Ask) -> Finding:
    """Return what the test found; never raises for whatever the answer does."""
    try:
        return KINDS[test.kind](test, ask)
    except Died as error:
        return Finding(test, False, f"`{test.answer}` gave no answer: {error}.")
    except Unanswered as error:
        return Finding(test, False, str(error), missing=error.missing)
    except MemoryError:
        return Finding(test, False, f"What `{test.answer}` handed over takes too much to judge: too little memory.")
    except Exception as error:  # data of a kind that no answer hands over by accident
        return Finding(test, False, f"`{test.answer}` handed over data that cannot be read ({type(error).__name__}).")


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
    """Run generated programs on a kernel with the learner's function, or several, and compare with the reference."""
    programs = programs_of(test)
    failing: list[tuple[Scenario, Plain]] = []
    for family, seed in programs:
        scenario, expected = generate(family, seed), reference(family, seed)
        try:
            came = seen(test, ask, scenario)
        except Died as error:
            return died(test, scenario, error)
        at = first_difference(expected, came)
        if at is None:
            continue
        if test.hidden:
            return Finding(test, False, "differs from the reference in a program that is not shown.")
        failing.append((replace(scenario, calls=scenario.calls[: at + 1]), came))
        if len(failing) == MOST_FAILING or is_endless(came):
            break
    if failing:
        return found_in(test, ask, failing)
    return Finding(test, True, f"{len(programs)} programs agree with the reference")


def died(test: Test, scenario: Scenario, error: Died) -> Finding:
    """Return the finding for a function that ended its process, or did not come back, in a program."""
    lines = () if test.hidden else ("in this program:", *(f"    {line}" for line in scenario.lines()[:MOST_LINES]))
    who = name_of(test) if test.kind == "kernel" else f"`{test.answer}`"
    return Finding(test, False, f"{who} gave no answer: {error}.", lines)


def found_in(test: Test, ask: Ask, failing: Sequence[tuple[Scenario, Plain]]) -> Finding:
    """Return the finding with the shortest program that shows a difference, of those got from several."""
    found, came = failing[-1]
    scenarios, budget = [scenario for scenario, _ in failing], BUDGET
    if is_endless(came):  # each try lasts until the limit
        scenarios, budget = scenarios[-1:], BUDGET // 10

    patience = Patience(SHORTEN_SECONDS * busy(), SLOW_SECONDS * busy())

    def fails(shorter: Scenario) -> bool:
        if not patience.lasts:
            return shorter in scenarios  # those do: that is why they are here
        return patience.of(lambda: first_difference(observe(shorter), seen(test, ask, shorter)) is not None)

    shown = "the shortest program that shows it"
    try:
        found = min((shorten(scenario, fails, budget // len(scenarios)) for scenario in scenarios), key=size)
        came = seen(test, ask, found)
        shown = shown if patience.lasts else "a program that shows it (the function is too slow to find the shortest)"
    except Died as error:
        shown = f"a program that shows it (on a shorter one, {error})"
    return told_difference(test, found, came, shown)


@dataclass
class Patience:
    """How long a shorter program is looked for: so many seconds in all, and not after three tries that were `slow`.

    One try may be slow by chance, where the machine does something else: that must not change what is shown.
    """

    seconds: float
    slow: float
    slow_ones: int = 3

    @property
    def lasts(self) -> bool:
        """May there be another try?"""
        return self.seconds > 0 and self.slow_ones > 0

    def of(self, attempt: Callable[[], bool]) -> bool:
        """Return what a try says, and count its seconds, those of a slow one apart."""
        began = time.monotonic()
        said = attempt()
        took = time.monotonic() - began
        if took < self.slow:
            self.seconds -= took
        else:
            self.slow_ones -= 1
        return said


def told_difference(test: Test, scenario: Scenario, came: Plain, shown: str) -> Finding:
    """Return the finding for a program on which a kernel function differs, with both answers and a picture."""
    expected = observe(scenario)
    at = first_difference(expected, came)
    step = came[at] if at is not None and isinstance(came, list) and at < len(came) else None
    kind = next((kind for kind in OWN_FAULTS if isinstance(step, dict) and kind in step), "")
    if kind == "broken" and at is not None and step_text(expected[at]) != step_text(step).partition(", but ")[0]:
        kind = ""  # the answer is wrong as well, which says more
    return Finding(
        test,
        False,
        f"{WORDS[kind]}; {shown}:",
        tuple(difference_lines(name_of(test), scenario, expected, came)),
        missing=kind == "raised" and isinstance(step, dict) and "NameError" in str(step["raised"]),
        program=scenario,
        picture=difference_picture(name_of(test), scenario, expected, came),
    )


def is_endless(came: Plain) -> bool:
    """Has the learner's function been stopped in a loop?"""
    return isinstance(came, list) and any(isinstance(step, dict) and "endless" in step for step in came)


def size(scenario: Scenario) -> tuple[int, int]:
    """Return how long a program is: its calls, then the letters it is written with."""
    return len(scenario.calls), len("".join(scenario.lines()))


# ---------------------------------------------------------------- programs


def judge_program(test: Test, ask: Ask) -> Finding:
    """Make a program's calls again and compare what they cost with `budget`: {"minor": 10, "system_calls": [0, 4]}."""
    scenario, died = recorded(test, ask)
    run = run_again(scenario)
    paid: dict[str, int] = {}
    budget = test.spec["budget"]
    assert isinstance(budget, dict)
    for name, allowed in budget.items():
        least, most = allowed if isinstance(allowed, list) else (allowed, allowed)
        assert type(least) is int and type(most) is int
        paid[name] = measure(run, name)
        if not least <= paid[name] <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            message = f"{measure_words(name)}: expected {wanted}, came {paid[name]}{end_of_file(name, paid[name])}."
            message += f" `{test.answer}` ended with {died}." * bool(died)
            return Finding(test, False, message, tuple(call_text(call, brief=True) for call in scenario.calls[:12]))
    return Finding(test, True, ", ".join(f"{measure_words(name)}: {came}" for name, came in paid.items()))


def end_of_file(name: str, came: int) -> str:
    """Return what -1 means where a byte of a file is asked for."""
    return " (no byte: the file ends before it)" if came == -1 and name.startswith(("byte:", "disk:")) else ""


def judge_witness(test: Test, ask: Ask) -> Finding:
    """Run a program's calls on the reference and on a faulty kernel function; their results or faults must differ.

    Where the test says so (`areas`), other areas, or other entries in them, count as well.
    """
    scenario, _ = recorded(test, ask)
    slot, bug = str(test.spec["slot"]), str(test.spec["bug"])
    most = test.spec.get("most_calls")
    if type(most) is int and len(scenario.calls) > most:
        return Finding(test, False, f"`{test.answer}` makes {len(scenario.calls)} calls; at most {most} are asked for.")
    right, wrong = observe(scenario), observe(scenario, {slot: BUGS[bug]}, to_the_end=True)
    for call, expected, came in zip(scenario.calls, right, wrong, strict=False):
        seen = [
            {key: step.get(key) for key in ("outcome", "faults", "raised") + ("space",) * bool(test.spec.get("areas"))}
            for step in (expected, came)
            if isinstance(step, dict)
        ]
        if not same(seen[0], seen[1]):
            return Finding(test, True, f"{call_text(call)} tells them apart")
    text = f"{bug} and the reference answer every call of `{test.answer}` alike, with the same faults."
    return Finding(test, False, text, tuple(call_text(call, brief=True) for call in scenario.calls[:12]))


def judge_differs(test: Test, ask: Ask) -> Finding:
    """Give the learner's arguments to a faulty function (`pair`) and make them on a kernel: the answers must differ."""
    arguments = asked(test, ask, {"do": "value"}, "value")
    if arguments is None:
        raise Unanswered("not answered yet.")
    from mmaplab.grading.pairs import PAIRS  # only here: an answer's process has no such room

    right, wrong = PAIRS[str(test.spec["pair"])]
    try:
        assert isinstance(arguments, list), f"a {kind_of(arguments)}, where a list of arguments is asked for"
        assert parts_of(arguments) <= MOST_PARTS, f"it has more than {MOST_PARTS} numbers, texts and lists"
        takes = list(inspect.signature(wrong).parameters)
        assert len(arguments) == len(takes), (
            f"it holds {len(arguments)} things, and {len(takes)} are given: {', '.join(takes)}"
        )
        expected, came = right(*arguments), wrong(*arguments)
    except Exception as error:
        return Finding(test, False, f"`{test.answer}` is no situation for it: {error}.")
    said = f"{test.spec['pair']} says {told(came)}, the kernel {told(expected)}"
    return Finding(test, not same(expected, came), f"{said}{'; they agree.' * same(expected, came)}")


def parts_of(value: Plain) -> int:
    """Return how many values a plain value is made of, itself among them."""
    inner = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    return 1 + sum(map(parts_of, inner))


def recorded(test: Test, ask: Ask) -> tuple[Scenario, str]:
    """Return the calls that the learner's program makes, with the files of the test, and the error that it ended with.

    The error is empty where it came to its end. Raises Unanswered.
    """
    start = Scenario.of({"files": test.spec.get("files", []), "config": test.spec.get("config", {}), "calls": []})
    reply = replied(test, ask, {"do": "record", "scenario": start.to_plain()}, "calls")
    died = str(reply.get("died", ""))[:200]
    try:
        scenario = Scenario.of({**start.to_plain(), "calls": reply["calls"]})
    except ValueError as error:
        raise Unanswered(f"`{test.answer}`: {error}.") from None
    if not scenario.calls:
        raise Unanswered(f"`{test.answer}` makes no call yet{f': it ended with {died}' * bool(died)}.")
    return scenario, died


KINDS: dict[str, Callable[[Test, Ask], Finding]] = {
    "value": judge_value,
    "call": judge_call,
    "slot": judge_slot,
    "kernel": judge_slot,
    "program": judge_program,
    "witness": judge_witness,
    "differs": judge_differs,
    "variant": judge_variant,
}
"""One function for each kind of test."""
