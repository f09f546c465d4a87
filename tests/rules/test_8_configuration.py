"""Rules 8: what differs between kernels is a field of KernelConfig, and each setting does what its kernel does.

Rules that a setting decides and that other tests of this folder run with both settings are not repeated here.
"""

from __future__ import annotations

import pytest

from mmaplab.constants import (
    MADV_RANDOM,
    MAP_ANONYMOUS,
    MAP_DROPPABLE,
    MAP_PRIVATE,
    MAP_SHARED,
    MAP_STACK,
    PROT_EXEC,
    PROT_NONE,
    PROT_READ,
    Madv,
)
from mmaplab.fuzz.writer import FileData
from mmaplab.interface import Process, Program, SegmentationFault
from mmaplab.sim import Kernel, KernelConfig
from tests.rules.both import ANON, ARENA, FIXED, PAGE, RW, SHARED, entries, minor, with_both_settings

FILE = {"f0": FileData(64 * PAGE)}


@pytest.mark.parametrize(("window", "faults"), [(1, 32), (4, 8), (16, 2), (32, 1)])
def test_8_fault_around_bytes(window: int, faults: int) -> None:
    """A window of that size is mapped by one read fault."""
    kernel = Kernel(KernelConfig(fault_around_bytes=window * PAGE))
    kernel.create_file("f0", bytes(64 * PAGE), warm=True)
    p = kernel.spawn()
    a = p.mmap(ARENA, 32 * PAGE, PROT_READ, SHARED, p.open("f0"))
    assert sum(minor(p, a + page * PAGE) for page in range(32)) == faults


@pytest.mark.parametrize("whole", [True, False])
def test_8_map_whole_folio(whole: bool) -> None:
    """A file written in one piece lies in a large folio; a fault maps all of it, or a window."""
    kernel = Kernel(KernelConfig(map_whole_folio=whole, eof_quirk=whole))
    p = kernel.spawn()
    fd = p.open("new", 0o102)  # O_CREAT | O_RDWR
    p.write(fd, b"x" * 64 * PAGE)
    a = p.mmap(ARENA, 64 * PAGE, PROT_READ, SHARED, fd)
    p.load(a)
    assert entries(p, a, 64).count("#") == (64 if whole else 16)


@pytest.mark.parametrize("pages", [8, 32, 64])
def test_8_ra_pages(pages: int) -> None:
    """A miss in the middle of a file reads a window of the device's size."""
    kernel = Kernel(KernelConfig(ra_pages=pages))
    kernel.create_file("f0", bytes(256 * PAGE))
    p = kernel.spawn()
    a = p.mmap(ARENA, 256 * PAGE, PROT_READ, SHARED, p.open("f0"))
    p.load(a + 128 * PAGE)
    assert sum(p.mincore(a, 256 * PAGE)) == pages


def test_8_ra_pages_and_random() -> None:
    """MADV_RANDOM reads one page, whatever the window."""
    kernel = Kernel()
    kernel.create_file("f0", bytes(64 * PAGE))
    p = kernel.spawn()
    a = p.mmap(ARENA, 64 * PAGE, PROT_READ, SHARED, p.open("f0"))
    p.madvise(a, 64 * PAGE, MADV_RANDOM)
    p.load(a + 32 * PAGE)
    assert sum(p.mincore(a, 64 * PAGE)) == 1


@pytest.mark.parametrize("minor_hit", [True, False])
def test_8_async_hit_is_minor(minor_hit: bool) -> None:
    """To touch the page with the readahead mark is a minor fault from 6.4 on, a major one before."""
    kernel = Kernel(KernelConfig(async_hit_is_minor=minor_hit, fault_around_bytes=PAGE))
    kernel.create_file("f0", bytes(512 * PAGE))
    p = kernel.spawn()
    fd = p.open("f0")
    p.pread(fd, PAGE, 0)
    a = p.mmap(ARENA, 512 * PAGE, PROT_READ, SHARED, fd)
    marked = next(f.index for f in p.mm.mm_mt.find(a).vm_file.f_inode.i_mapping.folios() if f.readahead)
    before = p.faults()
    p.load(a + marked * PAGE)
    assert (p.faults() - before).major == (0 if minor_hit else 1)


@pytest.mark.parametrize("merges", [True, False])
def test_8_merge_unfaulted(merges: bool) -> None:
    """An area with private pages takes its neighbour without any back in when their flags agree again: from 6.16."""
    kernel = Kernel(KernelConfig(merge_unfaulted=merges))
    p = kernel.spawn()
    p.mmap(ARENA, PAGE, RW, FIXED)
    p.mmap(ARENA + PAGE, PAGE, PROT_READ, FIXED)
    p.store(ARENA, b"x")
    p.mprotect(ARENA, PAGE, PROT_READ)  # written memory: the flags still differ in what is promised
    p.mprotect(ARENA + PAGE, PAGE, RW)
    p.mprotect(ARENA, PAGE, RW)
    assert len(p.maps()) == (1 if merges else 2)


