"""Versions of handle_mm_fault, do_wp_page and translate."""

from __future__ import annotations

from mmaplab.constants import PAGE_SIZE
from mmaplab.grading.bugs import careless_handle_mm_fault
from mmaplab.pte import (
    PAGE_ACCESSED,
    PAGE_DIRTY,
    PAGE_RW,
    PTE_MARKER_GUARD,
    mk_pte,
    pte_exec,
    pte_pfn,
    pte_present,
    pte_user,
    pte_write,
)
from mmaplab.sim.anon import can_reuse, do_anonymous_page, map_anon_page, page_mkwrite, wp_page_copy, wp_page_reuse
from mmaplab.sim.cpu import canonical, permits
from mmaplab.sim.fault import send_signal
from mmaplab.sim.filefault import do_cow_fault, do_read_fault, do_shared_fault
from mmaplab.sim.memory import ZERO_PFN
from mmaplab.sim.mm_types import FaultResult
from mmaplab.sim.pagecache import folio_mark_dirty

from . import right, wrong

# ---------------------------------------------------------------- handle_mm_fault


def missing_page(vmf):
    """Bring in a page that is not there."""
    if vmf.vma.vm_file is None:
        return do_anonymous_page(vmf)
    if not vmf.write:
        return do_read_fault(vmf)
    return do_shared_fault(vmf) if vmf.vma.shared else do_cow_fault(vmf)


def present_page(vmf, pte):
    """Permit an access to a page that is there."""
    mm = vmf.vma.vm_mm
    if vmf.write and not pte_write(pte):
        return mm.slots.do_wp_page(vmf)
    mm.pgd.set_pte(vmf.address, pte | (PAGE_DIRTY if vmf.write else 0))
    mm.flush_tlb_range(vmf.address, vmf.address + PAGE_SIZE)
    return FaultResult(0)


@right("handle_mm_fault")
def in_two_halves(vmf):
    pte = vmf.vma.vm_mm.pgd.get_pte(vmf.address)
    if pte == PTE_MARKER_GUARD:
        return FaultResult.VM_FAULT_SIGSEGV
    return present_page(vmf, pte) if pte_present(pte) else missing_page(vmf)


wrong("handle_mm_fault", calls=3)(careless_handle_mm_fault)


@wrong("handle_mm_fault", calls=3)
def private_stores_reach_the_file(vmf):
    if vmf.vma.vm_file is not None and vmf.write and not pte_present(vmf.vma.vm_mm.pgd.get_pte(vmf.address)):
        return do_shared_fault(vmf)
    return in_two_halves(vmf)


@wrong("handle_mm_fault", calls=2, says="2 minor faults")
def zeros_first_always(vmf):
    vma, mm = vmf.vma, vmf.vma.vm_mm
    if vma.vm_file is None and not pte_present(mm.pgd.get_pte(vmf.address)):
        mm.pgd.set_pte(vmf.address, mk_pte(ZERO_PFN, vma.vm_page_prot))
        return FaultResult(0)
    return in_two_halves(vmf)


@wrong("handle_mm_fault", calls=2, says="does not come to an end")
def tries_again_for_ever(vmf):
    in_two_halves(vmf)
    return FaultResult.VM_FAULT_RETRY


@wrong("handle_mm_fault", calls=3)
def as_if_nothing_were_there(vmf):
    return missing_page(vmf) if vmf.vma.vm_file is None or not vmf.write else do_read_fault(vmf)


@wrong("handle_mm_fault", calls=3)
def stores_are_permitted_at_once(vmf):
    mm = vmf.vma.vm_mm
    pte = mm.pgd.get_pte(vmf.address)
    if pte_present(pte):
        mm.pgd.set_pte(vmf.address, pte | PAGE_RW | PAGE_DIRTY)
        mm.flush_tlb_range(vmf.address, vmf.address + PAGE_SIZE)
        return FaultResult(0)
    return in_two_halves(vmf)


@wrong("handle_mm_fault", calls=3)
def over_a_guard(vmf):
    pte = vmf.vma.vm_mm.pgd.get_pte(vmf.address)
    return present_page(vmf, pte) if pte_present(pte) else missing_page(vmf)


@wrong("handle_mm_fault", calls=2, says="where a FaultResult is asked for")
def forgot_to_return(vmf):
    in_two_halves(vmf)


@wrong("handle_mm_fault", calls=2, says="SIGBUS")
def anonymous_memory_has_no_file(vmf):
    return FaultResult.VM_FAULT_SIGBUS if vmf.vma.vm_file is None else in_two_halves(vmf)


# ---------------------------------------------------------------- do_wp_page


def page_of(vmf):
    """Return the page that the entry maps."""
    mm = vmf.vma.vm_mm
    return mm.memory.pages[pte_pfn(mm.pgd.get_pte(vmf.address))]


@right("do_wp_page")
def by_owner(vmf):
    page = page_of(vmf)
    if vmf.vma.shared:
        result = page_mkwrite(vmf, page.folio)
        return result if result.failed else wp_page_reuse(vmf, page)
    mine = page.anon and page.pfn != ZERO_PFN and (page.anon_exclusive or page.mapcount == 1)
    return wp_page_reuse(vmf, page) if mine else wp_page_copy(vmf, page)


