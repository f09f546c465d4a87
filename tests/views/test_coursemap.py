"""The map of the machine: always the same figure, with the rooms of the day in focus."""

from __future__ import annotations

import pytest

from mmaplab.views.coursemap import ROOMS, course_map
from tests.views.drawing import check
from tests.views.pictures import count


@pytest.mark.parametrize("focus", [(), ("page table", "page cache"), tuple(ROOMS)])
def test_each_room_in_focus_has_a_halo(focus: tuple[str, ...]) -> None:
    picture = course_map(*focus)
    check(picture)
    assert count(picture, "rect", "now") == len(focus)
    assert all(f"[{name}]" in repr(picture) for name in focus)
    assert all(name in repr(picture) for name in ROOMS)


def test_only_the_roads_that_copy_are_thick() -> None:
    assert count(course_map(), "path", "shaft") == 2  # disk to page cache, page cache to the program's buffer


def test_the_figure_is_the_same_but_for_the_focus() -> None:
    plain, focused = course_map(), course_map("disk")
    assert set(plain.parts) < set(focused.parts) and len(focused.parts) == len(plain.parts) + 1


def test_a_room_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no room 'cellar'"):
        course_map("cellar")
