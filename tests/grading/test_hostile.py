"""Submissions that do not want to be graded fairly: each loses its own points, keeps the others, and stops nothing."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mmaplab.grading.bulk import grade_all
from mmaplab.grading.runner import Grader
from mmaplab.grading.sandbox import Limits

from .helpers import CAPSTONE, FULL, MASTER, ROOT, corpus, exercise, full_marks, notebook, points, solutions, submission

QUICK = ("fault-recall", "fault-bill", "fault-exact", "share-recall", "share-choose")
"""Questions before and after the hostile one; their answers are judged in a moment."""
Grade = Callable[[bytes], dict]


@pytest.fixture(scope="module")
def grade(grader: Grader) -> Grade:
    """The grader with a short patience."""
    hasty = dataclasses.replace(grader, limits=Limits(seconds=5, memory_bytes=1 << 30))
    return lambda data: hasty.grade(data, "hostile.ipynb")


CELLS = [(key, name, says, source) for (key, name, says), source in corpus("hostile.txt")]
LOOKS_AROUND = """
import glob, json, os, socket, sys
places = [p for p in glob.glob("/*") if p not in ("/proc", "/usr", "/lib")]
found = [f for p in places for _, _, files in os.walk(p) for f in files if f == "05_the_page_fault.ipynb"]
homes = [p for p in glob.glob("/home/*/*") + glob.glob("/*/.ssh") if not sys.prefix.startswith(p)]
try:
    socket.create_connection(("127.0.0.1", 22), timeout=0.3); network = "open"
except ConnectionRefusedError: network = "no server"
except OSError: network = "closed"
try:
    socket.create_connection(("192.0.2.1", 80), timeout=0.3); network = "open"
except OSError as error: network += f" {error.errno}"
written = []
for place in ("/usr/x", "/x", "/etc/x", "/dev/shm/x", os.path.dirname(json.__file__) + "/x"):
    try: open(place, "w"); written.append(place)
    except OSError: pass
