"""Page faults with their addresses, as they happen: perf events of the kernel, read from a ring in shared memory.

perf_event_open(2); kernel/events/core.c. Two software events, minor and major faults, write into one ring: 24 bytes
a fault. Faults that the kernel takes on the program's behalf (a read into a fresh buffer) are in it where
`kernel_too` is permitted; faults of mlock and populate never are.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import struct
from dataclasses import dataclass

from mmaplab.constants import PAGE_SIZE, Map, Prot
from mmaplab.lab import NotAvailable
from mmaplab.real import libc

with contextlib.suppress(ImportError):  # not on every system; who uses it has a live Linux
    import fcntl

PERF_TYPE_SOFTWARE, PAGE_FAULTS_MIN, PAGE_FAULTS_MAJ = 1, 5, 6
SAMPLE_ADDR, SAMPLE_STREAM_ID = 1 << 3, 1 << 9
DISABLED, EXCLUDE_KERNEL, EXCLUDE_HV = 1 << 0, 1 << 5, 1 << 6
ENABLE, DISABLE, SET_OUTPUT, GET_ID = 0x2400, 0x2401, 0x2405, 0x8008_2407
RECORD_SAMPLE = 9
RING_PAGES = (128, 64, 16, 4)
"""Sizes of the ring to be tried, a power of two of pages; perf_event_mlock_kb limits them for ordinary users."""
HEAD, TAIL = 1024, 1032
"""Offsets of data_head and data_tail in the first page of the ring."""


@dataclass(frozen=True, slots=True)
class FaultEvent:
    """One page fault: the address that was touched, and whether it was 'minor' or 'major'."""

    addr: int
    kind: str

    def __iter__(self):  # type: ignore[no-untyped-def]
        yield self.addr
        yield self.kind


class FaultRing:
    """The page faults of one thread (`pid`, 0 for the calling one) from now on; raises NotAvailable where refused.

    `drain()` may be called at any time, also from another thread while the faults happen. `lost` counts the faults
    that found the ring full.
    """

    _ring = _ring_bytes = _seen = 0
    _fds: list[int] = []  # noqa: RUF012 - a ring that was refused has none to close
    lost = 0

    def __init__(self, pid: int = 0, kernel_too: bool = True, ring_pages: tuple[int, ...] = RING_PAGES) -> None:
        libc.require_linux()
        self._fds = []
        try:
            self._open(pid, kernel_too, ring_pages)
        except OSError as error:
            self.close()
            raise NotAvailable(f"the kernel refuses perf events ({os.strerror(error.errno or 0)}){_why()}") from None

    def _open(self, pid: int, kernel_too: bool, ring_pages: tuple[int, ...]) -> None:
        minor, exclude = self._event(PAGE_FAULTS_MIN, pid, kernel_too)
        major, _ = self._event(PAGE_FAULTS_MAJ, pid, not exclude)
        self.kernel_too = not exclude
        self._map(minor, ring_pages)
        fcntl.ioctl(major, SET_OUTPUT, minor)
        ids = [struct.unpack("Q", fcntl.ioctl(fd, GET_ID, bytes(8)))[0] for fd in (minor, major)]
        self._kinds = dict(zip(ids, ("minor", "major"), strict=True))
        self.start()

    def _event(self, config: int, pid: int, kernel_too: bool) -> tuple[int, bool]:
        """Return a descriptor of an event, and whether faults inside the kernel are left out."""
        number = libc.PERF_EVENT_OPEN.get(platform.machine())
        if number is None:
            raise NotAvailable(f"the number of perf_event_open is not known for {platform.machine()}")
        for exclude in (False, True) if kernel_too else (True,):
            flags = DISABLED | EXCLUDE_HV | (EXCLUDE_KERNEL if exclude else 0)
            fields = (PERF_TYPE_SOFTWARE, 112, config, 1, SAMPLE_ADDR | SAMPLE_STREAM_ID, 0, flags)
            attr = ctypes.create_string_buffer(struct.pack("=IIQQQQQ", *fields).ljust(112, b"\0"), 112)
            try:
                fd = libc.raw_syscall(number, ctypes.addressof(attr), pid, -1, -1, 8)
            except OSError:
                if exclude:
                    raise
                continue
            self._fds.append(fd)
            return fd, exclude
        raise AssertionError("the loop returns or raises")

    def _map(self, fd: int, ring_pages: tuple[int, ...]) -> None:
        for pages in ring_pages:
            try:
                length = (1 + pages) * PAGE_SIZE
                self._ring = libc.map_memory(0, length, Prot.PROT_READ | Prot.PROT_WRITE, Map.MAP_SHARED, fd)
                self._ring_bytes = length
                break
            except OSError:
                if pages == ring_pages[-1]:
                    raise
        self._head = ctypes.c_uint64.from_address(self._ring + HEAD)
        self._tail = ctypes.c_uint64.from_address(self._ring + TAIL)

    def start(self) -> None:
        """Count from now on."""
        for fd in self._fds:
            fcntl.ioctl(fd, ENABLE, 0)

    def stop(self) -> None:
        """Count no longer; what was counted can still be drained."""
        for fd in self._fds:
            fcntl.ioctl(fd, DISABLE, 0)

    def drain(self) -> list[FaultEvent]:
        """Return the faults since the last call, in order."""
        counted = sum(struct.unpack("Q", os.read(fd, 8))[0] for fd in self._fds)
        events = self._take()
        self._seen += len(events)
        self.lost = max(0, counted - self._seen)
        return events

    def _take(self) -> list[FaultEvent]:
        """Return the records between tail and head of the ring, and free their place."""
        head, tail, size = self._head.value, self._tail.value, self._ring_bytes - PAGE_SIZE
        begin, end, base = tail % size, head % size, self._ring + PAGE_SIZE
        if head == tail:
            return []
        if begin < end:
            data = ctypes.string_at(base + begin, end - begin)
        else:
            data = ctypes.string_at(base + begin, size - begin) + ctypes.string_at(base, end)
        self._tail.value = head
        return self._events(data)

    def _events(self, data: bytes) -> list[FaultEvent]:
        events, at = [], 0
        while at < len(data):
            kind, _, length = struct.unpack_from("=IHH", data, at)
            if kind == RECORD_SAMPLE:
                addr, stream = struct.unpack_from("=QQ", data, at + 8)
                events.append(FaultEvent(addr, self._kinds[stream]))
            at += length
        return events

    def close(self) -> None:
        """Stop, and give the ring and the descriptors back."""
        if self._ring:
            libc.unmap_memory(self._ring, self._ring_bytes)
        for fd in self._fds:
            os.close(fd)
        self._ring, self._fds = 0, []

    def __del__(self) -> None:
        self.close()


def _why() -> str:
    """Return the reason in words, as far as the kernel tells it."""
    try:
        with open("/proc/sys/kernel/perf_event_paranoid") as file:
            level = int(file.read())
    except (OSError, ValueError):
        return ": it has none, or a container hides them"
    if level > 2:
        return f": /proc/sys/kernel/perf_event_paranoid is {level}, 2 or less would do"
    return ": a container's filter forbids them"
