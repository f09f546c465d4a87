"""Questions whose numbers are made from a seed: `quiz_variant(window_question, seed=5, key="05-q5")`.

Each takes a random number generator and returns (question, answers); the right answer, the one without feedback, is
found by running the simulated kernel, never by a formula of its own.
"""

from __future__ import annotations

import random

from mmaplab.constants import Map, Prot
from mmaplab.interface import BusError
from mmaplab.ledger import fault_addresses
from mmaplab.sim import Kernel, KernelConfig

PAGE = 4096


def window_question(rng: random.Random) -> tuple[str, dict[str, str | None]]:
    """Make a question about fault-around: how many faults does a walk over an area of cached pages take?"""
    slot, pages = rng.randrange(1, 16), rng.choice((32, 48, 64))
    right = len(window_starts(slot, pages))
    wrong = {
        pages // 16: "That would be right if the area began at a multiple of 16 slots.",
        pages: "That is one fault per page; a fault maps the cached neighbours in its window.",
        right + 1: "Count again: the first window begins with the area and still has 16 pages.",
    }
    answers: dict[str, str | None] = {str(n): why for n, why in wrong.items() if n != right}
    answers[str(right)] = None
    question = (
        f"An area of {pages} cached pages begins at slot {slot} of its page table. A program loads one byte of each "
        "page, in order. How many faults?"
    )
    return question, dict(sorted(answers.items(), key=lambda item: int(item[0])))


def window_starts(slot: int, pages: int, window: int = 16) -> list[int]:
    """Return the pages that fault when an area that begins at `slot` is walked in order; asked of the simulator."""
    kernel = Kernel(KernelConfig(fault_around_bytes=window * PAGE))
    kernel.create_file("walk", bytes(pages * PAGE), warm=True)
    p = kernel.spawn()
    base = 0x7FFF_0000_0000 + slot * PAGE
    a = p.mmap(base, pages * PAGE, Prot.PROT_READ, Map.MAP_SHARED | Map.MAP_FIXED, p.open("walk"))
    for page in range(pages):
        p.load(a + page * PAGE)
    return [(addr - a) // PAGE for addr, _ in fault_addresses(kernel.trace.records)]


def last_page_question(rng: random.Random) -> tuple[str, dict[str, str | None]]:
    """Make a question about a file's end: what does a load at a position of a mapping give?"""
    size, npages = rng.randrange(1, 3 * PAGE), 5
    position = rng.choice((rng.randrange(size), size + rng.randrange(1, 60), rng.randrange(3, 5) * PAGE + 7))
    answers: dict[str, str | None] = {
        "a byte of the file": "The position lies behind the file's last byte.",
        "a zero": "Zeros are what the last page holds behind the file's end; look in which page this position lies.",
        "SIGBUS": "SIGBUS is for pages that the file does not reach at all.",
        "SIGSEGV": "The mapping covers the address: the address space has no objection.",
    }
    right = _load_behind(size, npages, position)
    answers[right] = None
    question = (
        f"A file of {size:,} bytes, none of them zero, is mapped with a length of {npages} pages. "
        f"What does a load at position {position:,} of the mapping give?"
    )
    return question, answers


def _load_behind(size: int, npages: int, position: int) -> str:
    """Return what the load gives, as the simulator answers."""
    kernel = Kernel()
    kernel.create_file("file", b"x" * size)
    p = kernel.spawn()
    a = p.mmap(0, npages * PAGE, Prot.PROT_READ, Map.MAP_SHARED, p.open("file"))
    try:
        return "a byte of the file" if p.load(a + position) == b"x" else "a zero"
    except BusError:
        return "SIGBUS"
