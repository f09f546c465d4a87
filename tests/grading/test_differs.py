"""Arguments that tell a faulty function from a kernel: what counts, and what is said of the rest."""

from __future__ import annotations

import pytest

from mmaplab.grading.ask import Reply
from mmaplab.grading.judge import Finding, judge
from mmaplab.grading.pairs import PAIRS
from mmaplab.grading.plain import same, to_plain
from mmaplab.grading.questions import Test
from mmaplab.grading.situations import mprotect_of, unmapped_of

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
        ([], "it holds 0 things, and 4 are given: areas, start, end, prot"),
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


@pytest.mark.parametrize(
    ("areas", "first", "behind", "gone"),
    [
        ([[0, 4, 2]], 1, 4, [0, 1]),
        ([[5, 6, 3]], 4, 6, [6, 7]),
        ([[0, 6, 0], [10, 4, 3]], 2, 5, [2, 3, 4, 10, 11]),
        ([[0, 4, 0]], 4, 9, []),
        ([], 0, 1, []),
    ],
)
def test_the_kernel_clears_the_entries_of_the_pages_that_go(areas: list, first: int, behind: int, gone: list) -> None:
    assert unmapped_of(areas, first, behind) == gone


def test_the_careless_way_back_takes_too_much_where_an_area_begins_inside_the_range() -> None:
    right, wrong = PAIRS["careless_unmap"]
    assert wrong([[0, 4, 2]], 1, 4) == [0, 1, 2] != right([[0, 4, 2]], 1, 4)
    assert wrong([[5, 6, 3]], 4, 6) == right([[5, 6, 3]], 4, 6)


@pytest.mark.parametrize(
    ("areas", "first", "behind", "says"),
    [
        ([[0, 0, 0]], 0, 1, "an area is"),
        ([[3, 2, 0], [4, 1, 0]], 0, 1, "in order"),
        ([[0, 65, 0]], 0, 1, "no page is above 64"),
        ([[0, 1, 64]], 0, 1, "no page is above 64"),
        ([[0, 1, 0]], 3, 3, "no range"),
        ([[0, 1, 0]], 0, 65, "no range"),
    ],
)
def test_what_is_no_situation_of_a_file_that_loses_pages(areas: list, first: int, behind: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        unmapped_of(areas, first, behind)
