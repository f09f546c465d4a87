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
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/lib32", "/sbin", "/etc/ld.so.cache", "/etc/alternatives")
"""What a Python needs of the system, where it is there."""
SPACE_BYTES = 64 << 20
"""What an answer may write to its own /tmp in all."""


@dataclass(frozen=True)
class Limits:
    """How much one answer may use. `seconds` is the time that one request may take on the clock.

    A third of it is the processor time that one request may take: a loop is ended by that, also on a busy machine,
    where the clock alone would be unfair to answers that are right. There the clock has more (usage.busy).
    """

    seconds: float = 30.0
    memory_bytes: int = 2 << 30
    """Of each process of an answer, and of all of them together."""
    processes: int = 24
    file_bytes: int = 16 << 20
    open_files: int = 64


@dataclass(frozen=True)
class Protection:
    """A way to keep answers in: its name, a sentence for the report, and what goes before a command."""

    name: str
    sentence: str
    wrap: Callable[[Sequence[Path], Sequence[Path], Sequence[str]], list[str]]
    """(folders to show, folders and files to mask, command) -> the command inside the protection."""


def bubblewrap(show: Sequence[Path], mask: Sequence[Path], command: Sequence[str]) -> list[str]:
    """Return `command` inside bubblewrap."""
    spaces = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    if os.geteuid() == 0:
        spaces += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        spaces += ["--unshare-user"]
    line = ["bwrap", *spaces, "--die-with-parent", "--new-session", "--proc", "/proc", "--dev", "/dev"]
    line += ["--as-pid-1"]  # no other process in there, and no signal from inside reaches this one
    line += ["--perms", "1777", "--size", str(SPACE_BYTES), "--tmpfs", "/tmp"]
    for path in SYSTEM:
        line += ["--ro-bind-try", path, path]
    for folder in show:
        for parent in reversed(folder.parents[:-1]):
            line += ["--perms", "0755", "--dir", str(parent)]  # else it would have the rights of the real one
        line += ["--ro-bind", str(folder), str(folder)]
    for place in mask:
        line += ["--tmpfs", str(place)] if place.is_dir() else ["--ro-bind", "/dev/null", str(place)]
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
for path in $mask; do
    if [ -d "$path" ]; then mount -t tmpfs -o size=4k none "$root$path"; else mount --bind /dev/null "$root$path"; fi
done
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


def places_to_mask(secret: Sequence[Path], package: Path) -> list[Path]:
    """Return where an answer would see what it must not: the whole package, and `secret` folders and files."""
    here = Path(__file__).resolve().parents[1]
    shown = [path for path in (*map(Path, SYSTEM), *python_folders(), package) if path.exists()]
    hidden = [path.resolve() for path in (here, *secret) if path.exists()]
    places = {
        one / path.relative_to(one.resolve()) for path in hidden for one in shown if path.is_relative_to(one.resolve())
    }
    return sorted(places - {package / "mmaplab"})


def needed(secret: Path) -> bool:
    """Would Python not run where this folder is masked?"""
    ours = (sys.executable, sys.prefix, sys.base_prefix, str(os.__file__))
    return any(Path(path).resolve().is_relative_to(secret.resolve()) for path in ours) and is_shown(secret)


def is_shown(path: Path) -> bool:
    """Does an answer see this folder, because something that Python needs contains it?"""
    shown = [one.resolve() for one in (*map(Path, SYSTEM), *python_folders())]
    return any(path.resolve().is_relative_to(one) for one in shown)
