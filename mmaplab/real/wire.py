"""The notebook's end of the socket to a Python worker: a request goes out, its answer comes back, in marshal's form.

Ctrl-C may interrupt the wait for an answer, and nothing else: so a message is never cut in two. The answer that nobody
waited for is taken from the socket before the next request goes out.
"""

from __future__ import annotations

import contextlib
import marshal
import select
import socket
import struct
from collections.abc import Iterator

from mmaplab.real.interrupts import uninterrupted
from mmaplab.real.worker import WorkerDied, WorkerHung, died

Request = tuple[object, ...]


class Wire:
    """A socket to the worker `pid`; an answer may take `time_limit` seconds. Raises WorkerDied, WorkerHung."""

    def __init__(self, sock: socket.socket, pid: int, time_limit: float) -> None:
        self.sock, self.pid, self.time_limit = sock, pid, time_limit
        self.due: list[Request] = []
        """Requests that were sent and are not answered yet."""
        sock.settimeout(time_limit)

    def ask(self, *request: object) -> object:
        """Return the answer to a request; `late_answers` must have been taken before."""
        with uninterrupted():
            self.send(*request)
            self.due.append(request)
        return self.receive()

    def late_answers(self) -> Iterator[tuple[Request, object]]:
        """Yield the requests that Ctrl-C left without answer, each with the answer that has come meanwhile."""
        while self.due:
            yield self.due[0], self.receive()

    def send(self, *request: object) -> None:
        """Send a request; that the worker is gone shows when the answer is read."""
        data = marshal.dumps(request)  # type: ignore[arg-type]
        with contextlib.suppress(OSError):
            self.sock.sendall(struct.pack("I", len(data)) + data)

    def receive(self) -> object:
        """Return the next answer."""
        if self.sock.fileno() < 0:
            raise died(self.pid)
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        if not poll.poll(self.time_limit * 1000):
            raise self._hung()
        with uninterrupted():
            del self.due[:1]
            return self._message()

    def _message(self) -> object:
        try:
            (length,) = struct.unpack("I", self._exactly(4))
            return marshal.loads(self._exactly(length))
        except TimeoutError:
            raise self._hung() from None
        except (OSError, EOFError):
            raise WorkerDied(
                f"the live process {self.pid} has ended by itself: it was killed, ran out of memory, or ran code that "
                "is no return instruction. Start a new one with kernel.spawn()"
            ) from None

    def _exactly(self, n: int) -> bytes:
        data = bytearray()
        while len(data) < n:
            part = self.sock.recv(n - len(data))
            if not part:
                raise EOFError
            data += part
        return bytes(data)

    def _hung(self) -> WorkerHung:
        return WorkerHung(
            f"the live process {self.pid} did not answer for {self.time_limit:g} seconds and was ended: does the call "
            "wait for something, such as data in a pipe? LinuxKernel(time_limit=...) gives more time"
        )
