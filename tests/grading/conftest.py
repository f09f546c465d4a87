"""One grader for all tests of this folder: the masters, the sandbox of this machine, and small limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from mmaplab.grading.bulk import load_assignments, slots_of
from mmaplab.grading.package import package_without
from mmaplab.grading.runner import Grader
from mmaplab.grading.sandbox import Limits, find_protection

from .helpers import ROOT


@pytest.fixture(scope="session")
def grader() -> Iterator[Grader]:
    """A grader with protection; skips where this machine offers none."""
    protection = find_protection()
    if protection is None:
        pytest.skip("this machine offers no sandbox: install bubblewrap")
    assignments = load_assignments(ROOT / "solutions")
    with ExitStack() as stack:
        packages = {slot: stack.enter_context(package_without({slot} - {""})) for slot in slots_of(assignments)}
        yield Grader(assignments, protection, Limits(seconds=30, memory_bytes=1 << 30), packages)


@pytest.fixture(scope="session")
def grade(grader: Grader) -> Callable[[bytes], dict]:
    """The grader's function from bytes to result."""
    return lambda data: grader.grade(data, "submission.ipynb")
