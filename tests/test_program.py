"""Recording a program: the log, its names, and the program that is made of it."""

from __future__ import annotations

import math
import sys
import time
from contextlib import suppress
from random import Random

import pytest

from mmaplab.calls import perform
from mmaplab.constants import MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, O_RDWR, PROT_READ, PROT_WRITE
from mmaplab.endless import EndlessProgram
from mmaplab.freedoms import outcome_key
from mmaplab.interface import FaultCounts, Process, Program, SegmentationFault
from mmaplab.naming import Newest
from mmaplab.program import Limits, Log, Recorder, record
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


def without_a_call(p: Process) -> None:
    p.mmap(0, 4096, RW, ANON)
    while True:
        pass


def swallows(p: Process) -> None:
    while True:
        with suppress(Exception):
            p.load(0)


def swallows_without_a_call(p: Process) -> None:
    while True:
        try:
            int("0")
        except Exception:
            return


@pytest.mark.parametrize("program", [without_a_call, swallows, swallows_without_a_call])
def test_an_endless_program_is_stopped_whatever_it_does(program: Program) -> None:
    begin = time.monotonic()
    with pytest.raises(EndlessProgram, match=r"ran for 0\.05 seconds.*does it end"):
        logged(program, max_seconds=0.05)
    with pytest.raises(EndlessProgram, match="made 30 calls" if program is swallows else r"ran for 0\.1 seconds"):
        logged(program, max_steps=30, max_seconds=0.1 if program is not swallows else 60)
    assert time.monotonic() - begin < 20


def test_the_lines_between_two_calls_can_be_limited() -> None:
    """Where time is not: an error that comes at the same line every time."""
    names: dict[str, object] = {"p": Kernel().spawn()}
    recorder = Recorder(lambda call: perform(call, names), names, Limits(max_seconds=math.inf, max_lines=1000))
    told = (
        r"ran 1,000 lines of Python after its last call, a = p\.mmap\(.*, and went on at line \d+: (while True:|pass)"
    )
    with pytest.raises(EndlessProgram, match=told):
        recorder.run(without_a_call, recorder.stand_in("p"))

    def long_but_not_endless(p: Process) -> None:
        for i in range(20):
            p.brk(0)
            assert sum(1 for _ in range(i * 20)) >= 0

    recorder.run(long_but_not_endless, recorder.stand_in("p"))


def test_whoever_traces_goes_on_tracing() -> None:
    seen: list[str] = []

    def tracer(frame: object, event: str, arg: object) -> None:
        seen.append(frame.f_code.co_name)  # type: ignore[attr-defined]

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        logged(two_areas)
        with pytest.raises(EndlessProgram):
            logged(endless, max_steps=5)
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)
    assert "do_mmap" in seen, "the kernel is traced as before, also inside a recorded program"


def test_an_address_has_the_name_of_what_was_mapped_there_last() -> None:
    """As a list of all mappings tells it, searched from its end."""
    random = Random(3)
    newest, put = Newest(), []
    for number in range(300):
        start = random.randrange(1000)
        end = start + random.randrange(1, 120)
        newest.put(start, end, (start, str(number)))
        put.append((start, end, (start, str(number))))
        for addr in random.sample(range(-5, 1130), 25):
            holding = [place for begin, stop, place in put if begin <= addr < stop]
            assert newest.at(addr) == (holding[-1] if holding else None)


def test_the_names_of_many_mappings_cost_no_more_than_a_few() -> None:
    """Twice as many calls take twice the time, or so; not four times."""

    def program(count: int) -> Program:
        return lambda p: [p.munmap(p.mmap(0, 4096, RW, ANON), 4096) for _ in range(count)]

    log = logged(program(4000), max_steps=10_000)
    inside, near = log.namer.inside, log.namer.near
    assert len(inside.starts) == len(near.starts) == 1, "what is covered is forgotten"
    assert str(log[7999].call) == "p.munmap(x174, 0x1000)"


def test_many_mappings_have_different_names() -> None:
    log = logged(lambda p: [p.mmap(0, 4096, PROT_READ, ANON) for _ in range(60)])
    names = [step.call.gives[0] for step in log]
    assert len(set(names)) == 60
    assert names[:3] == ["a", "b", "c"]
    assert "p" not in names


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"max_steps": "x"}, "max_steps is 'x'"),
        ({"max_steps": 0}, "max_steps is 0"),
        ({"max_steps": 2.5}, r"max_steps is 2\.5"),
        ({"max_seconds": "x"}, "max_seconds is 'x'"),
        ({"max_seconds": -1}, "max_seconds is -1"),
    ],
)
def test_a_limit_that_is_none_is_named(limits: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        logged(two_areas, **limits)
