"""Ways to set the course up: wheels without a network, a container, Binder, a hub; as far as they can be tried."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def run(*words: str, **given: object) -> str:
    """Return what a command prints; raises AssertionError with its errors where it fails."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, **given)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


# ---------------------------------------------------------------- wheels


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of wheels as `make wheels` makes it, of the package alone, so that no network is asked."""
    folder = tmp_path_factory.mktemp("wheels")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "-q", "--no-index"]
    run(*pip, "--no-build-isolation", "--no-deps", "-w", str(folder), str(ROOT), cwd=folder)
    return folder


@pytest.fixture(scope="module")
def installed(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment that has the package from the folder of wheels; returns its bin/."""
    folder = tmp_path_factory.mktemp("offline")
    venv.create(folder, with_pip=True)
    bins = folder / ("Scripts" if os.name == "nt" else "bin")
    closed = {**os.environ, "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"}
    command = ["-m", "pip", "install", "-q", "--no-index", "-f", str(wheels), "mmaplab"]
    run(str(bins / "python"), *command, cwd=folder, env=closed)
    return bins


def test_the_wheels_are_made_and_installed_as_the_makefile_says() -> None:
    recipe = MAKEFILE.partition("\nwheels:")[2].partition("\n\n")[0]
    assert "wheel -q -c constraints.txt --no-build-isolation -w wheels '.[lab]'" in recipe
    hint = re.search(r'"  (pip install [^"]+)"', recipe)
    assert hint and hint.group(1) == "pip install --no-index -f wheels 'mmaplab[lab]'"
    assert hint.group(1) in (ROOT / "README.md").read_text(encoding="utf-8")


def test_an_installation_without_a_network_runs_both_parts(installed: Path, tmp_path: Path) -> None:
    assert run(str(installed / "mmaplab"), "--version", cwd=tmp_path).split() == ["mmaplab", PROJECT_VERSION]
    assert "together:" in run(str(installed / "mmaplab"), "schedule", cwd=tmp_path)
    assert run(str(installed / "python"), "-c", PROGRAM, cwd=tmp_path) == "b'hello'\n"


PROJECT_VERSION = re.search(r'__version__ = "([^"]+)"', (ROOT / "mmaplab" / "__init__.py").read_text()).group(1)  # type: ignore[union-attr]
PROGRAM = """
from mmaplab.sim import Kernel
from mmaplab.constants import MAP_PRIVATE, PROT_READ
kernel = Kernel()
kernel.create_file("a", b"hello")
p = kernel.spawn()
print(p.load(p.mmap(0, 4096, PROT_READ, MAP_PRIVATE, p.open("a")), 5))
"""


# ---------------------------------------------------------------- containers and Binder


DOCKERFILE = (ROOT / "container" / "Dockerfile").read_text(encoding="utf-8")


def test_the_container_has_a_python_of_the_package_and_the_pinned_versions() -> None:
    version = re.search(r"^FROM python:3\.(\d+)-slim", DOCKERFILE, re.MULTILINE)
    low, high = (int(minor) for minor in re.findall(r"3\.(\d+)", PROJECT["requires-python"]))
    assert version and low <= int(version.group(1)) < high
    assert "pip install --no-cache-dir -c constraints.txt '.[lab]'" in DOCKERFILE
    assert "lab" in PROJECT["optional-dependencies"]


def test_the_container_runs_as_an_ordinary_user_and_starts_the_course() -> None:
    instructions = [line for line in DOCKERFILE.splitlines() if re.match(r"[A-Z]+ ", line)]
    assert instructions.index("USER ${USER_NAME}") > max(i for i, one in enumerate(instructions) if one[:4] == "RUN ")
    words = json.loads(instructions[-1].removeprefix("CMD "))
    assert words[:2] == ["mmaplab", "lab"] and "--no-browser" in words


def test_the_dev_container_is_the_same_container() -> None:
    folder = ROOT / ".devcontainer"
    told = json.loads((folder / "devcontainer.json").read_text(encoding="utf-8"))
    assert (folder / told["build"]["dockerfile"]).resolve() == ROOT / "container" / "Dockerfile"
    assert (folder / told["build"]["context"]).resolve() == ROOT
    assert f"ARG USER_NAME={told['remoteUser']}\n" in DOCKERFILE
    extras = re.search(r"\.\[([\w,]+)\]", told["postCreateCommand"])
    assert extras and set(extras.group(1).split(",")) <= set(PROJECT["optional-dependencies"])


