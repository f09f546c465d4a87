"""The live Linux kernel, with the interface of the simulated one.

    with LinuxKernel() as kernel:
        kernel.create_file("data.bin", b"x" * 8192, warm=True)
        p = kernel.spawn()                      a real process, empty but for its worker
        a = p.mmap(0, 8192, PROT_READ, MAP_SHARED, p.open("data.bin"))
        p.load(a)                               a real page fault
        p.maps(), p.faults()                    what /proc says of it

On x86-64 a process is machine code in an emptied address space, and every observable is the program's own. Elsewhere,
and with executor="python", a Python process does the same calls among areas of its own: results, errors and signals
are as exact, addresses and fault counts are the worker's business too.
"""

from __future__ import annotations

import errno
import os
import weakref
from pathlib import Path
from typing import Protocol, Self

from mmaplab.arguments import octets
from mmaplab.constants import MOST_FILE_BYTES, PAGE_SIZE
from mmaplab.lab import NotAvailable
from mmaplab.real import files, libc
from mmaplab.real.arguments import existing_name, plain_name
from mmaplab.real.executors import NativeExecutor, ScriptedExecutor
from mmaplab.real.interrupts import uninterrupted
from mmaplab.real.process import LinuxProcess
from mmaplab.real.worker import Worker, WorkerDied, WorkerHung

MOST_SECONDS = 1_000_000
"""No call waits longer."""


class Executor(Protocol):
    """What makes processes: `NativeExecutor` or `ScriptedExecutor`."""

    name: str
    mmap_base: int

    def spawn(self) -> Worker:
        """Return the worker of a new process."""

    def close(self) -> None:
        """End every process."""


