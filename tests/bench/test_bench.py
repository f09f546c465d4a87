"""The form of the bench: rows, goals, reports. No test here looks at a clock; sizes are tiny."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from mmaplab import cli
from mmaplab.bench import agreement, command, footprint, report, rooms, simulator, starting
from mmaplab.bench.measure import Bench, Goal, NotMeasurable, Row, Spread, many, ratios, row_of, short
from mmaplab.lab import NotAvailable

README = Path(__file__).parent.parent.parent / "README.md"


def ticking(step: float) -> Iterator[float]:
    """Yield the times of a clock that is looked at every `step` seconds."""
    now = 0.0
    while True:
        yield now
        now += step


@pytest.fixture
def bench() -> Bench:
    """A bench whose clock takes half a second between two looks, whatever happens."""
    times = ticking(0.5)
    return Bench(quick=True, repeats=3, seed=7, clock=lambda: next(times))


# ---------------------------------------------------------------- a measurement


def test_the_spread_is_the_median_with_both_ends() -> None:
    assert Spread.of([3.0, 1.0, 2.0, 10.0]) == Spread(2.5, 1.0, 10.0, 4)
    assert str(Spread.of([3.0, 1.0, 2.0])) == "2 (1 to 3)"
    assert str(Spread.of([3.0])) == "3"
    with pytest.raises(ValueError, match="at least one"):
        Spread.of([])


def test_a_bench_times_each_run_by_its_clock(bench: Bench) -> None:
    done: list[int] = []
    assert bench.times(lambda: done.append(1)) == [0.5, 0.5, 0.5]
    assert len(done) == 3
    assert bench.against(lambda: done.append(2), lambda: done.append(3), repeats=2) == ([0.5, 0.5], [0.5, 0.5])
    assert done[3:] == [2, 3, 2, 3], "by turns"
    assert bench.size(1_000, 10) == 10
    assert Bench().size(1_000, 10) == 1_000


def test_a_row_is_scaled_and_judged_by_its_median(bench: Bench) -> None:
    row = bench.row("a", [1.0, 2.0, 9.0], "us", 1e6, [1.0, 2.0, 9.0], Goal.at_most(2, of="ratio"))
    assert row.value.median == 2e6
    assert row.met
    assert not bench.row("a", [1.0, 2.1, 9.0], "s", goal=Goal.at_most(2)).met
    assert bench.row("a", 3, "s", goal=Goal.at_least(3)).met
    assert bench.row("a", 3, "s").met is None
    with pytest.raises(ValueError, match="no ratio"):
        _ = Row("a", Spread.of([1.0]), "s", None, Goal.at_most(2, of="ratio")).met


def test_a_goal_says_what_it_wants() -> None:
    assert str(Goal.at_most(2, of="ratio")) == "at most 2 x"
    assert str(Goal.at_least(1_500)) == "at least 1,500"


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (0.01234, "0.0123"), (1.234, "1.23"), (99.96, "100"), (123.4, "123"), (12345, "12,345")],
)
def test_numbers_are_short(number: float, text: str) -> None:
    assert short(number) == text


def test_ratios_go_pair_by_pair() -> None:
    assert ratios([1.0, 6.0], [2.0, 3.0]) == [0.5, 2.0]
    with pytest.raises(ValueError, match="argument"):
        ratios([1.0], [1.0, 2.0])
    assert many(3) == [3.0]


# ---------------------------------------------------------------- the rooms


def rows_of(measured: Iterator[Row]) -> list[Row]:
    """Return the rows of a room, each of which must survive being stored."""
    rows = list(measured)
    for row in rows:
        assert row.name and row.unit and row.value.low <= row.value.median <= row.value.high
        assert row_of(json.loads(json.dumps(asdict(row)))) == row
    assert len({row.name for row in rows}) == len(rows)
    return rows


def test_the_simulator_is_measured() -> None:
    rows = rows_of(simulator.measure(Bench(quick=True, repeats=1)))
    goals = [row.goal for row in rows if row.goal]
    assert goals == [Goal.at_most(2, "ratio"), *simulator.TOUCH_GOALS, Goal.at_most(1.5, "ratio")]


def test_memory_is_measured_in_children() -> None:
    whole, sparse, empty = rows_of(footprint.measure(Bench(quick=True)))
    assert whole.value.median > empty.value.median > 1
    assert sparse.met


def test_starts_are_measured() -> None:
    rows = rows_of(starting.measure(Bench(quick=True, repeats=1)))
    assert [row.name for row in rows if row.goal] == ["mmaplab --help; ratio to python -c pass", "import mmaplab"]


@pytest.mark.live
def test_agreement_is_measured() -> None:
    try:
        rows = rows_of(agreement.measure(Bench(quick=True, repeats=1)))
    except NotMeasurable as reason:
        pytest.skip(str(reason))
    assert rows[0].unit == "steps/s" and rows[0].value.median > 0
    assert rows[1].goal == Goal.at_most(0)


def test_a_room_that_cannot_be_measured_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file_system: str) -> None:
        raise NotAvailable("no live kernel here")

    monkeypatch.setattr(agreement, "live_pair", refuse)
    lines: list[str] = []
    found = report.measure(["agreement"], Bench(quick=True), lines.append)
    assert found["rooms"][0]["missing"] == "no live kernel here"
    assert "  not measured: no live kernel here" in lines
    assert "not measured: no live kernel here" in report.text(found)
    assert "not measured: no live kernel here" in report.block(found)


def test_every_room_has_a_title_and_rows() -> None:
    for name in rooms.ROOMS:
        assert rooms.room(name).TITLE
        assert callable(rooms.room(name).measure)
    with pytest.raises(ValueError, match="no room 'kitchen'"):
        rooms.room("kitchen")


# ---------------------------------------------------------------- the report


@pytest.fixture
def found(bench: Bench) -> report.Report:
    """A report with three rows: a goal that is met, one that is missed, and none."""
    rows = [
        bench.row("fast", [1.0, 2.0, 3.0], "us", ratio=[1.5], goal=Goal.at_most(2, of="ratio")),
        bench.row("slow", 9.0, "s", goal=Goal.at_most(2)),
        bench.row("told", 7.0, "MiB"),
    ]
    room = {"name": "made up", "title": "Made up", "missing": "", "rows": [asdict(row) for row in rows]}
    return {"date": "2026-01-02", "machine": report.machine(), "quick": False, "repeats": 3, "seed": 7, "rooms": [room]}


def test_the_block_quotes_the_rows_with_a_goal(found: report.Report) -> None:
    lines = report.block(found).splitlines()
    assert lines[0] == report.BEGIN
    assert lines[1].startswith("Measured on 2026-01-02: ")
    assert lines[-3:] == [
        "| fast | 2 (1 to 3) us | 1.5 | at most 2 x |",
        "| slow | 9 s |  | at most 2 s (not met) |",
        report.END,
    ]
    assert report.unmet(found) == ["slow"]
    assert "told: 7 MiB" in report.text(found)


def test_the_block_replaces_the_old_one_and_nothing_else(found: report.Report) -> None:
    text = f"above\n{report.BEGIN}\nold\n{report.END}\nbelow\n"
    once = report.with_block(text, found)
    assert once == f"above\n{report.block(found)}\nbelow\n"
    assert report.with_block(once, found) == once
    with pytest.raises(ValueError, match="no place for the numbers"):
        report.with_block("no marks here", found)


def test_readme_quotes_the_stored_report() -> None:
    stored = json.loads(report.STORED.read_text(encoding="utf-8"))
    readme = README.read_text(encoding="utf-8")
    assert report.with_block(readme, stored) == readme, "run `make bench`: README and the stored numbers differ"
    assert [room["name"] for room in stored["rooms"]] == list(rooms.ROOMS)
    assert not stored["quick"]


def test_storing_writes_both_or_neither(found: report.Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "STORED", tmp_path / "stored.json")
    readme = tmp_path / "README.md"
    readme.write_text("no marks")
    with pytest.raises(ValueError, match="no place"):
        command.record(found, readme)
    assert not report.STORED.exists()
    readme.write_text(f"{report.BEGIN}{report.END}")
    command.record(found, readme)
    assert json.loads(report.STORED.read_text()) == found
    assert readme.read_text() == report.block(found)


# ---------------------------------------------------------------- the command


def test_the_command_measures_a_room_and_writes_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "footprint", "--quick", "--out", str(tmp_path / "new"), "--seed", "3"]) == 0
    stored = json.loads((tmp_path / "new" / "bench.json").read_text())
    assert (stored["quick"], stored["seed"]) == (True, 3)
    assert {"class", "cpus", "kernel", "python"} == set(stored["machine"])
    shown = capsys.readouterr().out
    assert "The host's memory" in shown
    for row in stored["rooms"][0]["rows"]:
        assert row["name"] in shown
    assert (tmp_path / "new" / "bench.txt").read_text() == report.text(stored)


def test_a_missed_goal_is_the_exit_status(monkeypatch: pytest.MonkeyPatch, found: report.Report) -> None:
    monkeypatch.setattr(report, "measure", lambda *_: found)
    assert command.main(["footprint"]) == 1
    found["quick"] = True
    assert command.main(["footprint", "--quick"]) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["kitchen"], "no room 'kitchen'"),
        (["--repeats", "0"], "--repeats 0"),
        (["--record", "--quick"], "without --quick"),
        (["--record", "starting"], "all rooms"),
    ],
)
def test_options_that_make_no_sense(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
