"""The project's own promises: what it needs, what it ships, what it must never hold, and what an import loads."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[Requirement]] = {
    extra: [Requirement(line) for line in lines] for extra, lines in PROJECT["optional-dependencies"].items()
}
CONDA_NAMES = {"matplotlib": "matplotlib-base"}
BINARY = {".png", ".jpg", ".zip", ".whl", ".ico", ".woff2"}


def run(*words: str, cwd: Path = ROOT) -> str:
    """Return what a command prints; raises AssertionError with its errors where it fails."""
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def files() -> list[Path]:
    """Return the files of the project: what git tracks, or would track if it were added."""
    names = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    return [ROOT / name for name in sorted(filter(None, names)) if (ROOT / name).is_file()]


def lines() -> Iterator[tuple[str, str]]:
    """Yield ('file:line', text) of every line of text in the project."""
    for path in files():
        if path.suffix not in BINARY:
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                yield f"{path.relative_to(ROOT)}:{number}", line


# ---------------------------------------------------------------- dependencies


def constraints() -> dict[str, list[Requirement]]:
    """Return {name: its lines} of constraints.txt."""
    found: dict[str, list[Requirement]] = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def needed(requirements: list[Requirement], seen: set[str]) -> set[str]:
    """Add to `seen` the names of all that these requirements install on this machine, and return it."""
    for requirement in requirements:
        name = canonicalize_name(requirement.name)
        environments = [{"extra": extra} for extra in (requirement.extras or {""})]
        if requirement.marker and not any(requirement.marker.evaluate(environment) for environment in environments):
            continue
        if name not in seen:
            seen.add(name)
            inner = [Requirement(line) for line in metadata.distribution(name).requires or []]
            extras = [{"extra": extra} for extra in requirement.extras] + [{"extra": ""}]
            needed([r for r in inner if not r.marker or any(r.marker.evaluate(e) for e in extras)], seen)
    return seen


def test_the_package_alone_needs_nothing() -> None:
    assert PROJECT["dependencies"] == []


def test_every_dependency_is_pinned_to_one_version() -> None:
    pins = constraints()
    wanted = needed([requirement for extra in EXTRAS.values() for requirement in extra], set())
    assert not sorted(wanted - set(pins)), "not in constraints.txt"
    for requirements in pins.values():
        for requirement in requirements:
            assert re.fullmatch(r"==[0-9][0-9a-z.]*", str(requirement.specifier)), f"{requirement} is no exact version"
            assert not requirement.url


def test_the_tests_run_with_the_pinned_versions() -> None:
    differing = []
    for name, requirements in constraints().items():
        here = [r for r in requirements if not r.marker or r.marker.evaluate()]
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # a pin of an extra, or of a build tool, that is not installed here
        if here and not any(version in r.specifier for r in here):
            differing.append(f"{name} {version}, pinned {', '.join(str(r.specifier) for r in here)}")
    assert not differing, "run make again: " + "; ".join(differing)


def test_pins_satisfy_the_lower_bounds() -> None:
    pins = constraints()
    for requirement in (r for extra in EXTRAS.values() for r in extra):
        for pin in pins[canonicalize_name(requirement.name)]:
            (version,) = (Version(s.version) for s in pin.specifier)
            assert version in requirement.specifier, f"pyproject.toml wants {requirement}, constraints.txt has {pin}"


def test_conda_environment_equals_the_lab_extra() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["channels"] == ["conda-forge"]
    assert set(environment) == {"name", "channels", "dependencies"}
    python, *names, pip = environment["dependencies"]
    assert pip == {"pip": ["-e ."]}
    given = {r.name: r.specifier for r in map(Requirement, names)}
    one = re.fullmatch(r"python=(3\.\d+)", python)  # repo2docker, which Binder uses, overlooks every other form
    assert one and one[1] in Requirement(f"python{PROJECT['requires-python']}").specifier
    assert not given.pop("pip")
    assert given == {CONDA_NAMES.get(r.name, r.name): r.specifier for r in EXTRAS["lab"]}


def test_the_makefile_accepts_the_pythons_of_the_package() -> None:
    low, high = re.findall(r"3\.\d+", PROJECT["requires-python"])
    newest = f"3, {int(high.split('.')[1]) - 1}"
    assert f"({low.replace('.', ', ')}) <= sys.version_info[:2] <= ({newest})" in (ROOT / "Makefile").read_text()


# ---------------------------------------------------------------- what the files may not hold


def test_errnos_are_names_since_their_numbers_differ_between_systems() -> None:
    """EINVAL is 22 on Linux and 28 in a browser's Python."""
    rooms = [path for part in ("sim", "outcomes") for path in (ROOT / "mmaplab" / part).glob("*.py")]
    form = re.compile(r"(?:fail|Error)\(\d+,")
    numbers = [f"{path.name}: {found}" for path in rooms for found in form.findall(path.read_text(encoding="utf-8"))]
    assert not numbers, f"an errno as a number: {', '.join(numbers)}"


def test_no_file_holds_a_path_of_this_machine() -> None:
    known = {Path(place) for place in ("/", "/tmp", "/var/tmp", "/home", "/srv", "/opt", "/usr", "/mnt")}
    places = [f"{place}/" for place in {ROOT, ROOT.parent, Path.home()} - known]
    found = [where for where, text in lines() if any(place in text for place in places)]
    assert not found, f"paths of this machine ({', '.join(places)}) in {', '.join(found)}"


