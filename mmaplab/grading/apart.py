"""Judging apart: in a fork of the grader, under limits of its own, so that no answer's data can stop the grader.

    judges = Judges()
    judges.judge(test, box.ask)      like judge.judge, but a judge that takes too much is ended, and a sentence says so

The judge has no way to the sandbox: it asks the grader, which asks the answer's process. So there are three: the answer
hands over data, the judge works on them, and the grader carries lines. One judge serves many submissions, since what
the references show is computed once; data are all that it gets to see.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import signal
from dataclasses import asdict, dataclass, field
from typing import BinaryIO, cast

from mmaplab.grading.ask import Ask, Child, Died, Reply, fork_child
from mmaplab.grading.asked import Finding
from mmaplab.grading.judge import judge
from mmaplab.grading.plain import Plain
from mmaplab.grading.questions import Test

PATIENCE = 20
"""How much longer than its processor time a judge may take on the clock: the machine may be busy."""
MOST_FILES = 1 << 20
STOPPED_BY_ITSELF = ("it used up its processor time", "it did not come to an end in time")
"""Deaths that the same data would bring about again."""


@dataclass
class Judges:
    """The judges of one process: each is taken for one test and given back; `close` ends them all.

    A copy in another process (pickle) has the same limits and no judges yet.
    """

    cpu_seconds: int = 20
    """Processor time for one test."""
    more_bytes: int = 1 << 30
    """Memory that a judge may have beyond what the grader has when it is forked."""
    idle: list[Child] = field(default_factory=list)

    def judge(self, test: Test, ask: Ask) -> Finding:
        """Return what the test found; never raises for whatever the answer does."""
        for last in (False, True):
            try:
                return self._judged(test, ask)
            except Died as error:
                if last or str(error) in STOPPED_BY_ITSELF:
                    why = f"What `{test.answer}` handed over takes too much to judge: {error}."
                    return Finding(test, False, why)
        raise AssertionError("not reached")

    def _judged(self, test: Test, ask: Ask) -> Finding:
        """Judge a test in an idle judge, or a new one. Raises Died for the judge's own death."""
        child = self.idle.pop() if self.idle else self._forked()  # a thread takes what no other one has
        try:
            said = child.ask({"test": cast(Plain, asdict(test))})
            while "finding" not in said:
                said = child.ask(_carried(ask, said["ask"]))
        except BaseException:
            child.close()
            raise
        self.idle.append(child)
        found = cast(dict[str, Plain], said["finding"])
        lines = cast(list[str], found["lines"])
        return Finding(test, bool(found["passed"]), str(found["message"]), tuple(lines), bool(found["missing"]))

    def _forked(self) -> Child:
        def work(requests: BinaryIO, replies: BinaryIO) -> None:
            serve_tests(requests, replies, self.cpu_seconds, self.more_bytes)

        return fork_child(work, PATIENCE * self.cpu_seconds)

    def close(self) -> None:
        """End all judges."""
        while self.idle:
            self.idle.pop().close()

    def __getstate__(self) -> dict[str, object]:
        return {"cpu_seconds": self.cpu_seconds, "more_bytes": self.more_bytes, "idle": []}


def _carried(ask: Ask, request: Plain) -> Reply:
    """Ask the answer's process what the judge wants to know; returns what to tell the judge."""
    assert isinstance(request, dict)
    try:
        return {"reply": ask(request)}
    except Died as error:
        return {"died": str(error)}


# ---------------------------------------------------------------- in the judge's process


def serve_tests(requests: BinaryIO, replies: BinaryIO, cpu_seconds: int, more_bytes: int) -> None:
    """Judge one test after the other until the other side closes."""
    let_go(requests.fileno(), replies.fileno())
    limit_memory(more_bytes)
    gc.freeze()

    def tell(line: Reply) -> None:
        replies.write(json.dumps(line).encode() + b"\n")
        replies.flush()

    def ask(request: Reply) -> Reply:
        tell({"ask": request})
        said = json.loads(requests.readline())
        if "died" in said:
            raise Died(said["died"])
        return cast(Reply, said["reply"])

    for line in iter(requests.readline, b""):
        limit_time(cpu_seconds)
        found = judge(Test(**json.loads(line)["test"]), ask)
        told: Reply = {"passed": found.passed, "message": found.message, "lines": list(found.lines)}
        tell({"finding": told | {"missing": found.missing}})


def let_go(*kept: int) -> None:
    """Close all files but the three standard ones and `kept`: a pipe that this process held would never end."""
    at = 3
    for fd in (*sorted(kept), MOST_FILES):
        os.closerange(at, fd)
        at = fd + 1


def limit_memory(more_bytes: int) -> None:
    """Allow this process what it has, and so much more."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, ValueError), open("/proc/self/statm", encoding="ascii") as statm:
        most = int(statm.read().split()[0]) * resource.getpagesize() + more_bytes
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def limit_time(cpu_seconds: int) -> None:
    """Allow this process so much processor time from now on; then SIGXCPU ends it."""
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    used = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    most = int(used.ru_utime + used.ru_stime) + 1 + cpu_seconds
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (most, hard))