def test_binder_takes_the_conda_environment() -> None:
    """Binder looks for binder/, .binder/ and a Dockerfile first; none of them may hide environment.yml."""
    for name in ("binder", ".binder", "Dockerfile", "requirements.txt", "Pipfile"):
        assert not (ROOT / name).exists()
    assert yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["name"] == "mmaplab"
    page = re.search(r"\?urlpath=lab/tree/(\S+\.ipynb)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert page and (ROOT / page.group(1)).is_file()


# ---------------------------------------------------------------- a hub


HUB = (ROOT / "docs" / "jupyterhub.md").read_text(encoding="utf-8")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Callable[[], None], list[str]]]:
    """The hook of the recipe, with a learner's home, and what it warned of; the hub's own functions are stood in for.

    As root the pages are really copied by an ordinary account, as on a hub.
    """
    hook = re.search(r"```python\n(.+?)```", HUB, re.DOTALL)
    assert hook
    made: list[str] = []
    warned: list[str] = []
    with tempfile.TemporaryDirectory(prefix="mmaplab-hub-") as name:
        course, home = Path(name, "course"), Path(name, "home")
        for part in ("notebooks", "exercises"):
            (course / part).mkdir(parents=True)
            for page in (ROOT / part).glob("*.ipynb"):
                shutil.copyfile(page, course / part / page.name)
        home.mkdir()
        for path in [Path(name), *Path(name).rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        learner = (65534, 65534) if os.geteuid() == 0 else (os.getuid(), os.getgid())
        if os.geteuid() == 0:
            os.chown(home, *learner)
        else:  # an ordinary user may not become another one
            start = subprocess.run

            def run_as_oneself(*words: object, **how: object) -> object:
                kept = {key: value for key, value in how.items() if key not in ("user", "group", "extra_groups")}
                return start(*words, **kept)  # type: ignore[call-overload]

            monkeypatch.setattr(subprocess, "run", run_as_oneself)

        def getpwnam(name: str) -> SimpleNamespace:
            assert name in made, "the account is made before it is looked up"
            return SimpleNamespace(pw_dir=str(home), pw_uid=learner[0], pw_gid=learner[1])

        monkeypatch.setattr(pwd, "getpwnam", getpwnam)
        for module, function in {
            "tljh": {},
            "tljh.normalize": {"generate_system_username": lambda name: name[:32]},
            "tljh.user": {"ensure_user": made.append},
        }.items():
            monkeypatch.setitem(sys.modules, module, SimpleNamespace(**function))  # type: ignore[arg-type]
        c = SimpleNamespace(Spawner=SimpleNamespace())
        text = re.sub(r"^   ", "", hook.group(1), flags=re.MULTILINE).replace("/srv/mmaplab", str(course))
        exec(text, {"c": c})
        assert (course / c.Spawner.default_url.removeprefix("/lab/tree/mmaplab/")).is_file()
        log = SimpleNamespace(warning=lambda text, *rest: warned.append(text % rest))
        spawner = SimpleNamespace(user=SimpleNamespace(name="ada"), log=log)
        yield home, lambda: c.Spawner.pre_spawn_hook(spawner), warned


def test_the_hub_gives_the_course_once_and_keeps_a_learners_work(
    hub: tuple[Path, Callable[[], None], list[str]],
) -> None:
    home, log_in, warned = hub
    log_in()
    given = {str(path.relative_to(home / "mmaplab")) for path in home.rglob("*.ipynb")}
    pages = [page for part in ("notebooks", "exercises") for page in (ROOT / part).glob("*.ipynb")]
    assert given == {str(page.relative_to(ROOT)) for page in pages}
    chapter = home / "mmaplab" / "notebooks" / "01_a_file_as_memory.ipynb"
    assert chapter.read_bytes() == (ROOT / "notebooks" / chapter.name).read_bytes()
    assert chapter.stat().st_uid == home.stat().st_uid, "a learner may save it"
    chapter.write_text("mine", encoding="utf-8")
    log_in()
    assert chapter.read_text(encoding="utf-8") == "mine" and not warned


@pytest.mark.skipif(os.geteuid() != 0, reason="needs files of another account: only root can make them")
def test_a_learners_links_lead_the_hub_nowhere(hub: tuple[Path, Callable[[], None], list[str]]) -> None:
    home, log_in, warned = hub
    pages = home / "mmaplab" / "notebooks"
    pages.mkdir(parents=True)
    secret = home.parent / "secret"
    secret.write_text("of the administrator", encoding="utf-8")
    secret.chmod(0o600)
    (pages / "01_a_file_as_memory.ipynb").symlink_to(secret)
    (pages / "02_the_address_space.ipynb").symlink_to(home.parent / "new")
    for path in (home / "mmaplab", pages):
        os.chown(path, 65534, 65534)
    log_in()
    assert secret.read_text(encoding="utf-8") == "of the administrator" and secret.stat().st_uid == 0
    assert not (home.parent / "new").exists()
    assert warned and "not all pages given to jupyter-ada" in warned[0]


@pytest.fixture
def shared() -> Iterator[Path]:
    """The package, installed where everybody may read and nobody but root may write."""
    with tempfile.TemporaryDirectory(prefix="mmaplab-shared-") as name:
        folder = Path(name)
        shutil.copytree(ROOT / "mmaplab", folder / "site" / "mmaplab", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "home").mkdir()
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        if os.geteuid() == 0:
            os.chown(folder / "home", 65534, 65534)
        else:
            for path in (folder / "site").rglob("*"):
                path.chmod(stat.S_IREAD | (stat.S_IEXEC if path.is_dir() else 0))
        yield folder
        for path in (folder / "site").rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)


