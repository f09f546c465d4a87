"""How long a new user waits: a clean copy of the checkout, an empty home, and one command.

The copy has what git tracks, or would track; nothing is cached from before, so the network's time is in it. Measured
once, since a second download says nothing new.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from mmaplab.bench.measure import Bench, NotMeasurable, Row

TITLE = "Setting up"
PORT_FILE = "jpserver-*-open.html"


def measure(bench: Bench) -> Iterator[Row]:
    """Yield the rows; wall-clock time. Raises NotMeasurable outside a checkout, and where nothing can be installed."""
    with tempfile.TemporaryDirectory(prefix="mmaplab-setup-") as name:
        folder = Path(name)
        if bench.quick:
            yield bench.row(
                "an empty environment: python -m venv", seconds(folder, sys.executable, "-m", "venv", "v"), "s"
            )
            return
        copy_checkout(Path(), folder / "course")
        (folder / "home").mkdir()
        took = seconds(folder / "course", "make", ".venv/.lab", home=folder / "home")
        yield bench.row("a clean checkout and an empty home: `make lab` until it starts, network included", took, "s")
        started = first_answer(folder / "course", folder / "home")
        yield bench.row("`mmaplab lab`: from the command to the first page", started, "s")


def copy_checkout(root: Path, target: Path) -> None:
    """Copy what git tracks, or would track; raises NotMeasurable where there is no checkout."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(words, cwd=root, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        raise NotMeasurable("this is no checkout of the course, or git is missing") from None
    names = [name for name in listed.split("\0") if name and (root / name).is_file()]
    if "Makefile" not in names:
        raise NotMeasurable("this is no checkout of the course: it has no Makefile")
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, target / name)


def seconds(folder: Path, *words: str, home: Path | None = None) -> float:
    """Return the seconds that a command takes; raises NotMeasurable with its last line where it fails."""
    begun = time.perf_counter()
    done = subprocess.run(words, cwd=folder, env=environment(home), capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "it says nothing").splitlines()[-1]
        raise NotMeasurable(f"{' '.join(words)}: {said}")
    return time.perf_counter() - begun


def environment(home: Path | None) -> dict[str, str]:
    """Return the environment of a new user: this one, with a home that is empty."""
    ours = {
        name: value for name, value in os.environ.items() if not name.startswith(("VIRTUAL_ENV", "XDG_", "MMAPLAB_"))
    }
    return ours if home is None else {**ours, "HOME": str(home)}


def first_answer(course: Path, home: Path, patience: float = 120) -> float:
    """Start JupyterLab as a user does, and return the seconds until it answers; raises NotMeasurable."""
    runtime = home / "runtime"
    runtime.mkdir()
    words = [str(course / ".venv" / "bin" / "python"), "-m", "mmaplab", "lab", "--no-browser", "--ServerApp.port=0"]
    begun = time.perf_counter()
    server = subprocess.Popen(
        words,
        cwd=course,
        env={**environment(home), "JUPYTER_RUNTIME_DIR": str(runtime)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while time.perf_counter() - begun < patience and server.poll() is None:
            for page in runtime.glob(PORT_FILE):
                address = (
                    page.read_text(encoding="utf-8").partition('href="')[2].partition('"')[0].replace("&amp;", "&")
                )
                if address and answers(address):
                    return time.perf_counter() - begun
            time.sleep(0.05)
        raise NotMeasurable("JupyterLab does not answer here")
    finally:
        server.terminate()
        server.wait(timeout=30)


def answers(address: str) -> bool:
    """Does a page come from this address? It is on this machine."""
    try:
        with urllib.request.urlopen(address, timeout=10) as page:
            return bool(page.status == 200)
    except OSError:
        return False
