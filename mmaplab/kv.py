"""A small key-value store on a shared mapping that survives the plug being pulled.

    page 0   header: how many bytes of records are valid, one aligned word of 8 bytes
    page 1   records, one after the other: length of key, length of value, key, value
    ...

`put` makes the record safe first, and then the header that says it is there. A crash at any moment leaves a header that
counts only records that are whole. Works on both kernels: it needs a process and the address of a shared mapping.
"""

from __future__ import annotations

from collections.abc import Callable

from mmaplab.constants import PAGE_SIZE, Ms
from mmaplab.interface import Process


class Store:
    """A store in a mapping of `length` bytes at `a`. Keys and values are bytes, of 1 to 255 bytes each."""

    def __init__(self, p: Process, a: int, length: int) -> None:
        self.p, self.a, self.length = p, a, length

    @property
    def tail(self) -> int:
        """Bytes of records that the header calls valid."""
        return int.from_bytes(self.p.load(self.a, 8), "little")

    def put(self, key: bytes, value: bytes) -> None:
        """Add a record and make it durable; a later record of the same key wins. Raises ValueError where it is full."""
        record = bytes([len(key), len(value)]) + key + value
        tail = self.tail
        at = PAGE_SIZE + tail
        if at + len(record) > self.length:
            raise ValueError(f"the store is full: {len(record)} bytes do not fit behind {tail}")
        self.p.store(self.a + at, record)
        self._safe(at, len(record))  # the record is on the disk before the header counts it
        self.p.store(self.a, (tail + len(record)).to_bytes(8, "little"))
        self._safe(0, 8)

    def _safe(self, at: int, nbytes: int) -> None:
        """Wait until the pages that hold [at, at + nbytes) are on the disk."""
        first = at // PAGE_SIZE * PAGE_SIZE
        self.p.msync(self.a + first, at + nbytes - first, Ms.MS_SYNC)

    def items(self) -> dict[bytes, bytes]:
        """Return all keys with their latest values."""
        return decode(self.p.load(self.a, PAGE_SIZE + self.tail))


class CarelessStore(Store):
    """The same, with one msync for both pages at the end: the header may be safe before its record is."""

    def put(self, key: bytes, value: bytes) -> None:
        """Add a record; durable when it returns, and in danger until then."""
        record = bytes([len(key), len(value)]) + key + value
        tail = self.tail
        self.p.store(self.a + PAGE_SIZE + tail, record)
        self.p.store(self.a, (tail + len(record)).to_bytes(8, "little"))
        self._safe(0, PAGE_SIZE + tail + len(record))


def decode(content: bytes) -> dict[bytes, bytes]:
    """Return what a file holds as a store; raises ValueError where the header counts records that are missing."""
    valid = int.from_bytes(content[:8], "little")
    data, at = content[PAGE_SIZE : PAGE_SIZE + valid], 0
    found: dict[bytes, bytes] = {}
    while at < valid:
        if at + 2 > len(data) or 0 in data[at : at + 2]:
            raise ValueError(f"the header counts {valid} bytes of records; at byte {at} there is none")
        key_end = at + 2 + data[at]
        value_end = key_end + data[at + 1]
        found[data[at + 2 : key_end]] = data[key_end:value_end]
        at = value_end
    return found


def whole(content: bytes) -> bool:
    """Does the content of a file make sense as a store?"""
    try:
        decode(content)
    except ValueError:
        return False
    return True


StoreMaker = Callable[[Process, int, int], Store]
