"""What the disk holds at which moment: names, sizes, blocks, and the journal that makes them durable."""

from __future__ import annotations

import pytest

from mmaplab.constants import (
    MADV_REMOVE,
    MAP_SHARED,
    MS_SYNC,
    O_CREAT,
    O_DIRECT,
    O_RDWR,
    O_TRUNC,
    PROT_READ,
    PROT_WRITE,
)
from mmaplab.sim import Kernel, KernelConfig
from mmaplab.sim import events as ev
from mmaplab.sim.process import Process
from tests.sim.conftest import PAGE

RW = PROT_READ | PROT_WRITE


def after_crash(kernel: Kernel) -> dict[str, bytes]:
    """Return the files that a crash would leave."""
    after = kernel.power_failure()
    found = {path: after.file_bytes(path) for path in after.files.names}
    assert found == {path: kernel.disk_bytes(path) for path in found}
    return found


@pytest.fixture
def p(kernel: Kernel) -> Process:
    """A process on a machine with one file `f` of 3 pages of `o`."""
    kernel.create_file("f", b"o" * 3 * PAGE, warm=True)
    return kernel.spawn()


def test_a_new_name_is_durable_with_the_next_commit(kernel: Kernel) -> None:
    q = kernel.spawn()
    q.open("new", O_RDWR | O_CREAT)
    with pytest.raises(FileNotFoundError, match="'new'"):
        kernel.disk_bytes("new")
    kernel.tick(4)
    assert after_crash(kernel) == {}
    kernel.tick(1)
    assert after_crash(kernel) == {"new": b""}


def test_written_bytes_of_a_new_file_come_half_a_minute_after_its_name(kernel: Kernel) -> None:
    q = kernel.spawn()
    q.write(q.open("new", O_RDWR | O_CREAT), b"text")
    kernel.tick(29)
    assert after_crash(kernel) == {"new": b""}  # the size waits for the data
    kernel.tick(1)
    assert after_crash(kernel) == {"new": b""}  # the data are written, and the journal does not yet say where
    kernel.tick(5)
    assert after_crash(kernel) == {"new": b"text"}


def test_fsync_makes_data_size_and_name_durable(kernel: Kernel) -> None:
    q = kernel.spawn()
    fd = q.open("new", O_RDWR | O_CREAT)
    q.write(fd, b"text")
    q.fsync(fd)
    assert after_crash(kernel) == {"new": b"text"}


def test_one_commit_is_for_all_files(kernel: Kernel, p: Process) -> None:
    p.open("new", O_RDWR | O_CREAT)
    fd = p.open("f", O_RDWR)
    p.fsync(fd)  # f has not changed: no commit
    assert set(after_crash(kernel)) == {"f"}
    p.ftruncate(fd, 5)
    p.fsync(fd)
    assert after_crash(kernel) == {"f": b"ooooo", "new": b""}


@pytest.mark.parametrize("journal", [True, False])
def test_dropping_a_files_cache_makes_durable_what_its_fsync_would(journal: bool) -> None:
    """Both commit the journal if the file has changed, and all files with it; without a journal, this file alone."""

    def names(end: str, changed: bool) -> set[str]:
        kernel = Kernel(KernelConfig(journal=journal))
        kernel.create_file("f", bytes(PAGE))
        p = kernel.spawn()
        p.write(p.open("g", O_RDWR | O_CREAT), b"x")
        fd = p.open("f", O_RDWR)
        if changed:
            p.ftruncate(fd, 5)
        if end == "fsync":
            p.fsync(fd)
        else:
            kernel.drop_caches("f")
        assert kernel.power_failure().file_bytes("f") == bytes(5 if changed else PAGE)
        return set(after_crash(kernel))

    assert names("drop_caches", changed=False) == names("fsync", changed=False) == {"f"}
    both = {"f", "g"} if journal else {"f"}
    assert names("drop_caches", changed=True) == names("fsync", changed=True) == both


def test_an_unlinked_file_is_back_after_a_crash_before_the_commit(kernel: Kernel, p: Process) -> None:
    p.unlink("f")
    assert after_crash(kernel) == {"f": b"o" * 3 * PAGE}
    kernel.tick(5)
    assert after_crash(kernel) == {}
    assert kernel.disk.used == 0
    assert kernel.disk.files == {}


