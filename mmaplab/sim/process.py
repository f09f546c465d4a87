"""The process that a program holds: one short method per call, each opening a span.

No logic lives here. A system call's numbers are checked to be numbers; all else is Linux's business, one floor down.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mmaplab.constants import MAP_TYPE, PAGE_SIZE, SEEK_SET, Map, Rlimit
from mmaplab.interface import FaultCounts, MapsEntry, Stat
from mmaplab.sim import cpu, madvise, mmap, mprotect, mremap, readwrite
from mmaplab.sim.events import Syscall
from mmaplab.sim.fault import mm_of
from mmaplab.sim.memory import OutOfMemory
from mmaplab.sim.mm_types import MmStruct, TaskStruct, VmArea
from mmaplab.sim.readwrite import Files
from mmaplab.sim.trace import Span

U64 = 2**64


class Process:
    """A simulated process. See `mmaplab.interface.Process` for the calls; addresses and lengths in bytes."""

    def __init__(
        self,
        task: TaskStruct,
        files: Files,
        do_fork: Callable[[TaskStruct], Process],
        do_exit: Callable[[TaskStruct], None],
        check: Callable[[], None],
    ) -> None:
        self.task = task
        self._files, self._do_fork, self._do_exit = files, do_fork, do_exit
        self._machine = files.machine
        self._check = check

    @property
    def pid(self) -> int:
        """The process's number."""
        return self.task.pid

    @property
    def mm(self) -> MmStruct:
        """The address space, to be looked at; raises ProcessLookupError after exit."""
        return mm_of(self.task)

    def __repr__(self) -> str:
        return f"<simulated process {self.pid}>"

    @contextmanager
    def _call(self, name: str, /, **args: object) -> Iterator[Span]:
        mm_of(self.task)
        self._machine.cpu = self.task.cpu
        try:
            with self._machine.trace.span(Syscall(self.pid, name, tuple(args.items())), self.pid) as span:
                yield span
        except OutOfMemory as error:
            raise OSError(errno.ENOMEM, str(error)) from None
        finally:
            self._check()

    # ---- files

    def open(self, path: str, flags: int = 0, mode: int = 0o644) -> int:
        """open(2)."""
        with self._call("open", path=text(path), flags=whole("flags", flags)) as span:
            span.outcome = readwrite.do_open(self._files, self.task.files, path, flags)
            return span.outcome

    def close(self, fd: int) -> None:
        """close(2)."""
        with self._call("close", fd=whole("fd", fd)):
            self.task.files.close_fd(fd)

    def dup(self, fd: int) -> int:
        """dup(2)."""
        with self._call("dup", fd=whole("fd", fd)) as span:
            span.outcome = self.task.files.fd_install(self.task.files.fdget(fd))
            return span.outcome

    def pipe(self) -> tuple[int, int]:
        """pipe(2)."""
        with self._call("pipe") as span:
            span.outcome = readwrite.do_pipe(self._files, self.task.files)
            return span.outcome

    def memfd_create(self, name: str) -> int:
        """memfd_create(2)."""
        with self._call("memfd_create", name=text(name)) as span:
            span.outcome = readwrite.do_memfd_create(self._files, self.task.files, name)
            return span.outcome

    def read(self, fd: int, n: int) -> bytes:
        """read(2)."""
        with self._call("read", fd=whole("fd", fd), n=whole("n", n)) as span:
            data = readwrite.do_read(self._machine, self.task.files.fdget(fd), n, None)
            span.outcome = len(data)
            return data

    def write(self, fd: int, data: bytes) -> int:
        """write(2)."""
        with self._call("write", fd=whole("fd", fd), nbytes=len(octets(data))) as span:
            span.outcome = readwrite.do_write(self._machine, self.task.files.fdget(fd), bytes(data), None)
            return span.outcome

    def pread(self, fd: int, n: int, offset: int) -> bytes:
        """pread(2)."""
        with self._call("pread", fd=whole("fd", fd), n=whole("n", n), offset=whole("offset", offset)) as span:
            data = readwrite.do_read(self._machine, self.task.files.fdget(fd), n, offset)
            span.outcome = len(data)
            return data

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        """pwrite(2)."""
        with self._call("pwrite", fd=whole("fd", fd), nbytes=len(octets(data)), offset=whole("offset", offset)) as span:
            span.outcome = readwrite.do_write(self._machine, self.task.files.fdget(fd), bytes(data), offset)
            return span.outcome

    def lseek(self, fd: int, offset: int, whence: int = SEEK_SET) -> int:
        """lseek(2)."""
        with self._call("lseek", fd=whole("fd", fd), offset=whole("offset", offset), whence=whence) as span:
            span.outcome = readwrite.do_lseek(self.task.files.fdget(fd), offset, whence)
            return span.outcome

    def ftruncate(self, fd: int, length: int) -> None:
        """ftruncate(2)."""
        with self._call("ftruncate", fd=whole("fd", fd), length=whole("length", length)):
            if length < 0:  # looked at before the descriptor is
                raise mmap.fail(22, f"ftruncate to {length}: a file has no negative size")
            readwrite.do_ftruncate(self._machine, self.task.files.fdget(fd), length)

    def fsync(self, fd: int) -> None:
        """fsync(2)."""
        with self._call("fsync", fd=whole("fd", fd)):
            readwrite.do_fsync(self._machine, self.task.files.fdget(fd))

    def fstat(self, fd: int) -> Stat:
        """fstat(2)."""
        with self._call("fstat", fd=whole("fd", fd)) as span:
            span.outcome = readwrite.do_fstat(self.task.files.fdget(fd))
            return span.outcome

    def unlink(self, path: str) -> None:
        """unlink(2)."""
        with self._call("unlink", path=text(path)):
            readwrite.do_unlink(self._files, path)

    # ---- memory

    def mmap(self, addr: int, length: int, prot: int, flags: int, fd: int = -1, offset: int = 0) -> int:
        """mmap(2). A descriptor that is not open is EBADF, but only where a file is to be mapped."""
        args = {"addr": u64("addr", addr), "length": u64("length", length), "prot": whole("prot", prot)}
        with self._call("mmap", **args, flags=whole("flags", flags), fd=whole("fd", fd), offset=offset) as span:
            if offset % PAGE_SIZE:
                raise mmap.fail(22, f"offset {offset:#x} is not a multiple of the page size")
            file = None if flags & Map.MAP_ANONYMOUS else self.task.files.fdget(fd)
            shm = None
            if file is None and flags & MAP_TYPE == Map.MAP_SHARED:
                shm = self._files.nameless("/dev/zero", mmap.page_align(length))
            span.outcome = mmap.do_mmap(self.task, addr, length, prot, flags, file, offset, shm)
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
        with self._call(
            "mremap", old_address=u64("old_address", old_address), **sizes, flags=flags, new_address=new_address
        ) as span:
            span.outcome = mremap.do_mremap(self.task, old_address, old_size, new_size, flags, new_address)
            return span.outcome

    def msync(self, addr: int, length: int, flags: int) -> None:
        """msync(2)."""
        with self._call("msync", addr=u64("addr", addr), length=u64("length", length), flags=whole("flags", flags)):
            self._machine.slots.do_msync(self.task, addr, length, flags)

    def madvise(self, addr: int, length: int, advice: int) -> None:
        """madvise(2)."""
        with self._call(
            "madvise", addr=u64("addr", addr), length=u64("length", length), advice=whole("advice", advice)
        ):
            madvise.do_madvise(self.task, addr, length, advice)

    def mincore(self, addr: int, length: int) -> list[bool]:
        """mincore(2)."""
        with self._call("mincore", addr=u64("addr", addr), length=u64("length", length)) as span:
            answer = madvise.do_mincore(self.task, addr, length)
            span.outcome = f"{sum(answer)} of {len(answer)} pages"
            return answer

    def mlock(self, addr: int, length: int) -> None:
        """mlock(2)."""
        with self._call("mlock", addr=u64("addr", addr), length=u64("length", length)):
            madvise.do_mlock(self.task, addr, length)

    def munlock(self, addr: int, length: int) -> None:
        """munlock(2)."""
        with self._call("munlock", addr=u64("addr", addr), length=u64("length", length)):
            madvise.do_munlock(self.task, addr, length)

    def brk(self, addr: int) -> int:
        """The raw brk system call."""
        with self._call("brk", addr=u64("addr", addr)) as span:
            span.outcome = mmap.do_brk(self.task, addr)
            return span.outcome

    def setrlimit(self, resource: int, limit: int) -> None:
        """setrlimit(2); RLIMIT_AS, RLIMIT_DATA and RLIMIT_MEMLOCK are known, in bytes."""
        with self._call("setrlimit", resource=whole("resource", resource), limit=u64("limit", limit)):
            if resource not in set(Rlimit):
                raise mmap.fail(22, f"resource {resource}: this model knows RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK")
            self.task.rlimits[resource] = limit

    # ---- the program's own accesses

    def load(self, addr: int, n: int = 1) -> bytes:
        """Load `n` bytes; raises SegmentationFault or BusError at the first that Linux would refuse."""
        if whole("n", n) < 0:
            raise ValueError(f"load of {n} bytes: give a number that is not negative")
        try:
            return cpu.load(self.task, u64("addr", addr), n)
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
        """fork(2)."""
        with self._call("fork") as span:
            child = self._do_fork(self.task)
            span.outcome = child.pid
            return child

    def exit(self, status: int = 0) -> None:
        """_exit(2)."""
        with self._call("exit", status=whole("status", status)):
            self._do_exit(self.task)

    def maps(self) -> list[MapsEntry]:
        """The areas, as /proc/PID/maps shows them."""
        mm = mm_of(self.task)
        return [_maps_entry(mm, vma) for vma in mm.areas]

    def faults(self) -> FaultCounts:
        """The page faults since the process began, as getrusage(2) tells them."""
        mm_of(self.task)
        counts = self._machine.trace.fault_counts
        return FaultCounts(counts[self.pid, "minor"], counts[self.pid, "major"])


