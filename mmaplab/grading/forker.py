"""The process in the sandbox: loads what notebooks import, once, and forks a fresh child for every answer.

    {"do": "begin", "number": 3}    ->  {"began": 3} with two descriptors, a pipe to the child and one from it
    the child ends or dies          ->  {"ended": status, "clean": true}

Loading takes most of a second, forking a millisecond. One submission has its own forker: what an answer does to it can
hurt no other submission, and what an answer leaves behind is ended and removed before the next one begins. A child has
its own two pipes and nothing else: the socket on which this process is asked is closed before a cell runs, and this
process's memory is closed to it as well (PR_SET_DUMPABLE), so no answer can speak for this process or for another one.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import shutil
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from mmaplab.grading.magics import new_namespace
from mmaplab.grading.serve import serve, silence
from mmaplab.real.libc import function
from mmaplab.real.refusal import refuse_for_good

PR_SET_CHILD_SUBREAPER = 36
"""prctl(2): orphans below this process become its children."""
PR_SET_DUMPABLE = 4
"""prctl(2): may processes of the same user read and write this one's memory?"""
SYSV = ("shm", "sem", "msg")
Settings = dict[str, int]


def main() -> None:
    """Serve one submission: `python -m mmaplab.grading.forker SOCKET SETTINGS`, a descriptor and JSON.

    The process loads what notebooks import, once, and then forks a fresh child for every `{"do": "begin"}`, so that
    one answer's death is not another's. When a child has ended, `{"ended": status}` follows.
    """
    settings = json.loads(sys.argv[2])
    prepare(settings)
    requests, replies = next_child(int(sys.argv[1]), settings["space"], settings["keep"])
    limit(settings)
    try:
        serve(requests, replies, new_namespace())
    finally:
        os._exit(0)


def prepare(settings: dict[str, object]) -> None:
    """Load what answers need, and give up what they must not have."""
    silence()
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")  # an answer goes before a grader
    function("prctl")(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    uid, preload = settings.get("uid"), settings["preload"]
    assert isinstance(preload, list)
    drop_rights(uid if isinstance(uid, int) else None)
    for module in preload:
        importlib.import_module(module)
    function("prctl")(PR_SET_DUMPABLE, 0, 0, 0, 0)
    gc.freeze()  # a child's collector leaves alone what is here already, and so the pages stay shared


def next_child(fd: int, space: str, keep: Sequence[str]) -> tuple[BinaryIO, BinaryIO]:
    """Fork a child whenever the grader asks; returns in the children only, with what each has to talk with.

    `space` is the folder that answers may write to, `keep` the folders that must stay in it.
    """
    control = socket.socket(fileno=fd)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])  # it is waited for, and must not get lost
    for line in iter(lambda: control.recv(4096), b""):
        there, here = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
            control.close()
            os.close(there[1])
            os.close(here[0])
            return os.fdopen(there[0], "rb", buffering=0), os.fdopen(here[1], "wb", buffering=0)
        os.close(there[0])
        os.close(here[1])
        began = json.dumps({"began": json.loads(line)["number"]}).encode() + b"\n"
        socket.send_fds(control, [began], [there[1], here[0]])
        os.close(there[1])
        os.close(here[0])
        status = os.waitstatus_to_exitcode(reap(pid, control))
        ended = {"ended": status, "clean": not space or is_clean(space, keep)}
        control.sendall(json.dumps(ended).encode() + b"\n")
    os._exit(0)


# ---------------------------------------------------------------- after a child


def reap(pid: int, control: socket.socket) -> int:
    """Wait for a child, then end whatever it has left behind; returns its wait status.

    This process is made the parent of orphans (PR_SET_CHILD_SUBREAPER), so that what is left is found below it. Where
    it is the first one in there, everything ends with it; it ends when the grader has closed its socket.
    """
    done, status = 0, 0
    while done != pid:  # orphans that end meanwhile are waited for as well
        done, status = os.waitpid(-1, os.WNOHANG)
        if done == 0:
            signal.sigtimedwait([signal.SIGCHLD], 1.0)
            if is_closed(control):
                os._exit(1)
    for _ in range(1000):
        left = children_of(os.getpid())
        if not left:
            break
        for child in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    return status


def is_closed(control: socket.socket) -> bool:
    """Has the other side closed its end, or is it gone?"""
    try:
        return control.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def children_of(pid: int) -> list[int]:
    """Return the processes whose parent is `pid`; proc(5)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = entry.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            if int(fields[1]) == pid:
                found.append(int(entry.parent.name))
    return found


def is_clean(space: str, keep: Sequence[str]) -> bool:
    """Remove what an answer has left in `space`; returns whether nothing of it is left, there or in the kernel."""
    with contextlib.suppress(OSError):
        Path(space).chmod(0o1777)  # where it is this user's own
    try:
        named = [name for name in os.listxattr(space) if name.startswith("user.")]
        return sweep(space, keep) and not named and not any(sysv_objects(kind) for kind in SYSV)
    except (OSError, RecursionError):
        return False


def sweep(folder: str, keep: Sequence[str]) -> bool:
    """Remove everything in a folder but what is in `keep` or leads there; returns whether that went well."""
    gone = True
    for entry in os.scandir(folder):
        if entry.path in keep:
            continue
        if any(path.startswith(entry.path + "/") for path in keep):
            gone &= sweep(entry.path, keep)
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            Path(entry.path).unlink()
        gone &= not os.path.lexists(entry.path)
    return gone


def sysv_objects(kind: str) -> int:
    """Return how many shared memories, semaphores or message queues there are; sysvipc(7)."""
    with contextlib.suppress(FileNotFoundError):
        return len(Path(f"/proc/sysvipc/{kind}").read_text(encoding="ascii").splitlines()) - 1
    return 0


# ---------------------------------------------------------------- rights and limits


def drop_rights(uid: int | None) -> None:
    """Go on as user `uid`, where the superuser started this: limits on processes do not bind the superuser."""
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)


def limit(settings: Settings) -> None:
    """Limit this process, for good: processor seconds, bytes of memory and of a file, processes, open files.

    The processor time is the whole of an answer's; what a single request may take is measured by the grader.
    """
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_AS: settings["memory_bytes"],
        resource.RLIMIT_FSIZE: settings["file_bytes"],
        resource.RLIMIT_NPROC: settings["processes"],
        resource.RLIMIT_NOFILE: settings["open_files"],
    }
    soft = settings["cpu_seconds"]
    resource.setrlimit(resource.RLIMIT_CPU, (soft, soft + 1))  # SIGXCPU, and a second later SIGKILL
    for which, most in limits.items():
        hard = resource.getrlimit(which)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (most, most))
    refuse_for_good()
    function("prctl")(PR_SET_DUMPABLE, 1, 0, 0, 0)  # a process of its own again, which may look at itself


if __name__ == "__main__":
    main()
