"""Making a file shorter or longer, and punching holes into it.

    shrink    entries of the pages behind the new end go, then the pages, then the blocks; the last tail is cleared
    grow      the tail of the old last page is cleared; what follows is a hole
    split     a large folio that the new end cuts is halved around it, if it is clean

Linux: mm/truncate.c, mm/huge_memory.c (folio_split), fs/ext4/inode.c (ext4_setattr, ext4_truncate), mm/shmem.c.
Leaves out: waiting for write-back that is under way, preallocated blocks.
"""

from __future__ import annotations

import errno

from mmaplab.constants import PAGE_SHIFT, PAGE_SIZE
from mmaplab.sim.inode import Folio, Inode
from mmaplab.sim.pagecache import (
    filemap_add_folio,
    filemap_remove_folio,
    folio_clear_dirty,
    folio_mark_dirty,
    i_size_write,
    split_folio,
)
from mmaplab.sim.readpage import fill
from mmaplab.sim.rmap import try_to_unmap, unmap_mapping_range
from mmaplab.sim.slots import Function


def do_truncate(inode: Inode, length: int, now: float, take_away: Function) -> None:
    """Set a file's size: pages beyond it leave every process and the cache, the last one's tail becomes zero.

    `take_away` is the slot truncate_pagecache. Linux: do_truncate, truncate_setsize; ext4_setattr, shmem_setattr.
    """
    old = inode.i_size
    if inode.i_sb.on_disk and length > old:
        ext4_block_truncate_page(inode, old, now)
    if length != old:
        i_size_write(inode, length)
        if inode.i_sb.on_disk:
            inode.i_sb.disk.set_size(inode.ino, length)
    if length <= old or inode.i_sb.on_disk:  # ext4 does it where the file grows, too
        take_away(inode, length)
    if length <= old:
        cut = ext4_truncate if inode.i_sb.on_disk else shmem_truncate
        cut(inode, length, now)


def truncate_pagecache(inode: Inode, length: int) -> None:
    """Take everything beyond `length` out of page tables and page cache. Linux: truncate_pagecache, mm/truncate.c."""
    first = (length + PAGE_SIZE - 1) >> PAGE_SHIFT
    unmap_mapping_range(inode.i_mapping, first)
    for folio in inode.i_mapping.folios(length >> PAGE_SHIFT):
        if folio.index >= first or len(folio.pages) > 1:
            truncate_folio(inode, folio, first, length >> PAGE_SHIFT)


def truncate_folio(inode: Inode, folio: Folio, first: int, at: int) -> None:
    """Remove a folio whose pages lie from page `first` on; one that straddles it is split at page `at`.

    All entries of that one go, also those before the end of the file: later faults map what remains.

    Linux: truncate_inode_folio, truncate_inode_partial_folio (split_huge_page).
    """
    if folio.index >= first:
        folio_clear_dirty(folio)
        filemap_remove_folio(folio)
        return
    for index in range(first, folio.end):
        inode.i_sb.memory.clear(folio.page(index))
    try_to_unmap(folio)
    if folio.dirty:  # its buffers cannot be given up: it stays whole, with zeros behind the end of the file
        return
    split_folio(folio, at)
    for part in inode.i_mapping.folios(first):
        if part.index < folio.end:
            folio_clear_dirty(part)
            filemap_remove_folio(part)


def shmem_truncate(inode: Inode, length: int, now: float) -> None:
    """Clear the tail of a tmpfs file's last page, where it is cached. Linux: shmem_undo_range."""
    tail = length % PAGE_SIZE
    folio = inode.i_mapping.i_pages.get(length >> PAGE_SHIFT)
    if tail and folio is not None:
        inode.i_sb.memory.clear(folio.pages[0], tail, PAGE_SIZE - tail)
        folio_mark_dirty(folio, now)


def ext4_zero_partial_blocks(inode: Inode, pos: int, now: float) -> None:
    """A write begins at `pos`, behind the end of the file: the gap in the last page becomes zero, and no byte more.

    What a program has stored behind the bytes that are written stays, and is now part of the file where the file grows
    over it. Linux: ext4_da_do_write_end, ext4_zero_partial_blocks.
    """
    ext4_block_truncate_page(inode, inode.i_size, now, pos - inode.i_size)


def ext4_truncate(inode: Inode, length: int, now: float) -> None:
    """Give the blocks beyond `length` back, and clear the rest of the last one. Linux: ext4_truncate."""
    if inode.i_size == 0:
        inode.da_alloc_close = True
    ext4_block_truncate_page(inode, length, now)
    inode.i_sb.disk.truncate(inode.ino, (length + PAGE_SIZE - 1) >> PAGE_SHIFT)


def ext4_block_truncate_page(inode: Inode, length: int, now: float, most: int = PAGE_SIZE) -> None:
    """Clear the page that `length` falls into, from there on, at most so many bytes; an uncached hole becomes a stub.

    The page is put into the cache for it. Behind a hole there is no block to clear, so the page stays *not uptodate*:
    mincore, readahead and fault-around do not count it as cached. The journal has the cleared page written before the
    new size. A page that cannot be read stays as it is, and the size changes all the same (measured on 6.18).
    Linux: ext4_block_truncate_page, fs/ext4/inode.c.
    """
    tail = length % PAGE_SIZE
    if not tail:
        return
    index = length >> PAGE_SHIFT
    has_block = inode.i_sb.disk.has_block(inode.ino, index)
    folio = inode.i_mapping.i_pages.get(index)
    if folio is not None and not has_block:
        return
    folio = folio or filemap_add_folio(inode.i_mapping, index)
    assert folio is not None
    if not folio.uptodate and not folio.stub:
        try:
            fill(folio)
        except OSError:
            return
        folio.stub = True
    if has_block:
        if inode.i_sb.disk.block(inode.ino, index) is not None:
            inode.i_sb.disk.order(inode.ino, index)
        inode.i_sb.memory.clear(folio.page(index), tail, min(most, PAGE_SIZE - tail))
        folio_mark_dirty(folio, now)


def punch_hole(inode: Inode, first: int, end: int) -> None:
    """Make file pages [first, end) a hole: nothing cached, nothing mapped but private copies, nothing on the disk.

    Raises EFBIG. Linux: vfs_fallocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE), truncate_pagecache_range.
    """
    if end << PAGE_SHIFT > inode.i_sb.s_maxbytes:
        raise OSError(errno.EFBIG, f"a hole up to page {end:#x} ends beyond the largest file")
    for folio in inode.i_mapping.folios(first, end - 1):
        try_to_unmap(folio)
        if folio.index < first or folio.end > end:
            split_folio(folio, first if folio.index < first else end)
    for folio in inode.i_mapping.folios(first, end - 1):
        folio_clear_dirty(folio)
        filemap_remove_folio(folio)
    if inode.i_sb.on_disk:
        inode.i_sb.disk.discard(inode.ino, first, end)
