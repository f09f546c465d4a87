"""A live process: the process interface, each call made by a worker inside the process. See `mmaplab.interface`."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

from mmaplab.arguments import octets, s64, u64, whole
from mmaplab.constants import MOST_MINCORE_PAGES, PAGE_SIZE, SEEK_SET, TASK_SIZE, Map, Mremap
from mmaplab.interface import FaultCounts, MapsEntry, Stat
from mmaplab.lab import NotAvailable
from mmaplab.real import procfs
from mmaplab.real.arguments import c_string, descriptor, existing_name
from mmaplab.real.channel import LARGE_BYTES
from mmaplab.real.interrupts import uninterrupted
from mmaplab.real.perf import FaultEvent, FaultRing
from mmaplab.real.worker import Argument, Out, Worker, alive, areas_of, died, pages_of

AT_DIRECTORY = 0
"""Descriptor 0 of a live process is its kernel's private directory, opened with O_PATH."""
PROCESS_RING = (16, 4)
"""Pages of a process's fault ring: small, since each process may have one and ordinary users may lock little."""
STOP_AT_HOLES = {"mprotect", "mlock", "munlock", "mincore"}
"""The calls that end at the first hole; msync and madvise go on behind it."""
LARGEST = LARGE_BYTES - PAGE_SIZE
"""The most bytes that one system call moves here."""


