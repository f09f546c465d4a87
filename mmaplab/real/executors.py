"""How live processes begin: the first one is made here, and every other one is a fork of it.

Machine code: the first process, the *zygote*, is a copy of the notebook's process that runs `machine_code` and nothing
else. It is told to unmap all that it was born with. So all its forks begin alike: no area, no descriptor but 0 to 2,
no page fault to come but the program's own. Python: the first process is a fresh interpreter.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

from mmaplab.constants import PAGE_SIZE, TASK_SIZE, Map
from mmaplab.lab import NotAvailable
from mmaplab.real.channel import Channel, Region
from mmaplab.real.native import NativeWorker, Shared
from mmaplab.real.scripted import START_BRK, ScriptedWorker
from mmaplab.real.worker import Household, Out, WorkerDied, alive, areas_of

SYNCHRONOUS = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP)
SA_SIGINFO, SA_NODEFER, SA_RESTORER = 0x4, 0x4000_0000, 0x0400_0000
SIG_IGN, SIG_SETMASK = 1, 2
ARCH_GET_FS, PR_SET_CHILD_SUBREAPER, PR_SET_NAME = 0x1003, 36, 15
RSEQ_UNREGISTER, RSEQ_SIGNATURE = 1, 0x5305_3053
WALL = 0x4000_0000
"""__WALL of wait4(2): also children that send no signal when they end."""
CHILD = Path(__file__).with_name("scripted_child.py")
PLUG = Map.MAP_PRIVATE | Map.MAP_ANONYMOUS | Map.MAP_NORESERVE


def _first_to_go(pid: int) -> None:
    """Let a process, and all its forks, be what the kernel ends where memory runs out: rather than the notebook.

    mm/oom_kill.c: oom_badness.
    """
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text("1000")


def _end_group(pid: int) -> None:
    """End the processes of a first process's group that nobody has an account of: whose fork was interrupted."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


