"""Shorten a program that shows a difference, until no call can be left out.

The method is delta debugging: leave out halves, then quarters, ... then single calls, as long as the difference stays.
A. Zeller and R. Hildebrandt, Simplifying and Isolating Failure-Inducing Input, IEEE TSE 28 (2002).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def shrink(items: Sequence[T], still_fails: Callable[[Sequence[T]], bool], most_tries: int = 2000) -> list[T]:
    """Return a shortest list got by leaving items out for which `still_fails` stays true.

    "Shortest" means that no single item more can be left out, unless `most_tries` tries did not suffice. Raises
    ValueError where the whole list does not fail.
    """
    kept = list(items)
    if not still_fails(kept):
        raise ValueError("the program does not show the difference when it is run again")
    size, tries = max(1, len(kept) // 2), 0
    while size and tries < most_tries:
        start, shorter = 0, False
        while start < len(kept) and tries < most_tries:
            tries += 1
            without = kept[:start] + kept[start + size :]
            if still_fails(without):
                kept, shorter = without, True
            else:
                start += size
        if not (shorter and size == 1):
            size = size // 2
    return kept
