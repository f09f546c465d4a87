"""Programs without end and without sense: each has an error in words, and the notebook and its kernel live on."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mmaplab.constants import Map, Open, Prot, Rlimit
from mmaplab.endless import EndlessProgram
from mmaplab.interface import Process
from mmaplab.real import LinuxKernel, WorkerDied
from mmaplab.real.process import LinuxProcess
from mmaplab.sim import Kernel, KernelConfig
from mmaplab.twin import twin

pytestmark = pytest.mark.live
PAGE = 4096
RW = Prot.PROT_READ | Prot.PROT_WRITE
ANON = Map.MAP_PRIVATE | Map.MAP_ANONYMOUS


def without_end(call: Callable[[], object]) -> None:
    """Repeat a call for ever."""
    while True:
        call()


def test_address_space_without_end(p: LinuxProcess) -> None:
    with pytest.raises(OSError, match="mmap: Cannot allocate memory"):
        without_end(lambda: p.mmap(0, 1 << 40, RW, ANON | Map.MAP_NORESERVE))
    assert p.load(p.maps()[0].start) == b"\0"


def test_areas_without_end() -> None:
    """Every second page is another area; the kernel counts them: max_map_count."""
    at = itertools.count(0x100_0000_0000, 2 * PAGE)
    with LinuxKernel() as kernel:
        if kernel.executor == "python":
            pytest.skip("the interpreter needs areas of its own: it ends first, with WorkerDied, and slowly")
        p = kernel.spawn()
        with pytest.raises(OSError, match="mmap: Cannot allocate memory"):
            without_end(lambda: p.mmap(next(at), PAGE, RW, ANON | Map.MAP_FIXED))
        assert len(p.maps()) > 60_000


def test_memory_under_a_limit(p: LinuxProcess) -> None:
    p.setrlimit(Rlimit.RLIMIT_AS, 64 * PAGE)
    with pytest.raises(OSError, match="mmap: Cannot allocate memory"):
        without_end(lambda: p.mmap(0, 16 * PAGE, RW, ANON))
    assert sum(area.end - area.start for area in p.maps()) == 64 * PAGE


def test_where_memory_runs_out_the_notebook_is_not_the_first_to_go(p: LinuxProcess) -> None:
    """Nobody should fill this machine to prove it: the kernel ends what has the highest oom_score_adj first."""
    child = p.fork()
    for process in (p, child):
        assert Path(f"/proc/{process.pid}/oom_score_adj").read_text() == "1000\n"
    assert Path("/proc/self/oom_score_adj").read_text() != "1000\n"
    child.exit()


def test_descriptors_without_end(p: LinuxProcess) -> None:
    p.setrlimit(Rlimit.RLIMIT_NOFILE, 400)
    fd = p.open("opened-often", Open.O_RDWR | Open.O_CREAT)
    with pytest.raises(OSError, match="dup: Too many open files"):
        without_end(lambda: p.dup(fd))
    p.close(fd)
    assert p.open("opened-often") == fd


def test_forks_at_the_limit_of_descriptors() -> None:
    """The Python worker needs one for its child."""
    with LinuxKernel(executor="python") as kernel:
        p = kernel.spawn()
        p.setrlimit(Rlimit.RLIMIT_NOFILE, 300)
        fd = p.open("opened-often", Open.O_RDWR | Open.O_CREAT)
        with pytest.raises(OSError, match="Too many open files"):
            without_end(lambda: p.dup(fd))
        with pytest.raises(OSError, match="fork: Too many open files"):
            p.fork()
        for used in range(fd + 1, 300):
            with contextlib.suppress(OSError):
                p.close(used)
        assert p.fork().dup(fd) == fd + 1


def test_every_descriptor_is_closed(p: LinuxProcess) -> None:
    """Also those that a worker would need: it is not reached by a descriptor of the program."""
    for fd in range(1024):
        with pytest.raises(OSError, match="Bad file descriptor"):
            p.close(fd)
    assert p.open("still-opened", Open.O_RDWR | Open.O_CREAT) == 3


def test_every_address_is_unmapped(kernel: LinuxKernel) -> None:
    p = kernel.spawn()
    p.mmap(0, PAGE, RW, ANON)
    p.munmap(0, (1 << 47) - PAGE)
    assert p.maps() == []
    assert p.load(p.mmap(0, PAGE, RW, ANON)) == b"\0"


def test_a_process_that_is_told_to_end_twice(p: LinuxProcess) -> None:
    p.exit(3)
    for call in (p.exit, p.maps, lambda: p.brk(0), lambda: p.load(0), p.fork, p.faults):
        with pytest.raises(ProcessLookupError, match=f"{p.pid} has ended"):
            call()


def test_a_child_outlives_its_parent(kernel: LinuxKernel) -> None:
    p = kernel.spawn()
    a = p.mmap(0, PAGE, RW, ANON)
    p.store(a, b"inherited")
    child = p.fork()
    p.exit()
    assert child.load(a, 9) == b"inherited"
    assert child.fork().load(a, 9) == b"inherited"


def test_a_program_without_end_is_stopped_on_both_kernels(kernel: LinuxKernel) -> None:
    simulator = Kernel(KernelConfig())
    with pytest.raises(EndlessProgram):
        twin(lambda p: without_end(lambda: p.brk(0)), simulator, kernel, max_steps=50)
    begin = time.monotonic()
    with pytest.raises(EndlessProgram):
        twin(lambda p: without_end(lambda: p.brk(0)), simulator, kernel, max_seconds=0.2, max_steps=10**9)
    assert time.monotonic() - begin < 30
    assert kernel.spawn().maps() == []


def test_the_process_of_a_twin_is_killed_by_somebody(kernel: LinuxKernel) -> None:
    def program(p: Process) -> None:
        p.brk(0)
        os.kill([*kernel._executor.shared.workers][-1], signal.SIGKILL)  # type: ignore[attr-defined]
        p.brk(0)

    with pytest.raises(WorkerDied, match="has ended by itself"):
        twin(program, Kernel(), kernel)
    assert kernel.spawn().maps() == []
