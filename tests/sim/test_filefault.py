"""Faults on files: kernel-rules 5.2, 5.3, 5.5, 5.6 and 6.5, one test per rule."""

from __future__ import annotations

import pytest

from mmaplab import ledger
from mmaplab.constants import (
    MADV_RANDOM,
    MAP_FIXED,
    MAP_PRIVATE,
    MAP_SHARED,
    MS_SYNC,
    O_RDWR,
    PROT_READ,
    PROT_WRITE,
)
from mmaplab.interface import BusError, FaultCounts
from mmaplab.sim import Kernel, KernelConfig, invariants
from mmaplab.sim.process import Process
from tests.sim.conftest import BASE, PAGE, MapFile


def present(p: Process, addr: int, pages: int) -> str:
    """Return a row of the strip: x where a page has an entry."""
    return "".join("x" if p.mm.pgd.get_pte(addr + i * PAGE) else "." for i in range(pages))


def test_read_fault_maps_the_window_of_sixteen(kernel: Kernel, mapped: MapFile) -> None:
    # page      0               16              32
    # touched                     ^
    p, a = mapped(kernel, 48)
    p.load(a + 20 * PAGE)
    assert present(p, a, 48) == "." * 16 + "x" * 16 + "." * 16
    assert p.faults() == FaultCounts(1, 0)


