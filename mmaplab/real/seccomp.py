"""Refuse system calls to this process, as a container's filter does; to prove that the course copes.

A filter cannot be taken off again: call it in a child process. seccomp(2), kernel/seccomp.c.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from collections.abc import Sequence

from mmaplab.lab import NotAvailable
from mmaplab.real import libc

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO = 0x7FFF_0000, 0x0005_0000


def refuse(names: Sequence[str] = ("perf_event_open", "cachestat"), error: int = errno.EPERM) -> None:
    """Make these system calls fail with `error` from now on, in this process and its children.

    Raises NotAvailable on architectures other than x86-64, OSError where filters are forbidden.
    """
    libc.require_linux()
    if platform.machine() != "x86_64":
        raise NotAvailable(f"the filter is written for x86-64, this is {platform.machine()}")
    program = [(LOAD, 0, 0, 0)]  # the number of the system call
    for name in names:
        program += [(JUMP_IF_EQUAL, 0, 1, libc.X86_64[name]), (RETURN, 0, 0, ERRNO | error)]
    program.append((RETURN, 0, 0, ALLOW))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program), ctypes.addressof(code)))
    prctl = libc.function("prctl")
    libc.check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
    libc.check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(header), 0, 0), "prctl")
