"""The format of a page-table entry: one integer with the hardware's bits.

     63   62..59  58..52   51 ............ 12   11..9   8    7    6   5   4   3   2    1    0
    +----+------+--------+---------------------+------+---+-----+---+---+---+---+----+----+---+
    | NX | key  |  free  | page frame number   | free | G | PAT | D | A |   |   | US | RW | P |
    +----+------+--------+---------------------+------+---+-----+---+---+---+---+----+----+---+

and the format of a virtual address: four 9-bit indices, then the byte in the page.

     63..48      47..39  38..30  29..21  20..12   11..0
    +-----------+-------+-------+-------+-------+--------+
    | copies 47 |  pgd  |  pud  |  pmd  |  pte  | offset |
    +-----------+-------+-------+-------+-------+--------+

An entry is immutable: to change a bit is to make another integer and to set it, so that the TLB's copy can go stale.
Linux: arch/x86/include/asm/pgtable_types.h, pgtable.h. Leaves out: global pages, PAT, huge entries,
protection keys but the one for execute-only memory.
"""

from __future__ import annotations

from mmaplab.constants import PAGE_SHIFT

PAGE_PRESENT = 1 << 0
PAGE_RW = 1 << 1
PAGE_USER = 1 << 2
PAGE_ACCESSED = 1 << 5
PAGE_DIRTY = 1 << 6
PAGE_NX = 1 << 63
PAGE_PKEY = 1 << 59
"""The lowest bit of the protection key: the key that forbids loads, for memory that may only be executed."""
PTE_PFN_MASK = ((1 << 52) - 1) & ~((1 << PAGE_SHIFT) - 1)

PTE_NONE = 0
"""The empty entry: no translation."""
PTE_MARKER_GUARD = 1 << 9
"""An entry that is not present, and not empty: a guard (MADV_GUARD_INSTALL). Linux: a kind of swap entry."""


def mk_pte(pfn: int, prot: int) -> int:
    """Return an entry that maps frame `pfn` with the bits of `prot`."""
    return pfn << PAGE_SHIFT | prot


def pte_present(pte: int) -> bool:
    """Does the entry translate at all?"""
    return bool(pte & PAGE_PRESENT)


def is_guard_pte_marker(pte: int) -> bool:
    """Does the entry say that every access ends in a signal?"""
    return pte == PTE_MARKER_GUARD


def pte_user(pte: int) -> bool:
    """May user mode use it? False under PROT_NONE, whose entries keep their frame."""
    return bool(pte & PAGE_USER)


def pte_write(pte: int) -> bool:
    """May the page be stored to without a fault?"""
    return bool(pte & PAGE_RW)


def pte_exec(pte: int) -> bool:
    """May instructions be fetched from the page?"""
    return not pte & PAGE_NX


def pte_dirty(pte: int) -> bool:
    """Has the page been stored to through this entry since it was cleaned?"""
    return bool(pte & PAGE_DIRTY)


def pte_young(pte: int) -> bool:
    """Has the page been touched through this entry?"""
    return bool(pte & PAGE_ACCESSED)


def pte_pfn(pte: int) -> int:
    """Return the number of the frame that the entry maps."""
    return (pte & PTE_PFN_MASK) >> PAGE_SHIFT


def pte_text(pte: int) -> str:
    """Return the rights as a pill shows them: `rw`, `r-`, `rx`, or `--` under PROT_NONE."""
    if not pte_user(pte):
        return "--"
    return "r" + ("w" if pte_write(pte) else "x" if pte_exec(pte) else "-")


def address_fields(addr: int) -> tuple[int, int, int, int, int]:
    """Return the (pgd, pud, pmd, pte) indices of an address and its offset in the page."""
    return (addr >> 39 & 511, addr >> 30 & 511, addr >> 21 & 511, addr >> 12 & 511, addr & 4095)
