"""The same units on a Dask cluster of several processes: the same scores, also when one of them is killed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmaplab.grading import cluster as room
from mmaplab.grading.bulk import Progress, Ways, grade_all
from mmaplab.grading.cluster import GAVE_UP, Workplace
from mmaplab.grading.finding import CannotGrade
from mmaplab.grading.runner import Grader

from .helpers import KEYS, solutions, submission

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[distributed.LocalCluster]:
    """A cluster of three processes on this machine, without its web pages."""
    silent = {"dashboard_address": ":0", "silence_logs": 50}
    with distributed.LocalCluster(n_workers=3, threads_per_worker=1, processes=True, **silent) as running:
        yield running


@pytest.fixture(scope="module")
def class_of_twelve(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve submissions; in each another answer is right, and one crashes."""
    folder, right = tmp_path_factory.mktemp("twelve"), solutions()
    for number in range(12):
        key = KEYS[number % len(KEYS)]
        crash = {KEYS[(number + 1) % len(KEYS)]: "import ctypes; ctypes.string_at(0)"}
        (folder / f"{number:02}.ipynb").write_bytes(submission({key: right[key], **crash}))
    (folder / "99.ipynb").write_bytes(b"{")
    return folder


@pytest.fixture(scope="module")
def expected(grader: Grader, class_of_twelve: Path, masters: Path, tmp_path_factory: pytest.TempPathFactory) -> list:
    """What grading in this one process gives."""
    out = tmp_path_factory.mktemp("here")
    grade_all(class_of_twelve, out, masters)
    return submissions_in(out)


def submissions_in(out: Path) -> list:
    return json.loads((out / "scores.json").read_text(encoding="utf-8"))["submissions"]


def test_a_cluster_gives_the_same_results_although_a_worker_is_killed(
    cluster: distributed.LocalCluster, class_of_twelve: Path, expected: list, masters: Path, tmp_path: Path
) -> None:
    killed: list[int] = []
    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:

        def kill_a_worker(progress: Progress) -> None:
            if progress.number == 2:
                busy = [worker for worker, keys in client.processing().items() if keys]
                killed.extend(client.run(os.getpid, workers=busy[:1]).values())
                os.kill(killed[0], signal.SIGKILL)

        ways = Ways(cluster=cluster.scheduler_address)
        summary = grade_all(class_of_twelve, tmp_path, masters, ways, say=kill_a_worker)
    assert len(killed) == 1
    assert submissions_in(tmp_path) == expected
    assert summary.graded == 13 and summary.protection.startswith("on a cluster, namespaces by")


def test_a_cluster_goes_on_where_another_way_has_stopped(
    cluster: distributed.LocalCluster, class_of_twelve: Path, expected: list, masters: Path, tmp_path: Path
) -> None:
    class Stop(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.number == 4:
            raise Stop

    with pytest.raises(Stop):
        grade_all(class_of_twelve, tmp_path, masters, say=stop)
    summary = grade_all(class_of_twelve, tmp_path, masters, Ways(cluster=cluster.scheduler_address), resume=True)
    assert summary.kept == 4
    assert submissions_in(tmp_path) == expected


def test_a_submission_with_which_workers_die_again_and_again_is_left_for_later(
    cluster: distributed.LocalCluster,
    class_of_twelve: Path,
    expected: list,
    masters: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = room.content

    def deadly(item):
        return (b"die", "") if item.name == "03.ipynb" else real(item)

    monkeypatch.setattr(room, "content", deadly)
    monkeypatch.setattr(room, "unit", unit_that_dies)
    ways = Ways(cluster=cluster.scheduler_address)
    summary = grade_all(class_of_twelve, tmp_path, masters, ways)
    assert summary.broken == 2
    assert submissions_in(tmp_path)[3]["broken"] == GAVE_UP
    monkeypatch.undo()
    assert grade_all(class_of_twelve, tmp_path, masters, ways, resume=True).kept == 12
    assert submissions_in(tmp_path) == expected


def unit_that_dies(name: str, data: bytes, complaint: str) -> dict:
    """Do as `unit`, but take the worker down with one submission."""
    from mmaplab.grading.cluster import unit

    if data == b"die":
        os.kill(os.getpid(), signal.SIGKILL)
    return unit(name, data, complaint)


def test_what_stands_in_the_way_is_told(
    cluster: distributed.LocalCluster, class_of_twelve: Path, masters: Path, tmp_path: Path
) -> None:
    with pytest.raises(CannotGrade, match="no Dask scheduler at nowhere"):
        grade_all(class_of_twelve, tmp_path, masters, Ways(cluster="nowhere"))
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=50) as empty:
        with pytest.raises(CannotGrade, match="has no workers"):
            grade_all(class_of_twelve, tmp_path, masters, Ways(cluster=empty.scheduler_address))


def test_a_worker_of_another_version_refuses(
    cluster: distributed.LocalCluster,
    class_of_twelve: Path,
    masters: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room, "Workplace", lambda kit: Workplace(kit, "0.0"))
    with pytest.raises(CannotGrade, match=r"and this is 0\.0"):
        grade_all(class_of_twelve, tmp_path, masters, Ways(cluster=cluster.scheduler_address))
