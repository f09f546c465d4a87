"""Your own kernel against Linux: right functions agree, a wrong one is noticed, an unknown one is named."""

from __future__ import annotations

import pytest

from mmaplab.ownkernel import COLLECTION, against_linux
from mmaplab.sim.mm_types import MmStruct, VmArea


def test_the_reference_agrees_with_linux() -> None:
    found = against_linux()
    assert found.score == len(COLLECTION), found


def test_a_slow_function_is_right_and_a_wrong_one_is_noticed() -> None:
    def by_walking(mm: MmStruct, addr: int) -> VmArea | None:
        return next((vma for vma in mm.areas if vma.vm_end > addr), None)

    def one_too_far(mm: MmStruct, addr: int) -> VmArea | None:
        return next((vma for vma in mm.areas if vma.vm_end >= addr), None)

    assert against_linux(find_vma=by_walking).score == len(COLLECTION)
    found = against_linux(find_vma=one_too_far)
    assert found.score < len(COLLECTION) and "find_vma" in repr(found) and "differ" in found._repr_html_()


def test_without_linux_the_reference_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMAPLAB_LIVE", "off")
    found = against_linux()
    assert not found.live and found.score == len(COLLECTION)
    assert "no live one here" in repr(found)


def test_an_unknown_slot_is_named() -> None:
    with pytest.raises(TypeError, match="find_area"):
        against_linux(find_area=lambda mm, addr: None)
