"""One JupyterLab and one browser for all browser tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mmaplab.bench.jupyterlab import Lab, find_chromium

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / ".artifacts" / "browser"


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """JupyterLab on the course, seen with Chromium; skips where there is no Chromium."""
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("there is no Chromium here: install it (Debian: apt install chromium) or set CHROMIUM to its path")
    with Lab(ROOT, chromium, ARTIFACTS / "jupyterlab.log") as running:
        yield running
