"""What learners predict of programs of their own: read from a run, and the same on Linux."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from random import Random

import pytest

from mmaplab.constants import (
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_PRIVATE,
    MAP_SHARED,
    O_RDWR,
    PAGE_SIZE,
    PROT_READ,
    PROT_WRITE,
)
from mmaplab.fuzz.pair import Pair
from mmaplab.grading.families import generate
from mmaplab.grading.families.draft import ANON, ARENA, PRIVATE, READ, RW, SHARED, Draft
from mmaplab.grading.families.own import CHAPTERS
from mmaplab.grading.lines import ASKS, BY_PROCESSOR, lines_of
from mmaplab.grading.plain import Plain
from mmaplab.grading.programs import Scenario, pages
from mmaplab.interface import BusError, Process
from mmaplab.ledger import bill_of, copies
from mmaplab.sim import Kernel
from tests.rules.conftest import pair_on

from .test_bills import stated

ROUNDS = 8
"""Programs of each family that are run on both kernels."""


def small_program() -> Scenario:
    """A program whose answers fit on one line of paper."""
    draft = Draft(Random(0))
    fd = draft.open(draft.file("f", 3))
    shared = draft.map(ARENA, 4, RW, SHARED, fd)
    private = draft.map(ARENA + 8 * PAGE_SIZE, 1, RW, PRIVATE, fd, 2)
    draft.map(ARENA + 9 * PAGE_SIZE, 1, READ, ANON)
    draft.load(shared, 1)
    draft.store(private, 0)
    draft.store(private, 1)
    draft.load(shared, 3)
    draft.call("pread", fd, 2, 2 * PAGE_SIZE)
    draft.call("munmap", 1, PAGE_SIZE)
    return draft.scenario()


@pytest.mark.parametrize(
    ("asks", "expected"),
    {
        "ends": ["ok", "ok", "ok", "ok", "ok", "ok", "SIGSEGV", "SIGBUS", "ok", "EINVAL"],
        "areas": [0, 1, 2, 3, 3, 3, 3, 3, 3, 3],
        "bytes copied": [0, 0, 0, 0, 0, 4096, 0, 0, 2, 0],
        "file pages": [1, 2],
        "letters": ["\2", "\3\3"],
    }.items(),
)
def test_what_is_asked_is_read_from_the_run(asks: str, expected: list[Plain]) -> None:
    assert ASKS[asks](lines_of(small_program())) == expected


def test_every_thing_asked_is_tested_here() -> None:
    assert set(ASKS) == {"ends", "areas", "bytes copied", "file pages", "letters"}


@pytest.mark.parametrize("family", [family.__name__ for family in CHAPTERS])
def test_two_learners_have_two_programs_with_two_answers(family: str) -> None:
    """A hundred names make at least thirty answers: a neighbour's is nearly always wrong."""
    asks = {
        "births": "areas",
        "ties": "file pages",
        "hops": "bytes copied",
        "rights_and_holes": "ends",
        "edges": "ends",
    }
    answer = ASKS[asks.get(family, "letters")]
    assert len({str(answer(lines_of(generate(family, seed)))) for seed in range(100)}) >= 30


# ---------------------------------------------------------------- and on Linux


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """A live kernel with its simulators."""
    yield from pair_on("ext4")


@pytest.mark.live
@pytest.mark.parametrize("family", [family.__name__ for family in CHAPTERS])
def test_linux_runs_learners_programs_alike(pair: Pair, family: str) -> None:
    janitor = pair.real.spawn()
    for seed in range(ROUNDS):
        program = generate(family, seed)
        with pair.fresh({}) as lockstep:
            lockstep.cold = not all(file.warm for file in program.files)
            for side in filter(None, (lockstep.sim, lockstep.real)):
                for file in program.files:
                    side.kernel.create_file(file.path, file.data, warm=file.warm)
            for call in program.calls:
                lockstep.make(call)
            assert lockstep.difference is None, str(lockstep.difference)
        for file in program.files:
            janitor.unlink(file.path)


