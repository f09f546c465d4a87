"""The disk: what survives when the power goes.

Per file a name, a size, and blocks of one page each. A block that was never written is a hole: it reads as zeros
without any input or output. There are two versions of it all:

    the running kernel's    path, size, blocks           what calls change, at once
    the disk's              what the journal committed   `undo` says how it differs: index -> block, None for a hole

Data are written in place, so a block that both versions have holds the newest bytes in both. Names, sizes and which
block belongs to which page become durable together, with the next commit of the journal (writeback.jbd2_commit): soon
after the change, or at once by fsync. A size that write() has grown is not the disk's size until the data behind it are
written (delayed allocation: ext4's i_disksize).

What Linux has no say in lives here too: how many blocks there are, and which of them are broken.
Linux: the block layer, fs/ext4, fs/jbd2. Leaves out: the journal's own blocks, block sizes other than a page, fast
commits, preallocated blocks; a broken block stays with its file page when the file system could choose another.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

from mmaplab.constants import PAGE_SIZE
from mmaplab.sim.events import DiskDiscard, DiskRead, DiskWrite, JournalCommit
from mmaplab.sim.trace import Trace


@dataclass
class DiskFile:
    """One file, as the running kernel knows it: `path` ("" without a name), `size` in bytes, blocks by page index.

    `size` is ext4's i_disksize. `reserved` are the pages with the promise of a block (delayed allocation), `unwritten`
    those with a block that holds nothing of theirs yet and reads as zeros (an unwritten extent), `ordered` those whose
    data have to be written before the next commit (data=ordered).
    """

    path: str
    size: int = 0
    blocks: dict[int, bytes] = field(default_factory=dict)
    reserved: set[int] = field(default_factory=set)
    unwritten: set[int] = field(default_factory=set)
    ordered: set[int] = field(default_factory=set)
    undo: dict[int, bytes | None] = field(default_factory=dict)
    """The pages that the last commit gave another block, with what that block holds."""
    durable_path: str = ""
    durable_size: int = 0
    gone: bool = False
    """It has no name and no user any more: the next commit ends it."""

    def durable_blocks(self) -> dict[int, bytes]:
        """Return the blocks of the last commit."""
        blocks = {**self.blocks, **self.undo}
        return {index: data for index, data in sorted(blocks.items()) if data is not None}

    def durable_bytes(self) -> bytes:
        """Return the bytes of the file after a crash."""
        blocks = self.durable_blocks()
        pages = -(-self.durable_size // PAGE_SIZE)
        return b"".join(blocks.get(i, bytes(PAGE_SIZE)) for i in range(pages))[: self.durable_size]


class Disk:
    """A device of blocks. `capacity` is the number of blocks that files can have, None for no limit."""

    def __init__(self, trace: Trace, capacity: int | None = None) -> None:
        self.trace, self.capacity = trace, capacity
        self.files: dict[int, DiskFile] = {}
        self.used = 0
        """Blocks in use or promised."""
        self.transaction: dict[int, None] = {}
        """The files that have changed since the last commit."""
        self.commit_at: float | None = None
        """When the running transaction is committed, in seconds since boot; None until the clock is looked at."""
        self.broken: dict[str, set[tuple[int, int]]] = {"read": set(), "write": set()}
        """(file, page) of the blocks that cannot be read, and that cannot be written."""

    # ---- looking

    def block(self, ino: int, index: int) -> bytes | None:
        """Return the block behind a file page, None for a hole; not an input, only a look."""
        return self.files[ino].blocks.get(index)

    def has_block(self, ino: int, index: int) -> bool:
        """Is there a block behind this file page, or the promise of one?"""
        return index in self.files[ino].blocks or index in self.files[ino].reserved

    def pages_with_blocks(self, ino: int) -> set[int]:
        """Return the pages of a file that have a block, or the promise of one: the others are a hole."""
        return self.files[ino].blocks.keys() | self.files[ino].reserved

    def durable_files(self) -> Iterator[tuple[int, DiskFile]]:
        """Yield inode number and record of each file that a crash would leave."""
        return ((ino, record) for ino, record in self.files.items() if record.durable_path)

    # ---- data

    def reserve(self, ino: int, first: int, end: int) -> None:
        """Promise a block to each of the pages [first, end), which are about to become dirty: to all or to none.

        Raises OSError(ENOSPC) when the disk is full. Linux: ext4_da_reserve_space.
        """
        wanted = [n for n in range(first, end) if not self.has_block(ino, n) and n not in self.files[ino].unwritten]
        if self.capacity is not None and wanted and self.used + len(wanted) > self.capacity:
            raise OSError(errno.ENOSPC, f"the disk is full: {self.used} of {self.capacity} blocks are in use")
        self.files[ino].reserved.update(wanted)
        self.used += len(wanted)

    def preallocate(self, ino: int, first: int, end: int) -> None:
        """Give blocks to the hole that begins at page `first`, up to page `end`; they read as zeros until written.

        Linux: ext4_iomap_alloc (EXT4_GET_BLOCKS_IO_CREATE_EXT). Leaves out: a disk that is full.
        """
        index = first
        while index < end and not self.has_block(ino, index):
            self.used += index not in self.files[ino].unwritten
            self.files[ino].unwritten.add(index)
            index += 1

    def read_blocks(self, ino: int, index: int, npages: int) -> list[bytes | None]:
        """Return `npages` blocks from page `index`, None for a hole; raises OSError(EIO): one broken block fails all.

        A hole has no block that could be broken, and none that is read: each run of blocks is a request of its own.
        """
        data = [self.block(ino, i) for i in range(index, index + npages)]
        for i, block in enumerate(data, index):
            if block is not None and (ino, i) in self.broken["read"]:
                raise OSError(errno.EIO, f"block {i} of the file cannot be read")
        for is_hole, pages in groupby(range(npages), key=lambda i: data[i] is None):
            if not is_hole:
                first, *others = pages
                self.trace.emit(DiskRead, ino, index + first, 1 + len(others))
        return data

    def write_block(self, ino: int, index: int, data: bytes, why: str) -> None:
        """Write one block, in place; a page without one is given one, which the next commit makes durable.

        Raises OSError(EIO) on a broken one: it keeps what it held, and a new one reads as zeros (an unwritten extent).
        """
        record = self.files[ino]
        broken = (ino, index) in self.broken["write"]
        if index not in record.blocks:
            self._allocate(ino, index)
        if broken:
            raise OSError(errno.EIO, f"block {index} of the file cannot be written")
        record.blocks[index] = data
        record.ordered.discard(index)
        self.trace.emit(DiskWrite, ino, index, 1, why)

    def _allocate(self, ino: int, index: int) -> None:
        """Give a page a block, the promised one where there is a promise. Linux: ext4_map_blocks."""
        record = self.files[ino]
        self.used += index not in record.reserved and index not in record.unwritten
        record.reserved.discard(index)
        record.unwritten.discard(index)
        record.undo.setdefault(index, None)
        record.blocks[index] = bytes(PAGE_SIZE)
        self.transaction[ino] = None

    # ---- what the journal is for: names, sizes, block maps

    def create(self, ino: int, path: str) -> None:
        """Note a new file with its name. Linux: ext4_create."""
        self.files[ino] = DiskFile(path)
        self.transaction[ino] = None

    def unlink(self, ino: int) -> None:
        """Note that a file has lost its name. Linux: ext4_unlink."""
        self.files[ino].path = ""
        self.transaction[ino] = None

    def set_size(self, ino: int, size: int) -> None:
        """Set the size that the next commit makes durable. Linux: EXT4_I(inode)->i_disksize."""
        if self.files[ino].size != size:
            self.files[ino].size = size
            self.transaction[ino] = None

    def order(self, ino: int, index: int) -> None:
        """Have a page's data written before the next commit. Linux: ext4_jbd2_inode_add_write."""
        self.files[ino].ordered.add(index)
        self.transaction[ino] = None

    def truncate(self, ino: int, first: int) -> None:
        """Take the blocks and promises from page `first` on from a file. Linux: ext4_ext_truncate."""
        self._free(ino, [n for n in self.pages_with_blocks(ino) | self.files[ino].unwritten if n >= first])

    def discard(self, ino: int, first: int, end: int) -> None:
        """Free the blocks and promises of pages [first, end): a hole. Linux: ext4_punch_hole."""
        there = self.pages_with_blocks(ino) | self.files[ino].unwritten
        self._free(ino, sorted(n for n in there if first <= n < end))

    def _free(self, ino: int, pages: list[int]) -> None:
        record = self.files[ino]
        gone = sorted(index for index in pages if index in record.blocks)
        for index in gone:
            record.undo.setdefault(index, record.blocks.pop(index))
        record.reserved.difference_update(pages)
        record.unwritten.difference_update(pages)
        record.ordered.difference_update(pages)
        self.used -= len(pages)
        if gone:
            self.transaction[ino] = None
            self.trace.emit(DiskDiscard, ino, gone[0], gone[-1] + 1 - gone[0])

    def forget(self, ino: int) -> None:
        """The file has no name and no user any more: its blocks are free; the disk has it until the next commit.

        Linux: ext4_evict_inode.
        """
        if ino in self.files:
            self.truncate(ino, 0)
            self.files[ino].gone = True
            self.transaction[ino] = None

    def commit(self, ino: int) -> None:
        """Make name, size and block map of one file durable; see writeback.jbd2_commit, which commits them all."""
        record = self.files[ino]
        self.transaction.pop(ino, None)
        record.undo.clear()
        record.durable_path, record.durable_size = record.path, record.size
        if record.gone:
            del self.files[ino]
        self.trace.emit(JournalCommit, ino, record.path, record.size)