first_pass = [found, homes, network, written, os.environ["HOME"], os.getcwd()]
shifted, second_pass = [], 0
"""


@pytest.mark.parametrize(("key", "name", "says", "source"), CELLS, ids=[f"{key}: {name}" for key, name, _, _ in CELLS])
def test_a_hostile_answer_loses_its_own_points_only(grade: Grade, key: str, name: str, says: str, source: str) -> None:
    master = MASTER if key in FULL else CAPSTONE
    full, right = full_marks(master), solutions(master)
    others = {other: right[other] for other in QUICK if other in full}
    result = grade(submission({**others, key: source}, notebook(exercise(master))))
    assert points(result) == dict.fromkeys(full, 0) | {other: full[other] for other in others} | {key: 0}, result
    text = json.dumps(next(q for q in result["questions"] if q["key"] == key), ensure_ascii=False)
    assert says in text
    assert str(ROOT) not in text


def test_an_answer_sees_no_solutions_no_home_no_network_and_writes_nowhere(grade: Grade) -> None:
    result = grade(submission({"fault-recall": LOOKS_AROUND}))
    message = result["questions"][0]["tests"][0]["message"]
    assert "came [[], [], 'no server 101', [], '/tmp', '/tmp']" in message


def test_hidden_tests_do_not_show_in_the_result(grade: Grade) -> None:
    spy = "class Spy(list):\n    pass\nimport sys\nfirst_pass = [0, 16, 32]\nshifted = [0]\nsecond_pass = 0"
    text = json.dumps(grade(submission({"fault-recall": spy})))
    assert "[0, 16, 27]" not in text


# ---------------------------------------------------------------- cells


def edited(change: Callable[[list], None]) -> bytes:
    """Return the right answers, after something was done to the list of cells."""
    book = json.loads(submission(solutions()))
    change(book["cells"])
    return json.dumps(book).encode()


def without(*grade_ids: str) -> Callable[[list], None]:
    """Return a change that takes cells away."""
    return lambda cells: cells.__setitem__(
        slice(None), [c for c in cells if c["metadata"].get("nbgrader", {}).get("grade_id") not in grade_ids]
    )


def test_a_deleted_answer_loses_its_points_only(grade: Grade) -> None:
    result = grade(edited(without("fault-window-answer")))
    assert points(result) == FULL | {"fault-window": 0}
    assert any("missing" in note for note in result["notes"])


def test_deleted_checks_and_given_cells_lose_nothing(grade: Grade) -> None:
    assert points(grade(edited(without(*FULL, "setup", "fault-recall-given", "title")))) == FULL


def test_an_answer_that_stands_twice_counts_as_it_ran_last(grade: Grade) -> None:
    def double(cells: list) -> None:
        at = next(
            i for i, c in enumerate(cells) if c["metadata"].get("nbgrader", {}).get("grade_id") == "fault-bill-answer"
        )
        wrong = copy.deepcopy(cells[at])
        wrong["source"] = "faults = [0]; copied = 1"
        cells.insert(at, wrong)

    result = grade(edited(double))
    assert points(result) == FULL
    assert any("2 times" in note for note in result["notes"])


def test_changed_points_and_checks_change_nothing(grade: Grade) -> None:
    def cheat(cells: list) -> None:
        for cell in cells:
            if cell["metadata"].get("nbgrader", {}).get("grade"):
                cell["metadata"]["nbgrader"]["points"] = 1000
                cell["metadata"]["mmaplab"]["question"]["points"] = 1000
                cell["metadata"]["mmaplab"]["question"]["tests"] = []
                cell["source"] = "1000"
            if cell["metadata"].get("nbgrader", {}).get("grade_id") == "fault-recall-answer":
                cell["source"] = "first_pass = shifted = second_pass = 1"

    result = grade(edited(cheat))
    assert points(result) == FULL | {"fault-recall": 0}
    assert result["max"] == sum(FULL.values())
    assert sum("was changed" in note for note in result["notes"]) == len(FULL)


def test_reordered_cells_lose_nothing(grade: Grade) -> None:
    assert points(grade(edited(lambda cells: cells.reverse()))) == FULL


def test_an_answer_may_need_an_added_cell(grade: Grade) -> None:
    def split(cells: list) -> None:
        answer = next(c for c in cells if c["metadata"].get("nbgrader", {}).get("grade_id") == "fault-bill-answer")
        at = cells.index(answer)
        cells.insert(at, {"cell_type": "code", "metadata": {}, "outputs": [], "source": "mine = [1, 0, 1, 0, 1, 1]"})
        answer["source"] = "faults = mine; copied = 0"

    assert points(grade(edited(split))) == FULL


def answer_cell(cells: list, key: str) -> dict:
    return next(c for c in cells if c["metadata"].get("nbgrader", {}).get("grade_id") == f"{key}-answer")


def test_swapped_grade_ids_lose_nothing(grade: Grade) -> None:
    def swap(cells: list) -> None:
        one, other = answer_cell(cells, "fault-bill"), answer_cell(cells, "fault-exact")
        for field in ("metadata", "id"):
            one[field], other[field] = other[field], one[field]

    assert points(grade(edited(swap))) == FULL  # both are answered; each question finds its names in the other cell


def test_an_answer_to_two_questions_in_one_cell_counts_where_it_stands(grade: Grade) -> None:
    def join(cells: list) -> None:
        one, other = answer_cell(cells, "fault-bill"), answer_cell(cells, "fault-exact")
        one["source"], other["source"] = one["source"] + "\n" + other["source"], ""

    assert points(grade(edited(join))) == FULL  # the empty cell's name is found in the cell before it


@pytest.mark.parametrize("kind", ["markdown", "raw", 7])
def test_an_answer_that_became_another_kind_of_cell_counts_as_code(grade: Grade, kind: object) -> None:
    result = grade(edited(lambda cells: answer_cell(cells, "fault-bill").update(cell_type=kind)))
    assert points(result) == FULL


@pytest.mark.parametrize(
    "source",
    [
        None,
        5,
        {},
        [],
        [["faults = 1"]],
        "faults = \x00",
        "faults = '\ud800'",
        "faults = [0x" + "f" * 5000 + "]",
        "\t \xa0",
    ],
    ids=repr,
)
def test_a_source_of_an_odd_kind_loses_its_own_points_only(grade: Grade, source: object) -> None:
    result = grade(edited(lambda cells: answer_cell(cells, "fault-bill").update(source=source)))
    assert points(result) == FULL | {"fault-bill": 0}


def test_the_same_added_cell_thousands_of_times_loses_nothing(grade: Grade) -> None:
    extra = {"cell_type": "code", "metadata": {}, "outputs": [{"x": "y" * 100}], "source": "pass"}
    assert points(grade(edited(lambda cells: cells.extend([extra] * 20_000)))) == FULL


def test_stripped_metadata_lose_nothing(grade: Grade) -> None:
    def strip(cells: list) -> None:
        for cell in cells:
            cell["metadata"] = {}

    assert points(grade(edited(strip))) == FULL


# ---------------------------------------------------------------- files

FILES = [
    ("broken JSON", lambda: b'{"cells": [', "not JSON"),
    ("empty", lambda: b"", "empty"),
    ("a list", lambda: b"[1, 2]", "no notebook"),
    ("no cells", lambda: b'{"metadata": {}}', "no list of cells"),
    (
        "cells of other kinds",
        lambda: b'{"cells": [1, null, {"cell_type": 3, "metadata": [], "source": {}}]}',
        "no cell of an exercise",
    ),
    ("binary", lambda: bytes(range(256)) * 100, "not JSON"),
    ("nested", lambda: b"[" * 200_000, "nested too deep"),
    ("too large", lambda: b" " * (21 << 20), "20 MiB"),
    (
        "another notebook",
        lambda: json.dumps({"cells": [{"cell_type": "code", "metadata": {}, "source": "1"}]}).encode(),
        "another notebook",
    ),
]


@pytest.mark.parametrize(("name", "data", "says"), FILES, ids=[f[0] for f in FILES])
def test_a_file_that_is_no_notebook_gets_a_sentence(
    grade: Grade, name: str, data: Callable[[], bytes], says: str
) -> None:
    result = grade(data())
    assert says in result["broken"]
    assert result["points"] == 0


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_other_encodings_are_read(grade: Grade, encoding: str) -> None:
    assert points(grade(MASTER.read_text(encoding="utf-8").encode(encoding))) == FULL


@pytest.mark.parametrize("encoding", ["utf-32", "utf-16-le", "utf-7", "cp037"])
def test_an_encoding_of_no_notebook_gets_points_or_a_sentence(grade: Grade, encoding: str) -> None:
    result = grade(MASTER.read_text(encoding="utf-8").encode(encoding, "replace"))
    assert points(result) == FULL or "not JSON" in result["broken"]


@pytest.mark.parametrize("version", [2, 5, 99, "4", None])
def test_a_notebook_of_another_format_version_is_read_by_its_cells(grade: Grade, version: object) -> None:
    book = json.loads(submission(solutions()))
    book["nbformat"] = version
    assert points(grade(json.dumps(book).encode())) == FULL


def test_format_3_is_read(grade: Grade) -> None:
    book = json.loads(submission(solutions()))
    for cell in book["cells"]:
        cell["input"] = cell.pop("source")
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": book["cells"], "metadata": {}}]}
    assert points(grade(json.dumps(old).encode())) == FULL


# ---------------------------------------------------------------- folders and zips


def test_a_folder_with_links_and_broken_files_is_graded_to_its_end(
    grader: Grader, masters: Path, tmp_path: Path
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    (folder / "anna").mkdir(parents=True)
    (folder / "anna" / "05.ipynb").write_bytes(submission({"fault-bill": solutions()["fault-bill"]}))
    (folder / "link.ipynb").symlink_to(MASTER)
    (folder / "loop.ipynb").symlink_to("loop.ipynb")
    (folder / "z.ipynb").write_bytes(b"{")
    (folder / "=cmd()|.ipynb").write_bytes(b"")
    (folder / "folder.ipynb").mkdir()
    os.mkfifo(folder / "pipe.ipynb")
    with (folder / "large.ipynb").open("wb") as large:
        large.truncate(200 << 20)
    (folder / ("n" * 240 + "\n.ipynb")).write_bytes(b"{}")
    summary = grade_all(folder, out, masters)
    scores = {s["name"]: s for s in json.loads((out / "scores.json").read_text())["submissions"]}
    assert scores["anna/05.ipynb"]["points"] == FULL["fault-bill"], scores["anna/05.ipynb"]
    assert "symbolic link" in scores["link.ipynb"]["broken"] and "symbolic link" in scores["loop.ipynb"]["broken"]
    assert "no regular file" in scores["pipe.ipynb"]["broken"] and "20 MiB" in scores["large.ipynb"]["broken"]
    assert summary.graded == 8 and summary.broken == 7
    assert "'=cmd()" in (out / "scores.csv").read_text()
    assert len(list((out / "pages").iterdir())) == 8


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_is_never_unpacked(grader: Grader, masters: Path, tmp_path: Path) -> None:
    archive, out = tmp_path / "class.zip", tmp_path / "out"
    with zipfile.ZipFile(archive, "w") as z:
        z.writestr("../../evil.ipynb", submission(solutions()))
        z.writestr("/etc/evil.ipynb", submission(solutions()))
        z.writestr("a/right.ipynb", submission({"fault-exact": solutions()["fault-exact"]}))
        link = zipfile.ZipInfo("link.ipynb")
        link.external_attr = 0o120777 << 16
        z.writestr(link, "/etc/passwd")
        z.writestr("__MACOSX/a/._right.ipynb", b"x")
        z.writestr("bomb.ipynb", b" " * (64 << 20), zipfile.ZIP_DEFLATED)
        z.writestr("readme.txt", b"hello")
        z.writestr("inner.zip", b"PK")
        z.writestr("c:/evil.ipynb", submission(solutions()))
        z.writestr("a\\..\\..\\evil.ipynb", submission(solutions()))
        for _ in range(2):
            z.writestr("twice.ipynb", b"{")
    grade_all(archive, out, masters)
    scores = {s["name"]: s for s in json.loads((out / "scores.json").read_text())["submissions"]}
    assert scores["a/right.ipynb"]["points"] == FULL["fault-exact"], scores["a/right.ipynb"]
    assert all("leads out" in scores[name]["broken"] for name in ("../../evil.ipynb", "/etc/evil.ipynb"))
    assert "symbolic link" in scores["link.ipynb"]["broken"] and "20 MiB" in scores["bomb.ipynb"]["broken"]
    assert all("leads out" in scores[name]["broken"] for name in ("c:/evil.ipynb", "a/../../evil.ipynb"))
    assert len(scores) == 9
    assert not list(tmp_path.rglob("evil*")) or all(p.is_relative_to(out) for p in tmp_path.rglob("evil*"))
