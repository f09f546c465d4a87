"""`mmaplab gradebook OUT --course DIR`: take the scores of a graded folder over into nbgrader's gradebook.

    mmaplab grade submitted --out graded            graded/scores.json
    mmaplab gradebook graded --course mycourse      mycourse/gradebook.db, as its nbgrader_config.py says
    cd mycourse && nbgrader export                  grades.csv, as ever; the formgrader shows the same numbers

An assignment and its notebook have the master's name (05_the_page_fault). What `nbgrader generate_assignment` has
recorded of it stays; where it has not run, nbgrader's own preprocessor records it here. Automatic scores and comments
are replaced; manual ones of a grader stay, and are marked to be looked at again, as `nbgrader autograde` does. Each
page of feedback goes where `nbgrader release_feedback` looks for it. Students have the name of the first folder of the
path, or of the file; a folder around all of them is left out. `--student` takes another part of the path. Where one
student would have more than one person hands in, nothing is taken over. Needs the extra `instructor`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import nbformat
from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import SaveCells
from traitlets.config import Config, PyFileConfigLoader

from mmaplab.grading.formats import dicts, texts
from mmaplab.grading.owner import student_pattern
from mmaplab.grading.plain import Plain
from mmaplab.grading.release import STEPS, configuration
from mmaplab.grading.report import file_name

Result = dict[str, Plain]

MOST_TRIES = 3
"""So many files of one assignment, in one folder, may be one student's."""
BEFORE_SAVING = 5
"""So many of nbgrader's steps come before SaveCells in its `generate_assignment`."""


class CannotImport(Exception):
    """The scores cannot be taken over; the message says why and what to do."""


@dataclass
class Imported:
    """What was taken over: the number of submissions, and a sentence for each that was not."""

    database: str
    submissions: int = 0
    left_out: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return it as lines."""
        lines = [f"{self.submissions} submissions taken over into {self.database}"]
        return "\n".join([*lines, *(f"left out: {line}" for line in self.left_out)])


def import_scores(out: Path, course: Path, solutions: Path, student: str = "") -> Imported:
    """Take over the scores in `out`/scores.json; `student` is a pattern with one group. Raises CannotImport."""
    results = read_scores(out)
    pattern = pattern_of(student)
    place = course_directory(course)
    imported = Imported(place.db_url)
    around = "" if student else folder_around([str(result["name"]) for result in results if not result["broken"]])
    chosen = chosen_results(results, pattern, imported, around)
    if not student:
        refuse_a_class_in_one(results, around)
    with scripts_on_the_path():
        for name in sorted({assignment for assignment, _ in chosen}):
            record_assignment(solutions / f"{name}.ipynb", place.db_url)
        book = Gradebook(place.db_url, place.course_id)
    with book:
        for (assignment, who), result in sorted(chosen.items()):
            record_scores(book, assignment, who, result)
            hand_over_feedback(out, place, assignment, who, result)
            imported.submissions += 1
    return imported


# ---------------------------------------------------------------- what is read


def read_scores(out: Path) -> list[Result]:
    """Return the results in a graded folder; raises CannotImport."""
    try:
        return dicts(json.loads((out / "scores.json").read_text(encoding="utf-8"))["submissions"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CannotImport(f"{out} is no folder that `mmaplab grade` has written: {error}") from None


def pattern_of(student: str) -> re.Pattern[str]:
    """Return the pattern that finds a student's name in a submission's path; raises CannotImport."""
    try:
        return student_pattern(student)
    except ValueError as error:
        raise CannotImport(str(error)) from None


def folder_around(names: Sequence[str]) -> str:
    """Return the beginning of the paths that names no student: the folder around all students' folders, with "/"."""
    around = ""
    while names:
        folders = {name.partition("/")[0] for name in names}
        if len(folders) > 1 or any(name.count("/") < 2 for name in names):
            break
        around += f"{folders.pop()}/"
        names = [name.partition("/")[2] for name in names]
    return around


def refuse_a_class_in_one(results: Sequence[Result], around: str) -> None:
    """Raise CannotImport where the default pattern takes for one student what several have handed in.

    One student's files of one assignment lie in one folder, are few, and are not all that there is.
    """
    handed: dict[tuple[str, str], list[PurePosixPath]] = {}
    good = [result for result in results if not result["broken"]]
    for result in good:
        found = pattern_of("").search(str(result["name"]).removeprefix(around))
        who = found.group(1) if found else ""
        handed.setdefault((str(result["assignment"]), who), []).append(PurePosixPath(str(result["name"])))
    for (assignment, who), paths in handed.items():
        if len(paths) > 1 and (
            len({path.parent for path in paths}) > 1
            or len(paths) > MOST_TRIES
            or {who} == {student for _, student in handed}
        ):
            raise CannotImport(
                f"{len(paths)} submissions of {assignment} would belong to one student, {who!r}: "
                f"{', '.join(str(path) for path in paths[:3])}{', ...' * (len(paths) > 3)}. "
                "Say with --student which part of the path names the student"
            )


