"""Pipes: bytes that go through the kernel's memory in order, and no file.

    write end  --copy_from_user-->  | page | page | ... 16 of them |  --copy_to_user-->  read end

Nobody else runs while a call of a simulated process waits. So where Linux would put the process to sleep, for a reader
or a writer that may come, the call raises `WouldBlock`: the process would wait for ever.

Linux: fs/pipe.c (pipe_read, pipe_write). Leaves out: O_NONBLOCK, packets, splice, F_SETPIPE_SZ.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field

from mmaplab.constants import PAGE_SIZE, Open
from mmaplab.sim.file import File
from mmaplab.sim.inode import Inode

PIPE_BUFFERS = 16
"""Pages of a pipe: 64 KiB (PIPE_DEF_BUFFERS)."""


class WouldBlock(RuntimeError):
    """The call would wait for another process, and no other process can run: no error of Linux, but of the program."""


@dataclass(eq=False)
class Pipe(Inode):
    """A pipe. Linux: struct pipe_inode_info. `bufs` holds what was written and not yet read, a page at most each."""

    bufs: list[bytes] = field(default_factory=list)
    ends: list[File] = field(default_factory=list)

    @property
    def readers(self) -> int:
        """Open read ends, of all processes."""
        return sum(end.f_count for end in self.ends if end.readable)

    @property
    def writers(self) -> int:
        """Open write ends, of all processes."""
        return sum(end.f_count for end in self.ends if end.writable)


def make_pipe(inode: Pipe, first_number: int) -> tuple[File, File]:
    """Return the read end and the write end of a new pipe, as open files. Linux: create_pipe_files."""
    inode.i_nlink = 0
    ends = File(first_number, inode, Open.O_RDONLY), File(first_number + 1, inode, Open.O_WRONLY)
    inode.ends += ends
    return ends


def pipe_read(pipe: Pipe, count: int) -> bytes:
    """Take up to `count` bytes out of a pipe: b"" where it is empty and has no writer.

    Raises WouldBlock where it is empty and a write end is open. Linux: pipe_read.
    """
    if not count:
        return b""
    if not pipe.bufs and pipe.writers:
        raise WouldBlock("read of an empty pipe whose write end is open: it waits for a writer, for ever")
    taken: list[bytes] = []
    left = count
    while pipe.bufs and left:
        taken.append(pipe.bufs[0][:left])
        left -= len(taken[-1])
        pipe.bufs[0] = pipe.bufs[0][len(taken[-1]) :]
        if not pipe.bufs[0]:
            del pipe.bufs[0]
    data = b"".join(taken)
    return pipe.i_sb.memory.copy("copy_to_user", data) if data else data


def pipe_write(pipe: Pipe, data: bytes) -> int:
    """Put `data` into a pipe; returns its length. Raises EPIPE where nobody can read it any more.

    The first piece goes to the end of the last page if it fits there as a whole; the rest takes pages of its own.
    Raises WouldBlock where the pipe is full before the end of the data; what fitted is in it. Linux: pipe_write.
    Leaves out: the signal SIGPIPE.
    """
    if not data:
        return 0
    if not pipe.readers:
        raise OSError(errno.EPIPE, "the read end of the pipe is closed")
    done = len(data) % PAGE_SIZE
    if done and pipe.bufs and len(pipe.bufs[-1]) + done <= PAGE_SIZE:
        pipe.bufs[-1] += pipe.i_sb.memory.copy("copy_from_user", data[:done])
    else:
        done = 0
    while done < len(data):
        if len(pipe.bufs) == PIPE_BUFFERS:
            raise WouldBlock(f"write to a full pipe: it waits for a reader, for ever, with {done} bytes written")
        piece = data[done : done + PAGE_SIZE]
        pipe.bufs.append(pipe.i_sb.memory.copy("copy_from_user", piece))
        done += len(piece)
    return len(data)
