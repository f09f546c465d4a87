"""The tasks that a learner plays: the solution in the text reaches the goal, and what the text calls wrong does not."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from mmaplab.widgets.play import Play
from mmaplab.widgets.workbench import Workbench

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"

Move = tuple[str, str, int] | str
"""A click on a page as (load or store, area, page), or the code on a button."""

SYNC = "p.msync(a + {} * PAGE, PAGE, MS_SYNC)"
CUT = ["p.mprotect(a + 2 * PAGE, 3 * PAGE, PROT_READ)", "p.munmap(a + 4 * PAGE, PAGE)"]
READ = "p.pread(3, 1, {} * PAGE)"


def load(page: int, area: str = "a") -> Move:
    """Return a click that loads."""
    return ("load", area, page)


def store(page: int, area: str = "a") -> Move:
    """Return a click that stores."""
    return ("store", area, page)


RIGHT: dict[str, list[list[Move]]] = {
    "01": [[store(2)]],
    "02": [['t.store(a, b"x")', "t.munmap(a + PAGE, PAGE)"]],
    "03": [[*CUT], [*reversed(CUT)]],
    "04": [[store(6), store(1, "b")]],
    "05": [[load(5), load(20)], [load(12), load(13)]],
    "06": [[store(1), 'c.store(a + 1 * PAGE, b"x")'], ['c.store(a + 1 * PAGE, b"x")', store(1)]],
    "07": [[store(0), store(2), SYNC.format(2)]],
    "08": [[store(0), store(1), store(2)]],
    "09": [[READ.format(3), READ.format(5), READ.format(40)], [load(3), load(5), READ.format(40)]],
    "10": [[load(0), "p.load(a + 2 * PAGE + 4095)", load(3), store(0)]],
    "11": [[store(1), SYNC.format(1), store(2), SYNC.format(2)]],
}
WRONG: dict[str, list[list[Move]]] = {
    "01": [[store(2, "b")], [store(1), store(2)]],
    "02": [['c.store(a, b"x")', "t.munmap(a + PAGE, PAGE)"]],
    "03": [["p.munmap(a + 2 * PAGE, 3 * PAGE)", "p.mprotect(a, 4 * PAGE, PROT_READ)"]],
    "04": [[store(0), store(1, "b")], [store(6), store(0, "c")]],
    "05": [[load(4), load(13)], [load(4), load(20)]],
    "06": [[load(1), 'c.store(a + 1 * PAGE, b"x")'], [store(0), 'c.store(a + 0 * PAGE, b"x")']],
    "07": [
        [store(0), store(2), "p.fsync(3)"],
        [store(0), store(2), "p.msync(a, 4 * PAGE, MS_SYNC)"],
        [store(0), store(2), "p.msync(a + 2 * PAGE, PAGE, MS_ASYNC)"],
    ],
    "08": [[f'p.pwrite(3, b"x", {n} * PAGE)' for n in range(3)], [store(n, "b") for n in range(3)]],
    "09": [[load(3), load(5), load(40)]],
    "10": [[load(0), load(1), load(3), store(0)]],
    "11": [[store(1), store(2), SYNC.format(1), SYNC.format(2)], [store(2), SYNC.format(2), store(1), SYNC.format(1)]],
}


def shown(chapter: str, call: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the widget that a chapter's cell makes with a call of `call`; the cells before it are run."""
    monkeypatch.setenv("MMAPLAB_LIVE", "off")
    monkeypatch.chdir(NOTEBOOKS)
    path = next(NOTEBOOKS.glob(f"{chapter}_*.ipynb"))
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code" or "raises-exception" in cell["metadata"].get("tags", []):
            continue
        tree = ast.parse("".join(cell["source"]))
        last = tree.body[-1] if tree.body else None
        made = isinstance(last, ast.Expr) and isinstance(last.value, ast.Call) and ast.unparse(last.value.func) == call
        if "widget" not in cell["metadata"].get("tags", []) or made:
            body = ast.Module(tree.body[:-1] if made else tree.body, [])
            exec(compile(body, f"<{cell['id']}>", "exec"), names)
        if made and isinstance(last, ast.Expr):
            return eval(compile(ast.Expression(last.value), f"<{cell['id']}>", "eval"), names)
    raise AssertionError(f"{path.name} has no cell that ends in {call}(...)")


def played(task: Play, moves: Iterable[Move]) -> bool:
    """Make the moves in a new round, by the buttons; returns whether the goal is reached, at the last move only."""
    task.reset()
    for move in moves:
        assert not task.done, f"reached before {move}"
        if isinstance(move, str):
            next(button for button in task.extra if button.description == move).click()
        else:
            kind, area, page = move
            task.kind.value = kind
            buttons = list(task.pages.values())["abcdef".index(area)]
            buttons[page].click()
    return task.done


@pytest.mark.parametrize("chapter", RIGHT)
def test_the_solution_reaches_the_goal_and_the_traps_do_not(chapter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task = shown(chapter, "play", monkeypatch)
    assert isinstance(task, Play)
    for moves in RIGHT[chapter]:
        assert played(task, moves), moves
        assert "✓" in task.said.value
    for moves in WRONG[chapter]:
        assert not played(task, moves), moves
    if len(WRONG[chapter][-1]) == task.calls:
        assert "✗" in task.said.value


def test_every_chapter_with_a_task_is_played() -> None:
    with_task = {path.name[:2] for path in NOTEBOOKS.glob("[0-9]*.ipynb") if '"play(' in path.read_text("utf-8")}
    assert with_task == RIGHT.keys() == WRONG.keys()


def mapped(bench: Workbench, places: Iterable[tuple[str, int, str]]) -> bool:
    """Map two pages of the file at each (address, file page, flags); returns whether the goal is reached."""
    bench.again.click()
    bench.pages.value = 2
    for address, page, flags in places:
        bench.hint.value, bench.offset.value = address, page
        bench.flags.value = flags
        bench.map.click()
    return bench.done


def test_three_calls_make_one_area(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = shown("03", "workbench", monkeypatch)
    assert mapped(bench, [("0", 4, "MAP_SHARED"), ("0", 2, "MAP_SHARED"), ("0", 0, "MAP_SHARED")])
    assert not mapped(bench, [("0", 0, "MAP_SHARED"), ("0", 2, "MAP_SHARED"), ("0", 4, "MAP_SHARED")])
    fixed = "MAP_SHARED | MAP_FIXED"
    assert mapped(bench, [("0x10000", 0, "MAP_SHARED"), ("a+2", 2, fixed), ("a+4", 4, fixed)])


def test_the_flusher_writes_what_nobody_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = shown("07", "workbench", monkeypatch)
    assert isinstance(bench, Workbench)
    for wait, reached in ((bench.flusher, True), (bench.passed, False), (bench.sync, False)):
        bench.again.click()
        bench.map.click()
        bench.kind.value = "store"
        first, second = sorted(bench.buttons)[:2]
        bench.buttons[first][1].click()
        bench.buttons[second][1].click()
        assert not bench.done
        wait.click()
        assert bench.done is reached
    assert bench.session.kernel.disk_bytes("data.bin")[0] == ord("x"), "it is on the disk, but by msync"
