"""Grading a class: the report, going on after an interruption, several jobs, and what protection is stated."""

from __future__ import annotations

import contextlib
import csv
import html
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from mmaplab.cli import main
from mmaplab.grading import units
from mmaplab.grading.book import earlier, line_of
from mmaplab.grading.bulk import Progress, Ways, grade_all
from mmaplab.grading.finding import CannotGrade, find_submissions
from mmaplab.grading.runner import Grader
from mmaplab.grading.sandbox import UNPROTECTED, needed
from mmaplab.grading.units import choose_protection, settled_unit

from .helpers import BILL, FULL, RECALL, ROOT, TOTAL, solutions, submission


@pytest.fixture
def class_of_six(tmp_path: Path, grader: Grader) -> Path:
    """Six submissions with 4, 7, 4, 0 points, one that is broken, and one that crashes in one answer."""
    folder = tmp_path / "class"
    folder.mkdir()
    right = solutions()
    for name, answers in {
        "anna": {"fault-recall": right["fault-recall"]},
        "bert": {"fault-bill": right["fault-bill"]},
        "cleo": {"fault-exact": right["fault-exact"]},
        "dora": {},
        "finn": {"fault-bill": right["fault-bill"], "fault-window": "import ctypes; ctypes.string_at(0)"},
    }.items():
        (folder / f"{name}.ipynb").write_bytes(submission(answers))
    (folder / "emil.ipynb").write_bytes(b"{")
    return folder


POINTS = {"anna": RECALL, "bert": BILL, "cleo": FULL["fault-exact"], "dora": 0, "emil": 0, "finn": BILL}


def points_in(out: Path) -> dict[str, int]:
    """Return the points in scores.json, by name."""
    entries = json.loads((out / "scores.json").read_text(encoding="utf-8"))["submissions"]
    return {entry["name"].removesuffix(".ipynb"): entry["points"] for entry in entries}


