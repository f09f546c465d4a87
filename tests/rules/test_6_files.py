"""Rules 6: files that change their size, and files that are not in memory.

6.1 truncate, 6.2 bytes behind the end, 6.3 stub pages, 6.4 to 6.7 readahead, 6.8 and 6.10 what can be dropped, 6.9 the
books. How far the disk reads ahead differs between machines: where a rule is about single pages of a window, its
numbers are asserted for windows of 32 pages on the simulator, and the live kernel is compared with a simulator that
has its windows.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mmaplab import ledger
from mmaplab.constants import MADV_RANDOM, MADV_SEQUENTIAL, O_RDWR, PROT_EXEC, PROT_READ
from mmaplab.fuzz.writer import FileData
from mmaplab.interface import BusError, Kernel, Process
from mmaplab.real.procfs import parse_counters
from mmaplab.sim import Kernel as SimKernel
from mmaplab.sim import KernelConfig
from tests.rules.both import ARENA, PAGE, PRIVATE, RW, SHARED, Both, entries, faults, minor, resident

FILE = {"f0": FileData(40 * PAGE)}
LARGE = {"f0": FileData(200 * PAGE)}
EMPTY = {"f0": FileData(0)}
WINDOW = 32
"""Pages that the simulator's disk reads ahead, 128 KiB."""


def mapped(p: Process, pages: int, prot: int = RW, flags: int = SHARED) -> int:
    """Map the file at ARENA; returns its descriptor."""
    fd = p.open("f0", O_RDWR)
    p.mmap(ARENA, pages * PAGE, prot, flags, fd)
    return fd


def cached(p: Process, fd: int, pages: int) -> list[int]:
    """Return the numbers of the pages that are in the page cache, asked through a mapping that nobody touches."""
    a = p.mmap(0, pages * PAGE, PROT_READ, 1, fd)
    found = [page for page, here in enumerate(p.mincore(a, pages * PAGE)) if here]
    p.munmap(a, pages * PAGE)
    return found


def exact(run: Both) -> bool:
    """Are the windows those of the simulator, so that single pages can be asserted?"""
    return run.config.ra_pages == WINDOW


# ---------------------------------------------------------------- 6.1 truncate


def test_6_1_shrinking_takes_every_entry_behind_the_end(both: Both) -> None:
    """Also private copies go, of all pages that are wholly behind the new end; a touch is SIGBUS from then on."""

    def program(p: Process) -> None:
        fd = mapped(p, 8, flags=PRIVATE)
        for page in range(8):
            p.store(ARENA + page * PAGE, b"mine")
        p.ftruncate(fd, 3 * PAGE + 100)
        assert entries(p, ARENA, 8) == "####...."
        assert p.load(ARENA + 3 * PAGE, 4) == b"mine"
        with pytest.raises(BusError):
            p.load(ARENA + 4 * PAGE)

    both(program, FILE)


def test_6_1_the_rest_of_the_last_page_becomes_zeros(both: Both) -> None:
    """What the file had behind its new end is not there any more when it grows again."""

    def program(p: Process) -> None:
        fd = mapped(p, 8)
        p.ftruncate(fd, 100)
        assert p.load(ARENA + 96, 8) == FILE["f0"].bytes()[96:100] + bytes(4)
        p.ftruncate(fd, 8 * PAGE)
        assert p.load(ARENA + 96, 8) == FILE["f0"].bytes()[96:100] + bytes(4)

    both(program, FILE)


def test_6_1_a_page_that_came_by_growing_is_a_hole(both: Both) -> None:
    """Its first touch is a major fault on a disk's file system, though nothing is read; a minor one on tmpfs."""

    def program(p: Process) -> None:
        fd = p.open("f0", O_RDWR)
        p.ftruncate(fd, 100 * PAGE)
        p.mmap(ARENA, 100 * PAGE, RW, SHARED, fd)
        found = faults(p, ARENA + 70 * PAGE)
        assert (found.minor, found.major) == ((0, 1) if both.on_disk else (1, 0))
        assert p.load(ARENA + 70 * PAGE, 8) == bytes(8)

    both(program, FILE)


# ---------------------------------------------------------------- 6.2 bytes behind the end


