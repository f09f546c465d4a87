"""Where people are: other versions of Python, a machine without Linux, and a browser's Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mmaplab.course import chapters

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

# ---------------------------------------------------------------- other versions of Python

VERSIONS = ("3.11", "3.12", "3.13", "3.14")
PURE = ("pytest", "_pytest", "py.py", "pluggy", "iniconfig", "packaging", "pygments")
"""What pytest needs; all of it is Python, so that one installation serves every version."""
LIBRARIES = Path(pytest.__file__).parents[1]
SUBSET = (
    "tests/sim/test_kernel.py",
    "tests/sim/test_vma.py",
    "tests/sim/test_filefault.py",
    "tests/sim/test_fork.py",
    "tests/sim/test_writeback.py",
    "tests/views/test_linked.py",
    "tests/views/test_strip.py",
    "tests/test_ledger.py",
    "tests/course",
)
"""Tests of the simulator, its pictures, the ledger and the course, which need no other library and no system."""
WITH_A_SYSTEM = ("tests/test_cli.py", "tests/rules/test_4_signals.py", "tests/rules/test_7_brk.py")
"""Tests that start processes, or ask the live kernel where it is."""


def inside(folder: Path, pattern: str) -> list[Path]:
    """Return what lies in a folder; nothing where it may not be read."""
    return sorted(folder.glob(pattern)) if os.access(folder, os.R_OK | os.X_OK) else []


def interpreter(version: str) -> str:
    """Return a Python of that version; skips the test where there is none."""
    managed = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    uv = Path.home() / ".local" / "share" / "uv" / "python"
    places = [*inside(managed, f"{version}.*"), *inside(uv, f"cpython-{version}.*")]
    found = [shutil.which(f"python{version}"), *(str(place / "bin" / f"python{version}") for place in places)]
    for one in filter(None, found):
        asked = subprocess.run([one, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True)
        if asked.returncode == 0 and asked.stdout.decode().strip() == version:
            return one
    pytest.skip(f"there is no Python {version} here")


@pytest.mark.parametrize("version", VERSIONS)
def test_the_package_works_in_every_python_it_promises(version: str, tmp_path: Path) -> None:
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        pytest.skip("this is the Python that runs all tests")
    python = interpreter(version)
    for name in PURE:
        (tmp_path / name).symlink_to(LIBRARIES / name)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON"))},
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "MMAPLAB_REQUIRE": "",
    }
    words = [python, "-S", "-m", "pytest", "-q", "-p", "no:cacheprovider", *SUBSET, *WITH_A_SYSTEM]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert " passed" in done.stdout


def test_the_versions_are_those_that_the_package_promises() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == f">={VERSIONS[0]},<3.{int(VERSIONS[-1].split('.')[1]) + 1}"


# ---------------------------------------------------------------- no Linux


@pytest.mark.parametrize("stem", chapters())
def test_a_chapter_runs_where_there_is_no_linux(stem: str) -> None:
    words = [sys.executable, str(HERE / "nolinux.py"), str(ROOT / "notebooks" / f"{stem}.ipynb")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=ROOT / "notebooks", env=environment, capture_output=True, text=True, timeout=200)
    assert done.stdout == f"{stem}: all cells\n", done.stdout + done.stderr[-2000:]


def test_hiding_hides(tmp_path: Path) -> None:
    code = """
import os, pathlib, sys
from tests.elsewhere.nolinux import hide
hide()
text_of = lambda path: pathlib.Path(path).read_text()
for name, ask in (("/proc/self/maps", open), ("/sys", os.listdir), ("/proc/1/io", text_of)):
    try:
        ask(name)
    except FileNotFoundError:
        print("hidden")
try:
    import fcntl
except ImportError:
    print("hidden")
from mmaplab.lab import NotAvailable
from mmaplab.real import LinuxKernel
try:
    LinuxKernel()
except NotAvailable:
    print("off")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["hidden"] * 4 + ["off"], done.stderr


# ---------------------------------------------------------------- Pyodide

