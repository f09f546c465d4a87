"""Reading and writing a file through the page cache.

    read():   disk --dma_in--> page cache --copy_to_user--> buffer
    write():  buffer --copy_from_user--> page cache (dirty) ... --dma_out--> disk

Linux: mm/filemap.c (filemap_read, generic_perform_write), mm/shmem.c, fs/ext4/inode.c.
Leaves out: direct pipes between files, quotas, journalled data, small blocks.
"""

from __future__ import annotations

import errno

from mmaplab.constants import PAGE_SHIFT, PAGE_SIZE
from mmaplab.sim.file import File
from mmaplab.sim.inode import Folio, Inode
from mmaplab.sim.memory import ZEROS, OutOfMemory
from mmaplab.sim.pagecache import (
    MAX_PAGECACHE_ORDER,
    filemap_add_folio,
    filemap_get_folio,
    filemap_remove_folio,
    folio_mark_accessed,
    folio_mark_dirty,
    folio_mark_uptodate,
    i_size_write,
)
from mmaplab.sim.readahead import PageCacheRa, page_cache_async_ra
from mmaplab.sim.readpage import fill, read_folio
from mmaplab.sim.truncate import ext4_zero_partial_blocks
from mmaplab.sim.writeback import balance_dirty_pages_ratelimited, ext4_update_i_disksize

MAX_RW_COUNT = 0x7FFF_F000
"""The most that one read or write moves: 2 GiB less a page."""


# ---------------------------------------------------------------- read


def filemap_read(file: File, pos: int, count: int, sync_ra: PageCacheRa) -> bytes:
    """Return up to `count` bytes from `pos`, read through the page cache. Raises OSError(EIO).

    Linux: filemap_read, mm/filemap.c; for tmpfs shmem_file_read_iter, mm/shmem.c.
    """
    inode = file.f_inode
    end, parts = pos + count, []
    try:
        while pos < min(end, inode.i_size):
            index = pos >> PAGE_SHIFT
            offset = pos % PAGE_SIZE
            nbytes = min(PAGE_SIZE - offset, end - pos, inode.i_size - pos)
            parts.append(_read_page(file, index, offset, nbytes, end, sync_ra))
            pos += nbytes
    except OSError:
        if not parts:
            raise
    if inode.i_sb.on_disk and parts:
        file.f_ra.prev_pos = pos
    return b"".join(parts)


def _read_page(file: File, index: int, offset: int, nbytes: int, end: int, sync_ra: PageCacheRa) -> bytes:
    """Copy `nbytes` bytes of one file page to the user's buffer."""
    inode = file.f_inode
    memory = inode.i_sb.memory
    folio: Folio | None = None
    if inode.i_sb.on_disk:
        folio = filemap_get_pages(file, index, (end + PAGE_SIZE - 1) >> PAGE_SHIFT, sync_ra)
    else:
        folio = filemap_get_folio(inode.i_mapping, index)
    if folio is None:  # a hole of a tmpfs file: the zero page serves
        return memory.copy("copy_to_user", ZEROS[:nbytes], source=memory.zero_page)
    folio_mark_accessed(folio)
    page = folio.page(index)
    return memory.copy("copy_to_user", page.data[offset : offset + nbytes], source=page)


def filemap_get_pages(file: File, index: int, last_index: int, sync_ra: PageCacheRa) -> Folio:
    """Return the uptodate folio of page `index`; a miss reads ahead, and so does the mark.

    `last_index` is the page behind the request. Linux: filemap_get_pages, mm/filemap.c.
    """
    mapping = file.f_inode.i_mapping
    folio = filemap_get_folio(mapping, index)
    if folio is None:
        if file.f_inode.i_sb.config.ra_pages:
            sync_ra(file, index, last_index - index)
        folio = mapping.i_pages.get(index)
    if folio is None:
        folio = filemap_add_folio(mapping, index)
        assert folio is not None
    if folio.readahead:
        page_cache_async_ra(file, folio, folio.index, last_index - folio.index)
    if not folio.uptodate:
        read_folio(folio)
    return folio


# ---------------------------------------------------------------- write


def generic_perform_write(file: File, pos: int, data: bytes, now: float) -> int:
    """Copy `data` into the page cache at `pos`; returns the bytes that went in. Raises OSError(ENOSPC, EIO).

    Linux: generic_perform_write, mm/filemap.c; ext4_da_write_begin and ext4_da_write_end, fs/ext4/inode.c.
    """
    inode = file.f_inode
    if inode.i_sb.on_disk and pos > inode.i_size:
        ext4_zero_partial_blocks(inode, pos, now)
    written = 0
    while written < len(data):
        at = pos + written
        try:
            folio = write_begin(inode, at >> PAGE_SHIFT, at % PAGE_SIZE, len(data) - written)
        except OSError:
            if written:
                break
            raise
        nbytes = min(len(data) - written, folio.end * PAGE_SIZE - at)
        _copy_into(inode, folio, at, data[written : written + nbytes])
        folio_mark_uptodate(folio)
        folio_mark_dirty(folio, now)
        written += nbytes
        if at + nbytes > inode.i_size:
            i_size_write(inode, at + nbytes)
            ext4_da_update_i_disksize(inode)
        balance_dirty_pages_ratelimited(inode.i_sb)
    return written


