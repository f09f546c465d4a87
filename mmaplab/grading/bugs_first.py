"""Kernel functions with one mistake each: those of the first chapters, from the access to the areas.

Each is the reference with a line changed; see `mmaplab.grading.bugs`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmaplab.constants import SegvCode
from mmaplab.grading.plain import Plain
from mmaplab.pte import PAGE_ACCESSED, PAGE_DIRTY, pte_dirty
from mmaplab.sim.cpu import canonical, permits
from mmaplab.sim.fault import mm_of, send_signal
from mmaplab.sim.merge import is_mergeable_anon_vma
from mmaplab.sim.mm_types import TaskStruct, VmArea


def careless_translate(task: TaskStruct, addr: int, want: str) -> int:
    """Return the entry that permits the access, or 0. It works: every load gets its byte. One line is wrong."""
    mm = mm_of(task)
    if not canonical(addr):
        raise send_signal(task, 11, int(SegvCode.SI_KERNEL), 0)
    mm.machine.cpu = task.cpu
    mm.cpumask.add(task.cpu)
    tlb = mm.machine.tlbs[task.cpu]
    pte = tlb.lookup(mm.mm, addr)
    if pte is not None and permits(pte, want) and (want != "store" or pte_dirty(pte)):
        return pte
    pte = mm.pgd.get_pte(addr)
    if not permits(pte, "load"):
        return 0
    used = pte | PAGE_ACCESSED | (PAGE_DIRTY if want == "store" else 0)
    if used != pte:
        mm.pgd.set_pte(addr, used)
    tlb.fill(mm.mm, addr, used)
    return used


def careless_can_vma_merge(left: VmArea, right: VmArea) -> bool:
    """May two adjacent areas become one? Flags, file and file offset must continue. One line asks too little."""
    files = [area.vm_file.f_inode if area.vm_file else None for area in (left, right)]
    return (
        left.vm_end == right.vm_start
        and left.vm_flags == right.vm_flags
        and files[0] is files[1]
        and left.vm_pgoff + left.pages == right.vm_pgoff
        and is_mergeable_anon_vma(left, right)
    )


def careless_mprotect(areas: list[tuple[int, int, str]], start: int, end: int, prot: str) -> Plain:
    """Say what mprotect of the pages [start, end) answers, and how many pages it changes. One line is misplaced.

    `areas` are [first page, page behind the last, ceiling], in order.
    """
    i = sum(behind <= start for first, behind, ceiling in areas)  # areas that end before
    at = start
    ceiling = areas[i][2] if i < len(areas) else ""
    while at < end:
        if i == len(areas) or areas[i][0] > at:
            return ["ENOMEM", at - start]
        if any(right not in ceiling + "-" for right in prot):
            return ["EACCES", at - start]
        at = min(areas[i][1], end)
        i += 1
    return ["", end - start]


BUGS_FIRST: dict[str, tuple[Callable[..., Any], ...]] = {
    "translate": (careless_translate,),
    "can_vma_merge": (careless_can_vma_merge,),
}
"""The functions by the slot that they stand for."""
