"""The ledger: numbers are folds over the trace, and agree with what the kernel says itself."""

from __future__ import annotations

from mmaplab import ledger
from mmaplab.constants import MAP_SHARED, O_RDWR, PROT_READ, PROT_WRITE
from mmaplab.interface import FaultCounts
from mmaplab.sim import Kernel
from mmaplab.sim import events as ev
from mmaplab.sim.process import Process

PAGE = 4096


def busy() -> tuple[Kernel, Process, int]:
    """A kernel in which a cold file was read, mapped and stored to."""
    kernel = Kernel()
    kernel.create_file("f", bytes(8 * PAGE))
    p = kernel.spawn()
    fd = p.open("f", O_RDWR)
    a = p.mmap(0, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd)
    kernel.trace.clear()
    p.load(a)
    p.pread(fd, 2 * PAGE, 0)
    p.store(a, b"x")
    p.fsync(fd)
    return kernel, p, a


def test_faults_agree_with_getrusage() -> None:
    kernel, p, _ = busy()
    assert ledger.faults(kernel.trace.records) == p.faults() == FaultCounts(1, 1)
    assert ledger.faults(kernel.trace.records, pid=99) == FaultCounts(0, 0)


def test_fault_addresses_are_in_order_with_their_outcome() -> None:
    kernel, _, a = busy()
    assert ledger.fault_addresses(kernel.trace.records) == [(a, "major"), (a, "minor")]


def test_copies_are_told_apart_by_who_makes_them() -> None:
    kernel, _, _ = busy()
    moved = ledger.copies(kernel.trace.records)
    assert moved == {"dma_in": 8 * PAGE, "copy_to_user": 2 * PAGE, "dma_out": PAGE}
    bill = ledger.bill_of(kernel.trace.records)
    assert (bill.device_bytes, bill.cpu_bytes) == (9 * PAGE, 2 * PAGE)
    assert ledger.copy_counts(kernel.trace.records)["copy_to_user"] == 2
    assert set(moved) <= set(ledger.HOP_WORDS)


def test_kernel_entries_are_calls_and_faults() -> None:
    kernel, _, _ = busy()
    bill = ledger.bill_of(kernel.trace.records)
    assert ledger.syscalls(kernel.trace.records) == {"pread": 1, "fsync": 1}
    assert bill.kernel_entries == 4


def test_price_follows_the_table_and_nothing_else() -> None:
    kernel, _, _ = busy()
    records = kernel.trace.records
    assert ledger.price(records, {}) == 0
    assert ledger.price(records, {ev.Syscall: 10.0}) == 20
    assert ledger.price(records, {ev.Copy: lambda event: float(event.nbytes)}) == 11 * PAGE  # type: ignore[attr-defined]
    slow_disk = {**ledger.COSTS, ev.DiskRead: 10e6}
    assert ledger.price(records, slow_disk) > ledger.price(records)


def test_spans_are_trees() -> None:
    kernel, _, _ = busy()
    roots = ledger.by_span(kernel.trace.records)
    assert [type(node.opened).__name__ for node in roots] == ["Access", "Syscall", "Access", "Syscall"]
    (fault,) = roots[0].children
    assert (type(fault.opened), fault.outcome) == (ev.PageFault, "major")
    assert sum(len(node.records) for node in roots) == len(kernel.trace.records)
