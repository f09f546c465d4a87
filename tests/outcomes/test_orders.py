"""Several processes on one shared memory: every order of their steps."""

from __future__ import annotations

import random
from itertools import permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmaplab.constants import MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED, O_RDWR, PROT_READ, PROT_WRITE
from mmaplab.endless import EndlessProgram
from mmaplab.interface import Process
from mmaplab.outcomes import Interleavings, SteeredProgram, TooManySchedules, interleavings

PAGE = 4096
RW = PROT_READ | PROT_WRITE


def shared(p: Process) -> int:
    return p.mmap(0, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS)


def shared_file(p: Process) -> int:
    return p.mmap(0, PAGE, RW, MAP_SHARED, p.open("f", O_RDWR))


def add_one(p: Process, a: int) -> None:
    value = p.load(a)[0]
    p.store(a, bytes([value + 1]))


def finals(found: Interleavings, name: str = "shared memory", n: int = 1) -> set[bytes]:
    return {outcome.final[name][:n] for outcome in found}


# ---------------------------------------------------------------- what may come of it


def test_an_update_can_be_lost() -> None:
    found = interleavings([add_one, add_one], shared)
    assert finals(found) == {b"\1", b"\2"}
    assert found.schedules == 6
    lost = next(outcome for outcome in found if outcome.final["shared memory"][:1] == b"\1")
    assert (lost.values, lost.schedules) == (((b"\0",), (b"\0",)), 4)
    assert lost.witness == ("1: load(a, 1)", "2: load(a, 1)", "1: store(a, b'\\x01')", "2: store(a, b'\\x01')")
    assert ((b"\1",), (b"\1",)) not in found


def test_each_schedule_is_counted_once() -> None:
    found = interleavings([add_one, add_one, add_one], shared)
    assert found.schedules == sum(outcome.schedules for outcome in found) == 90


def test_a_store_of_two_bytes_can_be_seen_half_done() -> None:
    def writer(p: Process, a: int) -> None:
        p.store(a, b"AB")

    def reader(p: Process, a: int) -> None:
        p.load(a, 2)

    values = {outcome.values[1] for outcome in interleavings([writer, reader], shared)}
    assert values == {(b"\0\0",), (b"A\0",), (b"\0B",), (b"AB",)}
    values = {outcome.values[1] for outcome in interleavings([writer, reader], shared, whole=True)}
    assert values == {(b"\0\0",), (b"AB",)}


def test_both_may_load_before_either_stores_but_not_after() -> None:
    """Store, then load the other one's byte: at least one of the two sees a store (Dekker)."""

    def one(p: Process, a: int) -> None:
        p.store(a, b"1")
        p.load(a + 1)

    def two(p: Process, a: int) -> None:
        p.store(a + 1, b"1")
        p.load(a)

    assert {outcome.values for outcome in interleavings([one, two], shared)} == {
        ((b"1",), (b"1",)),
        ((b"\0",), (b"1",)),
        ((b"1",), (b"\0",)),
    }


def test_private_memory_of_a_process_is_its_own_and_that_of_a_thread_is_not() -> None:
    def private(p: Process) -> int:
        return p.mmap(0, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS)

    def look(p: Process, a: int) -> None:
        add_one(p, a)
        p.load(a)

    assert {o.values for o in interleavings([look, look], private)} == {((b"\0", b"\1"), (b"\0", b"\1"))}
    assert ((b"\0", b"\1"), (b"\1", b"\2")) in interleavings([look, look], private, threads=True)


def test_files_and_system_calls_are_steps_too() -> None:
    def one(p: Process) -> None:
        fd = p.open("f", O_RDWR)
        p.pwrite(fd, b"1", 0)

    def two(p: Process) -> None:
        fd = p.open("f", O_RDWR)
        p.pread(fd, 1, 0)

    found = interleavings([one, two], files={"f": b"o"})
    assert {(o.values[1], o.final["f"]) for o in found} == {((b"o",), b"1"), ((b"1",), b"1")}
    assert found.schedules == 6


def test_a_file_that_is_cut_under_a_mapping_ends_the_other_process() -> None:
    def cut(p: Process, a: int) -> None:
        p.ftruncate(3, 0)

    def use(p: Process, a: int) -> None:
        p.load(a)
        p.load(a)

    found = interleavings([cut, use], shared_file, files={"f": b"x" * PAGE})
    assert {(o.values[1], bool(o.died[1])) for o in found} == {((), True), ((b"x",), True), ((b"x", b"x"), False)}
    assert "2 ends with BusError, BUS_ADRERR" in str(found)
    assert found.schedules == 3


def test_text_and_table() -> None:
    found = interleavings([add_one, add_one], shared)
    assert str(found).startswith(
        "3 outcomes of 6 orders\n1 loads b'\\x00'; 2 loads b'\\x01'; shared memory: b'\\x02' +"
    )
    assert "in 1 order, for example" in str(found)
    assert "in 4 orders, for example" in str(found)
    table = found._repr_html_()
    assert table.count("<tr>") == 4
    assert "&#x27;" in table


# ---------------------------------------------------------------- brute force

ACTION = st.tuples(st.sampled_from(["load", "store"]), st.integers(0, 1), st.integers(1, 9))


