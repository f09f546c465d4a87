"""Ctrl-C in the middle of things: real signals, sent to the whole process group as a terminal and Jupyter do it.

The notebook is a Python process of its own here. It does one thing again and again, and each time a signal comes at
another moment. Afterwards everything must still work, and nothing may be left.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mmaplab.real import LinuxKernel
from mmaplab.real import kernel as kernel_room

pytestmark = pytest.mark.live
BOTH = pytest.mark.parametrize("executor", ["machine code", "python"])

NOTEBOOK = """
import os, random, signal, sys, threading, time
from mmaplab.real import LinuxKernel, WorkerDied

random.seed({seed})
PAGE = 4096
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job begins with SIGINT ignored

def interrupted(work, longest):
    "Do the work, again and again, until a signal interrupts it."
    timer = threading.Timer(random.uniform(0, longest), os.killpg, (0, signal.SIGINT))
    try:
        timer.start()
        while True:
            work()
    except KeyboardInterrupt:
        return

def check(kernel, p, a):
    "Answers must be those to these questions, not to earlier ones."
    mark = random.randbytes(16)
    p.store(a, mark)
    assert p.load(a, 16) == mark
    assert len(p.mincore(a, 3 * PAGE)) == 3
    assert kernel.file_bytes("book") == b"b" * (PAGE + 9)
    q = kernel.spawn()
    b = q.mmap(0, PAGE, 3, 0x22)
    q.store(b, mark)
    assert q.load(b, 16) == mark
    q.exit()
"""
WITH_KERNEL = """
def many_calls(p):
    c = p.mmap(0, 5 * PAGE, 3, 0x22)
    p.store(c, bytes(5 * PAGE))
    p.mprotect(c, PAGE, 1)
    assert len(p.load(c, 5 * PAGE)) == 5 * PAGE
    p.munmap(c, 5 * PAGE)

def files(kernel):
    name = f"f{{random.random()}}"
    kernel.create_file(name, bytes(9 * PAGE), warm=True)
    assert kernel.residency(name) == [True] * 9

with LinuxKernel(executor={executor!r}, time_limit=5) as kernel:
    directory = kernel.directory
    kernel.create_file("book", b"b" * (PAGE + 9))
    p = kernel.spawn()
    a = p.mmap(0, 3 * PAGE, 3, 0x22)
    big = p.memfd_create("big")
    p.ftruncate(big, 5 << 20)
    for _ in range({times}):
        interrupted(lambda: {work}, {longest})
        check(kernel, p, a)
assert not os.path.exists(directory)
print("fine")
"""
BEGINNINGS = """
from pathlib import Path
with LinuxKernel() as kernel:
    parent = Path(kernel.directory).parent
before = set(parent.iterdir())
for _ in range({times}):
    interrupted(lambda: LinuxKernel(executor={executor!r}).close(), 0.3)
    import gc; gc.collect()
assert set(parent.iterdir()) <= before, set(parent.iterdir()) - before
print("fine")
"""


def run(script: str) -> None:
    """Run the notebook in a session of its own; when it is through, the session must be empty."""
    command = [sys.executable, "-c", script]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as notebook:
        said, wrong = notebook.communicate(timeout=100)
    assert (said, notebook.returncode) == ("fine\n", 0), wrong
    assert session(notebook.pid) == [], "a live process is left"


def session(number: int) -> list[str]:
    """Return the processes of a session, as /proc/PID/stat tells them; proc_pid_stat(5)."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:
            continue
        state, _, _, its_session = text.rpartition(")")[2].split()[:4]
        if int(its_session) == number and state != "Z":
            found.append(text)
    return found


@BOTH
@pytest.mark.parametrize(
    ("work", "longest"),
    [
        pytest.param("many_calls(p)", 0.02, id="calls"),
        pytest.param("kernel.spawn().exit()", 0.05, id="spawn"),
        pytest.param("p.fork().exit()", 0.05, id="fork"),
        pytest.param("p.pread(big, 5 << 20, 0)", 0.05, id="large"),
        pytest.param("files(kernel)", 0.05, id="files"),
    ],
)
def test_a_kernel_lives_on(executor: str, work: str, longest: float) -> None:
    times = 20 if executor == "machine code" else 8
    script = NOTEBOOK.format(seed=1) + WITH_KERNEL.format(executor=executor, times=times, work=work, longest=longest)
    run(script)


@BOTH
def test_a_kernel_that_begins_or_ends_leaves_nothing(executor: str) -> None:
    times = 8 if executor == "machine code" else 3
    run(NOTEBOOK.format(seed=2) + BEGINNINGS.format(executor=executor, times=times))


def test_ctrl_c_before_a_kernel_begins_to_close_does_not_keep_it_from_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At Python's end nobody would try again."""
    kernel = LinuxKernel(tmp_path)
    tries = iter([KeyboardInterrupt(), KeyboardInterrupt(), None])

    @contextmanager
    def too_late() -> Iterator[None]:
        if (came := next(tries)) is not None:
            raise came
        yield

    monkeypatch.setattr(kernel_room, "uninterrupted", too_late)
    kernel.close()
    assert not [*tmp_path.iterdir()]


def test_ctrl_c_while_a_kernel_closes_is_told_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = LinuxKernel(tmp_path)

    @contextmanager
    def late() -> Iterator[None]:
        yield
        raise KeyboardInterrupt

    monkeypatch.setattr(kernel_room, "uninterrupted", late)
    with pytest.raises(KeyboardInterrupt):
        kernel.close()
    assert not [*tmp_path.iterdir()]
