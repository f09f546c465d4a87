"""Directories that are full, read-only, gone or strange, and versions of Linux that nobody knows: words, no traceback.

File systems are mounted in a mount namespace of a child's own, which needs root; elsewhere a limit plays the full disk.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mmaplab import real
from mmaplab.lab import NotAvailable, lab
from mmaplab.real import LinuxKernel, doctor, files, machine, warm_file
from mmaplab.releases import Release
from mmaplab.sim.config import KernelConfig, of_release

pytestmark = pytest.mark.live
PAGE = 4096


def in_mount(tmp_path: Path, mount: str, script: str) -> str:
    """Return what a script prints with `mount` done in a namespace of its own; skip where that is not allowed."""
    if not shutil.which("unshare"):
        pytest.skip("unshare (util-linux) is missing")
    shell = f"mount --make-rprivate / && cd '{tmp_path}' && {mount} && exec '{sys.executable}' -c \"$SCRIPT\""
    environment = os.environ | {"SCRIPT": script, "PYTHONPATH": str(Path(real.__file__).parents[2])}
    command = ["unshare", "--mount", "sh", "-c", shell]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    if done.returncode and "Traceback" not in done.stderr:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return done.stdout


FULL = """
import errno
from pathlib import Path
from mmaplab.interface import BusError
from mmaplab.real import LinuxKernel, NotAvailable, doctor
with LinuxKernel("m") as kernel:
    try:
        kernel.create_file("big", bytes(1 << 20))
    except NotAvailable as error:
        assert isinstance(error, OSError) and error.errno == errno.ENOSPC
        print(error.strerror)
    kernel.create_file("small", bytes(40960))
    p = kernel.spawn()
    fd = p.open("small", 2)
    assert p.pwrite(fd, bytes(1 << 20), 0) == 65536
    try:
        p.pwrite(fd, b"x" * 4096, 1 << 20)
    except OSError as error:
        assert error.errno == errno.ENOSPC
    p.ftruncate(fd, 1 << 20)
    a = p.mmap(0, 1 << 20, 3, 1, fd)
    try:
        p.store(a + (1 << 19), b"x")
    except BusError as error:
        print(error.si_addr - a)
    assert p.load(a) == bytes(1)
assert list(Path("m").iterdir()) == []
"""


def test_a_full_file_system(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    said = in_mount(tmp_path, "mount -t tmpfs -o size=64k none m", FULL).splitlines()
    assert said == [
        f"no room for the 1,048,576 bytes of 'big' in '{tmp_path}/m' (No space left on device): "
        "make room there, or give another place, directory=...",
        str(1 << 19),
    ]


READ_ONLY = """
from mmaplab.real import LinuxKernel, doctor, warm_file
for attempt in (lambda: LinuxKernel("m"), lambda: warm_file(1, "m").__enter__()):
    try:
        attempt()
    except OSError as error:
        print(error.strerror)
print(doctor("m"))
"""


def test_a_read_only_file_system(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    said = in_mount(tmp_path, "mount -t tmpfs -o ro none m", READ_ONLY).splitlines()
    assert said[0] == said[1]
    assert "in 'm' (Read-only file system): give another one, directory=..." in said[0]
    assert any(line.startswith("no   live kernel") and "Read-only" in line for line in said)


OVERLAY = """
from mmaplab.real import LinuxKernel, doctor
with LinuxKernel("m") as kernel:
    assert kernel.file_system == "overlay"
    kernel.create_file("f", b"a" * 8192, warm=True)
    assert kernel.residency("f") == [True, True]
    p = kernel.spawn()
    a = p.mmap(0, 8192, 3, 1, p.open("f", 2))
    p.store(a, b"b")
    assert kernel.file_bytes("f")[:2] == b"ba"
    assert p.maps()[0].path.endswith("/f")
