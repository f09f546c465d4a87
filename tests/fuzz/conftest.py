"""The live pairs: one for each file system, made once for all tests of this directory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mmaplab.fuzz.pair import Pair
from mmaplab.lab import NotAvailable


@pytest.fixture(scope="session", params=["ext4", "tmpfs"])
def live(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """A live kernel with its simulators, on ext4 and on tmpfs; skipped where this machine has none."""
    try:
        from mmaplab.fuzz.live import live_pair

        pair = live_pair(request.param)
    except NotAvailable as missing:
        pytest.skip(str(missing))
    with pair:
        yield pair
