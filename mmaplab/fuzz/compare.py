"""Run one random program on both kernels, compare after every step, and look at everything at the end.

After each call: its result, errno or signal with code and address, its page faults, the areas of the processes
concerned (`mmaplab.lockstep`), and which pages are in memory around what it touched (`mmaplab.fuzz.residency`). At the
end, for every process that lives: its areas, which pages of them are in memory, its bytes, and where reading them
faults; then the contents of every file. What is not compared is listed in `mmaplab.freedoms.FREEDOMS`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import cast

from mmaplab.calls import Call, Name, Outcome
from mmaplab.constants import PAGE_SIZE
from mmaplab.fuzz.pair import FILE_NAMES, Pair
from mmaplab.fuzz.writer import FileData, FuzzProgram
from mmaplab.interface import FatalSignal, MapsEntry, Process, Program
from mmaplab.lockstep import Difference, Lockstep, Side, TwinStep
from mmaplab.program import Recorder
from mmaplab.sim.pipe import PIPE_BUFFERS, Pipe
from mmaplab.sim.process import Process as SimProcess

LOOK_PAGES = 600
"""Of an area, at most so many pages (from its start) are read at the end."""
LOOK_BYTES = 16 * PAGE_SIZE
"""So much is read at once: few enough that one fault near a major one (FREEDOMS) excuses only its neighbours."""


@dataclass(frozen=True, slots=True)
class Run:
    """How one program went: its steps with their outcomes, and the first difference, where there is one."""

    steps: list[TwinStep]
    difference: Difference | None
    looks: int = 0
    """How many of the steps are the look at everything at the end."""
    free: bool = False
    """Did the kernels part where they may (FREEDOMS), so that the rest was not compared?"""

    def made(self, most: int) -> tuple[list[Call], list[Outcome]]:
        """Return the first `most` calls that were made, and how they ended on the live kernel."""
        steps = self.steps[:most]
        return [step.call for step in steps], [(step.happened or step.predicted).outcome for step in steps]

    @property
    def faults(self) -> int:
        """Page faults that the simulator predicted."""
        counts = [step.predicted.faults for step in self.steps if step.predicted.faults]
        return sum(count.minor + count.major for count in counts)


def run(program: FuzzProgram, pair: Pair, trace: bool = False) -> Run:
    """Run a program on two fresh kernels until they differ, or to its end and through the look at everything."""
    with pair.fresh(program.files, program.warm, trace) as lockstep:
        lockstep.learn(program.places)
        for call in program.calls:
            if may_be_made(call, lockstep.sim):
                lockstep.make(call)
            if lockstep.difference or lockstep.free:
                break
        made = len(lockstep.steps)
        if not (lockstep.difference or lockstep.free):
            look_at_everything(lockstep, program.files)
        return Run(lockstep.steps, lockstep.difference, len(lockstep.steps) - made, lockstep.free)


class BothKernels:
    """What a program that is written in Python takes for the kernel: its calls are made on both, and compared."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def __getattr__(self, name: str) -> object:
        return partial(self.recorder.call, "kernel", name)


def run_python(program: Program, pair: Pair, files: Mapping[str, FileData], warm: bool = True) -> Run:
    """Run a program that is written in Python, as a saved one is, and look at everything at its end.

    One that needs a second argument is given the kernel.
    """
    with pair.fresh(files, warm) as lockstep:
        recorder = Recorder(lockstep.make, (lockstep.real or lockstep.sim).names)
        given = recorder.stand_in("p"), cast(Process, BothKernels(recorder))
        parameters = inspect.signature(program).parameters.values()
        program(*given[: sum(parameter.default is parameter.empty for parameter in parameters)])
        if not (lockstep.difference or lockstep.free):
            look_at_everything(lockstep, files)
        return Run(lockstep.steps, lockstep.difference, free=lockstep.free)


def may_be_made(call: Call, sim: Side) -> bool:
    """Is this call safe on the live kernel? A fetch and a transfer through a pipe may not be.

    The processor runs whatever bytes it finds: it may fetch where that fails, or where the file `code` is mapped, which
    is known to hold return instructions. A read of an empty pipe, or a write to a full one, waits for ever.
    """
    if call.name not in ("execute", "read", "write") or not call.needs <= sim.names.keys():
        return True
    target = call.args[0]
    if not isinstance(target, Name):
        return True
    value = cast(int, sim.names[target.name]) + target.offset
    if call.name == "execute":
        area = next((a for a in sim.maps_of(call.who) if a.start <= value < a.end), None)
        return area is None or "x" not in area.perms or area.path.endswith("code")
    file = cast(SimProcess, sim.names[call.who]).task.files.fds.get(value)
    return file is None or not isinstance(file.f_inode, Pipe) or not waits(call, file.f_inode)


def waits(call: Call, pipe: Pipe) -> bool:
    """Does a transfer wait for another process?"""
    if call.name == "read":
        return not pipe.bufs and pipe.writers > 0
    return len(pipe.bufs) + len(cast(bytes, call.args[1])) // PAGE_SIZE + 1 > PIPE_BUFFERS


# ---------------------------------------------------------------- the end of a program


def look_at_everything(lockstep: Lockstep, files: Iterable[str]) -> None:
    """Compare what the program left behind, all pages at once and not after each look; stops at a difference."""
    lockstep.looks.clear()
    for who, process in list(lockstep.sim.living().items()):
        areas = process.maps()
        looks = [Call(who, "maps"), Call(who, "faults")]
        for call in looks + [Call(who, "mincore", (area.start, looked_at(area))) for area in areas]:
            lockstep.make(call)
            if lockstep.difference:
                return
        for area in areas:
            if area.perms.startswith("r"):
                look_at_bytes(lockstep, who, area.start, area.start + looked_at(area))
    for path in sorted({*files, *FILE_NAMES}):
        if not lockstep.difference:
            lockstep.make(Call("kernel", "file_bytes", (path,)))


def looked_at(area: MapsEntry) -> int:
    """Return how many bytes of an area are looked at."""
    return min(LOOK_PAGES * PAGE_SIZE, area.end - area.start)


def look_at_bytes(lockstep: Lockstep, who: str, start: int, end: int) -> None:
    """Compare the bytes of a range and the faults of reading it.

    Behind a page that signals lie others that do: of them, the 1st, 2nd, 4th, 8th, ... and the last are tried.
    """
    last, stride = end - PAGE_SIZE, PAGE_SIZE
    while start < end and not lockstep.difference:
        length = min(end - start, LOOK_BYTES)
        outcome = lockstep.make(Call(who, "load", (start, length)))
        if not isinstance(outcome.error, FatalSignal):
            start, stride = start + length, PAGE_SIZE
            continue
        length = outcome.error.si_addr - start
        if length and not lockstep.difference:
            lockstep.make(Call(who, "load", (start, length)))
        start += length
        start, stride = min(start + stride, max(last, start + PAGE_SIZE)), 2 * stride
