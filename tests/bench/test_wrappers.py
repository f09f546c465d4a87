"""The wrappers against C, counted on a small file: the same faults, the same bytes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mmaplab.bench import wrappers
from mmaplab.bench.measure import Bench, NotMeasurable
from mmaplab.lab import NotAvailable
from mmaplab.real import LinuxKernel

pytestmark = pytest.mark.live
PAGES = 64
EXPECTED = {"load": PAGES // 16, "store": PAGES, "cold": PAGES, "read": PAGES * 4096, "write": PAGES * 4096}


@pytest.fixture(scope="module")
def program() -> Iterator[str]:
    """Return the C program."""
    try:
        with wrappers.compiled() as path:
            yield path
    except NotMeasurable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def kernel() -> Iterator[LinuxKernel]:
    """Return a live kernel with a warm file."""
    try:
        with LinuxKernel() as made:
            made.create_file("bench", bytes(PAGES * 4096), warm=True)
            yield made
    except NotAvailable as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("loop", wrappers.WHAT)
def test_the_same_loop_on_the_same_file_has_the_same_effect(program: str, kernel: LinuxKernel, loop: str) -> None:
    if loop == "cold" and kernel.file_system == "tmpfs":
        pytest.skip("a file in memory has no disk")
    path = kernel.path("bench")
    in_c = wrappers.in_c(program, path, loop, PAGES)
    if kernel.executor == "machine code":
        assert wrappers.in_live_process(kernel, "bench", loop) == in_c
    wrappers.in_own_process(path, loop)
    assert abs(wrappers.in_own_process(path, loop).of(loop) - in_c.of(loop)) <= 4, "the interpreter's own"
    if kernel.file_system == "ext4":
        assert in_c.of(loop) == EXPECTED[loop]


def test_the_rows_of_the_report(program: str) -> None:
    rows = list(wrappers.measure(Bench(quick=True)))
    assert len(rows) == 2 * len(wrappers.WHAT) + 3
    assert all(row.ratio is not None for row in rows)
    assert [row.name for row in rows if row.met is False] == []


def test_without_a_compiler_there_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(NotMeasurable, match="no C compiler"):
        list(wrappers.measure(Bench(quick=True)))


def test_a_compiler_that_fails_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: "/bin/false")
    with pytest.raises(NotMeasurable, match="cannot compile"), wrappers.compiled():
        pass
