"""What a crash may leave: compared with brute force on the simulated kernel, and with a second model of ext4."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmaplab.calls import Call, Outcome, perform
from mmaplab.constants import (
    MAP_ANONYMOUS,
    MAP_PRIVATE,
    MAP_SHARED,
    MS_ASYNC,
    MS_SYNC,
    O_CREAT,
    O_RDWR,
    PROT_READ,
    PROT_WRITE,
)
from mmaplab.endless import EndlessProgram
from mmaplab.interface import BusError, FatalSignal, Process, Program
from mmaplab.outcomes import CrashOutcomes, TooManyOutcomes, crash_outcomes
from mmaplab.program import Recorder
from mmaplab.sim import Kernel, KernelConfig
from mmaplab.sim.writeback import do_writepages, jbd2_commit
from tests.outcomes.ext4 import every_crash

PAGE = 4096
RW = PROT_READ | PROT_WRITE
SMALL = KernelConfig(large_folios=False)
OLD = b"o" * 2 * PAGE


def contents(outcomes: CrashOutcomes, path: str = "f") -> set[bytes | None]:
    return {outcome.contents.get(path) for outcome in outcomes}


def new(*pages: int) -> bytes:
    """The two-page file with the first byte of these pages new."""
    return b"".join((b"N" if i in pages else b"o") + b"o" * (PAGE - 1) for i in range(2))


def mapped(then: Callable[[Process, int, int], object], pages: int = 2) -> Program:
    """A program that maps the file `f` and goes on with (p, address, descriptor)."""

    def program(p: Process) -> None:
        fd = p.open("f", O_RDWR)
        then(p, p.mmap(0, pages * PAGE, RW, MAP_SHARED, fd), fd)

    return program


# ---------------------------------------------------------------- stores and msync


def test_a_store_is_found_or_not() -> None:
    outcomes = crash_outcomes(mapped(lambda p, a, fd: p.store(a, b"N")), {"f": OLD})
    assert contents(outcomes) == {new(), new(0)}
    assert contents(outcomes.after("store")) == {new(), new(0)}


def test_two_dirty_pages_are_written_in_any_order() -> None:
    def then(p: Process, a: int, fd: int) -> None:
        p.store(a, b"N")
        p.store(a + PAGE, b"N")

    outcomes = crash_outcomes(mapped(then), {"f": OLD})
    assert contents(outcomes) == {new(), new(0), new(1), new(0, 1)}
    assert contents(outcomes.at(3)) == {new(), new(0)}


def test_after_msync_the_new_bytes_are_in_all_outcomes() -> None:
    def then(p: Process, a: int, fd: int) -> None:
        p.store(a, b"N")
        p.store(a + PAGE, b"N")
        p.msync(a, PAGE, MS_SYNC)

    outcomes = crash_outcomes(mapped(then), {"f": OLD})
    assert len(outcomes) == 4
    assert all(outcome["f"][:1] == b"N" for outcome in outcomes.after("msync"))
    assert contents(outcomes.after("msync")) == {new(0), new(0, 1)}


@pytest.mark.parametrize("length", [0, 2**64 - 1])
def test_msync_of_no_page_forces_nothing(length: int) -> None:
    """The largest lengths are 0 when they are rounded up in 64 bits, and msync succeeds."""

    def then(p: Process, a: int, fd: int) -> None:
        p.ftruncate(fd, PAGE + 6)
        p.store(a, b"N")
        p.msync(a + PAGE, length, MS_SYNC)

    sizes = {len(outcome["f"]) for outcome in crash_outcomes(mapped(then), {"f": OLD}).after("msync")}
    assert sizes == {2 * PAGE, PAGE + 6}


@pytest.mark.parametrize("how", ["MS_ASYNC", "munmap", "close", "exit"])
def test_nothing_else_forces_anything(how: str) -> None:
    def then(p: Process, a: int, fd: int) -> None:
        p.store(a, b"N")
        match how:
            case "MS_ASYNC":
                p.msync(a, PAGE, MS_ASYNC)
            case "munmap":
                p.munmap(a, 2 * PAGE)
            case "close":
                p.close(fd)
            case _:
                p.exit()

    outcomes = crash_outcomes(mapped(then), {"f": OLD})
    assert contents(outcomes.after(4)) == {new(), new(0)}


def test_a_page_that_is_stored_twice_is_found_with_either_content() -> None:
    def then(p: Process, a: int, fd: int) -> None:
        p.store(a, b"1")
        p.store(a, b"2")

    found = contents(crash_outcomes(mapped(then), {"f": OLD}))
    assert {data[:1] for data in found if data} == {b"o", b"1", b"2"}


def test_the_commit_record_may_be_there_without_the_data() -> None:
    """The classical mistake: data in page 1, "valid" in page 0, one msync at the end."""

    def wrong(p: Process, a: int, fd: int) -> None:
        p.store(a + PAGE, b"N")
        p.store(a, b"N")
        p.msync(a, 2 * PAGE, MS_SYNC)

    def right(p: Process, a: int, fd: int) -> None:
        p.store(a + PAGE, b"N")
        p.msync(a + PAGE, PAGE, MS_SYNC)
        p.store(a, b"N")
        p.msync(a, PAGE, MS_SYNC)

    assert {"f": new(0)} in crash_outcomes(mapped(wrong), {"f": OLD})
    assert {"f": new(0)} not in crash_outcomes(mapped(right), {"f": OLD})


def test_private_stores_never_reach_the_disk() -> None:
    def program(p: Process) -> None:
        a = p.mmap(0, PAGE, RW, MAP_PRIVATE, p.open("f", O_RDWR))
        p.store(a, b"N")
        p.store(p.mmap(0, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS), b"N")

    assert contents(crash_outcomes(program, {"f": OLD})) == {OLD}


def test_a_child_and_two_files() -> None:
    def program(p: Process) -> None:
        a = p.mmap(0, PAGE, RW, MAP_SHARED, p.open("f", O_RDWR))
        b = p.mmap(0, PAGE, RW, MAP_SHARED, p.open("g", O_RDWR))
        child = p.fork()
        child.store(a, b"N")
        p.store(b, b"M")
        p.msync(b, PAGE, MS_SYNC)

    outcomes = crash_outcomes(program, {"f": b"old", "g": b"old"})
    assert {(o["f"], o["g"]) for o in outcomes} == {(f, g) for f in (b"old", b"Nld") for g in (b"old", b"Mld")}
    assert {(o["f"], o["g"]) for o in outcomes.after("msync")} == {(b"old", b"Mld"), (b"Nld", b"Mld")}


# ---------------------------------------------------------------- sizes and names


def test_what_write_appends_is_found_with_its_bytes_or_not_at_all() -> None:
    def program(p: Process) -> None:
        fd = p.open("n", O_RDWR | O_CREAT)
        p.write(fd, b"hello")
        p.fsync(fd)

    outcomes = crash_outcomes(program)
    assert contents(outcomes, "n") == {None, b"", b"hello"}
    assert contents(outcomes.after("fsync"), "n") == {b"hello"}


def test_what_ftruncate_appends_may_be_found_before_the_bytes() -> None:
    def then(p: Process, a: int, fd: int) -> None:
        p.ftruncate(fd, 2 * PAGE)
        p.store(a + PAGE, b"N")

    found = contents(crash_outcomes(mapped(then), {"f": b"o" * PAGE}))
    zeros = bytes(PAGE - 1)
    assert found == {b"o" * PAGE, b"o" * PAGE + b"\0" + zeros, b"o" * PAGE + b"N" + zeros}


def test_blocks_that_truncate_has_cut_come_back_with_the_old_size() -> None:
    def then(p: Process, a: int, fd: int) -> None:
        p.ftruncate(fd, PAGE)
        p.store(a, b"N")
        p.fsync(fd)

    outcomes = crash_outcomes(mapped(then), {"f": OLD})
    assert contents(outcomes) == {OLD, new(0), OLD[:PAGE], new(0)[:PAGE]}
    assert contents(outcomes.after("fsync")) == {new(0)[:PAGE]}


def test_a_cleared_tail_is_never_seen_with_its_old_bytes() -> None:
    def program(p: Process) -> None:
        fd = p.open("f", O_RDWR)
        p.ftruncate(fd, 3)
        p.ftruncate(fd, 6)

    assert contents(crash_outcomes(program, {"f": b"secret"})) == {b"secret", b"sec\0\0\0", b"sec"}


def test_msync_forces_also_what_is_clean_by_chance() -> None:
    """Here the commit of the first msync has written page 0 already, for its tail was cleared."""

    def then(p: Process, a: int, fd: int) -> None:
        p.ftruncate(fd, 3)
        p.store(a, b"N")
        p.msync(a + PAGE, PAGE, MS_SYNC)
        p.msync(a, PAGE, MS_SYNC)

    outcomes = crash_outcomes(mapped(then), {"f": b"ooooo"})
    assert contents(outcomes.at(5)) == {b"ooo", b"Noo"}
    assert contents(outcomes.at(6)) == {b"Noo"}


def test_a_name_is_durable_after_fsync_and_gone_some_time_after_unlink() -> None:
    def program(p: Process) -> None:
        fd = p.open("n", O_RDWR | O_CREAT)
        p.fsync(fd)
        p.unlink("n")

    outcomes = crash_outcomes(program)
    assert contents(outcomes.at("open"), "n") == {None, b""}
    assert contents(outcomes.at("fsync"), "n") == {b""}
    assert contents(outcomes.at("unlink"), "n") == {None, b""}
    nothing = next(outcome for outcome in outcomes if not outcome.contents)
    assert len(nothing.spans) == 2
    assert str(nothing).count("    from") == 2


def test_a_name_belongs_to_one_file() -> None:
    def program(p: Process) -> None:
        p.unlink("f")
        fd = p.open("f", O_RDWR | O_CREAT)
        p.write(fd, b"new")

    found = contents(crash_outcomes(program, {"f": b"old"}))
    assert found == {b"old", None, b"", b"new"}


# ---------------------------------------------------------------- brute force


class Stop(BaseException):
    """Ends a program before one of its calls."""


Gap = tuple[frozenset[int], bool, frozenset[int]]
"""What the kernel does before a call: write pages back, commit the journal or not, write more pages back."""


def run_to(program: Program, data: bytes, plan: list[Gap]) -> tuple[Kernel, bool]:
    """Run the program to the call behind the plan; returns the kernel, and whether the program ended before."""
    kernel = Kernel(SMALL)
    kernel.create_file("f", data, warm=True)
    names: dict[str, object] = {"p": kernel.spawn()}
    left = list(plan)

    def make(call: Call) -> Outcome:
        if not left:
            raise Stop
        work(kernel, left.pop(0))
        return perform(call, names)

    try:
        program(Recorder(make, names).stand_in("p"))
    except Stop:
        return kernel, False
    return kernel, True


def work(kernel: Kernel, gap: Gap) -> None:
    """Do what the kernel may do at any moment."""
    first, commit, then = gap
    for index in first:
        do_writepages(kernel.files.lookup("f").i_mapping, index, index, "flusher")
    if commit:
        jbd2_commit(kernel.sb)
    for index in then:
        do_writepages(kernel.files.lookup("f").i_mapping, index, index, "flusher")


def gaps(kernel: Kernel) -> Iterator[Gap]:
    """Yield all that the kernel can do now."""
    dirty = [folio.index for folio in kernel.files.lookup("f").i_mapping.folios() if folio.dirty]
    nothing: frozenset[int] = frozenset()
    for when in product((0, 1, 2), repeat=len(dirty)):
        first, then = (frozenset(i for i, w in zip(dirty, when, strict=True) if w == at) for at in (1, 2))
        if not then:
            yield first, False, nothing
        if kernel.disk.transaction or first:
            yield first, True, then


def brute_force(program: Program, data: bytes, plan: list[Gap]) -> set[bytes]:
    """Let the power fail behind the plan and at any later point, with every choice of the kernel."""
    kernel, ended = run_to(program, data, plan)
    found = set()
    for gap in list(gaps(kernel)):
        again, _ = run_to(program, data, plan)
        work(again, gap)
        found.add(again.power_failure().disk_bytes("f"))
        if not ended:
            found |= brute_force(program, data, [*plan, gap])
    return found


STORE = st.tuples(st.just("store"), st.sampled_from([0, 1, PAGE - 1, PAGE, PAGE + 5]), st.sampled_from([b"1", b"22"]))
WRITE = st.tuples(st.just("pwrite"), st.sampled_from([0, 3, PAGE - 1, PAGE, 2 * PAGE - 1]), st.just(b"3"))
FORCE = st.tuples(st.sampled_from(["msync", "fsync"]), st.sampled_from([0, PAGE]), st.just(b""))
LOSE = st.tuples(st.sampled_from(["async", "munmap"]), st.sampled_from([0, PAGE]), st.just(b""))
RESIZE = st.tuples(
    st.just("ftruncate"), st.sampled_from([0, 3, PAGE - 1, PAGE, PAGE + 4, 2 * PAGE, 3 * PAGE]), st.just(b"")
)
GROW = st.tuples(
    st.just("pwrite"),
    st.sampled_from([2, PAGE - 2, PAGE, PAGE + 6, 2 * PAGE, 2 * PAGE + 9]),
    st.sampled_from([b"444", b"5" * PAGE]),
)


def program_of(actions: list[tuple[str, int, bytes]]) -> Program:
    """A program that does these things, and goes on where one fails."""

    def then(p: Process, a: int, fd: int) -> None:
        for name, at, data in actions:
            with suppress(OSError, FatalSignal):
                match name:
                    case "store":
                        p.store(a + at, data)
                    case "pwrite":
                        p.pwrite(fd, data, at)
                    case "msync" | "async":
                        p.msync(a + at, PAGE, MS_SYNC if name == "msync" else MS_ASYNC)
                    case "fsync":
                        p.fsync(fd)
                    case "munmap":
                        p.munmap(a + at, PAGE)
                    case "ftruncate":
                        p.ftruncate(fd, at)

    return mapped(then, pages=3)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(STORE | WRITE | FORCE | LOSE, max_size=4))
def test_the_outcomes_are_those_of_brute_force_on_the_kernel(actions: list[tuple[str, int, bytes]]) -> None:
    program = program_of(actions)
    assert contents(crash_outcomes(program, {"f": OLD}, SMALL)) == brute_force(program, OLD, [])


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(STORE | WRITE | FORCE | RESIZE | GROW, max_size=3), st.sampled_from([0, 5, PAGE, PAGE + 7]))
def test_with_sizes_too_where_the_journal_may_commit(actions: list[tuple[str, int, bytes]], size: int) -> None:
    """A store to a hole may be cut between its fault and its bytes; brute force stops between two calls only."""
    program, data = program_of(actions), b"o" * size
    ever, found = brute_force(program, data, []), contents(crash_outcomes(program, {"f": data}, SMALL))
    assert ever <= found
    if not any(name == "store" for name, _, _ in actions):
        assert ever == found


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(STORE | FORCE | RESIZE | GROW, max_size=6), st.sampled_from([0, 5, PAGE, PAGE + 7, 2 * PAGE]))
def test_with_sizes_the_outcomes_are_those_of_a_second_model(actions: list[tuple[str, int, bytes]], size: int) -> None:
    program, data = program_of(actions), b"o" * size
    every = every_crash(program, "f", data, SMALL)
    outcomes = crash_outcomes(program, {"f": data}, SMALL)
    assert contents(outcomes) == every.ever
    for step, after in enumerate(every.after, 1):
        assert contents(outcomes.at(step)) == after, f"when call {step} has returned"


# ---------------------------------------------------------------- the result


def three(p: Process, a: int, fd: int) -> None:
    p.store(a, b"N")
    p.msync(a, PAGE, MS_SYNC)
    p.store(a + PAGE, b"<")


def test_each_outcome_tells_the_events_that_decide_it() -> None:
    outcomes = crash_outcomes(mapped(three), {"f": OLD})
    first = next(outcome for outcome in outcomes if outcome["f"] == OLD)
    assert (first.earliest.step, str(first.earliest)) == (0, "before the first call")
    assert first.latest is not None
    assert (first.latest.step, first.latest.what) == (4, "page 0 is on the disk (msync)")
    last = next(outcome for outcome in outcomes if outcome["f"][PAGE : PAGE + 1] == b"<")
    assert (last.earliest.step, last.earliest.call, last.latest) == (5, "p.store(a+0x1000, b'<')", None)


def test_text_and_table() -> None:
    outcomes = crash_outcomes(mapped(three), {"f": OLD})
    assert str(outcomes).startswith(
        "3 outcomes of a crash\nf: b'o' * 8192\n    from before the first call\n    until step 4"
    )
    table = outcomes._repr_html_()
    assert table.count("<tr>") == 4
    assert "&lt;" in table
    assert "b'<'" not in table


def test_a_program_that_dies_is_followed_to_its_end() -> None:
    def then(p: Process, a: int, fd: int) -> None:
        p.store(a, b"N")
        p.store(a + 2 * PAGE, b"x")
        p.store(a + PAGE, b"N")

    outcomes = crash_outcomes(mapped(then, 3), {"f": OLD})
    assert isinstance(outcomes.died, BusError)
    assert contents(outcomes) == {new(), new(0)}
    assert str(outcomes).endswith(f"the program ended with {outcomes.died}")


def test_a_file_of_a_thousand_pages_costs_what_is_stored_to() -> None:
    data = bytes(1000 * PAGE)
    outcomes = crash_outcomes(mapped(lambda p, a, fd: p.store(a + 500 * PAGE, b"N"), 1000), {"f": data})
    assert len(outcomes) == 2


def test_a_tmpfs_leaves_nothing() -> None:
    outcomes = crash_outcomes(mapped(three), {"f": OLD}, KernelConfig.named("modern-tmpfs"))
    assert [outcome.contents for outcome in outcomes] == [{}]


def test_what_reclaim_happens_to_write_is_no_promise() -> None:
    def then(p: Process, a: int, fd: int) -> None:
        p.store(a, b"N")
        p.munmap(a, 2 * PAGE)
        b = p.mmap(0, 6 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS)
        p.store(b, b"x" * 6 * PAGE)

    outcomes = crash_outcomes(mapped(then), {"f": OLD}, KernelConfig(memory_pages=7))
    assert contents(outcomes.at(6)) == {new(), new(0)}


# ---------------------------------------------------------------- bounds and bad input


def many(p: Process, a: int, fd: int) -> None:
    for i in range(20):
        p.store(a + i * PAGE, b"N")


def test_too_many_outcomes_are_counted_and_named() -> None:
    with pytest.raises(TooManyOutcomes, match=r"at least 8,192 different.*limit is 4,096.*msync.*limit="):
        crash_outcomes(mapped(many, 20), {"f": bytes(20 * PAGE)})
    with pytest.raises(TooManyOutcomes, match=r"at least 3 different.*limit is 2"):
        crash_outcomes(mapped(three), {"f": OLD}, limit=2)


def test_a_program_that_never_ends_is_stopped() -> None:
    def endless(p: Process, a: int, fd: int) -> None:
        while True:
            p.load(a)

    with pytest.raises(EndlessProgram, match="made 500 calls and went on"):
        crash_outcomes(mapped(endless), {"f": OLD}, max_steps=500)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ((7,), TypeError, "program is 7: give a function"),
        ((mapped(three), b"f"), TypeError, "files is b'f': give a mapping"),
        ((mapped(three), {"f": "text"}), TypeError, "'text': give bytes"),
        ((mapped(three), {5: b""}), TypeError, "the name of a file is 5"),
        ((mapped(three), {}, None, 0), ValueError, "limit is 0"),
        ((mapped(three), {}, "modern"), TypeError, "config is 'modern': give a KernelConfig"),
        ((mapped(three), {}, None, 9, "x"), ValueError, "max_steps is 'x'"),
        ((mapped(three), {}, None, 1.5), ValueError, "limit is 1.5"),
    ],
)
def test_wrong_arguments_are_named(arguments: tuple[object, ...], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        crash_outcomes(*arguments)  # type: ignore[arg-type]


def test_a_call_that_the_program_does_not_make_is_named_with_those_that_it_makes() -> None:
    outcomes = crash_outcomes(mapped(three), {"f": OLD})
    with pytest.raises(LookupError, match=r"no call 'fsync': it made 5 calls \(open, mmap, store, msync\)"):
        outcomes.after("fsync")
    with pytest.raises(LookupError, match="no call 6"):
        outcomes.at(6)
    with pytest.raises(TypeError, match="step is None"):
        outcomes.after(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="give a mapping"):
        b"x" in outcomes  # noqa: B015


def test_mistakes_in_the_program_are_passed_on() -> None:
    with pytest.raises(ZeroDivisionError):
        crash_outcomes(lambda p: 1 // 0)


def test_a_loop_without_a_call_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmaplab.outcomes.crash.MOST_LINES", 5000)

    def then(p: Process, a: int, fd: int) -> None:
        while True:
            pass

    with pytest.raises(EndlessProgram, match=r"ran 5,000 lines of Python after its last call, a = p\.mmap\("):
        crash_outcomes(mapped(then), {"f": OLD})
