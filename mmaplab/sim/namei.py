"""Names and new descriptors: open, unlink, memfd_create, pipe.

    path --names--> inode <-- File (one for each open) <-- descriptor

Linux: fs/open.c, fs/namei.c, mm/memfd.c, fs/pipe.c. Leaves out: directories, links, permissions of users.
"""

from __future__ import annotations

import errno

from mmaplab.constants import O_ACCMODE, Open, Rlimit
from mmaplab.sim.file import File, errseq_sample
from mmaplab.sim.inode import Inode, SuperBlock
from mmaplab.sim.mm_types import Machine, TaskStruct
from mmaplab.sim.pagecache import drop_nlink
from mmaplab.sim.pipe import Pipe, make_pipe
from mmaplab.sim.truncate import do_truncate

NAME_MAX = 255
MFD_NAME_MAX_LEN = 249
O_TMPFILE_BIT = Open.O_TMPFILE & ~Open.O_DIRECTORY
"""What O_TMPFILE has beside O_DIRECTORY: a kernel that does not know it opens the directory (__O_TMPFILE)."""


class Files:
    """The names of one flat directory, and the numbers of new inodes and open files. Linux: a dentry tree."""

    def __init__(self, sb: SuperBlock, machine: Machine) -> None:
        self.sb, self.machine = sb, machine
        self.tmpfs = SuperBlock("tmpfs", sb.config, sb.trace, sb.memory, sb.disk)
        """Where nameless memory lives: memfd and shared anonymous mappings. Linux: shm_mnt, which has no size limit."""
        self.names: dict[str, Inode] = {}
        self._next_ino, self._next_file = 11, 1

    def new_inode(self, path: str, sb: SuperBlock | None = None, size: int = 0) -> Inode:
        """Make an inode of `size` bytes; it has no name in the directory yet."""
        self._next_ino += 1
        return Inode(self._next_ino, path, sb or self.sb, i_size=size)

    def nameless(self, path: str, size: int = 0) -> Inode:
        """Make a file in memory that has no name, only users. Linux: shmem_file_setup."""
        inode = self.new_inode(path, self.tmpfs, size)
        inode.i_nlink = 0
        return inode

    def new_pipe(self) -> Pipe:
        """Make a pipe without ends."""
        self._next_ino += 1
        return Pipe(self._next_ino, "pipe", self.tmpfs, "pipe")

    def new_numbers(self, count: int) -> int:
        """Return the first of `count` numbers for open file descriptions."""
        self._next_file += count
        return self._next_file - count + 1

    def new_file(self, inode: Inode, flags: int) -> File:
        """Make an open file description."""
        return File(self.new_numbers(1), inode, flags, f_wb_err=errseq_sample(inode.i_mapping))

    def lookup(self, path: str) -> Inode:
        """Return the file of a name; raises ENOENT."""
        if path not in self.names:
            raise OSError(errno.ENOENT, f"no file has the name {path!r}")
        return self.names[path]


def do_open(files: Files, task: TaskStruct, path: str, flags: int) -> int:
    """Open a file, made where O_CREAT says so; raises EINVAL, EMFILE, ENOENT, EEXIST, ENOTDIR, ENAMETOOLONG.

    O_PATH gives a descriptor for fstat, dup and close only. These change nothing here: O_NOCTTY, O_NONBLOCK, O_ASYNC,
    O_LARGEFILE, O_NOFOLLOW, O_NOATIME, O_CLOEXEC (files are regular, owned by the caller, and nothing is executed);
    unknown flags are overlooked. Linux: do_sys_openat2, build_open_flags, path_openat.
    Leaves out: EACCES permissions of users, EACCES protected_regular, EBADF directory descriptor of openat, EBUSY block
    device, EDQUOT, EFAULT, EFBIG 32-bit program, EINTR, EINVAL name that the file system forbids, EINVAL last component
    of the path, EINVAL file system without O_DIRECT, EISDIR, EISDIR O_TMPFILE on a kernel without it, ELOOP symbolic
    links, ELOOP O_NOFOLLOW of a symbolic link, ENFILE, ENODEV, ENOENT directory in the path, ENOMEM, ENOMEM kernel
    memory, ENOTDIR a component of the path, ENXIO, ENXIO a device, ENXIO a socket, EOPNOTSUPP file system without
    O_TMPFILE, EOVERFLOW 32-bit program, EPERM O_NOATIME of another's file, EPERM file seal, EROFS, ETXTBSY, ETXTBSY
    swap file, ETXTBSY file that the kernel reads, EWOULDBLOCK lease.
    """
    check_plain(path)
    flags = build_open_flags(flags)
    unused_fd(task)
    check_name(path)
    inode = files.names.get(path)
    if inode is not None and flags & (Open.O_DIRECTORY | O_TMPFILE_BIT):
        raise OSError(errno.ENOTDIR, f"{path!r} is a file, not a directory")
    if inode is None:
        if not flags & Open.O_CREAT:
            raise OSError(errno.ENOENT, f"no file has the name {path!r}")
        inode = files.names[path] = files.new_inode(path)
    elif flags & Open.O_CREAT and flags & Open.O_EXCL:
        raise OSError(errno.EEXIST, f"the file {path!r} exists")
    elif flags & Open.O_TRUNC:
        do_truncate(inode, 0, files.machine.now, files.machine.slots.truncate_pagecache)
    flags &= ~int(Open.O_CREAT | Open.O_EXCL | Open.O_NOCTTY | Open.O_TRUNC)  # no longer needed: not kept in f_flags
    return task.files.fd_install(files.new_file(inode, flags))