def test_8_mremap_multi() -> None:
    """Several areas move in one call from 6.17 on; before, it is EFAULT."""

    def moves(p: Process) -> None:
        p.mmap(ARENA, PAGE, RW, FIXED)
        p.mmap(ARENA + PAGE, PAGE, PROT_READ, FIXED)
        target = ARENA + 64 * PAGE
        assert p.mremap(ARENA, 2 * PAGE, 2 * PAGE, 3, target) == target

    def refused(p: Process) -> None:
        p.mmap(ARENA, PAGE, RW, FIXED)
        p.mmap(ARENA + PAGE, PAGE, PROT_READ, FIXED)
        with pytest.raises(OSError, match="Errno 14"):
            p.mremap(ARENA, 2 * PAGE, 2 * PAGE, 3, ARENA + 64 * PAGE)

    with_both_settings(moves, "mremap_multi", True)
    with_both_settings(refused, "mremap_multi", False)


@pytest.mark.parametrize("readable", [True, False])
def test_8_exec_only_readable(readable: bool) -> None:
    """PROT_EXEC alone can be read, but for processors with protection keys."""
    kernel = Kernel(KernelConfig(exec_only_readable=readable))
    p = kernel.spawn()
    a = p.mmap(0, PAGE, PROT_EXEC, ANON)
    if readable:
        assert p.load(a) == b"\0"
    else:
        with pytest.raises(SegmentationFault, match="SEGV_PKUERR"):
            p.load(a)
    with pytest.raises(SegmentationFault, match="SEGV_ACCERR" if readable else "SEGV_PKUERR"):
        p.store(a, b"x")


def test_8_max_map_count() -> None:
    """One area too many is ENOMEM."""
    kernel = Kernel(KernelConfig(max_map_count=8))
    p = kernel.spawn()
    with pytest.raises(OSError, match="Errno 12"):
        for i in range(20):
            p.mmap(0, PAGE, PROT_READ if i % 2 else PROT_NONE, ANON)
    assert len(p.maps()) in (8, 9)


def test_8_overcommit() -> None:
    """One private writable mapping larger than all memory and swap is refused; a shared one is not."""
    kernel = Kernel(KernelConfig(commit_limit_bytes=1 << 20))
    kernel.create_file("f0", b"x")
    p = kernel.spawn()
    fd = p.open("f0")
    with pytest.raises(OSError, match="Errno 12"):
        p.mmap(0, 1 << 21, RW, ANON)
    p.mmap(0, 1 << 21, PROT_READ, MAP_SHARED, fd)
    p.mmap(0, 1 << 21, PROT_READ, MAP_PRIVATE, fd)


@pytest.mark.parametrize(
    ("field", "advice"),
    [
        ("madv_populate", Madv.MADV_POPULATE_READ),
        ("madv_populate", Madv.MADV_POPULATE_WRITE),
        ("madv_dontneed_locked", Madv.MADV_DONTNEED_LOCKED),
        ("madv_collapse", Madv.MADV_COLLAPSE),
        ("madv_guard", Madv.MADV_GUARD_INSTALL),
        ("madv_guard", Madv.MADV_GUARD_REMOVE),
    ],
)
def test_8_younger_advice(field: str, advice: int) -> None:
    """Advice that a kernel does not know is EINVAL, even about no byte."""

    def known(p: Process) -> None:
        p.madvise(ARENA, 0, advice)

    def unknown(p: Process) -> None:
        for length in (0, PAGE):
            with pytest.raises(OSError, match="Errno 22"):
                p.madvise(p.mmap(0, PAGE, RW, ANON), length, advice)

    with_both_settings(known, field, True)
    with_both_settings(unknown, field, False)


def test_8_guards_of_files() -> None:
    """Before 6.15 guards lie in private anonymous memory only."""

    def everywhere(p: Process) -> None:
        p.madvise(p.mmap(0, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS), PAGE, Madv.MADV_GUARD_INSTALL)

    def refused(p: Process) -> None:
        p.madvise(p.mmap(0, PAGE, RW, ANON), PAGE, Madv.MADV_GUARD_INSTALL)
        for advice in (Madv.MADV_GUARD_INSTALL, Madv.MADV_GUARD_REMOVE):
            with pytest.raises(OSError, match="Errno 22"):
                p.madvise(p.mmap(0, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS), PAGE, advice)

    with_both_settings(everywhere, "madv_guard_files", True)
    with_both_settings(refused, "madv_guard_files", False)


def test_8_map_droppable() -> None:
    """To a kernel before 6.11 the type is none."""

    def droppable(p: Process) -> None:
        p.mmap(0, PAGE, RW, MAP_DROPPABLE | MAP_ANONYMOUS)

    def unknown(p: Process) -> None:
        with pytest.raises(OSError, match="Errno 22"):
            droppable(p)

    with_both_settings(droppable, "map_droppable", True)
    with_both_settings(unknown, "map_droppable", False)


def test_8_map_stack_apart() -> None:
    """MAP_STACK memory and its neighbour are two areas from 6.7 on, one before."""

    def areas_of(count: int) -> Program:
        def program(p: Process) -> None:
            p.mmap(ARENA, PAGE, RW, FIXED)
            p.mmap(ARENA + PAGE, PAGE, RW, FIXED | MAP_STACK)
            assert len(p.maps()) == count

        return program

    with_both_settings(areas_of(2), "map_stack_apart", True)
    with_both_settings(areas_of(1), "map_stack_apart", False)
