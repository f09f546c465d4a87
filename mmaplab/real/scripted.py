"""Live processes that are Python processes: for architectures without machine code here, and by choice.

Each process makes the program's calls in the midst of its own interpreter. So this side keeps account of which
addresses belong to the program; everything else does not exist for it. Results, errno, signals with code and address,
and data are exact. What differs from the machine-code worker (tests/real/test_scripted.py):

    addresses       Un-hinted mappings go below the interpreter's libraries, not below an empty stack.
    brk             The real heap is Python's. The program's is played by an anonymous mapping at START_BRK; the limit
                    RLIMIT_DATA is the whole process's.
    accesses        The kernel copies the bytes, one page at a time: a load is write(2) from the address into a pipe,
                    a store is read(2) to it. So `fault_events` needs the right to see faults inside system calls.
    page faults     A count may now and then hold a fault of the interpreter (`exact_faults` is False).
    execute         Only a return instruction is run; other code is a ValueError, not a process that ends.
    limits          The interpreter's areas count for max_map_count, its six descriptors from 200 for RLIMIT_NOFILE.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence

from mmaplab.constants import PAGE_MASK, PAGE_SIZE, TASK_SIZE, BusCode, Map, Mremap, Prot, SegvCode, page_align_up
from mmaplab.interface import BusError, FaultCounts, MapsEntry, SegmentationFault
from mmaplab.real import procfs, ranges
from mmaplab.real.wire import Wire
from mmaplab.real.worker import Argument, Household, Out, WorkerDied, WorkerHung, alive, areas_of, died

START_BRK = 0x20_0000_0000
"""Where the played heap begins: far from everything, also with 39-bit addresses."""
RETURNS = (b"\xc3", b"\xc0\x03\x5f\xd6", b"\x82\x80", b"\x67\x80\x00\x00")
"""The return instruction of x86, arm64, riscv (short and long)."""
CANONICAL = 1 << 47
PM_GUARD_REGION = 1 << 58
"""A bit of /proc/PID/pagemap; Documentation/admin-guide/mm/pagemap.rst."""


class ScriptedWorker:
    """One live process that runs Python. See `Worker`."""

    exact_faults = False
    touches_in_kernel = True

    def __init__(self, shared: Household, sock: socket.socket, pid: int, mine: ranges.Ranges, brk: int) -> None:
        self.shared, self.pid = shared, pid
        self.wire = Wire(sock, pid, shared.time_limit)
        self.mine, self.brk = mine, brk
        self.lock = threading.RLock()
        self.counts = FaultCounts(0, 0)
        self.gone = False
        shared.workers[pid] = self

    # ---- the wire

    def begin(self) -> None:
        """Wait until the process says that it is ready; raises WorkerDied, WorkerHung."""
        with self._ending():
            self.wire.receive()

    @contextlib.contextmanager
    def _ending(self) -> Iterator[None]:
        """Do something with the process; one that hangs is ended, one that has ended is forgotten."""
        if self.gone:
            raise died(self.pid)
        try:
            yield
        except WorkerHung:
            self.kill()
            raise
        except WorkerDied:
            self._forget()
            raise

    def _ask(self, *request: object) -> tuple:  # type: ignore[type-arg]
        with self.lock, self._ending():
            self._catch_up()
            found = self.wire.ask(*request)
        assert isinstance(found, tuple)
        return found

    def _catch_up(self) -> None:
        """Take the answers of calls that Ctrl-C interrupted: what they did to the program's memory is done."""
        for (kind, *request), found in self.wire.late_answers():
            if kind == "syscall" and isinstance(found, tuple) and found[0] >= 0:
                self._track(str(request[0]), request[1], found[0])  # type: ignore[arg-type]

    def _check_alive(self) -> None:
        """Raise WorkerDied where the answer would else be given without asking the process."""
        self.syscall_untracked("getpid")

    def _count(self, minor: int, major: int) -> None:
        self.counts = FaultCounts(self.counts.minor + minor, self.counts.major + major)

    # ---- system calls

    def syscall(self, name: str, *args: Argument) -> int:
        """Make a system call; returns its result, or a negative errno. Keeps account of the program's addresses."""
        if name == "brk":
            self._check_alive()
            return self._brk(args[0])  # type: ignore[arg-type]
        result = self._system_call(name, args, count=True)
        if result >= 0:
            self._track(name, args, result)
        return result

    def syscall_untracked(self, name: str, *args: Argument) -> int:
        """Make a system call that is the worker's own business."""
        return self._system_call(name, args, count=False)

    def _system_call(self, name: str, args: Sequence[Argument], count: bool) -> int:
        wire = [("out", arg.size) if isinstance(arg, Out) else arg for arg in args]
        wire = [int(arg) if isinstance(arg, int) else arg for arg in wire]
        result, minor, major, data = self._ask("syscall", name, tuple(wire))
        for out, filled in zip((arg for arg in args if isinstance(arg, Out)), data, strict=True):
            out.data = filled
        if count:
            self._count(minor, major)
        return int(result)

    def _track(self, name: str, args: Sequence[Argument], result: int) -> None:
        numbers = [arg if isinstance(arg, int) else 0 for arg in args]
        if name == "mmap":
            self.mine = ranges.with_range(self.mine, result, result + page_align_up(numbers[1]))
        elif name == "munmap":
            self.mine = ranges.without(self.mine, numbers[0], numbers[0] + page_align_up(numbers[1]))
        elif name == "mremap":
            old, old_size, new_size, flags = numbers[:4]
            if not flags & Mremap.MREMAP_DONTUNMAP:
                self.mine = ranges.without(self.mine, old, old + page_align_up(old_size))
            self.mine = ranges.with_range(self.mine, result, result + page_align_up(new_size))

    def _brk(self, addr: int) -> int:
        """Move the break of the played heap, an anonymous mapping that grows and shrinks."""
        if addr < START_BRK:
            return self.brk
        old, new = page_align_up(self.brk), page_align_up(addr)
        flags = Map.MAP_PRIVATE | Map.MAP_ANONYMOUS | Map.MAP_FIXED_NOREPLACE
        if new > old and self.syscall("mmap", old, new - old, Prot.PROT_READ | Prot.PROT_WRITE, flags, -1, 0) < 0:
            return self.brk
        if new < old and self.syscall("munmap", new, old - new) < 0:
            return self.brk
        self.brk = addr
        return addr

    # ---- accesses

    def load(self, addr: int, n: int) -> bytes:
        """Load bytes, page by page from the lowest; raises FatalSignal."""
        return b"".join(self._access(at, "rwx", "load", at, size)[0] for at, size in _by_page(addr, n))

    def store(self, addr: int, data: bytes) -> None:
        """Store bytes, page by page from the lowest; raises FatalSignal."""
        for at, size in _by_page(addr, len(data)):
            self._access(at, "w", "store", at, data[at - addr : at - addr + size])

    def _access(self, at: int, needed: str, *request: object) -> list[bytes]:
        """Have the process make one access within a page that holds memory of the program, or may soon hold it."""
        known = bool(ranges.common(self.mine, at, at + 1))
        if not known and not self._may_grow_to(at):
            raise _no_area(at)
        result, minor, major, *data = self._ask(*request)
        self._count(minor, major)
        if result == -errno.EMFILE:
            raise OSError(errno.EMFILE, "execute: no descriptor is left for the Python worker to look at the code")
        if result < 0:
            raise self._signal(at, needed)
        if not known:
            grown = next(entry for entry in self.all_areas() if entry.start <= at < entry.end)
            self.mine = ranges.with_range(self.mine, grown.start, grown.end)
        return data

    def _may_grow_to(self, at: int) -> bool:
        """Is the next area above an address, which is in no area, one of the program's? Stacks grow down; mm/mmap.c."""
        self._check_alive()
        above = next((entry for entry in self.all_areas() if entry.end > at), None)
        return above is not None and at < above.start and bool(ranges.common(self.mine, above.start, above.start + 1))

    def execute(self, addr: int) -> None:
        """Fetch the return instruction at `addr`: a fetch first reads the page in, whether it may be run or not."""
        self._check_alive()
        area = self._area(addr)
        if area is None:
            raise _no_area(addr)
        if area.perms[:3] == "---":
            raise SegmentationFault(SegvCode.SEGV_ACCERR, addr)
        fetch = self._peek if area.perms[:3] == "--x" else self.load
        first = fetch(addr, 1)
        if "x" not in area.perms:
            raise SegmentationFault(SegvCode.SEGV_ACCERR, addr)
        code = first + fetch(addr + 1, 3) if first != RETURNS[0] else first
        if not code.startswith(RETURNS):
            raise ValueError(f"the bytes {code.hex()} at {addr:#x} are no return instruction")
        self._count(*self._ask("call", addr))

    def _peek(self, addr: int, n: int) -> bytes:
        """Read code that may be run but not loaded (protection keys): what the processor would fetch."""
        return b"".join(self._access(at, "x", "peek", at, size)[0] for at, size in _by_page(addr, n))

    def _signal(self, addr: int, needed: str) -> SegmentationFault | BusError:
        """Return the signal for an access that the kernel refused: no area, no permission, guarded, or no such page.

        `needed` are the rights of which the access needs one; "x" alone is a fetch, which no protection key forbids.
        """
        area = self._area(addr)
        if area is None:
            return _no_area(addr)
        if needed != "x" and area.perms[:3] == "--x" and procfs.has_protection_keys():
            return SegmentationFault(SegvCode.SEGV_PKUERR, addr)
        if not any(letter in area.perms for letter in needed):
            return SegmentationFault(SegvCode.SEGV_ACCERR, addr)
        if not area.path or self._is_guarded(addr):
            return SegmentationFault(SegvCode.SEGV_MAPERR, addr)
        return BusError(BusCode.BUS_ADRERR, addr)

    def _is_guarded(self, addr: int) -> bool:
        """Does the page-table entry hold a guard marker? Linux 6.14 tells; MADV_GUARD_INSTALL of madvise(2)."""
        with open(f"/proc/{self.pid}/pagemap", "rb", buffering=0) as file:
            file.seek(addr // PAGE_SIZE * 8)
            return bool(int.from_bytes(file.read(8) or b"", "little") & PM_GUARD_REGION)

    def _area(self, addr: int) -> MapsEntry | None:
        areas = self.own_areas(self.all_areas())
        return next((entry for entry in areas if entry.start <= addr < entry.end), None)

    # ---- the process

    def fork(self) -> ScriptedWorker:
        """Return the worker of a new child; raises OSError."""
        ours, theirs = socket.socketpair()
        with self.lock, self._ending():
            self._catch_up()
            self.wire.send("fork")
            with contextlib.suppress(OSError):
                self.wire.sock.recv(1)
                socket.send_fds(self.wire.sock, [b"!"], [theirs.fileno()])
            theirs.close()
            pid = self.wire.receive()
        assert isinstance(pid, int)
        if pid < 0:
            raise OSError(-pid, f"fork: {os.strerror(-pid)}")
        child = ScriptedWorker(self.shared, ours, pid, list(self.mine), self.brk)
        child.begin()
        return child

    def exit(self, status: int) -> None:
        """End the process and wait until it is gone."""
        with self.lock, self._ending():
            self._catch_up()
            self.wire.send("exit", status)
            self._wait_until_gone()
            self._forget()

    def kill(self) -> None:
        """End the process with SIGKILL."""
        if not self.gone:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
                self._wait_until_gone()
            self._forget()

    def faults(self) -> FaultCounts:
        """Return the faults that were counted around each call; now and then one is the interpreter's own."""
        self._check_alive()
        return self.counts

    def _wait_until_gone(self) -> None:
        deadline = time.monotonic() + self.shared.time_limit
        while alive(self.pid) and time.monotonic() < deadline:
            time.sleep(0.001)

    def _forget(self) -> None:
        if not self.gone:
            self.gone = True
            self.shared.workers.pop(self.pid, None)
            self.wire.sock.close()

    # ---- whose memory it is

    def all_areas(self) -> list[MapsEntry]:
        """Return every area of the process, the interpreter's too."""
        return areas_of(self.pid)

    def own_areas(self, entries: Sequence[MapsEntry]) -> list[MapsEntry]:
        """Return the parts of areas that the program has mapped; the played heap gets its name."""
        found = []
        for entry in entries:
            for start, end in ranges.common(self.mine, entry.start, entry.end):
                anonymous = entry.path in ("", "[heap]")
                offset = 0 if anonymous else entry.offset + start - entry.start
                in_heap = START_BRK <= start < page_align_up(self.brk)
                path = ("[heap]" if in_heap else "") if anonymous else entry.path
                found.append(MapsEntry(start, end, entry.perms, offset, path))
        return found

    def is_own(self, addr: int, length: int) -> bool:
        """Return whether a range holds an address that is not the program's."""
        return ranges.common(self.mine, addr, addr + length) != [(addr, addr + length)]

    def check_range(self, addr: int, length: int) -> None:
        """Raise ValueError where a range holds areas of the interpreter."""
        end = addr + page_align_up(length)
        inside = [] if end > TASK_SIZE else [part for part in self._interpreter() if part[0] < end and addr < part[1]]
        if inside:
            raise ValueError(
                f"{addr:#x} with {length:#x} bytes meets {inside[0][0]:#x} to {inside[0][1]:#x}, where the live "
                "kernel's own worker lives: choose another address"
            )

    def outside(self, addr: int, length: int) -> list[tuple[int, int]]:
        """Return the parts of a range that hold no area of the interpreter."""
        parts = [(addr, addr + length)]
        for start, end in self._interpreter():
            parts = ranges.without(parts, start, end)
        return [(start, end - start) for start, end in parts] if length else [(addr, length)]

    def _interpreter(self) -> ranges.Ranges:
        """Return the areas that are not the program's."""
        theirs = [(entry.start, entry.end) for entry in self.all_areas()]
        for start, end in self.mine:
            theirs = ranges.without(theirs, start, end)
        return theirs

    def address_space_bytes(self) -> int:
        """Return the size of all areas that are not the program's."""
        areas = self.all_areas()
        mine = sum(entry.end - entry.start for entry in self.own_areas(areas))
        return sum(entry.end - entry.start for entry in areas if entry.end <= TASK_SIZE) - mine


def _by_page(addr: int, n: int) -> list[tuple[int, int]]:
    """Return (address, length) of the parts of a range, one for each page."""
    parts, end = [], addr + n
    while addr < end:
        stop = min(end, (addr & PAGE_MASK) + PAGE_SIZE)
        parts.append((addr, stop - addr))
        addr = stop
    return parts


def _no_area(addr: int) -> SegmentationFault:
    """Return the signal for an address without an area; one that is no address at all has si_addr 0."""
    if CANONICAL <= addr < 2**64 - CANONICAL:
        return SegmentationFault(SegvCode.SI_KERNEL, 0)
    return SegmentationFault(SegvCode.SEGV_MAPERR, addr)