class LinuxProcess:
    """A process of the live kernel. Raises OSError, FatalSignal, ProcessLookupError, WorkerDied, WorkerHung."""

    def __init__(self, worker: Worker, mmap_base: int, kernel: object) -> None:
        self._worker, self._kernel = worker, kernel  # a process keeps its kernel from being closed
        self.mmap_base = mmap_base
        """Un-hinted mappings go below this address."""
        self._ring: FaultRing | None = None
        self._ended = False

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._worker.pid

    @property
    def ended(self) -> bool:
        """Whether the process has ended with `exit`."""
        return self._ended

    @property
    def exact_faults(self) -> bool:
        """Whether `faults()` is exact; the Python worker's may hold a fault of its own now and then."""
        return self._worker.exact_faults

    def __repr__(self) -> str:
        return f"<live process {self.pid}{', ended' if self._ended else ''}>"

    def _live(self) -> Worker:
        if self._ended:
            raise ProcessLookupError(errno.ESRCH, f"the live process {self.pid} has ended")
        return self._worker

    def _check_alive(self) -> None:
        if not alive(self.pid):
            raise died(self.pid)

    def _check_there(self) -> None:
        """The quick form of `_check_alive`, for what is asked after every call: a zombie passes."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            raise died(self.pid) from None

    def _call(self, name: str, *args: Argument) -> int:
        result = self._live().syscall(name, *args)
        if result < 0:
            raise OSError(-result, f"{name}: {os.strerror(-result)}")
        return result

    # ---- files

    def open(self, path: str, flags: int = 0, mode: int = 0o644) -> int:
        """open(2), in the kernel's own directory."""
        flags, mode = whole("flags", flags), whole("mode", mode)
        return self._call("openat", AT_DIRECTORY, existing_name(path), flags & 0xFFFF_FFFF, mode)

    def close(self, fd: int) -> None:
        """close(2)."""
        self._call("close", descriptor(fd))

    def dup(self, fd: int) -> int:
        """dup(2)."""
        return self._call("dup", descriptor(fd))

    def pipe(self) -> tuple[int, int]:
        """pipe(2)."""
        out = Out(8)
        self._call("pipe2", out, 0)
        read_end, write_end = struct.unpack("ii", out.data)
        return read_end, write_end

    def memfd_create(self, name: str) -> int:
        """memfd_create(2)."""
        return self._call("memfd_create", c_string(name), 0)

    def read(self, fd: int, n: int) -> bytes:
        """read(2); more than 16 MiB is read in pieces."""
        return self._read("read", fd, u64("n", n), None)

    def pread(self, fd: int, n: int, offset: int) -> bytes:
        """pread(2); more than 16 MiB is read in pieces."""
        return self._read("pread64", fd, u64("n", n), s64("offset", offset))

    def _read(self, name: str, fd: int, n: int, offset: int | None) -> bytes:
        if n > TASK_SIZE:  # no buffer is as large: the kernel looks at the number before it looks for bytes
            self._call(name, descriptor(fd), Out(0), n, *(() if offset is None else (offset,)))
        parts: list[bytes] = []
        done = 0
        while True:
            out = Out(min(n - done, LARGEST))
            at = () if offset is None else (offset + done,)
            got = self._call(name, descriptor(fd), out, out.size, *at)
            parts.append(out.data[:got])
            done += got
            if got < LARGEST or done == n:
                return b"".join(parts)

    def write(self, fd: int, data: bytes) -> int:
        """write(2); more than 16 MiB is written in pieces."""
        return self._write("write", fd, octets(data), None)

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        """pwrite(2); more than 16 MiB is written in pieces."""
        return self._write("pwrite64", fd, octets(data), s64("offset", offset))

    def _write(self, name: str, fd: int, data: bytes, offset: int | None) -> int:
        done = 0
        while True:
            piece = data[done : done + LARGEST]
            at = () if offset is None else (offset + done,)
            put = self._call(name, descriptor(fd), piece, len(piece), *at)
            done += put
            if put < LARGEST or done == len(data):
                return done

    def lseek(self, fd: int, offset: int, whence: int = SEEK_SET) -> int:
        """lseek(2)."""
        return self._call("lseek", descriptor(fd), s64("offset", offset), whole("whence", whence))

    def ftruncate(self, fd: int, length: int) -> None:
        """ftruncate(2)."""
        self._call("ftruncate", descriptor(fd), s64("length", length))

    def fsync(self, fd: int) -> None:
        """fsync(2)."""
        self._call("fsync", descriptor(fd))

    def fstat(self, fd: int) -> Stat:
        """fstat(2), asked from outside by way of /proc/PID/fd."""
        self._live()
        if descriptor(fd) >= 0:
            try:
                found = Path(f"/proc/{self.pid}/fd/{fd}").stat()
                return Stat(found.st_size, found.st_ino)
            except FileNotFoundError:
                self._check_alive()
        raise OSError(errno.EBADF, f"fstat: {os.strerror(errno.EBADF)}")

    def unlink(self, path: str) -> None:
        """unlink(2), in the kernel's own directory."""
        self._call("unlinkat", AT_DIRECTORY, existing_name(path), 0)

    # ---- memory

    def mmap(self, addr: int, length: int, prot: int, flags: int, fd: int = -1, offset: int = 0) -> int:
        """mmap(2)."""
        if u64("addr", addr):
            self._live().check_range(addr, u64("length", length))
        if not whole("flags", flags) & Map.MAP_ANONYMOUS:
            fd = descriptor(fd)
        return self._call("mmap", addr, u64("length", length), whole("prot", prot), flags, fd, s64("offset", offset))

    def munmap(self, addr: int, length: int) -> None:
        """munmap(2); the worker's own memory stays, wherever the range goes."""
        whole_range = [(u64("addr", addr), u64("length", length))]
        refused = addr % PAGE_SIZE or addr + length > TASK_SIZE
        for start, size in whole_range if refused else self._live().outside(addr, length):
            self._call("munmap", start, size)

    def mprotect(self, addr: int, length: int, prot: int) -> None:
        """mprotect(2)."""
        self._ranged("mprotect", addr, length, whole("prot", prot))

    def mremap(self, old_address: int, old_size: int, new_size: int, flags: int = 0, new_address: int = 0) -> int:
        """mremap(2)."""
        self._live().check_range(u64("old_address", old_address), u64("old_size", old_size))
        if whole("flags", flags) & Mremap.MREMAP_FIXED:
            self._live().check_range(u64("new_address", new_address), u64("new_size", new_size))
        sizes = u64("old_size", old_size), u64("new_size", new_size)
        return self._call("mremap", old_address, *sizes, flags, u64("new_address", new_address))

    def msync(self, addr: int, length: int, flags: int) -> None:
        """msync(2)."""
        self._ranged("msync", addr, length, whole("flags", flags))

    def madvise(self, addr: int, length: int, advice: int) -> None:
        """madvise(2)."""
        self._ranged("madvise", addr, length, whole("advice", advice))

    def mincore(self, addr: int, length: int) -> list[bool]:
        """mincore(2)."""
        pages = (u64("length", length) + PAGE_SIZE - 1) // PAGE_SIZE
        if u64("addr", addr) + length > TASK_SIZE:  # refused before it looks at an area, or at where the answer goes
            self._call("mincore", addr, length, Out(1))
        if pages > MOST_MINCORE_PAGES:
            raise ValueError(
                f"mincore is about {pages:,} pages: at most {MOST_MINCORE_PAGES:,} are asked about at once"
            )
        out = Out(pages)
        self._ranged("mincore", addr, length, out)
        return [bool(flag & 1) for flag in out.data[:pages]]

    def mlock(self, addr: int, length: int) -> None:
        """mlock(2)."""
        self._ranged("mlock", addr, length)

    def munlock(self, addr: int, length: int) -> None:
        """munlock(2)."""
        self._ranged("munlock", addr, length)

    def brk(self, addr: int) -> int:
        """The raw brk system call."""
        return self._call("brk", u64("addr", addr))

    def setrlimit(self, resource: int, limit: int) -> None:
        """setrlimit(2), the soft limit; RLIMIT_AS gets the worker's own share of address space on top."""
        name, u64_max = whole("resource", resource) & 0xFFFF_FFFF, 2**64 - 1
        old = Out(16)
        self._call("prlimit64", 0, name, 0, old)
        hard = struct.unpack("QQ", old.data)[1]
        if name == 9 and u64("limit", limit) != u64_max:
            limit = min(u64_max, limit + self._worker.address_space_bytes())
        self._call("prlimit64", 0, name, struct.pack("QQ", u64("limit", limit), hard), 0)

    def _ranged(self, name: str, addr: int, length: int, *rest: Argument) -> None:
        """Make a call on a range. The worker's own memory in it is a hole for the program: ENOMEM, after or before
        the rest was done, as Linux does it for each call. It looks at no area where the range is none.
        """
        self._live()
        if is_no_range(u64("addr", addr), u64("length", length)):
            parts = [(addr, length)]
        else:
            parts = self._worker.outside(addr, length)
        if parts == [(addr, length)]:
            self._call(name, addr, length, *rest)
            return
        if name in STOP_AT_HOLES:
            parts = [part for part in parts if part[0] == addr]
        for start, size in parts:
            try:
                self._call(name, start, size, *rest)
            except OSError as error:
                if error.errno != errno.ENOMEM:
                    raise
        raise OSError(errno.ENOMEM, f"{name}: {os.strerror(errno.ENOMEM)}")

    # ---- the program's own accesses

    def load(self, addr: int, n: int = 1) -> bytes:
        """Load bytes, one by one from the lowest address."""
        if whole("n", n) < 0:
            raise ValueError(f"load of {n} bytes: give a number that is not negative")
        return self._live().load(u64("addr", addr), n)

    def touch(self, addr: int, length: int, step: int = PAGE_SIZE) -> None:
        """Load one byte in every `step` bytes, in order. Raises ValueError, FatalSignal."""
        if whole("step", step) < 1 or u64("addr", addr) + u64("length", length) > 2**64:
            raise ValueError(f"touch({addr:#x}, {length:#x}, {step}): give a step from 1 and a range below 2**64")
        for at in range(addr, addr + length, step):
            self._live().load(at, 1)

    def store(self, addr: int, data: bytes) -> None:
        """Store bytes, one by one from the lowest address."""
        self._live().store(u64("addr", addr), octets(data))

    def execute(self, addr: int) -> None:
        """Fetch and run the return instruction at `addr`; anything else there can end the process."""
        self._live().execute(u64("addr", addr))

    # ---- the process

    def fork(self) -> LinuxProcess:
        """fork(2)."""
        with uninterrupted():
            child = LinuxProcess(self._live().fork(), self.mmap_base, self._kernel)
            if self._ring:
                child._ring = FaultRing(child.pid, ring_pages=PROCESS_RING)
            return child

    def exit(self, status: int = 0) -> None:
        """_exit(2); returns when the process is gone."""
        with uninterrupted():
            self._live().exit(whole("status", status) & 0xFF)
            self._end()

    def _end(self) -> None:
        self._ended = True
        if self._ring:
            self._ring.close()
            self._ring = None

    def maps(self) -> list[MapsEntry]:
        """The areas of the program in /proc/PID/maps, without those that the worker needs."""
        entries = self._worker.own_areas(areas_of(self._live().pid))
        return [_plain(entry) for entry in entries]

    def faults(self) -> FaultCounts:
        """Faults since the process began. The machine-code worker has none of its own: the count is exact, with one
        exception: faults of mlock and populate are counted as Linux counts them, though no program touched a page.
        """
        return self._live().faults()

    # ---- beside the interface

    def fault_events(self) -> list[FaultEvent] | None:
        """Return the program's faults since the last call, as (addr, 'minor' or 'major'); None where perf is refused.

        The first call begins, and returns []. A child of a process that has begun is followed from its birth. None,
        too, where more faults came than the kernel keeps (some 2,700 between two calls).
        """
        worker = self._live()
        if self._ring is None:
            try:
                self._ring = FaultRing(self.pid, ring_pages=PROCESS_RING)
            except NotAvailable:
                self._check_alive()
                return None
            if worker.touches_in_kernel and not self._ring.kernel_too:
                self._ring.close()
                self._ring = None
                return None
            return []
        lost = self._ring.lost
        events = self._ring.drain()
        if not events:
            self._check_there()
        if self._ring.lost > lost:
            return None
        return [event for event in events if self._is_program(event.addr)]

    def _is_program(self, addr: int) -> bool:
        return not self._worker.is_own(addr, 1)

    def pagemap(self, addr: int, length: int) -> list[procfs.PageEntry]:
        """Return the page-table entries of a range (bytes), as /proc/PID/pagemap tells them; one for each page."""
        first, last = u64("addr", addr) // PAGE_SIZE, (addr + u64("length", length) + PAGE_SIZE - 1) // PAGE_SIZE
        return pages_of(self._live().pid, first, last - first)


def is_no_range(addr: int, length: int) -> bool:
    """Has the range no page, or does it reach beyond all addresses? It is rounded up to whole pages in 64 bits."""
    start = addr & -PAGE_SIZE
    size = (addr - start + length + PAGE_SIZE - 1) % 2**64 & -PAGE_SIZE
    return size == 0 or start + size >= 2**64


def _plain(entry: MapsEntry) -> MapsEntry:
    """Return an area without the names that Linux gives to anonymous memory at special places."""
    if entry.path == "[stack]" or entry.path.startswith("[anon"):
        return MapsEntry(entry.start, entry.end, entry.perms, entry.offset, "")
    return entry
