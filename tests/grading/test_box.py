"""A box and its children: fresh ones, that reach neither each other nor what forks them, and use what is allowed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmaplab.grading import box as boxes
from mmaplab.grading import sandbox
from mmaplab.grading.ask import Died
from mmaplab.grading.box import SPENT, Box, Purse, boxed
from mmaplab.grading.forker import sweep
from mmaplab.grading.package import package_without
from mmaplab.grading.sandbox import Limits, find_protection

from .helpers import ROOT

LIMITS = Limits(seconds=6, memory_bytes=1 << 30)
"""Two seconds of processor time for a request."""


@pytest.fixture(scope="module")
def package() -> Iterator[Path]:
    """A copy of the package."""
    with package_without(()) as folder:
        yield folder


@pytest.fixture
def box(package: Path) -> Iterator[Box]:
    """A running box, in the first protection that works here."""
    protection = find_protection()
    if protection is None:
        pytest.skip("this machine offers no sandbox")
    with boxed(protection, package, LIMITS, ["mmaplab.grading.observe"]) as running:
        running.begin()
        yield running


def run(box: Box, *cells: str) -> object:
    """Run cells, none of which may raise, and return the value of `x`."""
    reply = box.ask({"do": "run", "cells": list(cells)})
    assert "raised" not in reply, reply
    return box.ask({"do": "value", "name": "x"}).get("value")


# ---------------------------------------------------------------- one child and the next


LEAVES = {
    "a file": "open('/tmp/left', 'w').write('x')",
    "a deep folder": "import os\nfor _ in range(3000):\n    os.mkdir('d'); os.chdir('d')",
    "a closed folder": "import os\nos.makedirs('/tmp/a/b'); os.chmod('/tmp/a', 0)",
    "a link": "import os\nos.symlink('/', '/tmp/root')",
    "a full disk": "try:\n    for i in range(9): open(f'/tmp/{i}', 'wb').write(bytes(15 << 20))\nexcept OSError: pass",
}


@pytest.mark.parametrize("leaves", LEAVES.values(), ids=LEAVES)
def test_a_child_finds_nothing_of_the_one_before(box: Box, leaves: str) -> None:
    listed = "import os; x = sorted(os.listdir('/tmp'))"  # what Python and the package run from may lie there
    there = run(box, listed)
    run(box, leaves)
    try:
        box.begin()
    except Died as error:
        assert "left something behind" in str(error)
        assert box.dead  # the grader starts another one
    else:
        assert run(box, listed) == there
        assert run(box, "x = open('/tmp/y', 'w').write('y' * 4096)") == 4096


def test_a_sweep_leaves_what_answers_run_with(tmp_path: Path) -> None:
    """Python itself may be in the folder that answers write to, as where it was installed below /tmp."""
    for name in ("python/bin", "deep/package/mmaplab", "deep/left", "python.old"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "left").write_text("x", encoding="ascii")
    assert sweep(str(tmp_path), [f"{tmp_path}/python", f"{tmp_path}/deep/package"])
    there = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert there == {"python", "python/bin", "deep", "deep/package", "deep/package/mmaplab"}


def test_a_file_does_not_cost_the_box(box: Box) -> None:
    run(box, LEAVES["a file"])
    box.begin()
    assert not box.dead


def test_a_child_has_its_two_pipes_and_nothing_of_what_forks_it(box: Box) -> None:
    sockets = "import gc, socket\nx = [s.fileno() for s in gc.get_objects() if isinstance(s, socket.socket)]"
    assert set(run(box, sockets)) <= {-1}  # type: ignore[call-overload]
    frames = (
        "import sys\nx, f = [], sys._getframe()\nwhile f: x += [k for k in f.f_locals if k == 'control']; f = f.f_back"
    )
    assert run(box, frames) == []
    links = "import os\nx = []\nfor n in range(3, 64):\n"
    kinds = links + "    try: x.append(os.readlink(f'/proc/self/fd/{n}')[:4])\n    except OSError: pass"
    assert set(run(box, kinds)) <= {"pipe", "/dev"}  # type: ignore[call-overload]


def test_no_folder_that_can_be_written_to_is_on_the_path_of_modules(box: Box) -> None:
    assert run(box, "import os, sys\nx = [p for p in sys.path if os.access(p or '.', os.W_OK)]") == []


OPENS = """
import os
x = []
for pid in {os.getppid(), 1}:
    for name in ('mem', 'environ', 'maps', 'fd/3'):
        try: open(f'/proc/{pid}/{name}', 'r+b' if name == 'mem' else 'rb').close(); x.append(name)
        except OSError: pass
"""
AS_NOBODY = """
import sys
from pathlib import Path
from mmaplab.grading.box import boxed
from mmaplab.grading.sandbox import Limits, find_protection
protection = find_protection()
if protection is None:
    sys.exit('no sandbox for this user')
with boxed(protection, Path(sys.argv[1]), Limits(seconds=30), ['mmaplab.grading.observe']) as box:
    box.begin()
    print(box.ask({'do': 'run', 'cells': [sys.argv[2]]}), box.ask({'do': 'value', 'name': 'x'}))
"""


def test_a_child_cannot_open_the_memory_of_what_forks_it(box: Box) -> None:
    assert run(box, OPENS) == []
    assert run(box, "x = open('/proc/self/mem', 'rb').close()") is None  # its own it may


BECOME_NOBODY = """
set -eu
hidden=$1; base=$2; by=$3; shift 3
mount --make-rprivate /
if [ -n "$hidden" ]; then
    mount --bind "$base" "$by"
    mount -t tmpfs -o mode=755 none "$hidden"
    mkdir -p "$base"
    mount --bind "$by" "$base"
