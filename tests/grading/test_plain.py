"""Plain data: what may be handed over, and when two values are the same."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import pytest

from mmaplab.grading.plain import NotPlain, from_json, same, to_plain, told


class Colour(IntEnum):
    """A number of its own kind."""

    RED = 3


def test_numbers_texts_and_lists_of_them_are_plain() -> None:
    assert to_plain((1, [2.5, "x", None, True], b"\1")) == [1, [2.5, "x", None, True], {"bytes": "01"}]
    assert to_plain({"b": 1, "a": (2,)}) == {"dict": [["a", [2]], ["b", 1]]}


def test_numbers_of_other_libraries_become_whole_numbers() -> None:
    values = to_plain([Colour.RED, np.int64(4), np.uint8(5)])
    assert values == [3, 4, 5] and all(type(value) is int for value in values)  # type: ignore[union-attr]


@pytest.mark.parametrize("value", [object(), {1, 2}, iter([1]), float, np.array([1, 2]), lambda: 3])
def test_other_objects_are_not_plain(value: object) -> None:
    with pytest.raises(NotPlain, match="object of type"):
        to_plain(value)


def test_too_deep_and_too_long_is_not_plain() -> None:
    deep: list = []
    deep.append(deep)
    with pytest.raises(NotPlain, match="nested"):
        to_plain(deep)
    with pytest.raises(NotPlain, match="100,001 items"):
        to_plain([0] * 100_001)


@pytest.mark.parametrize(("a", "b"), [(1, True), (1, 1.0), (0, None), ("1", 1), ([1], [1, 2]), ([0], [False])])
def test_values_of_other_types_are_not_the_same(a: object, b: object) -> None:
    assert not same(to_plain(a), to_plain(b)) and not same(to_plain(b), to_plain(a))


def test_equal_plain_values_are_the_same() -> None:
    assert same(to_plain([1, {"x": (2, "y")}]), to_plain((1, {"x": [2, "y"]})))


def test_json_that_cannot_be_compared_is_refused() -> None:
    for text in ("NaN", "[Infinity]", "{", ""):
        with pytest.raises(NotPlain):
            from_json(text)


def test_values_are_told_as_they_were_written() -> None:
    assert told(to_plain({"a": (1, b"x")})) == "{'a': [1, b'x']}"
    assert len(told(to_plain("x" * 1000))) == 200
