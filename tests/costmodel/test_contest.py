"""Prices and races on the live kernel: they come out, and nobody asserts a duration."""

from __future__ import annotations

from dataclasses import fields

import pytest

from mmaplab.costmodel import Prices, calibrate, contest, estimates, races
from mmaplab.costmodel.calibrate import LEAST, lower_quartile, prices_of
from mmaplab.costmodel.contest import Timed, differ, everything, judged, pairs
from mmaplab.costmodel.trials import reading


def test_the_quartile_leaves_the_disturbed_rounds_out() -> None:
    assert lower_quartile([5.0, 1.0, 90.0, 2.0, 3.0]) == 2.0
    assert lower_quartile([7.0]) == 7.0


def test_prices_follow_from_the_loops() -> None:
    part = 4096
    timed = {
        "read of 1 byte": 500.0,
        "read of 1 MiB": 500.0 + (1 << 20),
        "read of 64 KiB, hot": 500.0 + (1 << 15),
        "read of a page at random": 700.0 + 4096,
        "open and close": 2000.0,
        "one page mapped": 5000.0,
        "one page touched": 8000.0,
        "windows entered": 256 * 3000.0 + part * 100.0,
        "words entered": 256 * 3000.0 + part * 400.0,
        "bytes entered": 256 * 3000.0 + part * 5000.0,
        "array call": 1000.0,
        "words again": 1000.0 + 2 * part * 20.0,
        "words at random": 2000.0 + part * 30.0,
        "bytes again": 1000.0 + 2 * part * 4096.0,
        "bytes again, hot": 1000.0 + (1 << 17),
        "store to anonymous memory": part * 2000.0,
        "store to a private page": part * 2500.0,
    }
    prices = Prices.of(prices_of(timed, 2 * part))
    assert (prices.call, prices.mapping, prices.open, prices.fault) == (500, 5000, 2000, 3000)
    assert (prices.copy, prices.hot_copy, prices.scattered) == (1, 0.5, 200)
    assert (prices.entry, prices.first_word, prices.first_page) == (100, 280, 804)
    assert (prices.stride, prices.miss, prices.load, prices.hot_load) == (20, 30, 1, 0.5)
    assert (prices.zero, prices.cow, prices.array_call) == (2000, 2500, 1000)


def timed(name: str, estimated: float, low: float, high: float) -> Timed:
    return Timed(reading(4096), estimated, low, (low + high) / 2, high)


def test_two_differ_when_their_middle_halves_stay_apart() -> None:
    assert differ(timed("a", 1, 1, 2), timed("b", 1, 3, 4))
    assert not differ(timed("a", 1, 1, 3), timed("b", 1, 2, 4))


def test_the_judge_counts_winners_and_errors() -> None:
    found = {trial.name: Timed(trial, 2.0, 1.0, 1.1, 1.2) for trial in everything()}
    for read, _ in pairs():
        found[read.name] = Timed(read, 1.0, 0.5, 0.6, 0.7)  # read is estimated and measured to win every race
    told = judged(found)
    assert told["median error, %"] == 100
    assert told["races with a clear winner"] == told["winners named by the model"] == len(pairs())
    assert told["winners named by 'mmap is faster'"] == 0


def test_a_file_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="a file of 100 pages is too small: give 1024"):
        calibrate(pages=100)


@pytest.mark.live
def test_a_machine_has_all_prices() -> None:
    prices = calibrate(rounds=2, pages=LEAST)
    assert set(prices) == {field.name for field in fields(Prices)}
    assert Prices.of(prices).fault > 0


@pytest.mark.live
def test_a_contest_tells_both_times_of_every_program() -> None:
    told = contest(pages=LEAST, repeats=2, calibrations=2)
    assert set(estimates(told)) == {trial.name for trial in everything()}
    assert all(estimated > 0 and measured > 0 for estimated, measured in estimates(told).values())


@pytest.mark.live
def test_races_are_ratios() -> None:
    told = races(pages=1024, repeats=1)
    assert len(told) == 7 and all(float(str(ratio)) > 0 for ratio in told.values())
