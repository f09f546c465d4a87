"""What processes use together, and what is said where it is too much."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from mmaplab.grading.usage import MOST_BUSY, Meter, busy, memory_of, processes_below

FORKS = "import os, time\nx = b'x' * (60 << 20)\nif os.fork() == 0:\n    y = b'y' * (60 << 20)\nprint(1, flush=True)\n"


@pytest.fixture
def family() -> Iterator[int]:
    """Two processes: one with 60 MiB, and a child that shares these and has 60 of its own."""
    command = [sys.executable, "-c", FORKS + "time.sleep(60)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.readline()
        yield process.pid
        os.killpg(process.pid, 9)


def test_processes_below_are_found_and_share_what_they_share(family: int) -> None:
    below = processes_below(family)
    assert len(below) == 2 and family in below
    assert 120 << 20 < sum(map(memory_of, below)) < 170 << 20


def test_too_much_memory_is_told(family: int) -> None:
    assert Meter(family, 100, 1 << 30).complaint(first=True) == ""
    assert "more than 100 MiB of memory together" in Meter(family, 100, 100 << 20).complaint(first=True)


def test_time_counts_from_the_first_look_on() -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        meter = Meter(process.pid, 0.3, 1 << 30)
        time.sleep(1)
        assert meter.complaint(first=True) == ""
        until = time.monotonic() + 30
        while not (said := meter.complaint(first=False)) and time.monotonic() < until:
            time.sleep(0.1)
        process.kill()
    assert said == "it used up its processor time"


def test_nothing_is_below_a_process_that_is_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as process:
        pass
    assert processes_below(process.pid) == {}
    assert memory_of(process.pid) == 0


def test_a_machine_is_busy_once_to_eight_times(monkeypatch: pytest.MonkeyPatch) -> None:
    for load, most in ((0.0, 1.0), (1000.0 * (os.cpu_count() or 1), MOST_BUSY)):
        monkeypatch.setattr(os, "getloadavg", lambda load=load: (load, 0.0, 0.0))
        assert busy() == most
