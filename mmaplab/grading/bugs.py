"""Kernel functions with one mistake each, for the exercises that ask to find it.

Each is the reference with a line changed, as a tired programmer changes it. A test proves that every one of them is
wrong for some program. Read them with `source(...)` in the notebook.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmaplab.constants import PAGE_SIZE, VmFlags
from mmaplab.grading.bugs_first import BUGS_FIRST
from mmaplab.grading.bugs_speed import BUGS_SPEED
from mmaplab.grading.bugs_ties import BUGS_TIES
from mmaplab.pte import PAGE_DIRTY, pte_present, pte_write
from mmaplab.sim.anon import do_anonymous_page
from mmaplab.sim.filefault import do_cow_fault, do_read_fault, do_shared_fault
from mmaplab.sim.mm_types import FaultResult, VmFault


def careless_handle_mm_fault(vmf: VmFault) -> FaultResult:
    """Bring in the page of one fault. It works: every program gets its bytes. One line is wrong."""
    vma, mm = vmf.vma, vmf.vma.vm_mm
    pte = mm.pgd.get_pte(vmf.address)
    if not pte_present(pte):
        if vma.is_anonymous:
            return do_anonymous_page(vmf)
        if not vma.vm_flags & VmFlags.VM_WRITE:
            return do_read_fault(vmf)
        if not vma.shared:
            return do_cow_fault(vmf)
        return do_shared_fault(vmf)
    if vmf.write and not pte_write(pte):
        return FaultResult(mm.slots.do_wp_page(vmf))
    mm.pgd.set_pte(vmf.address, pte | (PAGE_DIRTY if vmf.write else 0))
    mm.flush_tlb_range(vmf.address, vmf.address + PAGE_SIZE)
    return FaultResult.VM_FAULT_DONE


BY_SLOT: dict[str, tuple[Callable[..., Any], ...]] = {
    "handle_mm_fault": (careless_handle_mm_fault,),
    **BUGS_FIRST,
    **BUGS_SPEED,
    **BUGS_TIES,
}
"""The functions by the slot that they stand for."""
BUGS = {function.__name__: function for functions in BY_SLOT.values() for function in functions}
"""The functions by name, as questions name them."""
