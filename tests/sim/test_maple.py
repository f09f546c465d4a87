"""The map of areas against a naive sorted list."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmaplab.sim.maple import FAN_OUT, FEW, MapleTree, Node

LIMIT = 400


@dataclass
class Area:
    """Equal to others by value, to show that the tree goes by identity."""

    vm_start: int
    vm_end: int


class NaiveMap:
    """What the tree must answer, by looking at every area."""

    def __init__(self) -> None:
        self.areas: list[Area] = []

    def free(self, start: int, end: int, but: Area | None = None) -> bool:
        return all(a is but or a.vm_end <= start or end <= a.vm_start for a in self.areas)

    def add(self, area: Area) -> None:
        self.areas.append(area)
        self.areas.sort(key=lambda a: a.vm_start)

    def find(self, addr: int) -> Area | None:
        return next((a for a in self.areas if a.vm_end > addr), None)

    def fits(self, low: int, high: int, size: int) -> list[int]:
        return [s for s in range(low, high - size + 1) if self.free(s, s + size)]


def check_shape(tree: MapleTree[Area]) -> None:
    """Every summary is right, no node is too big or (but for the root) too small, every leaf equally deep."""
    depths = set()

    def visit(node: Node, depth: int) -> None:
        assert len(node.slots) <= FAN_OUT
        assert node is tree.root or len(node.slots) >= FEW
        assert node.summarise() is False
        if node.leaf:
            depths.add(depth)
            return
        for child in node.slots:
            visit(child, depth + 1)

    visit(tree.root, 0)
    assert len(depths) == 1


def grown(starts: list[int]) -> tuple[MapleTree[Area], list[Area]]:
    tree: MapleTree[Area] = MapleTree()
    areas = [Area(s, s + 1) for s in starts]
    for area in areas:
        tree.insert(area)
    return tree, areas


operations = st.lists(
    st.tuples(
        st.sampled_from(["insert", "insert", "insert", "remove", "resize"]),
        st.integers(0, LIMIT - 1),
        st.integers(1, 12),
    ),
    max_size=300,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(operations, st.integers(0, LIMIT), st.integers(0, LIMIT), st.integers(1, 30))
def test_like_a_naive_list(todo: list[tuple[str, int, int]], one: int, other: int, size: int) -> None:
    tree: MapleTree[Area] = MapleTree()
    naive = NaiveMap()
    for what, at, length in todo:
        chosen = naive.areas[at % len(naive.areas)] if naive.areas else None
        if what == "insert" and naive.free(at, at + length):
            area = Area(at, at + length)
            tree.insert(area)
            naive.add(area)
        elif what == "remove" and chosen:
            tree.remove(chosen)
            naive.areas = [a for a in naive.areas if a is not chosen]
        elif what == "resize" and chosen and naive.free(at, at + length, but=chosen):
            tree.resize(chosen, at, at + length)
            naive.areas.sort(key=lambda a: a.vm_start)
    check_shape(tree)
    assert len(tree) == len(naive.areas)
    assert [id(a) for a in tree] == [id(a) for a in naive.areas]
    for addr in range(0, LIMIT, 7):
        assert tree.find(addr) is naive.find(addr)
    for before, after in zip([None, *naive.areas], [*naive.areas, None], strict=True):
        assert before is None or tree.next(before) is after
        assert after is None or tree.prev(after) is before
    low, high = sorted((one, other))
    assert tree.range(low, high) == [a for a in naive.areas if a.vm_end > low and a.vm_start < high]
    fits = naive.fits(low, high, size)
    assert tree.empty_area(low, high, size) == min(fits, default=None)
    assert tree.empty_area_rev(low, high, size) == max(fits, default=None)


@pytest.mark.parametrize("seed", range(3))
def test_two_thousand_areas(seed: int) -> None:
    """Four levels: grow, take most away again in another order, and stay in shape throughout."""
    rng = random.Random(seed)
    starts = [2 * i for i in range(2000)]
    rng.shuffle(starts)
    tree, areas = grown(starts)
    check_shape(tree)
    assert [a.vm_start for a in tree] == sorted(starts)
    rng.shuffle(areas)
    for i, area in enumerate(areas):
        tree.remove(area)
        if i % 100 == 0:
            check_shape(tree)
            left = sorted(a.vm_start for a in areas[i + 1 :])
            assert [a.vm_start for a in tree] == left
            assert tree.empty_area_rev(0, 4000, 3) == NaiveWithStarts(left).highest(4000, 3)
    assert len(tree) == 0
    assert tree.find(0) is None
    assert tree.empty_area(5, 10, 5) == 5


class NaiveWithStarts:
    """The highest hole among areas of length 1."""

    def __init__(self, starts: list[int]) -> None:
        self.starts = starts

    def highest(self, high: int, size: int) -> int | None:
        edges = [(-1, 0), *((s, s + 1) for s in self.starts), (high, high + 1)]
        holes = [(left[1], right[0]) for left, right in pairwise(edges)]
        return max((end - size for start, end in holes if end - start >= size), default=None)


def test_each_level_costs_one_step() -> None:
    """60,000 areas need no more levels than a fan-out of 8 gives; so every question stays short."""
    tree, _ = grown([2 * i for i in range(60_000)])
    depth, node = 1, tree.root
    while not node.leaf:
        depth, node = depth + 1, node.slots[0]
    assert depth <= 6
    assert tree.find(60_001) == Area(60_002, 60_003)
    assert tree.empty_area_rev(0, 120_000, 2) is None


def test_insert_refuses_what_is_not_free() -> None:
    tree, _ = grown([10, 12])
    for start, end in [(10, 11), (9, 13), (11, 13), (20, 20)]:
        with pytest.raises(ValueError, match="overlaps"):
            tree.insert(Area(start, end))
    assert [a.vm_start for a in tree] == [10, 12]


def test_remove_goes_by_identity() -> None:
    tree, areas = grown([10, 12])
    with pytest.raises(KeyError, match="not in the tree"):
        tree.remove(Area(10, 11))
    tree.remove(areas[0])
    assert [a.vm_start for a in tree] == [12]


def test_an_area_may_grow_until_it_touches_its_neighbour() -> None:
    tree, areas = grown([10, 20, 30])
    tree.resize(areas[0], 5, 20)
    assert tree.find(15) is areas[0]
    assert tree.empty_area_rev(0, 30, 5) == 25
    tree.resize(areas[0], 40, 50)
    assert list(tree)[-1] is areas[0]
    assert tree.empty_area(0, 30, 20) == 0
