"""Threads: several tasks in one address space."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmaplab.constants import (
    MADV_DONTNEED,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_PRIVATE,
    MAP_SHARED,
    O_RDWR,
    PROT_READ,
    PROT_WRITE,
    RLIMIT_AS,
)
from mmaplab.interface import FatalSignal, FaultCounts, SegmentationFault
from mmaplab.sim import Kernel, KernelConfig, invariants
from mmaplab.sim import events as ev
from mmaplab.sim.process import Process
from mmaplab.views.linked import linked
from mmaplab.views.scene import final
from mmaplab.views.space import space
from tests.sim.conftest import BASE, PAGE
from tests.views.pictures import collisions, outside
from tests.views.test_scene import scene_of

RW = PROT_READ | PROT_WRITE
ANON = MAP_PRIVATE | MAP_ANONYMOUS


def flushes(kernel: Kernel) -> list[tuple[int, str]]:
    """The TLB flushes of the last call: (cpu, why)."""
    return [(r.event.cpu, r.event.why) for r in kernel.trace.last() if isinstance(r.event, ev.TlbFlush)]


# ---------------------------------------------------------------- what is shared, what is not


def test_a_store_of_one_thread_is_loaded_by_the_other_without_a_fault(kernel: Kernel) -> None:
    p = kernel.spawn()
    t = p.clone_thread()
    a = t.mmap(0, PAGE, RW, ANON)
    p.store(a, b"x")
    before = t.faults()
    assert (t.load(a), t.faults()) == (b"x", before)
    assert p.mm is t.mm
    assert p.maps() == t.maps()


def test_a_thread_has_its_own_number_and_its_own_processor(kernel: Kernel) -> None:
    p = kernel.spawn()
    t, other = p.clone_thread(), kernel.spawn()
    assert [p.pid, t.pid, other.pid] == [1, 2, 3]
    assert (p.task.cpu, t.task.cpu, t.task.tgid) == (0, 1, 1)
    assert repr(t) == "<simulated process 1, thread 2>"
    assert kernel.trace.records[-1].event == ev.TaskCreate(3, 3, 0, 3)


def test_threads_of_later_processes_are_spread_over_the_processors() -> None:
    kernel = Kernel(KernelConfig(cpus=4), check=invariants.check)
    kernel.spawn()
    p = kernel.spawn()
    kernel.spawn()
    threads = [p, p.clone_thread(), p.clone_thread(), p.clone_thread()]
    assert sorted(t.task.cpu for t in threads) == [0, 1, 2, 3]


def test_descriptors_and_limits_are_shared(kernel: Kernel) -> None:
    kernel.create_file("f", b"abcd", warm=True)
    p = kernel.spawn()
    t = p.clone_thread()
    fd = t.open("f", O_RDWR)
    assert (p.read(fd, 2), t.read(fd, 2)) == (b"ab", b"cd")
    p.close(fd)
    with pytest.raises(OSError, match="no open descriptor"):
        t.read(fd, 1)
    t.setrlimit(RLIMIT_AS, PAGE)
    with pytest.raises(OSError, match="RLIMIT_AS"):
        p.mmap(0, 2 * PAGE, RW, ANON)


def test_faults_are_counted_for_the_whole_process(kernel: Kernel) -> None:
    p = kernel.spawn()
    t = p.clone_thread()
    a = p.mmap(0, 2 * PAGE, RW, ANON)
    p.store(a, b"x")
    t.store(a + PAGE, b"x")
    assert p.faults() == t.faults() == FaultCounts(2, 0)
    t.exit()
    assert p.faults() == FaultCounts(2, 0)


# ---------------------------------------------------------------- shootdowns


def test_munmap_tells_the_processor_of_the_other_thread(kernel: Kernel) -> None:
    p = kernel.spawn()
    t = p.clone_thread()
    a = p.mmap(0, PAGE, RW, ANON)
    p.store(a, b"x")
    p.munmap(a, PAGE)
    assert flushes(kernel) == [(0, "local")]
    a = p.mmap(0, PAGE, RW, ANON)
    t.store(a, b"x")
    p.munmap(a, PAGE)
    assert flushes(kernel) == [(0, "local"), (1, "shootdown")]
    with pytest.raises(SegmentationFault):
        t.load(a)


def test_mprotect_takes_the_right_away_from_the_other_thread(kernel: Kernel) -> None:
    p = kernel.spawn()
    t = p.clone_thread()
    a = p.mmap(0, PAGE, RW, ANON)
    t.store(a, b"x")
    p.mprotect(a, PAGE, PROT_READ)
    assert (1, "shootdown") in flushes(kernel)
    with pytest.raises(SegmentationFault):
        t.store(a, b"y")
    assert t.load(a) == b"x"


# ---------------------------------------------------------------- fork and exit


def test_a_child_has_one_thread_and_a_parent_that_is_a_process(kernel: Kernel) -> None:
    p = kernel.spawn()
    t = p.clone_thread()
    a = p.mmap(0, PAGE, RW, ANON)
    t.store(a, b"x")
    child = t.fork()
    assert (child.task.parent, child.task.tgid, child.mm.mm_users) == (p.pid, child.pid, 1)
    child.store(a, b"c")
    assert (p.load(a), t.load(a)) == (b"x", b"x")
    child.exit()
    assert t.load(a) == b"x"


def test_the_exit_of_a_thread_ends_only_it(kernel: Kernel) -> None:
    p = kernel.spawn()
    t = p.clone_thread()
    a = t.mmap(0, PAGE, RW, ANON)
    t.store(a, b"x")
    t.exit()
    assert p.load(a) == b"x"
    assert set(kernel.processes) == {p.pid}
    with pytest.raises(ProcessLookupError, match="2 has exited"):
        t.load(a)


@pytest.mark.parametrize("who", ["the process", "a thread"])
def test_exit_group_ends_all_threads(kernel: Kernel, who: str) -> None:
    p = kernel.spawn()
    t, u = p.clone_thread(), p.clone_thread()
    p.store(p.mmap(0, PAGE, RW, ANON), b"x")
    if who == "the process":
        p.exit()
    else:
        t.exit_group()
    ends = [r.event.pid for r in kernel.trace.last() if isinstance(r.event, ev.TaskExit)]
    assert ends == [u.pid, t.pid, p.pid]
    assert (kernel.processes, kernel.memory.used) == ({}, 0)
    for dead in (p, t, u):
        with pytest.raises(ProcessLookupError):
            dead.maps()


def test_the_kernel_can_be_closed_with_threads_alive() -> None:
    with Kernel(check=invariants.check) as kernel:
        p = kernel.spawn()
        p.clone_thread().store(p.mmap(0, PAGE, RW, ANON), b"x")
    assert (kernel.processes, kernel.memory.used) == ({}, 0)


def test_without_memory_the_whole_process_goes() -> None:
    kernel = Kernel(KernelConfig(memory_pages=4), check=invariants.check)
    p, other = kernel.spawn(), kernel.spawn()
    t = p.clone_thread()
    a = p.mmap(0, 8 * PAGE, RW, ANON)
    with pytest.raises(FatalSignal, match="SIGKILL"):
        for i in range(8):
            (p, t)[i % 2].store(a + i * PAGE, b"x")
    assert set(kernel.processes) == {other.pid}
    b = other.mmap(0, PAGE, RW, ANON)
    other.store(b, b"y")
    assert other.load(b) == b"y"


# ---------------------------------------------------------------- events and pictures


def test_the_trace_tells_threads_and_processes_apart(kernel: Kernel) -> None:
    p = kernel.spawn()
    t = p.clone_thread()
    a = p.mmap(0, PAGE, RW, ANON)
    t.store(a, b"x")
    picture = linked(kernel)
    assert "P1 pages" in picture.text
    assert "P2 pages" not in picture.text
    assert "P2 stores" in picture.text
    assert "Address space of P1" in space(kernel, t.pid).title
    created = [r.event for r in kernel.trace.records if isinstance(r.event, ev.TaskCreate)]
    assert created == [ev.TaskCreate(1, 1, 0, 1), ev.TaskCreate(2, 1, 0, 1)]


@dataclass
class Machine:
    """A kernel with the tasks that a random program has made so far."""

    kernel: Kernel
    tasks: list[Process]

    def run(self, action: str, who: int, slot: int) -> None:
        """Let one task do one thing; the dead are forgotten."""
        task, at = self.tasks[who % len(self.tasks)], BASE + slot * PAGE
        fd = min(task.task.files.fds)
        try:
            match action:
                case "fork" | "clone_thread" if len(self.tasks) < 6:
                    self.tasks.append(getattr(task, action)())
                case "exit" | "exit_group" if len({t.task.tgid for t in self.tasks}) > 1:
                    getattr(task, action)()
                case "anon":
                    task.mmap(at, 2 * PAGE, RW, ANON | MAP_FIXED)
                case "file":
                    task.mmap(at, 2 * PAGE, RW, MAP_SHARED | MAP_FIXED, fd)
                case "load" | "store":
                    task.load(at) if action == "load" else task.store(at, b"s")
                case "munmap":
                    task.munmap(at, PAGE)
                case "read only":
                    task.mprotect(at, PAGE, PROT_READ)
                case "forget":
                    task.madvise(at, PAGE, MADV_DONTNEED)
                case "fsync":
                    task.fsync(fd)
        except (OSError, FatalSignal):
            pass
        self.tasks = [t for t in self.tasks if t.task.mm is not None]


ACTIONS = ["anon", "clone_thread", "exit", "exit_group", "file", "forget", "fork", "fsync", "load", "munmap"]
STEPS = st.tuples(st.sampled_from([*ACTIONS, "read only", "store", "store"]), st.integers(0, 5), st.integers(0, 3))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(STEPS, max_size=25))
def test_random_threads_keep_every_invariant_and_fold_to_what_the_kernel_holds(
    steps: list[tuple[str, int, int]],
) -> None:
    kernel = Kernel(check=invariants.check)
    kernel.create_file("f", b"f" * 3 * PAGE, warm=True)
    p = kernel.spawn()
    p.open("f", O_RDWR)
    machine = Machine(kernel, [p])
    for step in steps:
        machine.run(*step)
    folded, real = final(kernel), scene_of(kernel)
    for seen in folded.spaces.values():  # tables are looked at apart
        real.spaces[seen.mm].tables = seen.tables
    assert folded == real
    picture = linked(kernel)
    assert not collisions(picture), picture.text
    assert not outside(picture), picture.text