def test_a_file_that_is_open_without_a_name_ends_with_a_crash(kernel: Kernel, p: Process) -> None:
    fd = p.open("f", O_RDWR)
    p.unlink("f")
    kernel.tick(5)
    assert after_crash(kernel) == {}
    assert p.pread(fd, 1, 0) == b"o"


def test_a_shorter_size_and_its_blocks_come_back_before_the_commit(kernel: Kernel, p: Process) -> None:
    fd = p.open("f", O_RDWR)
    p.ftruncate(fd, PAGE)
    p.ftruncate(fd, 3 * PAGE)
    assert kernel.file_bytes("f") == b"o" * PAGE + bytes(2 * PAGE)
    assert after_crash(kernel) == {"f": b"o" * 3 * PAGE}
    kernel.tick(5)
    assert after_crash(kernel) == {"f": b"o" * PAGE + bytes(2 * PAGE)}


def test_new_blocks_do_not_show_through_an_older_size(kernel: Kernel, p: Process) -> None:
    fd = p.open("f", O_RDWR | O_TRUNC)
    p.write(fd, b"n" * 2 * PAGE)
    kernel.slots.do_writepages(kernel.files.lookup("f").i_mapping, 0, None, "flusher")
    assert after_crash(kernel) == {"f": b"o" * 3 * PAGE}
    p.fsync(fd)
    assert after_crash(kernel) == {"f": b"n" * 2 * PAGE}


def test_blocks_that_the_file_keeps_are_written_in_place(kernel: Kernel, p: Process) -> None:
    fd = p.open("f", O_RDWR)
    p.pwrite(fd, b"new", PAGE)
    kernel.slots.do_writepages(kernel.files.lookup("f").i_mapping, 0, None, "flusher")
    assert after_crash(kernel)["f"][PAGE : PAGE + 4] == b"newo"  # no commit was needed


def test_an_append_inside_the_last_block_is_in_the_journal_before_its_bytes_are(kernel: Kernel) -> None:
    kernel.create_file("short", b"one", warm=True)
    q = kernel.spawn()
    q.pwrite(q.open("short", O_RDWR), b"two", 3)
    kernel.tick(5)
    assert after_crash(kernel) == {"short": b"one\0\0\0"}
    kernel.tick(30)
    assert after_crash(kernel) == {"short": b"onetwo"}


def test_the_size_follows_the_pages_that_are_written(kernel: Kernel) -> None:
    q = kernel.spawn()
    fd = q.open("new", O_RDWR | O_CREAT)
    for page in range(3):
        q.write(fd, b"abc"[page : page + 1] * PAGE)
    a = q.mmap(0, 3 * PAGE, RW, MAP_SHARED, fd)
    q.msync(a, PAGE, MS_SYNC)
    assert after_crash(kernel) == {"new": b"a" * PAGE}
    q.msync(a + 2 * PAGE, PAGE, MS_SYNC)
    assert after_crash(kernel) == {"new": b"a" * PAGE + bytes(PAGE) + b"c" * PAGE}


def test_a_cleared_tail_is_on_the_disk_before_the_shorter_size(kernel: Kernel, p: Process) -> None:
    fd = p.open("f", O_RDWR)
    p.ftruncate(fd, 100)
    assert after_crash(kernel) == {"f": b"o" * 3 * PAGE}
    kernel.tick(5)
    why = [r.event.why for r in kernel.trace.records if isinstance(r.event, ev.DiskWrite)]
    assert why[-1] == "commit"
    p.ftruncate(fd, 200)
    kernel.tick(5)
    assert after_crash(kernel) == {"f": b"o" * 100 + bytes(100)}


def test_a_punched_hole_is_durable_with_the_commit(kernel: Kernel, p: Process) -> None:
    a = p.mmap(0, 3 * PAGE, RW, MAP_SHARED, p.open("f", O_RDWR))
    p.madvise(a + PAGE, PAGE, MADV_REMOVE)
    assert after_crash(kernel) == {"f": b"o" * 3 * PAGE}
    kernel.tick(5)
    assert after_crash(kernel) == {"f": b"o" * PAGE + bytes(PAGE) + b"o" * PAGE}