def test_scores_pages_and_index_are_written(class_of_six: Path, masters: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said: list[Progress] = []
    summary = grade_all(class_of_six, out, masters, say=said.append)
    assert points_in(out) == POINTS
    assert (summary.graded, summary.broken) == (6, 1)
    assert str(said[0]) == f"[1/6] anna.ipynb: {RECALL} of {TOTAL}" and "not JSON" in said[4].text
    rows = list(csv.DictReader((out / "scores.csv").open(encoding="utf-8")))
    assert [row["points"] for row in rows] == [str(points) for points in POINTS.values()]
    assert rows[1]["fault-bill"] == str(BILL) and rows[4]["remark"].startswith("The file is not JSON")
    pages = {page.name.split(".")[0]: page.read_text(encoding="utf-8") for page in (out / "pages").iterdir()}
    assert pages.keys() == POINTS.keys()
    assert "died of SIGSEGV" in pages["finn"] and f"{BILL} of {TOTAL} points" in pages["finn"]
    index = (out / "index.html").read_text(encoding="utf-8")
    missed = re.findall(r"<tr><td>([^<]+)</td><td>05_[^<]+</td><td class='number'>([\d.]+)</td>", index)
    entries = json.loads((out / "scores.json").read_text(encoding="utf-8"))["submissions"]
    titles = {q["key"]: q["title"] for q in entries[0]["questions"]}
    means = {title: float(mean) for title, mean in missed}
    assert {html.unescape(title) for title in means} == set(titles.values())
    assert means[titles["fault-bill"]] == 2 * BILL / 5, (
        "two of five have all its points; the broken file counts for no question"
    )
    assert missed[0][1] == "0.0" and missed[-1][0] == titles["fault-bill"], "what was missed most stands first"
    for page in [*pages.values(), index]:
        assert "namespaces by" in page
        assert "://" not in page and "[0, 16, 27]" not in page and "[1, 0, 1, 0, 1, 1]" not in page


def test_two_jobs_give_the_same(class_of_six: Path, masters: Path, tmp_path: Path) -> None:
    grade_all(class_of_six, tmp_path / "out", masters, Ways(jobs=2))
    assert points_in(tmp_path / "out") == POINTS


def test_resume_grades_only_what_is_new_or_changed(class_of_six: Path, masters: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    grade_all(class_of_six, out, masters)
    (class_of_six / "dora.ipynb").write_bytes(submission({"fault-recall": "first_pass = [0, 16, 32]"}))
    said: list[Progress] = []
    summary = grade_all(class_of_six, out, masters, resume=True, say=said.append)
    assert summary.kept == 5 and len(said) == 1 and said[0].name == "dora.ipynb"
    assert points_in(out) == POINTS | {"dora": 1}


def test_without_resume_everything_is_graded_again(class_of_six: Path, masters: Path, tmp_path: Path) -> None:
    grade_all(class_of_six, tmp_path / "out", masters)
    assert grade_all(class_of_six, tmp_path / "out", masters).kept == 0


KILLED = """
import os, signal, sys
from pathlib import Path
from mmaplab.grading.bulk import Ways, grade_all

kept = int(sys.argv[4])
def die(progress):
    if progress.number == kept:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    grade_all(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), Ways(jobs=int(sys.argv[5])), True, die)
"""
"""A grader that is killed right after it has graded so many submissions."""


def killed(folder: Path, out: Path, masters: Path, kept: int, jobs: int = 1) -> None:
    """Grade in a process that is killed when `kept` submissions are graded."""
    words = [sys.executable, "-c", KILLED, str(folder), str(out), str(masters), str(kept), str(jobs)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(out.parent)}
    done = subprocess.run(words, env=environment, check=False, timeout=300)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_grader_goes_on_from_where_it_was(
    class_of_six: Path, masters: Path, tmp_path: Path, jobs: int
) -> None:
    out = tmp_path / "out"
    killed(class_of_six, out, masters, 2, jobs)
    with (out / "results.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"name": "cut o')  # killed while it was writing
    killed(class_of_six, out, masters, 5, jobs)
    summary = grade_all(class_of_six, out, masters, Ways(jobs=jobs), resume=True)
    assert summary.kept == 5
    assert points_in(out) == POINTS


CLASS = int(os.environ.get("MMAPLAB_CLASS", "40"))
"""Submissions of the large class; MMAPLAB_CLASS=1000 makes it a thousand. `pytest -s` shows how long it took."""
BLANK = int(os.environ.get("MMAPLAB_BLANK", "2"))
"""One in so many gives an answer at all; the others are the exercise as it was handed out, graded in a moment."""
KILLS = int(os.environ.get("MMAPLAB_KILLS", "2"))
SEED = os.environ.get("MMAPLAB_SEED", str(time.time_ns()))
"""The moments of the kills come from it; a failing run prints it."""


def killed_from_outside(folder: Path, out: Path, masters: Path, graded: int, wait: float) -> int:
    """Grade with the command, and kill it `wait` seconds after it has written down so many; returns how many then."""
    words = ["grade", str(folder), "--out", str(out), "--solutions", str(masters), "--jobs", "2", "--resume"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(out.parent)}
    process = subprocess.Popen([sys.executable, "-m", "mmaplab", *words], env=environment, stderr=subprocess.DEVNULL)
    while written(out) < graded:
        assert process.poll() is None, process.returncode
        time.sleep(0.02)
    time.sleep(wait)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    return written(out)


def written(out: Path) -> int:
    """Return how many results the book holds, the stamp's line left out."""
    book = out / "results.jsonl"
    return max(0, book.read_bytes().count(b"\n") - 1) if book.is_file() else 0


def test_a_large_class_killed_at_random_gives_the_same_files_as_without(
    grader: Grader, masters: Path, tmp_path: Path
) -> None:
    folder, right = tmp_path / "class", solutions()
    for number in range(CLASS):
        answers = {"fault-bill": right["fault-bill"]} if number % 3 == 0 else {"fault-recall": "first_pass = [0]"}
        answers |= {"fault-window": "import os; os._exit(1)"} if number % 7 == 0 else {}
        (folder / f"{number:04}").mkdir(parents=True)
        (folder / f"{number:04}" / "05.ipynb").write_bytes(submission({} if number % BLANK else answers))
    chance = Random(SEED)
    moments = sorted(chance.sample(range(1, CLASS * 9 // 10), KILLS))
    print(f"MMAPLAB_SEED={SEED}: {CLASS} submissions, killed after {moments}")
    begun = time.monotonic()
    kept = [killed_from_outside(folder, tmp_path / "killed", masters, n, chance.random()) for n in moments]
    summary = grade_all(folder, tmp_path / "killed", masters, Ways(jobs=2), resume=True)
    assert summary.kept == kept[-1], "what was written down is kept, all of it"
    print(f"killed and resumed: {time.monotonic() - begun:.0f} s; {kept} were kept")
    begun = time.monotonic()
    grade_all(folder, tmp_path / "whole", masters, Ways(jobs=2))
    print(f"without: {time.monotonic() - begun:.0f} s")
    whole, other = files_in(tmp_path / "whole"), files_in(tmp_path / "killed")
    assert len(whole) == 3 + 3 * CLASS
    assert whole == other


def files_in(out: Path) -> dict[str, bytes]:
    """Return the files of a report; without the book, which holds the results in the order in which they came."""
    files = (path for path in out.rglob("*") if path.is_file() and path.name != "results.jsonl")
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def test_the_workers_of_a_killed_grader_end(class_of_six: Path, masters: Path, tmp_path: Path) -> None:
    killed(class_of_six, tmp_path / "out", masters, 1, jobs=2)
    deadline = time.monotonic() + 60
    while left := processes_below(tmp_path):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def processes_below(folder: Path) -> list[bytes]:
    """Return the command lines of the processes whose folder for temporary files is `folder`; proc(5)."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"TMPDIR={folder}".encode() in (place / "environ").read_bytes().split(b"\0"):
                found.append((place / "cmdline").read_bytes())
    return found


def test_what_a_killed_worker_had_in_hand_is_graded_all_the_same(
    class_of_six: Path, masters: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"

    def kill_the_workers(progress: Progress) -> None:
        for child in multiprocessing.active_children():
            child.kill()

    grade_all(class_of_six, out, masters, Ways(jobs=2), say=kill_the_workers)
    assert points_in(out) == POINTS


def test_a_submission_that_brings_its_worker_down_is_marked_and_the_others_are_graded(
    class_of_six: Path, masters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmaplab.grading.units.settled_unit", kills_its_process)
    out = tmp_path / "out"
    grade_all(class_of_six, out, masters, Ways(jobs=2))
    broken = {s["name"]: s["broken"] for s in json.loads((out / "scores.json").read_text())["submissions"]}
    worst = [name for name in broken if name.startswith("bert")]
    assert worst and all("was killed, twice" in broken[name] for name in worst)
    assert points_in(out) == POINTS | {"bert": 0}
    monkeypatch.undo()
    grade_all(class_of_six, out, masters, resume=True)
    assert points_in(out) == POINTS  # it was tried again


def kills_its_process(name: str, data: bytes, complaint: str) -> dict:
    """Grade one submission as a worker does, but for one of them."""
    if name.startswith("bert"):
        os.kill(os.getpid(), signal.SIGKILL)
    return settled_unit(name, data, complaint)


def test_a_mistake_of_the_graders_costs_one_submission_only(
    class_of_six: Path, masters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Grader.grade

    def broken(self: Grader, data: bytes, name: str) -> dict:
        if name.startswith("bert"):
            raise RuntimeError("oh")
        return real(self, data, name)

    monkeypatch.setattr(Grader, "grade", broken)
    summary = grade_all(class_of_six, tmp_path / "out", masters)
    assert points_in(tmp_path / "out") == POINTS | {"bert": 0} and summary.broken == 2


def result_named(name: str) -> dict[str, object]:
    empty: dict[str, object] = {"questions": [], "notes": [], "assignment": "", "broken": "", "sha256": ""}
    return {"name": name, "points": 28, "max": 33, **empty}


def test_results_of_other_masters_are_not_kept(tmp_path: Path) -> None:
    book = tmp_path / "results.jsonl"
    book.write_text('{"stamp": "old"}\n' + line_of(result_named("a")), encoding="utf-8")
    assert earlier(book, "new") == {}
    assert earlier(book, "old") == {"a": result_named("a")}
    assert earlier(tmp_path / "nothing", "old") == {}


def test_a_damaged_book_keeps_its_whole_lines_only(tmp_path: Path) -> None:
    book = tmp_path / "results.jsonl"
    garbage = [b"\x00\xff\xfe\x80garbage", b"5", b"{}", b'{"name": "x"}', b"[" * 100_000, b"\0" * 4096]
    lines = [b'{"stamp": "old"}', line_of(result_named("a")).strip().encode(), *garbage]
    book.write_bytes(b"\n".join([*lines, line_of(result_named("b")).encode() + b'{"name": "c']))
    assert earlier(book, "old").keys() == {"a", "b"}
    for stamp in (b"", b"\0" * 16, b'{"stamp": "o', b"7", b'{"stamp": null}'):
        book.write_bytes(stamp + b"\n" + line_of(result_named("a")).encode())
        assert earlier(book, "old") == {}, stamp
    book.write_bytes(b"")
    assert earlier(book, "old") == {}


def test_a_result_is_on_the_disk_before_the_next_submission(
    class_of_six: Path, masters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = tmp_path / "out" / "results.jsonl"
    synced: list[tuple[bool, int]] = []

    def fsync(fd: int) -> None:
        synced.append((Path(f"/proc/self/fd/{fd}").resolve() == book.resolve(), book.stat().st_size))

    monkeypatch.setattr("mmaplab.grading.book.os.fsync", lambda fd: fsync(fd) if book.exists() else None)
    sizes = []
    grade_all(class_of_six, tmp_path / "out", masters, say=lambda progress: sizes.append(book.stat().st_size))
    assert [size for is_book, size in synced if is_book] == sizes and len(sizes) == 6


def test_a_neighbours_seed_counts_only_where_any_does(masters: Path, tmp_path: Path) -> None:
    own = solutions()["fault-own"]
    assert 'seed = "Anna"' in own
    folder = tmp_path / "class"
    for name in ("anna", "bert"):
        (folder / name).mkdir(parents=True)
        (folder / name / "05.ipynb").write_bytes(submission({"fault-own": own}))
    out = tmp_path / "out"
    grade_all(folder, out, masters)
    assert points_in(out) == {"anna/05": 5, "bert/05": 5}
    grade_all(folder, out, masters, Ways(student=""), resume=True)
    assert points_in(out) == {"anna/05": 5, "bert/05": 2}, "what was graded for any seed is not kept"
    page = next(page for page in (out / "pages").iterdir() if "bert" in page.name).read_text(encoding="utf-8")
    assert "this work is of" in page
    with pytest.raises(CannotGrade, match="one group"):
        grade_all(folder, out, masters, Ways(student="bert"))
    with pytest.raises(CannotGrade, match=r"all 2 submissions would be of one student, 'class'"):
        grade_all(tmp_path, out, masters, Ways(student=r"^([^/]+)/"))


def test_results_without_protection_are_not_kept_under_protection(
    class_of_six: Path, masters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("bert", "cleo", "dora", "finn"):
        (class_of_six / f"{name}.ipynb").unlink()
    with monkeypatch.context() as patched:
        patched.setattr(units, "find_protection", lambda: None)
        first = grade_all(class_of_six, tmp_path / "out", masters, Ways(allow_unprotected=True))
    assert first.protection.startswith("NO SANDBOX")
    second = grade_all(class_of_six, tmp_path / "out", masters, resume=True)
    assert second.protection.startswith("namespaces") and second.kept == 0
    assert grade_all(class_of_six, tmp_path / "out", masters, resume=True).kept == 2


def test_without_a_sandbox_it_refuses_unless_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "find_protection", lambda: None)
    with pytest.raises(CannotGrade, match="--allow-unprotected"):
        choose_protection(False)
    assert choose_protection(True) is UNPROTECTED


def test_masters_beside_the_python_that_answers_run_with_are_refused(
    class_of_six: Path, masters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert needed(Path(sys.base_prefix)) and needed(Path(sys.prefix))
    assert not needed(masters) and not needed(class_of_six)
    monkeypatch.setattr(units, "needed", lambda place: place.resolve() == masters.resolve())
    with pytest.raises(CannotGrade, match=r"answers would see these\. Put them elsewhere"):
        grade_all(class_of_six, tmp_path / "out", masters)
    assert not list((tmp_path / "out").glob("*.html"))


def test_a_sandbox_that_does_not_start_costs_nobody_a_point(
    class_of_six: Path, masters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "Grader", lambda *args, **how: Grader(*args, **how, preload=("no_such_module",)))
    with pytest.raises(CannotGrade, match=r"does not start .*--resume"):
        grade_all(class_of_six, tmp_path / "out", masters)
    monkeypatch.undo()
    grade_all(class_of_six, tmp_path / "out", masters, resume=True)
    assert points_in(tmp_path / "out") == POINTS


def test_nothing_to_grade_is_told(masters: Path, tmp_path: Path) -> None:
    with pytest.raises(CannotGrade, match="no file or folder"):
        list(find_submissions(tmp_path / "nothing"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(CannotGrade, match="no notebook in"):
        grade_all(tmp_path / "empty", tmp_path / "out", masters, Ways(allow_unprotected=True))
    with pytest.raises(CannotGrade, match="no masters in"):
        grade_all(tmp_path, tmp_path / "out", tmp_path)
    (tmp_path / "bad.zip").write_bytes(b"PK")
    with pytest.raises(CannotGrade, match="not a zip"):
        list(find_submissions(tmp_path / "bad.zip"))


def test_the_command_grades_resumes_and_says_how_it_went(
    class_of_six: Path, masters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["grade", str(class_of_six), "--out", str(out), "--solutions", str(masters), "--jobs", "2"]
    assert main([*words, "--timeout", "20", "--memory", "1024"]) == 1  # one could not be read
    said = capsys.readouterr()
    assert said.out.startswith("6 submissions graded, 1 of them could not be read. Report: ")
    assert "Protection: " in said.out
    assert len(said.err.splitlines()) == 6
    assert main([*words, "--timeout", "20", "--memory", "1024", "--resume"]) == 1
    said = capsys.readouterr()
    assert "6 of them before the interruption" in said.out and said.err == ""
    assert main(["grade", str(tmp_path / "nothing"), "--out", str(out), "--solutions", str(masters)]) == 2
    assert "no file or folder" in capsys.readouterr().err
    assert main([*words, "--cluster", "nowhere"]) == 2
    assert "no Dask scheduler at nowhere" in capsys.readouterr().err


def test_one_notebook_and_ctrl_c(
    class_of_six: Path,
    masters: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ["grade", str(class_of_six / "anna.ipynb"), "--out", str(tmp_path / "out"), "--solutions", str(masters)]
    assert main(words) == 0
    assert len(list((tmp_path / "out" / "gradescope").iterdir())) == 1

    def interrupted(self: Grader, data: bytes, name: str) -> dict:
        raise KeyboardInterrupt

    monkeypatch.setattr(Grader, "grade", interrupted)
    assert main(words) == 130
    assert "interrupted. What is graded is kept: go on with --resume" in capsys.readouterr().err