def build_open_flags(flags: int) -> int:
    """Return the flags that count; raises EINVAL for those that cannot go together. Linux: build_open_flags."""
    flags &= 0xFFFF_FFFF
    if flags & Open.O_PATH:
        return flags & (Open.O_DIRECTORY | Open.O_NOFOLLOW | Open.O_PATH | Open.O_CLOEXEC)
    if flags & Open.O_DIRECTORY and flags & Open.O_CREAT:
        raise OSError(errno.EINVAL, "O_CREAT makes files, and O_DIRECTORY wants a directory")
    if flags & O_TMPFILE_BIT and not (flags & Open.O_DIRECTORY and flags & O_ACCMODE):
        raise OSError(errno.EINVAL, "O_TMPFILE needs O_WRONLY or O_RDWR")
    return flags


def check_plain(path: str) -> None:
    """Raise ENOENT for what names no file of the flat directory; it is looked at before anything else."""
    if "/" in path or not path or path in (".", ".."):
        raise OSError(errno.ENOENT, f"{path!r}: files live in one flat directory, a name has no '/'")


def check_name(path: str) -> None:
    """Raise ENOENT for what names no file of the flat directory, ENAMETOOLONG for more than 255 bytes."""
    check_plain(path)
    if len(os_bytes(path)) > NAME_MAX:
        raise OSError(errno.ENAMETOOLONG, f"the name has {len(os_bytes(path))} bytes: at most {NAME_MAX}")


def os_bytes(name: str) -> bytes:
    """Return a name as the bytes that Linux is given."""
    return name.encode("utf-8", "surrogateescape")


def do_dup(task: TaskStruct, fd: int) -> int:
    """Return a second descriptor of an open file; raises EBADF, EMFILE. Linux: dup, fs/file.c.

    Leaves out: (with dup2 and dup3) EBADF newfd out of range, EBUSY, EINTR, EINVAL flags of dup3, EINVAL equal
    descriptors, ENOMEM.
    """
    file = task.files.fdget_raw(fd)
    unused_fd(task)
    return task.files.fd_install(file)


def unused_fd(task: TaskStruct, count: int = 1) -> None:
    """Raise EMFILE where the process may have no `count` more descriptors. Linux: get_unused_fd_flags."""
    task.files.get_unused_fd(task.rlimits[Rlimit.RLIMIT_NOFILE], count)


def do_unlink(files: Files, path: str) -> None:
    """Remove a name; raises ENOENT, ENAMETOOLONG. Linux: do_unlinkat.

    Leaves out: EACCES, EBUSY, EFAULT, EIO, EISDIR, ELOOP, ENOMEM, ENOTDIR, EPERM of a directory, EPERM or EACCES sticky
    bit, EPERM immutable, EROFS; and unlinkat with AT_REMOVEDIR, EBADF directory descriptor of unlinkat, EINVAL flags of
    unlinkat, EISDIR without AT_REMOVEDIR, ENOTDIR AT_REMOVEDIR of a file.
    """
    check_name(path)
    inode = files.lookup(path)
    del files.names[path]
    drop_nlink(inode)


def do_memfd_create(files: Files, task: TaskStruct, name: str) -> int:
    """Open a new nameless file in memory. Raises EINVAL for a name of more than 249 bytes, EMFILE.

    Linux: memfd_create, mm/memfd.c. Leaves out: MFD_CLOEXEC, MFD_ALLOW_SEALING, MFD_HUGETLB, MFD_HUGE_2MB, EFAULT,
    EINVAL unknown flags, EINVAL MFD_HUGETLB with MFD_ALLOW_SEALING, ENFILE, ENOMEM, EPERM MFD_HUGETLB.
    """
    if len(os_bytes(name)) > MFD_NAME_MAX_LEN:
        raise OSError(errno.EINVAL, f"the name has {len(os_bytes(name))} bytes: at most {MFD_NAME_MAX_LEN}")
    unused_fd(task)
    return task.files.fd_install(files.new_file(files.nameless(f"/memfd:{name}"), Open.O_RDWR))


def do_pipe(files: Files, task: TaskStruct) -> tuple[int, int]:
    """Open both ends of a pipe; raises EMFILE. Linux: do_pipe2, fs/pipe.c.

    Leaves out: O_CLOEXEC, O_DIRECT, O_NONBLOCK, O_NOTIFICATION_PIPE, EFAULT, EINVAL flags of pipe2, ENFILE,
    ENFILE memory for pipes, ENOPKG.
    """
    unused_fd(task, 2)
    ends = make_pipe(files.new_pipe(), files.new_numbers(2))
    return task.files.fd_install(ends[0]), task.files.fd_install(ends[1])
