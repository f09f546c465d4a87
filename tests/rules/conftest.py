"""The kernels of a test: `ext4`, `tmpfs`, or `both` in turn; each simulated, and live where there is a live kernel."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mmaplab.fuzz.pair import Pair
from mmaplab.lab import NotAvailable
from mmaplab.sim import KernelConfig
from tests.rules.both import Both


def pair_on(file_system: str) -> Iterator[Pair]:
    """Yield a live kernel with its simulators; skipped where this machine has none on that file system."""
    try:
        from mmaplab.fuzz.live import live_pair

        pair = live_pair(file_system)
    except NotAvailable as missing:
        pytest.skip(str(missing))
    with pair:
        yield pair


@pytest.fixture(scope="session")
def live_ext4() -> Iterator[Pair]:
    """The live kernel with files on ext4."""
    yield from pair_on("ext4")


@pytest.fixture(scope="session")
def live_tmpfs() -> Iterator[Pair]:
    """The live kernel with files on tmpfs."""
    yield from pair_on("tmpfs")


LIVE = pytest.param(True, marks=pytest.mark.live, id="live")
SIMULATED = pytest.param(False, id="simulated")


def runner(request: pytest.FixtureRequest, file_system: str, live: bool) -> Both:
    """Return what runs the programs of one test."""
    if not live:
        return Both(KernelConfig(file_system=file_system))
    pair: Pair = request.getfixturevalue(f"live_{file_system}")
    return Both(pair.config, pair)


@pytest.fixture(params=[SIMULATED, LIVE])
def ext4(request: pytest.FixtureRequest) -> Both:
    """Files are on ext4."""
    return runner(request, "ext4", request.param)


@pytest.fixture(params=[SIMULATED, LIVE])
def tmpfs(request: pytest.FixtureRequest) -> Both:
    """Files are on tmpfs."""
    return runner(request, "tmpfs", request.param)


@pytest.fixture(params=[SIMULATED, LIVE])
def live(request: pytest.FixtureRequest) -> bool:
    """Is the live kernel asked?"""
    return bool(request.param)


@pytest.fixture(params=["ext4", "tmpfs"])
def both(request: pytest.FixtureRequest, live: bool) -> Both:
    """Files are on ext4, and then on tmpfs."""
    return runner(request, request.param, live)
