"""Questions whose numbers are made from a seed: `quiz_variant(window_question, seed=5, key="05-q5")`.

Each takes a random number generator and returns (question, answers); the right answer, the one without feedback, is
found by running the simulated kernel, never by a formula of its own.
"""

from __future__ import annotations

import random

from mmaplab.constants import Map, Prot
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
