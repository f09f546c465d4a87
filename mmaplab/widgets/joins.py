"""What a call did to the areas, in words: which were split, and which were merged.

    before   AAAA      AABB      AA        one letter per page
    after    ABAA      AAAA      AAAA      the third: a new area of two pages, right behind A
    told     split     merged    merged

Compared are the areas before and after the call, as /proc/PID/maps lists them; pieces belong together where they
overlap. Pages that no area had before count as one more piece: a new area that joined its neighbour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from mmaplab.interface import MapsEntry

Range = tuple[int, int]


def joins(before: Sequence[MapsEntry], after: Sequence[MapsEntry], where: Callable[[int], str]) -> str:
    """Return what was split and merged, '' for nothing; `where` names an address."""
    told = []
    for old, new in _groups([(e.start, e.end) for e in before], [(e.start, e.end) for e in after]):
        pieces = len(old) + (_size(new) > _size(new, old))
        if len(new) > pieces:
            what = f"the area at {where(old[0][0])} is" if len(old) == 1 else f"{len(old)} areas are"
            told.append(f"{what} split into {len(new)} areas")
        elif new and len(new) < pieces:
            told.append(f"{pieces} areas are merged into {'one' if len(new) == 1 else len(new)}")
        elif len(new) > 1 and old != new:
            told.append(f"the border at {where(new[1][0])} moved: a piece was split off and merged with its neighbour")
    return "; ".join(told)


def _groups(before: list[Range], after: list[Range]) -> Iterator[tuple[list[Range], list[Range]]]:
    """Yield the old and the new areas that overlap one another, from low addresses to high ones."""
    everything = sorted([(area, False) for area in before] + [(area, True) for area in after])
    group: tuple[list[Range], list[Range]] = ([], [])
    end = 0
    for area, is_new in everything:
        if area[0] >= end and end:
            yield group
            group = ([], [])
        group[is_new].append(area)
        end = max(end, area[1])
    yield group


def _size(areas: list[Range], within: list[Range] | None = None) -> int:
    """Return how many bytes the areas have; of those that lie in others, where these are given."""
    others = areas if within is None else within
    return sum(max(0, min(a[1], b[1]) - max(a[0], b[0])) for a in areas for b in others)
