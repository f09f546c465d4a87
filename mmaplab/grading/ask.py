"""The parent's side: a child process that answers questions about a learner's work, within limits.

    with forked({"do_fault_around": function}) as child:      at the desk: a fork of the notebook's own process
        child.ask({"do": "observe", ...}, seconds=10)
    with boxed(...) as box:                                   in bulk: a fresh Python, in a sandbox (box.py)

Whatever the child does (crash, loop, leave, flood), `ask` returns a dictionary or raises `Died` with a sentence.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import select
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, NoReturn

from mmaplab.grading.plain import NotPlain, Plain, from_json
from mmaplab.grading.serve import serve, silence
from mmaplab.grading.usage import Meter

MAX_REPLY = 8 << 20
"""The longest reply in bytes."""
DESK_SECONDS = 20
DESK_BYTES = 1 << 30

Reply = dict[str, Plain]
Ask = Callable[[Reply], Reply]


class Died(Exception):
    """The child gives no answer any more; the message is a sentence that says why."""


class Child:
    """A running child; `wait(timeout)` returns its exit status as subprocess does (minus the signal), or None.

    `bell` is a descriptor that can be read when the child has ended, where its pipes may be held open by others.
    `meter` complains about a child that uses too much.
    """

    def __init__(
        self,
        requests: int,
        replies: int,
        wait: Callable[[float], int | None],
        kill: Callable[[], None],
        seconds: float,
        bell: int | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._requests, self._replies, self._wait, self._kill = requests, replies, wait, kill
        os.set_blocking(requests, False)
        self._bells = [] if bell is None else [bell]
        self._meter = meter
        self._buffer = b""
        self._looked = False
        self._dead = ""
        self.seconds = seconds
        """How long one request may take."""

    @property
    def dead(self) -> bool:
        """Is it of no use any more?"""
        return bool(self._dead)

    def ask(self, request: Reply, seconds: float | None = None) -> Reply:
        """Send a request (none where it is empty) and return the next reply. Raises Died, from then on every time.

        It may take `seconds`, by default those of the child.
        """
        if self._dead:
            raise Died(self._dead)
        try:
            line = json.dumps(request).encode() + b"\n" if request else b""
            reply = from_json(self._exchange(line, seconds or self.seconds))
        except (NotPlain, Died) as error:
            self.give_up(str(error))
        if not isinstance(reply, dict):
            self.give_up("what the answer handed over is not what was asked for")
        return reply

    def _exchange(self, line: bytes, seconds: float) -> bytes:
        deadline = time.monotonic() + seconds
        self._looked = False
        while line:
            self._until(deadline, [], [self._requests])
            try:
                line = line[os.write(self._requests, line[:65536]) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise Died(self._how_it_ended()) from None
        while b"\n" not in self._buffer:
            self._until(deadline, [self._replies], [])
            piece = os.read(self._replies, 1 << 16)
            if not piece:
                raise Died(self._how_it_ended())
            self._buffer += piece
            if len(self._buffer) > MAX_REPLY:
                raise Died(f"it handed over more than {MAX_REPLY >> 20} MiB")
        answer, self._buffer = self._buffer.split(b"\n", 1)
        return answer

    def _until(self, deadline: float, reading: list[int], writing: list[int]) -> None:
        """Wait until one of these is ready. Raises Died at the deadline, at the child's end, and for its use."""
        while True:
            left = deadline - time.monotonic()
            pause = left if self._meter is None else min(left, self._meter.pause)
            ready = select.select([*reading, *self._bells], writing, [], max(0.0, pause))
            if ready[1] or any(fd in reading for fd in ready[0]):
                return
            if ready[0]:
                raise Died(self._how_it_ended())
            if left <= pause:
                raise Died("it did not come to an end in time")
            if self._meter is not None and (complaint := self._meter.complaint(not self._looked)):
                raise Died(complaint)
            self._looked = True

    def _how_it_ended(self) -> str:
        status = self._wait(2.0)
        if status is None:
            return "it closed its connection"
        return tell_status(status)

    def give_up(self, why: str) -> NoReturn:
        """Kill the child and raise Died."""
        self._dead = why
        self._kill()
        raise Died(why)

    def close(self) -> None:
        """Kill the child, with everything that it has started."""
        self._kill()
        self._wait(5.0)
        self.let_go()

    def let_go(self) -> None:
        """Let go of its pipes: a child that is not asked any more ends."""
        for fd in (self._requests, self._replies):
            with contextlib.suppress(OSError):
                os.close(fd)


def tell_status(status: int) -> str:
    """Return how a process ended, in words; 128 + n is how a sandbox reports signal n."""
    number = -status if status < 0 else status - 128 if status > 128 else 0
    if number == signal.SIGXCPU:
        return "it used up its processor time"
    if number:
        try:
            return f"it died of {signal.Signals(number).name}"
        except ValueError:
            pass
    return f"it ended its process with status {status}"


# ---------------------------------------------------------------- two kinds of children


@contextmanager
def forked(namespace: dict[str, object], seconds: float = DESK_SECONDS) -> Iterator[Child]:
    """Fork this process and serve `namespace` in the child. Raises OSError where there is no fork."""

    def work(requests: BinaryIO, replies: BinaryIO) -> None:
        limit_desk(seconds)
        serve(requests, replies, namespace)

    child = fork_child(work, seconds)
    try:
        yield child
    finally:
        child.close()


def fork_child(work: Callable[[BinaryIO, BinaryIO], None], seconds: float) -> Child:
    """Fork this process; the child does `work` with its two pipes, and ends. Raises OSError where there is no fork.

    The fork of a process with threads is unsafe in general; this child calls only Python, writes to its pipe and
    leaves through os._exit, and a lock that it should wait for is ended by the time limit.
    """
    if not hasattr(os, "fork"):
        raise OSError("this system has no fork; answers that may crash cannot be tried here")
    there, here = os.pipe(), os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        _work_forked(there, here, work)
    os.close(there[0])
    os.close(here[1])
    status: list[int] = []
    return Child(
        there[1], here[0], lambda timeout: _wait_pid(pid, status, timeout), lambda: _kill_pid(pid, status), seconds
    )


def _work_forked(there: tuple[int, int], here: tuple[int, int], work: Callable[[BinaryIO, BinaryIO], None]) -> None:
    try:
        os.setsid()
        faulthandler.disable()  # a death in here is the answer's, and is told by the verdict
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.close(there[1])
        os.close(here[0])
        silence()
        work(os.fdopen(there[0], "rb"), os.fdopen(here[1], "wb"))
    finally:
        os._exit(0)


def limit_desk(seconds: float) -> None:
    """Limit processor time, and memory to what this process has and 1 GiB more."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 5, int(seconds) + 6))
    with contextlib.suppress(OSError, ValueError):
        with open("/proc/self/statm", encoding="ascii") as statm:
            size = int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (size + DESK_BYTES, size + DESK_BYTES))


def _wait_pid(pid: int, status: list[int], timeout: float) -> int | None:
    deadline = time.monotonic() + timeout
    while not status:
        with contextlib.suppress(ChildProcessError):
            done, code = os.waitpid(pid, os.WNOHANG)
            if done:
                status.append(os.waitstatus_to_exitcode(code))
                break
        if time.monotonic() > deadline:
            return None
        time.sleep(0.01)
    return status[0]


def _kill_pid(pid: int, status: list[int]) -> None:
    if not status:
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(pid, signal.SIGKILL)
