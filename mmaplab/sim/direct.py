"""O_DIRECT: the device moves the bytes to and from the user's buffer, past the page cache.

    read       cached dirty pages of the range are written first     disk --dma_in--> buffer
    write      buffer --dma_out--> disk                               cached pages of the range go

Linux: fs/ext4/file.c (ext4_dio_read_iter, ext4_dio_write_iter), fs/iomap/direct-io.c.
"""

from __future__ import annotations

import errno

from mmaplab.constants import PAGE_SHIFT, PAGE_SIZE
from mmaplab.sim.file import File
from mmaplab.sim.inode import Inode
from mmaplab.sim.memory import ZEROS
from mmaplab.sim.pagecache import filemap_remove_folio, i_size_write
from mmaplab.sim.rmap import try_to_unmap
from mmaplab.sim.truncate import ext4_truncate
from mmaplab.sim.writeback import WritePages, do_writepages, ext4_update_i_disksize

SECTOR_SIZE = 512


def direct_read(file: File, pos: int, count: int, writepages: WritePages = do_writepages) -> bytes:
    """O_DIRECT: the device moves the bytes to the user's buffer, past the page cache; raises EINVAL, EIO.

    A hole needs no device: a transfer that ends in one need not be aligned there. Linux: ext4_dio_read_iter,
    iomap_dio_iter.
    """
    inode = file.f_inode
    if not count or pos >= inode.i_size:
        return b""
    writepages(inode.i_mapping, pos >> PAGE_SHIFT, (pos + count - 1) >> PAGE_SHIFT, "direct")
    ends_at_block = inode.i_sb.disk.has_block(inode.ino, (pos + count - 1) >> PAGE_SHIFT)
    end, count = pos + count, min(count, inode.i_size - pos)
    first, last = pos >> PAGE_SHIFT, (pos + count - 1) >> PAGE_SHIFT
    some = any(inode.i_sb.disk.has_block(inode.ino, index) for index in range(first, last + 1))
    check_direct(pos if some else 0, end if ends_at_block else 0)
    blocks = inode.i_sb.disk.read_blocks(inode.ino, first, last - first + 1)
    data = b"".join(ZEROS if block is None else block for block in blocks)
    return inode.i_sb.memory.copy("dma_in", data[pos % PAGE_SIZE :][:count])


def direct_write(file: File, pos: int, data: bytes, now: float, writepages: WritePages = do_writepages) -> int:
    """O_DIRECT: the device takes the bytes from the user's buffer; cached pages of the range are written, and go.

    It goes extent by extent. One that is not aligned ends it with EINVAL: the cached pages are gone by then, earlier
    extents are written, and a hole has got blocks. Raises ENOSPC, EIO. Linux: ext4_dio_write_iter, iomap_dio_rw.
    Leaves out: neighbouring blocks of a file that are no neighbours on the disk are two extents to Linux.
    """
    inode, sb = file.f_inode, file.f_inode.i_sb
    end = pos + len(data)
    first, last = pos >> PAGE_SHIFT, (end - 1) >> PAGE_SHIFT
    extends = ext4_extending_io(inode, end)
    writepages(inode.i_mapping, first, last, "direct")
    invalidate_inode_pages2_range(inode, first, last)
    at = pos
    while at < end:
        stop = extent_end(inode, at >> PAGE_SHIFT, last)
        until = min(end, stop << PAGE_SHIFT)
        try:
            check_direct(at, until)
        except OSError:
            sb.disk.preallocate(inode.ino, at >> PAGE_SHIFT, stop)  # blocks come first, alignment is looked at later
            if extends:
                ext4_truncate(inode, inode.i_size, now)  # ext4_inode_extension_cleanup: the last page is cached again
            raise
        for index in range(at >> PAGE_SHIFT, stop):
            start, end_here = max(at, index << PAGE_SHIFT), min(until, (index + 1) << PAGE_SHIFT)
            _write_directly(inode, start, data[start - pos : end_here - pos])
        at = until
    if end > inode.i_size:
        i_size_write(inode, end)
    ext4_update_i_disksize(inode, end)
    return len(data)


def extent_end(inode: Inode, first: int, last: int) -> int:
    """Return the page behind the extent, or the hole, that holds page `first`; at most `last` + 1.

    Linux: ext4_iomap_begin, ext4_map_blocks.
    """
    disk = inode.i_sb.disk
    kind = disk.has_block(inode.ino, first)
    end = first + 1
    while end <= last and disk.has_block(inode.ino, end) == kind:
        end += 1
    return end


def _write_directly(inode: Inode, pos: int, data: bytes) -> None:
    """Give the device bytes of one page."""
    disk, index, at = inode.i_sb.disk, pos >> PAGE_SHIFT, pos % PAGE_SIZE
    disk.reserve(inode.ino, index, index + 1)
    piece = inode.i_sb.memory.copy("dma_out", data)
    block = disk.block(inode.ino, index) or ZEROS
    disk.write_block(inode.ino, index, block[:at] + piece + block[at + len(piece) :], "direct")


def ext4_extending_io(inode: Inode, end: int) -> bool:
    """Does a transfer up to byte `end` leave the file larger, in memory or on the disk? Linux: the same name."""
    return end > inode.i_size or end > inode.i_sb.disk.files[inode.ino].size


def invalidate_inode_pages2_range(inode: Inode, first: int, last: int) -> None:
    """Take the clean folios of a range out of page tables and page cache. Linux: the same name, mm/truncate.c."""
    for folio in inode.i_mapping.folios(first, last):
        try_to_unmap(folio)
        filemap_remove_folio(folio)


def check_direct(start: int, end: int) -> None:
    """Raise EINVAL where a direct transfer is not aligned to the device's sectors. Linux: iomap_dio_bio_iter."""
    if start % SECTOR_SIZE or end % SECTOR_SIZE:
        raise OSError(errno.EINVAL, f"O_DIRECT from {start} to {end}: not multiples of {SECTOR_SIZE}")
