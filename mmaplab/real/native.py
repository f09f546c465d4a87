"""Live processes that hold nothing but the program: machine code in an emptied process; x86-64 only.

This is the notebook's side: it writes requests into a process's channel. `executors` makes the first such process,
`machine_code` is what runs in it.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from mmaplab.constants import PAGE_SIZE, TASK_SIZE
from mmaplab.interface import FaultCounts, MapsEntry, SegmentationFault
from mmaplab.real import libc, machine_code
from mmaplab.real.channel import LARGE_BYTES, REGION_BYTES, Channel, Region, pieces
from mmaplab.real.worker import Argument, Household, Out, WorkerDied, WorkerHung, alive, died, overlap

MADV_POPULATE_WRITE = 23


@dataclass
class Shared(Household):
    """What all machine-code workers of one kernel have in common."""

    region: Region = field(default_factory=Region)
    large_lock: threading.RLock = field(default_factory=threading.RLock)
    at_large: NativeWorker | None = None
    """Who has used the buffer for large data last."""


class NativeWorker:
    """One live process made of machine code. See `Worker`."""

    exact_faults = True
    touches_in_kernel = False

    def __init__(self, shared: Shared, channel: Channel) -> None:
        self.shared, self.channel, self.pid = shared, channel, channel.pid
        self.region = shared.region
        self.lock = threading.RLock()
        self.gone = False
        self.not_ours = FaultCounts(0, 0)
        self._stat = -1
        """/proc/PID/stat, opened once: it is read after every call of a program that is compared."""
        shared.workers[self.pid] = self

    def settle(self) -> None:
        """Bring the channel into the page table, so that no later fault is the worker's own; count from here."""
        address = self.channel.address
        self._without_counting(address, machine_code.DATA + self.channel.data_bytes)
        self.not_ours = self._all_faults()

    def syscall(self, name: str, *args: Argument) -> int:
        """Make a system call; returns its result, or a negative errno."""
        sizes = sum(_room(arg) for arg in args if not isinstance(arg, int))
        with self.lock:
            self.catch_up()
            if sizes <= self.channel.data_bytes:
                return self._syscall_at(self.channel.data, name, args)
            with self.shared.large_lock:
                if self.shared.at_large:
                    self.shared.at_large.catch_up()
                self.shared.at_large = self
                return self._syscall_at(self._large_buffer(sizes), name, args)

    def _syscall_at(self, at: int, name: str, args: Sequence[Argument]) -> int:
        values, outs = self._place(args, at)
        result = self._run(machine_code.SYSCALL, libc.X86_64[name], tuple(values))
        for where, out in outs:
            out.data = self.channel.get(where, out.size)
        return result

    def need(self, name: str, *args: Argument) -> int:
        """Make a system call that must succeed; raises OSError."""
        result = self.syscall(name, *args)
        if result < 0:
            raise OSError(-result, f"{name}: {os.strerror(-result)}")
        return result

    def load(self, addr: int, n: int) -> bytes:
        """Load bytes, one by one; raises FatalSignal."""
        self._check_access(addr, n)
        parts = []
        with self.lock:
            for start, size in pieces(n, self.channel.data_bytes):
                self._run(machine_code.COPY, 0, (self.channel.data, addr + start, size))
                parts.append(self.channel.get(self.channel.data, size))
        return b"".join(parts)

    def store(self, addr: int, data: bytes) -> None:
        """Store bytes, one by one; raises FatalSignal."""
        self._check_access(addr, len(data))
        with self.lock:
            self.catch_up()
            for start, size in pieces(len(data), self.channel.data_bytes):
                self.channel.put(self.channel.data, data[start : start + size])
                self._run(machine_code.COPY, 0, (addr + start, self.channel.data, size))

    def execute(self, addr: int) -> None:
        """Call the code at `addr`; raises FatalSignal."""
        self._check_access(addr, 1)
        with self.lock:
            self._run(machine_code.CALL, 0, (addr,))

    def fork(self) -> NativeWorker:
        """Return the worker of a new child; raises OSError."""
        with self.lock:
            channel = Channel(self.region.take(), alive)
            pid = self._run(machine_code.FORK, 0, (channel.address,))
            if pid < 0:
                self.region.give_back(channel.address)
                raise OSError(-pid, f"fork: {os.strerror(-pid)}")
            channel.pid = pid
            child = NativeWorker(self.shared, channel)
            child.settle()
            return child

    def exit(self, status: int) -> None:
        """End the process with exit_group(2) and wait until it is gone."""
        with self.lock:
            if self.gone:
                raise died(self.pid)
            self.channel.wait(self.shared.time_limit)
            fd = _pidfd(self.pid)
            self.channel.post(machine_code.SYSCALL, libc.X86_64["exit_group"], (status,))
            self._wait_until_gone(fd)
            self._forget()

    def kill(self) -> None:
        """End the process with SIGKILL."""
        if self.gone:
            return
        with contextlib.suppress(ProcessLookupError):
            fd = _pidfd(self.pid)
            os.kill(self.pid, signal.SIGKILL)
            self._wait_until_gone(fd)
        self._forget()

    def faults(self) -> FaultCounts:
        """Return the faults since the process began; exact, since the worker has none of its own."""
        return self._all_faults() - self.not_ours

    def own_areas(self, entries: Sequence[MapsEntry]) -> list[MapsEntry]:
        """Return all areas but the shared region and those of the kernel itself ([vdso] and alike)."""
        return [
            entry
            for entry in entries
            if not self.is_own(entry.start, entry.end - entry.start) and not entry.path.startswith(("[v", "[uprobes"))
        ]

    def is_own(self, addr: int, length: int) -> bool:
        """Return whether a range holds memory that the worker lives in."""
        return overlap(addr, length, self.region.base, REGION_BYTES)

    def check_range(self, addr: int, length: int) -> None:
        """Raise ValueError where a range holds memory that the worker lives in."""
        if addr + length <= TASK_SIZE and self.is_own(addr, length):
            base = self.region.base
            raise ValueError(
                f"{addr:#x} with {length:#x} bytes meets {base:#x} to {base + REGION_BYTES:#x}, where the live "
                "kernel's own worker lives: choose another address"
            )

    def outside(self, addr: int, length: int) -> list[tuple[int, int]]:
        """Return the parts of a range that lie below and above the worker's own memory."""
        base, end = self.region.base, self.region.base + REGION_BYTES
        if not self.is_own(addr, length):
            return [(addr, length)]
        parts = [(addr, base - addr), (end, addr + length - end)]
        return [(start, size) for start, size in parts if size > 0]

    def address_space_bytes(self) -> int:
        """Return the size of the shared region."""
        return REGION_BYTES

    # ---- inside

    def _run(self, operation: int, number: int, args: tuple[int, ...]) -> int:
        if self.gone:
            raise died(self.pid)
        try:
            return self.channel.run(operation, number, args, self.shared.time_limit)
        except (WorkerDied, WorkerHung) as error:
            self._give_up(error)
            raise

    def catch_up(self) -> None:
        """Wait until the process leaves the shared memory alone: Ctrl-C may have left it at a call."""
        if not self.gone and self.channel.busy:
            try:
                self.channel.wait(self.shared.time_limit)
            except (WorkerDied, WorkerHung) as error:
                self._give_up(error)
                raise

    def _give_up(self, error: Exception) -> None:
        """End a process that hangs, forget one that has ended."""
        if isinstance(error, WorkerHung):
            self.kill()
        else:
            self._forget()

    def _place(self, args: Sequence[Argument], at: int) -> tuple[list[int], list[tuple[int, Out]]]:
        """Put the bytes among the arguments into shared memory; returns numbers, and where answers will lie."""
        values, outs = [], []
        for arg in args:
            if isinstance(arg, int):
                values.append(arg)
                continue
            values.append(at)
            if isinstance(arg, Out):
                outs.append((at, arg))
            else:
                self.channel.put(at, arg)
            at += _room(arg)
        return values, outs

    def _check_access(self, addr: int, n: int) -> None:
        """The worker's own memory does not exist for the program: an access there finds no area."""
        base = self.region.base
        if n and overlap(addr, n, base, REGION_BYTES):
            raise SegmentationFault(1, max(addr, base))

    def _large_buffer(self, n: int) -> int:
        """Return the address of a buffer for `n` bytes; its page faults do not count as the program's."""
        if n > LARGE_BYTES:
            raise ValueError(f"{n} bytes in one call: the live kernel moves at most {LARGE_BYTES - 4096} at once")
        before = self._all_faults()
        self._without_counting(self.region.large, n)
        after = self._all_faults() - before
        self.not_ours = FaultCounts(self.not_ours.minor + after.minor, self.not_ours.major + after.major)
        return self.region.large

    def _without_counting(self, addr: int, n: int) -> None:
        """Map shared memory into the worker's page table, by one call or (before 5.14) by copying it onto itself."""
        length = (n + PAGE_SIZE - 1) // PAGE_SIZE * PAGE_SIZE
        if self._run(machine_code.SYSCALL, libc.X86_64["madvise"], (addr, length, MADV_POPULATE_WRITE)) < 0:
            self._run(machine_code.COPY, 0, (addr, addr, length))

    def _all_faults(self) -> FaultCounts:
        try:
            if self._stat < 0:
                self._stat = os.open(f"/proc/{self.pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
            fields = os.pread(self._stat, 4096, 0).rpartition(b")")[2].split()
        except OSError:
            self._forget()
            raise died(self.pid) from None
        return FaultCounts(int(fields[7]), int(fields[9]))

    def _wait_until_gone(self, pidfd: int | None) -> None:
        if pidfd is not None:
            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            poll.poll(int(self.shared.time_limit * 1000))
            os.close(pidfd)
        deadline = time.monotonic() + self.shared.time_limit
        while alive(self.pid) and time.monotonic() < deadline:
            time.sleep(0.0005)

    def _forget(self) -> None:
        if not self.gone:
            self.gone = True
            if self._stat >= 0:
                os.close(self._stat)
                self._stat = -1
            self.shared.workers.pop(self.pid, None)
            self.region.give_back(self.channel.address)


def _room(arg: Argument) -> int:
    """Return the bytes that an argument needs in shared memory, kept apart by whole words."""
    size = arg.size if isinstance(arg, Out) else len(arg) if isinstance(arg, bytes) else 0
    return (size + 15) // 16 * 16


def _pidfd(pid: int) -> int | None:
    """Return a descriptor that tells when the process ends, or None before Linux 5.3; pidfd_open(2)."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    except OSError:
        return None