@pytest.mark.parametrize(
    ("slot", "pages", "faulting"),
    [
        (0, 64, [0, 16, 32, 48]),
        (15, 64, [0, 16, 17, 33, 49]),  # the area begins one slot before a boundary
        (5, 40, [0, 16, 27]),
        (500, 40, [0, 12, 28]),  # the page table ends after 12 pages
    ],
)
def test_windows_are_laid_out_by_slot(slot: int, pages: int, faulting: list[int], mapped: MapFile) -> None:
    kernel = Kernel()
    p, a = mapped(kernel, pages, slot)
    for page in range(pages):
        p.load(a + page * PAGE)
    assert [(addr - a) // PAGE for addr, _ in ledger.fault_addresses(kernel.trace.records)] == faulting


def test_window_that_begins_with_the_area_keeps_its_length(kernel: Kernel, mapped: MapFile) -> None:
    # slot 5 is touched; the window would begin at slot 0, before the area
    p, a = mapped(kernel, 40, slot=5)
    p.load(a)
    assert present(p, a, 40) == "x" * 16 + "." * 24


def test_window_ends_with_the_area(kernel: Kernel) -> None:
    kernel.create_file("file", bytes(64 * PAGE), warm=True)
    p = kernel.spawn()
    a = p.mmap(BASE, 10 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, p.open("file"))
    p.load(a + 9 * PAGE)
    assert present(p, a, 12) == "x" * 10 + ".."


def test_second_touch_is_free(kernel: Kernel, mapped: MapFile) -> None:
    p, a = mapped(kernel, 16)
    p.load(a)
    before = p.faults()
    for page in range(16):
        p.load(a + page * PAGE)
    assert p.faults() == before


def test_store_to_a_shared_page_takes_one_fault_and_no_neighbours(kernel: Kernel, mapped: MapFile) -> None:
    p, a = mapped(kernel, 16)
    p.store(a + 3 * PAGE, b"x")
    assert present(p, a, 16) == "...x" + "." * 12
    p.store(a + 3 * PAGE, b"y")
    assert p.faults() == FaultCounts(1, 0)


def test_store_after_read_faults_once_more_on_ext4(kernel: Kernel, mapped: MapFile) -> None:
    p, a = mapped(kernel, 16)
    p.load(a)
    p.store(a, b"x")
    assert p.faults() == FaultCounts(2, 0)


def test_store_after_read_is_free_on_tmpfs(tmpfs: Kernel, mapped: MapFile) -> None:
    p, a = mapped(tmpfs, 16)
    p.load(a)
    p.store(a + PAGE, b"x")  # a neighbour, mapped by fault-around
    assert p.faults() == FaultCounts(1, 0)


def test_store_after_msync_faults_again(kernel: Kernel, mapped: MapFile) -> None:
    p, a = mapped(kernel, 4)
    p.store(a, b"x")
    p.msync(a, PAGE, MS_SYNC)
    before = p.faults()
    p.store(a, b"y")
    assert p.faults() - before == FaultCounts(1, 0)
    assert kernel.disk_bytes("file")[:1] == b"x"


def test_private_store_copies_this_page_only(kernel: Kernel, mapped: MapFile) -> None:
    p, a = mapped(kernel, 16, flags=MAP_PRIVATE)
    p.store(a + 2 * PAGE, b"x")
    assert present(p, a, 16) == "..x" + "." * 13
    assert ledger.copies(kernel.trace.last()) == {"cow": PAGE}
    assert kernel.file_bytes("file")[2 * PAGE] == 2


def test_first_touch_of_a_cold_file_is_major_and_reads_around(kernel: Kernel) -> None:
    # page      0       24              40      56
    # read              ================================    32 pages, half of them before the touched one
    kernel.create_file("cold", bytes(128 * PAGE))
    p = kernel.spawn()
    a = p.mmap(BASE, 128 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, p.open("cold"))
    p.load(a + 40 * PAGE)
    resident = p.mincore(a, 128 * PAGE)
    assert [i for i, there in enumerate(resident) if there] == list(range(24, 56))
    assert p.faults() == FaultCounts(0, 1)
    assert present(p, a, 128)[32:48] == "x" * 16  # page 48 carries the mark, and is outside of the window


def test_random_advice_reads_one_page(kernel: Kernel) -> None:
    kernel.create_file("cold", bytes(128 * PAGE))
    p = kernel.spawn()
    a = p.mmap(BASE, 128 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, p.open("cold"))
    p.madvise(a, 128 * PAGE, MADV_RANDOM)
    p.load(a + 40 * PAGE)
    assert ledger.pages_read(kernel.trace.last()) == 1
    assert sum(p.mincore(a, 128 * PAGE)) == 1


def test_hole_is_filled_with_zeros_without_the_disk(kernel: Kernel) -> None:
    kernel.create_file("file", b"x")
    p = kernel.spawn()
    fd = p.open("file", O_RDWR)
    p.ftruncate(fd, 64 * PAGE)
    a = p.mmap(0, 64 * PAGE, PROT_READ, MAP_SHARED, fd)
    assert p.load(a + 63 * PAGE) == b"\0"
    assert ledger.pages_read(kernel.trace.last()) == 0
    assert p.faults() == FaultCounts(0, 1)


def test_page_behind_the_file_is_sigbus_at_the_exact_byte(kernel: Kernel) -> None:
    kernel.create_file("file", b"short", warm=True)
    p = kernel.spawn()
    a = p.mmap(0, 2 * PAGE, PROT_READ, MAP_SHARED, p.open("file"))
    with pytest.raises(BusError) as caught:
        p.load(a + PAGE + 7)
    assert (caught.value.si_code, caught.value.si_addr) == (2, a + PAGE + 7)
    assert p.faults() == FaultCounts(0, 0)  # a fault that ends in a signal is not counted
    assert p.load(a, 5) == b"short"


def test_large_folio_is_mapped_whole_by_one_fault() -> None:
    kernel = Kernel(check=invariants.check)
    p = kernel.spawn()
    kernel.create_file("file")
    fd = p.open("file", O_RDWR)
    p.write(fd, bytes(64 * PAGE))  # one call of 256 KiB: one folio of order 6
    p.write(fd, bytes(PAGE))
    a = p.mmap(BASE, 65 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd)
    p.store(a + 9 * PAGE, b"x")
    assert present(p, a, 65) == "x" * 64 + "."
    assert p.faults() == FaultCounts(1, 0)


def test_older_kernels_map_one_page_of_a_large_folio() -> None:
    kernel = Kernel(KernelConfig(map_whole_folio=False), check=invariants.check)
    p = kernel.spawn()
    kernel.create_file("file")
    fd = p.open("file", O_RDWR)
    p.write(fd, bytes(64 * PAGE))
    p.write(fd, bytes(PAGE))
    a = p.mmap(BASE, 65 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd)
    p.store(a + 9 * PAGE, b"x")
    assert present(p, a, 65).count("x") == 1