class NativeExecutor:
    """Makes native workers; owns the zygote and the memory shared with all of them."""

    name = "machine code"

    def __init__(self, directory: str, time_limit: float) -> None:
        if platform.machine() != "x86_64" or ctypes.sizeof(ctypes.c_void_p) != 8:
            raise NotAvailable(f"the machine-code worker is for x86-64, this is {platform.machine()}")
        self.directory = directory
        self.shared = Shared(time_limit)
        self._children: list[int] = []
        self._begin()

    def _begin(self) -> None:
        try:
            self.zygote = self._start_zygote()
            _first_to_go(self.zygote.pid)
            self.mmap_base = self._empty(self.zygote)
        except BaseException:
            self.close()
            raise

    def spawn(self) -> NativeWorker:
        """Return a new process, a fork of the zygote, which is made anew if it was killed; raises OSError."""
        try:
            return self.zygote.fork()
        except WorkerDied:
            self._begin()
            return self.zygote.fork()

    def close(self) -> None:
        """End every process and wait for the zygote."""
        for worker in list(self.shared.workers.values())[::-1]:  # children first: their parent leaves no zombies
            worker.kill()
        for pid in self._children:
            _end_group(pid)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, WALL)
        self.shared.region.close()

    def _start_zygote(self) -> NativeWorker:
        region = self.shared.region
        channel = Channel(region.take(), alive)
        start = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_uint64)(region.label("start"))
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = start(channel.address)  # no signal may reach the child: Python's handlers are gone there
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if pid < 0:
            raise OSError(-pid, f"clone: {os.strerror(-pid)}")
        channel.pid = pid
        self._children.append(pid)
        return NativeWorker(self.shared, channel)

    def _empty(self, zygote: NativeWorker) -> int:
        """Take everything from the zygote that it inherited; returns its mmap_base, in bytes."""
        zygote.settle()
        _unregister_rseq(zygote)
        _set_signals(zygote, self.shared.region)
        zygote.need("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        zygote.need("prctl", PR_SET_NAME, b"mmaplab live\0", 0, 0, 0)
        _set_descriptors(zygote, self.directory)
        with open(f"/proc/{zygote.pid}/stat", "rb") as file:
            start_brk = int(file.read().rpartition(b")")[2].split()[44])
        zygote.syscall("brk", start_brk)
        for entry in areas_of(zygote.pid):
            if entry.end <= TASK_SIZE and not zygote.is_own(entry.start, entry.end - entry.start):
                zygote.syscall("munmap", entry.start, entry.end - entry.start)
        where = zygote.need("mmap", 0, PAGE_SIZE, 0, Map.MAP_PRIVATE | Map.MAP_ANONYMOUS, -1, 0)
        zygote.need("munmap", where, PAGE_SIZE)
        return where + PAGE_SIZE


def _unregister_rseq(zygote: NativeWorker) -> None:
    """Tell the kernel to forget the restartable-sequence area of the C library; it would kill us for its absence."""
    try:
        at = ctypes.c_ssize_t.in_dll(ctypes.CDLL(None), "__rseq_offset").value
        size = ctypes.c_uint.in_dll(ctypes.CDLL(None), "__rseq_size").value
    except ValueError:
        return  # a C library that registers none
    out = Out(8)
    zygote.need("arch_prctl", ARCH_GET_FS, out)
    address = struct.unpack("Q", out.data)[0] + at
    results = [zygote.syscall("rseq", address, n, RSEQ_UNREGISTER, RSEQ_SIGNATURE) for n in sorted({32, size, 64})]
    if size and 0 not in results:
        raise NotAvailable(f"the C library's rseq area could not be unregistered (errno {-results[0]})")


def _set_signals(zygote: NativeWorker, region: Region) -> None:
    """Install the handler; all other signals stay blocked, and children need no wait."""
    flags = SA_SIGINFO | SA_NODEFER | SA_RESTORER
    action = struct.pack("4Q", region.label("handler"), flags, region.label("restorer"), 0)
    for signo in SYNCHRONOUS:
        zygote.need("rt_sigaction", signo, action, 0, 8)
    ignore = struct.pack("4Q", SIG_IGN, SA_RESTORER, region.label("restorer"), 0)
    zygote.need("rt_sigaction", signal.SIGCHLD, ignore, 0, 8)
    mask = 2**64 - 1
    for signo in SYNCHRONOUS:
        mask &= ~(1 << (signo - 1))
    zygote.need("rt_sigprocmask", SIG_SETMASK, struct.pack("Q", mask), 0, 8)


def _set_descriptors(zygote: NativeWorker, directory: str) -> None:
    """Make 0, 1 and 2 the directory (which can be neither read nor mapped) and close all others."""
    fd = zygote.need("openat", -100, os.fsencode(directory) + b"\0", os.O_PATH | os.O_DIRECTORY, 0)
    for low in range(3):
        if low != fd:
            zygote.need("dup3", fd, low, 0)
    if zygote.syscall("close_range", 3, 2**32 - 1, 0) < 0:
        for entry in Path(f"/proc/{zygote.pid}/fd").iterdir():
            if int(entry.name) > 2:
                zygote.syscall("close", int(entry.name))


class ScriptedExecutor:
    """Makes Python workers, all of them forks of one; owns that one."""

    name = "python"

    def __init__(self, directory: str, time_limit: float) -> None:
        self.directory = directory
        self.shared = Household(time_limit)
        self._children: list[subprocess.Popen[bytes]] = []
        self._begin()

    def _begin(self) -> None:
        ours, theirs = socket.socketpair()
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        environment["PYTHONMALLOC"] = "malloc"
        arguments = [str(theirs.fileno()), self.directory, str(int(self.shared.time_limit) + 5)]
        child = subprocess.Popen(
            [sys.executable, "-S", "-s", "-P", str(CHILD), *arguments],
            pass_fds=[theirs.fileno()],
            process_group=0,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        theirs.close()
        self._children.append(child)
        _first_to_go(child.pid)
        self.zygote = ScriptedWorker(self.shared, ours, child.pid, [], START_BRK)
        try:
            self.zygote.begin()
            self.mmap_base = _plug(self.zygote)
        except BaseException:
            self.close()
            raise

    def spawn(self) -> ScriptedWorker:
        """Return a new process, a fork of the first worker, which is made anew if it was killed; raises OSError."""
        try:
            return self.zygote.fork()
        except WorkerDied:
            self._begin()
            return self.zygote.fork()

    def close(self) -> None:
        """End every process."""
        for worker in list(self.shared.workers.values())[::-1]:  # children first: their parent leaves no zombies
            worker.kill()
        for child in self._children:
            _end_group(child.pid)
            child.wait()


def _plug(zygote: ScriptedWorker) -> int:
    """Fill the gaps between the worker's libraries, so that new mappings go below them all; returns that address."""
    areas = [entry for entry in zygote.all_areas() if entry.end <= TASK_SIZE]
    stack = next((i for i, entry in enumerate(areas) if entry.path == "[stack]"), len(areas))
    gaps = [(areas[i + 1].start - areas[i].end, i) for i in range(stack - 1)]
    _, below = max(gaps)
    base = areas[below + 1].start
    for size, i in gaps[below + 1 :]:
        if size:
            zygote.syscall_untracked("mmap", areas[i].end, size, 0, PLUG | Map.MAP_FIXED_NOREPLACE, -1, 0)
    for _ in range(4096):
        found = zygote.syscall_untracked("mmap", 0, PAGE_SIZE, 0, PLUG, -1, 0)
        if found < base:
            zygote.syscall_untracked("munmap", found, PAGE_SIZE)
            return found + PAGE_SIZE
    return base
