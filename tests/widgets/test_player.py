"""The player gets a whole trace once; what it needs to draw any step is in that one piece of data."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mmaplab.constants import MAP_SHARED, PAGE_SIZE, PROT_READ, PROT_WRITE
from mmaplab.sim import Kernel
from mmaplab.views.layout import layout
from mmaplab.views.linked import board
from mmaplab.views.pointed import pointed
from mmaplab.views.steps import steps
from mmaplab.widgets.film import film, styles
from mmaplab.widgets.player import MOST_STEPS, Player, player, player_twin
from tests.views.pictures import PROGRAMS, cold_read, config


def state(data: dict[str, Any], k: int, kind: str) -> dict[int, int]:
    """Return what the changes up to step k add up to."""
    shown: dict[int, int] = {}
    for step in data["steps"][: k + 1]:
        changes = step[kind]
        shown.update(zip(changes[::2], changes[1::2], strict=True))
    return shown


def frame(data: dict[str, Any], k: int) -> dict[str, str]:
    """Return what the browser shows at step k: object name to piece of picture, as player.js computes it."""
    shown = state(data, k, "set")
    names = [f"{data['layers'][layer]} {name}" for layer, name in data["objects"]]
    return {names[thing]: data["parts"][part] for thing, part in shown.items() if part >= 0}


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_step_of_the_film_is_the_static_picture_of_that_step(name: str) -> None:
    found = steps(PROGRAMS[name](), last=2)
    made = film(found)
    data = json.loads(made.data)
    plan = layout(found)
    for k, step in enumerate(found):
        parts = board(step, plan).parts
        drawn = {f"{layer} {name}": svg for layer in parts for name, svg in parts[layer].items()}
        assert frame(data, k) == drawn
        assert data["steps"][k]["say"] == step.sentence
        told = {data["targets"][t]: data["words"][w] for t, w in state(data, k, "tell").items() if w >= 0}
        assert told == pointed(step, plan)


def long_run(npages: int, accesses: int) -> Kernel:
    kernel = Kernel(config())
    kernel.create_file("big.bin", bytes(npages * PAGE_SIZE))
    p = kernel.spawn()
    a = p.mmap(0, npages * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, p.open("big.bin", 2))
    for i in range(accesses):
        p.store(a + i * 7 % npages * PAGE_SIZE, b"x")
    return kernel


def test_a_trace_of_200_steps_is_less_than_a_megabyte() -> None:
    kernel = long_run(300, 25)
    found = steps(kernel, last=25)
    assert len(found) >= 200
    assert len(film(found[:200]).data) <= 1_000_000


def test_the_same_trace_gives_the_same_film() -> None:
    assert film(steps(cold_read(), last=2)).data == film(steps(cold_read(), last=2)).data


def test_it_shows_itself_by_a_fixed_text() -> None:
    assert repr(player(cold_read(), last=2)) == "<player of 15 steps>"


def test_a_still_is_the_picture_of_a_step() -> None:
    kernel = cold_read()
    shown = player(kernel, last=2)
    assert shown.still(7).svg == player_twin(kernel, last=2, step=7).svg
    with pytest.raises(IndexError, match="steps 1 to 15"):
        shown.still(16)


def test_it_says_when_the_kernel_has_gone_on() -> None:
    kernel = cold_read()
    shown = player(kernel, last=1)
    assert not shown.refresh()
    kernel.processes[1].load(kernel.processes[1].maps()[0].start)
    assert shown.refresh()
    assert shown.stale


def test_a_list_of_records_never_gets_stale() -> None:
    kernel = cold_read()
    shown = player(kernel.trace.records[:], last=1)
    kernel.processes[1].load(kernel.processes[1].maps()[0].start)
    assert not shown.refresh()


def test_it_can_begin_at_any_step() -> None:
    assert player(cold_read(), last=2, start=7).start == 6
    assert player(cold_read(), last=2, start=99).start == 14


def test_too_long_and_empty_traces_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match="nothing to play"):
        player([])
    with pytest.raises(ValueError, match=f"more than a player shows \\({MOST_STEPS}\\)"):
        player(long_run(300, 60), last=None)


def test_nothing_of_it_comes_from_the_network() -> None:
    code = Player._esm.read_text() if hasattr(Player._esm, "read_text") else str(Player._esm)
    assert "import " not in code.replace("import(", "")
    addresses = [word for word in code.split('"') if word.startswith("http")]
    assert addresses == ["http://www.w3.org/2000/svg"]


def test_its_styles_touch_nothing_outside_it() -> None:
    rules = [rule for rule in styles().split("}") if rule]
    assert all(rule.startswith((".mmaplab-film ", ".mmaplab.dark .mmaplab-film ")) for rule in rules)
