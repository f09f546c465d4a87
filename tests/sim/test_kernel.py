"""The kernel as a whole: files, time, power, slots, bad input."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mmaplab import ledger
from mmaplab.constants import (
    MAP_ANONYMOUS,
    MAP_PRIVATE,
    MAP_SHARED,
    MS_ASYNC,
    MS_SYNC,
    O_APPEND,
    O_DIRECT,
    O_RDWR,
    PROT_READ,
    PROT_WRITE,
)
from mmaplab.interface import SegmentationFault
from mmaplab.sim import Kernel, KernelConfig, invariants, merge
from mmaplab.sim.fault import NoProgress
from mmaplab.sim.filefault import filemap_map_pages
from mmaplab.sim.mm_types import FaultResult, VmFault
from mmaplab.sim.process import Process
from tests.sim.conftest import PAGE

RW = PROT_READ | PROT_WRITE
ANON = MAP_PRIVATE | MAP_ANONYMOUS


@pytest.fixture
def writer(kernel: Kernel) -> tuple[Kernel, Process, int]:
    """A process that maps two pages of `f`, which the disk holds as `old`."""
    kernel.create_file("f", b"old" + bytes(2 * PAGE - 3), warm=True)
    p = kernel.spawn()
    return kernel, p, p.mmap(0, 2 * PAGE, RW, MAP_SHARED, p.open("f", O_RDWR))


def test_read_of_a_cold_file_shows_two_hops_and_a_mapping_one(kernel: Kernel) -> None:
    kernel.create_file("f", b"x" * PAGE)
    p = kernel.spawn()
    p.read(p.open("f"), PAGE)
    assert ledger.copies(kernel.trace.last()) == {"dma_in": PAGE, "copy_to_user": PAGE}
    kernel.create_file("g", b"x" * PAGE)
    p.load(p.mmap(0, PAGE, PROT_READ, MAP_SHARED, p.open("g")), 1)
    assert ledger.copies(kernel.trace.last()) == {"dma_in": PAGE}


def test_direct_read_goes_past_the_page_cache(kernel: Kernel) -> None:
    kernel.create_file("f", b"x" * PAGE)
    p = kernel.spawn()
    fd = p.open("f", O_DIRECT)
    assert p.read(fd, PAGE) == b"x" * PAGE
    assert ledger.copies(kernel.trace.last()) == {"dma_in": PAGE}
    assert ledger.counts(kernel.trace.last())["CacheAdd"] == 0


def test_stores_reach_the_disk_by_msync_and_not_before(writer: tuple[Kernel, Process, int]) -> None:
    kernel, p, a = writer
    p.store(a, b"new")
    assert p.pread(3, 3, 0) == b"new"  # everybody sees it
    p.msync(a, PAGE, MS_ASYNC)
    assert kernel.disk_bytes("f")[:3] == b"old"  # MS_ASYNC does nothing
    p.msync(a, PAGE, MS_SYNC)
    assert kernel.disk_bytes("f")[:3] == b"new"


def test_munmap_and_exit_write_nothing(writer: tuple[Kernel, Process, int]) -> None:
    kernel, p, a = writer
    p.store(a, b"new")
    p.munmap(a, 2 * PAGE)
    p.exit()
    assert (kernel.file_bytes("f")[:3], kernel.disk_bytes("f")[:3]) == (b"new", b"old")


def test_the_flusher_writes_after_thirty_seconds(writer: tuple[Kernel, Process, int]) -> None:
    kernel, p, a = writer
    p.store(a, b"new")
    kernel.tick(29)
    assert kernel.disk_bytes("f")[:3] == b"old"
    kernel.tick(6)
    assert kernel.disk_bytes("f")[:3] == b"new"


def test_after_a_power_failure_only_the_disk_is_left(writer: tuple[Kernel, Process, int]) -> None:
    kernel, p, a = writer
    p.store(a, b"new")
    after = kernel.power_failure()
    assert after.file_bytes("f")[:3] == b"old"
    assert after.processes == {}


def test_drop_caches_leaves_mapped_pages(writer: tuple[Kernel, Process, int]) -> None:
    kernel, p, a = writer
    p.load(a)
    kernel.drop_caches("f")
    assert p.mincore(a, 2 * PAGE) == [True, True]
    p.munmap(a, 2 * PAGE)
    kernel.drop_caches("f")
    assert ledger.counts(kernel.trace.last())["CacheDelete"] == 2


def test_a_learners_function_runs_in_the_kernel_and_changes_nothing_else(kernel: Kernel) -> None:
    asked = []

    def do_fault_around(vmf: VmFault) -> FaultResult:
        asked.append(vmf.pgoff)
        return filemap_map_pages(vmf, vmf.pgoff, vmf.pgoff)

    own = Kernel(do_fault_around=do_fault_around)
    own.create_file("f", bytes(4 * PAGE), warm=True)
    p = own.spawn()
    a = p.mmap(0, 4 * PAGE, PROT_READ, MAP_SHARED, p.open("f"))
    for page in range(4):
        p.load(a + page * PAGE)
    assert asked == [0, 1, 2, 3]
    assert p.faults().minor == 4


def test_an_unknown_slot_is_named() -> None:
    with pytest.raises(TypeError, match=r"no kernel function 'find_vm' .*find_vma"):
        Kernel(find_vm=lambda mm, addr: None)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda p: p.mmap(0, -1, 1, 2), ValueError, "length is -1"),
        (lambda p: p.mmap(0, "x", 1, 2), TypeError, "length is 'x'"),
        (lambda p: p.load(0, -1), ValueError, "load of -1"),
        (lambda p: p.store(0, "text"), TypeError, "data is 'text'"),
        (lambda p: p.load(2**64), ValueError, "addr is"),
        (lambda p: p.open(3), TypeError, "name of a file is 3"),
        (lambda p: p.close(77), OSError, "77 is no open descriptor"),
    ],
)
def test_bad_input_names_the_value_and_the_kernel_lives_on(
    kernel: Kernel, call: object, error: type[Exception], words: str
) -> None:
    p = kernel.spawn()
    with pytest.raises(error, match=words):
        call(p)  # type: ignore[operator]
    assert p.maps() == []
    assert p.mmap(0, PAGE, RW, 0x22)


@pytest.mark.parametrize("name", ["", "a/b", ".", ".."])
def test_names_are_plain(kernel: Kernel, name: str) -> None:
    with pytest.raises(ValueError, match="no name of a file"):
        kernel.create_file(name)


def test_append_writes_at_the_end(kernel: Kernel) -> None:
    kernel.create_file("f", b"one")
    p = kernel.spawn()
    p.pwrite(p.open("f", O_RDWR | O_APPEND), b"two", 0)
    assert kernel.file_bytes("f") == b"onetwo"


@pytest.mark.parametrize("name", ["modern", "classic", "modern-tmpfs", "classic-tmpfs"])
def test_profiles(name: str) -> None:
    kernel = Kernel(KernelConfig.named(name))
    kernel.create_file("f", b"x" * 5000)
    p = kernel.spawn()
    assert p.load(p.mmap(0, 5000, PROT_READ, MAP_SHARED, p.open("f")) + 4999) == b"x"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"file_system": "ntfs"}, "ntfs"),
        ({"fault_around_bytes": 5000}, "5000"),
        ({"page_size": 16384}, "16384"),
        ({"cpus": 0}, "cpus is 0"),
    ],
)
def test_a_machine_that_cannot_be_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        KernelConfig(**change)  # type: ignore[arg-type]


def test_every_span_is_closed_and_numbering_goes_on(kernel: Kernel) -> None:
    p = kernel.spawn()
    with pytest.raises(OSError):
        p.munmap(1, 1)
    last = kernel.trace.last()
    assert (last[-1].event.of, last[-1].event.outcome) == ("Syscall", "EINVAL")  # type: ignore[attr-defined]
    kernel.trace.clear()
    p.brk(0)
    assert kernel.trace.records[0].seq == last[-1].seq + 1


def nothing(*args: object, **kwargs: object) -> FaultResult:
    return FaultResult.VM_FAULT_DONE


@pytest.mark.parametrize(
    ("slot", "function"),
    [
        ("do_wp_page", nothing),
        ("handle_mm_fault", nothing),
        ("handle_mm_fault", lambda vmf: FaultResult.VM_FAULT_RETRY),
        ("translate", lambda task, addr, want: 0),
        ("do_fault_around", lambda vmf: FaultResult.VM_FAULT_NOPAGE),
    ],
)
def test_an_access_that_never_comes_through_names_the_slot(slot: str, function: Callable[..., object]) -> None:
    """A loop without end would end the notebook; so the error comes, and the kernel lives on."""
    kernel = Kernel(check=invariants.check, **{slot: function})  # type: ignore[arg-type]
    kernel.create_file("f", bytes(PAGE), warm=True)
    p = kernel.spawn()
    anon, file = p.mmap(0, PAGE, RW, ANON), p.mmap(0, PAGE, RW, MAP_SHARED, p.open("f", O_RDWR))
    with pytest.raises(
        NoProgress,
        match=rf"0x[0-9a-f]+ does not come to an end: it has faulted 100 times.* functions in this kernel: {slot}\.",
    ):
        for access in (lambda: p.load(anon), lambda: p.store(anon, b"x"), lambda: p.load(file)):
            access()
    assert kernel.trace.depth == 0
    assert len(p.fork().maps()) == len(p.maps()) == 2
    p.munmap(anon, PAGE)
    kernel.close()


@pytest.mark.parametrize("result", [FaultResult.VM_FAULT_DONE, FaultResult.VM_FAULT_RETRY])
def test_a_page_that_the_kernel_wants_and_never_gets_names_the_slot(result: FaultResult) -> None:
    kernel = Kernel(handle_mm_fault=lambda vmf: result, can_vma_merge=merge.can_vma_merge)
    p = kernel.spawn()
    a = p.mmap(0, PAGE, RW, ANON)
    for call in (lambda: p.mlock(a, PAGE), lambda: p.madvise(a, PAGE, 23), lambda: p.mmap(0, PAGE, RW, ANON | 0x8000)):
        with pytest.raises(NoProgress, match="functions in this kernel: handle_mm_fault, can_vma_merge"):
            call()
    assert kernel.trace.depth == 0 and len(p.maps()) == 2


@pytest.mark.parametrize("answer", [123, -PAGE, 1 << 47, None, "here", 2**64])
def test_a_place_that_is_none_is_refused_with_its_slot(answer: object) -> None:
    kernel = Kernel(check=invariants.check, get_unmapped_area=lambda *args: answer)
    p = kernel.spawn()
    with pytest.raises(ValueError, match=r"your get_unmapped_area answered .*: no 0x1000 user bytes"):
        p.mmap(0, PAGE, RW, ANON)
    assert (kernel.trace.depth, p.maps()) == (0, [])


def test_a_place_that_is_taken_is_refused_with_its_slot() -> None:
    kernel = Kernel(check=invariants.check, get_unmapped_area=lambda *args: 0x7000_0000)
    p = kernel.spawn()
    assert p.mmap(0, 2 * PAGE, RW, ANON) == 0x7000_0000
    p.store(0x7000_0000, b"mine")
    told = "your get_unmapped_area answered 0x70000000 for 0x1000 bytes, which meet <VmArea 70000000-70002000 rw-p>"
    with pytest.raises(ValueError, match=told):
        p.mmap(0, PAGE, RW, ANON)
    with pytest.raises(ValueError, match="your get_unmapped_area answered 0x70000000 for 0x8000 bytes"):
        p.mremap(0x7000_0000, PAGE, 8 * PAGE, 1)
    assert p.load(0x7000_0000, 4) == b"mine"


def test_the_code_of_a_signal_is_a_plain_number(kernel: Kernel) -> None:
    """As the live kernel tells it: both are shown alike."""
    with pytest.raises(SegmentationFault) as told:
        kernel.spawn().load(PAGE)
    assert type(told.value.si_code) is int
