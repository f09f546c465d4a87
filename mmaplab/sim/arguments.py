"""What the simulated kernel takes beside mmaplab.arguments: C's int, and an end of what it does page by page."""

from __future__ import annotations

from mmaplab.arguments import whole

MOST_PAGES = 1 << 20
"""A call that has to do something for each page does it for no more than so many: 4 GiB, some ten seconds."""


class TooLarge(ValueError):
    """Linux would do it, and need as much memory as no machine here has; the simulated kernel would take hours."""


def few_enough(what: str, npages: int, most: int = MOST_PAGES) -> None:
    """Raise TooLarge where something is to be done for more than `most` pages."""
    if npages > most:
        raise TooLarge(f"{what} is about {npages:,} pages, one by one: the simulated kernel does {most:,} at once")


def c_int(name: str, value: int) -> int:
    """Return a number as Linux takes an `int`: the lowest 32 bits, the highest of them a sign. Raises TypeError."""
    return (whole(name, value) + 2**31) % 2**32 - 2**31
