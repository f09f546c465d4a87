"""What a program costs and leaves, measured on a kernel of the grader's own."""

from __future__ import annotations

import pytest

from mmaplab.constants import MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, MS_SYNC, O_RDWR, PROT_READ, PROT_WRITE
from mmaplab.grading.cost import MEASURES, measure, measure_words, run_again
from mmaplab.grading.programs import FileSpec, Scenario
from mmaplab.interface import Process
from mmaplab.program import record
from mmaplab.sim import Kernel

PAGE = 4096
RW = PROT_READ | PROT_WRITE


def run_of(program, npages: int = 4, warm: bool = True):
    """Make the calls of a program again, on a file `f`."""
    file = FileSpec("f", npages, warm)
    log = record(program, Kernel(), files={"f": file.data})
    return run_again(Scenario((file,), tuple(step.call for step in log)))


def stores_and_syncs(p: Process) -> None:
    fd = p.open("f", O_RDWR)
    a = p.mmap(0, 4 * PAGE, RW, MAP_SHARED, fd)
    b = p.mmap(0, 4 * PAGE, RW, MAP_PRIVATE, fd)
    p.store(a, b"z")
    p.msync(a, PAGE, MS_SYNC)
    p.store(a + PAGE, b"y")
    p.store(b, b"private")
    for bad in (lambda: p.mmap(1, 0, RW, MAP_SHARED, fd), lambda: p.load(a + 3 * PAGE), lambda: p.load(64)):
        try:
            bad()
        except Exception as error:
            assert "INVAL" in str(error) or "SIG" in str(error) or "22" in str(error)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("system_calls", 5),
        ("calls:mmap", 3),
        ("calls:msync", 1),
        ("accesses", 5),
        ("pages_read", 1),
        ("cow", PAGE),
        ("cpu_copied", PAGE),
        ("disk_written", PAGE),
        ("disk_read", 0),
        ("major", 0),
        ("areas:p", 2),
        ("areas_made", 2),
        ("rights:p:0x40", -1),
        ("rights:none:0x40", -1),
        ("ended:EINVAL", 1),
        ("ended:SIGSEGV", 1),
        ("ended:SEGV_MAPERR", 1),
        ("byte:f:0", ord("z")),
        ("byte:f:4096", ord("y")),
        ("byte:f:999999", -1),
        ("byte:none:0", -1),
        ("disk:f:0", ord("z")),
        ("disk:f:4096", 2),
        ("size:f", 4 * PAGE),
        ("size:none", -1),
        ("syncs", 1),
    ],
)
def test_a_measure(name: str, value: int) -> None:
    assert measure(run_of(stores_and_syncs), name) == value


def test_a_cold_load_is_a_major_fault_and_a_device_copy() -> None:
    def program(p: Process) -> None:
        p.load(p.mmap(0, PAGE, PROT_READ, MAP_SHARED, p.open("f")))

    run = run_of(program, npages=1, warm=False)
    found = {name: measure(run, name) for name in ("major", "minor", "device_copied", "cpu_copied", "disk_read")}
    assert found == {"major": 1, "minor": 0, "device_copied": PAGE, "cpu_copied": 0, "disk_read": 1}


def shares(p: Process) -> None:
    a = p.mmap(0x1000_0000, 3 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)
    p.store(a, b"P" * 2 * PAGE)
    c = p.fork()
    c.store(a + PAGE, b"C")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("users:p:0x10000000", 2),
        ("users:child:0x10000fff", 2),
        ("users:p:0x10001000", 1),
        ("users:child:0x10001000", 1),
        ("users:p:0x10002000", 0),
        ("users:nobody:0x10000000", 0),
        ("held:p:0x10001000", ord("P")),
        ("held:child:0x10001000", ord("C")),
        ("held:child:0x10001001", ord("P")),
        ("held:p:0x10002000", -1),
        ("shared:p:0x10000000", 0),
        ("shared:p:0x20000000", -1),
        ("shared:nobody:0x10000000", -1),
        ("loaded:f:0", 0),
    ],
)
def test_whose_an_area_is_and_who_uses_a_frame_at_the_end_and_what_it_holds(name: str, value: int) -> None:
    assert measure(run_of(shares), name) == value


def test_what_was_loaded_from_is_told_page_by_page() -> None:
    def program(p: Process) -> None:
        a = p.mmap(0x1000_0000, 2 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, p.open("f"), 2 * PAGE)
        p.load(a + PAGE)

    run = run_of(program)
    assert {page: measure(run, f"loaded:f:{page}") for page in (1, 2, 3, 4)} == {1: 0, 2: 0, 3: 1, 4: 0}
    assert measure(run, "shared:p:0x10000000") == 1


@pytest.mark.parametrize(("synced", "lies"), [(False, 1), (True, 0)])
def test_a_crash_may_leave_the_second_store_without_the_first_unless_a_sync_is_between(synced: bool, lies: int) -> None:
    def program(p: Process) -> None:
        a = p.mmap(0, 2 * PAGE, RW, MAP_SHARED, p.open("f", O_RDWR))
        p.store(a, b"A")
        if synced:
            p.msync(a, PAGE, MS_SYNC)
        p.store(a + PAGE, b"B")

    run = run_of(program, npages=2)
    assert measure(run, "early:f:0:4096") == lies
    assert measure(run, "early:f:4096:0") == 1  # the first store alone is no lie, and always possible


def test_every_measure_has_words() -> None:
    assert measure_words("calls:msync") == "calls of msync"
    assert measure_words("disk:f:4096") == "the byte of file f at 4096 on the disk"
    assert all(words for words, _ in MEASURES.values())


@pytest.mark.parametrize("name", ["", "minors", "calls", "minor:p"])
def test_an_unknown_measure_is_told(name: str) -> None:
    with pytest.raises(ValueError, match="there is no measure"):
        measure(run_of(stores_and_syncs), name)
