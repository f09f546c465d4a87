"""Bursts of like events become one step, and nothing is lost on the way."""

from __future__ import annotations

from itertools import pairwise

import pytest

from mmaplab.sim import events as ev
from mmaplab.views.scene import final
from mmaplab.views.steps import groups, steps
from tests.views.pictures import PROGRAMS, bad_access, cold_read, fsync_call, private_store


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_record_is_in_exactly_one_step_in_order(name: str) -> None:
    records = PROGRAMS[name]().trace.records
    assert [record for group in groups(records) for record in group] == records


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_last_scene_is_the_fold_of_everything(name: str) -> None:
    kernel = PROGRAMS[name]()
    found = steps(kernel)
    assert found[-1].scene == final(kernel)
    assert all(one.scene == other.before for one, other in pairwise(found))


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_step_has_a_sentence(name: str) -> None:
    for step in steps(PROGRAMS[name]()):
        assert step.sentence.endswith(".")
        assert step.sentence[0].isupper() or step.sentence[0].isdigit() or step.sentence.startswith("data")


def test_the_steps_of_a_cold_load() -> None:
    assert [step.sentence for step in steps(cold_read(), last=2)] == [
        "P1 loads one byte from page 3 of data.bin.",
        "The processor holds no entry for page 3 of data.bin: it walks the page table.",
        "A page fault: no entry permits this load of page 3 of data.bin, so the kernel is entered.",
        "Page 3 of data.bin is not in the page cache.",
        "The kernel decides to read 32 pages around the page that is missing: pages 0 to 31 of data.bin.",
        "Pages 0 to 31 of data.bin take places in the page cache, still empty.",
        "32 pages are copied from the disk into the page cache: pages 0 to 31 of data.bin.",
        "3 page tables are made, down to the one for this address.",
        "16 entries are set: pages 0 to 15 of data.bin.",
        "The fault ends: major, for the page had to be brought in.",
        "The processor holds no entry for page 3 of data.bin: it walks the page table.",
        "The processor keeps a copy of the entry of page 3 of data.bin.",
        "The access is complete and gives b'\\x00'.",
        "P1 loads one byte from page 3 of data.bin.",
        "The access is complete and gives b'\\x00'.",
    ]


def test_making_a_file_is_one_step() -> None:
    first = steps(cold_read())[0]
    assert first.sentence == "The file data.bin is made: 40 pages, not in the page cache."
    assert len(first.records) > 100


def test_a_private_store_says_what_is_copied() -> None:
    said = [step.sentence for step in steps(private_store(), last=1)]
    assert "The processor copies 4,096 bytes: page to private copy." in said


def test_write_back_is_one_step() -> None:
    said = [step.sentence for step in steps(fsync_call(), last=1)]
    assert "1 page is copied from the page cache to the disk: page 0 of warm.bin." in said


def test_a_signal_is_a_step_of_its_own() -> None:
    found = steps(bad_access(), last=1)
    assert "SIGSEGV: there is no area at 0x400000." in [step.sentence for step in found]
    assert [kind for step in found for kind in step.kinds] == ["fault", "signal"]


def test_kinds_are_where_a_reader_can_jump_to() -> None:
    found = steps(cold_read(), last=2)
    assert [i for i, step in enumerate(found) if "fault" in step.kinds] == [2]
    assert [i for i, step in enumerate(found) if "copy" in step.kinds] == [6]


def test_span_is_the_outermost_span_so_far() -> None:
    found = steps(cold_read(), last=2)
    assert len(found[12].span) == sum(len(step.records) for step in found[:13])
    assert found[13].span == found[13].records


def test_last_must_be_positive() -> None:
    with pytest.raises(ValueError, match="last=0"):
        steps(cold_read(), last=0)


def test_a_trace_that_is_cut_in_the_middle_still_has_steps() -> None:
    records = cold_read().trace.records
    middle = next(i for i, r in enumerate(records) if isinstance(r.event, ev.DiskRead) and r.depth == 2)
    assert steps(records[middle:])
