"""Shortening a list until no item can be left out."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmaplab.fuzz.shrink import shrink


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.sets(st.integers(0, 99), min_size=1, max_size=6))
def test_what_is_needed_remains_in_order(needed: set[int]) -> None:
    assert shrink(range(100), lambda kept: needed <= set(kept)) == sorted(needed)


def test_no_single_item_can_be_left_out() -> None:
    def fails(kept: Sequence[int]) -> bool:
        return len(kept) >= 3 and kept[0] % 2 == 0

    short = shrink(list(range(50)), fails)
    assert fails(short)
    assert not any(fails(short[:i] + short[i + 1 :]) for i in range(len(short)))


def test_what_does_not_fail_is_refused() -> None:
    with pytest.raises(ValueError, match="does not show the difference"):
        shrink([1, 2], lambda kept: False)


def test_the_number_of_tries_is_limited() -> None:
    tries = []

    def fails(kept: Sequence[int]) -> bool:
        tries.append(1)
        return len(kept) > 40

    assert len(shrink(range(100), fails, most_tries=10)) > 40
    assert len(tries) <= 11
