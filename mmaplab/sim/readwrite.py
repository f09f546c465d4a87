"""read, write and their family: file input and output by system call.

    read, write      at the file position, which moves       pread, pwrite    at an offset, and nothing moves
    regular file     through the page cache (filemap.py), or past it with O_DIRECT (direct.py)
    pipe             through the pipe's own pages (pipe.py)

Linux: fs/read_write.c, fs/open.c, fs/sync.c. Leaves out: splice, readv, io_uring.
"""

from __future__ import annotations

import errno

from mmaplab.constants import (
    MAX_LFS_FILESIZE,
    PAGE_SHIFT,
    RLIM_INFINITY,
    SEEK_CUR,
    SEEK_DATA,
    SEEK_END,
    SEEK_HOLE,
    SEEK_SET,
    TASK_SIZE,
    Open,
    Rlimit,
)
from mmaplab.interface import Stat
from mmaplab.sim.direct import direct_read, direct_write
from mmaplab.sim.file import File
from mmaplab.sim.filemap import MAX_RW_COUNT, filemap_read, generic_perform_write
from mmaplab.sim.inode import Inode
from mmaplab.sim.mm_types import Machine, TaskStruct
from mmaplab.sim.pipe import Pipe, pipe_read, pipe_write
from mmaplab.sim.truncate import do_truncate
from mmaplab.sim.writeback import file_write_and_wait

# ---------------------------------------------------------------- read and write


def do_read(machine: Machine, file: File, count: int, offset: int | None) -> bytes:
    """Read up to `count` bytes at `offset`, None for the file position; raises EBADF, EFAULT, EINVAL, ESPIPE, EIO.

    Linux: ksys_read, ksys_pread64, vfs_read. Leaves out: EAGAIN O_NONBLOCK, EAGAIN or EWOULDBLOCK socket, EINTR,
    EINVAL timerfd, EISDIR, EOVERFLOW, ENXIO.
    """
    seekable(file, offset)
    if not file.readable:
        raise OSError(errno.EBADF, "the descriptor was not opened for reading")
    if count > TASK_SIZE:
        raise OSError(errno.EFAULT, f"{count} bytes fit into no buffer: the address space has {TASK_SIZE}")
    if isinstance(file.f_inode, Pipe):
        return pipe_read(file.f_inode, count)
    pos = verify_area(file, offset, count)
    count = min(count, MAX_RW_COUNT)
    if file.f_flags & Open.O_DIRECT and file.f_inode.i_sb.on_disk:
        data = direct_read(file, pos, count, machine.slots.do_writepages)
    else:
        data = filemap_read(file, pos, count, machine.slots.page_cache_sync_ra)
    if offset is None:
        file.f_pos = pos + len(data)
    return data


def do_write(task: TaskStruct, machine: Machine, file: File, data: bytes, offset: int | None) -> int:
    """Write `data` at `offset`, None for the file position; returns the bytes written.

    With O_APPEND the end of the file is the place, whatever `offset` says; with O_SYNC or O_DSYNC the disk has the
    bytes before the call returns. Raises EBADF, EINVAL, ESPIPE, EPIPE, EFBIG, ENOSPC, EIO. Linux: vfs_write,
    ext4_file_write_iter. Leaves out: EAGAIN O_NONBLOCK, EAGAIN or EWOULDBLOCK socket, EDESTADDRREQ, EDQUOT, EFAULT,
    EINTR, EPERM file seal, the signal SIGXFSZ.
    """
    seekable(file, offset)
    if not file.writable:
        raise OSError(errno.EBADF, "the descriptor was not opened for writing")
    inode = file.f_inode
    if isinstance(inode, Pipe):
        return pipe_write(inode, data)
    pos = verify_area(file, offset, len(data))
    if file.f_flags & Open.O_APPEND:
        pos = inode.i_size
    if not data:
        return 0
    data = data[: min(MAX_RW_COUNT, room_at(inode, pos, task.rlimits[Rlimit.RLIMIT_FSIZE]))]
    if file.f_flags & Open.O_DIRECT and inode.i_sb.on_disk:
        written = direct_write(file, pos, data, machine.now, machine.slots.do_writepages)
    else:
        written = generic_perform_write(file, pos, data, machine.now)
    if offset is None:
        file.f_pos = pos + written
    if file.f_flags & Open.O_DSYNC:
        last = (pos + written - 1) >> PAGE_SHIFT
        file_write_and_wait(file, pos >> PAGE_SHIFT, last, "fsync", machine.slots.do_writepages)
    return written


def seekable(file: File, offset: int | None) -> None:
    """Raise ESPIPE where an offset is given for a pipe, which has no positions. Linux: FMODE_PREAD, FMODE_PWRITE."""
    if offset is not None and isinstance(file.f_inode, Pipe):
        raise OSError(errno.ESPIPE, "a pipe has no position to read or write at")


def offset_ok(offset: int) -> None:
    """Raise EINVAL for a negative offset, which is looked at before the descriptor. Linux: ksys_pread64."""
    if offset < 0:
        raise OSError(errno.EINVAL, f"offset {offset} is negative")


