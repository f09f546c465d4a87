"""Sets of addresses: sorted, disjoint (start, end) pairs."""

from __future__ import annotations

from collections.abc import Iterable

Ranges = list[tuple[int, int]]


def without(ranges: Iterable[tuple[int, int]], start: int, end: int) -> Ranges:
    """Return the ranges less everything from `start` to `end`."""
    parts = []
    for a, b in ranges:
        parts += [(a, min(b, start)), (max(a, end), b)]
    return [(a, b) for a, b in parts if a < b]


def with_range(ranges: Ranges, start: int, end: int) -> Ranges:
    """Return the ranges with everything from `start` to `end`; what touches is joined."""
    joined: Ranges = []
    for a, b in sorted([*ranges, (start, end)]):
        if joined and a <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(b, joined[-1][1]))
        elif a < b:
            joined.append((a, b))
    return joined


def common(ranges: Iterable[tuple[int, int]], start: int, end: int) -> Ranges:
    """Return the parts of the ranges that lie between `start` and `end`."""
    parts = [(max(a, start), min(b, end)) for a, b in ranges]
    return [(a, b) for a, b in parts if a < b]
