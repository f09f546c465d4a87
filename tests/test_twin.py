"""The twin: one program on two kernels. A second simulated kernel plays the live one, and can be made to differ."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mmaplab.constants import MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, O_RDWR, PROT_READ, PROT_WRITE
from mmaplab.endless import EndlessProgram
from mmaplab.interface import BusError, Process
from mmaplab.lab import NotAvailable
from mmaplab.sim import Kernel, KernelConfig
from mmaplab.twin import Comparison, twin

RW = PROT_READ | PROT_WRITE
ANON = MAP_PRIVATE | MAP_ANONYMOUS


def everything(p: Process) -> None:
    fd = p.open("data", O_RDWR)
    a = p.mmap(0, 0x4000, RW, MAP_SHARED, fd)
    for i in range(3):
        p.load(a + 4096 * i)
    p.store(a, b"hello")
    child = p.fork()
    child.store(a + 5, b"!")
    p.pread(fd, 6, 0)
    p.fstat(fd)
    p.mprotect(a + 0x1000, 0x1000, PROT_READ)
    p.maps()
    p.mincore(a, 0x4000)
    child.exit()
    with pytest.raises(BusError):
        p.load(a + 0x3001)


DATA = {"data": bytes(range(256)) * 40}


def compared(program: Callable[[Process], object], live: Kernel | None = None, **options: object) -> Comparison:
    return twin(program, Kernel(), live or Kernel(), **options)  # type: ignore[arg-type]


def test_two_equal_kernels_agree() -> None:
    comparison = compared(everything, files=DATA)
    assert comparison.difference is None
    assert comparison.agrees
    assert comparison.died is None
    assert "agree in all 15 steps" in comparison.summary()


def test_steps_that_end_in_different_ways_are_rows_of_their_own() -> None:
    def loads(p: Process) -> None:
        a = p.mmap(0, 0x4000, RW, ANON)
        p.store(a, b"x")
        for page in range(4):
            p.load(a + 0x1000 * page)

    rows = compared(loads).rows()
    assert [(row.count, row.predicted) for row in rows[2:]] == [(1, "b'x'"), (3, "b'\\x00'")]


def test_equal_steps_of_a_kind_are_folded() -> None:
    comparison = compared(lambda p: [p.load(p.mmap(0, 4096, RW, ANON)) and None, [p.brk(0) for _ in range(9)]])
    rows = comparison.rows()
    assert [(row.number, row.count) for row in rows][:2] == [(1, 1), (2, 1)]
    loads = compared(lambda p: scan(p, 40)).rows()
    assert [(row.number, row.count, row.agrees) for row in loads] == [(1, 1, True), (2, 40, True)]
    assert loads[1].call == "p.load(a) ... p.load(a+0x27000)"
    assert loads[1].faults == "  [40 minor faults in all]"


def scan(p: Process, pages: int) -> None:
    a = p.mmap(0, pages * 4096, RW, ANON)
    for i in range(pages):
        p.load(a + 4096 * i)


def no_area_above(mm: object, addr: int) -> None:
    """A find_vma that finds nothing."""


def test_a_difference_in_a_result_is_explained_with_both_states() -> None:
    comparison = compared(lambda p: scan(p, 2), Kernel(find_vma=no_area_above))
    difference = comparison.difference
    assert difference is not None
    assert (difference.step, difference.what) == (2, "result")
    assert difference.predicted == "b'\\x00'"
    assert difference.happened.startswith("SegmentationFault, SEGV_MAPERR, at 0x7")
    assert "both      7ffff7ffd000-7ffff7fff000 rw-p 00000000 = a\n" in difference.explanation
    assert "    predicted #.\n    live      ..\n              ^\n" in difference.explanation
    assert "PageFault(addr=0x7ffff7ffd000 a, want='load')" in difference.explanation
    assert "last events" in difference.explanation
    text = comparison.text()
    assert "agree until step 1 of 2, and differ in step 2." in text
    assert "live: SegmentationFault, SEGV_MAPERR, at a   <- result" in text
    assert not comparison.agrees


def test_a_difference_in_the_number_of_faults() -> None:
    config = KernelConfig(fault_around_bytes=4096)
    comparison = compared(file_scan, Kernel(config), files=DATA, warm=True)
    assert comparison.difference is not None
    assert (comparison.difference.step, comparison.difference.what) == (4, "page faults")
    assert (comparison.difference.predicted, comparison.difference.happened) == ("no page fault", "1 minor fault")
    assert "    predicted ##\n    live      ##\n               ^\n" in comparison.difference.explanation
    row = comparison.rows()[-1]
    assert (row.faults, row.happened) == ("  [no fault]", "b'\\x00'  [1 minor fault]")


def test_a_program_that_differs_at_once() -> None:
    comparison = compared(lambda p: p.mmap(0, 4096, RW, ANON), Kernel(KernelConfig(mmap_base=0x7FFF_0000_0000)))
    assert comparison.summary() == "Predicted and measured differ from step 1 of 1 on."


def test_of_many_areas_those_beside_the_difference_are_its_state() -> None:
    def program(p: Process) -> None:
        for i in range(40):
            p.mmap((1 << 40) + i * 0x4000, 4096, RW, ANON | MAP_FIXED)
        p.mmap((1 << 40) + 20 * 0x4000 + 4096, 4096, RW, ANON | MAP_FIXED)

    comparison = compared(program, Kernel(can_vma_merge=lambda *args, **kwargs: False))
    assert comparison.difference is not None and comparison.difference.step == 41
    assert len(comparison.difference.explanation.splitlines()) > 40
    heading, *lines = comparison.state()
    assert heading == "  areas of p"
    assert [line.split()[0] for line in lines] == ["both", "both", "live", "predicted", "live", "both"]
    assert compared(lambda p: scan(p, 3)).state() == []


def test_only_the_neighbourhood_of_a_large_area_is_shown() -> None:
    def program(p: Process) -> None:
        a = p.mmap(1 << 40, 1000 * 4096, PROT_READ, MAP_SHARED | MAP_FIXED, p.open("long"))
        p.load(a + 500 * 4096)
        p.load(a + 501 * 4096)

    live = Kernel(KernelConfig(fault_around_bytes=4096))
    comparison = compared(program, live, files={"long": bytes(1000 * 4096)})
    assert comparison.difference is not None
    rows = [line[14:] for line in comparison.difference.explanation.splitlines() if "#" in line or "^" in line][1:]
    first = 501 - 32
    assert rows == ["." * (496 - first) + "#" * 16 + "." * 21, "." * 31 + "##" + "." * 31, " " * 32 + "^"]


def file_scan(p: Process) -> None:
    fd = p.open("data")
    a = p.mmap(0, 8192, PROT_READ, MAP_SHARED, fd)
    p.load(a)
    p.load(a + 4096)


def test_a_difference_in_the_areas_shows_whose_they_are() -> None:
    live = Kernel(can_vma_merge=lambda *args, **kwargs: False)
    comparison = compared(two_neighbours, live)
    difference = comparison.difference
    assert difference is not None
    assert (difference.step, difference.what) == (2, "areas of p")
    assert difference.explanation.count("    live ") == 2
    assert difference.explanation.count("    predicted ") == 1


def two_neighbours(p: Process) -> None:
    a = p.mmap(0, 8192, RW, ANON)
    p.mmap(a, 4096, RW, ANON | MAP_FIXED)


def test_the_program_is_given_the_live_results_and_each_side_its_own() -> None:
    """The live kernel places its areas elsewhere: `a` means another address on each side."""
    live = Kernel(KernelConfig(mmap_base=0x7FFF_0000_0000))
    seen: list[int] = []

    def program(p: Process) -> None:
        seen.append(p.mmap(0, 4096, RW, ANON))
        p.store(seen[0], b"x")
        p.load(seen[0], 1)

    comparison = compared(program, live)
    assert seen == [0x7FFE_FFFF_F000]
    assert [step.difference is None for step in comparison.steps] == [False, True, True]


def test_the_simulator_can_start_from_the_live_process() -> None:
    live = Kernel(KernelConfig(mmap_base=0x7FFF_0000_0000))

    def simulator(process: Process | None) -> Kernel:
        assert process is not None
        return Kernel(KernelConfig(mmap_base=process.mm.config.mmap_base))  # type: ignore[attr-defined]

    assert twin(two_neighbours, simulator, live).agrees


def test_without_a_live_kernel_there_are_predictions() -> None:
    comparison = twin(two_neighbours, lambda process: Kernel())
    assert not comparison.live
    assert not comparison.agrees
    assert comparison.difference is None
    assert "no live Linux kernel here: 2 steps, predicted" in str(comparison)
    assert [row.happened for row in comparison.rows()] == [None, None]


def test_a_kernel_that_breaks_is_a_difference() -> None:
    def breaks(mm: object, addr: int) -> None:
        raise KeyError("broken")

    comparison = twin(lambda p: scan(p, 1), Kernel(find_vma=breaks), Kernel())
    assert comparison.difference is not None
    assert comparison.difference.predicted == "broke with KeyError: 'broken'"


def test_a_signal_ends_the_program_on_both() -> None:
    comparison = compared(lambda p: p.load(4096))
    assert comparison.agrees
    assert str(comparison.died) == "SIGSEGV, SEGV_MAPERR, at 0x1000"


def test_an_endless_program_is_stopped() -> None:
    with pytest.raises(EndlessProgram):
        compared(lambda p: [p.brk(0) for _ in iter(int, 1)], max_steps=20)


@pytest.mark.live
@pytest.mark.parametrize("file_system", ["ext4", "tmpfs"])
def test_the_live_kernel_does_what_is_predicted(file_system: str) -> None:
    """Also the addresses: the simulator starts from the live process's own layout."""
    try:
        from mmaplab.fuzz.live import live_pair

        pair = live_pair(file_system)
    except NotAvailable as missing:
        pytest.skip(str(missing))
    with pair:
        comparison = twin(everything, lambda p: Kernel(pair.config_for(p)) if p else Kernel(), pair.real, DATA)
    assert comparison.live
    assert comparison.agrees, str(comparison)
    assert len(comparison.steps) == 15


@pytest.mark.live
def test_the_python_worker_is_compared_without_its_addresses() -> None:
    try:
        from mmaplab.real import LinuxKernel

        real = LinuxKernel("/dev/shm", executor="python")
    except NotAvailable as missing:
        pytest.skip(str(missing))
    with real:
        comparison = twin(everything, Kernel(KernelConfig.named("modern-tmpfs")), real, DATA)
    assert comparison.agrees, str(comparison)


def test_page_0_is_no_name_of_results_that_are_0() -> None:
    def program(p: Process) -> None:
        p.mmap(0, 0x1000, PROT_READ, ANON | MAP_FIXED)
        p.write(p.open("data", O_RDWR), b"")

    rows = compared(program, files=DATA).rows()
    assert [row.predicted for row in rows] == ["0", "3", "0"]
