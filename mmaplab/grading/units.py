"""The unit of work: one submission, from bytes to result, in whatever process it is done.

    kit = Kit(assignments, limits, ...)       all that a unit needs beside the bytes; it can be sent to another machine
    with workplace(kit) as grader: ...        this machine's protection, and the packages without the references
    done = in_processes(kit, items, jobs=2)   the results, in the order in which they are ready

A pool's worker makes its workplace once and keeps it. Whatever a submission does happens in the sandbox's children, so
a worker that dies was killed from outside, or the machine had no memory left: what it had in hand is tried once more.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from pathlib import Path

from mmaplab.grading.finding import CannotGrade, Found, content
from mmaplab.grading.package import missing_rooms, package_without
from mmaplab.grading.runner import Grader, Result, SandboxFailed, slots_asked
from mmaplab.grading.sandbox import UNPROTECTED, Limits, Protection, find_protection, needed
from mmaplab.grading.submission import Assignment


@dataclass(frozen=True)
class Kit:
    """What every unit needs: the assignments, the limits, and whether answers may run where there is no sandbox."""

    assignments: tuple[Assignment, ...]
    limits: Limits
    allow_unprotected: bool = False
    secret: tuple[Path, ...] = ()
    """Folders and files that no answer may see, wherever they are: masters, submissions, results."""
    student: re.Pattern[str] | None = None
    """What of a submission's path names the student whose seed its variants must have; None where any seed counts."""


BROUGHT_DOWN = (
    "Not graded: the grading process was killed, twice, while it had this one in hand. Was there too little memory? "
    "Try again with --resume, and with fewer --jobs"
)


ON_A_CLUSTER = "on a cluster, "
"""What a protection's sentence begins with where a cluster's machines have it: it is the same protection."""


def choose_protection(allow_unprotected: bool) -> Protection:
    """Return the protection that works here; raises CannotGrade where none does and none was not allowed."""
    protection = find_protection()
    if protection is None and not allow_unprotected:
        raise CannotGrade(
            "this machine offers no sandbox (bubblewrap, or namespaces by unshare), so answers could read your files "
            "and use the network. Install bubblewrap, or grade all the same with --allow-unprotected"
        )
    return protection or UNPROTECTED


def slots_of(assignments: Sequence[Assignment]) -> list[str]:
    """Return the slots whose reference must be taken out for some test."""
    return sorted({slot for asked in sets_of_slots(assignments) for slot in asked})


def sets_of_slots(assignments: Sequence[Assignment]) -> set[tuple[str, ...]]:
    """Return the sets of slots that are taken out together for some test, () among them."""
    tests = [test for assignment in assignments for question in assignment.questions for test in question.tests]
    return {slots_asked(test) for test in tests} | {()}


@contextmanager
def workplace(kit: Kit) -> Iterator[Grader]:
    """Make what this machine needs to grade; gone at the end. Raises CannotGrade where there is no protection."""
    protection = choose_protection(kit.allow_unprotected)
    for place in filter(needed, kit.secret):
        raise CannotGrade(
            f"the Python that answers run with is in {place}, where masters, submissions or results are: answers would "
            "see these. Put them elsewhere"
        )
    slots = slots_of(kit.assignments)
    with package_without(slots) as package:
        references = {asked: missing_rooms(package, slots, asked) for asked in sets_of_slots(kit.assignments)}
        grader = Grader(
            kit.assignments, protection, kit.limits, package, references, secret=kit.secret, student=kit.student
        )
        with closing(grader.judges):
            yield grader


def grade_one(grader: Grader, name: str, data: bytes, complaint: str) -> Result:
    """The unit of work: one submission, from bytes to result. Raises SandboxFailed, and nothing else."""
    if complaint:
        return ungraded(name, data, complaint)
    try:
        return grader.grade(data, name)
    except SandboxFailed:
        raise
    except Exception as error:  # a mistake of the grader's must not stop it: the others have a right to their points
        why = f"{type(error).__name__}: {error}"[:300]
        return ungraded(name, data, f"Not graded: the grader itself failed on it ({why}). Please report this.")


def ungraded(name: str, data: bytes, complaint: str) -> Result:
    """Return the result of a submission that cannot be graded, with the reason."""
    digest = hashlib.sha256(data).hexdigest()
    nothing: Result = {"assignment": "", "points": 0, "max": 0, "questions": [], "notes": []}
    return {"name": name, "sha256": digest, "broken": complaint, **nothing}


# ---------------------------------------------------------------- in this process, or in several


def in_this_process(grader: Grader, items: Sequence[Found]) -> Iterator[Result]:
    """Grade submissions one after the other."""
    for item in items:
        yield grade_one(grader, item.name, *content(item))


def in_processes(grader: Grader, items: Sequence[Found], jobs: int) -> Iterator[Result]:
    """Grade submissions in `jobs` processes; yields each result when it is ready.

    What a process had in hand when it died is tried again, each submission alone: only the one that brings a process
    down a second time is not graded.
    """
    left = iter(items)
    while True:
        lost: list[Found] = []
        yield from in_a_pool(grader, left, jobs, lost)
        if not lost:
            return
        for item in lost:
            again: list[Found] = []
            yield from in_a_pool(grader, iter([item]), 1, again)
            if again:
                yield ungraded(item.name, b"", BROUGHT_DOWN)  # no digest: --resume tries it once more


def in_a_pool(grader: Grader, left: Iterator[Found], jobs: int, lost: list[Found]) -> Iterator[Result]:
    """Grade in one pool of processes until all is graded, or one of them dies: what they had in hand is then `lost`."""
    # spawn: a fork would copy this process's threads' locks, whoever holds them
    with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=settle, initargs=(grader,)) as pool:
        waiting: dict[Future[Result], Found] = {}
        try:
            while True:
                while not lost and len(waiting) < 2 * jobs and (item := next(left, None)) is not None:
                    try:
                        waiting[pool.submit(settled_unit, item.name, *content(item))] = item
                    except BrokenProcessPool:
                        lost.append(item)
                if not waiting:
                    return
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    item = waiting.pop(future)
                    try:
                        result = future.result()
                    except BrokenProcessPool:
                        lost.append(item)
                    else:
                        yield result
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


_SETTLED: list[Grader] = []
"""This worker's grader, where this process is a worker of a pool."""


def settle(grader: Grader) -> None:
    """Prepare a pool's worker: it takes the grader, leaves Ctrl-C to its parent, and ends when the parent is gone."""
    _SETTLED[:] = [grader]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_the_parent, daemon=True).start()


def end_with_the_parent() -> None:
    """Wait until the parent's process ends, and end this one: a killed grader leaves nobody behind."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def settled_unit(name: str, data: bytes, complaint: str) -> Result:
    """Grade one submission in a pool's worker."""
    return grade_one(_SETTLED[0], name, data, complaint)
