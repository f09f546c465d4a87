"""The memory that the notebook shares with its live processes: code, one channel for each, and one large buffer.

One request at a time goes through a channel: the notebook writes it, counts `request` up and wakes the process; the
process writes the answer, sets `done` to the same number and wakes the notebook. Both words are futexes; futex(2).
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterator

from mmaplab.constants import PAGE_SIZE, Map, Prot, Sig
from mmaplab.interface import FatalSignal, fatal_signal
from mmaplab.lab import NotAvailable
from mmaplab.real import libc, machine_code
from mmaplab.real.worker import WorkerDied, WorkerHung

CHANNEL_BYTES = 256 << 10
CHANNELS = 200
LARGE_BYTES = 16 << 20
"""The buffer for reads and writes that do not fit into a channel."""
REGION_BYTES = CHANNEL_BYTES * (CHANNELS + 1) + LARGE_BYTES
STEP = 96 << 20
PLACES = [0x2000_0000 + i * STEP for i in range(5)] + [0x2_0000_0000 + i * STEP for i in range(64)]
"""Low addresses, so that un-hinted mappings of programs, which go to the highest, never meet the region."""
FUTEX_WAIT, FUTEX_WAKE = 0, 1
LOOK_SECONDS = 0.05
"""How often a waiting notebook looks whether the process still lives."""


class Region:
    """The shared memory of one live kernel; addresses are the same in the notebook and in every process."""

    def __init__(self) -> None:
        self.base = _map_region()
        self.code, self.labels = machine_code.assemble()
        ctypes.memmove(self.base, self.code, len(self.code))
        libc.check(libc.function("mprotect")(self.base, PAGE_SIZE, Prot.PROT_READ | Prot.PROT_EXEC), "mprotect")
        self.large = self.base + CHANNEL_BYTES * (CHANNELS + 1)
        self.free = list(range(CHANNELS, 0, -1))

    def label(self, name: str) -> int:
        """Return the address of a label of the machine code."""
        return self.base + self.labels[name]

    def take(self) -> int:
        """Return the address of a free channel; raises RuntimeError if there is none."""
        if not self.free:
            raise RuntimeError(f"{CHANNELS} live processes are running: end some with p.exit() first")
        return self.base + CHANNEL_BYTES * self.free.pop()

    def give_back(self, address: int) -> None:
        """Free the channel of a process that has ended."""
        self.free.append((address - self.base) // CHANNEL_BYTES)

    def close(self) -> None:
        """Unmap the region in this process; no channel may be used afterwards."""
        libc.unmap_memory(self.base, REGION_BYTES)


def _map_region() -> int:
    flags = Map.MAP_SHARED | Map.MAP_ANONYMOUS | Map.MAP_NORESERVE | Map.MAP_FIXED_NOREPLACE
    for place in PLACES:
        try:
            found = libc.map_memory(place, REGION_BYTES, Prot.PROT_READ | Prot.PROT_WRITE, flags)
        except OSError:
            continue
        if found == place:
            return found
        libc.unmap_memory(found, REGION_BYTES)
    raise NotAvailable("no free place for the memory shared with live processes: close some live kernels")


class Channel:
    """The notebook's end of one channel; `pid` is the process at the other end, once there is one."""

    def __init__(self, address: int, alive: Callable[[int], bool]) -> None:
        self.address, self.alive, self.pid = address, alive, 0
        self.data = address + machine_code.DATA
        self.data_bytes = CHANNEL_BYTES - machine_code.DATA
        header = (ctypes.c_char * PAGE_SIZE).from_address(address)
        ctypes.memset(address, 0, PAGE_SIZE)
        self._words = memoryview(header).cast("B").cast("Q")
        self._futex = memoryview(header).cast("B").cast("I")
        self._words[machine_code.DRIVER // 8] = os.getpid()
        self._words[machine_code.TIMEOUT // 8] = 1
        self._timeout = (ctypes.c_long * 2)(0, int(LOOK_SECONDS * 1e9))

    def run(self, operation: int, number: int, args: tuple[int, ...], limit: float) -> int:
        """Have the process do one thing; returns its result.

        Raises FatalSignal, WorkerDied, WorkerHung (after `limit` seconds).
        """
        self.wait(limit)  # an earlier request may still be under way, if Ctrl-C interrupted the wait for it
        self.post(operation, number, args)
        self.wait(limit)
        words = self._words
        if words[machine_code.SIGNO // 8]:
            si_code = ctypes.c_int64(words[machine_code.SI_CODE // 8]).value
            raise signal_told(words[machine_code.SIGNO // 8], si_code, words[machine_code.SI_ADDR // 8])
        return libc.signed(words[machine_code.RESULT // 8])

    def post(self, operation: int, number: int, args: tuple[int, ...]) -> None:
        """Write a request and wake the process."""
        words = self._words
        words[machine_code.OPERATION // 8] = operation
        words[machine_code.NUMBER // 8] = number
        words[machine_code.SIGNO // 8] = 0
        for at, arg in enumerate(args, machine_code.ARGS // 8):
            words[at] = arg % libc.U64
        self._futex[0] = (self._futex[0] + 1) % 2**32
        _futex_call(self.address, FUTEX_WAKE, 1, None)

    def wait(self, limit: float) -> None:
        """Wait until the last request is answered; raises WorkerDied, WorkerHung."""
        futex = self._futex
        deadline = 0.0
        while (done := futex[1]) != futex[0]:
            _futex_call(self.address + machine_code.DONE, FUTEX_WAIT, done, self._timeout)
            if futex[1] == futex[0]:
                return
            if not self.alive(self.pid) and futex[1] != futex[0]:
                raise WorkerDied(
                    f"the live process {self.pid} has ended by itself: it was killed, ran out of memory, "
                    "or ran code that is no return instruction. Start a new one with kernel.spawn()"
                )
            deadline = deadline or time.monotonic() + limit
            if time.monotonic() > deadline:
                raise WorkerHung(
                    f"the live process {self.pid} did not answer for {limit:g} seconds and was ended: does the call "
                    "wait for something, such as data in a pipe? LinuxKernel(time_limit=...) gives more time"
                )

    @property
    def busy(self) -> bool:
        """Is the process still at its last request? Ctrl-C may have interrupted the wait for the answer."""
        return bool(self._futex[1] != self._futex[0])

    def put(self, at: int, data: bytes) -> None:
        """Copy bytes into memory shared with the process."""
        ctypes.memmove(at, data, len(data))

    def get(self, at: int, n: int) -> bytes:
        """Copy bytes out of memory shared with the process."""
        return ctypes.string_at(at, n)


def signal_told(signo: int, si_code: int, si_addr: int) -> FatalSignal | ValueError:
    """Return the exception for a signal; those of the processor itself say that code was no return instruction."""
    if signo in set(Sig):
        return fatal_signal(signo, si_code, si_addr)
    name = signal.Signals(signo).name
    return ValueError(f"the code at {si_addr:#x} is no return instruction: it ended in {name}, the process lives on")


def _futex_call(address: int, operation: int, value: int, timeout: ctypes.Array[ctypes.c_long] | None) -> None:
    """Call futex(2); that it ends early, times out or finds another value is for the caller to see."""
    number, long = libc.X86_64["futex"], ctypes.c_long
    libc.function("syscall")(
        long(number), long(address), long(operation), long(value), ctypes.byref(timeout) if timeout else None, None, 0
    )


def pieces(total: int, size: int) -> Iterator[tuple[int, int]]:
    """Return (start, length) of the pieces, at most `size` long, that make up `total` bytes."""
    for start in range(0, total, size):
        yield start, min(size, total - start)