def by_hand(programs: list[list[tuple[str, int, int]]]) -> set[tuple[object, ...]]:
    """Put the steps in every order, and play each on a list of two bytes."""
    turns = [who for who, actions in enumerate(programs) for _ in actions]
    found = set()
    for order in set(permutations(turns)):
        memory, at = [0, 0], [0] * len(programs)
        values: list[list[bytes]] = [[] for _ in programs]
        for who in order:
            kind, place, value = programs[who][at[who]]
            at[who] += 1
            if kind == "load":
                values[who].append(bytes([memory[place]]))
            else:
                memory[place] = value
        found.add((tuple(map(tuple, values)), bytes(memory)))
    return found


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(st.lists(ACTION, min_size=1, max_size=3), min_size=2, max_size=2))
def test_the_outcomes_are_those_of_all_permutations(actions: list[list[tuple[str, int, int]]]) -> None:
    def program_of(steps: list[tuple[str, int, int]]):  # type: ignore[no-untyped-def]
        def program(p: Process, a: int) -> None:
            for kind, place, value in steps:
                p.load(a + place) if kind == "load" else p.store(a + place, bytes([value]))

        return program

    found = interleavings([program_of(steps) for steps in actions], shared)
    assert {(o.values, o.final["shared memory"][:2]) for o in found} == by_hand(actions)


# ---------------------------------------------------------------- bounds and bad input


def test_too_many_schedules_are_counted_before_they_are_run() -> None:
    def ten(p: Process, a: int) -> None:
        p.store(a, b"0123456789")

    with pytest.raises(TooManySchedules, match=r"of 10, 10 steps.*184,756 orders.*limit is 5,000.*limit=184756"):
        interleavings([ten, ten], shared)
    assert interleavings([ten, ten], shared, whole=True).schedules == 2


def test_a_program_that_waits_for_another_one_never_ends() -> None:
    def wait(p: Process, a: int) -> None:
        while p.load(a) == b"\0":
            pass

    with pytest.raises(EndlessProgram, match=r"program 1 made 200 steps.*wait for another"):
        interleavings([wait, add_one], shared)


def test_an_endless_setup_is_stopped() -> None:
    def endless(p: Process) -> None:
        a = shared(p)
        while True:
            p.load(a)

    with pytest.raises(EndlessProgram, match="made 200 calls"):
        interleavings([add_one], endless)


def test_a_program_that_values_steer_is_noticed() -> None:
    def steered(p: Process, a: int) -> None:
        if p.load(a) == b"\0":
            p.store(a + 1, b"x")

    with pytest.raises(SteeredProgram, match="step 2 of program 1 is store in one order and the end in another"):
        interleavings([steered, add_one], shared)


def test_a_program_that_chance_steers_is_noticed() -> None:
    chance = random.Random(1)

    def gambler(p: Process, a: int) -> None:
        p.store(a + chance.randrange(1000), b"x")
        p.store(a, b"y")

    with pytest.raises(SteeredProgram, match=r"run again with the same answers, step 1 .* was store"):
        interleavings([gambler, gambler], shared)


def test_a_program_may_clean_up_behind_itself() -> None:
    def tidy(p: Process, a: int) -> None:
        try:
            p.load(a)
        finally:
            p.munmap(a, PAGE)

    assert interleavings([tidy, tidy], shared).schedules == 6


@pytest.mark.parametrize(
    ("programs", "options", "error", "says"),
    [
        (add_one, {}, TypeError, "give a list of functions"),
        ([], {}, TypeError, "give a list of functions"),
        ([add_one, 7], {}, TypeError, "7 is no program"),
        ([add_one], {"limit": 0}, ValueError, "limit is 0"),
        ([add_one], {"setup": 7}, TypeError, "setup is 7"),
        ([add_one], {"config": "modern"}, TypeError, "config is 'modern'"),
        ([add_one], {"max_steps": "x"}, ValueError, "max_steps is 'x'"),
        ([add_one], {"files": {"f": "text"}}, TypeError, "give bytes"),
        ([lambda p: p.fork()], {}, ValueError, "give the child as one more program"),
        ([lambda p: p.peek(1)], {}, AttributeError, "no call 'peek'"),
        ([lambda p: p.load("x")], {}, TypeError, "addr is 'x'"),
    ],
)
def test_wrong_arguments_are_named(
    programs: object, options: dict[str, object], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        interleavings(programs, **options)  # type: ignore[arg-type]


def test_the_number_of_orders_is_the_multinomial_coefficient() -> None:
    for counts in product((1, 2, 3), repeat=2):
        programs = [lambda p, a, n=n: p.load(a, n) for n in counts]
        turns = [who for who, n in enumerate(counts) for _ in range(n)]
        assert interleavings(programs, shared).schedules == len(set(permutations(turns)))


def turns_for_ever(p: Process, *given: object) -> None:
    p.brk(0)
    while True:
        pass


@pytest.mark.parametrize("how", ["a program", "setup"])
def test_a_loop_without_a_step_is_stopped(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmaplab.outcomes.held.MOST_LINES", 5000)
    monkeypatch.setattr("mmaplab.outcomes.orders.MOST_LINES", 5000)
    with pytest.raises(EndlessProgram, match=r"ran 5,000 lines of Python.* went on at line \d+: (while True:|pass)"):
        if how == "setup":
            interleavings([lambda p, a: None], turns_for_ever)
        else:
            interleavings([turns_for_ever])
