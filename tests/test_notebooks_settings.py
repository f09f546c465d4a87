"""The course in the settings where learners read it: every chapter runs, and a missing right is no error.

ordinary     a user without rights: where the tests run as root, they step down to one
container    system calls that container runtimes refuse are refused by a seccomp filter
off          no live kernel at all: tests/test_notebooks_off.py
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode

from mmaplab.lab import NotAvailable
from mmaplab.real import LinuxKernel
from tests.test_notebooks_off import CHAPTERS, NOT_COMPARED, shown

pytestmark = pytest.mark.live
READER = Path(__file__).with_name("notebook_reader.py")
ROOT = READER.parent.parent
NOBODY = 65534
"""The number of the user that owns nothing, by custom."""
STEP_DOWN = (
    "setpriv",
    f"--reuid={NOBODY}",
    f"--regid={NOBODY}",
    "--clear-groups",
    # Root's Python may lie where nobody else can read it. The right to read every file is of no use to mmaplab.
    *(f"--{which}=-all,+dac_read_search" for which in ("bounding-set", "inh-caps", "ambient-caps")),
)
Shown = tuple[str, str]
DOCTOR = "from mmaplab.real import doctor\nprint(doctor())"


class Reader:
    """A process in a setting that runs notebooks, in a copy of their directory; its home is its own and empty."""

    def __init__(self, setting: str, home: Path) -> None:
        self.setting = setting
        self.notebooks = home / "course" / "notebooks"
        shutil.copytree(ROOT / "notebooks", self.notebooks, ignore=shutil.ignore_patterns(".*"))
        (self.notebooks / "the_doctor.ipynb").write_text(nbformat.writes(doctor_notebook()))
        begin = []
        if setting == "ordinary" and os.geteuid() == 0:
            begin = list(STEP_DOWN)
            for path in (home, *home.rglob("*")):
                os.chown(path, NOBODY, NOBODY)
        self.process = subprocess.Popen(
            [*begin, sys.executable, "-B", str(READER), setting],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=home,
            env=environment(home),
        )

    def run(self, name: str) -> dict[str, Any]:
        """Run a notebook of the directory; returns what the reader says of it."""
        assert self.process.stdin and self.process.stdout
        print(self.notebooks / name, file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        assert isinstance(answer, dict)
        return answer

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.process.stdout.close()


def environment(home: Path) -> dict[str, str]:
    """Return the variables of somebody who has just begun."""
    kept = {key: value for key, value in os.environ.items() if key in ("PATH", "LANG", "LC_ALL")}
    return kept | {"HOME": str(home), "PYTHONPATH": str(ROOT), "JUPYTER_PREFER_ENV_PATH": "1"}


def doctor_notebook() -> NotebookNode:
    """Return a notebook that prints what this machine can show."""
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(DOCTOR)])


def begun(setting: str) -> Iterator[Reader]:
    """Give a reader for a setting, and look whether the notebooks have left anything."""
    with tempfile.TemporaryDirectory(prefix="mmaplab-reader-") as home:
        made = Reader(setting, Path(home))
        yield made
        made.close()
        left = [path.name for path in Path(home).rglob("*mmaplab-*") if path.is_dir()]
        assert left == [], "the notebooks left files of the live kernel behind"


@pytest.fixture(scope="module", params=["ordinary", "container"])
def reader(request: pytest.FixtureRequest) -> Iterator[Reader]:
    """Return a reader of notebooks in each setting."""
    try:
        LinuxKernel().close()
    except NotAvailable as reason:
        pytest.skip(str(reason))
    if request.param == "ordinary" and os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("root cannot step down to an ordinary user: setpriv (util-linux) is missing")
    if request.param == "container" and os.uname().machine != "x86_64":
        pytest.skip("the filter that refuses system calls is written for x86-64")
    yield from begun(request.param)


@pytest.fixture(scope="module")
def as_it_is() -> Iterator[Callable[[str], list[list[Shown]]]]:
    """Return a function that runs a notebook in no setting but this one; it is begun when it is needed."""
    readers = begun("as it is")
    started: list[Reader] = []

    def run(name: str) -> list[list[Shown]]:
        if not started:
            started.append(next(readers))
        return [texts(outputs) for outputs in started[0].run(name)["cells"]]

    yield run
    if started:
        next(readers, None)


def texts(outputs: list[dict[str, Any]]) -> list[Shown]:
    """Return what outputs show."""
    return shown(NotebookNode(outputs=[nbformat.from_dict(output) for output in outputs]))


@pytest.mark.parametrize("path", CHAPTERS, ids=[path.stem for path in CHAPTERS])
def test_a_chapter_runs(reader: Reader, path: Path, as_it_is: Callable[[str], list[list[Shown]]]) -> None:
    ran = reader.run(path.name)
    assert ran["error"] == ""
    stored = nbformat.read(path, as_version=4)
    now = [texts(outputs) for outputs in ran["cells"]]
    compared = [
        i
        for i, cell in enumerate(stored.cells)
        if cell.cell_type == "code" and not NOT_COMPARED & set(cell.metadata.get("tags", []))
    ]
    if all(now[i] == shown(stored.cells[i]) for i in compared):
        return
    here = as_it_is(path.name)  # what is stored may be stale: that is nbval's part, and no matter of the setting
    differing = [stored.cells[i].id for i in compared if now[i] != here[i]]
    assert differing == [], "these cells depend on the setting, and are not tagged so"


def test_the_setting_is_what_it_says(reader: Reader) -> None:
    ran = reader.run("the_doctor.ipynb")
    assert ran["error"] == ""
    report = ran["cells"][0][0]["text"]
    assert "live processes" in report
    if reader.setting == "ordinary":
        assert "ordinary user" in report
    else:
        lines = report.splitlines()
        for what in ("fault addresses", "cachestat"):
            assert any(line.startswith(f"no   {what}") for line in lines), report