def verify_area(file: File, offset: int | None, count: int) -> int:
    """Return the position of a transfer; raises EINVAL for one that is negative, or goes past 2**63.

    Linux: rw_verify_area, fs/read_write.c.
    """
    pos = file.f_pos if offset is None else offset
    if pos < 0 or pos + count > MAX_LFS_FILESIZE:
        raise OSError(errno.EINVAL, f"{count} bytes at {pos}: negative, or beyond the largest position")
    return pos


def room_at(inode: Inode, pos: int, limit: int) -> int:
    """Return how many bytes may be written at `pos`; raises EFBIG where none. Linux: generic_write_check_limits."""
    largest = inode.i_sb.s_maxbytes if limit == RLIM_INFINITY else min(limit, inode.i_sb.s_maxbytes)
    if pos >= largest:
        raise OSError(errno.EFBIG, f"position {pos:#x}: a file here has at most {largest:#x} bytes (RLIMIT_FSIZE?)")
    return largest - pos


# ---------------------------------------------------------------- the rest


def do_lseek(file: File, offset: int, whence: int) -> int:
    """Move the file position; raises EINVAL, ESPIPE, ENXIO. Linux: ksys_lseek, ext4_llseek, shmem_file_llseek.

    Leaves out: EOVERFLOW, which only a 32-bit program meets.
    """
    inode = file.f_inode
    if not SEEK_SET <= whence <= SEEK_HOLE:
        raise OSError(errno.EINVAL, f"whence is {whence}: 0 to 4 are known (SEEK_SET, CUR, END, DATA, HOLE)")
    if isinstance(inode, Pipe):
        raise OSError(errno.ESPIPE, "a pipe has no position")
    if whence in (SEEK_DATA, SEEK_HOLE):
        pos = seek_hole_data(inode, offset, whence == SEEK_DATA)
    else:
        pos = {SEEK_SET: 0, SEEK_CUR: file.f_pos, SEEK_END: inode.i_size}[whence] + offset
    if not 0 <= pos <= inode.i_sb.s_maxbytes:
        raise OSError(errno.EINVAL, f"position {pos} is negative or too large")
    file.f_pos = pos
    return pos


def seek_hole_data(inode: Inode, offset: int, data: bool) -> int:
    """Return the first position from `offset` on that is data, or a hole; the end of the file is a hole.

    Raises ENXIO beyond the end, and where no data follow. Linux: iomap_seek_data, mapping_seek_hole_data.
    """
    if not 0 <= offset < inode.i_size:
        raise OSError(errno.ENXIO, f"position {offset} is not in the file, which has {inode.i_size} bytes")
    first = offset >> PAGE_SHIFT
    there = pages_with_data(inode)
    if data:
        found = min((index for index in there if first <= index < inode.pages), default=None)
        if found is None:
            raise OSError(errno.ENXIO, f"there are no data from position {offset} on")
        return max(offset, found << PAGE_SHIFT)
    while first < inode.pages and first in there:
        first += 1
    return min(max(offset, first << PAGE_SHIFT), inode.i_size)


def pages_with_data(inode: Inode) -> set[int]:
    """Return the file pages with a block that was written, or the promise of one; on tmpfs, those in memory.

    Where a block was never written, a page in memory counts as data. Linux: ext4_iomap_begin_report, iomap_seek_data.
    """
    cached = {index for index, folio in inode.i_mapping.i_pages.items() if folio.uptodate}
    if not inode.i_sb.on_disk:
        return cached
    disk = inode.i_sb.disk
    return disk.pages_with_blocks(inode.ino) | (disk.files[inode.ino].unwritten & cached)


def length_ok(length: int) -> None:
    """Raise EINVAL for a negative size, which is looked at before the descriptor. Linux: do_sys_ftruncate."""
    if length < 0:
        raise OSError(errno.EINVAL, f"ftruncate to {length}: a file has no negative size")


def do_ftruncate(task: TaskStruct, machine: Machine, file: File, length: int) -> None:
    """Set the file's size; raises EINVAL, EFBIG. Linux: do_ftruncate, inode_newsize_ok.

    Leaves out: (with truncate and its path) EACCES, EFAULT, EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EROFS,
    ETXTBSY; EINTR, EIO, EPERM file system that cannot extend, EPERM file seal, the signal SIGXFSZ.
    """
    inode = file.f_inode
    if not file.writable or inode.kind != "file":
        raise OSError(errno.EINVAL, f"ftruncate to {length}: this is no file, or not open for writing")
    limit = task.rlimits[Rlimit.RLIMIT_FSIZE]
    if length > inode.i_size and length > min(limit, inode.i_sb.s_maxbytes):
        raise OSError(errno.EFBIG, f"{length} bytes are more than the largest file, or more than RLIMIT_FSIZE")
    do_truncate(inode, length, machine.now, machine.slots.truncate_pagecache)


def do_fsync(machine: Machine, file: File) -> None:
    """Write the file's dirty pages, its size and its name to the disk; raises EINVAL, EIO. Linux: vfs_fsync.

    Leaves out: EINTR, EROFS, ENOSPC and EDQUOT at write-back (a dirty page here has its block already).
    """
    if file.f_inode.kind != "file":
        raise OSError(errno.EINVAL, f"a {file.f_inode.kind} cannot be synchronised")
    file_write_and_wait(file, 0, None, "fsync", machine.slots.do_writepages)


def do_fstat(file: File) -> Stat:
    """Return size and inode number. Linux: vfs_fstat."""
    return Stat(file.f_inode.i_size, file.f_inode.ino)
