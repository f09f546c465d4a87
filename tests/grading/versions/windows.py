"""Versions of do_fault_around."""

from __future__ import annotations

from mmaplab.constants import PAGE_SHIFT, PAGE_SIZE, PMD_SIZE
from mmaplab.sim.filefault import filemap_map_pages
from mmaplab.sim.mm_types import FaultResult

from . import right, wrong


def window(vmf, npages=None, aligned=True, table=True, start=True, end=True, full=True, short=0):
    """Map a window that is reckoned in addresses; every rule of it can be left out."""
    vma, size = vmf.vma, (npages or vmf.vma.vm_mm.config.fault_around_pages) * PAGE_SIZE
    low = vmf.address & -size if aligned else vmf.address
    high = low + size
    if start:
        low = max(low, vma.vm_start)
    if table:
        low = max(low, vmf.address & -PMD_SIZE)
    if full:
        high = low + size
    if table:
        high = min(high, (vmf.address & -PMD_SIZE) + PMD_SIZE)
    if end:
        high = min(high, vma.vm_end)
    first, last = ((addr - vma.vm_start) >> PAGE_SHIFT for addr in (low, high - PAGE_SIZE * (1 + short)))
    return filemap_map_pages(vmf, max(0, vma.vm_pgoff + first), vma.vm_pgoff + last)


@right("do_fault_around")
def reckoned_in_addresses(vmf):
    return window(vmf)


@wrong("do_fault_around", calls=3, says="x.")
def only_the_page(vmf):
    return filemap_map_pages(vmf, vmf.pgoff, vmf.pgoff)


@wrong("do_fault_around", calls=3)
def from_the_page_on(vmf):
    return window(vmf, aligned=False)


@wrong("do_fault_around", calls=3)
def over_the_area_s_end(vmf):
    return window(vmf, end=False)


@wrong("do_fault_around", calls=3)
def over_the_table_s_end(vmf):
    return window(vmf, table=False)


@wrong("do_fault_around", calls=3)
def before_the_area_s_start(vmf):
    return window(vmf, start=False)


@wrong("do_fault_around", calls=3)
def always_16_pages(vmf):
    return window(vmf, npages=16)


@wrong("do_fault_around", calls=3)
def one_page_too_few(vmf):
    return window(vmf, short=1)


@wrong("do_fault_around", calls=3)
def shorter_at_the_start(vmf):
    return window(vmf, full=False)


@wrong("do_fault_around", calls=2, says="where a FaultResult is asked for")
def without_return(vmf):
    window(vmf)


@wrong("do_fault_around", calls=3)
def maps_nothing(vmf):
    return FaultResult(0)
