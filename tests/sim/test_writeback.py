"""Write-back: by age, by amount, by a writer that has to wait, and for lack of memory."""

from __future__ import annotations

import pytest

from mmaplab import ledger
from mmaplab.constants import MAP_SHARED, O_CREAT, O_RDWR, PROT_READ, PROT_WRITE
from mmaplab.sim import Kernel, KernelConfig, invariants
from mmaplab.sim import events as ev
from mmaplab.sim.flusher import dirty_limits
from mmaplab.sim.process import Process
from tests.sim.conftest import PAGE

RW = PROT_READ | PROT_WRITE


def machine(**change: object) -> tuple[Kernel, Process, int, int]:
    """A machine, and a process that maps a warm file of 64 pages; kernel, process, descriptor, address."""
    kernel = Kernel(KernelConfig(**change), check=invariants.check)  # type: ignore[arg-type]
    kernel.create_file("f", bytes(64 * PAGE), warm=True)
    p = kernel.spawn()
    fd = p.open("f", O_RDWR)
    kernel.trace.clear()
    return kernel, p, fd, p.mmap(0, 64 * PAGE, RW, MAP_SHARED, fd)


def written(kernel: Kernel) -> list[tuple[int, str]]:
    """Return (page, why) of every block that was written."""
    return [(r.event.index, r.event.why) for r in kernel.trace.records if isinstance(r.event, ev.DiskWrite)]


# ---------------------------------------------------------------- age


def test_the_flusher_wakes_every_five_seconds_and_writes_what_is_thirty_seconds_old() -> None:
    kernel, p, _, a = machine()
    kernel.tick(7)
    p.store(a, b"x")
    kernel.tick(29)  # 36 s: dirty for 29 s
    assert written(kernel) == []
    kernel.tick(3.9)
    assert written(kernel) == []
    kernel.tick(0.1)  # 40 s: the flusher wakes
    assert written(kernel) == [(0, "flusher")]


def test_a_file_is_written_whole_when_its_oldest_page_is_old() -> None:
    kernel, p, _, a = machine()
    p.store(a, b"x")
    kernel.tick(28)
    p.store(a + PAGE, b"y")
    kernel.tick(2)
    assert written(kernel) == [(0, "flusher"), (1, "flusher")]


def test_a_store_after_write_back_faults_and_makes_the_page_dirty_again() -> None:
    kernel, p, _, a = machine()
    p.store(a, b"x")
    kernel.tick(30)
    before = p.faults().minor
    p.store(a, b"y")
    p.store(a, b"z")
    assert p.faults().minor == before + 1
    kernel.tick(30)
    assert kernel.disk_bytes("f")[:1] == b"z"


def test_the_trace_holds_the_time() -> None:
    kernel, p, _, a = machine()
    p.store(a, b"x")
    kernel.tick(12.5)
    kernel.tick(0)
    assert [r.event.now for r in kernel.trace.records if isinstance(r.event, ev.Clock)] == [5, 10, 12.5]


def test_a_long_time_in_which_nothing_is_to_be_done_passes_at_once() -> None:
    kernel, p, _, a = machine()
    p.store(a, b"x")
    kernel.tick(1e12)
    assert kernel.machine.now == 1e12
    assert written(kernel) == [(0, "flusher")]


@pytest.mark.parametrize(
    ("seconds", "error"),
    [
        (-1, ValueError),
        (float("inf"), ValueError),
        (float("nan"), ValueError),
        (1e17, ValueError),
        (10**400, ValueError),
        ("5", TypeError),
        (True, TypeError),
    ],
)
def test_time_is_a_number_that_does_not_run_backwards(seconds: object, error: type[Exception]) -> None:
    kernel, *_ = machine()
    with pytest.raises(error, match=r"tick\("):
        kernel.tick(seconds)  # type: ignore[arg-type]
    assert kernel.machine.now == 0


def test_no_clock_goes_so_far_that_it_cannot_tell_seconds_apart() -> None:
    """The flusher's next waking has to lie behind now, or time would never end."""
    kernel, p, _, a = machine()
    kernel.tick(1e12 - 10)
    p.store(a, b"x")
    kernel.tick(10)
    with pytest.raises(ValueError, match=r"tick\(5\): .* after 1e\+12 s"):
        kernel.tick(5)
    assert kernel.machine.now == 1e12
    assert p.load(a) == b"x"


# ---------------------------------------------------------------- amount


def test_more_than_the_background_limit_wakes_the_flusher_before_its_time() -> None:
    kernel, p, _, a = machine(dirty_background_bytes=4 * PAGE, dirty_bytes=100 * PAGE)
    for page in range(4):
        p.store(a + page * PAGE, b"x")
    kernel.tick(1)
    assert written(kernel) == []
    p.store(a + 4 * PAGE, b"x")
    assert written(kernel) == []  # it runs beside the program, when time passes
    kernel.tick(0)
    assert written(kernel) == [(page, "flusher") for page in range(5)]