def chosen_results(
    results: Sequence[Result], pattern: re.Pattern[str], imported: Imported, around: str = ""
) -> dict[tuple[str, str], Result]:
    """Return the result that counts for each assignment and student, of several the best; `around` names nobody."""
    chosen: dict[tuple[str, str], Result] = {}
    for result in results:
        name = str(result["name"])
        found = pattern.search(name.removeprefix(around))
        if result["broken"]:
            imported.left_out.append(f"{name}: {result['broken']}")
        elif found is None or not is_student(found.group(1)):
            imported.left_out.append(f"{name}: no student's name in it; say with --student where it stands")
        else:
            key = (str(result["assignment"]), found.group(1))
            if key in chosen:
                better, worse = sorted((chosen[key], result), key=points, reverse=True)
                text = f"{key[1]} has another submission with {points(better)}, {better['name']}"
                imported.left_out.append(f"{worse['name']}: {text}")
            chosen[key] = max(chosen.get(key, result), result, key=points)
    return chosen


def points(result: Result) -> int:
    """Return a result's points."""
    return int(str(result["points"]))


def is_student(name: str | None) -> bool:
    """Can nbgrader take this as a student's name, and as a folder's?"""
    return bool(name) and len(str(name)) <= 128 and PurePosixPath(str(name)).parts == (name,) and name != ".."


def course_directory(course: Path) -> CourseDirectory:
    """Return an nbgrader course as its nbgrader_config.py describes it; raises CannotImport."""
    if not course.is_dir():
        raise CannotImport(f"there is no folder {course}: give the one of an nbgrader course (nbgrader quickstart)")
    config = Config()
    if (course / "nbgrader_config.py").is_file():
        config = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
    config.CourseDirectory.root = str(course.resolve())
    return CourseDirectory(config=config)


# ---------------------------------------------------------------- what is written


@contextmanager
def scripts_on_the_path() -> Iterator[None]:
    """Let nbgrader find the command `alembic`, with which it prepares a new database, beside this Python."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), before])
    try:
        yield
    finally:
        os.environ["PATH"] = before


def record_assignment(master: Path, db_url: str) -> None:
    """Record an assignment's cells, as `nbgrader generate_assignment` does; raises CannotImport."""
    try:
        notebook = nbformat.read(master, as_version=4)
    except OSError as error:
        raise CannotImport(f"the master is needed: {error}. Say with --solutions where it is") from None
    name = master.stem
    resources: dict[str, object] = {
        "metadata": {},
        "nbgrader": {"notebook": name, "assignment": name, "db_url": db_url},
    }
    with Gradebook(db_url) as book:
        book.update_or_create_assignment(name)
    for step in (*STEPS[:BEFORE_SAVING], SaveCells):
        try:
            notebook, resources = step(config=configuration()).preprocess(notebook, resources)
        except RuntimeError as error:
            raise CannotImport(f"{error}: this course has scores of another version of {name}") from None


def record_scores(book: Gradebook, assignment: str, student: str, result: Result) -> None:
    """Record one submission's scores and comments."""
    book.update_or_create_student(student)
    with book.db.no_autoflush:  # nbgrader builds the submission piece by piece
        submission = book.update_or_create_submission(assignment, student)
    (notebook,) = (found for found in submission.notebooks if found.name == assignment)
    questions = {str(question["key"]): question for question in dicts(result["questions"])}
    for grade in notebook.grades:
        question = questions.get(grade.name)
        if question is not None:
            grade.auto_score = float(points(question))
            grade.needs_manual_grade = grade.manual_score is not None
    for comment in notebook.comments:
        question = questions.get(comment.name.removesuffix("-answer"))
        if question is not None:
            comment.auto_comment = comment_of(question)
    book.db.commit()


def comment_of(question: Result) -> str:
    """Return what the tests said, a line each; of hidden tests only whether they passed."""
    tests = dicts(question["tests"])
    lines = [f"{test['label']}: {test['points']} of {test['max']}. {test['message']}" for test in tests]
    return "\n".join([*lines, *texts(question["notes"])])


def hand_over_feedback(out: Path, place: CourseDirectory, assignment: str, student: str, result: Result) -> None:
    """Copy the page of a submission into the course's folder of feedback."""
    page = out / "pages" / f"{file_name(result)}.html"
    if page.is_file():
        folder = Path(place.format_path(place.feedback_directory, student, assignment))
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(page, folder / f"{assignment}.html")
