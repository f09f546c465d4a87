"""`check_slot` as a learner meets it: how it is called, what it says, what it draws, and what it survives."""

from __future__ import annotations

import ctypes
import os
import re
import xml.etree.ElementTree as ET

import pytest

from mmaplab.grading import check_slot, desk
from mmaplab.grading.contracts import CONTRACTS, misfit, slot_of
from mmaplab.grading.observe import observe
from mmaplab.grading.shorten import shorten
from mmaplab.grading.state import state_of
from mmaplab.sim.fork import copy_page_range
from mmaplab.sim.kernel import REFERENCE
from mmaplab.sim.slots import Slots

from .versions import all_versions

BY_NAME = {version.name: version.function for version in all_versions()}


def my_find_vma(mm, addr):
    """The first area that ends at or above addr."""
    return next((area for area in mm.areas if addr <= area.vm_end), None)


def text_of(name: str) -> str:
    return repr(check_slot(name.partition("-")[0], BY_NAME[name]))


# ---------------------------------------------------------------- how it is called


@pytest.mark.parametrize(
    "arguments", [(my_find_vma,), ("find_vma", my_find_vma), (my_find_vma, "find_vma")], ids=["name", "first", "second"]
)
def test_the_slot_is_in_the_name_or_is_said(arguments) -> None:
    assert repr(check_slot(*arguments)).startswith("find_vma: differs from the reference.")


def test_every_reference_is_recognised_by_its_name() -> None:
    assert [slot_of(getattr(REFERENCE, slot)) for slot in CONTRACTS] == list(Slots.__dataclass_fields__)
    assert all(not misfit(slot, getattr(REFERENCE, slot)) for slot in CONTRACTS)


def test_what_is_no_slot_or_no_function_is_told() -> None:
    with pytest.raises(ValueError, match="no kernel function is named 'print'; those that can be replaced: find_vma,"):
        check_slot(print)
    with pytest.raises(TypeError, match="'' is no function"):
        check_slot("find_vma")
    with pytest.raises(TypeError, match="3 is no function"):
        check_slot("find_vma", 3)


def test_an_empty_function_is_not_answered_yet() -> None:
    def find_vma(mm, addr):
        """To be written."""

    assert repr(check_slot(find_vma)) == "find_vma: not answered yet."


def test_other_arguments_are_told_before_any_program_runs() -> None:
    def find_vma(mm):
        return mm.areas[0]

    text = repr(check_slot(find_vma))
    assert "the kernel calls find_vma(mm, addr), with 2 arguments; find_vma(mm) does not take them." in text


# ---------------------------------------------------------------- what it says


def test_program_two_answers_and_the_call_that_differs() -> None:
    assert (
        repr(check_slot(my_find_vma))
        .split("shows it:\n")[1]
        .startswith(
            """\
          find_vma differs from the reference after 2 calls:
              a = p.mmap(0x10000000, 0x1000, PROT_READ, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS)
              p.load(a+0x1000)
                  reference  SIGSEGV, SEGV_MAPERR, at 0x10001000
                  yours      b'\\x00', 1 minor fault, but an invariant is broken: entries_inside_areas: \
mm 1 has an entry at 0x10001000, where nothing is mapped
                  your find_vma(mm, 0x10001000) returned the area 0x10000000-0x10001000; the reference returned None
"""
        )
    )


def test_an_error_is_told_with_the_learner_s_own_line() -> None:
    text = text_of("find_vma-the_first_of_none")
    line = BY_NAME["find_vma-the_first_of_none"].__code__.co_firstlineno + 3
    assert f"yours      raised IndexError: list index out of range (line {line}: return found[0])" in text


def test_a_loop_is_told_with_its_line_and_the_same_each_time() -> None:
    text = text_of("find_vma-never_arrives")
    assert re.search(r"does not come to an end: 50,000 lines were not enough for one call \(line \d+: \w", text)
    assert "returned" in text and "did not come back" in text
    assert text == text_of("find_vma-never_arrives")


def test_a_loop_around_the_function_is_found_too() -> None:
    assert "does not come to an end" in text_of("handle_mm_fault-tries_again_for_ever")


def test_a_broken_invariant_is_named() -> None:
    assert "leaves the kernel broken" in text_of("zap_page_range-behind_the_kernel_s_back")
    assert "but an invariant is broken: counts_match_entries: " in text_of("zap_page_range-behind_the_kernel_s_back")


def test_what_is_given_back_is_checked() -> None:
    text = text_of("can_vma_merge-nothing_when_it_may")
    assert re.search(r"can_vma_merge\(the area .*\) returned None, where True or False is asked for", text)


