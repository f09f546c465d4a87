"""Very many programs: in several processes, logged, and continued where they were interrupted."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from mmaplab.fuzz import command
from mmaplab.fuzz.campaign import PORTION, Log, Plan, Portion, result_of
from mmaplab.fuzz.pair import Pair


def portion(number: int, differences: list[str] | None = None) -> Portion:
    return Portion(number, PORTION, 4000, 900, 70, 1.5, ["disturbed"], differences or [])


def test_portions_take_the_file_systems_in_turn() -> None:
    plan = Plan(1, 2 * PORTION + 1, file_system="both")
    assert plan.portions == 3
    assert [plan.file_system_of(k) for k in range(3)] == ["ext4", "tmpfs", "ext4"]
    assert Plan(1, PORTION, file_system="tmpfs").file_system_of(0) == "tmpfs"


def test_a_log_is_read_again(tmp_path: Path) -> None:
    plan, path = Plan(1, 3 * PORTION), tmp_path / "log.jsonl"
    log = Log(path, plan)
    log.add(portion(2))
    log.add(portion(0, ["a difference"]))
    again = Log(path, plan)
    assert again.done == {0: portion(0, ["a difference"]), 2: portion(2)}
    result = result_of(plan, again)
    assert (result["programs"], result["steps"], result["looks"]) == (2 * PORTION, 8000, 1800)
    assert (result["differences"], result["disturbed"], result["seconds"]) == (1, 2, 3)
    again.finish(result)
    assert json.loads(path.read_text().splitlines()[-1]) == {"result": result}
    assert json.loads(path.read_text().splitlines()[0]) == {"plan": asdict(plan)}


def test_the_log_of_another_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log.jsonl"
    Log(path, Plan(1, 100))
    with pytest.raises(ValueError, match="log of another run"):
        Log(path, Plan(2, 100))
    assert command.main(["--programs", "100", "--seed", "2", "--log", str(path)]) == 2
    assert "name another file with --log" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["--jobs", "2"], ["--file-system", "both"], ["--log", "x"]])
def test_options_that_need_each_other(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(argv)
    assert "need" in capsys.readouterr().err


@pytest.mark.live
def test_a_run_goes_on_where_it_was_interrupted(
    ext4: Pair, tmpfs: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of three portions the middle one is done: the other two are run, in two processes, on both file systems."""
    plan, path = Plan(1, 2 * PORTION + 3, "all", 5, "both"), tmp_path / "log.jsonl"
    Log(path, plan).add(portion(1))
    argv = ["--programs", str(plan.programs), "--seed", "1", "--steps", "5", "--file-system", "both", "--jobs", "2"]
    assert command.main([*argv, "--log", str(path), "--save", str(tmp_path)]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["programs"] == plan.programs
    assert (result["differences"], result["disturbed"]) == (0, 1)
    assert sorted(Log(path, plan).done) == [0, 1, 2]
    assert Log(path, plan).done[1] == portion(1)


@pytest.mark.parametrize("option", ["--programs", "--steps", "--stop-after", "--jobs"])
@pytest.mark.parametrize("number", ["0", "-3", "x", "1.5"])
def test_a_number_that_is_none(option: str, number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        command.main([f"{option}={number}"])
    assert end.value.code == 2
    assert f"{option}: {number!r} is no number from 1 on" in capsys.readouterr().err


@pytest.mark.live
@pytest.mark.parametrize("option", ["--directory", "--save", "--log"])
@pytest.mark.parametrize("place", ["/proc/x", "/proc", "/dev/null/x"])
def test_a_place_where_nothing_can_be_kept(option: str, place: str, capsys: pytest.CaptureFixture[str]) -> None:
    place += "/log" if (option, place) == ("--log", "/proc") else ""
    assert command.main(["--programs", "1", "--seed", "1", option, place]) == 2
    told = capsys.readouterr().err
    assert told.startswith("mmaplab fuzz: ")
    assert told.count("\n") == 1
    assert "Errno" not in told


def test_to_look_for_a_place_leaves_nothing_behind(tmp_path: Path) -> None:
    command.check_place(tmp_path / "a" / "b")
    assert [*tmp_path.iterdir()] == []
    (tmp_path / "there").mkdir()
    command.check_place(tmp_path / "there")
    assert [*tmp_path.iterdir()] == [tmp_path / "there"]
