"""System calls that an answer's process must not make: what it leaves in the kernel would outlive it, or count nowhere.

    shmget, semget, msgget, mq_open       objects that stay when the process ends, and memory that nobody's limit counts
    memfd_create, memfd_secret            memory that nobody's limit counts
    add_key, request_key, keyctl          keys of a user: the next answer would find them
    unshare, setns, mount, CLONE_NEWUSER  namespaces of its own, where it would be the superuser and could mount
    prlimit64 of another process          the limits of the process that forks the answers

seccomp(2); kernel/seccomp.c. For x86-64 and arm64, and of no effect elsewhere.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct

from mmaplab.real import libc

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, REFUSE = 0x7FFF_0000, 0x0005_0000
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16
"""Where struct seccomp_data has them."""
CLONE_NEWUSER = 0x1000_0000
X32 = 0x4000_0000
"""Numbers from here on are the same calls once more, on x86-64."""
MACHINES = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
"""AUDIT_ARCH_*: the one whose numbers are below; calls of another one are refused."""
FORBIDDEN: dict[str, tuple[int, ...]] = {
    # shmget, semget, msgget, mq_open, memfd_create, memfd_secret, add_key, request_key, keyctl, unshare, setns, mount,
    # fsopen
    "x86_64": (29, 64, 68, 240, 319, 447, 248, 249, 250, 272, 308, 165, 430),
    "aarch64": (194, 190, 186, 180, 279, 447, 217, 218, 219, 97, 268, 40, 430),
}
CLONE = {"x86_64": 56, "aarch64": 220}
PRLIMIT64 = {"x86_64": 302, "aarch64": 261}
CLONE3 = 435
"""Its flags stand in memory, where no filter sees them; the C library takes clone where this one is not there."""

Line = tuple[int, int, int, int]


def refuse_for_good() -> bool:
    """Make those calls fail from now on, here and in all processes below; returns False where that cannot be done."""
    machine = platform.machine()
    if machine not in MACHINES:
        return False
    program = program_for(machine)
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program), ctypes.addressof(code)))
    prctl = libc.function("prctl")
    if prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(header), 0, 0) == 0)


def program_for(machine: str) -> list[Line]:
    """Return the filter for a machine, in the words of classic BPF: (code, lines to skip if so, if not, value)."""
    no = (RETURN, 0, 0, REFUSE | errno.EPERM)
    lines: list[Line] = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, MACHINES[machine]), no, (LOAD, 0, 0, NUMBER)]
    if machine == "x86_64":
        lines += [(AT_LEAST, 0, 1, X32), no]
    for number in FORBIDDEN[machine]:
        lines += [(EQUAL, 0, 1, number), no]
    lines += [(EQUAL, 0, 1, CLONE3), (RETURN, 0, 0, REFUSE | errno.ENOSYS)]
    lines += [(EQUAL, 0, 3, CLONE[machine]), (LOAD, 0, 0, FIRST_ARGUMENT), (ANY_BIT, 0, 6, CLONE_NEWUSER), no]
    lines += [(EQUAL, 0, 4, PRLIMIT64[machine]), (LOAD, 0, 0, FIRST_ARGUMENT), (EQUAL, 1, 0, 0), no]
    return [*lines, (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, ALLOW)]