@wrong("do_wp_page", calls=5)
def always_copies_private_pages(vmf):
    return by_owner(vmf) if vmf.vma.shared else wp_page_copy(vmf, page_of(vmf))


@wrong("do_wp_page", calls=4)
def never_copies_anonymous_pages(vmf):
    page = page_of(vmf)
    return wp_page_reuse(vmf, page) if page.anon and page.pfn != ZERO_PFN else by_owner(vmf)


@wrong("do_wp_page", calls=4)
def copies_shared_pages(vmf):
    page = page_of(vmf)
    return wp_page_copy(vmf, page) if not page.anon or page.pfn == ZERO_PFN else by_owner(vmf)


@wrong("do_wp_page", calls=3)
def stores_into_everybody_s_zeros(vmf):
    page = page_of(vmf)
    return wp_page_reuse(vmf, page) if page.pfn == ZERO_PFN else by_owner(vmf)


@wrong("do_wp_page", calls=5)
def never_mine_again(vmf):
    page = page_of(vmf)
    if not vmf.vma.shared and page.anon and not page.anon_exclusive:
        return wp_page_copy(vmf, page)
    return by_owner(vmf)


@wrong("do_wp_page", calls=4)
def the_file_is_not_told(vmf):
    return wp_page_reuse(vmf, page_of(vmf)) if vmf.vma.shared else by_owner(vmf)


@wrong("do_wp_page", calls=5, says="SIGBUS")
def the_disk_is_never_full(vmf):
    page = page_of(vmf)
    if vmf.vma.shared:
        folio_mark_dirty(page.folio, 0.0)
        return wp_page_reuse(vmf, page)
    return by_owner(vmf)


@wrong("do_wp_page", calls=4)
def an_empty_copy(vmf):
    page, vma = page_of(vmf), vmf.vma
    if vma.shared or (can_reuse(page) and page.pfn != ZERO_PFN and page.anon):
        return by_owner(vmf)
    new = vma.vm_mm.memory.alloc_page("anon")
    map_anon_page(vma, vmf.address, new)
    vma.vm_mm.flush_tlb_range(vmf.address, vmf.address + PAGE_SIZE)
    return FaultResult(0)


# ---------------------------------------------------------------- translate


def walk(task, addr, want, dirty=True):
    """Find the entry and mark it, without a TLB."""
    if not canonical(addr):
        raise send_signal(task, 11, 128, 0)
    pgd = task.mm.pgd
    pte = pgd.get_pte(addr)
    if not permits(pte, want):
        return 0
    used = pte | PAGE_ACCESSED | (PAGE_DIRTY if dirty and want == "store" else 0)
    if used != pte:
        pgd.set_pte(addr, used)
    return used


@right("translate")
def without_a_tlb(task, addr, want):
    return walk(task, addr, want)


def remembered(task, addr, want, number=None, trusted=lambda copy, want: permits(copy, want), rights=0):
    """Ask the TLB first."""
    mm = task.mm
    mm.machine.cpu = task.cpu
    mm.cpumask.add(task.cpu)
    number = mm.mm if number is None else number
    tlb = mm.machine.tlbs[task.cpu]
    copy = tlb.lookup(number, addr)
    if copy is not None and trusted(copy, want):
        return copy
    found = walk(task, addr, want)
    if found:
        tlb.fill(number, addr, found | rights)
    return found


@right("translate")
def with_a_tlb(task, addr, want):
    return remembered(task, addr, want, trusted=lambda pte, w: permits(pte, w) and (w != "store" or pte & PAGE_DIRTY))


@wrong("translate", calls=3)
def a_store_that_the_entry_does_not_see(task, addr, want):
    return remembered(task, addr, want)


@wrong("translate", calls=3)
def never_dirty(task, addr, want):
    return walk(task, addr, want, dirty=False)


@wrong("translate", calls=3)
def the_tlb_is_always_right(task, addr, want):
    return remembered(task, addr, want, trusted=lambda copy, w: True)


@wrong("translate", calls=4)
def one_tlb_for_all_processes(task, addr, want):
    return remembered(task, addr, want, number=0, trusted=lambda pte, w: permits(pte, w) and pte & PAGE_DIRTY)


@wrong("translate", calls=4)
def nobody_s_pages_too(task, addr, want):
    pte = task.mm.pgd.get_pte(addr)
    if pte_present(pte) and not pte_user(pte):
        return pte
    return walk(task, addr, want)


@wrong("translate", calls=2)
def data_can_be_executed(task, addr, want):
    pte = task.mm.pgd.get_pte(addr)
    return pte if want == "execute" and pte_present(pte) and not pte_exec(pte) else walk(task, addr, want)


@wrong("translate", calls=1)
def every_address_exists(task, addr, want):
    return walk(task, addr, want) if canonical(addr) else 0


@wrong("translate", calls=2, says="an invariant is broken: tlb_is_not_stale")
def remembers_more_than_there_is(task, addr, want):
    return remembered(task, addr, want, trusted=lambda copy, w: False, rights=PAGE_RW)


@wrong("translate", calls=2, says="does not come to an end")
def never_permits(task, addr, want):
    return walk(task, addr, want) & 0
