"""Submissions for the tests: the released exercise with other sources in its answer cells."""

from __future__ import annotations

import copy
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXERCISE = ROOT / "exercises" / "05_the_page_fault.ipynb"
MASTER = ROOT / "solutions" / "05_the_page_fault.ipynb"
CAPSTONE = ROOT / "solutions" / "11_when_to_use_it.ipynb"
MASTERS = sorted((ROOT / "solutions").glob("*.ipynb"))


def notebook(path: Path = EXERCISE) -> dict:
    """Return a notebook file as data."""
    return json.loads(path.read_text(encoding="utf-8"))


def cell_named(book: dict, grade_id: str) -> dict:
    """Return the cell with a grade_id."""
    return next(c for c in book["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") == grade_id)


def submission(answers: dict[str, str], book: dict | None = None) -> bytes:
    """Return the exercise with these sources in its answer cells, by question."""
    made = copy.deepcopy(book or notebook())
    for key, source in answers.items():
        cell_named(made, f"{key}-answer")["source"] = source
    return json.dumps(made).encode()


def full_marks(path: Path = MASTER) -> dict[str, int]:
    """Return the points that a master gives for each of its questions."""
    cells = [cell["metadata"].get("nbgrader", {}) for cell in notebook(path)["cells"]]
    return {cell["grade_id"]: cell["points"] for cell in cells if cell.get("grade")}


def exercise(master: Path) -> Path:
    """Return the exercise that is made from a master."""
    return ROOT / "exercises" / master.name


def solutions(master: Path = MASTER) -> dict[str, str]:
    """Return the master's answers, by question."""
    book = notebook(master)
    return {key: "".join(cell_named(book, f"{key}-answer")["source"]) for key in full_marks(master)}


def points(result: dict) -> dict[str, int]:
    """Return the points of a result, by question."""
    return {question["key"]: question["points"] for question in result["questions"]}


def corpus(name: str) -> list[tuple[list[str], str]]:
    """Return the sections of a file beside this one: the words of each heading, and the source below it."""
    text = (Path(__file__).parent / name).read_text(encoding="utf-8")
    sections = [section.partition("\n") for section in text.split("\n=== ")[1:]]
    return [([word.strip() for word in head.split("|")], source.strip() + "\n") for head, _, source in sections]


FULL = full_marks()
"""The points of each question of the exercise that the tests hand in."""
KEYS = tuple(FULL)
TOTAL = sum(FULL.values())
RECALL, BILL = FULL["fault-recall"], FULL["fault-bill"]
