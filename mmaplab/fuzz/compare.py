"""Run one random program on both kernels, compare after every step, and look at everything at the end.

After each call: its result, errno or signal with code and address, its page faults, and the areas of the processes
concerned (`mmaplab.lockstep`). At the end, for every process that lives: its areas, which pages of them are in memory,
and, page by page, its bytes and whether reading them faults; then the contents of every file. What is not compared is
listed in `mmaplab.lockstep.FREEDOMS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from mmaplab.calls import Call, Name, Outcome
from mmaplab.constants import PAGE_SIZE
from mmaplab.fuzz.pair import Pair
from mmaplab.fuzz.writer import FileData, FuzzProgram
from mmaplab.interface import MapsEntry, Process, Program
from mmaplab.lockstep import Difference, Lockstep, Side, TwinStep
from mmaplab.program import Recorder

LOOK_PAGES = 600
"""Of an area, at most so many pages (from its start) are read at the end."""


@dataclass(frozen=True, slots=True)
class Run:
    """How one program went: its steps with their outcomes, and the first difference, where there is one."""

    steps: list[TwinStep]
    difference: Difference | None

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
            if lockstep.difference:
                break
        else:
            look_at_everything(lockstep, program.files)
        return Run(lockstep.steps, lockstep.difference)


def run_python(program: Program, pair: Pair, files: Mapping[str, FileData], warm: bool = True) -> Run:
    """Run a program that is written in Python, as a saved one is, and look at everything at its end."""
    with pair.fresh(files, warm) as lockstep:
        recorder = Recorder(lockstep.make, (lockstep.real or lockstep.sim).names)
        program(recorder.stand_in("p"))
        if not lockstep.difference:
            look_at_everything(lockstep, files)
        return Run(lockstep.steps, lockstep.difference)


def may_be_made(call: Call, sim: Side) -> bool:
    """Is this call safe on the live kernel? A fetch is where it fails, or where the file `code` is mapped.

    The processor runs whatever bytes it finds; only of `code` is it known that they are return instructions.
    """
    if call.name != "execute" or call.who not in sim.names:
        return True
    target = call.args[0]
    if not isinstance(target, Name) or target.name not in sim.names:
        return True
    addr = cast(int, sim.names[target.name]) + target.offset
    area = next((a for a in sim.maps_of(call.who) if a.start <= addr < a.end), None)
    return area is None or "x" not in area.perms or area.path.endswith("code")


# ---------------------------------------------------------------- the end of a program


def look_at_everything(lockstep: Lockstep, files: Iterable[str]) -> None:
    """Compare what the program left behind; stops at the first difference."""
    for who, process in list(lockstep.sim.living().items()):
        areas = process.maps()
        for call in looks_at_process(who, process, areas):
            lockstep.make(call)
            if lockstep.difference:
                return
    for path in files:
        lockstep.make(Call("kernel", "file_bytes", (path,)))
        if lockstep.difference:
            return


def looks_at_process(who: str, process: Process, areas: list[MapsEntry]) -> list[Call]:
    """Return the calls that show a process: its areas, the residency of each, and the bytes of each page."""
    calls = [Call(who, "maps"), Call(who, "faults")]
    for area in areas:
        pages = min(LOOK_PAGES, (area.end - area.start) // PAGE_SIZE)
        calls.append(Call(who, "mincore", (area.start, pages * PAGE_SIZE)))
        if area.perms.startswith("r"):
            starts = range(area.start, area.start + pages * PAGE_SIZE, PAGE_SIZE)
            calls += [Call(who, "load", (start, PAGE_SIZE)) for start in starts]
    return calls
