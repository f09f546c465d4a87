"""The process that a program holds: one short method per call, each opening a span.

No logic lives here. A system call's numbers are checked to be numbers; all else is Linux's business, one floor down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mmaplab.arguments import octets, s64, text, u64, whole
from mmaplab.constants import PAGE_SIZE, SEEK_SET, U64
from mmaplab.interface import FaultCounts, MapsEntry, Stat
from mmaplab.sim import brk, cpu, madvise, mlock, mmap, mprotect, mremap, msync, namei, readwrite, rlimit
from mmaplab.sim.arguments import c_int
from mmaplab.sim.events import Syscall
from mmaplab.sim.fault import mm_of, syscall_out_of_memory
from mmaplab.sim.memory import OutOfMemory
from mmaplab.sim.mm_types import MmStruct, TaskStruct, VmArea
from mmaplab.sim.namei import Files
from mmaplab.sim.trace import Span


@dataclass(frozen=True)
class TaskCalls:
    """What the kernel does for the calls that make and end tasks."""

    fork: Callable[[TaskStruct], Process]
    clone_thread: Callable[[TaskStruct], Process]
    exit: Callable[[TaskStruct], None]
    exit_group: Callable[[TaskStruct], None]


class Process:
    """A simulated process. See `mmaplab.interface.Process` for the calls; addresses and lengths in bytes."""

    def __init__(
        self,
        task: TaskStruct,
        files: Files,
        calls: TaskCalls,
        check: Callable[[], None],
    ) -> None:
        self.task = task
        self._files, self._calls = files, calls
        self._machine = files.machine
        self._check = check

    @property
    def pid(self) -> int:
        """The process's number; of a further thread, the thread's own (tid)."""
        return self.task.pid

    @property
    def mm(self) -> MmStruct:
        """The address space, to be looked at; raises ProcessLookupError after exit."""
        return mm_of(self.task)

    def __repr__(self) -> str:
        thread = f", thread {self.pid}" if self.pid != self.task.tgid else ""
        return f"<simulated process {self.task.tgid}{thread}>"

    @contextmanager
    def _call(self, name: str, /, **args: object) -> Iterator[Span]:
        mm_of(self.task)
        self._machine.cpu = self.task.cpu
        try:
            self._machine.trace.pid = self.pid
            with self._machine.trace.span(Syscall, self.pid, name, tuple(args.items())) as span:
                try:
                    yield span
                except OutOfMemory as error:
                    raise syscall_out_of_memory(self.task, error) from None
        finally:
            self._check()

    # ---- files

    def open(self, path: str, flags: int = 0, mode: int = 0o644) -> int:
        """open(2). `mode` is of no use here: there is one user."""
        whole("mode", mode)
        with self._call("open", path=text(path), flags=whole("flags", flags)) as span:
            span.outcome = namei.do_open(self._files, self.task, path, flags)
            return span.outcome

    def close(self, fd: int) -> None:
        """close(2)."""
        with self._call("close", fd=whole("fd", fd)):
            self.task.files.close_fd(fd)

    def dup(self, fd: int) -> int:
        """dup(2)."""
        with self._call("dup", fd=whole("fd", fd)) as span:
            span.outcome = namei.do_dup(self.task, fd)
            return span.outcome

    def pipe(self) -> tuple[int, int]:
        """pipe(2)."""
        with self._call("pipe") as span:
            span.outcome = namei.do_pipe(self._files, self.task)
            return span.outcome

    def memfd_create(self, name: str) -> int:
        """memfd_create(2)."""
        with self._call("memfd_create", name=text(name)) as span:
            span.outcome = namei.do_memfd_create(self._files, self.task, name)
            return span.outcome

    def read(self, fd: int, n: int) -> bytes:
        """read(2)."""
        with self._call("read", fd=whole("fd", fd), n=u64("n", n)) as span:
            data = readwrite.do_read(self._machine, self.task.files.fdget(fd), n, None)
            span.outcome = len(data)
            return data

    def write(self, fd: int, data: bytes) -> int:
        """write(2)."""
        with self._call("write", fd=whole("fd", fd), nbytes=len(octets(data))) as span:
            span.outcome = readwrite.do_write(self.task, self._machine, self.task.files.fdget(fd), bytes(data), None)
            return span.outcome

    def pread(self, fd: int, n: int, offset: int) -> bytes:
        """pread(2)."""
        with self._call("pread", fd=whole("fd", fd), n=u64("n", n), offset=s64("offset", offset)) as span:
            readwrite.offset_ok(offset)
            data = readwrite.do_read(self._machine, self.task.files.fdget(fd), n, offset)
            span.outcome = len(data)
            return data

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        """pwrite(2)."""
        with self._call("pwrite", fd=whole("fd", fd), nbytes=len(octets(data)), offset=s64("offset", offset)) as span:
            readwrite.offset_ok(offset)
            span.outcome = readwrite.do_write(self.task, self._machine, self.task.files.fdget(fd), bytes(data), offset)
            return span.outcome

    def lseek(self, fd: int, offset: int, whence: int = SEEK_SET) -> int:
        """lseek(2)."""
        args = {"fd": whole("fd", fd), "offset": s64("offset", offset), "whence": whole("whence", whence)}
        with self._call("lseek", **args) as span:
            span.outcome = readwrite.do_lseek(self.task.files.fdget(fd), offset, c_int("whence", whence))
            return span.outcome

    def ftruncate(self, fd: int, length: int) -> None:
        """ftruncate(2)."""
        with self._call("ftruncate", fd=whole("fd", fd), length=s64("length", length)):
            readwrite.length_ok(length)
            readwrite.do_ftruncate(self.task, self._machine, self.task.files.fdget(fd), length)

    def fsync(self, fd: int) -> None:
        """fsync(2)."""
        with self._call("fsync", fd=whole("fd", fd)):
            readwrite.do_fsync(self._machine, self.task.files.fdget(fd))

    def fstat(self, fd: int) -> Stat:
        """fstat(2)."""
        with self._call("fstat", fd=whole("fd", fd)) as span:
            span.outcome = readwrite.do_fstat(self.task.files.fdget_raw(fd))
            return span.outcome

    def unlink(self, path: str) -> None:
        """unlink(2)."""
        with self._call("unlink", path=text(path)):
            namei.do_unlink(self._files, path)

    # ---- memory

    def mmap(self, addr: int, length: int, prot: int, flags: int, fd: int = -1, offset: int = 0) -> int:
        """mmap(2). A descriptor that is not open is EBADF, but only where a file is to be mapped."""
        args = {"addr": u64("addr", addr), "length": u64("length", length), "prot": whole("prot", prot)}
        args |= {"flags": whole("flags", flags), "fd": whole("fd", fd), "offset": s64("offset", offset)}
        with self._call("mmap", **args) as span:
            span.outcome = mmap.ksys_mmap_pgoff(self.task, self._files, addr, length, prot, flags, fd, offset)
            return span.outcome

    def munmap(self, addr: int, length: int) -> None:
        """munmap(2)."""
        with self._call("munmap", addr=u64("addr", addr), length=u64("length", length)):
            mmap.do_munmap(self.task, addr, length)

    def mprotect(self, addr: int, length: int, prot: int) -> None:
        """mprotect(2)."""
        with self._call("mprotect", addr=u64("addr", addr), length=u64("length", length), prot=whole("prot", prot)):
            mprotect.do_mprotect(self.task, addr, length, prot)

    def mremap(self, old_address: int, old_size: int, new_size: int, flags: int = 0, new_address: int = 0) -> int:
        """mremap(2)."""
        sizes = {"old_size": u64("old_size", old_size), "new_size": u64("new_size", new_size)}
        places = {"old_address": u64("old_address", old_address), "new_address": u64("new_address", new_address)}
        with self._call("mremap", **places, **sizes, flags=whole("flags", flags)) as span:
            span.outcome = mremap.do_mremap(self.task, old_address, old_size, new_size, flags, new_address)
            return span.outcome

    def msync(self, addr: int, length: int, flags: int) -> None:
        """msync(2)."""
        with self._call("msync", addr=u64("addr", addr), length=u64("length", length), flags=whole("flags", flags)):
            self._machine.slots.do_msync(self.task, addr, length, c_int("flags", flags))

    def madvise(self, addr: int, length: int, advice: int) -> None:
        """madvise(2)."""
        with self._call(
            "madvise", addr=u64("addr", addr), length=u64("length", length), advice=whole("advice", advice)
        ):
            madvise.do_madvise(self.task, addr, length, c_int("advice", advice))

    def mincore(self, addr: int, length: int) -> list[bool]:
        """mincore(2)."""
        with self._call("mincore", addr=u64("addr", addr), length=u64("length", length)) as span:
            answer = msync.do_mincore(self.task, addr, length)
            span.outcome = f"{sum(answer)} of {len(answer)} pages"
            return answer

    def mlock(self, addr: int, length: int) -> None:
        """mlock(2)."""
        with self._call("mlock", addr=u64("addr", addr), length=u64("length", length)):
            mlock.do_mlock(self.task, addr, length)

    def munlock(self, addr: int, length: int) -> None:
        """munlock(2)."""
        with self._call("munlock", addr=u64("addr", addr), length=u64("length", length)):
            mlock.do_munlock(self.task, addr, length)

    def brk(self, addr: int) -> int:
        """The raw brk system call."""
        with self._call("brk", addr=u64("addr", addr)) as span:
            span.outcome = brk.do_brk(self.task, addr)
            return span.outcome

    def setrlimit(self, resource: int, limit: int) -> None:
        """setrlimit(2): the soft limit."""
        with self._call("setrlimit", resource=whole("resource", resource), limit=u64("limit", limit)):
            rlimit.do_prlimit(self.task, self._machine.config, c_int("resource", resource), limit)

    # ---- the program's own accesses

    def load(self, addr: int, n: int = 1) -> bytes:
        """Load `n` bytes; raises SegmentationFault or BusError at the first that Linux would refuse."""
        if whole("n", n) < 0:
            raise ValueError(f"load of {n} bytes: give a number that is not negative")
        try:
            return cpu.load(self.task, u64("addr", addr), n)
        finally:
            self._check()

    def touch(self, addr: int, length: int, step: int = PAGE_SIZE) -> None:
        """Load one byte in every `step` bytes of [addr, addr + length), in order; the bytes are not returned.

        Where nobody records (`Kernel(record=False)`), many alike pages are done at once (bulk.py), with the same end.
        Raises ValueError, SegmentationFault, BusError.
        """
        if whole("step", step) < 1 or u64("addr", addr) + u64("length", length) > U64:
            raise ValueError(f"touch({addr:#x}, {length:#x}, {step}): give a step from 1 and a range below 2**64")
        try:
            cpu.touch(self.task, addr, length, step)
        finally:
            self._check()

    def store(self, addr: int, data: bytes) -> None:
        """Store bytes; raises SegmentationFault or BusError at the first that Linux would refuse."""
        try:
            cpu.store(self.task, u64("addr", addr), octets(data))
        finally:
            self._check()

    def execute(self, addr: int) -> None:
        """Fetch one instruction; raises SegmentationFault or BusError."""
        try:
            cpu.execute(self.task, u64("addr", addr))
        finally:
            self._check()

    # ---- the process

    def fork(self) -> Process:
        """fork(2). Of the threads, the child has only the one that calls."""
        with self._call("fork") as span:
            child = self._calls.fork(self.task)
            span.outcome = child.pid
            return child

    def clone_thread(self) -> Process:
        """Start one more thread of this process and return it: clone(2) with CLONE_VM, CLONE_FILES, CLONE_THREAD.

        The thread shares address space, descriptors and limits; it has its own `pid` (gettid(2)) and runs on the next
        processor. On the simulated kernel only.
        """
        with self._call("clone_thread") as span:
            thread = self._calls.clone_thread(self.task)
            span.outcome = thread.pid
            return thread

    def exit(self, status: int = 0) -> None:
        """_exit(2), which ends the process with all its threads. A thread of `clone_thread` ends only itself: exit(2).

        See `exit_group` for the call by which such a thread ends all.
        """
        first = self.pid == self.task.tgid
        with self._call("exit", status=whole("status", status)):
            end = self._calls.exit_group if first else self._calls.exit
            end(self.task)

    def exit_group(self, status: int = 0) -> None:
        """exit_group(2): end the process with all its threads. On the simulated kernel only."""
        with self._call("exit_group", status=whole("status", status)):
            self._calls.exit_group(self.task)

    def maps(self) -> list[MapsEntry]:
        """The areas, as /proc/PID/maps shows them."""
        mm = mm_of(self.task)
        return [_maps_entry(mm, vma) for vma in mm.areas]

    def faults(self) -> FaultCounts:
        """The page faults since the process began, of all its threads: getrusage(2) with RUSAGE_SELF."""
        mm_of(self.task)
        counts, tgid = self._machine.trace.fault_counts, self.task.tgid
        return FaultCounts(counts[tgid, "minor"], counts[tgid, "major"])


def _maps_entry(mm: MmStruct, vma: VmArea) -> MapsEntry:
    if vma.vm_file is not None:
        path = vma.vm_file.f_inode.name
        return MapsEntry(vma.vm_start, vma.vm_end, vma.perms, vma.vm_pgoff * PAGE_SIZE, path)
    heap = vma.vm_start < mm.brk and vma.vm_end > mm.start_brk  # vma_is_initial_heap
    return MapsEntry(vma.vm_start, vma.vm_end, vma.perms, 0, "[heap]" if heap else "")
