"""What every test run needs: a home of its own, skips that count as failures in CI, and kernels that may die.

    MMAPLAB_REQUIRE=live,browser    a test with one of these markers fails where it would be skipped
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Generator
from queue import Empty
from typing import Any

import pytest

REQUIRED = frozenset(os.environ.get("MMAPLAB_REQUIRE", "").replace(",", " ").split())


def pytest_configure(config: pytest.Config) -> None:
    """Keep predictions and scores of tests out of the home of whoever runs them, also in the kernels they start."""
    home = tempfile.TemporaryDirectory(prefix="tests-of-mmaplab-", ignore_cleanup_errors=True)
    config.add_cleanup(home.cleanup)
    os.environ["MMAPLAB_HOME"] = home.name
    unknown = REQUIRED - {line.split(":")[0].strip() for line in config.getini("markers")}
    if unknown:
        raise pytest.UsageError(f"MMAPLAB_REQUIRE names markers that do not exist: {', '.join(sorted(unknown))}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    """Turn the skip of a required test into a failure that keeps the reason."""
    outcome = yield
    report = outcome.get_result()
    needed = sorted(REQUIRED.intersection(marker.name for marker in item.iter_markers()))
    if report.skipped and needed and not hasattr(report, "wasxfail"):
        reason = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped, but MMAPLAB_REQUIRE says it must run ({', '.join(needed)}): {reason}"


def notice_dead_kernels() -> None:
    """Let nbval see within a second that a kernel died; it would wait for the cell's whole time limit."""
    try:
        from nbval.kernel import RunningKernel  # type: ignore[import-untyped]
    except ImportError:
        return
    await_reply = RunningKernel.await_reply

    def watchful(self: Any, msg_id: str, timeout: float | None = None) -> Any:
        end = time.monotonic() + float(timeout or 60)
        while True:
            try:
                return await_reply(self, msg_id, timeout=min(1.0, max(0.01, end - time.monotonic())))
            except Empty:
                if not self.is_alive():
                    raise RuntimeError("the kernel died while it ran this cell") from None
                if time.monotonic() > end:
                    raise

    RunningKernel.await_reply = watchful


notice_dead_kernels()
