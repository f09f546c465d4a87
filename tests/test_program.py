"""Recording a program: the log, its names, and the program that is made of it."""

from __future__ import annotations

from contextlib import suppress

import pytest

from mmaplab.constants import MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, O_RDWR, PROT_READ, PROT_WRITE
from mmaplab.freedoms import outcome_key
from mmaplab.interface import FaultCounts, Process, Program, SegmentationFault
from mmaplab.program import EndlessProgram, Log, record
from mmaplab.sim import Kernel

RW = PROT_READ | PROT_WRITE
ANON = MAP_PRIVATE | MAP_ANONYMOUS


def logged(program: Program, **options: object) -> Log:
    with Kernel() as kernel:
        return record(program, kernel, **options)  # type: ignore[arg-type]


def calls_of(log: Log) -> list[str]:
    return [str(step.call) for step in log]


def two_areas(p: Process) -> None:
    a = p.mmap(0, 0x2000, RW, ANON)
    b = p.mmap(0, 0x1000, PROT_READ, MAP_SHARED | MAP_ANONYMOUS)
    p.store(a + 0x1001, b"x")
    p.load(b, 2)
    p.mmap(a, 0x1000, PROT_READ, ANON | MAP_FIXED)
    p.munmap(a, 0x2000)


def test_addresses_have_names() -> None:
    assert calls_of(logged(two_areas)) == [
        "a = p.mmap(0, 0x2000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS)",
        "b = p.mmap(0, 0x1000, PROT_READ, MAP_SHARED | MAP_ANONYMOUS)",
        "p.store(a+0x1001, b'x')",
        "p.load(b, 2)",
        "p.mmap(a, 0x1000, PROT_READ, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS)",
        "p.munmap(a, 0x2000)",
    ]


def test_each_step_counts_its_faults() -> None:
    log = logged(two_areas)
    assert [step.faults for step in log][2] == FaultCounts(1, 0)
    assert "[1 minor fault]" in str(log)


def fork_and_files(p: Process) -> None:
    fd = p.open("data", O_RDWR)
    other = p.dup(fd)
    p.close(fd)
    a = p.mmap(0, 8192, RW, MAP_SHARED, other)
    child = p.fork()
    child.store(a, b"child")
    assert p.load(a, 5) == b"child"
    child.exit()
    with pytest.raises(ProcessLookupError):
        child.load(a)


def test_descriptors_and_children_have_names() -> None:
    log = logged(fork_and_files, files={"data": b"x" * 5000})
    assert log.died is None
    assert calls_of(log)[:6] == [
        "fd = p.open('data', O_RDWR)",
        "fd2 = p.dup(fd)",
        "p.close(fd)",
        "a = p.mmap(0, 0x2000, PROT_READ | PROT_WRITE, MAP_SHARED, fd2)",
        "child = p.fork()",
        "child.store(a, b'child')",
    ]
    assert str(log).splitlines()[-1].endswith("ESRCH (the process has ended)")


def goes_wrong(p: Process) -> None:
    a = p.mmap(0, 4096, PROT_READ, ANON)
    with suppress(OSError):
        p.munmap(a + 1, 4096)
    try:
        p.store(a + 4095, b"xy")
    except SegmentationFault as fault:
        assert fault.si_addr == a + 4095
    p.load(a, 2)


@pytest.mark.parametrize("program", [two_areas, fork_and_files, goes_wrong])
def test_the_source_is_a_program_that_does_the_same(program: Program) -> None:
    first = logged(program, files={"data": b"x" * 5000})
    namespace: dict[str, Program] = {}
    exec(first.source(), namespace)  # type: ignore[arg-type]
    again = logged(namespace["program"], files={"data": b"x" * 5000})
    assert calls_of(again) == calls_of(first)
    assert [outcome_key(step.outcome, {}) for step in again] == [outcome_key(step.outcome, {}) for step in first]


def test_what_fails_is_named_in_the_source() -> None:
    source = logged(goes_wrong).source()
    assert "with suppress(OSError):  # EINVAL" in source
    assert "with suppress(FatalSignal):  # SegmentationFault, SEGV_ACCERR" in source
    assert "at a+0xfff" in str(logged(goes_wrong))


def test_a_signal_ends_the_program_and_the_log_says_so() -> None:
    log = logged(lambda p: p.load(12345))
    assert isinstance(log.died, SegmentationFault)
    assert "ended with SIGSEGV, SEGV_MAPERR, at 0x3039" in str(log)


def test_mistakes_in_the_program_are_passed_on() -> None:
    with pytest.raises(ZeroDivisionError):
        logged(lambda p: 1 // 0)
    with pytest.raises(TypeError, match="addr is None"):
        logged(lambda p: p.load(None))  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        logged(lambda p: p.peek(1))  # type: ignore[attr-defined]


def endless(p: Process) -> None:
    a = p.mmap(0, 4096, RW, ANON)
    while True:
        p.load(a)


def test_an_endless_program_is_stopped() -> None:
    with pytest.raises(EndlessProgram, match="made 50 calls and went on"):
        logged(endless, max_steps=50)
    with pytest.raises(EndlessProgram, match=r"ran for 0\.01 seconds"):
        logged(endless, max_seconds=0.01)


def test_many_mappings_have_different_names() -> None:
    log = logged(lambda p: [p.mmap(0, 4096, PROT_READ, ANON) for _ in range(60)])
    names = [step.call.gives[0] for step in log]
    assert len(set(names)) == 60
    assert names[:3] == ["a", "b", "c"]
    assert "p" not in names
