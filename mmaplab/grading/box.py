"""A box: a process in protection that forks a fresh child for each answer, and the grader's end of it.

    with boxed(protection, package, limits, preload) as box:
        box.begin()                                     a fresh child, with nothing of the one before
        box.ask({"do": "run", "cells": ["x = 1"]})      raises Died with a sentence when the child does

There is one socket to the process that forks (forker.py), which no answer can reach, and two pipes to each child.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

from mmaplab.grading.ask import Child, Died, Reply, tell_status
from mmaplab.grading.sandbox import UNPROTECTED, Limits, Protection, places_to_mask, python_folders
from mmaplab.grading.usage import Meter, busy, processes_below

FIRST_UID = 61184
UIDS = 4000
"""User ids from here on, so many, belong to nobody (systemd's dynamic range); each running box has one to itself."""
START_SECONDS = 120.0
"""How long a process may take to load the package; no answer runs meanwhile."""
END_SECONDS = 5.0
"""How long a child may take to end when nobody asks it any more."""
IN_ALL = 4
"""So many times the seconds of one request an answer may have for all of its question."""
IN_ALL_QUESTIONS = 12
"""The same for all answers of a submission."""
SPENT = "the time that there is for it in all was used up"


@contextmanager
def boxed(
    protection: Protection, package: Path, limits: Limits, preload: Sequence[str], secret: Sequence[Path] = ()
) -> Iterator[Box]:
    """Start the process that serves one submission; `package` is the folder that holds its `mmaplab`.

    `secret` are folders and files that answers must not see, wherever they are.
    """
    with ExitStack() as stack:
        uid = stack.enter_context(own_uid(os.geteuid() == 0 and protection is not UNPROTECTED))
        home = "/tmp" if protection is not UNPROTECTED else stack.enter_context(TemporaryDirectory(prefix="grading-"))
        here, there = socket.socketpair()
        stack.callback(here.close)
        with there:
            settings = settings_of(limits, preload, uid, home, package)
            python = [sys.executable, "-P", "-s", "-B", "-m", "mmaplab.grading.forker", str(there.fileno())]
            command = [*python, json.dumps(settings)]
            command = protection.wrap([*python_folders(), package], places_to_mask(secret, package), command)
            process = subprocess.Popen(
                command,
                pass_fds=(there.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env=environment(home, package),
                cwd="/" if protection is not UNPROTECTED else home,
            )
        box = Box(process, here, limits)
        stack.callback(box.close)
        yield box


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


def settings_of(limits: Limits, preload: Sequence[str], uid: int | None, home: str, package: Path) -> dict[str, object]:
    """Return what the process that forks must know."""
    return {
        "uid": uid,
        "preload": list(preload),
        "space": home,
        "keep": [str(path) for path in (package, *python_folders())],
        "cpu_seconds": max(1, round(IN_ALL * limits.seconds)),
        "memory_bytes": limits.memory_bytes,
        "file_bytes": limits.file_bytes,
        "processes": limits.processes,
        "open_files": limits.open_files,
    }


def environment(home: str, package: Path) -> dict[str, str]:
    """Return the environment of answers."""
    return {
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": home,
        "TMPDIR": home,
        "PYTHONPATH": str(package),
        "PYTHONSAFEPATH": "1",  # no folder that an answer can write to is on the path of modules
        "MPLCONFIGDIR": home,
        "IPYTHONDIR": home,
        "OPENBLAS_NUM_THREADS": "1",
        "LANG": "C.UTF-8",
        "MMAPLAB_LIVE": "off",
    }


class Box:
    """A process in protection that forks a fresh child for each `begin`."""

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket, limits: Limits) -> None:
        self._process, self._control, self._limits = process, control, limits
        self._meter = Meter(process.pid, max(1.0, limits.seconds / 3), limits.memory_bytes)
        self._child: Child | None = None
        self._lines = b""
        self._begun = 0
        self._running, self._clean = False, True
        self.dead = False
        """Must a new box be started?"""

    @property
    def alive(self) -> bool:
        """Does the child that `begin` forked still answer?"""
        return self._running

    def begin(self) -> None:
        """End the child before, where one runs, and fork a new one. Raises Died where that does not work any more."""
        self._end()
        self._begun += 1
        try:
            self._control.sendall(json.dumps({"do": "begin", "number": self._begun}).encode() + b"\n")
        except OSError:
            self._give_up(self._how_it_ended())
        said, fds = self._told(START_SECONDS)
        if said.get("began") != self._begun or len(fds) != 2:
            self._give_up("the process that forks does not work")
        seconds = self._limits.seconds * busy()
        to, back = fds
        self._child = Child(to, back, self._ended, self._kill_running, seconds, self._control.fileno(), self._meter)
        self._running = True

    def ask(self, request: Reply, seconds: float | None = None) -> Reply:
        """Ask the child that runs, which may take `seconds`; raises Died."""
        assert self._child is not None
        try:
            return self._child.ask(request, min(seconds or self._child.seconds, self._child.seconds))
        except Died:
            self._running = False
            raise

    def close(self) -> None:
        """End everything that runs in it."""
        self._kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5.0)
        if self._child is not None:
            self._child.let_go()

    # ---- the process that forks

    def _end(self) -> None:
        """End the child that runs: nobody asks it any more. Raises Died where what it left behind is not removed."""
        child, self._child = self._child, None
        if child is not None:
            child.let_go()
            if self._running and self._ended(END_SECONDS * busy()) is None:
                self._give_up("the answer before it did not end")
        if not self._clean:
            self._give_up("the answer before it has left something behind")

    def _ended(self, timeout: float) -> int | None:
        """Return how the child has ended, None where it has not; as subprocess.Popen.wait does."""
        try:
            said, _ = self._told(timeout)
        except Died:
            return self._process.poll()
        self._running, self._clean = False, said.get("clean") is True
        return int(str(said.get("ended")))

    def _told(self, timeout: float) -> tuple[dict[str, object], list[int]]:
        """Return the next thing that the process that forks says, with descriptors. Raises Died."""
        fds: list[int] = []
        deadline = time.monotonic() + timeout
        while b"\n" not in self._lines:
            if not select.select([self._control], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise Died("it did not come to an end in time")
            piece = b""
            with contextlib.suppress(ConnectionResetError):
                piece, got, _, _ = socket.recv_fds(self._control, 4096, 2, getattr(socket, "MSG_CMSG_CLOEXEC", 0))
                fds += got
            if not piece:
                self._give_up(self._how_it_ended())
            self._lines += piece
        line, _, self._lines = self._lines.partition(b"\n")
        return json.loads(line), fds

    def _how_it_ended(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return tell_status(self._process.wait(END_SECONDS))
        return "it closed its connection"

    def _kill(self) -> None:
        """Kill all processes of the box, each by itself: the first of them has rights and a session of its own."""
        self.dead, self._running = True, False
        for pid in processes_below(self._process.pid) if self._process.poll() is None else ():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._control.close()

    def _kill_running(self) -> None:
        """Kill everything, where the child has not ended by itself."""
        if self._running:
            self._kill()

    def _give_up(self, why: str) -> NoReturn:
        self._kill()
        raise Died(why)


@dataclass
class Purse:
    """The seconds that the requests about an answer may still take, each paid from here, and from the purse `of` all.

    A machine that is busy gives more of them (usage.busy), so that no answer that is right ever meets the end.
    """

    seconds: float
    of: Purse | None = None

    @property
    def left(self) -> float:
        """How many seconds are left."""
        return self.seconds if self.of is None else min(self.seconds, self.of.left)

    def ask(self, box: Box, request: Reply) -> Reply:
        """Ask, and pay for it. Raises Died."""
        if self.left <= 0:
            raise Died(SPENT)
        began = time.monotonic()
        try:
            return box.ask(request, self.left)
        finally:
            self.pay(time.monotonic() - began)

    def pay(self, seconds: float) -> None:
        """Take seconds out."""
        self.seconds -= seconds
        if self.of is not None:
            self.of.pay(seconds)
