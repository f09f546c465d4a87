"""From the masters in `solutions/` to the exercises in `exercises/`, byte for byte the same on every run.

    solutions/05_the_page_fault.ipynb   --nbgrader's own preprocessors-->   exercises/05_the_page_fault.ipynb
                                        --the public part of its questions-->   mmaplab/grading/public/*.json

nbgrader is used as a library, without its database and course folder. Its metadata (schema 3) stays in both notebooks,
so that an instructor can hand the masters to nbgrader as well. Needs the extra `instructor`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader import preprocessors
from traitlets.config import Config

from mmaplab.grading.questions import Question, question_data, questions_of
from mmaplab.grading.submission import STUB

STEPS = (
    preprocessors.LockCells,
    preprocessors.ClearSolutions,
    preprocessors.ClearOutput,
    preprocessors.CheckCellMetadata,
    preprocessors.ComputeChecksums,
    preprocessors.ClearHiddenTests,
    preprocessors.ClearMarkScheme,
    preprocessors.ComputeChecksums,
    preprocessors.CheckCellMetadata,
)
"""nbgrader's order of `generate_assignment`, less what needs its database or its course folder."""
KEYS = {"grade", "grade_id", "locked", "schema_version", "solution", "task", "points", "cell_type", "checksum"}


class BadMaster(ValueError):
    """A master breaks a rule; the message says which cell and which rule."""


@dataclass(frozen=True)
class Product:
    """A file that the release makes: where it goes, and its bytes."""

    path: Path
    data: bytes

    @property
    def current(self) -> bool:
        """Is the file there, with these bytes?"""
        return self.path.is_file() and self.path.read_bytes() == self.data


def release(root: Path) -> list[Product]:
    """Return every file that the masters under `root`/solutions give; writes nothing. Raises BadMaster."""
    products: list[Product] = []
    masters = sorted((root / "solutions").glob("*.ipynb"))
    if not masters:
        raise BadMaster(f"there are no masters in {root / 'solutions'}: run this in the project's folder")
    keys: dict[str, str] = {}
    for master in masters:
        text = master.read_text(encoding="utf-8")
        for question in check_master(text, master.name):
            if question.key in keys:
                raise BadMaster(f"{master.name}: the question {question.key!r} is in {keys[question.key]} already")
            keys[question.key] = master.name
        public = root / "mmaplab" / "grading" / "public" / f"{master.stem}.json"
        products.append(Product(root / "exercises" / master.name, exercise_of(text).encode()))
        products.append(Product(public, public_part(text).encode()))
    return products


def exercise_of(master: str) -> str:
    """Return the exercise notebook that a master notebook gives, both as JSON text."""
    notebook = nbformat.reads(master, as_version=4)
    resources: dict[str, object] = {"metadata": {}, "nbgrader": {}}
    for step in STEPS:
        notebook, resources = step(config=configuration()).preprocess(notebook, resources)
    return str(nbformat.writes(notebook)).rstrip("\n") + "\n"


def configuration() -> Config:
    """Return nbgrader's configuration for our masters."""
    config = Config()
    config.ClearSolutions.code_stub = {"python": STUB}
    config.ClearSolutions.enforce_metadata = True
    return config


def public_part(master: str) -> str:
    """Return the public part of a master's questions as JSON text: what `check` reads at the desk."""
    found = [question_data(cell) for cell in nbformat.reads(master, as_version=4).cells]
    return json.dumps([data for data in found if data is not None], indent=1, ensure_ascii=False) + "\n"


def check_master(master: str, name: str) -> list[Question]:
    """Return the questions of a master; raises BadMaster where it breaks a rule of nbgrader's or of ours."""
    notebook = nbformat.reads(master, as_version=4)
    try:
        questions = questions_of(notebook.cells)
    except ValueError as error:
        raise BadMaster(f"{name}: {error}") from None
    ids: dict[str, NotebookNode] = {}
    for number, cell in enumerate(notebook.cells, 1):
        for complaint in _complaints(cell, ids):
            raise BadMaster(f"{name}, cell {number}: {complaint}")
        if "nbgrader" in cell.metadata:
            ids[cell.metadata.nbgrader.grade_id] = cell
    for question in questions:
        answer = ids.get(f"{question.key}-answer")
        if question.key not in ids or answer is None or not answer.metadata.nbgrader.solution:
            raise BadMaster(
                f"{name}: {question.key} needs cells {question.key!r} and '{question.key}-answer' (a solution)"
            )
        if ids[question.key].metadata.nbgrader.get("points") != question.points:
            raise BadMaster(
                f"{name}: {question.key} gives {question.points} points, its nbgrader metadata say another number"
            )
    return questions


def _complaints(cell: NotebookNode, known: dict[str, NotebookNode]) -> Iterator[str]:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", cell.get("id", "")):
        yield "it has no id of its own; give it one that stays"
    if "nbgrader" not in cell.metadata:
        if question_data(cell) is not None:
            yield "it holds a question, but no nbgrader metadata"
        return
    ours = cell.metadata.nbgrader
    if ours.get("schema_version") != 3 or set(ours) - KEYS:
        yield f"its nbgrader metadata must have schema_version 3 and no other keys than {', '.join(sorted(KEYS))}"
    if not re.fullmatch(r"[A-Za-z0-9_-]+", ours.get("grade_id", "")):
        yield f"grade_id {ours.get('grade_id')!r} may hold letters, digits, - and _ only"
    if ours.get("grade_id") in known:
        yield f"the grade_id {ours.grade_id!r} is used twice"