def test_no_file_holds_the_address_of_a_package_index() -> None:
    marks = ["/" + "simple/", "index" + "-url", "find" + "-links", "files.python" + "hosted", "://" + "pypi"]
    found = [where for where, text in lines() if any(mark in text for mark in marks)]
    assert not found, f"addresses of a package index in {', '.join(found)}"
    assert "://" not in (ROOT / "constraints.txt").read_text(encoding="utf-8")


def test_every_text_file_ends_with_one_newline() -> None:
    texts = {p: p.read_bytes() for p in files() if p.suffix in {".py", ".toml", ".txt", ".yml", ".md", ".ipynb", ".js"}}
    wrong = [str(p.relative_to(ROOT)) for p, b in texts.items() if b and (not b.endswith(b"\n") or b.endswith(b"\n\n"))]
    assert not wrong, ", ".join(wrong)


def test_what_is_made_is_not_tracked() -> None:
    made = [".venv/bin/python", ".artifacts/a.png", ".hypothesis/x", "notebooks/.ipynb_checkpoints/a", "dist/a.whl"]
    assert run("git", "check-ignore", *made).split() == made


# ---------------------------------------------------------------- what is shipped and loaded


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that `pip install .` installs, unpacked: the package and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    (made,) = folder.glob("*.whl")
    with zipfile.ZipFile(made) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def in_the_wheel_alone(wheel: Path, code: str) -> str:
    """Run code where Python's own library and the wheel are all there is; returns what it prints."""
    start = f"import sys; sys.path.append({str(wheel)!r})\n"
    return run(sys.executable, "-I", "-S", "-c", start + code, cwd=wheel)


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    package = {p.relative_to(ROOT) for p in files() if p.is_relative_to(ROOT / "mmaplab")}
    assert package == {p.relative_to(wheel) for p in wheel.rglob("*") if p.is_file() and p.parts[-2:][0] != "licenses"
                       and not p.relative_to(wheel).parts[0].endswith(".dist-info")}  # fmt: skip
    assert {p.name for p in wheel.rglob("licenses/*")} == {"LICENSE", "LICENSE-text"}


def test_both_kernels_and_the_commands_need_no_library(wheel: Path) -> None:
    rooms = ["mmaplab", *(f"mmaplab.{room}" for room in ("sim", "sim.invariants", "twin", "ledger", "lab", "cli"))]
    for room in [*rooms, "mmaplab.real", "mmaplab.fuzz.command", "mmaplab.grading.command"]:
        in_the_wheel_alone(wheel, f"import {room}")


def test_a_program_runs_with_the_package_alone(wheel: Path) -> None:
    program = """
from mmaplab.sim import Kernel
from mmaplab.constants import MAP_PRIVATE, PROT_READ
kernel = Kernel()
kernel.create_file("a", b"hello")
p = kernel.spawn()
print(p.load(p.mmap(0, 4096, PROT_READ, MAP_PRIVATE, p.open("a")), 5), p.faults().major)
"""
    assert in_the_wheel_alone(wheel, program) == "b'hello' 1\n"


HEAVY = {"numpy", "matplotlib", "ipywidgets", "anywidget", "traitlets", "IPython", "jupyterlab", "nbformat", "nbgrader"}


@pytest.mark.parametrize(
    "words", ["import mmaplab", "import mmaplab.sim", "from mmaplab.cli import main; main(['--help'])"]
)
def test_the_start_loads_nothing_heavy(words: str) -> None:
    loaded = run(sys.executable, "-c", f"{words}\nimport sys; print('\\n', *sys.modules)").split()
    assert not HEAVY & {name.split(".")[0] for name in loaded}


def test_import_of_the_package_loads_three_rooms_only() -> None:
    loaded = run(sys.executable, "-c", "import mmaplab, sys; print(*sys.modules)").split()
    assert {n for n in loaded if n.startswith("mmaplab")} == {"mmaplab", "mmaplab.interface", "mmaplab.constants"}


def public(module: ModuleType) -> set[str]:
    """Return the names that a module offers: what it defines or takes from elsewhere, without its inner modules."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name != "annotations"
    }


@pytest.mark.parametrize("name", ["mmaplab", "mmaplab.sim", "mmaplab.real", "mmaplab.exercise", "mmaplab.notebook"])
def test_all_is_what_is_public(name: str) -> None:
    module = importlib.import_module(name)
    assert list(module.__all__) == sorted(module.__all__, key=order), f"sort __all__ of {name}"
    modules = {n for n in module.__all__ if inspect.ismodule(getattr(module, n))}
    assert set(module.__all__) - {"__version__"} - modules == public(module)


def order(name: str) -> tuple[int, str]:
    """Return the key by which ruff sorts names: CONSTANTS, Classes, functions."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def test_the_version_is_written_once() -> None:
    import mmaplab

    assert "version" in PROJECT["dynamic"] and "version" not in PROJECT
    assert metadata.version("mmaplab") == mmaplab.__version__


# ---------------------------------------------------------------- README


def test_the_readme_names_only_commands_that_exist() -> None:
    from mmaplab.cli import COMMANDS

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"`?\bmake ([a-z-]+)`", text))
    assert {"lab", "test"} <= named <= targets
    assert set(re.findall(r"`mmaplab ([a-z]+)", text)) <= set(COMMANDS)
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / link).exists(), f"README.md refers to {link}, which does not exist"
