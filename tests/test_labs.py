"""The experiments of the chapters' labs, on the live kernel: they run, and what the chapters assert holds."""

from __future__ import annotations

import pytest

from mmaplab import advice, areas, durable, edges, experiments, hops, owners, ownspace, scale, ties
from mmaplab.lab import NotAvailable

pytestmark = pytest.mark.live

EXPERIMENTS = (
    advice.advice_effects,
    advice.faults_and_io,
    areas.count_areas,
    areas.promises,
    durable.cached_after_munmap,
    durable.dirty_after_each_call,
    durable.flusher_rules,
    edges.page_size,
    edges.touch_by_system_call,
    experiments.faults_by_piece,
    hops.books_of_reading,
    hops.entries_of_three_ways,
    hops.slices_and_views,
    owners.copies_of_one_store,
    owners.first_stores,
    owners.one_frame_for_two,
    owners.time_of_change,
    ownspace.kernel_thread,
    ownspace.my_space,
    ownspace.one_line,
    ownspace.raw_lines,
    ownspace.thread_and_me,
    scale.a_terabyte,
    scale.cold_and_random,
    scale.cold_in_order,
    scale.tables_of_a_walk,
    scale.two_regimes,
    ties.deleted_and_mapped,
    ties.tie,
)


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.__name__)
def test_an_experiment_tells_named_values(experiment) -> None:  # type: ignore[no-untyped-def]
    try:
        told = experiment()
    except NotAvailable as reason:
        pytest.skip(str(reason))
    assert told and all(isinstance(name, str) for name in told)
    assert all(isinstance(value, int | float | str | bool | list) for value in told.values())


def test_a_thread_of_the_kernel_has_no_address_space() -> None:
    try:
        told = ownspace.kernel_thread()
    except NotAvailable as reason:
        pytest.skip(str(reason))
    assert told["VmSize in our status"] and not told["VmSize in its status"]


def test_the_kernel_of_a_container_is_not_mistaken(monkeypatch: pytest.MonkeyPatch) -> None:
    """There, task 2 is a process of somebody's, or nobody's."""
    for its in ({}, {"Name": "bash", "VmSize": "8 kB"}):
        monkeypatch.setattr(ownspace, "_status", lambda pid, its=its: its if pid == "2" else {"VmSize": "8 kB"})
        with pytest.raises(NotAvailable, match="container"):
            ownspace.kernel_thread()


def test_raw_lines_are_lines_of_maps() -> None:
    lines = [str(line).split() for line in ownspace.raw_lines().values()]
    assert {len(line) for line in lines} <= {5, 6}
    assert all(line[0].count("-") == 1 and len(line[1]) == 4 for line in lines)


def test_the_simulator_predicts_where_this_python_maps_next() -> None:
    told = ownspace.predict_places()
    assert int(str(told["right"])) >= int(str(told["of"])) - 1


def test_a_copy_of_a_file_is_right_in_four_ways() -> None:
    assert hops.four_ways_to_copy(256)["all copies are right"]


def test_many_areas_do_not_slow_the_search() -> None:
    timed = areas.time_with_areas(few=50, many=2000, rounds=50)
    assert int(str(timed["areas, many"])) > int(str(timed["areas, few"])) + 1900


def test_a_child_may_die_and_nobody_else() -> None:
    def kill_itself() -> None:
        import os
        import signal

        os.kill(os.getpid(), signal.SIGSEGV)

    def answer() -> int:
        return 6 * 7

    assert edges.in_a_child(kill_itself)["ended"] == "SIGSEGV"
    assert edges.in_a_child(answer) == {"ended": "normally", "printed": "42"}


def test_the_time_of_change_moves_with_the_fault_of_a_store() -> None:
    try:
        told = owners.time_of_change()
    except NotAvailable as reason:
        pytest.skip(str(reason))
    moved = [name for name, moves in told.items() if moves]
    assert moved == ["the first store", "the first store to another page", "the first store after MS_SYNC"]


def test_a_file_that_was_written_in_large_pieces_takes_no_more_faults() -> None:
    faults = [int(str(told)) for name, told in experiments.faults_by_piece(512).items() if name.startswith("faults")]
    assert len(faults) == 4 and max(faults) == faults[0]
