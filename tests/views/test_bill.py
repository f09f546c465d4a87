"""The bill: every number in it is the ledger's, and each hop that moved bytes has its thick arrow."""

from __future__ import annotations

import re

import pytest

from mmaplab import ledger
from mmaplab.constants import MAP_PRIVATE, MAP_SHARED, O_RDWR, PROT_READ, PROT_WRITE
from mmaplab.sim import Kernel, KernelConfig
from mmaplab.sim import events as ev
from mmaplab.views.bill import bill
from tests.views.drawing import check
from tests.views.pictures import PROGRAMS, count, labels

PAGE = 4096


def machine() -> Kernel:
    """A kernel whose fault reads and maps one page, with a cold file of four."""
    kernel = Kernel(KernelConfig(ra_pages=0, fault_around_bytes=PAGE))
    kernel.create_file("a.txt", b"word" * 1024 * 4)
    return kernel


def test_a_cold_load_is_one_device_copy_and_one_major_fault() -> None:
    kernel = machine()
    p = kernel.spawn()
    p.load(p.mmap(0, 4 * PAGE, PROT_READ, MAP_SHARED, p.open("a.txt")))
    picture = bill(kernel.trace.last())
    check(picture)
    assert count(picture, "path", "shaft") == 1
    assert picture.description == "4,096 B copied by the device, 0 B by the processor, 1 entry into the kernel."
    assert [line.split() for line in repr(picture).splitlines()[:2]] == [
        ["copied", "by", "the", "device", "4,096", "B"],
        ["copied", "by", "the", "processor", "0", "B"],
    ]


def test_two_roads_stand_below_each_other_and_count_apart() -> None:
    kernel = machine()
    p = kernel.spawn()
    fd = p.open("a.txt", O_RDWR)
    a = p.mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd)
    p.load(a)
    p.store(a, b"x")
    mapped = kernel.trace.last(2)
    p.pread(fd, 4 * PAGE, 0)
    p.pwrite(fd, b"hello", 0)
    picture = bill(mmap=mapped, read=kernel.trace.last(2))
    check(picture)
    assert bill(mmap=mapped, read=kernel.trace.last(2)).svg == picture.svg
    # device in and private copy; device in, to the buffer, from the buffer
    assert count(picture, "path", "shaft") == 5
    words = {label.words for label in labels(picture)}
    assert {"mmap", "read", "→ 16,384 B · CPU, 4 copies", "← 5 B · CPU"} <= words
    head = repr(picture).splitlines()[0].split()
    assert head == ["mmap", "read"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_numbers_are_the_ledgers(name: str) -> None:
    kernel = PROGRAMS[name]()
    picture = bill(kernel)
    check(picture)
    records = kernel.trace.records
    moved, fault = ledger.copies(records), ledger.faults(records)
    written = {line[:32].strip(): line[32:].strip() for line in repr(picture).splitlines()}
    assert written["copied by the device"] == f"{moved['dma_in'] + moved['dma_out']:,} B"
    assert written["minor faults"] == f"{fault.minor}" and written["major faults"] == f"{fault.major}"
    assert written["system calls"] == f"{sum(isinstance(r.event, ev.Syscall) for r in records)}"
    used = sum(1 for hop in ledger.HOP_WORDS if moved[hop])
    assert count(picture, "path", "shaft") == used


def test_what_did_not_happen_is_dotted_and_zero() -> None:
    picture = bill([])
    check(picture)
    assert count(picture, "path", "shaft") == 0
    assert count(picture, "path", "none") == 3
    assert re.search(r"price.*0\.0 µs", repr(picture))


def test_nothing_given_is_said() -> None:
    with pytest.raises(ValueError, match=r"kernel\.trace\.last"):
        bill()
    with pytest.raises(TypeError, match="holds no trace"):
        bill(3)
