"""Submissions that do not want to be graded fairly: each loses its own points, keeps the others, and stops nothing."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mmaplab.grading.bulk import Ways, grade_all
from mmaplab.grading.finding import find_submissions
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
places = [p for p in glob.glob("/*") if p not in ("/proc", "/usr", "/lib")] + ["/usr/local", "/usr/src"]
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
    assert says and any(one in text for one in says.split(" / ")), f"{says}: {text}"  # a busy machine has less time
    assert str(ROOT) not in text


def test_an_answer_sees_no_solutions_no_home_no_network_and_writes_nowhere(grade: Grade) -> None:
    result = grade(submission({"fault-recall": LOOKS_AROUND}))
    message = result["questions"][0]["tests"][0]["message"]
    assert "came [[], [], 'no server 101', [], '/tmp', '/tmp']" in message


def test_hidden_tests_do_not_show_in_the_result(grade: Grade) -> None:
    spy = "class Spy(list):\n    pass\nimport sys\nfirst_pass = [0, 16, 32]\nshifted = [0]\nsecond_pass = 0"
    text = json.dumps(grade(submission({"fault-recall": spy})))
    assert "[0, 16, 27]" not in text


# ---------------------------------------------------------------- one answer and another

STEALS = """
import inspect, mmaplab.sim.filefault as f
text = inspect.getsource(f.do_fault_around)
open('/tmp/reference', 'w').write(text)
first_pass = shifted = second_pass = [1]
"""
USES = """
import mmaplab.sim.filefault as f
names = dict(vars(f))
exec(open('/tmp/reference').read(), names)
do_fault_around = names['do_fault_around']
"""
TAKES_OVER = """
import json, sys
from mmaplab.grading.observe import observe
from mmaplab.grading.programs import Scenario
frame = sys._getframe()
while frame and 'settings' not in frame.f_locals: frame = frame.f_back
requests, replies = frame.f_locals['requests'], frame.f_locals['replies']
def say(line): replies.write(json.dumps(line).encode() + b"\\n")
say({"output": ""})
for line in iter(requests.readline, b""):
    request = json.loads(line)
    if request["do"] == "begin": say({"began": request["number"]})
    elif request["do"] == "end": say({"ended": 0})
    elif request["do"] == "observe": say({"seen": observe(Scenario.of(request["scenario"]))})
    else: say({"output": "", "value": None})
"""
SPIES = """
import mmaplab.grading.serve as s, json
old = s.SERVICES['observe']
def spy(request, names):
    open('/tmp/hidden', 'a').write(json.dumps(request['scenario']['calls']) + '#')
    return old(request, names)