# ---------------------------------------------------------------- the second part of each task


def calls_after_mmap(p: Process, kernel: Kernel, stores: bool) -> int:
    fd = p.open("f", O_RDWR)
    a = p.mmap(0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd)
    begin = len(kernel.trace.records)
    for i in range(1000):
        p.store(a + i, b"x") if stores else p.pwrite(fd, b"x", i)
    p.pread(fd, PAGE_SIZE, 0)
    return bill_of(kernel.trace.records[begin:]).syscalls


def calls(p: Process, kernel: Kernel) -> list[int]:
    return [calls_after_mmap(p, kernel, True), calls_after_mmap(p, kernel, False)]


def lines(p: Process, kernel: Kernel) -> list[int]:
    a = p.mmap(0, 6 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    found = []
    for page in (2, 4):
        p.mprotect(a + page * PAGE_SIZE, PAGE_SIZE, PROT_READ)
        found.append(len(p.maps()))
    return found


def ends(p: Process, kernel: Kernel) -> list[int]:
    for page in range(8):
        p.mmap(ARENA + page * PAGE_SIZE, PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)
    found = [len(p.maps())]
    for page in range(0, 8, 2):
        p.munmap(ARENA + page * PAGE_SIZE, PAGE_SIZE)
    return [*found, len(p.maps())]


def shown(p: Process, kernel: Kernel) -> list[int]:
    a = p.mmap(0, 4 * PAGE_SIZE, PROT_READ, MAP_SHARED, p.open("f"), 5 * PAGE_SIZE)
    return [p.load(a + page * PAGE_SIZE)[0] - 1 for page in (0, 3)]


def by_processor(kernel: Kernel, begin: int) -> int:
    moved = copies(kernel.trace.records[begin:])
    return sum(moved[why] for why in BY_PROCESSOR)


def cold(p: Process, kernel: Kernel) -> list[int]:
    fd = p.open("f")
    a = p.mmap(0, 4 * PAGE_SIZE, PROT_READ, MAP_SHARED, fd)
    found = []
    for access in (lambda: p.pread(fd, 4 * PAGE_SIZE, 0), lambda: p.load(a, 4 * PAGE_SIZE)):
        kernel.drop_caches("f")
        begin = len(kernel.trace.records)
        access()
        found.append(by_processor(kernel, begin))
    return found


def pages_of_four(p: Process, kernel: Kernel) -> list[int]:
    fd = p.open("f", O_RDWR)
    p.ftruncate(fd, 5000)
    a = p.mmap(0, 4 * PAGE_SIZE, PROT_READ, MAP_SHARED, fd)
    loaded = 0
    for page in range(4):
        with suppress(BusError):
            loaded += len(p.load(a + page * PAGE_SIZE))
    return [loaded, 4 - loaded]


def moved(p: Process, kernel: Kernel) -> list[int]:
    out, back = p.pipe()
    s = p.mmap(0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
    child = p.fork()
    begin = len(kernel.trace.records)
    p.write(back, b"m" * PAGE_SIZE)
    child.read(out, PAGE_SIZE)
    through_pipe = by_processor(kernel, begin)
    begin = len(kernel.trace.records)
    p.store(s, b"m" * PAGE_SIZE)
    child.load(s, PAGE_SIZE)
    return [through_pipe, by_processor(kernel, begin)]


MEASURED = {
    "letter-own": calls,
    "space-own": lines,
    "birth-own": ends,
    "tie-own": shown,
    "hops-own": cold,
    "edge-own": pages_of_four,
    "share-own": moved,
}


@pytest.mark.parametrize("key", MEASURED)
def test_the_masters_second_answer_is_what_happens(key: str) -> None:
    kernel = Kernel()
    kernel.create_file("f", pages(16))
    measure = MEASURED[key]
    assert stated(key)[measure.__name__] == measure(kernel.spawn(), kernel)
