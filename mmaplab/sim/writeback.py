"""Write-back: dirty pages go to the disk.

    store -> page dirty -> ... time passes ... -> write-protect, copy to the disk, clean -> the next store faults again

Who asks: msync(MS_SYNC), fsync, the flusher (age), reclaim, truncate never. Before a folio is written, every entry that
maps it is made read-only, so that a later store is noticed and makes the page dirty once more.

Linux: mm/page-writeback.c (do_writepages, write_cache_pages), fs/fs-writeback.c (the flusher).
Leaves out: throttling of writers, cgroups, ordering between files.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

from mmaplab.constants import PAGE_SIZE
from mmaplab.sim.pagecache import AddressSpace, Folio, Inode, filemap_remove_folio, folio_clear_dirty
from mmaplab.sim.rmap import folio_mkclean


def do_writepages(mapping: AddressSpace, first: int, last: int | None, why: str) -> None:
    """Write the dirty folios that touch file pages [first, last] (None: to the end) and wait.

    A failure is kept in `mapping.wb_err` for the next fsync or msync. Linux: do_writepages, mm/page-writeback.c.
    """
    if not mapping.host.i_sb.on_disk:
        return
    for folio in mapping.folios(first, last):
        if folio.dirty:
            write_folio(folio, why)


def write_folio(folio: Folio, why: str) -> None:
    """Clean one folio, write-protect its entries, and copy its pages to the disk.

    Linux: folio_clear_dirty_for_io, then the file system's writepages (ext4_bio_write_folio).
    """
    inode = folio.mapping.host
    sb = inode.i_sb
    folio_mkclean(folio)
    folio_clear_dirty(folio)
    zero_beyond_eof(inode, folio)
    for index, page in enumerate(folio.pages, folio.index):
        if index >= inode.pages:
            break
        try:
            sb.disk.write_block(inode.ino, index, page.data, why)
        except OSError:
            folio.mapping.wb_err = True
            continue
        sb.memory.copy("dma_out", page.data, source=page)
    sb.disk.commit(inode.ino, inode.path if inode.i_nlink else "", inode.i_size)


def zero_beyond_eof(inode: Inode, folio: Folio) -> None:
    """Clear the bytes behind the file's end in its last page: they are not part of the file.

    Linux: ext4_bio_write_folio ("the page straddles i_size").
    """
    tail = inode.i_size % PAGE_SIZE
    index = inode.i_size // PAGE_SIZE
    if tail and folio.index <= index < folio.end and any(folio.page(index).data[tail:]):
        inode.i_sb.memory.clear(folio.page(index), tail, PAGE_SIZE - tail)


WritePages = Callable[[AddressSpace, int, int | None, str], None]
"""The slot's type; see `do_writepages`."""


def file_write_and_wait(
    mapping: AddressSpace, first: int, last: int | None, why: str, writepages: WritePages = do_writepages
) -> None:
    """Write a range back and report a failure of it, once; raises OSError(EIO). Linux: file_write_and_wait_range."""
    writepages(mapping, first, last, why)
    sb, inode = mapping.host.i_sb, mapping.host
    if sb.on_disk:
        sb.disk.commit(inode.ino, inode.path if inode.i_nlink else "", inode.i_size)
    if mapping.wb_err:
        mapping.wb_err = False
        raise OSError(errno.EIO, f"a page of {inode.path} could not be written to the disk")


def invalidate_mapping_pages(mapping: AddressSpace) -> None:
    """Drop the folios that are clean and that nobody maps. Linux: invalidate_mapping_pages, mm/truncate.c."""
    if not mapping.host.i_sb.on_disk:
        return
    for folio in mapping.folios():
        if not folio.dirty and not folio.mapped:
            filemap_remove_folio(folio)