s.SERVICES['observe'] = spy
def do_fault_around(vmf): return 0
"""
TELLS = "raise Exception('to' + 'ld: ' + open('/tmp/hidden').read()[-200:])"


@pytest.mark.parametrize(("first", "second"), [(STEALS, USES), (TAKES_OVER, "pass # nothing")], ids=["file", "forker"])
def test_an_answer_with_the_references_hands_none_to_the_next(grade: Grade, first: str, second: str) -> None:
    exact = solutions()["fault-exact"]
    result = grade(submission({"fault-recall": first, "fault-window": second, "fault-exact": exact}))
    assert points(result) == dict.fromkeys(FULL, 0) | {"fault-exact": FULL["fault-exact"]}


def test_what_hidden_tests_ask_is_not_told_by_a_later_answer(grade: Grade) -> None:
    result = grade(submission({"fault-window": SPIES, "fault-exact": TELLS}))
    assert "No such file" in json.dumps(result) and "told: " not in json.dumps(result)


HARMS = {
    "a full disk": "try:\n    for i in range(9): open(f'/tmp/{i}', 'wb').write(bytes(15 << 20))\nexcept OSError: pass",
    "a module of the same name": "open('/tmp/secrets.py', 'w').write('1 / 0')",
    "a closed folder": "import os\nos.makedirs('/tmp/a/b'); os.chmod('/tmp/a', 0)",
    "what forks is stopped": "import os, signal\ntry: os.kill(os.getppid(), signal.SIGSTOP)\nexcept OSError: pass",
}
NEEDS_SPACE = "import secrets, tempfile\nwith tempfile.TemporaryFile() as f: f.write(bytes(4096)); f.flush()\n"


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_an_answer_takes_nothing_from_the_next(grade: Grade, harm: str) -> None:
    answers = {"fault-recall": harm, "fault-bill": NEEDS_SPACE + solutions()["fault-bill"]}
    result = grade(submission(answers))
    assert points(result) == dict.fromkeys(FULL, 0) | {"fault-bill": FULL["fault-bill"]}, result


def test_what_notebooks_allow_beyond_python_loses_nothing(grade: Grade) -> None:
    right = solutions()["fault-window"]
    broken_line = right.replace(
        "slot = vmf.address // PAGE % SLOTS", "slot = (\n        vmf.address // PAGE\n        % SLOTS\n    )"
    )
    assert broken_line != right
    around = "%matplotlib inline\nfiles = !ls\nimport asyncio\nawait asyncio.sleep(0)\n{}\ndo_fault_around?\n!ls\n"
    shell = "get_ipython().run_line_magic('time', 'x = 1')\n%time y = x\n"
    assert points(grade(submission({"fault-window": around.format(broken_line) + shell})))["fault-window"] == 8


def test_a_question_has_an_end_however_many_cells_sleep(grader: Grader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmaplab.grading.runner.busy", lambda: 1.0)
    book = json.loads(submission({"fault-recall": "first_pass = not_there"}))
    cell = {"cell_type": "code", "metadata": {}, "outputs": []}
    book["cells"][1:1] = [cell | {"source": f"import time; time.sleep(2) # {i}"} for i in range(1000)]
    hasty = dataclasses.replace(grader, limits=Limits(seconds=3, memory_bytes=1 << 30))
    began = time.monotonic()
    result = hasty.grade(json.dumps(book).encode(), "sleepy.ipynb")
    assert time.monotonic() - began < 100  # 4 times 3 seconds, and what the grader itself needs
    assert result["points"] == 0


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
    assert "no notebook" in scores["readme.txt"]["broken"] and "not opened" in scores["inner.zip"]["broken"]
    assert len(scores) == 11
    assert not list(tmp_path.rglob("evil*")) or all(p.is_relative_to(out) for p in tmp_path.rglob("evil*"))


def damaged_zip(path: Path) -> None:
    """Write a zip with an entry of every kind that cannot be read, and a right one behind them."""
    with zipfile.ZipFile(path, "w") as z:
        z.writestr("ada.ipynb", submission({"fault-exact": solutions()["fault-exact"]}))
        for name, method in (
            ("deflated", zipfile.ZIP_DEFLATED),
            ("lzma", zipfile.ZIP_LZMA),
            ("bzip2", zipfile.ZIP_BZIP2),
            ("method", zipfile.ZIP_STORED),
            ("encrypted", zipfile.ZIP_STORED),
            ("stored", zipfile.ZIP_STORED),
            ("zlast", zipfile.ZIP_DEFLATED),
        ):
            z.writestr(f"{name}.ipynb", submission({}), method)
        offsets = {info.filename: (info.header_offset, info.compress_size) for info in z.infolist()}
    data = bytearray(path.read_bytes())
    for name, (at, size) in offsets.items():
        if name in ("deflated.ipynb", "lzma.ipynb", "bzip2.ipynb", "stored.ipynb"):
            start = at + 30 + len(name)
            data[start : start + size] = b"\xff" * size  # zlib.error, LZMAError, OSError, a wrong checksum
    central = data.index(b"PK\x01\x02")
    for name, offset, value in (("method.ipynb", 10, 99), ("encrypted.ipynb", 8, 1)):
        at = data.rindex(name.encode()) - 46
        assert at > central
        data[at + offset] = value
    path.write_bytes(data)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_damaged_entry_of_a_zip_is_a_submission_with_a_sentence(
    grader: Grader, masters: Path, tmp_path: Path, jobs: int
) -> None:
    archive, out = tmp_path / "class.zip", tmp_path / "out"
    damaged_zip(archive)
    summary = grade_all(archive, out, masters, Ways(jobs=jobs))
    scores = {s["name"].removesuffix(".ipynb"): s for s in json.loads((out / "scores.json").read_text())["submissions"]}
    assert (summary.graded, summary.broken) == (8, 6)
    assert scores["ada"]["points"] == FULL["fault-exact"] and scores["zlast"]["broken"] == ""
    for name in ("deflated", "lzma", "bzip2", "method", "stored"):
        assert scores[name]["broken"].startswith("The file cannot be read: "), scores[name]
    assert scores["encrypted"]["broken"] == "The entry is encrypted."
    assert grade_all(archive, out, masters, Ways(jobs=jobs), resume=True).kept == 8


def names_in(path: Path) -> dict[str, str]:
    return {item.name: item.complaint for item in find_submissions(path)}


def test_what_is_no_notebook_gets_a_row_unless_it_belongs_to_one(tmp_path: Path) -> None:
    archive = tmp_path / "class.zip"
    with zipfile.ZipFile(archive, "w") as z:
        for name in (
            "Lab 5: page fault/anna/05.ipynb",
            "bert/05.ipynb",
            "bert/data/numbers.csv",
            "cleo/05.zip",
            "dora/05.pdf",
            "emil.py",
            "Thumbs.db",
            "finn/.DS_Store",
            "finn/.ipynb_checkpoints/05-checkpoint.ipynb",
        ):
            z.writestr(name, b"{}")
    with zipfile.ZipFile(archive) as z:
        z.extractall(tmp_path / "folder")
    found = names_in(archive)
    assert names_in(tmp_path / "folder") == found
    assert {name for name, complaint in found.items() if not complaint} == {
        "Lab 5: page fault/anna/05.ipynb",
        "bert/05.ipynb",
    }
    assert found["dora/05.pdf"] == "This is no notebook: only files whose names end in .ipynb are graded."
    assert found["emil.py"] == found["dora/05.pdf"]
    assert found["cleo/05.zip"].startswith("An archive inside is not opened: ")
    assert len(found) == 5


def test_a_folder_with_one_notebook_is_one_hand_in(tmp_path: Path) -> None:
    for name in ("05.ipynb", "data.csv", "setup.sh"):
        (tmp_path / name).write_bytes(b"{}")
    assert names_in(tmp_path) == {"05.ipynb": ""}
