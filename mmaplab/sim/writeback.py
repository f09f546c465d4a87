"""Write-back: dirty pages go to the disk, and the journal says what they mean.

    store -> page dirty -> ... time passes ... -> write-protect, copy to the disk, clean -> the next store faults again
    name, size, new blocks -> the running transaction -> ... time passes ... -> commit

Who asks: msync(MS_SYNC), fsync, the flusher (flusher.py), a writer where too much is dirty, reclaim, truncate never;
close only for a file that was cut to nothing (ext4_release_file).
Before a folio is written, every entry that maps it is made read-only, so that a later store is noticed and makes the
page dirty once more.

A page that could not be written is clean all the same, and its bytes stay in the page cache; the disk keeps the old
ones. Who asks next through an open file description is told EIO, once for each description (`errseq_set`).

Linux: mm/page-writeback.c (do_writepages, write_cache_pages), mm/filemap.c, lib/errseq.c, fs/jbd2/commit.c. What a
broken block does was measured on 6.18, ext4 on a loop device that fails chosen blocks, 2026-11-23.
Leaves out: cgroups. Linux writes neighbouring pages with one request, and a device may then lose all of them for one
broken block; here each page is a request of its own.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

from mmaplab.constants import PAGE_SIZE
from mmaplab.sim.file import File, errseq_check_and_advance, errseq_set
from mmaplab.sim.inode import AddressSpace, Folio, Inode, SuperBlock
from mmaplab.sim.pagecache import filemap_remove_folio, folio_clear_dirty
from mmaplab.sim.rmap import folio_mkclean


def do_writepages(mapping: AddressSpace, first: int, last: int | None, why: str) -> None:
    """Write the dirty folios that touch file pages [first, last] (None: to the end) and wait.

    A failure is kept in the mapping for the next fsync or msync. Linux: do_writepages, mm/page-writeback.c.
    """
    if not mapping.host.i_sb.on_disk:
        return
    for folio in mapping.folios(first, last):
        if folio.dirty:
            write_folio(folio, why)


def write_folio(folio: Folio, why: str) -> None:
    """Clean one folio, write-protect its entries, and copy its pages to the disk.

    A page without a block gets one, and the size on the disk follows it: not further than the page reaches.
    Linux: folio_clear_dirty_for_io, then the file system's writepages (ext4_bio_write_folio,
    mpage_map_and_submit_extent).
    """
    inode = folio.mapping.host
    sb = inode.i_sb
    folio_mkclean(folio)
    folio_clear_dirty(folio)
    zero_beyond_eof(inode, folio)
    folio.write_io_error = False
    for index, page in enumerate(folio.pages, folio.index):
        if index >= inode.pages:
            break
        is_new = sb.disk.block(inode.ino, index) is None
        try:
            sb.disk.write_block(inode.ino, index, page.data, why)
            sb.memory.copy("dma_out", page.data, source=page)
        except OSError:
            folio.write_io_error = True
            errseq_set(folio.mapping)
        if is_new:
            ext4_update_i_disksize(inode, min(inode.i_size, (index + 1) * PAGE_SIZE))


def ext4_update_i_disksize(inode: Inode, size: int) -> None:
    """The next commit makes this size durable, where it is larger than the disk's. Linux: the same name."""
    if size > inode.i_sb.disk.files[inode.ino].size:
        inode.i_sb.disk.set_size(inode.ino, size)


def balance_dirty_pages_ratelimited(sb: SuperBlock) -> None:
    """A writer has made pages dirty: now and then it looks whether it has to wait. Linux: the same name."""
    if sb.nr_dirtied >= sb.ratelimit_pages:
        sb.nr_dirtied = 0
        sb.balance_dirty_pages()


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


def ext4_release_file(inode: Inode, writepages: WritePages) -> None:
    """An open file description has ended: start to write a file that was cut to nothing and filled again.

    Many programs replace a file so, and ask for no fsync: after a crash neither the old nor the new bytes would be
    there. Linux: ext4_release_file, ext4_alloc_da_blocks, fs/ext4 (mount option auto_da_alloc).
    """
    if inode.da_alloc_close and inode.i_sb.disk.files[inode.ino].reserved:
        writepages(inode.i_mapping, 0, None, "close")
    inode.da_alloc_close = False


def file_write_and_wait(
    file: File, first: int, last: int | None, why: str, writepages: WritePages = do_writepages
) -> None:
    """Write a range back with all that it needs to be found again (`ext4_sync_file`), and report a failure.

    Raises OSError(EIO) for a page of the file that could not be written since this open file description last asked,
    whoever tried to write it. Linux: vfs_fsync_range, file_write_and_wait_range, file_check_and_advance_wb_err.
    """
    inode = file.f_inode
    ext4_sync_file(inode, first, last, why, writepages)
    failed, file.f_wb_err = errseq_check_and_advance(inode.i_mapping, file.f_wb_err)
    if failed:
        raise OSError(errno.EIO, f"a page of {inode.path} could not be written to the disk")


def ext4_sync_file(inode: Inode, first: int, last: int | None, why: str, writepages: WritePages) -> None:
    """Write a range back; where the file has changed, commit the journal, with all files that are in it.

    Without a journal, this file alone becomes durable. Linux: ext4_sync_file, ext4_fsync_journal.
    """
    writepages(inode.i_mapping, first, last, why)
    if not inode.i_sb.on_disk or inode.ino not in inode.i_sb.disk.transaction:
        return
    if inode.i_sb.config.journal:
        jbd2_commit(inode.i_sb)
    else:
        inode.i_sb.disk.commit(inode.ino)


def jbd2_commit(sb: SuperBlock) -> None:
    """Commit the running transaction: names, sizes and block maps of all files become durable together.

    Data that the journal's order asks for are written first: the cleared rest of a last page (data=ordered).
    Linux: jbd2_journal_commit_transaction, journal_submit_data_buffers.
    """
    disk = sb.disk
    for ino in list(disk.transaction):
        mapping = sb.s_inodes[ino].i_mapping if ino in sb.s_inodes else None
        for index in sorted(disk.files[ino].ordered):
            folio = mapping.i_pages.get(index) if mapping is not None else None
            if folio is not None and folio.dirty:
                write_folio(folio, "commit")
        disk.files[ino].ordered.clear()
    for ino in list(disk.transaction):
        disk.commit(ino)
    disk.commit_at = None


def invalidate_mapping_pages(mapping: AddressSpace) -> None:
    """Drop the folios that are clean and that nobody maps. Linux: invalidate_mapping_pages, mm/truncate.c."""
    if not mapping.host.i_sb.on_disk:
        return
    for folio in mapping.folios():
        if not folio.dirty and not folio.mapped:
            filemap_remove_folio(folio)
