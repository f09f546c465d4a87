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
from mmaplab.sim.pagecache import Inode, ihold, iput
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

    @property
    def readable(self) -> bool:
        """Was it opened for reading? (FMODE_READ)"""
        return self.f_flags & O_ACCMODE != Open.O_WRONLY

    @property
    def writable(self) -> bool:
        """Was it opened for writing? (FMODE_WRITE)"""
        return self.f_flags & O_ACCMODE != Open.O_RDONLY


def get_file(file: File) -> File:
    """Note one more user of an open file. Linux: get_file."""
    if file.f_count == 0:
        ihold(file.f_inode)
    file.f_count += 1
    return file


def fput(file: File) -> None:
    """Note one user less; the last one lets go of the inode. Linux: fput."""
    file.f_count -= 1
    if file.f_count == 0:
        iput(file.f_inode)


@dataclass(eq=False)
class FilesStruct:
    """The descriptors of one process. Linux: struct files_struct."""

    pid: int
    trace: Trace
    fds: dict[int, File] = field(default_factory=dict)

    def fd_install(self, file: File) -> int:
        """Give a file the lowest free descriptor."""
        fd = FIRST_FD
        while fd in self.fds:
            fd += 1
        self.fds[fd] = get_file(file)
        self.trace.emit(FdInstall(self.pid, fd, file.number, file.f_inode.ino))
        return fd

    def fdget(self, fd: int) -> File:
        """Return the file of a descriptor; raises OSError(EBADF)."""
        file = self.fds.get(fd)
        if file is None:
            raise OSError(errno.EBADF, f"{fd} is no open descriptor of process {self.pid}")
        return file

    def close_fd(self, fd: int) -> None:
        """Close a descriptor; raises OSError(EBADF)."""
        file = self.fdget(fd)
        del self.fds[fd]
        self.trace.emit(FdClose(self.pid, fd))
        fput(file)

    def dup_fds(self, pid: int) -> FilesStruct:
        """Return a copy for a child; the open files are shared. Linux: dup_fd."""
        child = FilesStruct(pid, self.trace)
        for fd, file in sorted(self.fds.items()):
            child.fds[fd] = get_file(file)
            self.trace.emit(FdInstall(pid, fd, file.number, file.f_inode.ino))
        return child
