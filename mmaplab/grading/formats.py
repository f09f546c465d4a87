"""Results for other programs: JUnit XML for test viewers, and results.json for Gradescope, a file for each submission.

    junit/anna.ipynb-1f2e3d4c.xml         a suite for each question, a case for each test
    gradescope/anna.ipynb-1f2e3d4c.json   gradescope-autograders.readthedocs.io/en/latest/specs, "Output format"

On Gradescope, `run_autograder` grades the folder /autograder/submission and copies the one file of gradescope/ to
/autograder/results/results.json. Like the pages, both hold messages, and of hidden tests only labels.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from mmaplab.grading.plain import Plain

Result = dict[str, Plain]

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped: control characters, and halves of surrogate pairs."""


# ---------------------------------------------------------------- JUnit


def junit(result: Result) -> str:
    """Return a submission's result as JUnit XML; a submission that could not be graded is one case with an error."""
    suites = ET.Element("testsuites", name=clean(result["name"]))
    if result["broken"]:
        suite = ET.SubElement(suites, "testsuite", name="submission")
        case = ET.SubElement(suite, "testcase", classname="submission", name="can be read")
        ET.SubElement(case, "error", message=clean(result["broken"]), type="unreadable")
        count(suite)
    for question in dicts(result["questions"]):
        add_suite(suites, result, question)
    count(suites)
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=False) + "\n"


def add_suite(suites: ET.Element, result: Result, question: Result) -> None:
    """Add a question, with its tests."""
    suite = ET.SubElement(suites, "testsuite", name=clean(question["title"]))
    properties = ET.SubElement(suite, "properties")
    for name in ("key", "points", "max"):
        ET.SubElement(properties, "property", name=name, value=clean(question[name]))
    for test in dicts(question["tests"]):
        place = f"{result['assignment']}.{question['key']}"
        case = ET.SubElement(suite, "testcase", classname=clean(place), name=clean(label(test)))
        if not test["passed"]:
            failure = ET.SubElement(case, "failure", message=clean(test["message"]), type="lost")
            failure.text = clean(lines_of(test))
    if question["notes"]:
        ET.SubElement(suite, "system-out").text = clean("\n".join(texts(question["notes"])))
    count(suite)


def count(element: ET.Element) -> None:
    """Write into an element how many cases it holds, and how many of them failed."""
    for name, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
        element.set(name, str(sum(1 for _ in element.iter(tag))))


def clean(value: Plain) -> str:
    """Return a text that XML can hold."""
    return NOT_XML.sub("\ufffd", str(value))


# ---------------------------------------------------------------- Gradescope


def gradescope(result: Result) -> str:
    """Return a submission's result as Gradescope's results.json. Hidden tests show when the grades are published."""
    notes = [str(result["broken"])] * bool(result["broken"]) + texts(result["notes"])
    tests = [gradescope_test(question, test, number) for question, test, number in numbered(result)]
    return json.dumps(
        {
            "score": result["points"],
            "output": "\n".join(notes),
            "output_format": "text",
            "visibility": "visible",
            "stdout_visibility": "hidden",
            "extra_data": {"submission": result["name"], "sha256": result["sha256"], "max": result["max"]},
            "tests": tests,
        },
        indent=1,
    )


def gradescope_test(question: Result, test: Result, number: str) -> Result:
    """Return one test as Gradescope has it."""
    return {
        "name": f"{question['title']}: {label(test)}",
        "number": number,
        "score": test["points"],
        "max_score": test["max"],
        "status": "passed" if test["passed"] else "failed",
        "output": "\n".join([str(test["message"]), *texts(test["lines"])]),
        "output_format": "text",
        "visibility": "after_published" if test["hidden"] else "visible",
        "tags": [str(question["key"])],
    }


def numbered(result: Result) -> Iterator[tuple[Result, Result, str]]:
    """Yield each test with its question and a number: 2.3 is the third test of the second question."""
    for first, question in enumerate(dicts(result["questions"]), 1):
        for second, test in enumerate(dicts(question["tests"]), 1):
            yield question, test, f"{first}.{second}"


# ---------------------------------------------------------------- parts of a result


def label(test: Result) -> str:
    """Return what a test is called."""
    return f"{test['label']}{' (hidden)' if test['hidden'] else ''}"


def lines_of(test: Result) -> str:
    """Return a test's message with the lines that show it."""
    return "\n".join([str(test["message"]), *texts(test["lines"])])


def texts(value: Plain) -> list[str]:
    """Return the items of a list as texts; [] for what is no list."""
    return [str(item) for item in value] if isinstance(value, list) else []


def dicts(value: Plain) -> list[Result]:
    """Return the items of a list that are dictionaries."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