def test_a_direct_write_is_on_the_disk_and_its_size_waits_for_the_commit(kernel: Kernel, p: Process) -> None:
    fd = p.open("f", O_RDWR | O_DIRECT)
    p.pwrite(fd, b"d" * 2 * PAGE, 2 * PAGE)
    assert after_crash(kernel) == {"f": b"o" * 2 * PAGE + b"d" * PAGE}
    kernel.tick(5)
    assert after_crash(kernel) == {"f": b"o" * 2 * PAGE + b"d" * 2 * PAGE}


def test_the_trace_says_what_the_journal_made_durable(kernel: Kernel) -> None:
    q = kernel.spawn()
    fd = q.open("new", O_RDWR | O_CREAT)
    q.write(fd, b"text")
    q.unlink("new")
    kernel.trace.clear()
    q.fsync(fd)
    kernel.tick(5)
    commits = [r.event for r in kernel.trace.records if isinstance(r.event, ev.JournalCommit)]
    assert commits == [ev.JournalCommit(kernel.sb.s_inodes[12].ino, "", 4)]


def test_a_power_failure_leaves_holes_holes_and_this_kernel_as_it_was(kernel: Kernel) -> None:
    q = kernel.spawn()
    fd = q.open("sparse", O_RDWR | O_CREAT)
    q.pwrite(fd, b"end", 1 << 40)
    q.fsync(fd)
    q.pwrite(fd, b"lost", 0)
    after = kernel.power_failure()
    assert after.disk.used == 1
    assert after.files.lookup("sparse").i_size == (1 << 40) + 3
    assert after.processes == {}
    assert q.pread(fd, 4, 0) == b"lost"


def test_a_power_failure_keeps_a_learners_function_and_the_size_of_the_disk() -> None:
    asked: list[int] = []
    kernel = Kernel(KernelConfig(disk_pages=4), get_unmapped_area=lambda *args: asked.append(1) or 0x10000)
    kernel.create_file("f", bytes(PAGE))
    kernel.fill_disk(left=1)
    after = kernel.power_failure()
    assert (after.disk.used, after.disk.capacity) == (1, 2)
    after.spawn().mmap(0, PAGE, PROT_READ, MAP_SHARED | 0x20)
    assert asked == [1]


def test_tmpfs_does_not_survive(tmpfs: Kernel) -> None:
    tmpfs.create_file("f", b"x")
    assert tmpfs.power_failure().files.names == {}
    with pytest.raises(FileNotFoundError):
        tmpfs.disk_bytes("f")


def test_a_write_looks_at_its_own_pages_only(kernel: Kernel) -> None:
    """Blocks are counted, never recounted: what a write costs does not grow with the file."""
    disk = kernel.disk
    disk.create(1, "large")
    disk.commit(1)

    class Blocks(dict[int, bytes]):
        def __iter__(self) -> object:  # type: ignore[override]
            raise AssertionError("the blocks of the whole file are walked")

        keys = items = values = __iter__  # type: ignore[assignment]

    disk.files[1].blocks = Blocks()
    disk.reserve(1, 0, 1)
    disk.write_block(1, 0, bytes(PAGE), "fsync")
    disk.commit(1)
    assert disk.used == 1
    disk.files.clear()
    disk.used = 0


def test_a_new_block_in_a_hole_is_durable_with_the_commit(kernel: Kernel, p: Process) -> None:
    fd = p.open("f", O_RDWR)
    p.ftruncate(fd, 5 * PAGE)
    p.fsync(fd)
    p.pwrite(fd, b"n" * PAGE, 4 * PAGE)
    kernel.slots.do_writepages(kernel.files.lookup("f").i_mapping, 0, None, "flusher")
    assert after_crash(kernel) == {"f": b"o" * 3 * PAGE + bytes(2 * PAGE)}
    kernel.tick(5)
    assert after_crash(kernel) == {"f": b"o" * 3 * PAGE + bytes(PAGE) + b"n" * PAGE}


def test_a_hole_takes_a_page_out_of_the_journals_order(kernel: Kernel, p: Process) -> None:
    fd = p.open("f", O_RDWR)
    a = p.mmap(0, 3 * PAGE, RW, MAP_SHARED, fd)
    p.ftruncate(fd, 100)
    p.madvise(a, PAGE, MADV_REMOVE)
    p.store(a, b"new")
    kernel.tick(5)
    assert after_crash(kernel) == {"f": bytes(100)}  # delayed allocation: the store has no block yet
