"""Random calls of several processes on several files, every invariant checked after each; a failure is a program.

hypothesis chooses the calls and shortens a failing run. What it ends with is printed as a Python program that can be
run by itself: `kernel` is given, and the last line fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from mmaplab.constants import (
    MADV_DONTNEED,
    MADV_WILLNEED,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_PRIVATE,
    MAP_SHARED,
    MS_SYNC,
    O_CREAT,
    O_RDWR,
    PAGE_SIZE,
    PROT_READ,
    PROT_WRITE,
)
from mmaplab.interface import FatalSignal
from mmaplab.sim import Kernel, KernelConfig, invariants
from mmaplab.sim.mm_types import VmArea

ARENA = 0x1000_0000
PAGES, NAMES = 5, ("f", "g")
"""So few pages that areas, accesses and calls meet."""
page = st.integers(0, PAGES - 1)
length = st.integers(1, 5)
prot = st.sampled_from((PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ, 0))
pids = st.integers(0, 3)


def kernel_of(**slots: Callable[..., Any]) -> Kernel:
    """Return the kernel that a printed program begins with."""
    kernel = Kernel(KernelConfig(memory_pages=400), check=invariants.check, **slots)
    for name in NAMES:
        kernel.create_file(name, b"word" * 1024 * 5, warm=name == "f")
    return kernel


class Calls(RuleBasedStateMachine):
    """Each rule makes one call, as a line of text that is run."""

    slots: ClassVar[dict[str, Callable[..., Any]]] = {}

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.names: dict[str, Any] = {"kernel": kernel_of(**self.slots)}
        self.count = 0
        self.alive: list[str] = []
        self.spawn()

    def run(self, line: str) -> None:
        """Run one line; an errno or a signal is an answer, all else fails with the program that led to it."""
        self.lines.append(line)
        try:
            exec(line, self.names)
            invariants.check(self.names["kernel"])
        except (OSError, FatalSignal):
            return
        except Exception as error:
            raise AssertionError(f"{error}\n\nthe program:\n" + "\n".join(self.lines)) from error

    def who(self, number: int) -> str:
        """Return the name of a living process."""
        return self.alive[number % len(self.alive)]

    @rule()
    @precondition(lambda self: len(self.alive) < 4)
    def spawn(self) -> None:
        name, self.count = f"p{self.count}", self.count + 1
        self.run(f"{name} = kernel.spawn()")
        for i, path in enumerate(NAMES):
            self.run(f"{name}.open({path!r}, {O_RDWR | O_CREAT})  # descriptor {3 + i}")
        self.alive.append(name)

    @rule(number=pids)
    @precondition(lambda self: len(self.alive) < 4)
    def fork(self, number: int) -> None:
        name, self.count = f"p{self.count}", self.count + 1
        self.run(f"{name} = {self.who(number)}.fork()")
        if name in self.names:
            self.alive.append(name)

    @rule(number=pids)
    @precondition(lambda self: len(self.alive) > 1)
    def exit(self, number: int) -> None:
        name = self.who(number)
        self.alive.remove(name)
        self.run(f"{name}.exit()")

    @rule(number=pids, at=page, n=length, rights=prot, shared=st.booleans(), fd=st.sampled_from((-1, 3, 4)), first=page)
    def mmap(self, number: int, at: int, n: int, rights: int, shared: bool, fd: int, first: int) -> None:
        flags = (MAP_SHARED if shared else MAP_PRIVATE) | MAP_FIXED | (MAP_ANONYMOUS if fd < 0 else 0)
        addr, size = ARENA + at * PAGE_SIZE, n * PAGE_SIZE
        self.run(f"{self.who(number)}.mmap({addr:#x}, {size}, {rights}, {int(flags):#x}, {fd}, {first * PAGE_SIZE})")

    @rule(number=pids, at=page, n=length, call=st.sampled_from(("munmap", "mlock", "munlock", "mincore")))
    def range_call(self, number: int, at: int, n: int, call: str) -> None:
        self.run(f"{self.who(number)}.{call}({ARENA + at * PAGE_SIZE:#x}, {n * PAGE_SIZE})")

    @rule(number=pids, at=page, n=length, rights=prot)
    def mprotect(self, number: int, at: int, n: int, rights: int) -> None:
        self.run(f"{self.who(number)}.mprotect({ARENA + at * PAGE_SIZE:#x}, {n * PAGE_SIZE}, {rights})")

    @rule(number=pids, at=page, n=length, advice=st.sampled_from((MADV_DONTNEED, MADV_WILLNEED)))
    def madvise(self, number: int, at: int, n: int, advice: int) -> None:
        self.run(f"{self.who(number)}.madvise({ARENA + at * PAGE_SIZE:#x}, {n * PAGE_SIZE}, {int(advice)})")

    @rule(number=pids, at=page, n=length, more=length, to=page)
    def mremap(self, number: int, at: int, n: int, more: int, to: int) -> None:
        old, new = ARENA + at * PAGE_SIZE, ARENA + to * PAGE_SIZE
        self.run(f"{self.who(number)}.mremap({old:#x}, {n * PAGE_SIZE}, {more * PAGE_SIZE}, 3, {new:#x})")

    @rule(number=pids, at=page)
    def load(self, number: int, at: int) -> None:
        self.run(f"{self.who(number)}.load({ARENA + at * PAGE_SIZE:#x}, 8)")

    @rule(number=pids, at=page, byte=st.sampled_from((b"a", b"b")))
    def store(self, number: int, at: int, byte: bytes) -> None:
        self.run(f"{self.who(number)}.store({ARENA + at * PAGE_SIZE:#x}, {byte!r})")

    @rule(number=pids, fd=st.sampled_from((3, 4)), size=st.integers(0, 6 * PAGE_SIZE))
    def ftruncate(self, number: int, fd: int, size: int) -> None:
        self.run(f"{self.who(number)}.ftruncate({fd}, {size})")

    @rule(number=pids, fd=st.sampled_from((3, 4)), at=st.integers(0, 5 * PAGE_SIZE), n=st.integers(1, 9000))
    def read_and_write(self, number: int, fd: int, at: int, n: int) -> None:
        self.run(f"{self.who(number)}.pread({fd}, {n}, {at})")
        self.run(f"{self.who(number)}.pwrite({fd}, b'w' * {n % 5000}, {at})")

    @rule(number=pids, at=page, n=length)
    def msync(self, number: int, at: int, n: int) -> None:
        self.run(f"{self.who(number)}.msync({ARENA + at * PAGE_SIZE:#x}, {n * PAGE_SIZE}, {int(MS_SYNC)})")

    @rule(seconds=st.sampled_from((1, 6, 40)))
    def tick(self, seconds: int) -> None:
        self.run(f"kernel.tick({seconds})")

    @rule(name=st.sampled_from(NAMES))
    def drop_caches(self, name: str) -> None:
        self.run(f"kernel.drop_caches({name!r})")

    @rule()
    def power_failure(self) -> None:
        self.run("kernel.power_failure()")


QUICK = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


def test_no_call_breaks_an_invariant() -> None:
    run_state_machine_as_test(Calls, settings=QUICK)


def forgetful(vma: VmArea, start: int, end: int) -> None:
    """Take no entry away: a zap_page_range that does nothing."""


class Forgetful(Calls):
    """The machine on a kernel whose munmap leaves the entries behind."""

    slots: ClassVar[dict[str, Callable[..., Any]]] = {"zap_page_range": forgetful}


def test_a_failing_run_is_printed_as_a_short_program() -> None:
    quick = settings(QUICK, phases=(Phase.generate, Phase.shrink))
    with pytest.raises(AssertionError, match="the program:") as told:
        run_state_machine_as_test(Forgetful, settings=quick)
    lines = str(told.value).split("the program:\n")[1].split("\n")
    calls = [line for line in lines if not re.match(r"p\d+\.open", line)]
    assert len(calls) <= 5, lines

    names = {"kernel": kernel_of(zap_page_range=forgetful)}
    with pytest.raises(AssertionError):  # the program alone fails again
        for line in lines:
            with suppress(OSError, FatalSignal):
                exec(line, names)
