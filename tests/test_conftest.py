"""The rules of the test run itself: required tests may not be skipped, and a kernel that dies is noticed at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]

SKIPPED = """
import pytest

@pytest.mark.live
def test_needs_linux():
    pytest.skip("there is no live kernel here")

def test_needs_the_moon():
    pytest.skip("there is no moon here")
"""

FIXTURE_SKIPS = """
import pytest

@pytest.fixture
def kernel():
    pytest.skip("there is no live kernel here")

@pytest.mark.live
def test_needs_linux(kernel):
    pass
"""


def run_pytest(folder: Path, require: str, *words: str) -> tuple[int, str]:
    """Run pytest in a folder with the project's conftest.py and settings; return its status and its output."""
    for name in ("conftest.py", "pyproject.toml"):
        (folder / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    environment = {**os.environ, "MMAPLAB_REQUIRE": require}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("source", [SKIPPED, FIXTURE_SKIPS], ids=["in the test", "in a fixture"])
def test_a_required_test_that_skips_fails(tmp_path: Path, source: str) -> None:
    """The failure keeps the reason of the skip; other skips stay skips."""
    (tmp_path / "test_it.py").write_text(source, encoding="utf-8")
    status, output = run_pytest(tmp_path, "live", "test_it.py")
    assert status == 1
    assert "MMAPLAB_REQUIRE says it must run (live): Skipped: there is no live kernel here" in output
    assert "no moon" not in output or "1 skipped" in output


def test_without_the_demand_a_skip_is_a_skip(tmp_path: Path) -> None:
    """On a learner's machine nothing is required."""
    (tmp_path / "test_it.py").write_text(SKIPPED, encoding="utf-8")
    status, output = run_pytest(tmp_path, "", "test_it.py")
    assert (status, "2 skipped" in output) == (0, True)


def test_a_demand_for_an_unknown_marker_is_refused(tmp_path: Path) -> None:
    """A misspelt marker would require nothing, and nobody would notice."""
    (tmp_path / "test_it.py").write_text(SKIPPED, encoding="utf-8")
    status, output = run_pytest(tmp_path, "life", "test_it.py")
    assert status != 0
    assert "markers that do not exist: life" in output


def test_a_dead_kernel_is_noticed(tmp_path: Path) -> None:
    """A notebook whose kernel ends in the middle fails with that reason, not at the cell's time limit."""
    cell = nbformat.v4.new_code_cell("import os\nos._exit(0)", id="ends")
    notebook = nbformat.v4.new_notebook(cells=[cell])
    nbformat.write(notebook, tmp_path / "dies.ipynb")
    status, output = run_pytest(tmp_path, "", "--nbval", "--nbval-current-env", "--nbval-cell-timeout=60", "dies.ipynb")
    assert status == 1
    assert "the kernel died while it ran this cell" in output
