"""What a program costs: made again on a kernel of the grader's own, call by call, and counted there.

cost(scenario)  ->  {"minor": 10, "major": 0, "system_calls": 3, "pages_read": 100}
"""

from __future__ import annotations

from typing import cast

from mmaplab.calls import Call, perform, resolve
from mmaplab.constants import PAGE_SIZE
from mmaplab.grading.observe import kernel_for
from mmaplab.grading.programs import Scenario
from mmaplab.interface import Kernel, Process
from mmaplab.program import fault_counts

ACCESSES = ("load", "store", "execute")
QUESTIONS = ("maps", "faults", "mincore")
"""Calls that only ask; they are not charged."""
MEASURES = {
    "minor": "minor faults",
    "major": "major faults",
    "system_calls": "system calls",
    "pages_read": "different file pages loaded from",
}
"""What `cost` counts, in words."""


def cost(scenario: Scenario, kernel: Kernel | None = None) -> dict[str, int]:
    """Run the program on a kernel (a simulated one of its own by default) and return what it costs.

    The kernel must have the program's files. Calls that fail are made all the same, as the program made them.
    """
    names: dict[str, object] = {"p": (kernel or kernel_for(scenario, {})).spawn()}
    counted = dict.fromkeys(MEASURES, 0)
    read: set[tuple[str, int]] = set()
    for call in scenario.calls:
        before = fault_counts(names, call.who)
        outcome = perform(call, names)
        after = fault_counts(names, call.who)
        if before and after:
            counted["minor"] += after.minor - before.minor
            counted["major"] += after.major - before.major
        counted["system_calls"] += call.name not in ACCESSES + QUESTIONS
        if call.name == "load" and outcome.ok:
            read |= pages_of_load(call, names)
    counted["pages_read"] = len(read)
    return counted


def pages_of_load(call: Call, names: dict[str, object]) -> set[tuple[str, int]]:
    """Return the file pages, as (path, page), that a load has touched."""
    process = cast(Process, names[call.who])
    addr, nbytes = (cast(int, resolve(arg, names)) for arg in call.args)
    pages = set()
    for entry in process.maps():
        for start in range(max(addr, entry.start) & -PAGE_SIZE, min(addr + nbytes, entry.end), PAGE_SIZE):
            if entry.path:
                pages.add((entry.path.rpartition("/")[2], (start - entry.start + entry.offset) // PAGE_SIZE))
    return pages