class LinuxKernel:
    """The kernel of this machine. Raises NotAvailable where it is no Linux, OSError where no file can be made.

    `directory` is where the private directory of its files is made, by default on a disk; "/dev/shm" is a tmpfs.
    `executor` is "machine code" or "python", by default the best that works (MMAPLAB_EXECUTOR chooses, too).
    `time_limit` is how many seconds one call may take.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        *,
        executor: str | None = None,
        time_limit: float = 10.0,
    ) -> None:
        libc.require_linux()
        if os.sysconf("SC_PAGE_SIZE") != PAGE_SIZE:
            size = os.sysconf("SC_PAGE_SIZE")
            raise NotAvailable(f"pages have {size} bytes here: the course's live half needs pages of {PAGE_SIZE}")
        if (
            isinstance(time_limit, bool)
            or not isinstance(time_limit, (int, float))
            or not 0 < time_limit <= MOST_SECONDS
        ):
            raise ValueError(f"time_limit is {time_limit!r}: give seconds, more than 0 and at most {MOST_SECONDS:,}")
        with uninterrupted():
            self._begin(directory, executor or os.environ.get("MMAPLAB_EXECUTOR"), time_limit)

    def _begin(self, directory: str | os.PathLike[str] | None, executor: str | None, time_limit: float) -> None:
        self.directory, self._lock = files.make_directory(directory)
        """Where the files are: a path of the host, removed by `close`."""
        self._finalizer = weakref.finalize(self, _remove, os.getpid(), self.directory, self._lock, None)
        self.file_system = _model_name(files.file_system_of(self.directory).fs_type)
        """"ext4" or "tmpfs" where it is one of them, else the name that Linux gives it."""
        self._executor = _executor(executor, self.directory, time_limit)
        self._finalizer.detach()
        self._finalizer = weakref.finalize(self, _remove, os.getpid(), self.directory, self._lock, self._executor)

    @property
    def executor(self) -> str:
        """Which worker its processes have: "machine code" or "python"."""
        return self._executor.name

    @property
    def mmap_base(self) -> int:
        """Un-hinted mappings of its processes go below this address."""
        return self._executor.mmap_base

    @property
    def page_size(self) -> int:
        """Bytes in a page."""
        return PAGE_SIZE

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = f"{self.file_system} in {self.directory}" if self._finalizer.alive else "closed"
        return f"<live Linux {os.uname().release}, {state}, {self.executor} worker>"

    def path(self, name: str) -> str:
        """Return the host's path of a file of this kernel."""
        return f"{self.directory}/{plain_name(name)}"

    def create_file(self, path: str, data: bytes = b"", warm: bool = False) -> None:
        """Make a regular file, on the disk and out of the page cache, or (`warm`) cached in single pages.

        Raises FileExistsError, ValueError for a name that is no plain name, OSError where the disk is full.
        """
        self._check_open()
        where = self.path(path)
        files.write_file(where, octets(data))
        if not warm:
            files.drop_pages(where)

    def spawn(self) -> LinuxProcess:
        """Return a new process with an empty descriptor table. Raises OSError, WorkerDied."""
        self._check_open()
        with uninterrupted():
            return LinuxProcess(self._executor.spawn(), self.mmap_base, self)

    def file_bytes(self, path: str) -> bytes:
        """Return what a fresh read of the whole file returns now; pages that this brings in are dropped again.

        One thing stays: a page that the cache held, but not as valid (of a cold file that was cut within it), is valid
        and resident now, and dirty, so that it cannot be dropped. Raises FileNotFoundError, and ValueError for more
        than a GiB: pread reads a part.
        """
        where = self._existing(path)
        size = Path(where).stat().st_size
        if size > MOST_FILE_BYTES:
            raise ValueError(f"the file {path!r} has {size:,} bytes: at most {MOST_FILE_BYTES:,} are returned at once")
        return files.read_untraced(where)

    def drop_caches(self, path: str) -> None:
        """Write the file's dirty pages back, then drop its clean, unmapped pages from the page cache."""
        files.drop_pages(self._existing(path))

    def residency(self, path: str, settle: bool = False) -> list[bool]:
        """Return for each page of a file whether the page cache holds it, asked from outside its processes.

        `settle` waits until readahead has come to rest.
        """
        return files.file_residency(self._existing(path), settle)

    def close(self) -> None:
        """End every process and remove every file; a second time does nothing."""
        self._finalizer()

    def _existing(self, path: str) -> str:
        self._check_open()
        existing_name(path)
        where = f"{self.directory}/{path}"
        if not Path(where).is_file():
            raise FileNotFoundError(errno.ENOENT, f"no file has the name {path!r}", path)
        return where

    def _check_open(self) -> None:
        if not self._finalizer.alive:
            raise ValueError("this live kernel is closed: make a new one with LinuxKernel()")
        if not Path(self.directory).is_dir():
            raise FileNotFoundError(
                errno.ENOENT,
                f"somebody removed {self.directory!r}, where this live kernel's files were: make a new one",
            )


def _executor(name: str | None, directory: str, time_limit: float) -> Executor:
    """Return the executor of a name, or (None) the best that works here; raises NotAvailable, ValueError."""
    if name not in (None, "", "machine code", "native", "python"):
        raise ValueError(f"executor is {name!r}: give 'machine code', 'python' or None")
    if name != "python":
        try:
            return NativeExecutor(directory, time_limit)
        except (NotAvailable, OSError, WorkerDied, WorkerHung):
            if name:
                raise
    return ScriptedExecutor(directory, time_limit)


def _remove(owner: int, directory: str, lock: int, executor: Executor | None) -> None:
    """Close a kernel: run by close(), when the object is forgotten, and when Python ends; never in a forked copy.

    Ctrl-C may come before it is made to wait: then this begins anew, for at Python's end nobody else would.
    """
    begun = os.getpid() != owner
    while not begun:
        try:
            with uninterrupted():
                begun = True
                _end(directory, lock, executor)
        except KeyboardInterrupt:
            if begun:
                raise


def _end(directory: str, lock: int, executor: Executor | None) -> None:
    try:
        if executor:
            executor.close()
    finally:
        files.remove_directory(directory, lock)


def _model_name(fs_type: str) -> str:
    """Return the file system of the model that behaves as this one, or its own name."""
    return {"ramfs": "tmpfs", "ext3": "ext4", "ext2": "ext4"}.get(fs_type, fs_type)
