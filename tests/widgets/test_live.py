"""The live walk: its picture anywhere, and the walk itself where Linux tells fault addresses."""

from __future__ import annotations

import html
import time

import pytest

from mmaplab.lab import NotAvailable
from mmaplab.widgets import live
from mmaplab.widgets.live import live_walk, raster_svg
from mmaplab.widgets.themed import themed
from tests.views.drawing import check
from tests.views.pictures import count


def test_an_order_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="sequential, random"):
        live_walk(pages=16, order="backwards")


def test_the_picture_has_one_mark_per_fault_and_rings_for_major_ones() -> None:
    picture = raster_svg([(0, True), (16, False), (32, True), (48, False)], 64)
    check(picture)
    assert (count(picture, "circle", "ring"), count(picture, "circle", "inkfill")) == (2, 2)
    assert picture.description == "4 faults, 2 of them major, for 64 pages."
    check(raster_svg([], 64))


def test_a_long_walk_is_thinned_out_but_counted_in_full() -> None:
    picture = raster_svg([(i, False) for i in range(4000)], 4096)
    check(picture)
    assert count(picture, "circle", "inkfill") <= 1500
    assert picture.description.startswith("4,000 faults")


def test_a_machine_that_cannot_says_so_and_can_be_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise NotAvailable("no Linux <here>")

    monkeypatch.setattr(live, "warm_file", refused)
    walk = live_walk(pages=16)
    walk.run().join(20)
    assert "This machine cannot show it: recorded on Linux" in walk.said.value
    assert "no Linux &lt;here&gt;" in walk.said.value
    assert not walk.start.disabled and walk.stop.disabled
    assert walk.table["pages touched"] == walk.table["pages"] == 4096
    picture = walk.draw(walk.table)
    check(picture)
    assert count(picture, "circle", "ring") + count(picture, "circle", "inkfill") > 4096 // 16


@pytest.mark.parametrize("error", [OSError(28, "no room <here>"), KeyError("<perf>"), ZeroDivisionError("<half>")])
def test_a_run_that_fails_says_why_whatever_it_was(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(live, "warm_file", fails)
    walk = live_walk(pages=16)
    walk.run().join(20)
    assert f"The run failed: {type(error).__name__}: " in walk.said.value
    assert html.escape(str(error)) in walk.said.value
    assert not walk.start.disabled and walk.stop.disabled


@pytest.mark.live
@pytest.mark.parametrize("order", ["sequential", "random"])
def test_a_walk_ends_in_a_table(order: str) -> None:
    walk = live_walk(pages=256, order=order)
    assert repr(walk) == f"live_walk(256 pages, {order})"
    walk.advice.value = 1  # MADV_RANDOM: each page that is not cached waits for the disk
    walk.run().join(60)
    if "This machine cannot" in walk.said.value:
        pytest.skip(walk.said.value)
    assert walk.table["pages touched"] == 256
    assert walk.table["major faults"] + walk.table["minor faults"] >= 256 // 16
    assert "<table>" in walk.said.value and walk.table["madvise"] == "MADV_RANDOM"
    assert walk.picture.value == themed(walk.draw(walk.table))


@pytest.mark.live
def test_a_walk_is_drawn_while_it_goes_on() -> None:
    """The course's own walk, of 4,096 pages: a picture several times a second, for some seconds."""
    walk = live_walk(order="random")
    drawn: list[int] = []
    walk.picture.observe(lambda _change: drawn.append(len(walk.faults)), "value")
    begun = time.monotonic()
    walk.run().join(60)
    if "This machine cannot" in walk.said.value:
        pytest.skip(walk.said.value)
    assert time.monotonic() - begun >= 3
    assert len(drawn) >= 5 and drawn[0] < drawn[len(drawn) // 2] < drawn[-1]
    assert walk.table["pages touched"] == 4096


@pytest.mark.live
def test_a_walk_can_be_stopped_on_its_way() -> None:
    """Who has seen enough presses Stop; what has come until then stays, as picture and table."""
    walk = live_walk(order="random")
    worker = walk.run()
    while worker.is_alive() and not walk.picture.value:
        time.sleep(0.02)
    walk.stop.click()
    worker.join(20)
    if "This machine cannot" in walk.said.value:
        pytest.skip(walk.said.value)
    assert "Stopped." in walk.said.value and "<table>" in walk.said.value
    assert 0 < walk.table["pages touched"] < 4096
    assert not walk.start.disabled and walk.stop.disabled