def test_frames_are_told_where_rights_are_alike() -> None:
    def my_copy_page_range(child, parent):
        copy_page_range(child, parent)
        memory, mm = child.vm_mm.memory, child.vm_mm
        for addr, pte in list(mm.pgd.entries(child.vm_start, child.vm_end)):
            if pte >> 12 & 0xFFFFFFF:
                page = memory.alloc_page("anon")
                mm.pgd.set_pte(addr, page.pfn << 12 | pte & 0xFFF)
                memory.put_page(page)

    text = repr(check_slot(my_copy_page_range))
    assert "reference  S" in text and "yours      P" in text
    assert "P = private, mapped once, S = private, mapped by several" in text


def test_work_is_told_where_it_differs() -> None:
    text = text_of("do_msync-async_writes_as_well")
    assert "reference  done, 0 blocks written" in text and "yours      done, 1 block written" in text


# ---------------------------------------------------------------- what it draws


def test_the_picture_shows_both_kernels_and_its_text_form_is_what_is_told() -> None:
    verdict = check_slot(my_find_vma)
    assert verdict.picture is not None
    words = "".join(ET.fromstring(verdict.picture.svg).itertext())
    assert "find_vma: the reference and yours after 2 calls" in words
    assert "reference" in words and "yours" in words and "10000000" in words
    assert verdict.picture.text.splitlines() == list(verdict.findings[-1].lines)
    assert '<img src="data:image/svg+xml;base64,' in verdict._repr_html_()


@pytest.mark.parametrize(
    "name",
    [
        "can_vma_merge-whatever_the_rights",
        "get_unmapped_area-from_below",
        "get_unmapped_area-the_error_as_a_number",
        "do_fault_around-over_the_table_s_end",
        "page_cache_sync_ra-without_a_mark",
        "copy_page_range-the_child_may_store",
        "do_msync-async_writes_as_well",
        "find_vma-the_first_of_none",
    ],
)
def test_every_kind_of_difference_can_be_drawn(name: str) -> None:
    verdict = check_slot(name.partition("-")[0], BY_NAME[name])
    if verdict.picture is None:  # nothing was there when it failed
        assert name in ("find_vma-the_first_of_none", "get_unmapped_area-the_error_as_a_number")
        return
    root = ET.fromstring(verdict.picture.svg)
    for node in root.iter():
        if "x" in node.attrib and "width" in node.attrib:
            assert float(node.attrib["x"]) + float(node.attrib["width"]) <= verdict.picture.width


def test_a_function_that_agrees_has_no_picture() -> None:
    verdict = check_slot(REFERENCE.do_msync)
    assert verdict.passed and verdict.picture is None


# ---------------------------------------------------------------- what it survives


@pytest.mark.parametrize(
    ("end", "says"),
    [
        (lambda mm, addr: ctypes.string_at(0), "it died of SIGSEGV"),
        (lambda mm, addr: os._exit(3), "it ended its process with status 3"),
        (lambda mm, addr: exit(), "raised SystemExit"),
        (lambda mm, addr: find_for_ever(mm, addr), "RecursionError"),
    ],
    ids=["crash", "leave", "exit", "recursion"],
)
def test_this_process_lives_on_and_the_program_is_shown(end, says: str) -> None:
    text = repr(check_slot("find_vma", end))
    assert says in text and "p.load(" in text


def find_for_ever(mm, addr):
    return find_for_ever(mm, addr)


def test_a_loop_that_runs_no_line_is_ended_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "DESK_SECONDS", 1.0)

    def find_vma(mm, addr):
        return sum(iter(int, 1))

    text = repr(check_slot(find_vma))
    assert "it did not come to an end in time" in text and "p.load(" in text


def test_a_state_that_does_not_fit_is_overlooked() -> None:
    step = {"space": {"p": {"areas": ["-1-2 r", "zz-1 x", 7], "entries": [[1, 10**9, "w", "own", 0], "x", [1]]}}}
    assert state_of(step).areas == () and state_of(step).entries == {"p": {}}
    assert state_of(None).areas == () and state_of({"space": 3}).areas == ()


def test_shorten_asks_for_a_program_that_fails() -> None:
    version = next(version for version in all_versions() if version.name == "find_vma-one_too_far")
    program = check_slot(version.slot, version.function).findings[-1].program
    assert program is not None and len(observe(program)) == len(program.calls) + 1
    with pytest.raises(ValueError, match="does not show the difference"):
        shorten(program, lambda shorter: False)