def test_the_file_that_became_dirty_first_is_written_first() -> None:
    kernel, p, _, a = machine(dirty_background_bytes=4 * PAGE, dirty_bytes=100 * PAGE)
    kernel.create_file("g", bytes(4 * PAGE), warm=True)
    p.pwrite(p.open("g", O_RDWR), b"y" * 2 * PAGE, 0)
    p.store(a, b"x")
    p.pwrite(p.open("f", O_RDWR), b"x" * 2 * PAGE, PAGE)
    kernel.tick(0)
    assert kernel.disk_bytes("g")[:1] == b"y"
    assert kernel.disk_bytes("f")[:1] == b"\0"  # less than the limit was left


def test_a_writer_waits_for_the_flusher_where_too_much_is_dirty() -> None:
    kernel, p, fd, _ = machine(dirty_background_bytes=4 * PAGE, dirty_bytes=8 * PAGE)
    for page in range(32):
        p.pwrite(fd, b"x" * PAGE, page * PAGE)
        assert kernel.sb.nr_dirty <= 8
    whys = {why for _, why in written(kernel)}
    assert whys == {"balance"}
    assert kernel.file_bytes("f") == b"x" * 32 * PAGE + bytes(32 * PAGE)
    work = next(r for r in kernel.trace.records if isinstance(r.event, ev.KernelWork))
    assert (work.event, work.pid, work.depth) == (ev.KernelWork("flusher"), 0, 1)  # inside the writer's call
    assert kernel.trace.records[-1].pid == p.pid


def test_a_writer_goes_on_until_the_mean_of_the_two_limits_is_dirty() -> None:
    kernel, p, fd, _ = machine(dirty_background_bytes=4 * PAGE, dirty_bytes=16 * PAGE)
    dirty = []
    for page in range(32):
        p.pwrite(fd, b"x" * PAGE, page * PAGE)
        dirty.append(kernel.sb.nr_dirty)
    assert max(dirty) in (10, 11)
    assert 0 in dirty


def test_a_store_through_a_mapping_waits_too_and_is_not_lost() -> None:
    kernel, p, _, a = machine(dirty_background_bytes=PAGE, dirty_bytes=2 * PAGE)
    for page in range(64):
        p.store(a + page * PAGE, b"x")
        assert kernel.sb.nr_dirty <= 3
    assert kernel.file_bytes("f")[::PAGE] == b"x" * 64
    assert {why for _, why in written(kernel)} == {"balance"}


def test_a_large_folio_that_is_over_the_limit_alone_can_be_stored_to() -> None:
    kernel = Kernel(KernelConfig(dirty_background_bytes=PAGE, dirty_bytes=2 * PAGE), check=invariants.check)
    p = kernel.spawn()
    fd = p.open("f", O_RDWR | O_CREAT)
    p.write(fd, b"o" * 16 * PAGE)
    a = p.mmap(0, 16 * PAGE, RW, MAP_SHARED, fd)
    for page in range(16):
        p.store(a + page * PAGE, b"x")
    assert kernel.file_bytes("f")[::PAGE] == b"x" * 16


def test_without_a_size_of_memory_there_is_no_limit() -> None:
    kernel, p, fd, _ = machine()
    p.write(fd, b"x" * 64 * PAGE)
    kernel.tick(4)
    assert written(kernel) == []


def test_the_limits_are_ten_and_twenty_per_cent_of_the_memory_that_is_free_or_page_cache() -> None:
    kernel, p, _, _ = machine(memory_pages=200)
    assert dirty_limits(kernel.config, kernel.sb) == (20, 40)
    p.store(p.mmap(0, 100 * PAGE, RW, 0x22), b"x" * 100 * PAGE)
    assert dirty_limits(kernel.config, kernel.sb) == (10, 20)


def test_a_background_limit_that_is_not_below_the_limit_is_half_of_it() -> None:
    kernel, *_ = machine(dirty_background_bytes=9 * PAGE, dirty_bytes=8 * PAGE)
    assert dirty_limits(kernel.config, kernel.sb) == (4, 8)


@pytest.mark.parametrize(
    "change",
    [{"dirty_bytes": PAGE}, {"dirty_background_bytes": 0}, {"dirty_ratio": 101}, {"flush_tick_seconds": 0}],
)
def test_limits_that_linux_would_not_take_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        KernelConfig(**change)  # type: ignore[arg-type]


def test_what_is_written_is_counted_as_copies_of_the_device() -> None:
    kernel, p, _, a = machine()
    p.store(a, b"x")
    kernel.trace.clear()
    kernel.tick(30)
    assert ledger.copies(kernel.trace.records) == {"dma_out": PAGE}
