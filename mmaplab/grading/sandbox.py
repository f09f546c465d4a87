"""What keeps an answer in: namespaces, limits, and a package without the function that is asked for.

    protection   how                                   what an answer cannot do
    bubblewrap   bwrap, new namespaces                 see the project, other submissions or the home; use the network;
    unshare      the same by unshare and pivot_root     signal other processes; write outside its own /tmp
    none         limits only                           (only with --allow-unprotected)

In every case: its own user id where the grader is the superuser, no core files, and limits on processor time, memory,
processes, file sizes and open files. The report states which protection held. Linux only; macOS has `none`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mmaplab.grading.ask import Child, Died, Reply, started

SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/lib32", "/sbin", "/etc/ld.so.cache", "/etc/alternatives")
"""What a Python needs of the system, where it is there."""
FIRST_UID = 61184
UIDS = 4000
"""User ids from here on, so many, belong to nobody (systemd's dynamic range); each running box has one to itself."""
SPACE_BYTES = 64 << 20
"""What an answer may write to its own /tmp in all."""


@dataclass(frozen=True)
class Limits:
    """How much one answer may use. `seconds` is the time that one request may take on the clock.

    A third of it is the processor time of all its requests: a loop is ended by that, also on a busy machine, where the
    clock alone would be unfair to answers that are right.
    """

    seconds: float = 30.0
    memory_bytes: int = 2 << 30
    processes: int = 24
    file_bytes: int = 16 << 20
    open_files: int = 64


@dataclass(frozen=True)
class Protection:
    """A way to keep answers in: its name, a sentence for the report, and what goes before a command."""

    name: str
    sentence: str
    wrap: Callable[[Sequence[Path], Sequence[Path], Sequence[str]], list[str]]
    """(folders to show, folders to mask, command) -> the command inside the protection."""


def bubblewrap(show: Sequence[Path], mask: Sequence[Path], command: Sequence[str]) -> list[str]:
    """Return `command` inside bubblewrap."""
    spaces = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    if os.geteuid() == 0:
        spaces += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        spaces += ["--unshare-user"]
    line = ["bwrap", *spaces, "--die-with-parent", "--new-session", "--proc", "/proc", "--dev", "/dev"]
    line += ["--perms", "1777", "--size", str(SPACE_BYTES), "--tmpfs", "/tmp"]
    for path in SYSTEM:
        line += ["--ro-bind-try", path, path]
    for folder in show:
        for parent in reversed(folder.parents[:-1]):
            line += ["--perms", "0755", "--dir", str(parent)]  # else it would have the rights of the real one
        line += ["--ro-bind", str(folder), str(folder)]
    for folder in mask:
        line += ["--tmpfs", str(folder)]
    return [*line, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp", "--", *command]


UNSHARE = r"""
set -eu
root=$1; show=$2; mask=$3; space=$4; shift 4
mount --make-rprivate /
mount -t tmpfs -o size=16m,mode=755 none "$root"
mkdir -p "$root/proc" "$root/tmp" "$root/dev" "$root/old"
mount -t proc proc "$root/proc"
mount -t tmpfs -o "size=$space,mode=1777" none "$root/tmp"
IFS=:
for path in $show; do
    if [ -L "$path" ]; then mkdir -p "$(dirname "$root$path")"; ln -s "$(readlink "$path")" "$root$path"; continue; fi
    if [ -d "$path" ]; then mkdir -p "$root$path"
    elif [ -e "$path" ]; then mkdir -p "$(dirname "$root$path")"; : > "$root$path"
    else continue; fi
    mount --bind "$path" "$root$path"
    mount -o remount,bind,ro "$root$path"
done
for path in $mask; do mount -t tmpfs -o size=4k none "$root$path"; done
for name in null zero urandom random; do : > "$root/dev/$name"; mount --bind "/dev/$name" "$root/dev/$name"; done
cd "$root"
pivot_root . old
umount -l /old
mount -o remount,bind,ro /
cd /tmp
unset IFS
exec "$@"
"""


def unshare(show: Sequence[Path], mask: Sequence[Path], command: Sequence[str]) -> list[str]:
    """Return `command` inside namespaces made by util-linux's unshare, in a root of its own."""
    line = ["unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child"]
    tail = list(command)
    if os.geteuid() != 0:
        line += ["--user", "--map-root-user"]
        tail = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", *tail]
    seen = ":".join([*SYSTEM, *map(str, show)])
    masked = ":".join(map(str, mask))
    return [*line, "--", "sh", "-c", UNSHARE, "sh", mount_point(show), seen, masked, str(SPACE_BYTES), *tail]


def mount_point(show: Sequence[Path]) -> str:
    """Return a folder over which a new root can be mounted: none of those that must be seen."""
    points = [Path(name) for name in ("/mnt", "/media", "/srv", "/opt", "/home")]
    return str(next(p for p in points if p.is_dir() and not any(folder.is_relative_to(p) for folder in show)))


PROTECTIONS = (
    Protection("bubblewrap", "namespaces by bubblewrap: no network, no other files, no other processes", bubblewrap),
    Protection("unshare", "namespaces by unshare: no network, no other files, no other processes", unshare),
)


def bare(show: Sequence[Path], mask: Sequence[Path], command: Sequence[str]) -> list[str]:
    """Return `command` as it is."""
    return list(command)


UNPROTECTED = Protection("none", "NO SANDBOX: limits on time, memory and processes only", bare)


def find_protection() -> Protection | None:
    """Return the first protection that works here, tried on a Python that does nothing; None where none does."""
    for protection in PROTECTIONS:
        command = protection.wrap(python_folders(), (), [sys.executable, "-c", "pass"])
        if shutil.which(command[0]) is None:
            continue
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            done = subprocess.run(command, capture_output=True, timeout=30, check=False, stdin=subprocess.DEVNULL)
            if done.returncode == 0:
                return protection
    return None


def python_folders() -> list[Path]:
    """Return the folders of this Python, the virtual environment's and the one it was made from."""
    folders = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.exec_prefix), Path(sys.base_exec_prefix)}
    return sorted(folder for folder in folders if not folder.is_relative_to("/usr"))