fi
exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
"""
"""A shell script that goes on as an ordinary user, who can read the Python in the superuser's `hidden` home."""


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can become another user")
def test_the_same_where_the_grader_is_an_ordinary_user(package: Path, tmp_path: Path) -> None:
    base = Path(sys.base_prefix).resolve()
    hidden = "/root" if base.is_relative_to("/root") else ""
    become = ["unshare", "--mount", "sh", "-c", BECOME_NOBODY, "sh", hidden, str(base), str(tmp_path)]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [*become, sys.executable, "-c", AS_NOBODY, str(package), OPENS]
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, timeout=120)
    if "no sandbox" in done.stderr or (not done.stderr.startswith("Traceback") and done.returncode != 0):
        pytest.skip(f"no ordinary user can grade here: {done.stderr[-200:]}")
    assert done.stdout == "{'output': ''} {'value': []}\n", done.stderr


# ---------------------------------------------------------------- limits

REFUSED = """
import ctypes, os, platform, resource
syscall = ctypes.CDLL(None, use_errno=True).syscall
shmget, memfd_create, keyctl, unshare, mq_open = {
    'x86_64': (29, 319, 250, 272, 240), 'aarch64': (194, 279, 219, 97, 180)}[platform.machine()]
x = []
for call in ((shmget, 0, 4096, 0o1600), (memfd_create, b'x', 0), (keyctl, 0, -4, 1), (unshare, 0x10000000),
             (mq_open, b'q', 64, 0o600, 0)):
    came = syscall(*call)
    x.append([came, ctypes.get_errno()])
try: resource.prlimit(os.getppid(), resource.RLIMIT_CPU)
except PermissionError: x.append('prlimit')
"""


@pytest.mark.skipif(os.uname().machine not in ("x86_64", "aarch64"), reason="the filter is for these machines")
def test_calls_whose_effect_would_outlive_a_child_are_refused(box: Box) -> None:
    assert run(box, REFUSED) == [[-1, 1]] * 5 + ["prlimit"]
    threads = "import threading, os\nt = threading.Thread(target=int); t.start(); t.join()\n"
    assert run(box, threads + "pid = os.fork()\nif pid == 0: os._exit(0)\nx = os.waitpid(pid, 0)[1]") == 0


BURN = "import time\nend = time.process_time() + {}\nwhile time.process_time() < end: pass"


def test_processor_time_is_counted_anew_for_each_request(box: Box) -> None:
    for _ in range(3):
        run(box, BURN.format(1.2))  # 3.6 seconds in all, where a request has 2
    with pytest.raises(Died, match="used up its processor time"):
        box.ask({"do": "run", "cells": [BURN.format(1000)]})


def test_processor_time_of_children_counts(box: Box) -> None:
    fork = "import os\nif os.fork() == 0:\n    while True: pass\nimport time; time.sleep(1000)"
    with pytest.raises(Died, match="used up its processor time"):
        box.ask({"do": "run", "cells": [fork]})


def test_the_memory_of_all_processes_of_an_answer_counts(box: Box) -> None:
    fork = "import os, time\nfor _ in range(6):\n"
    fork += "    if os.fork() == 0:\n        y = b'y' * (250 << 20); time.sleep(1000)\n"
    with pytest.raises(Died, match=r"more than 1024 MiB of memory together|processor time"):
        box.ask({"do": "run", "cells": [fork + "time.sleep(1000)"]})


def test_a_purse_is_paid_from_and_ends(box: Box) -> None:
    whole = Purse(100.0)
    purse = Purse(1.0, whole)
    with pytest.raises(Died, match="did not come to an end in time"):
        purse.ask(box, {"do": "run", "cells": ["import time; time.sleep(1000)"]})
    with pytest.raises(Died, match=SPENT):
        purse.ask(box, {"do": "run", "cells": ["x = 1"]})
    assert 90 < whole.left < 99.5


# ---------------------------------------------------------------- what must not be seen


def test_secret_folders_and_files_are_masked_where_what_is_shown_contains_them(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = tmp_path / "shown"
    (shown / "solutions").mkdir(parents=True)
    (shown / "solutions" / "05.ipynb").write_text("secret")
    (shown / "class.zip").write_text("secret")
    (shown / "open.txt").write_text("seen")
    (tmp_path / "alias").symlink_to(shown)
    tmp_path.chmod(0o755)
    folders = [*sandbox.python_folders(), shown, tmp_path / "alias"]
    monkeypatch.setattr(sandbox, "python_folders", lambda: folders)
    monkeypatch.setattr(boxes, "python_folders", lambda: folders)
    protection = find_protection()
    if protection is None:
        pytest.skip("this machine offers no sandbox")
    look = f"""
import os
x = []
for place in ({str(shown)!r}, {str(tmp_path / "alias")!r}):
    x += [os.listdir(place + '/solutions'), open(place + '/open.txt').read()]
    try: x.append(open(place + '/class.zip').read())
    except OSError: x.append('')
"""
    secret = [shown / "solutions", shown / "class.zip", tmp_path / "not there"]
    with boxed(protection, package, LIMITS, ["mmaplab.grading.observe"], secret) as box:
        box.begin()
        assert run(box, look) == [[], "seen", ""] * 2
