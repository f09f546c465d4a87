"""The bench's room on the player: what it measures is what was promised, a trace of 200 steps."""

from __future__ import annotations

import pytest

from mmaplab.bench import player
from mmaplab.bench.measure import Bench, NotMeasurable
from mmaplab.bench.player import clicks_in_jupyterlab, in_a_browser, long_story, measure, percentile
from mmaplab.widgets.film import film


def test_the_story_is_as_long_as_it_says_and_small_enough_to_travel() -> None:
    found = long_story()
    assert len(found) == player.STEPS
    assert film(found).plan.groups[0].high == player.PAGES
    assert len(film(found).data.encode()) < 1_000_000


def test_a_percentile_is_one_of_the_numbers() -> None:
    assert percentile([float(n) for n in range(1, 101)], 95) == 95
    assert percentile([3.0], 95) == 3
    assert percentile([2.0, 1.0], 95) == 2


def test_a_click_is_measured_on_real_pages() -> None:
    rows = measure(Bench(quick=True))
    assert next(rows).met
    click = next(rows)
    assert click.unit == "ms"
    assert click.value.runs == 2
    assert click.value.low > 0


def test_without_a_browser_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMIUM", "no-such-browser")
    with pytest.raises(NotMeasurable, match=r"Chromium|Playwright"):
        in_a_browser(Bench(quick=True), "{}")


@pytest.mark.browser
def test_a_step_is_measured_in_a_browser() -> None:
    try:
        opened, stepped = in_a_browser(Bench(quick=True), film(long_story()).data)
    except NotMeasurable as reason:
        pytest.skip(str(reason))
    assert len(opened) == len(stepped) == 2
    assert min(opened) > 0 and min(stepped) > 0


@pytest.mark.browser
def test_a_click_is_measured_until_it_is_seen_in_jupyterlab() -> None:
    try:
        took = clicks_in_jupyterlab(Bench(quick=True))
    except NotMeasurable as reason:
        pytest.skip(str(reason))
    assert len(took) == 2
    assert all(0 < each < 10_000 for each in took)