def ext4_da_update_i_disksize(inode: Inode) -> None:
    """A write has made the file longer: where its last byte has a block, the journal may have the size at once.

    Otherwise the size waits for the block. Linux: ext4_da_should_update_i_disksize, ext4_da_do_write_end.
    """
    if inode.i_sb.on_disk and inode.i_sb.disk.block(inode.ino, (inode.i_size - 1) >> PAGE_SHIFT) is not None:
        ext4_update_i_disksize(inode, inode.i_size)


def write_begin(inode: Inode, index: int, offset: int, length: int) -> Folio:
    """Return the folio that a write of `length` bytes at `offset` in page `index` goes to, ready to be written.

    A page that is written only in part is first made uptodate. Linux: ext4_da_write_begin, shmem_write_begin.
    """
    sb = inode.i_sb
    folio = filemap_get_folio(inode.i_mapping, index)
    fresh = folio is None
    if folio is None:
        folio = _new_folio(inode, index, length)
    if sb.on_disk:
        try:
            _reserve_blocks(inode, folio, index, offset, length)
        except OSError:
            if fresh:
                filemap_remove_folio(folio)
            raise
    covered = index == folio.index and offset == 0 and length >= len(folio.pages) * PAGE_SIZE
    if not folio.uptodate and not folio.stub and not covered:
        if sb.on_disk:
            fill(folio)
        else:
            sb.memory.clear(folio.pages[0])
    return folio


def _reserve_blocks(inode: Inode, folio: Folio, index: int, offset: int, length: int) -> None:
    """Promise a block for every page that the write touches (delayed allocation); raises OSError(ENOSPC)."""
    end = min(folio.end, index + ((offset + length - 1) >> PAGE_SHIFT) + 1)
    inode.i_sb.disk.reserve(inode.ino, index, end)


def _new_folio(inode: Inode, index: int, length: int) -> Folio:
    """Add a folio as large as the write asks for, as the alignment of `index` and memory allow, beside the others.

    Raises OutOfMemory where not even a page is left. Linux: __filemap_get_folio with FGP_WRITEBEGIN, mm/filemap.c.
    """
    sb = inode.i_sb
    if not sb.on_disk:
        return shmem_add_folio(inode, index)
    order = 0
    if sb.large_folios and length >= PAGE_SIZE:
        order = min(length.bit_length() - 1 - PAGE_SHIFT, MAX_PAGECACHE_ORDER)
        if index & ((1 << order) - 1):
            order = (index & -index).bit_length() - 1
    while True:
        try:
            folio = filemap_add_folio(inode.i_mapping, index, order, patient=order == 0)
        except OutOfMemory:
            if order == 0:
                raise
            folio = None
        if folio is not None:
            return folio
        order -= 1


def _copy_into(inode: Inode, folio: Folio, pos: int, data: bytes) -> None:
    """Copy a user's bytes into the pages of a folio."""
    done = 0
    while done < len(data):
        index, offset = (pos + done) >> PAGE_SHIFT, (pos + done) % PAGE_SIZE
        piece = data[done : done + PAGE_SIZE - offset]
        inode.i_sb.memory.copy("copy_from_user", piece, folio.page(index), offset)
        done += len(piece)


# ---------------------------------------------------------------- tmpfs


def shmem_add_folio(inode: Inode, index: int) -> Folio:
    """Give a tmpfs file a page; raises OSError(ENOSPC) when the file system is full. Linux: shmem_get_folio_gfp."""
    sb = inode.i_sb
    limit = sb.max_blocks
    if limit is not None and sb.pages_in_use >= limit:
        raise OSError(errno.ENOSPC, f"the tmpfs is full: all {limit} pages are in use")
    folio = filemap_add_folio(inode.i_mapping, index)
    assert folio is not None
    return folio


def shmem_get_folio(inode: Inode, index: int) -> Folio:
    """Return the folio of page `index`, made of zeros where there was a hole. Raises OSError(ENOSPC).

    Linux: shmem_get_folio(SGP_CACHE), mm/shmem.c.
    """
    folio = filemap_get_folio(inode.i_mapping, index)
    if folio is None:
        folio = shmem_add_folio(inode, index)
        inode.i_sb.memory.clear(folio.pages[0])
    folio_mark_uptodate(folio)
    return folio
