"""The faulty function of chapter 10: a file is cut, and a page too many keeps its entry.

It works on plain data; `mmaplab.grading.situations.truncate_of` makes the same on a simulated kernel.
"""

from __future__ import annotations

from mmaplab.constants import PAGE_SIZE
from mmaplab.grading.plain import Plain


def careless_truncate(touched: list[int], size: int, left: int) -> Plain:
    """Say which touched pages keep their entry when the file is cut to `size` bytes. One number is wrong.

    `left` is a position of the mapping that is loaded from afterwards: a byte, a zero, or SIGBUS.
    """
    pages = size // PAGE_SIZE + 1
    kept: list[Plain] = [page for page in sorted(set(touched)) if page < pages]
    if left // PAGE_SIZE >= pages:
        return [kept, "SIGBUS"]
    return [kept, "a byte" if left < size else "a zero"]
