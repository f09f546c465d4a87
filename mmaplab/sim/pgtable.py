"""Page tables and the TLB: from an address to a frame.

    address  | 9 bits | 9 bits | 9 bits | 9 bits | 12 bits |
                 |        |        |        |         `-- byte in the page
      mm->pgd -> pgd ---> pud ---> pmd ---> pte ---> frame number and rights

Four levels of tables with 512 entries; the last level is a list of integers (pte.py), one list per 2 MiB. Tables come
into being when the first entry below them is set, and their presence can be observed: fault-around treats a missing
last-level table specially (filefault.py, `table_is_missing`).

Both doors, `set_pte` and `clear_pte`, keep the frame's reference and map counts. Nothing else changes an entry, but
`fill_leaf`, which does what 512 calls of `set_pte` do, where nobody records (bulk.py).

Linux: arch/x86/include/asm/pgtable.h, mm/memory.c (__pte_alloc, free_pgtables), arch/x86/mm/tlb.c.
Leaves out: five levels, huge entries, locks.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, repeat

from mmaplab.constants import PAGE_SHIFT, PAGE_SIZE, PMD_SIZE, PTRS_PER_PTE
from mmaplab.pte import PAGE_ACCESSED, PAGE_PRESENT, PAGE_USER, PTE_MARKER_GUARD, PTE_NONE, address_fields, pte_pfn
from mmaplab.sim.events import ClearPte, SetPte, TableAlloc, TableFree, TlbFill, TlbFlush, TlbMiss
from mmaplab.sim.memory import ZERO_PFN, Memory, Page
from mmaplab.sim.trace import Trace

READY = PAGE_PRESENT | PAGE_USER | PAGE_ACCESSED
"""The bits of an entry that a load needs, and leaves as they are."""


class Leaf(list[int]):
    """A last-level table: 512 entries. `ready` of them have all bits of READY, so that a load changes nothing."""

    __slots__ = ("ready",)

    def __init__(self) -> None:
        super().__init__([PTE_NONE] * PTRS_PER_PTE)
        self.ready = 0

    def put(self, i: int, pte: int) -> int:
        """Set entry `i`, and return what it was."""
        old = self[i]
        self[i] = pte
        self.ready += (pte & READY == READY) - (old & READY == READY)
        return old


class PageTable:
    """The page tables of one address space (mm->pgd). A device: the kernel sets entries, the processor walks them."""

    def __init__(self, mm: int, trace: Trace, memory: Memory) -> None:
        self.mm, self.trace, self.memory = mm, trace, memory
        self.pgd: dict[int, dict[int, dict[int, Leaf]]] = {}

    # ---- questions

    def leaf(self, addr: int) -> Leaf | None:
        """Return the last-level table that covers `addr`, or None; what the hardware walk does."""
        try:
            return self.pgd[addr >> 39 & 511][addr >> 30 & 511][addr >> 21 & 511]
        except KeyError:
            return None

    def get_pte(self, addr: int) -> int:
        """Return the entry for the page at `addr`, PTE_NONE where there is none."""
        leaf = self.leaf(addr)
        return PTE_NONE if leaf is None else leaf[addr >> PAGE_SHIFT & 511]

    def entries(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield (address, entry) of the present entries in [start, end), in order."""
        for base, leaf in self.leaves(start, end):
            first = max(start - base, 0) >> PAGE_SHIFT
            last = min(end - base, PMD_SIZE) >> PAGE_SHIFT
            for i in range(first, last):
                if leaf[i] & PAGE_PRESENT:
                    yield base + i * PAGE_SIZE, leaf[i]

    def guards(self, start: int, end: int) -> list[int]:
        """Return the addresses of the guard markers in [start, end), in order."""
        found = []
        for base, leaf in self.leaves(start, end):
            if PTE_MARKER_GUARD in leaf:
                found += [base + i * PAGE_SIZE for i, pte in enumerate(leaf) if pte == PTE_MARKER_GUARD]
        return [addr for addr in found if start <= addr < end]

    def leaves(self, start: int, end: int) -> list[tuple[int, Leaf]]:
        """Return (first address, table) of the last-level tables that overlap [start, end), in order."""
        found = []
        if end - start <= 64 * PMD_SIZE:  # few: ask for each
            for addr in range(start & -PMD_SIZE, end, PMD_SIZE):
                if (leaf := self.leaf(addr)) is not None:
                    found.append((addr, leaf))
            return found
        for pgd in sorted(self.pgd):
            for pud in sorted(self.pgd[pgd]):
                base = pgd << 39 | pud << 30
                if base >= end or base + (1 << 30) <= start:
                    continue
                for pmd in sorted(self.pgd[pgd][pud]):
                    addr = base | pmd << 21
                    if addr < end and addr + PMD_SIZE > start:
                        found.append((addr, self.pgd[pgd][pud][pmd]))
        return found

    def tables(self) -> int:
        """Return how many tables there are below the root: 4096 bytes each (VmPTE counts the last level)."""
        return sum(1 + len(puds) + sum(len(pmds) for pmds in puds.values()) for puds in self.pgd.values())

    # ---- doors

    def pte_alloc(self, addr: int) -> Leaf:
        """Return the last-level table for `addr`, made with the levels above it where missing. Linux: __pte_alloc."""
        leaf = self.leaf(addr)
        if leaf is not None:
            return leaf
        pgd, pud, pmd, _, _ = address_fields(addr)
        if pgd not in self.pgd:
            self.pgd[pgd] = {}
            self.trace.emit(TableAlloc, self.mm, 3, pgd << 39)
        if pud not in self.pgd[pgd]:
            self.pgd[pgd][pud] = {}
            self.trace.emit(TableAlloc, self.mm, 2, pgd << 39 | pud << 30)
        leaf = self.pgd[pgd][pud][pmd] = Leaf()
        self.trace.emit(TableAlloc, self.mm, 1, addr & -PMD_SIZE)
        return leaf

    def set_pte(self, addr: int, pte: int) -> None:
        """Set the entry for the page at `addr`. Linux: set_pte_at."""
        leaf = self.pte_alloc(addr)
        old = leaf.put(addr >> PAGE_SHIFT & 511, pte)
        if not (old & PAGE_PRESENT and pte_pfn(old) == pte_pfn(pte)):
            self._count(pte, +1)
            self._count(old, -1)
        self.trace.emit(SetPte, self.mm, addr & -PAGE_SIZE, pte, old)

    def clear_pte(self, addr: int) -> int:
        """Empty the entry for the page at `addr`; returns what it was. Linux: ptep_get_and_clear."""
        leaf = self.leaf(addr)
        i = addr >> PAGE_SHIFT & 511
        if leaf is None or leaf[i] == PTE_NONE:
            return PTE_NONE
        old = leaf.put(i, PTE_NONE)
        self.trace.emit(ClearPte, self.mm, addr & -PAGE_SIZE, old)
        self._count(old, -1)
        return old

    def fill_leaf(self, base: int, pages: list[Page], prot: int) -> None:
        """Set all entries of the empty last-level table at `base`: 512 times `set_pte`, without an event.

        For bulk.py; raises RuntimeError where events are recorded, or the table is not empty.
        """
        leaf = self.pte_alloc(base)
        if self.trace.recording or any(leaf):
            raise RuntimeError(f"the page table at {base:#x} is recorded, or not empty: set its entries one by one")
        leaf[:] = [page.pfn << PAGE_SHIFT | prot for page in pages]
        leaf.ready = len(pages) if prot & READY == READY else 0
        for page in pages:
            page.mapcount += 1
            page.refcount += 1

    def free_tables(self, start: int, end: int) -> None:
        """Free the last-level tables that lie wholly in [start, end), and the levels above that become empty.

        Their entries must be clear. Linux: free_pgtables, mm/memory.c.
        """
        for addr, _leaf in self.leaves(start, end):
            if addr < start or addr + PMD_SIZE > end:
                continue
            pgd, pud, pmd, _, _ = address_fields(addr)
            del self.pgd[pgd][pud][pmd]
            self.trace.emit(TableFree, self.mm, 1, addr)
            if not self.pgd[pgd][pud]:
                del self.pgd[pgd][pud]
                self.trace.emit(TableFree, self.mm, 2, pgd << 39 | pud << 30)
            if not self.pgd[pgd]:
                del self.pgd[pgd]
                self.trace.emit(TableFree, self.mm, 3, pgd << 39)

    def _count(self, pte: int, change: int) -> None:
        """Keep reference and map counts of the frame that an entry maps; the zero page is not counted."""
        if not pte & PAGE_PRESENT or pte_pfn(pte) == ZERO_PFN:
            return
        page = self.memory.pages[pte_pfn(pte)]
        page.mapcount += change
        if change > 0:
            self.memory.get_page(page)
        else:
            self.memory.put_page(page)


