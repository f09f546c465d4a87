"""The process in the sandbox: loads what notebooks import, once, and forks a fresh child for every answer.

    {"do": "begin", "number": 3}    ->  {"began": 3}, and the child serves (serve.py)
    {"do": "end"}, or a death       ->  {"ended": status}

Loading takes most of a second, forking a millisecond. One submission has its own forker: what an answer does to it can
hurt no other submission, and what an answer leaves behind is ended before the next one begins.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import signal
import sys
from pathlib import Path

from mmaplab.grading.serve import serve, silence
from mmaplab.real.libc import function

PR_SET_CHILD_SUBREAPER = 36
"""prctl(2): orphans below this process become its children."""


def main() -> None:
    """Serve one submission: `python -m mmaplab.grading.forker READ WRITE SETTINGS`, descriptors and JSON.

    The process loads what notebooks import, once, and then forks a fresh child for every `{"do": "begin"}`, so that
    one answer's death is not another's. When a child has ended, `{"ended": status}` follows.
    """
    requests = os.fdopen(int(sys.argv[1]), "rb", buffering=0)
    replies = os.fdopen(int(sys.argv[2]), "wb", buffering=0)
    settings = json.loads(sys.argv[3])
    silence()
    function("prctl")(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    drop_rights(settings.get("uid"))
    for module in settings["preload"]:
        importlib.import_module(module)
    gc.freeze()  # a child's collector leaves alone what is here already, and so the pages stay shared
    for line in iter(requests.readline, b""):
        request = json.loads(line)
        if request.get("do") != "begin":
            continue
        pid = os.fork()
        if pid == 0:
            limit(settings)
            replies.write(json.dumps({"began": request["number"]}).encode() + b"\n")
            try:
                serve(requests, replies, {"__name__": "__main__", "display": lambda *shown: None})
            finally:
                os._exit(0)
        status = reap(pid)
        replies.write(json.dumps({"ended": os.waitstatus_to_exitcode(status)}).encode() + b"\n")


def reap(pid: int) -> int:
    """Wait for a child, then end whatever it has left behind; returns its wait status.

    This process is made the parent of orphans (PR_SET_CHILD_SUBREAPER), so that what is left is found below it.
    """
    _, status = os.waitpid(pid, 0)
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


def children_of(pid: int) -> list[int]:
    """Return the processes whose parent is `pid`; proc(5)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = entry.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            if int(fields[1]) == pid:
                found.append(int(entry.parent.name))
    return found


def drop_rights(uid: int | None) -> None:
    """Go on as user `uid`, where the superuser started this: limits on processes do not bind the superuser."""
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)


def limit(settings: dict[str, int]) -> None:
    """Limit this process, for good: processor seconds, bytes of memory and of a file, processes, open files."""
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


if __name__ == "__main__":
    main()
