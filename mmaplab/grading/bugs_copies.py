"""The faulty function of chapter 08: an account of copies that writes a page to the disk too often.

It works on plain data; `mmaplab.grading.situations.account_of` makes the same on a simulated kernel.
"""

from __future__ import annotations

from mmaplab.constants import PAGE_SIZE
from mmaplab.grading.plain import Plain


def careless_account(steps: list[list[Plain]]) -> Plain:
    """Say what the device moved and what the processor copied, in pages, for steps on a cached file. One line is wrong.

    A step is ["read", page], ["write", page], ["load", page], ["store", page], all of whole pages, or ["fsync"].
    """
    device = copied = 0
    dirty: list[Plain] = []
    for step in steps:
        if step[0] in ("read", "write"):
            copied += 1
        if step[0] in ("write", "store"):
            dirty.append(step[1])
        if step[0] == "fsync":
            device += len(dirty)
            dirty = []
    return [device * PAGE_SIZE, copied * PAGE_SIZE]