class Tlb:
    """One processor's copies of recently used entries; tagged by address space, as with PCID on x86.

    A copy can be stale: the kernel must flush it after it takes a right away. `capacity` entries are kept, the oldest
    dropped first. Leaves out: levels, associativity, huge pages.
    """

    def __init__(self, cpu: int, trace: Trace, capacity: int) -> None:
        self.cpu, self.trace, self.capacity = cpu, trace, capacity
        self.entries: dict[tuple[int, int], int] = {}

    def lookup(self, mm: int, addr: int) -> int | None:
        """Return the copy of the entry for `addr`, or None and a `TlbMiss`."""
        pte = self.entries.get((mm, addr >> PAGE_SHIFT))
        if pte is None:
            self.trace.emit(TlbMiss, mm, self.cpu, addr & -PAGE_SIZE)
        return pte

    def fill(self, mm: int, addr: int, pte: int) -> None:
        """Keep a copy of an entry that the walk has found."""
        if len(self.entries) >= self.capacity:
            old_mm, vpn = next(iter(self.entries))
            del self.entries[old_mm, vpn]
            self.trace.emit(TlbFlush, old_mm, self.cpu, vpn << PAGE_SHIFT, (vpn + 1) << PAGE_SHIFT, "evicted")
        self.entries[mm, addr >> PAGE_SHIFT] = pte
        self.trace.emit(TlbFill, mm, self.cpu, addr & -PAGE_SIZE, pte)

    def first_remembered(self, mm: int, start: int, end: int) -> int:
        """Return the first page of [start, end) of which there is a copy, or `end`."""
        first, last = start >> PAGE_SHIFT, end >> PAGE_SHIFT
        here = [vpn for number, vpn in self.entries if number == mm and first <= vpn < last]
        return min(here, default=last) << PAGE_SHIFT

    def fill_run(self, mm: int, start: int, end: int, table: PageTable) -> None:
        """Keep copies of the entries of [start, end), of which there are none yet: `fill` for each, without an event.

        For bulk.py: `end` is the end of a page table. Of a long run only the last are kept, as if each had driven out
        the oldest.
        """
        start = max(start, end - self.capacity * PAGE_SIZE)
        kept = range(start >> PAGE_SHIFT, end >> PAGE_SHIFT)
        for key in list(islice(self.entries, max(0, len(self.entries) + len(kept) - self.capacity))):
            del self.entries[key]
        ptes = [pte for _base, leaf in table.leaves(start, end) for pte in leaf]
        self.entries.update(zip(zip(repeat(mm), kept), ptes[-len(kept) :], strict=False))

    def flush(self, mm: int, start: int, end: int, why: str) -> None:
        """Forget the copies of the pages in [start, end). Linux: flush_tlb_func, arch/x86/mm/tlb.c."""
        first, last = start >> PAGE_SHIFT, (end + PAGE_SIZE - 1) >> PAGE_SHIFT
        if last - first < len(self.entries):
            for vpn in range(first, last):
                self.entries.pop((mm, vpn), None)
        else:
            self.entries = {k: v for k, v in self.entries.items() if not (k[0] == mm and first <= k[1] < last)}
        self.trace.emit(TlbFlush, mm, self.cpu, start, end, why)
