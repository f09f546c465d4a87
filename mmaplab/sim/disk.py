"""The disk: what survives when the power goes.

Per file: its blocks of one page each, its size and its name as last made durable. A block that was never written is a
hole: it reads as zeros without any input or output.

The two bounds that Linux has no say in live here too: how many blocks there are, and which of them are broken.
Linux: the block layer and ext4 under it. Leaves out: the journal's own blocks, block sizes other than a page.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field

from mmaplab.sim.events import DiskDiscard, DiskRead, DiskWrite
from mmaplab.sim.trace import Trace


@dataclass
class DiskFile:
    """What the disk knows of one file: `size` in bytes, `path` ("" when it has no name), blocks by page index."""

    path: str
    size: int = 0
    blocks: dict[int, bytes] = field(default_factory=dict)


class Disk:
    """A device of blocks. `capacity` is the number of blocks it can hold, None for no limit."""

    def __init__(self, trace: Trace, capacity: int | None = None) -> None:
        self.trace, self.capacity = trace, capacity
        self.files: dict[int, DiskFile] = {}
        self.reserved: set[tuple[int, int]] = set()
        """Blocks promised to pages that are dirty but not yet written (delayed allocation)."""
        self.freed: set[tuple[int, int]] = set()
        """Blocks that truncate has taken from a file since the last journal commit: gone for the running kernel, and
        back after a power failure."""
        self.broken: set[tuple[int, int]] = set()
        """(ino, index) of blocks that cannot be read or written."""

    def has_block(self, ino: int, index: int) -> bool:
        """Is there a block behind this file page, or a promise of one?"""
        return self.block(ino, index) is not None or (ino, index) in self.reserved

    def block(self, ino: int, index: int) -> bytes | None:
        """Return the block behind a file page, None for a hole; not an input, only a look."""
        return None if (ino, index) in self.freed else self.files[ino].blocks.get(index)

    def reserve(self, ino: int, index: int) -> None:
        """Promise a block for a page that is about to become dirty; raises OSError(ENOSPC) when the disk is full."""
        if self.has_block(ino, index):
            return
        if self.capacity is not None and self.used >= self.capacity:
            raise OSError(errno.ENOSPC, f"the disk is full: all {self.capacity} blocks are in use")
        self.reserved.add((ino, index))

    @property
    def used(self) -> int:
        """Blocks in use or promised."""
        return sum(len(f.blocks) for f in self.files.values()) + len(self.reserved) - len(self.freed)

    def read_blocks(self, ino: int, index: int, npages: int) -> list[bytes | None]:
        """Return `npages` blocks from page `index`, None for a hole; raises OSError(EIO) on a broken one."""
        for i in range(index, index + npages):
            if (ino, i) in self.broken:
                raise OSError(errno.EIO, f"block {i} of the file cannot be read")
        data = [self.block(ino, i) for i in range(index, index + npages)]
        if any(block is not None for block in data):
            self.trace.emit(DiskRead(ino, index, npages))
        return data

    def write_block(self, ino: int, index: int, data: bytes, why: str) -> None:
        """Make one block durable; raises OSError(EIO) on a broken one."""
        if (ino, index) in self.broken:
            raise OSError(errno.EIO, f"block {index} of the file cannot be written")
        self.reserved.discard((ino, index))
        self.freed.discard((ino, index))
        self.files[ino].blocks[index] = data
        self.trace.emit(DiskWrite(ino, index, 1, why))

    def truncate(self, ino: int, first: int) -> None:
        """Take the blocks and promises from page `first` on from a file; durable with the next commit."""
        self.reserved = {(i, n) for i, n in self.reserved if i != ino or n < first}
        gone = [n for n in sorted(self.files[ino].blocks) if n >= first and (ino, n) not in self.freed]
        self.freed |= {(ino, n) for n in gone}
        if gone:
            self.trace.emit(DiskDiscard(ino, gone[0], gone[-1] + 1 - gone[0]))

    def commit(self, ino: int, path: str, size: int) -> None:
        """Make the name, the size and the loss of blocks of a file durable (a journal commit)."""
        record = self.files.setdefault(ino, DiskFile(path))
        record.path, record.size = path, size
        for index in [i for i in record.blocks if (ino, i) in self.freed]:
            del record.blocks[index]
            self.freed.discard((ino, index))

    def forget(self, ino: int, first: int = 0) -> None:
        """Give up the promises, and (from page 0) the file itself: it has no name and no user any more."""
        self.reserved = {(i, n) for i, n in self.reserved if i != ino or n < first}
        if first == 0:
            self.freed = {(i, n) for i, n in self.freed if i != ino}
            self.files.pop(ino, None)

    def discard(self, ino: int, first: int, end: int) -> None:
        """Free the blocks of pages [first, end): a hole."""
        self.reserved = {(i, n) for i, n in self.reserved if i != ino or not first <= n < end}
        gone = [n for n in range(first, end) if self.block(ino, n) is not None]
        for index in gone:
            del self.files[ino].blocks[index]
        if gone:
            self.trace.emit(DiskDiscard(ino, gone[0], gone[-1] + 1 - gone[0]))
