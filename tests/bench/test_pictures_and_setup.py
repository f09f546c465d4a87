"""The report's pictures, and the rooms on setting up and on the chapters; nothing here is installed or timed."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest

from mmaplab.bench import chapters, command, plots, report, setting_up
from mmaplab.bench.measure import Bench, Goal, NotMeasurable
from mmaplab.course import chapters as course
from tests.views.pictures import collisions, outside, small_print

ROOT = Path(__file__).parents[2]


@pytest.fixture
def found() -> report.Report:
    """A report with goals that are met and missed, at most and at least, by value and by ratio."""
    bench = Bench()
    rows = [
        bench.row("half of the goal", 1.0, "s", goal=Goal.at_most(2)),
        bench.row("four times the goal, with a name that is longer than what can stand before the scale", 8, "s",
                  goal=Goal.at_most(2)),
        bench.row("a rate", 50.0, "x/s", goal=Goal.at_least(100)),
        bench.row("a ratio", 5.0, "us", ratio=[1.5], goal=Goal.at_most(1.5, of="ratio")),
        bench.row("nothing may differ", 0.0, "programs", goal=Goal.at_most(0)),
        bench.row("told", 7.0, "MiB"),
    ]  # fmt: skip
    room = {"name": "made_up", "title": "Made up", "missing": "", "rows": [asdict(row) for row in rows]}
    empty = {"name": "empty", "title": "Empty", "missing": "no reason", "rows": []}
    return {"date": "2026-01-02", "machine": report.machine(), "quick": False, "repeats": 3, "seed": 7,
            "rooms": [room, empty]}  # fmt: skip


def test_every_goal_stands_at_its_distance(found: report.Report) -> None:
    picture = plots.goals(found)
    assert picture.description == "3 of 5 goals are met."
    assert picture.text.splitlines() == [
        "half of the goal: 0.5 of the goal, met",
        "four times the goal, with a name that is longer than what can stand before the scale: 4 of the goal, NOT MET",
        "a rate: 2 of the goal, NOT MET",
        "a ratio: 1 of the goal, met",
        "nothing may differ: 1 of the goal, met",
    ]
    assert picture.svg == plots.goals(found).svg


def test_bars_are_as_long_as_their_rows(found: report.Report) -> None:
    found["rooms"][0]["rows"] = found["rooms"][0]["rows"][:2]
    picture = plots.bars(found, "made_up")
    lengths = [float(part.split('width="')[1].split('"')[0]) for part in picture.parts if 'class="file o"' in part]
    assert lengths[1] == pytest.approx(8 * lengths[0], rel=0.01)
    assert "from 1 to 8 s" in picture.description


def test_pictures_can_be_read(found: report.Report) -> None:
    for picture in command.pictures(found).values():
        assert not collisions(picture)
        assert not outside(picture)
        assert not small_print(picture)


def test_what_cannot_be_drawn_is_said(found: report.Report) -> None:
    with pytest.raises(ValueError, match="no rows of 'empty'"):
        plots.bars(found, "empty")
    found["rooms"][0]["rows"] = found["rooms"][0]["rows"][-1:]
    with pytest.raises(ValueError, match="no row of the report has a goal"):
        plots.goals(found)


def test_the_pictures_lie_beside_the_report(found: report.Report, tmp_path: Path) -> None:
    command.write(found, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"bench.json", "bench.txt", "goals.svg", "made_up.svg"}


def test_an_empty_environment_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = setting_up.measure(Bench(quick=True))
    assert row.unit == "s" and row.value.median > 0


def test_a_clean_copy_has_what_git_tracks_and_nothing_else(tmp_path: Path) -> None:
    root, target = tmp_path / "root", tmp_path / "copy"
    root.mkdir()
    for name, text in {"Makefile": "all:\n", "a/b.txt": "b", ".gitignore": "made/\n", "made/x": "x"}.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    with pytest.raises(NotMeasurable, match="no checkout"):
        setting_up.copy_checkout(root, target)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    setting_up.copy_checkout(root, target)
    copied = {str(p.relative_to(target)) for p in target.rglob("*") if p.is_file()}
    assert copied == {"Makefile", "a/b.txt", ".gitignore"}


def test_a_command_that_fails_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(NotMeasurable, match="cannot be downloaded"):
        setting_up.seconds(tmp_path, "sh", "-c", "echo no; echo 'it cannot be downloaded' >&2; exit 3")


def test_the_home_of_a_new_user_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    monkeypatch.setenv("MMAPLAB_HOME", "/elsewhere")
    told = setting_up.environment(Path("/new"))
    assert told["HOME"] == "/new" and not {"XDG_CACHE_HOME", "MMAPLAB_HOME"} & set(told)


def test_a_chapter_is_run_and_its_seconds_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(chapters, "seconds", lambda path: float(path.stem[:2]))
    rows = list(chapters.measure(Bench()))
    assert [row.value.median for row in rows] == [*(float(stem[:2]) for stem in course()), 66.0]
    assert rows[-1].name == "together: 12 chapters"


def test_without_notebooks_the_room_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotMeasurable, match="checkout of the course"):
        list(chapters.measure(Bench(quick=True)))


def test_the_first_chapter_really_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    first, together = chapters.measure(Bench(quick=True))
    assert first.value.median > 0.5 and together.value.median == first.value.median


def test_the_stored_picture_is_the_one_of_the_stored_report() -> None:
    stored = json.loads(report.STORED.read_text(encoding="utf-8"))
    assert (ROOT / "docs" / "goals.svg").read_text(encoding="utf-8") == plots.goals(stored).svg
    assert "docs/goals.svg" in (ROOT / "README.md").read_text(encoding="utf-8")
