"""The live pairs: one for each file system, made once for all tests of this directory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mmaplab.fuzz.pair import Pair
from mmaplab.lab import NotAvailable


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
def ext4() -> Iterator[Pair]:
    """A pair whose files are on ext4."""
    yield from pair_on("ext4")


@pytest.fixture(scope="session")
def tmpfs() -> Iterator[Pair]:
    """A pair whose files are on tmpfs."""
    yield from pair_on("tmpfs")


@pytest.fixture(params=["ext4", "tmpfs"])
def live(request: pytest.FixtureRequest) -> Pair:
    """Both pairs in turn."""
    pair: Pair = request.getfixturevalue(request.param)
    return pair
