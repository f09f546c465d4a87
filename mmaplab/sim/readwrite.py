"""open, read, write and their family: file input and output by system call.

Linux: fs/open.c, fs/read_write.c, fs/sync.c, mm/memfd.c, fs/namei.c. Leaves out: permissions of users, directories,
non-blocking input and output, splice.
"""

from __future__ import annotations

import errno

from mmaplab.constants import PAGE_SIZE, SEEK_CUR, SEEK_END, SEEK_SET, Open
from mmaplab.interface import Stat
from mmaplab.sim.file import File, FilesStruct
from mmaplab.sim.filemap import MAX_LFS_FILESIZE, MAX_RW_COUNT, filemap_read, generic_perform_write
from mmaplab.sim.memory import ZEROS
from mmaplab.sim.mm_types import Machine
from mmaplab.sim.pagecache import Inode, SuperBlock, drop_nlink, i_size_write
from mmaplab.sim.truncate import do_truncate
from mmaplab.sim.writeback import do_writepages, file_write_and_wait, invalidate_mapping_pages


class Files:
    """The names of one flat directory, and the numbers of new inodes and open files. Linux: a dentry tree."""

    def __init__(self, sb: SuperBlock, machine: Machine) -> None:
        self.sb, self.machine = sb, machine
        self.tmpfs = sb if not sb.on_disk else SuperBlock("tmpfs", sb.config, sb.trace, sb.memory, sb.disk)
        """Where nameless memory lives: memfd and shared anonymous mappings."""
        self.names: dict[str, Inode] = {}
        self._next_ino, self._next_file = 11, 1

    def new_inode(self, path: str, sb: SuperBlock | None = None, kind: str = "file") -> Inode:
        """Make an inode; it has no name in the directory yet."""
        self._next_ino += 1
        return Inode(self._next_ino, path, sb or self.sb, kind)

    def nameless(self, path: str, size: int = 0) -> Inode:
        """Make a file in memory that has no name, only users. Linux: shmem_file_setup."""
        inode = self.new_inode(path, self.tmpfs)
        inode.i_nlink = 0
        i_size_write(inode, size)
        return inode

    def new_file(self, inode: Inode, flags: int) -> File:
        """Make an open file description."""
        self._next_file += 1
        return File(self._next_file, inode, flags)

    def lookup(self, path: str) -> Inode:
        """Return the file of a name; raises ENOENT."""
        if path not in self.names:
            raise OSError(errno.ENOENT, f"no file has the name {path!r}")
        return self.names[path]


def do_open(files: Files, table: FilesStruct, path: str, flags: int) -> int:
    """Open a file, made where O_CREAT says so; raises ENOENT, EEXIST. Linux: do_sys_open."""
    if "/" in path or not path or path in (".", ".."):
        raise OSError(errno.ENOENT, f"{path!r}: files live in one flat directory, a name has no '/'")
    inode = files.names.get(path)
    if inode is None:
        if not flags & Open.O_CREAT:
            raise OSError(errno.ENOENT, f"no file has the name {path!r}")
        inode = files.names[path] = files.new_inode(path)
    elif flags & Open.O_CREAT and flags & Open.O_EXCL:
        raise OSError(errno.EEXIST, f"the file {path!r} exists")
    elif flags & Open.O_TRUNC:
        do_truncate(inode, 0, files.machine.now)
    return table.fd_install(files.new_file(inode, flags))


def do_unlink(files: Files, path: str) -> None:
    """Remove a name; raises ENOENT. Linux: do_unlinkat."""
    inode = files.lookup(path)
    del files.names[path]
    drop_nlink(inode)


def do_memfd_create(files: Files, table: FilesStruct, name: str) -> int:
    """Open a new nameless file in memory. Raises EINVAL for a name of more than 249 bytes. Linux: memfd_create."""
    if len(name.encode()) > 249:
        raise OSError(errno.EINVAL, f"the name has {len(name.encode())} bytes: at most 249")
    return table.fd_install(files.new_file(files.nameless(f"/memfd:{name}"), Open.O_RDWR))


def do_pipe(files: Files, table: FilesStruct) -> tuple[int, int]:
    """Open both ends of a pipe. It can be opened and closed here, and never mapped."""
    inode = files.new_inode("pipe", files.tmpfs, kind="pipe")
    inode.i_nlink = 0
    ends = (files.new_file(inode, Open.O_RDONLY), files.new_file(inode, Open.O_WRONLY))
    return table.fd_install(ends[0]), table.fd_install(ends[1])


# ---------------------------------------------------------------- read and write


def do_read(machine: Machine, file: File, count: int, offset: int | None) -> bytes:
    """Read up to `count` bytes at `offset`, None for the file position; raises EBADF, EINVAL, EIO. Linux: vfs_read."""
    if not file.readable:
        raise OSError(errno.EBADF, "the descriptor was not opened for reading")
    if (offset is not None and offset < 0) or count >= 2**63 or count < 0:
        raise OSError(errno.EINVAL, f"read of {count} bytes at {offset}: neither may be negative")
    regular(file)
    pos = file.f_pos if offset is None else offset
    count = min(count, MAX_RW_COUNT)
    if file.f_flags & Open.O_DIRECT and file.f_inode.i_sb.on_disk:
        data = direct_read(file, pos, count)
    else:
        data = filemap_read(file, pos, count, machine.slots.page_cache_sync_ra)
    if offset is None:
        file.f_pos = pos + len(data)
    return data


