"""Judging in a fork: the same findings as without, and data that take too much stop the judge, not the grader."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Iterator

import pytest

from mmaplab.grading.apart import Judges
from mmaplab.grading.ask import Ask, Died, Reply
from mmaplab.grading.judge import judge
from mmaplab.grading.questions import Test

VALUE = Test("value", "the number", 2, "x", False, {"expected": 42})
PROGRAM = Test("program", "the cost", 1, "program", False, {"budget": {"minor": 1}})
DIFFERS = Test("differs", "the situation", 2, "witness", False, {"pair": "careless_queue"})
NAMED = {"name": ["a", 0]}
FORKS = [["p", "mmap", [0x10000000, 32 << 20, 3, 0x8022, -1, 0], ["a"]], *[["p", "fork", [], ["c"]]] * 1900]


def handing(reply: Reply) -> Ask:
    return lambda request: reply


@pytest.fixture
def judges() -> Iterator[Judges]:
    """Judges with little patience."""
    made = Judges(cpu_seconds=1)
    yield made
    made.close()


@pytest.mark.parametrize("reply", [{"value": 42}, {"value": 41}, {"missing": "x"}, {"raised": "oh"}, {}])
def test_a_judge_apart_finds_the_same(judges: Judges, reply: Reply) -> None:
    assert judges.judge(VALUE, handing(reply)) == judge(VALUE, handing(reply))
    assert len(judges.idle) == 1, "it is kept for the next test"


def test_the_death_of_the_answers_process_is_told_and_costs_no_judge(judges: Judges) -> None:
    def dead(request: Reply) -> Reply:
        raise Died("it died of SIGSEGV")

    assert judges.judge(VALUE, dead).message == "`x` gave no answer: it died of SIGSEGV."
    assert len(judges.idle) == 1


def test_a_program_that_takes_too_much_is_ended_and_the_next_test_goes_on(judges: Judges) -> None:
    finding = judges.judge(PROGRAM, handing({"calls": FORKS, "died": ""}))
    assert not finding.passed
    assert finding.message.startswith("What `program` handed over takes too much to judge: ")
    assert judges.judge(VALUE, handing({"value": 42})).passed


def test_memory_is_limited(judges: Judges) -> None:
    judges.more_bytes, judges.cpu_seconds = 16 << 20, 20
    finding = judges.judge(PROGRAM, handing({"calls": FORKS, "died": ""}))
    assert "takes too much to judge" in finding.message


def test_a_judge_that_was_killed_is_replaced_and_costs_no_point(judges: Judges) -> None:
    def killing(request: Reply) -> Reply:
        for child in killed[:1]:
            child._kill()
        del killed[:1]
        return {"value": 42}

    judges.judge(VALUE, handing({"value": 42}))
    killed = list(judges.idle)
    assert judges.judge(VALUE, killing).passed


@pytest.mark.parametrize(
    "calls",
    [
        [["p", "mmap", [0x10000000, 1 << 46, 3, 0x4022, -1, 0], ["a"]], ["p", "mincore", [NAMED, NAMED], []]],
        [["p", "mmap", [0x10000000, 1 << 40, 3, 0x2022, -1, 0], ["a"]]],
    ],
    ids=["a length by name", "an area that is locked"],
)
def test_a_program_that_says_that_it_takes_much_is_not_run(calls: list) -> None:
    finding = judge(PROGRAM, handing({"calls": calls, "died": ""}))
    assert "only a number says how much" in finding.message or "touch more than 64 MiB" in finding.message


def test_a_situation_of_thousands_of_steps_is_refused() -> None:
    finding = judge(DIFFERS, handing({"value": [[["get"]] * 50_000]}))
    assert finding.message == "`witness` is no situation for it: it has more than 1000 numbers, texts and lists."


def test_judges_travel_without_their_processes(judges: Judges) -> None:
    judges.judge(VALUE, handing({"value": 42}))
    assert pickle.loads(pickle.dumps(judges)) == Judges(cpu_seconds=1)


def test_ctrl_c_does_not_reach_a_judge(judges: Judges) -> None:
    judges.judge(VALUE, handing({"value": 42}))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            judges.judge(VALUE, interrupted)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not judges.idle, "a judge that was left in the middle is ended"


def interrupted(request: Reply) -> Reply:
    os.kill(os.getpid(), signal.SIGINT)
    return {"value": 42}