report = {finding.what: finding for finding in doctor("m").findings}
assert "overlay" in report["file system"].answer and report["file system"].cost
assert "overlayfs" in report["cachestat"].answer and report["cachestat"].cost
print("works")
"""


def test_a_container_s_own_layers(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    layers = "mount -t tmpfs none t && cd t && mkdir l u w m && "
    mount = layers + "mount -t overlay -o lowerdir=l,upperdir=u,workdir=w none m"
    assert in_mount(tmp_path, mount, OVERLAY) == "works\n"


def test_a_lab_without_room_shows_the_recorded_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(fd: int, data: memoryview) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "_write_pages", no_room)

    def experiment() -> dict[str, int]:
        with warm_file(4) as path:
            return {"bytes": len(Path(path).read_bytes())}

    shown = lab(experiment, "05 one touch")
    assert not shown.live
    assert "because" in shown.source and "no room for the 16,384 bytes of 'warm.bin'" in shown.source


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC])
def test_a_lab_without_a_place_for_files_shows_the_recorded_result(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**how: str) -> str:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)

    def experiment() -> dict[str, int]:
        with LinuxKernel() as kernel:
            return {"bytes": len(kernel.file_bytes("f"))}

    shown = lab(experiment, "05 one touch")
    assert not shown.live
    assert os.strerror(number) in shown.source


@pytest.mark.parametrize("executor", ["machine code", "python"])
def test_a_lab_whose_process_is_killed_shows_the_recorded_result(executor: str) -> None:
    def experiment() -> dict[str, int]:
        with LinuxKernel(executor=executor) as kernel:
            p = kernel.spawn()
            os.kill(p.pid, signal.SIGKILL)
            return {"heap": p.brk(0)}

    shown = lab(experiment, "05 one touch")
    assert not shown.live
    assert "has ended by itself" in shown.source


@pytest.mark.parametrize("limit", ["x", 0, -1, None, float("inf"), float("nan"), 1e9, True])
def test_a_time_limit_that_is_none(limit: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="time_limit is"):
        LinuxKernel(tmp_path, time_limit=limit)
    assert not [*tmp_path.iterdir()]


def test_a_directory_that_vanishes(tmp_path: Path) -> None:
    with LinuxKernel(tmp_path) as kernel:
        kernel.create_file("f", b"abc")
        p = kernel.spawn()
        fd = p.open("f")
        shutil.rmtree(kernel.directory)
        assert p.pread(fd, 3, 0) == b"abc", "an open file lives on"
        with pytest.raises(FileNotFoundError, match="openat"):
            p.open("f")
        for call in (kernel.spawn, lambda: kernel.create_file("g"), lambda: kernel.file_bytes("f")):
            with pytest.raises(FileNotFoundError, match="somebody removed"):
                call()
    assert list(tmp_path.iterdir()) == []


def test_a_directory_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with as_nobody(), pytest.raises(PermissionError, match="give another one"):
        LinuxKernel(tmp_path)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may write everywhere: be somebody else for a moment."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_where_nothing_can_be_written_labs_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *args, **kwargs: False)
    with pytest.raises(NotAvailable, match="no directory can be written to"):
        LinuxKernel()
    assert "no directory can be written to" in str(doctor())


def test_another_kind_of_memory_file_system() -> None:
    if files.file_system_of("/dev/shm").fs_type != "tmpfs" or not os.access("/dev/shm", os.W_OK):
        pytest.skip("no tmpfs at /dev/shm")
    report = {finding.what: finding for finding in doctor("/dev/shm").findings}
    assert not report["file system"].good
    assert "no disk" in report["file system"].cost


@pytest.mark.parametrize(
    ("release", "words", "version"),
    [
        ("2.6.32-754.el6.x86_64", "older than 5.15", (2, 6)),
        ("5.15.0-97-generic", "between 5.15 and 6.18", (5, 15)),
        ("6.1.0-rc3+", "between 5.15 and 6.18", (6, 1)),
        ("6.18.44", "compared with", (6, 18)),
        ("9.4-next-20301231", "newer than 6.18", (9, 4)),
        ("strange", "newer than 6.18", (99, 0)),
    ],
)
def test_an_unknown_version(monkeypatch: pytest.MonkeyPatch, release: str, words: str, version: Release) -> None:
    here = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((*here[:2], release, *here[3:])))
    monkeypatch.setattr("platform.release", lambda: release)
    monkeypatch.setattr(machine, "measure", lambda kernel: {})  # that is asked of the kernel, and takes its time
    (told,) = [finding for finding in doctor().findings if finding.what == "version"]
    assert words in told.answer
    assert told.good != words.startswith(("older", "newer"))
    assert bool(told.cost) != told.good
    assert KernelConfig.of_this_machine() == of_release(version)
    config = KernelConfig.of_this_machine(real.measured())
    assert config.eof_quirk == (version >= (6, 18))


@pytest.mark.parametrize("name", ["", "rel", "./rel/../rel"])
def test_a_relative_directory_is_emptied_after_the_notebook_has_gone_elsewhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rel").mkdir()
    monkeypatch.chdir(tmp_path)
    kernel = LinuxKernel(name)
    monkeypatch.chdir("/")
    kernel.create_file("f", b"x")
    assert kernel.file_bytes("f") == b"x"
    kernel.close()
    assert [path.name for path in tmp_path.rglob("*")] == ["rel"]


def test_a_relative_directory_for_a_warm_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with warm_file(1, "") as path:
        monkeypatch.chdir("/")
        assert Path(path).stat().st_size == 4096
    assert not [*tmp_path.iterdir()]
