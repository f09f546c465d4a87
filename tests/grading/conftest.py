"""One grader for all tests of this folder: the masters, the sandbox of this machine, and small limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mmaplab.grading.bulk import load_assignments
from mmaplab.grading.runner import Grader
from mmaplab.grading.sandbox import Limits, find_protection
from mmaplab.grading.units import Kit, workplace

from .helpers import MASTER, ROOT


@pytest.fixture(scope="session")
def grader() -> Iterator[Grader]:
    """A grader with protection; skips where this machine offers none."""
    if find_protection() is None:
        pytest.skip("this machine offers no sandbox: install bubblewrap")
    assignments = tuple(load_assignments(ROOT / "solutions"))
    with workplace(Kit(assignments, Limits(seconds=30, memory_bytes=1 << 30))) as ready:
        yield ready


@pytest.fixture(scope="session")
def masters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one master: what the tests of whole runs grade against."""
    folder = tmp_path_factory.mktemp("masters")
    (folder / MASTER.name).write_bytes(MASTER.read_bytes())
    return folder


@pytest.fixture(scope="session")
def grade(grader: Grader) -> Callable[[bytes], dict]:
    """The grader's function from bytes to result."""
    return lambda data: grader.grade(data, "submission.ipynb")
