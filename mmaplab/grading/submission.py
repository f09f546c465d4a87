"""A submission: from the bytes of a file to the answers in it, whatever state the file is in.

What counts are the sources of the answer cells and of cells that the learner added. All other cells come from the
master, so that what a submission did to them cannot matter; that it did something is noted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mmaplab.grading.questions import BEGIN_HIDDEN, END_HIDDEN, Question, question_data, questions_of, source_of

MOST_BYTES = 20 << 20
"""The largest notebook that is read."""
STUB = "# YOUR ANSWER HERE"
"""What stands in an exercise where the master has a solution."""
BEGIN_SOLUTION, END_SOLUTION = "### BEGIN SOLUTION", "### END SOLUTION"


class Unreadable(ValueError):
    """The file is no notebook that can be graded; the message is a sentence."""


@dataclass(frozen=True)
class MasterCell:
    """A code cell of a master: `role` is 'setup', 'answer' or 'check'; `stub` is what the exercise has in its place."""

    cell_id: str
    grade_id: str
    role: str
    source: str
    stub: str


@dataclass(frozen=True)
class Assignment:
    """A master and its exercise, as the grader needs them."""

    name: str
    questions: tuple[Question, ...]
    cells: tuple[MasterCell, ...]

    def setup_before(self, grade_id: str) -> list[str]:
        """Return the sources of the given cells that stand before a cell."""
        found = []
        for cell in self.cells:
            if cell.grade_id == grade_id:
                break
            if cell.role == "setup":
                found.append(cell.source)
        return found

    def cell(self, grade_id: str) -> MasterCell:
        """Return a cell by its grade_id."""
        return next(cell for cell in self.cells if cell.grade_id == grade_id)


@dataclass
class Submission:
    """The code of a submission. `own` are its cells in order, as (role, grade_id, source); '' marks an added cell."""

    own: list[tuple[str, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def answer(self, grade_id: str) -> str | None:
        """Return the source of an answer cell, of the last one where there are several; None where there is none."""
        found = [source for role, name, source in self.own if role == "answer" and name == grade_id]
        return found[-1] if found else None


def assignment_of(name: str, master: str) -> Assignment:
    """Return the assignment that a master (a JSON text) makes; raises ValueError."""
    cells = json.loads(master)["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    kept = [MasterCell(cell["id"], grade_id_of(cell), role_of(cell), source_of(cell), stub_of(cell)) for cell in code]
    return Assignment(name, tuple(questions_of(cells)), tuple(kept))


def stub_of(cell: Mapping[str, object]) -> str:
    """Return what the exercise has in place of a master's code cell, as nbgrader makes it (release.py).

    A solution becomes a remark, hidden tests are taken out. nbgrader itself would need seconds to be loaded.
    """
    role, lines, inside = role_of(cell), [], False
    if role == "answer" and BEGIN_SOLUTION not in source_of(cell):
        return STUB  # the whole cell is the solution
    for line in source_of(cell).split("\n"):
        if role == "answer" and BEGIN_SOLUTION in line:
            lines.append(line[: len(line) - len(line.lstrip())] + STUB)
        inside = inside or (role == "answer" and BEGIN_SOLUTION in line) or BEGIN_HIDDEN in line
        if not inside:
            lines.append(line)
        inside = inside and END_SOLUTION not in line and END_HIDDEN not in line
    return "\n".join(lines)


def role_of(cell: Mapping[str, object]) -> str:
    """Is a master's code cell an answer, a check, or given?"""
    if question_data(cell) is not None:
        return "check"
    return "answer" if nbgrader_of(cell).get("solution") is True else "setup"


def nbgrader_of(cell: Mapping[str, object]) -> dict[str, object]:
    """Return a cell's nbgrader metadata, {} where it has none."""
    metadata = cell.get("metadata")
    found = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return found if isinstance(found, dict) else {}