PYODIDE = "314.0.7"
PROGRAM = """
import sys
from mmaplab import ledger
from mmaplab.constants import MAP_SHARED, MS_SYNC, O_RDWR, PAGE_SIZE, PROT_READ, PROT_WRITE
from mmaplab.outcomes import crash_outcomes
from mmaplab.sim import Kernel, invariants
from mmaplab.views.linked import linked

kernel = Kernel(check=invariants.check)
kernel.create_file("book.txt", b"word" * 1024 * 64, warm=True)
p = kernel.spawn()
a = p.mmap(0, 64 * PAGE_SIZE, PROT_READ, MAP_SHARED, p.open("book.txt"))
for page in range(64):
    p.load(a + page * PAGE_SIZE)
print([(addr - a) // PAGE_SIZE for addr, _ in ledger.fault_addresses(kernel.trace.records)])
print(len(linked(kernel).svg), hash(linked(kernel).text) != 0)


def transfer(p):
    a = p.mmap(0, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, p.open("bank", O_RDWR))
    p.store(a, b"A")
    p.store(a + PAGE_SIZE, b"B")
    p.msync(a + PAGE_SIZE, PAGE_SIZE, MS_SYNC)


print(len(crash_outcomes(transfer, files={"bank": bytes(2 * PAGE_SIZE)})))
print(sorted(m for m in sys.modules if m.split(".")[0] == "mmaplab" and m.startswith("mmaplab.real")))
"""


@pytest.fixture(scope="module")
def pyodide() -> Path:
    """The folder of the npm package `pyodide`, fetched once into the environment; skips where there is no Node."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("there is no Node.js here")
    place = Path(sys.prefix) / "pyodide" / PYODIDE
    folder = place / "node_modules" / "pyodide"
    if not (folder / "pyodide.mjs").exists():
        place.mkdir(parents=True, exist_ok=True)
        words = ["npm", "install", "--no-save", "--no-audit", "--no-fund", "--prefix", str(place), f"pyodide@{PYODIDE}"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=280)
        if done.returncode:
            pytest.skip(f"npm cannot fetch pyodide {PYODIDE}: {done.stderr.strip()[-200:]}")
    return folder


@pytest.mark.node
def test_the_simulated_kernel_runs_in_a_browsers_python(pyodide: Path) -> None:
    words = ["node", str(HERE / "in_node.mjs"), str(pyodide), str(ROOT)]
    there = subprocess.run(words, input=PROGRAM, capture_output=True, text=True, timeout=200)
    assert there.returncode == 0, there.stderr[-2000:]
    here = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert there.stdout == here.stdout
    assert there.stdout.splitlines()[0] == "[0, 16, 17, 33, 49]"
    assert there.stdout.splitlines()[2:] == ["4", "[]"]


@pytest.mark.node
def test_every_room_below_the_live_kernel_imports_there(pyodide: Path) -> None:
    from tests.test_floors import PLACES

    rooms = sorted(room for room, (tower, _) in PLACES.items() if tower in ("shared", "sim", "ledger", "outcomes"))
    rooms += ["twin", "lockstep", "course", "views.linked", "views.strip", "views.ladder"]
    names = [f"mmaplab.{room}" if room != "mmaplab" else room for room in rooms]
    code = "import importlib\n" + "".join(f"importlib.import_module({name!r})\n" for name in names) + "print('all')\n"
    words = ["node", str(HERE / "in_node.mjs"), str(pyodide), str(ROOT)]
    done = subprocess.run(words, input=code, capture_output=True, text=True, timeout=200)
    assert done.stdout == "all\n", done.stderr[-2000:]


TESTS_THERE = """
import sys
import pytest
print(sys.version_info[:2] >= (3, 14))
print("code", int(pytest.main(["-q", "-p", "no:cacheprovider", "--rootdir=/course", {tests}])))
"""


@pytest.mark.node
def test_the_simulators_tests_pass_in_a_browsers_python(pyodide: Path, tmp_path: Path) -> None:
    """Pyodide is also the one Python 3.14 that every machine with Node.js can fetch: no other may be installed."""
    for name in PURE:
        (shutil.copytree if (LIBRARIES / name).is_dir() else shutil.copyfile)(LIBRARIES / name, tmp_path / name)
    code = TESTS_THERE.format(tests=", ".join(repr(f"/course/{path}") for path in SUBSET))
    words = ["node", str(HERE / "in_node.mjs"), str(pyodide), str(ROOT), str(tmp_path)]
    done = subprocess.run(words, input=code, capture_output=True, text=True, timeout=280)
    told = done.stdout.splitlines()
    assert told[0] == "True" and told[-1] == "code 0", done.stdout[-3000:] + done.stderr[-1000:]