def as_a_learner(python: str, folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run code as an ordinary user with a home of their own, and the shared package."""
    user = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    start = f"import sys; sys.path.insert(0, {str(folder / 'site')!r})\n"
    environment = {"HOME": str(folder / "home"), "PATH": os.defpath}
    words = [python, "-I", "-S", "-B", "-c", start + code]
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        words, capture_output=True, text=True, timeout=120, cwd=folder / "home", env=environment, **user
    )


@pytest.fixture
def python(shared: Path) -> str:
    """A Python that an ordinary user of this machine may start."""
    for one in filter(None, [sys.executable, *(shutil.which(f"python3.{n}", path="/usr/bin") for n in range(11, 15))]):
        try:
            if as_a_learner(one, shared, "assert sys.version_info >= (3, 11)").returncode == 0:
                return one
        except PermissionError:
            continue
    pytest.skip("an ordinary user of this machine may start no Python from 3.11 on")


def test_a_learner_of_a_shared_installation_asks_the_doctor(shared: Path, python: str) -> None:
    done = as_a_learner(python, shared, "from mmaplab.cli import main; main(['doctor'])")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^(yes|no) +system", done.stdout, re.MULTILINE)


def test_a_learner_of_a_shared_installation_keeps_answers_at_home(shared: Path, python: str) -> None:
    code = "from mmaplab import notes\nassert notes.write('answers', '01-q1', {'right': True})\n" + PROGRAM
    done = as_a_learner(python, shared, code)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "b'hello'\n"
    kept = list((shared / "home").rglob("notes.json"))
    assert len(kept) == 1 and json.loads(kept[0].read_text())["answers"] == {"01-q1": {"right": True}}
    assert not list((shared / "site").rglob("__pycache__")) and not list((shared / "site").rglob("notes.json"))


@pytest.mark.live
def test_a_learner_of_a_shared_installation_has_a_live_kernel(shared: Path, python: str) -> None:
    code = """
from mmaplab.lab import NotAvailable
from mmaplab.real import LinuxKernel
from mmaplab.constants import MAP_SHARED, PROT_READ
with LinuxKernel() as kernel:
    kernel.create_file("a", b"hello")
    p = kernel.spawn()
    print(p.load(p.mmap(0, 4096, PROT_READ, MAP_SHARED, p.open("a")), 5))
"""
    done = as_a_learner(python, shared, code)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "b'hello'\n"
