"""The processor's side: load, store and fetch, one instruction at a time.

Every access asks the same question until the answer is yes: does a translation permit this? The kernel is entered only
when it does not. The loop in `access` is the central sentence of the course.

Linux has no such room: this is the hardware. Leaves out: caches, unaligned accesses across pages in one instruction.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmaplab.constants import PAGE_SIZE, U64, SegvCode, Sig
from mmaplab.pte import (
    PAGE_ACCESSED,
    PAGE_DIRTY,
    PAGE_PKEY,
    pte_dirty,
    pte_exec,
    pte_pfn,
    pte_present,
    pte_user,
    pte_write,
)
from mmaplab.sim.bulk import touch_tables
from mmaplab.sim.events import Access
from mmaplab.sim.fault import PATIENCE, do_user_addr_fault, mm_of, no_progress, send_signal
from mmaplab.sim.memory import Page
from mmaplab.sim.mm_types import TaskStruct


def load(task: TaskStruct, addr: int, nbytes: int) -> bytes:
    """Return `nbytes` bytes from `addr` on; each page is touched once. Raises FatalSignal at the first bad byte."""
    mm = mm_of(task)
    mm.trace.pid = task.pid
    with mm.trace.span(Access, task.pid, "load", addr, nbytes) as span:
        parts = []
        for start, length in pages_of(addr, nbytes):
            page = access(task, start, "load")
            parts.append(page.data[start % PAGE_SIZE : start % PAGE_SIZE + length])
        data = b"".join(parts)
        span.outcome = data if nbytes <= 16 else f"{nbytes} bytes"
        return data


def touch(task: TaskStruct, addr: int, length: int, step: int) -> None:
    """Load one byte in every `step` bytes of [addr, addr + length), as a loop of `load` does; nothing is returned.

    Where it is a byte of each page, the same for many pages, `touch_tables` does it for a page table at a time.
    """
    at, end = addr, addr + length
    while at < end:
        done = touch_tables(task, at, end) if step == PAGE_SIZE else 0
        if not done:
            load(task, at, 1)
            done = step
        at += done


def store(task: TaskStruct, addr: int, data: bytes) -> None:
    """Store `data` from `addr` on. Raises FatalSignal at the first bad byte; the bytes before it are stored."""
    mm = mm_of(task)
    mm.trace.pid = task.pid
    with mm.trace.span(Access, task.pid, "store", addr, len(data)):
        done = 0
        for start, length in pages_of(addr, len(data)):
            page = access(task, start, "store")
            mm.memory.user_store(page, start % PAGE_SIZE, data[done : done + length])
            done += length


def execute(task: TaskStruct, addr: int) -> None:
    """Fetch one instruction at `addr`, a return. Raises FatalSignal."""
    mm = mm_of(task)
    mm.trace.pid = task.pid
    with mm.trace.span(Access, task.pid, "execute", addr, 1):
        access(task, addr, "execute")


def access(task: TaskStruct, addr: int, want: str) -> Page:
    """Return the page that holds `addr`, faulting it in until the hardware agrees."""
    mm = mm_of(task)
    for _ in range(PATIENCE):
        pte = mm.slots.translate(task, addr, want)
        if pte:
            return mm.memory.pages[pte_pfn(pte)]
        do_user_addr_fault(task, addr, want)  # returns having made progress, or raises a FatalSignal
    raise no_progress(mm, addr, want)  # only a function of a learner's leads here


def translate(task: TaskStruct, addr: int, want: str) -> int:
    """Return the entry that permits the access, or 0: the TLB's copy, else what the walk finds.

    The walk marks the entry as used, and a store marks it dirty, as the hardware does. A non-canonical address is
    answered at once, without a page fault. Source: Intel SDM volume 3, 4.5 and 4.8.
    """
    mm = mm_of(task)
    if not canonical(addr):
        raise send_signal(task, Sig.SIGSEGV, SegvCode.SI_KERNEL, 0)
    mm.machine.cpu = task.cpu
    mm.cpumask.add(task.cpu)
    tlb = mm.machine.tlbs[task.cpu]
    pte = tlb.lookup(mm.mm, addr)
    if pte is not None and permits(pte, want) and (want != "store" or pte_dirty(pte)):
        return pte
    pte = mm.pgd.get_pte(addr)
    if not permits(pte, want):
        return 0
    used = pte | PAGE_ACCESSED | (PAGE_DIRTY if want == "store" else 0)
    if used != pte:
        mm.pgd.set_pte(addr, used)
    tlb.fill(mm.mm, addr, used)
    return used


def permits(pte: int, want: str) -> bool:
    """Does the entry allow the access to user mode? What is present is readable, but for a protection key."""
    if not pte_present(pte) or not pte_user(pte):
        return False
    if want == "store":
        return pte_write(pte)
    return pte_exec(pte) if want == "execute" else not pte & PAGE_PKEY


def canonical(addr: int) -> bool:
    """Are the upper 17 bits of the address all alike? Others do not exist on x86-64 with four levels."""
    return addr >> 47 in (0, (1 << 17) - 1)


def pages_of(addr: int, nbytes: int) -> Iterator[tuple[int, int]]:
    """Cut [addr, addr + nbytes) at page ends, piece by piece: (start, bytes)."""
    end = addr + nbytes
    while addr < end:
        length = min(PAGE_SIZE - addr % PAGE_SIZE, end - addr)
        yield addr % U64, length
        addr += length
