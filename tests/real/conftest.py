"""Live kernels for the tests: one of each executor for a whole module, and one process for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mmaplab.lab import NotAvailable
from mmaplab.real import LinuxKernel
from mmaplab.real.libc import is_live
from mmaplab.real.process import LinuxProcess


@pytest.fixture(scope="module", params=["machine code", "python"])
def kernel(request: pytest.FixtureRequest) -> Iterator[LinuxKernel]:
    """Return a live kernel with each of the executors."""
    try:
        live = LinuxKernel(executor=request.param)
    except NotAvailable as reason:
        pytest.skip(str(reason))
    with live:
        yield live


@pytest.fixture
def p(kernel: LinuxKernel) -> Iterator[LinuxProcess]:
    """Return a fresh process."""
    process = kernel.spawn()
    yield process
    if not process.ended:
        process.exit()


@pytest.fixture
def book(kernel: LinuxKernel, request: pytest.FixtureRequest) -> str:
    """Return the name of a warm file of 64 pages, each beginning with its number as one byte."""
    name = f"book-{abs(hash(request.node.name))}"
    kernel.create_file(name, b"".join(bytes([i]) * 4096 for i in range(64)), warm=True)
    return name


@pytest.fixture(autouse=True)
def live_linux(request: pytest.FixtureRequest) -> None:
    """Skip the tests of the live kernel where there is none."""
    if request.node.get_closest_marker("live") and not is_live():
        pytest.skip("there is no live Linux kernel here")