def _maps_entry(mm: MmStruct, vma: VmArea) -> MapsEntry:
    if vma.vm_file is not None:
        path = vma.vm_file.f_inode.name
        return MapsEntry(vma.vm_start, vma.vm_end, vma.perms, vma.vm_pgoff * PAGE_SIZE, path)
    heap = vma.vm_start < mm.brk and vma.vm_end > mm.start_brk  # vma_is_initial_heap
    return MapsEntry(vma.vm_start, vma.vm_end, vma.perms, 0, "[heap]" if heap else "")


# ---------------------------------------------------------------- arguments


def whole(name: str, value: int) -> int:
    """Return a number; raises TypeError for anything else."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}: give a whole number")
    return value


def u64(name: str, value: int) -> int:
    """Return an unsigned 64-bit number; raises TypeError, or ValueError outside 0 to 2**64 - 1."""
    if not 0 <= whole(name, value) < U64:
        raise ValueError(f"{name} is {value}: give 0 to 2**64 - 1 (a C caller's -1 arrives as 2**64 - 1)")
    return value


def text(value: str) -> str:
    """Return a file's name; raises TypeError, or ValueError for one with a zero byte."""
    if not isinstance(value, str):
        raise TypeError(f"the name of a file is {value!r}: give a string")
    if "\0" in value:
        raise ValueError(f"the name {value!r} holds a zero byte")
    return value


def octets(value: bytes) -> bytes:
    """Return bytes; raises TypeError for anything that is not bytes-like."""
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(f"data is {value!r}: give bytes, for example b'x'")
    return bytes(value)
