"""The generated programs: the same everywhere, sound on the reference, and they go through every line of it."""

from __future__ import annotations

import linecache
import sys
from types import CodeType

import pytest

from mmaplab.grading.families import BY_SLOT, FAMILIES, SLOT_FAMILIES, generate, situation
from mmaplab.grading.observe import observe
from mmaplab.grading.programs import Scenario
from mmaplab.sim import anon, cpu, fault, merge, mm, msync, vma, writeback
from mmaplab.sim.kernel import REFERENCE
from mmaplab.sim.slots import Slots

PARTS = {
    "can_vma_merge": [merge.is_mergeable_anon_vma, merge.vma_had_uncowed_parents],
    "get_unmapped_area": [vma.vm_unmapped_area, vma.unmapped_area_topdown, vma.unmapped_area, vma.thp_aligned],
    "translate": [cpu.permits],
    "handle_mm_fault": [fault.handle_pte_fault],
    "do_wp_page": [anon.wp_page_reuse, anon.wp_page_copy, anon.wp_page_shared, anon.page_mkwrite, anon.can_reuse],
    "zap_page_range": [mm._keep_dirty],
    "do_writepages": [writeback.write_folio],
    "do_msync": [msync.msync_vma],
}
"""Functions that hold part of a slot's reference."""
COUNT = 12
"""Programs of each family that `check_slot` runs, about."""
UNREACHED = {
    "handle_pte_fault": ("mm.pgd.set_pte(", "mm.flush_tlb_range(", "return FaultResult.VM_FAULT_DONE"),
    "copy_page_range": ("pte &= ~PAGE_DIRTY",),
    "write_folio": ("break", "except OSError", "folio.write_io_error", "errseq_set"),
}
"""Lines that no program reaches: a copy in a TLB that is stale for another thread, a shared area with an identity, a
folio that goes beyond the file's end or a disk that is broken."""


def test_every_slot_has_families() -> None:
    assert tuple(SLOT_FAMILIES) == tuple(Slots.__dataclass_fields__)
    assert all(len(families) >= 5 for families in BY_SLOT.values())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_program_is_the_same_each_time_and_can_be_sent(family: str) -> None:
    programs = [generate(family, seed) for seed in range(COUNT)]
    assert programs == [generate(family, seed) for seed in range(COUNT)]
    assert [Scenario.of(program.to_plain()) for program in programs] == programs
    assert situation(family) and not situation(family).endswith(".")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_program_needs_no_name_that_no_call_gives(family: str) -> None:
    for seed in range(COUNT):
        known = {"p"}
        for call in generate(family, seed).calls:
            assert call.needs <= known, f"{family} {seed}: {call}"
            known |= set(call.gives)


def test_an_unknown_family_is_told_the_known_ones() -> None:
    with pytest.raises(ValueError, match="at_the_edges"):
        generate("no_such_family", 0)


@pytest.mark.parametrize("slot", SLOT_FAMILIES)
def test_the_programs_go_through_every_line_of_the_reference(slot: str) -> None:
    codes = [function.__code__ for function in (getattr(REFERENCE, slot), *PARTS.get(slot, []))]
    ran: dict[CodeType, set[int]] = {code: set() for code in codes}

    def enter(frame, event, arg):
        return line if frame.f_code in ran else None

    def line(frame, event, arg):
        ran[frame.f_code].add(frame.f_lineno)
        return line

    was = sys.gettrace()
    sys.settrace(enter)
    try:
        for family in SLOT_FAMILIES[slot]:
            for seed in range(COUNT):
                observe(generate(family, seed))
    finally:
        sys.settrace(was)
    for code in codes:
        lines = {number for _, _, number in code.co_lines() if number and number > code.co_firstlineno}
        texts = [linecache.getline(code.co_filename, number).strip() for number in sorted(lines - ran[code])]
        missed = [text for text in texts if not text.startswith(UNREACHED.get(code.co_name, ("-",)))]
        assert not missed, f"{code.co_name} ({code.co_filename})"