def test_6_2_bytes_behind_the_end_can_be_stored_and_do_not_stay(both: Both) -> None:
    """A disk's file system clears them when the file grows over them; tmpfs shows them."""

    def program(p: Process) -> None:
        fd = p.open("f0", O_RDWR)
        p.ftruncate(fd, 100)
        p.mmap(ARENA, PAGE, RW, SHARED, fd)
        p.store(ARENA + 200, b"beyond")
        assert p.load(ARENA + 200, 6) == b"beyond"
        p.ftruncate(fd, PAGE)
        assert p.load(ARENA + 200, 6) == (bytes(6) if both.on_disk else b"beyond")

    both(program, FILE)


def test_6_2_a_write_behind_the_end_clears_them_too(ext4: Both) -> None:
    """A write that begins behind the file's end finds, and leaves, zeros between."""

    def program(p: Process) -> None:
        fd = p.open("f0", O_RDWR)
        p.ftruncate(fd, 100)
        p.mmap(ARENA, PAGE, RW, SHARED, fd)
        p.store(ARENA + 200, b"beyond")
        p.pwrite(fd, b"end", 300)
        assert p.load(ARENA + 200, 6) == bytes(6)

    ext4(program, FILE)


def test_6_2_writeback_clears_them_as_well(ext4: Both) -> None:
    """The disk never gets them: they are cleared when the page is written."""

    def program(p: Process) -> None:
        fd = p.open("f0", O_RDWR)
        p.ftruncate(fd, 100)
        p.mmap(ARENA, PAGE, RW, SHARED, fd)
        p.store(ARENA + 200, b"beyond")
        p.fsync(fd)
        assert p.load(ARENA + 200, 6) == bytes(6)

    ext4(program, FILE)


# ---------------------------------------------------------------- 6.3 stub pages of ext4


def test_6_3_a_size_inside_a_hole_makes_a_stub_page(ext4: Both) -> None:
    """The last page is in the cache without being up to date: mincore says no, and its first touch is minor."""

    def program(p: Process) -> None:
        fd = p.open("f0", O_RDWR)
        p.ftruncate(fd, 10 * PAGE)
        p.ftruncate(fd, 5 * PAGE + 100)
        p.mmap(ARENA, 6 * PAGE, RW, SHARED, fd)
        p.madvise(ARENA, 6 * PAGE, MADV_RANDOM)
        assert resident(p, ARENA, 6) == "......"
        assert faults(p, ARENA + 4 * PAGE).major == 1
        assert minor(p, ARENA + 5 * PAGE) == 1

    ext4(program, EMPTY)


# ---------------------------------------------------------------- 6.4 to 6.7 readahead


def test_6_4_readahead_belongs_to_the_open_file(ext4: Both) -> None:
    """A second descriptor of the file begins anew; what is read through the first one tells it nothing."""

    def program(p: Process) -> None:
        one, other = p.open("f0"), p.open("f0")
        p.pread(one, PAGE, 0)
        p.pread(one, PAGE, PAGE)
        p.pread(other, PAGE, 150 * PAGE)  # not in order for either of them
        p.pread(one, PAGE, 100 * PAGE)
        if exact(ext4):
            assert {100, 150} <= set(cached(p, one, 200)) and 151 not in cached(p, one, 200)

    ext4(program, LARGE, warm=False)


def test_6_4_mmap_and_read_of_one_open_file_share_it(ext4: Both) -> None:
    """A fault through a mapping sets the window that a read of the same descriptor goes on with."""

    def program(p: Process) -> None:
        fd = mapped(p, 200, PROT_READ)
        p.load(ARENA + 50 * PAGE)
        p.pread(fd, PAGE, 60 * PAGE)
        p.load(ARENA + 120 * PAGE)
        p.pread(fd, 8 * PAGE, 130 * PAGE)
        assert 120 in cached(p, fd, 200)

    ext4(program, LARGE, warm=False)


def test_6_5_a_miss_reads_around(ext4: Both) -> None:
    """A missing page comes with half a window before it and half a window behind it; the fault is major."""

    def program(p: Process) -> None:
        fd = mapped(p, 200, PROT_READ)
        assert faults(p, ARENA + 100 * PAGE).major == 1
        if exact(ext4):
            assert cached(p, fd, 200) == list(range(84, 116))

    ext4(program, LARGE, warm=False)


def test_6_5_near_the_beginning_the_window_begins_at_page_0(ext4: Both) -> None:
    """It is not shorter for it."""

    def program(p: Process) -> None:
        fd = mapped(p, 200, PROT_READ)
        p.load(ARENA + 3 * PAGE)
        if exact(ext4):
            assert cached(p, fd, 200) == list(range(WINDOW))

    ext4(program, LARGE, warm=False)


