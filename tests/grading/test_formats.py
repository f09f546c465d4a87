"""Results for other programs: JUnit XML as its readers take it, and results.json as Gradescope documents it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from mmaplab.grading.formats import gradescope, junit
from mmaplab.grading.report import page, write_reports

from .helpers import BILL, KEYS, solutions, submission

TEST_FIELDS = {
    "score": int,
    "max_score": int,
    "status": str,
    "name": str,
    "number": str,
    "output": str,
    "output_format": str,
    "visibility": str,
    "tags": list,
}
"""The fields of a test that Gradescope's specification names, and that are used here."""


@pytest.fixture(scope="module")
def result(grade: Callable[[bytes], dict]) -> dict:
    """One question is right, one wrong, one raises, the others are not answered."""
    right = solutions()
    wrong = "first_pass = [0]\nshifted = ['\\x00\\ud800 <b>']\nsecond_pass = 0"
    return grade(submission({"fault-bill": right["fault-bill"], "fault-recall": wrong, "fault-exact": "1 / 0"}))


def broken() -> dict:
    """Return the result of a file that is no notebook."""
    nothing = {"assignment": "", "points": 0, "max": 0, "questions": [], "notes": []}
    return {"name": "x\x00\ud800.ipynb", "sha256": "0", "broken": "The file is empty.", **nothing}


def test_junit_has_a_suite_for_each_question_and_a_case_for_each_test(result: dict) -> None:
    suites = ET.fromstring(junit(result))
    assert [suite.get("name") for suite in suites] == [question["title"] for question in result["questions"]]
    tests = [test for question in result["questions"] for test in question["tests"]]
    assert suites.get("tests") == str(len(tests))
    assert suites.get("failures") == str(sum(not test["passed"] for test in tests))
    cases = list(suites.iter("testcase"))
    assert [case.find("failure") is None for case in cases] == [test["passed"] for test in tests]
    assert {case.get("classname") for case in cases} >= {"05_the_page_fault.fault-bill"}
    assert "ZeroDivisionError" in str(suites[KEYS.index("fault-exact")].findtext("system-out"))


def test_junit_of_what_could_not_be_graded_has_one_error() -> None:
    suites = ET.fromstring(junit(broken()))
    assert (suites.get("tests"), suites.get("errors"), suites.get("failures")) == ("1", "1", "0")
    assert suites.find(".//error").get("message") == "The file is empty."


def test_gradescope_has_the_fields_that_it_documents(result: dict) -> None:
    found = json.loads(gradescope(result))
    assert found["score"] == result["points"] == BILL + 1
    assert found["visibility"] == "visible" and found["stdout_visibility"] == "hidden"
    assert sum(test["score"] for test in found["tests"]) == found["score"]
    assert sum(test["max_score"] for test in found["tests"]) == result["max"]
    for test in found["tests"]:
        assert {name: type(test[name]) for name in TEST_FIELDS} == TEST_FIELDS
        assert test["status"] in ("passed", "failed") and test["output_format"] == "text"
        assert test["visibility"] == ("after_published" if test["name"].endswith("(hidden)") else "visible")
    assert found["tests"][0]["number"] == "1.1" and found["tests"][0]["tags"] == ["fault-recall"]
    assert "expected [0, 16, 32], came [0]" in found["tests"][0]["output"]


def test_gradescope_of_what_could_not_be_graded_says_why() -> None:
    found = json.loads(gradescope(broken()))
    assert (found["score"], found["output"], found["tests"]) == (0, "The file is empty.", [])


def test_no_format_shows_a_hidden_test(result: dict) -> None:
    for text in (junit(result), gradescope(result), page(result, "")):
        assert "[0, 16, 27]" not in text and "[1, 0, 1, 0, 1, 1]" not in text
        assert "(hidden)" in text


def test_a_report_has_a_file_of_each_kind_for_each_submission(result: dict, tmp_path: Path) -> None:
    others = [{**result, "name": name} for name in ("a/x.ipynb", "a x.ipynb", "../x.ipynb")]
    write_reports(tmp_path, [result, *others, broken()], "none")
    for folder in ("pages", "junit", "gradescope"):
        assert len(list((tmp_path / folder).iterdir())) == 5
    write_reports(tmp_path, [result], "none")  # the files of those that are gone go
    assert [len(list((tmp_path / folder).iterdir())) for folder in ("pages", "junit", "gradescope")] == [1, 1, 1]
