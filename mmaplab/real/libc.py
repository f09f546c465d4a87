"""The C library through ctypes: the few functions that the live kernel needs, with errno turned into OSError.

Numbers of system calls are those of x86-64; they are used by name only, and only where the machine is one.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Callable
from typing import Any

from mmaplab.lab import NotAvailable

X86_64 = {
    "read": 0, "write": 1, "close": 3, "lseek": 8, "mmap": 9, "mprotect": 10, "munmap": 11, "brk": 12,
    "rt_sigaction": 13, "rt_sigprocmask": 14, "pread64": 17, "pwrite64": 18, "mremap": 25, "msync": 26,
    "mincore": 27, "madvise": 28, "dup": 32, "fork": 57, "fsync": 74, "ftruncate": 77, "mlock": 149, "munlock": 150,
    "prctl": 157, "arch_prctl": 158, "futex": 202, "exit_group": 231, "openat": 257, "unlinkat": 263, "dup3": 292,
    "pipe2": 293, "perf_event_open": 298, "prlimit64": 302, "memfd_create": 319, "rseq": 334, "close_range": 436,
    "cachestat": 451,
}  # fmt: skip
"""System call numbers of x86-64; arch/x86/entry/syscalls/syscall_64.tbl."""
PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241, "riscv64": 241, "ppc64le": 319, "s390x": 331}
CACHESTAT = 451
"""The number of cachestat(2), the same on every architecture."""
MAP_FAILED = ctypes.c_void_p(-1).value
U64 = 2**64
CFunction = Callable[..., Any]


def is_live() -> bool:
    """Return whether this is Linux and the live kernel is not switched off with MMAPLAB_LIVE=off."""
    return sys.platform.startswith("linux") and os.environ.get("MMAPLAB_LIVE") != "off"


def require_linux() -> None:
    """Raise NotAvailable, with a sentence, where there is no live Linux to ask."""
    if os.environ.get("MMAPLAB_LIVE") == "off":
        raise NotAvailable("the live kernel is switched off (MMAPLAB_LIVE=off)")
    if not sys.platform.startswith("linux"):
        raise NotAvailable(f"this is {platform.system()}: the live kernel of this course is Linux")


_functions: dict[str, CFunction] = {}
_u64, _int, _long = ctypes.c_uint64, ctypes.c_int, ctypes.c_long
_signatures: dict[str, tuple[type, list[type]]] = {
    "syscall": (_long, []),
    "mmap": (ctypes.c_void_p, [_u64, _u64, _int, _int, _int, ctypes.c_int64]),
    "munmap": (_int, [_u64, _u64]),
    "mprotect": (_int, [_u64, _u64, _int]),
    "madvise": (_int, [_u64, _u64, _int]),
    "mincore": (_int, [_u64, _u64, _u64]),
    "write": (_long, [_int, _u64, _u64]),
    "msync": (_int, [_u64, _u64, _int]),
    "fstatfs": (_int, [_int, ctypes.c_void_p]),
    "prctl": (_int, [_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong]),
}


def function(name: str) -> CFunction:
    """Return a function of the C library with its prototype set; it keeps errno for `check`."""
    if name not in _functions:
        found = getattr(ctypes.CDLL(None, use_errno=True), name)
        found.restype, found.argtypes = _signatures[name][0], _signatures[name][1] or None
        _functions[name] = found
    return _functions[name]


def check(result: int | None, what: str) -> int:
    """Return the result of a C function; raises OSError with errno where it is -1."""
    if result in (-1, MAP_FAILED):
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result or 0


def raw_syscall(number: int, *args: int) -> int:
    """Make a system call by number in this process; raises OSError."""
    result = function("syscall")(_long(number), *(_long(signed(arg)) for arg in args))
    return check(result, f"system call {number}")


def signed(value: int) -> int:
    """Return an unsigned 64-bit number as the signed one with the same bits."""
    value %= U64
    return value - U64 if value >= 1 << 63 else value


def map_memory(addr: int, length: int, prot: int, flags: int, fd: int = -1, offset: int = 0) -> int:
    """Call mmap(2) in this process; returns the address, raises OSError."""
    return check(function("mmap")(addr, length, prot, flags, fd, offset), "mmap")


def unmap_memory(addr: int, length: int) -> None:
    """Call munmap(2) in this process; raises OSError."""
    check(function("munmap")(addr, length), "munmap")


def memory_at(addr: int, length: int) -> memoryview:
    """Return the bytes at an address, without a copy; using them after they are unmapped ends this process."""
    return memoryview((ctypes.c_ubyte * length).from_address(addr))


def page_residency(addr: int, length: int) -> list[bool]:
    """Call mincore(2) in this process: for each page whether the page cache holds it; raises OSError."""
    pages = (length + 4095) // 4096
    flags = (ctypes.c_ubyte * max(1, pages))()
    check(function("mincore")(addr, length, ctypes.addressof(flags)), "mincore")
    return [bool(flag & 1) for flag in flags[:pages]]


def file_system_magic(fd: int) -> int:
    """Return the number that stands for the type of an open file's file system; fstatfs(2). Raises OSError."""
    answer = (ctypes.c_ulong * 64)()
    check(function("fstatfs")(fd, ctypes.addressof(answer)), "fstatfs")
    return int(answer[0]) & 0xFFFF_FFFF
