"""The doctor's questions, on this machine as it is, with things forbidden, and without Linux."""

from __future__ import annotations

import dataclasses
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from mmaplab.real import LinuxKernel, doctor, machine, measured, probe
from mmaplab.sim.config import KernelConfig

pytestmark = pytest.mark.live

REFUSED = """
from mmaplab.lab import NotAvailable
from mmaplab.real import LinuxKernel, cached, doctor, fault_addresses, fault_counts, file_mapping, pagemap, warm_file
from mmaplab.real.seccomp import refuse
refuse(("perf_event_open", "cachestat"))
findings = {f.what: f for f in doctor().findings}
for what in ("fault addresses", "cachestat"):
    assert not findings[what].good and findings[what].cost and "refuse" in findings[what].answer + findings[what].cost \
        or "does not work" in findings[what].answer, findings[what]
assert findings["page table"].good and findings["fault-around"].good, findings
with LinuxKernel() as kernel:
    p = kernel.spawn()
    assert p.fault_events() is None
    a = p.mmap(0, 8192, 3, 0x22)
    p.store(a, b"x")
    assert p.faults().minor == 1
with warm_file(4) as path, file_mapping(path) as m:
    for refused in (lambda: cached(path), fault_addresses().__enter__):
        try:
            refused()
        except NotAvailable as reason:
            assert len(str(reason)) > 40
        else:
            raise AssertionError("it was not refused")
    with fault_counts() as n:
        m.array[::4096].sum()
    assert n.minor >= 1 and all(pagemap(m))
print("degraded well")
"""


def run(script: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_measured_values_are_a_configuration_of_the_simulator() -> None:
    values = measured()
    config = KernelConfig.of_this_machine(values)
    assert config.fault_around_bytes == values["fault_around_bytes"]
    assert config.mmap_base > 1 << 32


def test_every_field_is_measured_or_nobody_tells_it() -> None:
    """A model of this machine rests on no guess, but for what Linux does not say and what each process has anew."""
    told_by_nobody = {"tlb_entries"}
    of_each_process = {"start_brk"}
    the_same_everywhere = {"task_size"}  # x86-64 with four levels
    chosen_by_the_lesson = {"memory_pages", "disk_pages"}  # None: no limit
    if (dirty := Path("/proc/sys/vm/dirty_bytes")).exists() and dirty.read_text() == "0\n":
        chosen_by_the_lesson |= {"dirty_bytes", "dirty_background_bytes"}
    left = told_by_nobody | of_each_process | the_same_everywhere | chosen_by_the_lesson
    values = set(measured())
    fields = {field.name for field in dataclasses.fields(KernelConfig)}
    assert fields - values - {"thp_align_file", "commit_seconds", "journal"} == left, "measure it, or name the reason"


def test_what_proc_tells_of_write_back_and_limits_is_taken() -> None:
    values = measured()
    percent = Path("/proc/sys/vm/dirty_ratio").read_text()
    assert values["dirty_ratio"] == int(percent)
    assert values["rlimit_stack"] == resource.getrlimit(resource.RLIMIT_STACK)[0] % 2**64
    assert values["thp"] == Path("/sys/kernel/mm/transparent_hugepage").exists()
    assert values["ksm"] == Path("/sys/kernel/mm/ksm").exists()


def test_a_flusher_that_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """As laptops do to spare the disk: vm.dirty_writeback_centisecs = 0."""
    read = Path.read_text
    off = "/proc/sys/vm/dirty_writeback_centisecs"
    monkeypatch.setattr(Path, "read_text", lambda path, *how: "0\n" if str(path) == off else read(path, *how))
    assert KernelConfig.of_this_machine(machine.from_proc()).flush_tick_seconds > 10**6


@pytest.mark.parametrize(
    ("options", "values"),
    [
        ("rw\ndata=ordered\ncommit=5\n", {"journal": True, "commit_seconds": 5}),
        ("rw\ncommit=30\ndata=writeback\n", {"journal": True, "commit_seconds": 30}),
        ("rw\ncommit=0\n", {"journal": False}),
        ("ro\n", {"journal": False}),
    ],
)
def test_the_options_of_a_mounted_ext4(options: str, values: dict[str, object]) -> None:
    assert machine.ext4_options(options) == values


@pytest.mark.parametrize("executor", ["machine code", "python"])
def test_both_workers_measure_the_same(executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMAPLAB_EXECUTOR", executor)
    here = measured()
    monkeypatch.delenv("MMAPLAB_EXECUTOR")
    best = measured()
    assert {k: v for k, v in here.items() if k != "mmap_base"} == {k: v for k, v in best.items() if k != "mmap_base"}


def test_files_in_memory_have_no_large_folios() -> None:
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("no tmpfs at /dev/shm")
    values = measured("/dev/shm")
    assert (values["file_system"], values["large_folios"]) == ("tmpfs", False)


def test_every_question_is_answered_in_words() -> None:
    findings = probe()
    assert {f.what for f in findings} >= {
        "system", "live processes", "file system", "fault-around", "readahead", "fault addresses", "page table",
        "cachestat", "transparent huge pages", "protection keys", "container", "rights",
    }  # fmt: skip
    for finding in findings:
        assert finding.answer
        assert finding.good or finding.cost, f"{finding.what} is missing and nobody says what that costs"


def test_the_report_is_text_and_html() -> None:
    report = doctor()
    assert all(finding.answer in str(report) for finding in report.findings)
    assert report._repr_html_().count("<tr>") == len(report.findings) + 1


def test_the_report_without_a_live_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMAPLAB_LIVE", "off")
    _, live = probe()
    assert (live.good, live.cost) == (False, "Every lab shows its recorded result.")
    assert "switched off" in live.answer


@pytest.mark.parametrize("executor", ["machine code", "python"])
def test_as_in_a_container_perf_and_cachestat_are_refused(executor: str) -> None:
    assert run(REFUSED, MMAPLAB_EXECUTOR=executor) == "degraded well"


def test_a_directory_that_does_not_exist_is_a_finding() -> None:
    _, live = probe("/no/such/place")
    assert not live.good
    assert "/no/such/place" in live.answer


def test_the_kernel_names_its_worker() -> None:
    with LinuxKernel() as kernel:
        assert kernel.executor in repr(kernel)
        assert kernel.directory in repr(kernel)
