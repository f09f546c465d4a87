"""The interface that the simulated and the live kernel share.

A program is a Python function that takes a `Process`; the same function runs on both kernels.

    OSError            a system call that Linux would fail, with Linux's errno
    FatalSignal        a memory access that Linux would answer with a signal
    |- SegmentationFault   SIGSEGV: the address space says no
    `- BusError            SIGBUS: the mapping is fine, the file cannot supply the page

Addresses, lengths and offsets are in bytes. Addresses and lengths are unsigned 64-bit, file offsets signed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mmaplab.constants import PAGE_SIZE, SEEK_SET, BusCode, SegvCode, Sig


class FatalSignal(Exception):
    """A memory access ended in a signal; the process lives on, as if a handler had jumped out of the access.

    `signo` is the signal, `si_code` why, `si_addr` the exact byte that was touched (0 for a non-canonical address).
    """

    def __init__(self, signo: int, si_code: int, si_addr: int) -> None:
        self.signo, self.si_code, self.si_addr = signo, si_code, si_addr
        super().__init__(f"{Sig(signo).name}, {self.code_name}, at {si_addr:#x}")

    @property
    def code_name(self) -> str:
        """The C name of `si_code`, for example `SEGV_MAPERR`."""
        codes: type[BusCode] | type[SegvCode] = BusCode if self.signo == Sig.SIGBUS else SegvCode
        try:
            return codes(self.si_code).name
        except ValueError:
            return f"si_code {self.si_code}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FatalSignal):
            return NotImplemented
        return (self.signo, self.si_code, self.si_addr) == (other.signo, other.si_code, other.si_addr)

    def __hash__(self) -> int:
        return hash((self.signo, self.si_code, self.si_addr))

    def __reduce__(self) -> tuple[type, tuple[int, ...]]:
        return (fatal_signal, (self.signo, self.si_code, self.si_addr))  # type: ignore[return-value]


class SegmentationFault(FatalSignal):
    """SIGSEGV: no area there (SEGV_MAPERR), or the area does not permit it (SEGV_ACCERR)."""

    def __init__(self, si_code: int, si_addr: int) -> None:
        super().__init__(Sig.SIGSEGV, si_code, si_addr)


class BusError(FatalSignal):
    """SIGBUS: the area permits the access, but the file has no page there (BUS_ADRERR)."""

    def __init__(self, si_code: int, si_addr: int) -> None:
        super().__init__(Sig.SIGBUS, si_code, si_addr)


def fatal_signal(signo: int, si_code: int, si_addr: int) -> FatalSignal:
    """Return the exception for a signal as the kernel reports it."""
    if signo == Sig.SIGSEGV:
        return SegmentationFault(si_code, si_addr)
    if signo == Sig.SIGBUS:
        return BusError(si_code, si_addr)
    return FatalSignal(signo, si_code, si_addr)


@dataclass(frozen=True, slots=True, repr=False)
class MapsEntry:
    """One area, as a line of /proc/PID/maps shows it; `start`, `end` and `offset` in bytes."""

    start: int
    end: int
    perms: str
    offset: int
    path: str

    def __str__(self) -> str:
        return f"{self.start:x}-{self.end:x} {self.perms} {self.offset:08x} {self.path}".rstrip()

    def __repr__(self) -> str:
        places = f"start={self.start:#x}, end={self.end:#x}, perms={self.perms!r}, offset={self.offset:#x}"
        return f"MapsEntry({places}, path={self.path!r})"


@dataclass(frozen=True, slots=True)
class FaultCounts:
    """Page faults of a process since it began; getrusage(2)."""

    minor: int
    major: int

    def __sub__(self, other: FaultCounts) -> FaultCounts:
        return FaultCounts(self.minor - other.minor, self.major - other.major)


@dataclass(frozen=True, slots=True)
class Stat:
    """What fstat says of a file: `st_size` in bytes and the inode number."""

    st_size: int
    st_ino: int


class Process(Protocol):
    """A process of either kernel: system calls, and what its program does with memory.

    A call that fails raises OSError with one of the errnos that its docstring names, and changes nothing that Linux
    would not change. A load, store or fetch that Linux would answer with a signal raises SegmentationFault or BusError,
    and the process lives on. Addresses, lengths and offsets are in bytes.
    """

    @property
    def pid(self) -> int:
        """The process's number; getpid(2)."""

    def open(self, path: str, flags: int = 0, mode: int = 0o644) -> int:
        """Open a file of the kernel's own flat directory; returns the lowest free descriptor, from 3.

        Raises EEXIST, EINVAL, EMFILE, ENAMETOOLONG, ENOENT, ENOTDIR. open(2).
        """

    def close(self, fd: int) -> None:
        """Close a descriptor; mappings of the file stay.

        Raises EBADF. close(2).
        """

    def dup(self, fd: int) -> int:
        """Return a second descriptor of the same open file.

        Raises EBADF, EMFILE. dup(2).
        """

    def pipe(self) -> tuple[int, int]:
        """Return the read and the write end of a pipe, which cannot be mapped.

        Raises EMFILE. pipe(2).
        """

    def memfd_create(self, name: str) -> int:
        """Return a descriptor of a nameless file in memory.

        Raises EINVAL, EMFILE. memfd_create(2).
        """

    def read(self, fd: int, n: int) -> bytes:
        """Read up to `n` bytes at the file position.

        Raises EBADF, EFAULT, EINVAL, EIO. read(2).
        """

    def write(self, fd: int, data: bytes) -> int:
        """Write at the file position; returns the bytes written.

        Raises EBADF, EFBIG, EINVAL, EIO, ENOSPC, EPIPE. write(2).
        """

    def pread(self, fd: int, n: int, offset: int) -> bytes:
        """Read up to `n` bytes at `offset`.

        Raises EBADF, EFAULT, EINVAL, EIO, ESPIPE. pread(2).
        """

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        """Write at `offset`; returns the bytes written.

        Raises EBADF, EFBIG, EINVAL, EIO, ENOSPC, ESPIPE. pwrite(2).
        """

    def lseek(self, fd: int, offset: int, whence: int = SEEK_SET) -> int:
        """Move the file position; returns it.

        Raises EBADF, EINVAL, ENXIO, ESPIPE. lseek(2).
        """

    def ftruncate(self, fd: int, length: int) -> None:
        """Set the file's size.

        Raises EBADF, EFBIG, EINVAL. ftruncate(2).
        """

    def fsync(self, fd: int) -> None:
        """Write the file's dirty pages to the disk and wait.

        Raises EBADF, EINVAL, EIO. fsync(2).
        """

    def fstat(self, fd: int) -> Stat:
        """Return the file's size and inode number.

        Raises EBADF. fstat(2).
        """

    def unlink(self, path: str) -> None:
        """Remove a name; the file lives while it is open or mapped.

        Raises ENAMETOOLONG, ENOENT. unlink(2).
        """

    def mmap(self, addr: int, length: int, prot: int, flags: int, fd: int = -1, offset: int = 0) -> int:
        """Map a file or anonymous memory; returns the address.

        Raises EACCES, EAGAIN, EBADF, EEXIST, EINVAL, ENODEV, ENOMEM, EOPNOTSUPP, EOVERFLOW, EPERM. mmap(2).
        """

    def munmap(self, addr: int, length: int) -> None:
        """Remove the mappings in a range.

        Raises EINVAL, ENOMEM. munmap(2).
        """

    def mprotect(self, addr: int, length: int, prot: int) -> None:
        """Change what a range may be used for.

        Raises EACCES, EINVAL, ENOMEM. mprotect(2).
        """

    def mremap(self, old_address: int, old_size: int, new_size: int, flags: int = 0, new_address: int = 0) -> int:
        """Grow, shrink or move a mapping; returns its address.

        Raises EAGAIN, EFAULT, EINVAL, ENOMEM, EPERM. mremap(2).
        """

    def msync(self, addr: int, length: int, flags: int) -> None:
        """Write a shared file mapping's dirty pages back.

        Raises EBUSY, EINVAL, EIO, ENOMEM. msync(2).
        """

    def madvise(self, addr: int, length: int, advice: int) -> None:
        """Advise the kernel about the use of a range.

        Raises EACCES, EAGAIN, EFAULT, EFBIG, EINVAL, ENOMEM. madvise(2).
        """

    def mincore(self, addr: int, length: int) -> list[bool]:
        """Return for each page whether it is in memory.

        Raises EINVAL, ENOMEM. mincore(2).
        """

    def mlock(self, addr: int, length: int) -> None:
        """Bring the pages of a range in and keep them.

        Raises EINVAL, ENOMEM, EPERM. mlock(2).
        """

    def munlock(self, addr: int, length: int) -> None:
        """Undo mlock.

        Raises EINVAL, ENOMEM. munlock(2).
        """

    def brk(self, addr: int) -> int:
        """Move the end of the heap; returns the break, the present one where it cannot move. brk(2)."""

    def setrlimit(self, resource: int, limit: int) -> None:
        """Set a resource limit in bytes.

        Raises EINVAL. setrlimit(2).
        """

    def load(self, addr: int, n: int = 1) -> bytes:
        """Load `n` bytes, one by one from the lowest address. Raises FatalSignal."""

    def touch(self, addr: int, length: int, step: int = PAGE_SIZE) -> None:
        """Load one byte in every `step` bytes of [addr, addr + length), in order.

        Returns nothing. Raises FatalSignal.
        """

    def store(self, addr: int, data: bytes) -> None:
        """Store `data`, byte by byte from the lowest address. Raises FatalSignal."""

    def execute(self, addr: int) -> None:
        """Fetch and run the return instruction that the program has stored at `addr`. Raises FatalSignal."""

    def fork(self) -> Process:
        """Return a child with a copy of the address space; descriptors share their open files.

        Raises ENOMEM. fork(2).
        """

    def exit(self, status: int = 0) -> None:
        """End the process; using it afterwards raises ProcessLookupError. _exit(2)."""

    def maps(self) -> list[MapsEntry]:
        """Return the areas in address order, as /proc/PID/maps shows them."""

    def faults(self) -> FaultCounts:
        """Return the page faults since the process began. getrusage(2)."""


class Kernel(Protocol):
    """What both kernels offer beside their processes; a context manager that closes itself."""

    @property
    def page_size(self) -> int:
        """Bytes in a page."""

    def create_file(self, path: str, data: bytes = b"", warm: bool = False) -> None:
        """Make a regular file, on disk and out of the page cache, or (`warm`) cached in single pages."""

    def spawn(self) -> Process:
        """Return a new process with an empty descriptor table."""

    def file_bytes(self, path: str) -> bytes:
        """Return what a fresh read of the whole file returns now."""

    def drop_caches(self, path: str) -> None:
        """Write the file's dirty pages back, then drop its clean, unmapped pages from the page cache."""

    def close(self) -> None:
        """End every process and remove every file."""


Program = Callable[[Process], object]
"""A program of the course: takes a process, makes system calls and memory accesses through it."""