def do_write(machine: Machine, file: File, data: bytes, offset: int | None) -> int:
    """Write `data` at `offset`, None for the file position; returns the bytes written. Raises EBADF, EINVAL, ENOSPC.

    Linux: vfs_write, generic_write_checks.
    """
    if not file.writable:
        raise OSError(errno.EBADF, "the descriptor was not opened for writing")
    if offset is not None and offset < 0:
        raise OSError(errno.EINVAL, f"offset {offset} is negative")
    inode = regular(file)
    pos = file.f_pos if offset is None else offset
    if file.f_flags & Open.O_APPEND:
        pos = inode.i_size
    if not data:
        return 0
    if pos + len(data) > MAX_LFS_FILESIZE:
        raise OSError(errno.EFBIG, f"offset {pos:#x} lies beyond the largest file")
    if file.f_flags & Open.O_DIRECT and inode.i_sb.on_disk:
        written = direct_write(machine, file, pos, data[:MAX_RW_COUNT])
    else:
        written = generic_perform_write(file, pos, data[:MAX_RW_COUNT], machine.now)
    if offset is None:
        file.f_pos = pos + written
    return written


def regular(file: File) -> Inode:
    """Return the inode of an open file, or raise ESPIPE: a pipe holds no bytes in this model."""
    if file.f_inode.kind != "file":
        raise OSError(errno.ESPIPE, f"a {file.f_inode.kind} has no position, and carries no data in this model")
    return file.f_inode


def direct_read(file: File, pos: int, count: int) -> bytes:
    """O_DIRECT: the device moves the bytes to the user's buffer, past the page cache. Linux: ext4_dio_read_iter."""
    inode = file.f_inode
    check_direct(pos, count)
    count = max(0, min(count, inode.i_size - pos))
    if not count:
        return b""
    first, last = pos // PAGE_SIZE, (pos + count - 1) // PAGE_SIZE
    do_writepages(inode.i_mapping, first, last, "direct")
    blocks = inode.i_sb.disk.read_blocks(inode.ino, first, last - first + 1)
    data = b"".join(ZEROS if block is None else block for block in blocks)
    return inode.i_sb.memory.copy("dma_in", data[pos % PAGE_SIZE :][:count])


def direct_write(machine: Machine, file: File, pos: int, data: bytes) -> int:
    """O_DIRECT: the device takes the bytes from the user's buffer; cached pages of the range go. ext4_dio_write_iter.

    Leaves out: writes that are not whole pages go through the page cache here.
    """
    inode = file.f_inode
    check_direct(pos, len(data))
    if pos % PAGE_SIZE or len(data) % PAGE_SIZE:
        written = generic_perform_write(file, pos, data, machine.now)
        file_write_and_wait(inode.i_mapping, 0, None, "direct")
        return written
    written = generic_perform_write(file, pos, b"", machine.now)
    first = pos // PAGE_SIZE
    do_writepages(inode.i_mapping, first, first + len(data) // PAGE_SIZE - 1, "direct")
    invalidate_mapping_pages(inode.i_mapping)
    if pos + len(data) > inode.i_size:
        do_truncate(inode, pos + len(data), machine.now)
    for i in range(len(data) // PAGE_SIZE):
        block = data[i * PAGE_SIZE : (i + 1) * PAGE_SIZE]
        inode.i_sb.disk.write_block(inode.ino, first + i, inode.i_sb.memory.copy("dma_out", block), "direct")
    inode.i_sb.disk.commit(inode.ino, inode.path, inode.i_size)
    return written + len(data)


def check_direct(pos: int, count: int) -> None:
    """Raise EINVAL where a direct transfer is not aligned to the device's sectors."""
    if pos % 512 or count % 512:
        raise OSError(errno.EINVAL, f"O_DIRECT at {pos}, {count} bytes: not multiples of 512")


# ---------------------------------------------------------------- the rest


def do_lseek(file: File, offset: int, whence: int) -> int:
    """Move the file position; raises EINVAL, ESPIPE. Linux: ksys_lseek. Leaves out: SEEK_DATA, SEEK_HOLE."""
    inode = regular(file)
    bases = {SEEK_SET: 0, SEEK_CUR: file.f_pos, SEEK_END: inode.i_size}
    if whence not in bases:
        raise OSError(errno.EINVAL, f"whence is {whence}: 0, 1 and 2 are known")
    pos = bases[whence] + offset
    if not 0 <= pos <= MAX_LFS_FILESIZE:
        raise OSError(errno.EINVAL, f"position {pos} is negative or too large")
    file.f_pos = pos
    return pos


def do_ftruncate(machine: Machine, file: File, length: int) -> None:
    """Set the file's size; raises EINVAL, EFBIG. Linux: do_ftruncate."""
    if length < 0 or not file.writable or file.f_inode.kind != "file":
        raise OSError(errno.EINVAL, f"ftruncate to {length}: negative, or the descriptor is not open for writing")
    if length > file.f_inode.i_sb.s_maxbytes:
        raise OSError(errno.EFBIG, f"{length} bytes are more than the largest file")
    do_truncate(file.f_inode, length, machine.now)


def do_fsync(machine: Machine, file: File) -> None:
    """Write the file's dirty pages, its size and its name to the disk; raises EINVAL, EIO. Linux: vfs_fsync."""
    if file.f_inode.kind != "file":
        raise OSError(errno.EINVAL, f"a {file.f_inode.kind} cannot be synchronised")
    file_write_and_wait(file.f_inode.i_mapping, 0, None, "fsync", machine.slots.do_writepages)


def do_fstat(file: File) -> Stat:
    """Return size and inode number. Linux: vfs_fstat."""
    return Stat(file.f_inode.i_size, file.f_inode.ino)
