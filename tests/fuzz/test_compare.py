"""Comparing, shrinking and saving; a second simulated kernel plays the live one, so that it can be made to differ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mmaplab.constants import PAGE_SIZE
from mmaplab.fuzz import command
from mmaplab.fuzz.compare import run, run_python
from mmaplab.fuzz.generate import generate
from mmaplab.fuzz.hunt import Totals, fuzz, program_text, programs, save
from mmaplab.fuzz.pair import Pair
from mmaplab.fuzz.profiles import PROFILES
from mmaplab.fuzz.writer import FileData
from mmaplab.interface import Process
from mmaplab.sim import Kernel, KernelConfig
from mmaplab.sim.vma import find_vma


def pair_of(live: Kernel | None = None) -> Pair:
    return Pair(live or Kernel(record=False), KernelConfig())


def find_vma_wrongly(mm: object, addr: int) -> object:
    """An area's last page seems to be outside it."""
    area = find_vma(mm, addr)  # type: ignore[arg-type]
    return find_vma(mm, area.vm_end) if area and addr >= area.vm_end - PAGE_SIZE else area  # type: ignore[arg-type]


@pytest.mark.parametrize("profile", PROFILES)
def test_equal_kernels_agree(profile: str) -> None:
    pair = pair_of()
    for seed in range(4):
        outcome = run(generate(profile, seed), pair)
        assert outcome.difference is None
        assert len(outcome.steps) > 80, "the look at everything adds steps"


def test_a_broken_kernel_is_found_and_the_program_shrunk(tmp_path: Path) -> None:
    totals = fuzz(programs("vma", 0, 20, 80), pair_of(Kernel(find_vma=find_vma_wrongly)))
    assert len(totals.differences) == 1
    program, outcome = totals.differences[0]
    assert outcome.difference is not None
    assert 1 <= len(program.calls) <= 3, "a mapping and a touch are enough"
    path = save(program, outcome, tmp_path, "ext4")
    assert path.name.startswith("vma_")
    namespace: dict[str, object] = {}
    exec(path.read_text(), namespace)
    again = run_python(namespace["program"], pair_of(Kernel(find_vma=find_vma_wrongly)), namespace["FILES"])  # type: ignore[arg-type]
    assert again.difference is not None
    assert again.difference.what == outcome.difference.what
    assert run_python(namespace["program"], pair_of(), namespace["FILES"]).difference is None  # type: ignore[arg-type]


def test_the_end_of_a_program_is_looked_at() -> None:
    """A page that only one kernel has in its page tables shows itself when everything is read at the end."""

    def program(p: Process) -> None:
        fd = p.open("f0")
        p.load(p.mmap(0, 4 * PAGE_SIZE, 1, 2, fd))

    files = {"f0": FileData(4 * PAGE_SIZE)}
    live = Kernel(KernelConfig(fault_around_bytes=2 * PAGE_SIZE))
    difference = run_python(program, pair_of(live), files).difference
    assert difference is not None
    assert (difference.what, difference.happened) == ("page faults", "2 minor faults")
    assert run_python(program, pair_of(), files).difference is None


def test_pages_in_memory_are_compared_after_each_call() -> None:
    """Readahead of half the size: the result and the faults are the same, but not which pages came along."""

    def program(p: Process) -> None:
        p.load(p.mmap(0, 64 * PAGE_SIZE, 1, 2, p.open("f0")))
        p.brk(0)

    files = {"f0": FileData(64 * PAGE_SIZE)}
    outcome = run_python(program, pair_of(Kernel(KernelConfig(ra_pages=16))), files, warm=False)
    assert outcome.difference is not None
    assert outcome.difference.what.startswith("pages in memory from 0x")
    assert outcome.difference.call.startswith("p.load(")
    assert (outcome.difference.predicted.count("x"), outcome.difference.happened.count("x")) != (0, 0)
    assert run_python(program, pair_of(), files, warm=False).difference is None


