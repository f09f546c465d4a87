"""fork, copy-on-write and signals: kernel-rules 4, 5.1, 5.4, 5.8."""

from __future__ import annotations

import pytest

from mmaplab import ledger
from mmaplab.constants import (
    MADV_WIPEONFORK,
    MAP_ANONYMOUS,
    MAP_PRIVATE,
    MAP_SHARED,
    PROT_EXEC,
    PROT_NONE,
    PROT_READ,
    PROT_WRITE,
    SEGV_ACCERR,
    SEGV_MAPERR,
)
from mmaplab.interface import FaultCounts, SegmentationFault
from mmaplab.sim import Kernel
from tests.sim.conftest import PAGE

RW = PROT_READ | PROT_WRITE
ANON = MAP_PRIVATE | MAP_ANONYMOUS


def test_read_of_fresh_memory_maps_the_zero_page_and_the_store_faults_again(kernel: Kernel) -> None:
    p = kernel.spawn()
    a = p.mmap(0, PAGE, RW, ANON)
    assert p.load(a) == b"\0"
    assert (p.mm.rss.anon, p.mincore(a, PAGE)) == (0, [True])
    p.store(a, b"x")
    assert (p.faults(), p.mm.rss.anon) == (FaultCounts(2, 0), 1)
    assert ledger.copies(kernel.trace.last()) == {}  # zeros are not copied: the new page is cleared


def test_a_store_in_the_child_copies_one_page_and_the_parent_keeps_its_own(kernel: Kernel) -> None:
    p = kernel.spawn()
    a = p.mmap(0, 4 * PAGE, RW, ANON)
    p.store(a, b"p" * 4 * PAGE)
    child = p.fork()
    child.store(a + PAGE, b"c")
    assert ledger.copies(kernel.trace.last()) == {"cow": PAGE}
    assert (p.load(a + PAGE), child.load(a + PAGE), child.load(a)) == (b"p", b"c", b"p")


def test_the_last_owner_takes_the_page_without_a_copy(kernel: Kernel) -> None:
    p = kernel.spawn()
    a = p.mmap(0, PAGE, RW, ANON)
    p.store(a, b"p")
    p.fork().exit()
    before = p.faults()
    p.store(a, b"q")
    assert p.faults() - before == FaultCounts(1, 0)
    assert ledger.copies(kernel.trace.last()) == {}


def test_shared_memory_stays_shared_after_fork(kernel: Kernel) -> None:
    p = kernel.spawn()
    a = p.mmap(0, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS)
    child = p.fork()
    child.store(a, b"c")
    assert p.load(a) == b"c"
    assert p.maps()[0].path == "/dev/zero (deleted)"


def test_areas_without_private_pages_are_not_copied(kernel: Kernel) -> None:
    kernel.create_file("f", bytes(4 * PAGE), warm=True)
    p = kernel.spawn()
    a = p.mmap(0, 4 * PAGE, PROT_READ, MAP_PRIVATE, p.open("f"))
    p.load(a)
    child = p.fork()
    assert list(child.mm.pgd.entries(a, a + 4 * PAGE)) == []
    child.load(a)
    assert child.faults() == FaultCounts(1, 0)


def test_wipeonfork_gives_the_child_zeros(kernel: Kernel) -> None:
    p = kernel.spawn()
    a = p.mmap(0, PAGE, RW, ANON)
    p.store(a, b"x")
    p.madvise(a, PAGE, MADV_WIPEONFORK)
    assert p.fork().load(a) == b"\0"


def test_a_used_process_is_gone_after_exit(kernel: Kernel) -> None:
    p = kernel.spawn()
    p.exit()
    with pytest.raises(ProcessLookupError):
        p.load(0)
    with pytest.raises(ProcessLookupError):
        p.mmap(0, PAGE, RW, ANON)


@pytest.mark.parametrize(
    ("prot", "want", "code", "minor"),
    [
        (PROT_NONE, "load", SEGV_ACCERR, 0),
        (PROT_READ, "store", SEGV_ACCERR, 0),
        (PROT_WRITE, "load", None, 1),  # x86 has no write-only
        (PROT_EXEC, "load", None, 1),
        (PROT_READ, "execute", SEGV_ACCERR, 1),  # the page is mapped first, then it refuses
    ],
)
def test_rights(kernel: Kernel, prot: int, want: str, code: int | None, minor: int) -> None:
    p = kernel.spawn()
    a = p.mmap(0, PAGE, prot, ANON)
    access = {"load": lambda: p.load(a + 5), "store": lambda: p.store(a + 5, b"x"), "execute": lambda: p.execute(a + 5)}
    if code is None:
        access[want]()
    else:
        with pytest.raises(SegmentationFault) as caught:
            access[want]()
        assert (caught.value.si_code, caught.value.si_addr) == (code, a + 5)
    assert p.faults() == FaultCounts(minor, 0)


def test_bytes_before_the_bad_one_are_stored(kernel: Kernel) -> None:
    p = kernel.spawn()
    a = p.mmap(0, PAGE, RW, ANON)
    with pytest.raises(SegmentationFault) as caught:
        p.store(a + PAGE - 3, b"abcdef")
    assert (caught.value.si_code, caught.value.si_addr) == (SEGV_MAPERR, a + PAGE)
    assert p.load(a + PAGE - 3, 3) == b"abc"


def test_a_non_canonical_address_has_no_address(kernel: Kernel) -> None:
    with pytest.raises(SegmentationFault) as caught:
        kernel.spawn().load(2**63 - 5)
    assert (caught.value.si_code, caught.value.si_addr) == (128, 0)