def test_6_5_random_advice_reads_one_page(ext4: Both) -> None:
    """Under MADV_RANDOM a fault reads what it needs."""

    def program(p: Process) -> None:
        fd = mapped(p, 200, PROT_READ)
        p.madvise(ARENA, 200 * PAGE, MADV_RANDOM)
        for page in (100, 7, 101):
            assert faults(p, ARENA + page * PAGE).major == 1
        assert cached(p, fd, 200) == [7, 100, 101]

    ext4(program, LARGE, warm=False)


def test_6_5_sequential_advice_reads_on(ext4: Both) -> None:
    """Under MADV_SEQUENTIAL nothing before the page is read."""

    def program(p: Process) -> None:
        fd = mapped(p, 200, PROT_READ)
        p.madvise(ARENA, 200 * PAGE, MADV_SEQUENTIAL)
        p.load(ARENA + 100 * PAGE)
        assert min(cached(p, fd, 200)) == 100

    ext4(program, LARGE, warm=False)


def test_6_5_code_is_read_from_the_page_on_and_inside_its_area(ext4: Both) -> None:
    """Of an executable area nothing is read before the page or behind the area."""

    def program(p: Process) -> None:
        fd = p.open("f0")
        p.mmap(ARENA, 60 * PAGE, PROT_READ | PROT_EXEC, PRIVATE, fd, 50 * PAGE)
        p.load(ARENA + 40 * PAGE)
        found = cached(p, fd, 200)
        assert found == list(range(90, 110))

    if ext4.config.ra_pages >= 20:
        ext4(program, LARGE, warm=False)


def test_6_5_after_a_hundred_misses_the_kernel_stops_guessing() -> None:
    """Each miss counts, and each cached neighbour that fault-around visits takes one back."""

    def around_the_last(p: Process) -> None:
        fd = mapped(p, 8000, PROT_READ)
        for n in range(130):
            p.load(ARENA + (n * 61 + 30) * PAGE)
        found.append(sum(page > 129 * 61 for page in cached(p, fd, 8000)))

    found: list[int] = []
    for window in (PAGE, 16 * PAGE):
        config = replace(KernelConfig(), fault_around_bytes=window)
        Both(config)(around_the_last, {"f0": FileData(8000 * PAGE)}, warm=False)
    assert found == [1, WINDOW]


def test_6_6_the_first_read_sets_a_window(ext4: Both) -> None:
    """A read at the beginning of a file reads four times its size, at most a window."""

    def program(p: Process) -> None:
        fd = p.open("f0")
        p.read(fd, PAGE)
        if exact(ext4):
            assert cached(p, fd, 200) == [0, 1, 2, 3]

    ext4(program, LARGE, warm=False)


def test_6_6_a_read_out_of_order_reads_what_it_asks_for(ext4: Both) -> None:
    """No window, and no state is changed."""

    def program(p: Process) -> None:
        fd = p.open("f0")
        p.pread(fd, 2 * PAGE, 100 * PAGE)
        assert cached(p, fd, 200) == [100, 101]

    ext4(program, LARGE, warm=False)


def test_6_6_reading_on_meets_the_marker_and_makes_the_window_larger(ext4: Both) -> None:
    """Whoever reads in order finds every page cached but the first: the next window is on its way in time."""

    def program(p: Process) -> None:
        fd = p.open("f0")
        p.read(fd, PAGE)
        first = len(cached(p, fd, 200))
        for page in range(1, 20):
            assert page in cached(p, fd, 200)
            p.read(fd, PAGE)
        if exact(ext4):
            assert first == 4 and len(cached(p, fd, 200)) > 20

    ext4(program, LARGE, warm=False)


def test_6_7_what_has_arrived_is_mapped_with_the_page(ext4: Both) -> None:
    """After the miss the fault runs again, and maps the pages of its window that have come; not the marker, page 28."""

    def program(p: Process) -> None:
        mapped(p, 64, PROT_READ)
        assert faults(p, ARENA + 20 * PAGE).major == 1
        assert entries(p, ARENA, 64)[20] == "#"
        seen.append(entries(p, ARENA, 64))

    seen: list[str] = []
    ext4(program, LARGE, warm=False)
    if ext4.pair is None:
        assert seen == ["." * 16 + "#" * 12 + "." + "#" * 3 + "." * 32]


def test_6_7_touching_the_marker_is_a_minor_fault(ext4: Both) -> None:
    """It starts the next read, and does not wait for it."""

    def program(p: Process) -> None:
        mapped(p, 200, PROT_READ)
        p.madvise(ARENA, 200 * PAGE, MADV_SEQUENTIAL)
        p.load(ARENA)
        for page in range(1, 30):
            assert faults(p, ARENA + page * PAGE).major == 0

    if exact(ext4) or ext4.config.ra_pages > 200:
        ext4(program, LARGE, warm=False)