def grade_id_of(cell: Mapping[str, object]) -> str:
    """Return a cell's grade_id, '' where it has none."""
    return str(nbgrader_of(cell).get("grade_id", ""))


# ---------------------------------------------------------------- reading


def cells_of(data: bytes) -> list[dict[str, object]]:
    """Return the cells of a notebook file of any format version; raises Unreadable with a sentence."""
    if len(data) > MOST_BYTES:
        raise Unreadable(f"The file has {len(data) >> 20} MiB; notebooks of up to {MOST_BYTES >> 20} MiB are read.")
    if not data.strip():
        raise Unreadable("The file is empty.")
    notebook = parsed(data)
    if not isinstance(notebook, dict):
        raise Unreadable("The file is JSON, but no notebook.")
    sheets = notebook.get("worksheets")
    cells = notebook.get("cells")
    if cells is None and isinstance(sheets, list):  # format 3 and before
        cells = [cell for sheet in sheets if isinstance(sheet, dict) for cell in sheet.get("cells") or []]
    if not isinstance(cells, list):
        raise Unreadable("The file is JSON, but no notebook: it has no list of cells.")
    found = [cell for cell in cells if isinstance(cell, dict)]
    return [{**cell, "source": cell.get("source", cell.get("input", ""))} for cell in found]


def parsed(data: bytes) -> object:
    """Return the JSON value of a file in any of the usual encodings; raises Unreadable."""
    for encoding in ("utf-8-sig", "utf-16", "latin-1"):
        try:
            return json.loads(data.decode(encoding))
        except UnicodeError:
            continue
        except RecursionError:
            raise Unreadable("The file is nested too deep to be a notebook.") from None
        except ValueError as error:
            if encoding == "utf-8-sig":
                raise Unreadable(f"The file is not JSON, as a notebook must be: {error}.") from None
    raise Unreadable("The file is not JSON, as a notebook must be.")


def choose(cells: Sequence[Mapping[str, object]], assignments: Sequence[Assignment]) -> Assignment:
    """Return the assignment that a notebook answers: the one whose cells it has most of. Raises Unreadable."""
    ids = {grade_id_of(cell) for cell in cells} | {str(cell.get("id", "")) for cell in cells}
    best = max(assignments, key=lambda a: sum(bool({c.grade_id, c.cell_id} - {""} & ids) for c in a.cells))
    if not any({c.grade_id, c.cell_id} - {""} & ids for c in best.cells):
        raise Unreadable("The notebook has no cell of an exercise: is it another notebook?")
    return best


def read_submission(cells: Sequence[Mapping[str, object]], assignment: Assignment) -> Submission:
    """Return the answers in a notebook's cells, with notes about what was done to the others."""
    by_grade_id = {cell.grade_id: cell for cell in assignment.cells if cell.grade_id}
    by_cell_id = {cell.cell_id: cell for cell in assignment.cells}
    submission, seen = Submission(), []
    for cell in cells:
        source = source_of(cell)
        master = by_grade_id.get(grade_id_of(cell)) or by_cell_id.get(str(cell.get("id", "")))
        if master is None:
            if cell.get("cell_type") == "code" and source.strip():
                submission.own.append(("", "", source))
            continue
        seen.append(master.cell_id)
        if master.role == "answer":
            submission.own.append(("answer", master.grade_id, source))
        else:
            if source not in (master.stub, master.source):
                submission.notes.append(
                    f"The given cell {master.grade_id or master.cell_id!r} was changed; the original counts."
                )
            submission.own.append((master.role, master.grade_id, master.source))
    for master in assignment.cells:
        count = seen.count(master.cell_id)
        name = master.grade_id or master.cell_id
        if count == 0:
            submission.notes.append(
                f"The cell {name!r} is missing" + ("." if master.role == "answer" else "; the original counts.")
            )
        elif count > 1 and master.role == "answer":
            submission.notes.append(f"The cell {name!r} is there {count} times; the last one counts.")
    return submission