def test_what_is_dropped_around_a_fault_that_met_the_disk_ends_the_comparison() -> None:
    """Fault-around maps what readahead has brought, soon or late: drop_caches leaves what is mapped (FREEDOMS)."""

    def program(p: Process, kernel: Kernel) -> None:
        fd = p.open("f0")
        a = p.mmap(0, 64 * PAGE_SIZE, 1, 1, fd)
        p.read(fd, 1)
        p.load(a + PAGE_SIZE)  # the marker of the readahead: 16 pages come, and those near are mapped if they are there
        kernel.drop_caches("f0")
        p.load(a + 9 * PAGE_SIZE)

    files = {"f0": FileData(64 * PAGE_SIZE)}
    late = KernelConfig(fault_around_bytes=PAGE_SIZE)
    cold = run_python(program, pair_of(Kernel(late)), files, warm=False)  # type: ignore[arg-type]
    assert (cold.difference, cold.free) == (None, True)
    same = run_python(program, pair_of(), files, warm=False)  # type: ignore[arg-type]
    assert (same.difference, same.free) == (None, False)
    warm = run_python(program, pair_of(Kernel(late)), files)  # type: ignore[arg-type]
    assert warm.difference is not None
    assert not warm.free


def test_a_file_that_the_program_made_is_read_at_the_end() -> None:
    def program(p: Process) -> None:
        p.write(p.open("new", 0o101), b"made")

    looks = [str(step.call) for step in run_python(program, pair_of(), {}).steps]
    assert [look for look in looks if "file_bytes" in look][-1] == "kernel.file_bytes('new')"


def test_a_saved_program_may_need_the_kernel() -> None:
    def program(p: Process, kernel: Kernel) -> None:
        a = p.mmap(0, PAGE_SIZE, 1, 2, p.open("f0"))
        kernel.drop_caches("f0")
        p.load(a)

    outcome = run_python(program, pair_of(), {"f0": FileData(PAGE_SIZE)})  # type: ignore[arg-type]
    assert outcome.difference is None
    assert outcome.faults == 1


class DisturbedOnce(Pair):
    """The first simulator places its areas elsewhere, as if something had happened outside."""

    disturbances = 1

    def config_for(self, process: Process) -> KernelConfig:
        config = super().config_for(process)
        self.disturbances -= 1
        return replace(config, mmap_base=config.mmap_base - PAGE_SIZE) if self.disturbances == 0 else config


def test_what_does_not_come_back_is_disturbed() -> None:
    totals = fuzz(programs("vma", 0, 4, 80), DisturbedOnce(Kernel(record=False), KernelConfig()))
    assert len(totals.disturbed) == 1
    assert totals.disturbed[0].startswith("vma 0: step ")
    assert totals.differences == []
    assert sum(totals.programs.values()) == 4


def test_the_profiles_take_turns() -> None:
    names = [program.profile for program in programs("all", 3, 2 * len(PROFILES), 5)]
    assert names == list(PROFILES) * 2
    assert [p.seed for p in programs("vma", 3, 4, 5)] == [3, 4, 5, 6]


def test_a_program_is_printed_with_its_files_and_places() -> None:
    program = generate("fork", 1, steps=10)
    text = program_text(program, run(program, pair_of()))
    assert "arena = 0x1000" in text
    assert "FILES = {'f0': FileData(size=" in text
    assert "def program(p):" in text


def test_the_summary_counts() -> None:
    totals = fuzz(programs("vma", 1, 3, 20), pair_of())
    assert str(totals).startswith("3 programs (vma 3), ")
    assert str(totals).endswith("0 differences, 0 disturbed")
    assert totals.steps == 3 * 20
    assert totals.looks > 3 * 5
    assert totals.faults > 0
    assert totals.coverage["mmap", "ended", "ok"] > 5
    assert str(Totals()).startswith("0 programs")


def test_the_list_of_what_is_not_compared(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--not-compared"]) == 0
    assert "minor faults around a major one:" in capsys.readouterr().out


def test_without_a_live_kernel_the_command_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MMAPLAB_LIVE", "off")
    assert command.main(["--programs", "1"]) == 2
    assert "needs a live Linux kernel" in capsys.readouterr().err