# ---------------------------------------------------------------- 6.8, 6.10 what can be dropped


def test_6_8_pages_that_somebody_maps_stay(ext4: Both) -> None:
    """Only pages without an entry can be dropped; one entry keeps its page."""

    def program(kernel: Kernel, p: Process) -> None:
        fd = mapped(p, 40, PROT_READ)
        p.madvise(ARENA, 40 * PAGE, MADV_RANDOM)
        p.load(ARENA + 7 * PAGE)
        p.munmap(ARENA + 16 * PAGE, 24 * PAGE)
        kernel.drop_caches("f0")
        assert cached(p, fd, 40) == [page for page in range(40) if entries(p, ARENA, 16)[page : page + 1] == "#"]

    ext4.ask(program, 40)


def test_6_8_dirty_pages_are_written_first(ext4: Both) -> None:
    """What was stored is not lost: the page goes to the disk before it goes."""

    def program(kernel: Kernel, p: Process) -> None:
        fd = mapped(p, 4)
        p.store(ARENA + PAGE, b"kept")
        p.munmap(ARENA, 4 * PAGE)
        kernel.drop_caches("f0")
        assert cached(p, fd, 4) == []
        assert p.pread(fd, 4, PAGE) == b"kept"

    ext4.ask(program, 4)


def test_6_10_a_dropped_file_is_cold(ext4: Both) -> None:
    """With no mapping left, no page stays; the next touch is major."""

    def program(kernel: Kernel, p: Process) -> None:
        fd = p.open("f0")
        kernel.drop_caches("f0")
        assert cached(p, fd, 40) == []
        mapped(p, 40, PROT_READ)
        assert faults(p, ARENA).major == 1

    ext4.ask(program, 40)


# ---------------------------------------------------------------- 6.9 the books


def books(kernel: Kernel, p: Process) -> tuple[int, int, int]:
    """Return rchar, read_bytes and write_bytes of a process: /proc/PID/io, or the same from the trace."""
    if isinstance(kernel, SimKernel):
        records = kernel.trace.records
        copied = ledger.copies(records)
        return copied["copy_to_user"], copied["dma_in"], ledger.counts(records)["PageDirty"] * PAGE
    found = parse_counters(Path(f"/proc/{p.pid}/io").read_text())
    return found["rchar"], found["read_bytes"], found["write_bytes"]


def test_6_9_a_read_is_booked_and_a_load_is_not(ext4: Both) -> None:
    """rchar grows by what read gives back; a load through a mapping adds nothing, cold or warm."""

    def program(kernel: Kernel, p: Process) -> None:
        fd = mapped(p, 40, PROT_READ)
        start = books(kernel, p)
        p.pread(fd, 3 * PAGE, 0)
        after_read = books(kernel, p)
        p.load(ARENA, 3 * PAGE)
        assert after_read[0] - start[0] == 3 * PAGE
        assert books(kernel, p)[:2] == after_read[:2]

    ext4.ask(program, 40)


def test_6_9_what_comes_from_the_disk_is_booked_for_faults_too(ext4: Both) -> None:
    """read_bytes counts what the device delivered, whoever asked for it."""

    def program(kernel: Kernel, p: Process) -> None:
        kernel.drop_caches("f0")
        mapped(p, 40, PROT_READ)
        p.madvise(ARENA, 40 * PAGE, MADV_RANDOM)
        start = books(kernel, p)
        p.load(ARENA + 5 * PAGE)
        p.load(ARENA + 9 * PAGE)
        now = books(kernel, p)
        assert (now[0] - start[0], now[1] - start[1]) == (0, 2 * PAGE)

    ext4.ask(program, 40)


def test_6_9_a_store_is_booked_when_its_page_becomes_dirty(ext4: Both) -> None:
    """write_bytes grows by a page at the first store to it, and not at msync."""

    def program(kernel: Kernel, p: Process) -> None:
        fd = mapped(p, 40)
        p.fsync(fd)
        start = books(kernel, p)
        p.store(ARENA, b"x")
        p.store(ARENA + 1, b"y")
        stored = books(kernel, p)
        p.msync(ARENA, PAGE, 4)
        assert stored[2] - start[2] == PAGE
        assert books(kernel, p)[2] == stored[2]

    ext4.ask(program, 40)