def masked_folders() -> list[Path]:
    """Return the folders inside this Python that hold the whole package, where it is installed there."""
    here = Path(__file__).resolve().parents[1]
    inside = any(here.is_relative_to(folder.resolve()) for folder in python_folders())
    return [here] if inside or here.is_relative_to("/usr") else []


@contextmanager
def boxed(protection: Protection, package: Path, limits: Limits, preload: Sequence[str]) -> Iterator[Box]:
    """Start the process that serves one submission; `package` is the folder that holds its `mmaplab`."""
    with own_uid(os.geteuid() == 0 and protection is not UNPROTECTED) as uid:
        command, environment = boxed_command(protection, package, limits, preload, uid)
        with started(command, limits.seconds, env=environment, cwd="/") as child:
            yield Box(child)


@contextmanager
def own_uid(wanted: bool) -> Iterator[int | None]:
    """Hold a user id that no other box has: the kernel counts a user's processes together. None where none is wanted.

    The lock is a name that only one socket can have, and that goes with the process, however it ends; unix(7).
    """
    if not wanted:
        yield None
        return
    for step in range(UIDS):
        uid = FIRST_UID + (os.getpid() + step) % UIDS
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as lock:
            try:
                lock.bind(f"\0mmaplab-grading-{uid}")
            except OSError:  # another box has it
                continue
            yield uid
            return
    raise OSError(f"all {UIDS} user ids for answers are in use on this machine")


def boxed_command(
    protection: Protection, package: Path, limits: Limits, preload: Sequence[str], uid: int | None
) -> tuple[Callable[[int, int], list[str]], dict[str, str]]:
    """Return the command of a box, for two descriptors, and its environment."""
    settings = {
        "uid": uid,
        "preload": list(preload),
        "cpu_seconds": max(1, round(limits.seconds / 3)),
        "memory_bytes": limits.memory_bytes,
        "file_bytes": limits.file_bytes,
        "processes": limits.processes,
        "open_files": limits.open_files,
    }

    def command(read: int, write: int) -> list[str]:
        python = [
            sys.executable,
            "-s",
            "-B",
            "-m",
            "mmaplab.grading.forker",
            str(read),
            str(write),
            json.dumps(settings),
        ]
        return protection.wrap([*python_folders(), package], masked_folders(), python)

    environment = {
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": "/tmp",
        "PYTHONPATH": str(package),
        "MPLCONFIGDIR": "/tmp",
        "IPYTHONDIR": "/tmp",
        "OPENBLAS_NUM_THREADS": "1",
        "LANG": "C.UTF-8",
        "MMAPLAB_LIVE": "off",
    }
    return command, environment


START_SECONDS = 120.0
"""How long a process may take to load the package; no answer runs meanwhile."""
MOST_STALE = 1000
"""Lines that are skipped before a connection is given up."""


class Box:
    """A process in protection that forks a fresh child for each `begin`."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._running = False
        self._begun = 0

    def begin(self) -> None:
        """End the child before, where one runs, and fork a new one. Raises Died where that does not work any more."""
        if self._running:
            self._running = False
            with contextlib.suppress(Died):
                self._child.ask({"do": "end"})  # answered by {"ended": 0}, which `ask` raises
        self._begun += 1
        reply = self._child.ask({"do": "begin", "number": self._begun}, START_SECONDS)
        for _ in range(MOST_STALE):  # what the child before has left in the pipe is not for this one
            if reply.get("began") == self._begun:
                self._running = True
                return
            reply = self._child.ask({})
        self._child.give_up("the answer before it has flooded the connection")

    def ask(self, request: Reply) -> Reply:
        """Ask the child that runs; raises Died."""
        try:
            return self._child.ask(request)
        except Died:
            self._running = False
            raise

    @property
    def alive(self) -> bool:
        """Does the child that `begin` forked still answer?"""
        return self._running

    @property
    def dead(self) -> bool:
        """Must a new box be started?"""
        return self._child.dead
