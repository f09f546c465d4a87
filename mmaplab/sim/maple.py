"""The ordered map of areas: which area is at an address, and where a free range is.

                         [ node: vm_start, vm_end, gap ]                  gap = the largest hole below this node
                          |             |             |
            [ A  B ..  C ]        [ D  E  F ]        [ G . H ]            leaves hold areas, in address order

Linux keeps the areas of an address space in a maple tree (`mm->mm_mt`), because programs with tens of thousands of
areas exist and every page fault looks for one. A maple tree is a B-tree whose inner nodes also know the largest hole
below them. So each question costs one walk from the root to a leaf, a step for each level: find, next, previous,
insert, remove, and also: where do 8 MiB fit?

Linux: lib/maple_tree.c (mas_find, mas_store, mas_empty_area, mas_empty_area_rev).
Leaves out: reading without a lock (RCU, so a node is changed in place here and copied in Linux), node types for
ranges and for gaps, storage of holes as entries of their own, reserving nodes before a change.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from operator import attrgetter, sub
from typing import Any, Generic, Protocol, TypeVar

FAN_OUT = 16
"""Entries of a node at most; Linux has 16 in a leaf and 10 in an inner node, which is four cache lines."""
FEW = FAN_OUT // 4
"""A node with fewer entries is joined with a neighbour."""

START, END, GAP = attrgetter("vm_start"), attrgetter("vm_end"), attrgetter("gap")


class Area(Protocol):
    """What the tree needs to know of an area: half-open [vm_start, vm_end), in bytes."""

    vm_start: int
    vm_end: int


A = TypeVar("A", bound=Area)


class Node:
    """Part of the tree. It has a `vm_start` and a `vm_end` like an area, so every level is searched alike."""

    __slots__ = ("gap", "leaf", "slots", "vm_end", "vm_start")

    def __init__(self, slots: list[Any], leaf: bool) -> None:
        self.slots, self.leaf = slots, leaf
        """Areas in a leaf, nodes elsewhere; in address order."""
        self.vm_start = self.vm_end = self.gap = 0
        self.summarise()

    def summarise(self) -> bool:
        """Compute the extent and the largest hole anew; did either change?"""
        slots = self.slots
        start, end = (slots[0].vm_start, slots[-1].vm_end) if slots else (0, 0)
        gap = max(map(sub, map(START, slots[1:]), map(END, slots)), default=0)
        if not self.leaf:
            gap = max(gap, max(map(GAP, slots)))
        changed = (start, end, gap) != (self.vm_start, self.vm_end, self.gap)
        self.vm_start, self.vm_end, self.gap = start, end, gap
        return changed


class MapleTree(Generic[A]):
    """Areas in address order, none overlapping another. Do not insert or remove while iterating: copy first."""

    def __init__(self) -> None:
        self.root = Node([], leaf=True)
        self.count = 0

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[A]:
        return areas_below(self.root)

    # ------------------------------------------------------------ questions

    @property
    def depth(self) -> int:
        """Nodes between the root and an area, both ends counted but the area: the steps of one look-up."""
        return len(self._path(0))

    def find(self, addr: int) -> A | None:
        """Return the first area that ends above `addr`, or None. Linux: mas_find."""
        node = self.root
        while True:
            i = bisect_right(node.slots, addr, key=END)
            if i == len(node.slots):
                return None
            if node.leaf:
                return node.slots[i]  # type: ignore[no-any-return]
            node = node.slots[i]

    def next(self, area: A) -> A | None:
        """Return the area after `area`, or None. Linux: mas_next."""
        return self.find(area.vm_end)

    def prev(self, area: A) -> A | None:
        """Return the area before `area`, or None. Linux: mas_prev."""
        node = self.root
        while True:
            i = bisect_left(node.slots, area.vm_start, key=START) - 1
            if i < 0:
                return None
            if node.leaf:
                return node.slots[i]  # type: ignore[no-any-return]
            node = node.slots[i]

    def range(self, start: int, end: int) -> list[A]:
        """Return the areas that overlap [start, end). Linux: for_each_vma_range."""
        leaf, found = self.root.leaf, overlapping(self.root.slots, start, end)
        while found and not leaf:
            leaf = found[0].leaf
            found = [slot for node in found for slot in overlapping(node.slots, start, end)]
        return found

    def empty_area(self, low: int, high: int, size: int) -> int | None:
        """Return the lowest `s` with [s, s + size) free and within [low, high), or None. Linux: mas_empty_area."""
        return lowest_fit(self.root, 0, high, low, high, size)

    def empty_area_rev(self, low: int, high: int, size: int) -> int | None:
        """Return the highest `s` with [s, s + size) free and within [low, high), or None.

        Linux: mas_empty_area_rev, by which an mmap without a hint is placed.
        """
        return highest_fit(self.root, 0, high, low, high, size)

    # ------------------------------------------------------------ changes

    def insert(self, area: A) -> None:
        """Add an area; ValueError where its range is empty or not free. Linux: mas_store."""
        there = self.find(area.vm_start)
        if area.vm_start >= area.vm_end or (there is not None and there.vm_start < area.vm_end):
            raise ValueError(f"{area.vm_start:#x}-{area.vm_end:#x} is empty, or overlaps an area that is in the tree")
        path = self._path(area.vm_start)
        leaf = path[-1]
        leaf.slots.insert(bisect_right(leaf.slots, area.vm_start, key=START), area)
        self.count += 1
        self._settle(path)

    def remove(self, area: A) -> None:
        """Take an area out; KeyError where it is not in the tree. Linux: mas_erase."""
        path = self._path(area.vm_start)
        del path[-1].slots[index_of(path[-1], area)]
        self.count -= 1
        self._settle(path)

    def resize(self, area: A, start: int, end: int) -> None:
        """Let `area` span [start, end) from now on; nothing else may be there. Linux: vma_iter_config, mas_store."""
        before, after = self.prev(area), self.next(area)
        if (before and start < before.vm_end) or (after and end > after.vm_start):
            self.remove(area)  # it moves past a neighbour, or the caller is wrong and insert will say so
            area.vm_start, area.vm_end = start, end
            self.insert(area)
            return
        path = self._path(area.vm_start)
        index_of(path[-1], area)
        area.vm_start, area.vm_end = start, end
        self._settle(path)

    # ------------------------------------------------------------ keeping the shape

    def _path(self, addr: int) -> list[Node]:
        """Return the nodes from the root to the leaf in which an area that starts at `addr` belongs."""
        node = self.root
        path = [node]
        while not node.leaf:
            node = node.slots[max(0, bisect_right(node.slots, addr, key=START) - 1)]
            path.append(node)
        return path

    def _settle(self, path: list[Node]) -> None:
        """After a change in the leaf at the end of `path`: split or join nodes, and compute the summaries anew."""
        for parent, node in zip(reversed(path[:-1]), reversed(path[1:]), strict=True):
            if len(node.slots) > FAN_OUT:
                parent.slots.insert(parent.slots.index(node) + 1, split(node))
            elif len(node.slots) < FEW:
                join_with_neighbour(parent, parent.slots.index(node))
            elif not node.summarise():
                return
        if len(self.root.slots) > FAN_OUT:
            self.root = Node([self.root, split(self.root)], leaf=False)
        while not self.root.leaf and len(self.root.slots) == 1:
            self.root = self.root.slots[0]
        self.root.summarise()


def index_of(leaf: Node, area: Area) -> int:
    """Return where in its leaf an area is; KeyError where it is not there."""
    i = bisect_left(leaf.slots, area.vm_start, key=START)
    if i == len(leaf.slots) or leaf.slots[i] is not area:
        raise KeyError(f"the area {area.vm_start:#x}-{area.vm_end:#x} is not in the tree")
    return i


def areas_below(node: Node) -> Iterator[Any]:
    """Yield the areas below a node, in address order."""
    if node.leaf:
        yield from node.slots
        return
    for child in node.slots:
        yield from areas_below(child)


def overlapping(slots: list[Any], start: int, end: int) -> list[Any]:
    """Return the areas or nodes that overlap [start, end)."""
    return slots[bisect_right(slots, start, key=END) : bisect_left(slots, end, key=START)]


def split(node: Node) -> Node:
    """Move the upper half of a node into a new one, and return that."""
    half = len(node.slots) // 2
    upper = Node(node.slots[half:], node.leaf)
    del node.slots[half:]
    node.summarise()
    return upper


def join_with_neighbour(parent: Node, i: int) -> None:
    """Give the entries of the `i`-th child and of a neighbour to one node, or evenly to two where one is too small."""
    i = max(i, 1) - 1
    if len(parent.slots) == 1:
        parent.slots[0].summarise()
        return
    left, right = parent.slots[i : i + 2]
    left.slots += right.slots
    parent.slots[i + 1 : i + 2] = [split(left)] if len(left.slots) > FAN_OUT else []
    left.summarise()


# ---------------------------------------------------------------- holes


def highest_fit(node: Node, floor: int, ceiling: int, low: int, high: int, size: int) -> int | None:
    """Return the highest place for `size` bytes in the holes of `node`, [floor, ceiling) being what lies around it.

    A child is entered only where its largest hole is big enough: so the walk goes down once, or twice where the
    hole that was promised is outside [low, high).
    """
    for i in range(len(node.slots), -1, -1):
        below = node.slots[i - 1].vm_end if i else floor
        above = node.slots[i].vm_start if i < len(node.slots) else ceiling
        start = min(above, high) - size
        if start >= max(below, low):
            return start
        if below <= low:
            return None
        if i and (found := within(highest_fit, node.slots[i - 1], node.leaf, low, high, size)) is not None:
            return found
    return None


def lowest_fit(node: Node, floor: int, ceiling: int, low: int, high: int, size: int) -> int | None:
    """Return the lowest place for `size` bytes in the holes of `node`; the mirror image of `highest_fit`."""
    for i in range(len(node.slots) + 1):
        below = node.slots[i - 1].vm_end if i else floor
        above = node.slots[i].vm_start if i < len(node.slots) else ceiling
        start = max(below, low)
        if start + size <= min(above, high):
            return start
        if above >= high:
            return None
        if i < len(node.slots) and (found := within(lowest_fit, node.slots[i], node.leaf, low, high, size)) is not None:
            return found
    return None


def within(fit: Any, child: Any, leaf: bool, low: int, high: int, size: int) -> int | None:
    """Search a child of a node, where it has holes at all that are big enough."""
    if leaf or child.gap < size or child.vm_end <= low or child.vm_start >= high:
        return None
    found: int | None = fit(child, child.vm_start, child.vm_end, low, high, size)
    return found
