"""Arguments that tell a faulty function from a kernel: what counts, and what is said of the rest."""

from __future__ import annotations

import pytest

from mmaplab.grading.ask import Reply
from mmaplab.grading.bugs import PAIRS
from mmaplab.grading.judge import Finding, judge
from mmaplab.grading.plain import same, to_plain
from mmaplab.grading.questions import Test
from mmaplab.grading.situations import mprotect_of

BOTH = [[0, 2, "rwx"], [2, 4, "r-x"]]
TEST = Test("differs", "the situation", 2, "witness", False, {"pair": "careless_mprotect"})


def judged(arguments: object) -> Finding:
    def ask(request: Reply) -> Reply:
        return {"value": to_plain(arguments)}

    return judge(TEST, ask)


def test_a_situation_in_which_they_differ_passes_and_both_answers_are_told() -> None:
    finding = judged([BOTH, 0, 4, "rw-"])
    assert finding.passed
    assert finding.message == "careless_mprotect says ['', 4], the kernel ['EACCES', 2]"


def test_a_situation_in_which_they_agree_does_not_pass() -> None:
    finding = judged([BOTH, 0, 2, "rw-"])
    assert not finding.passed and finding.message.endswith("they agree.")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("text", "a text, where a list of arguments"),
        ([], "missing"),
        ([BOTH, 0, 4, "rw"], "the rights are 'rw'"),
        ([[[2, 1, "rwx"]], 0, 4, "rw-"], "pages 2 to 1"),
        ([[[0, 2, "rwz"]], 0, 4, "rw-"], "ceiling of an area is 'rwz'"),
        ([BOTH, 0, 10**9, "rw-"], "0 to 1000000000 are no range"),
        ([5, 0, 4, "rw-"], "no situation"),
        (None, "not answered yet"),
    ],
)
def test_what_is_no_situation_is_said_in_a_sentence(arguments: object, says: str) -> None:
    finding = judged(arguments)
    assert not finding.passed and says in finding.message


@pytest.mark.parametrize(
    ("areas", "start", "end", "prot", "answer"),
    [
        ([[0, 4, "rwx"]], 1, 3, "rw-", ["", 2]),
        ([[0, 4, "r-x"]], 1, 3, "rw-", ["EACCES", 0]),
        ([[0, 2, "rwx"], [3, 4, "rwx"]], 0, 4, "r--", ["ENOMEM", 2]),
        ([[1, 2, "rwx"]], 0, 2, "r--", ["ENOMEM", 0]),
        ([[0, 2, "rwx"], [2, 4, "r-x"]], 1, 4, "rwx", ["EACCES", 1]),
    ],
)
def test_a_situation_is_answered_by_the_kernel(areas: list, start: int, end: int, prot: str, answer: list) -> None:
    assert mprotect_of(areas, start, end, prot) == answer


def test_every_pair_has_a_faulty_one_that_is_right_for_most() -> None:
    right, wrong = PAIRS["careless_mprotect"]
    agree = [same(right(BOTH, 0, end, prot), wrong(BOTH, 0, end, prot)) for end in (1, 2, 3) for prot in ("r--", "rw-")]
    assert agree.count(False) == 1
