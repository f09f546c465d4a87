"""The formula: counts times prices, and where the counts come from."""

from __future__ import annotations

from dataclasses import asdict, fields

import pytest

from mmaplab.constants import PAGE_SIZE
from mmaplab.costmodel import Prices, Work, estimate, parts, trials

ONE_EACH = Prices(**{field.name: 1.0 for field in fields(Prices)})


def counts(work: Work) -> dict[str, int]:
    return {name: number for name, number in asdict(work).items() if number}


def test_every_count_has_a_price_and_costs() -> None:
    for field in fields(Work):
        assert estimate(Work(**{field.name: 3}), ONE_EACH) == 3, field.name


def test_the_parts_make_the_sum() -> None:
    work = trials.touching(passes=2).work(64)
    assert sum(parts(work, ONE_EACH).values()) == estimate(work, ONE_EACH) > 0


def test_a_missing_price_is_named() -> None:
    with pytest.raises(ValueError, match="the prices lack cow, copy, "):
        Prices.of(
            {"call": 1.0, "mapping": 2, "open": 3.0, "fault": 1, "entry": 1, "zero": 1, "cow": "two"} | {"copy": None}
        )


def test_reading_counts_calls_and_bytes() -> None:
    assert counts(trials.reading(16 * PAGE_SIZE).work(64)) == {"calls": 4, "copied": 64 * PAGE_SIZE}
    twice = counts(trials.reading(16 * PAGE_SIZE, summed=True, passes=2).work(64))
    assert twice == {"calls": 8, "copied": 128 * PAGE_SIZE, "hot_loaded": 128 * PAGE_SIZE, "array_calls": 8}


def test_a_mapping_counts_faults_and_entries_once() -> None:
    one, four = (counts(trials.touching(passes).work(64)) for passes in (1, 4))
    assert one == {"mappings": 1, "faults": 4, "entries": 64, "first_word": 64, "in_order": 64, "array_calls": 1}
    assert {name: four[name] for name in ("faults", "entries")} == {"faults": 4, "entries": 64}
    assert four["in_order"] == 256


def test_pages_at_random_pay_for_windows() -> None:
    work = counts(trials.touching_at_random(1 / 64).work(1024))
    assert work["at_random"] == 16 and 14 <= work["faults"] <= 16 and work["entries"] == 16 * work["faults"]
    assert counts(trials.reading_at_random(1 / 64).work(1024)) == {
        "calls": 16,
        "copied": 16 * PAGE_SIZE,
        "scattered": 16,
    }


def test_every_turn_gets_other_pages_until_all_had_theirs() -> None:
    turns = [page for turn in range(16) for page in trials.places(1024, 1 / 16, turn)]
    assert len(set(turns[:960])) == 960


def test_small_files_are_hot() -> None:
    assert counts(trials.small_file_read(16).work(1)) == {
        "calls": 1,
        "opens": 1,
        "hot_copied": 16384,
        "hot_loaded": 16384,
        "array_calls": 2,
    }
    assert counts(trials.small_file_mapped(16).work(1))["faults"] == 1


def test_own_memory_has_a_price_of_its_own() -> None:
    assert counts(trials.filling_with_zeros().work(64)) == {"mappings": 1, "zeroed": 32, "array_calls": 1}
    assert counts(trials.copying_on_write().work(64)) == {"mappings": 1, "cow": 32, "array_calls": 1}
