"""Open files and descriptors.

    process: files -> fd 3 -> File (open file description: position, flags, readahead state) -> inode
                      fd 4 -> the same File          after dup() or fork()
                      fd 5 -> another File           after a second open() of the same path

Which File a mapping was made through matters: two areas merge only if they share it, and it owns the readahead state.

Linux: fs/file.c, fs/file_table.c, struct file in include/linux/fs.h. Leaves out: close-on-exec, locks, epoll.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field

from mmaplab.constants import O_ACCMODE, Open
from mmaplab.sim.events import FdClose, FdInstall
from mmaplab.sim.inode import AddressSpace, Inode
from mmaplab.sim.pagecache import ihold, iput
from mmaplab.sim.trace import Trace

FIRST_FD = 3
"""0, 1 and 2 are left to standard input, output and error."""


@dataclass
class FileRaState:
    """The readahead of one open file; pages. Linux: struct file_ra_state.

    The window is [start, start + size); touching page `start + size - async_size` starts the next one.
    `prev_pos` is the byte after the last one read, None before the first read.
    """

    start: int = 0
    size: int = 0
    async_size: int = 0
    order: int = 0
    mmap_miss: int = 0
    prev_pos: int | None = None


@dataclass(eq=False)
class File:
    """An open file description. Linux: struct file. `f_count` counts descriptors and areas that use it."""

    number: int
    f_inode: Inode
    f_flags: int
    f_pos: int = 0
    f_ra: FileRaState = field(default_factory=FileRaState)
    f_count: int = 0
    f_wb_err: int = 0
    """The last failure of write-back that this description was told of (Linux: errseq_t)."""

    def __repr__(self) -> str:
        return f"<File {self.number} of {self.f_inode.name}, {self.f_count} users>"

    @property
    def readable(self) -> bool:
        """Was it opened for reading? Access mode 3 is neither this nor the other. (FMODE_READ)"""
        return self.f_flags & O_ACCMODE in (Open.O_RDONLY, Open.O_RDWR)

    @property
    def writable(self) -> bool:
        """Was it opened for writing? (FMODE_WRITE)"""
        return self.f_flags & O_ACCMODE in (Open.O_WRONLY, Open.O_RDWR)


def get_file(file: File) -> File:
    """Note one more user of an open file. Linux: get_file."""
    if file.f_count == 0:
        ihold(file.f_inode)
    file.f_count += 1
    return file


def fput(file: File) -> None:
    """Note one user less; the last one lets go of the inode. Linux: fput, __fput."""
    file.f_count -= 1
    if file.f_count == 0:
        file.f_inode.i_sb.release(file.f_inode)
        iput(file.f_inode)


@dataclass(eq=False)
class FilesStruct:
    """The descriptors of one process. Linux: struct files_struct."""

    pid: int
    trace: Trace
    fds: dict[int, File] = field(default_factory=dict)

    def get_unused_fd(self, limit: int, count: int = 1) -> None:
        """Raise EMFILE where no `count` descriptors below `limit` (RLIMIT_NOFILE) are free. Linux: alloc_fd."""
        if FIRST_FD + len(self.fds) + count > limit:
            free = limit - FIRST_FD - sum(fd < limit for fd in self.fds)
            if free < count:
                raise OSError(errno.EMFILE, f"RLIMIT_NOFILE allows descriptors below {limit}, and all are in use")

    def fd_install(self, file: File) -> int:
        """Give a file the lowest free descriptor."""
        fd = FIRST_FD
        while fd in self.fds:
            fd += 1
        self.fds[fd] = get_file(file)
        self.trace.emit(FdInstall, self.pid, fd, file.number, file.f_inode.ino)
        return fd

    def fdget(self, fd: int) -> File:
        """Return the file of a descriptor; raises OSError(EBADF), also for one that was opened with O_PATH."""
        file = self.fdget_raw(fd)
        if file.f_flags & Open.O_PATH:
            raise OSError(errno.EBADF, f"descriptor {fd} was opened with O_PATH: it only says which file")
        return file

    def fdget_raw(self, fd: int) -> File:
        """Return the file of a descriptor, O_PATH or not; raises OSError(EBADF)."""
        file = self.fds.get(fd)
        if file is None:
            raise OSError(errno.EBADF, f"{fd} is no open descriptor of process {self.pid}")
        return file

    def close_fd(self, fd: int) -> None:
        """Close a descriptor; raises OSError(EBADF)."""
        file = self.fdget_raw(fd)
        del self.fds[fd]
        self.trace.emit(FdClose, self.pid, fd)
        fput(file)

    def dup_fds(self, pid: int) -> FilesStruct:
        """Return a copy for a child; the open files are shared. Linux: dup_fd."""
        child = FilesStruct(pid, self.trace)
        for fd, file in sorted(self.fds.items()):
            child.fds[fd] = get_file(file)
            self.trace.emit(FdInstall, pid, fd, file.number, file.f_inode.ino)
        return child


# ---------------------------------------------------------------- errors of write-back


def errseq_set(mapping: AddressSpace) -> None:
    """Note that a page could not be written: everybody who has the file open is to be told. Linux: errseq_set."""
    if not mapping.wb_err_unseen:
        mapping.wb_err, mapping.wb_err_unseen = mapping.wb_err + 1, True


def errseq_sample(mapping: AddressSpace) -> int:
    """Return what a new open file description has been told: nothing yet of what nobody has seen.

    Linux: filemap_sample_wb_err, errseq_sample.
    """
    return 0 if mapping.wb_err_unseen else mapping.wb_err


def errseq_check_and_advance(mapping: AddressSpace, since: int) -> tuple[bool, int]:
    """Return whether there is an error that is newer than `since`, and what has been told from now on.

    Linux: errseq_check_and_advance, lib/errseq.c.
    """
    if since == mapping.wb_err:
        return False, since
    mapping.wb_err_unseen = False
    return True, mapping.wb_err
