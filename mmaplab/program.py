"""Record what a program does: each call, how it ended, and the names of the addresses it was given.

    log = record(program, kernel)
    print(log)                  every call with its result, addresses as `a`, `a+0x1000`
    print(log.source())         the same calls as a Python program that can be run again

A program is `def program(p): ...` (see `mmaplab.interface`). It is given a stand-in for the process, which writes
down every call and passes it on; children that it forks are stand-ins too.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import cast

from mmaplab import constants
from mmaplab.calls import PARAMETERS, Call, Outcome, arguments, call_text, errno_text, outcome_text, perform
from mmaplab.endless import EndlessProgram, EndlessRun, Lines
from mmaplab.interface import FatalSignal, FaultCounts, Kernel, Process, Program
from mmaplab.naming import Namer

MOST_LINES = 5_000_000
"""Lines of Python that a program whose time is not limited may run between two calls; it takes some seconds."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a program may be: calls, seconds, and lines of Python between two calls."""

    max_steps: int = 100_000
    max_seconds: float = 60.0
    max_lines: float = math.inf

    def __post_init__(self) -> None:
        if isinstance(self.max_steps, bool) or not isinstance(self.max_steps, int) or self.max_steps < 1:
            raise ValueError(f"max_steps is {self.max_steps!r}: give a number of calls, at least 1")
        if not isinstance(self.max_seconds, int | float) or not self.max_seconds > 0:
            raise ValueError(f"max_seconds is {self.max_seconds!r}: give a number of seconds above 0")


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a program, how it ended, and the page faults of its process meanwhile."""

    call: Call
    outcome: Outcome
    faults: FaultCounts | None = None


# ---------------------------------------------------------------- the stand-in


class Recorder:
    """Writes down the calls of a program; `make` is what makes a call, on one kernel or on two."""

    def __init__(
        self, make: Callable[[Call], Outcome], names: Mapping[str, object], limits: Limits | None = None
    ) -> None:
        self.make, self.names, self.limits = make, names, limits or Limits()
        self.namer = Namer()
        self.calls: list[Call] = []
        """The calls made so far, with the names that their results have."""
        self.began = time.monotonic()
        self.lines = Lines(self.limits.max_lines, error=EndlessRun, look=self._check_time)

    def run(self, program: Callable[..., object], *args: object) -> object:
        """Run the program; raises EndlessProgram where it exceeds its limits, also in a loop that makes no call."""
        self.lines.count = 0
        try:
            return self.lines.run(program, *args)
        except EndlessRun as stopped:
            raise EndlessProgram(self._endless(str(stopped))) from None

    def stand_in(self, who: str) -> Process:
        """Return what the program takes for the process `who`."""
        return cast(Process, StandIn(self, who))

    def call(self, who: str, name: str, *args: object, **kwargs: object) -> object:
        """Make one call of the program: name its arguments, run it, name its result, and hand back the value."""
        counting = self.lines.pause()
        try:
            return self._call(who, name, args, kwargs)
        except EndlessRun as stopped:
            if counting:
                raise  # through the program, which may catch any Exception
            raise EndlessProgram(str(stopped)) from None
        finally:
            self.lines.resume(counting)

    def _call(self, who: str, name: str, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        if len(self.calls) >= self.limits.max_steps:
            raise EndlessRun(
                f"the program made {self.limits.max_steps:,} calls and went on: does it end? "
                "A long one can be given more with max_steps=..."
            )
        self._check_time()
        values = arguments(name, args, kwargs)
        call = self.namer.symbolic(who, name, values)
        outcome = self.make(call)
        self.calls.append(self.namer.learn(call, values, outcome))
        if outcome.missing:
            raise RuntimeError(f"{call}: {outcome.missing} is not known to the recorder")
        if outcome.error is not None:
            raise outcome.error
        return self.stand_in(call.gives[0]) if name == "fork" else outcome.value

    def _check_time(self) -> None:
        if time.monotonic() - self.began > self.limits.max_seconds:
            raise EndlessRun(
                f"the program ran for {self.limits.max_seconds:g} seconds and {len(self.calls):,} calls, and went on: "
                "does it end? A long one can be given more with max_seconds=..."
            )

    def _endless(self, why: str) -> str:
        """Return why the program was stopped; a loop without a call has told its line only."""
        if not why.startswith("line "):
            return why
        last = f"its last call, {call_text(self.calls[-1], brief=True)}" if self.calls else "its beginning"
        return f"the program ran {self.lines.most:,} lines of Python after {last}, and went on at {why}. Does it end?"


class StandIn:
    """What the program takes for its process."""

    def __init__(self, recorder: Recorder, who: str) -> None:
        self._recorder, self._who = recorder, who

    def __getattr__(self, name: str) -> object:
        if name in vars(Process) and name in PARAMETERS:
            return partial(self._recorder.call, self._who, name)
        return getattr(self._recorder.names[self._who], name)

    def __repr__(self) -> str:
        return f"<process {self._who!r} of a recorded program>"


# ---------------------------------------------------------------- recording on one kernel


@dataclass
class Log:
    """What a program did, step by step; `died` says how it ended early, where it did."""

    steps: list[Step] = field(default_factory=list)
    died: OSError | FatalSignal | None = None
    namer: Namer = field(default_factory=Namer)

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __getitem__(self, i: int) -> Step:
        return self.steps[i]

    def __str__(self) -> str:
        calls = [call_text(step.call, brief=True) for step in self.steps]
        width = min(90, max(map(len, calls), default=0))
        lines = [f"{text:{width}}  {self._outcome(step)}" for text, step in zip(calls, self.steps, strict=True)]
        return "\n".join(lines + [f"the program ended with {self.died}"] * bool(self.died))

    __repr__ = __str__

    def source(self) -> str:
        """Return the calls as a Python program that can be run again."""
        return source_text([step.call for step in self.steps], [step.outcome for step in self.steps])

    def _outcome(self, step: Step) -> str:
        error = step.outcome.error
        values = (error.si_addr,) if isinstance(error, FatalSignal) else (step.outcome.value,)
        known = {} if step.call.gives else {v: self.namer.name_of(v) for v in values if type(v) is int}
        named = {value: name for value, name in known.items() if name}
        addresses = step.call.name in ("mmap", "mremap", "brk") or isinstance(error, FatalSignal)
        return outcome_text(step.outcome, named if addresses else {}) + faults_text(step.faults)


def faults_text(faults: FaultCounts | None) -> str:
    """Return `  1 minor, 1 major fault`, or nothing where there was none."""
    if faults is None or not (faults.minor or faults.major):
        return ""
    parts = [f"{n} {kind}" for n, kind in ((faults.minor, "minor"), (faults.major, "major")) if n]
    return f"  [{', '.join(parts)} fault{'s' * (faults.minor + faults.major > 1)}]"


def record(
    program: Program,
    kernel: Kernel,
    files: Mapping[str, bytes] | None = None,
    warm: bool = True,
    max_steps: int = 100_000,
    max_seconds: float = 60.0,
) -> Log:
    """Run `program` on either kernel and return the log of what it did.

    `files` are made first, by name, in the page cache where `warm`. A program that ends with an OSError or a signal
    has died of it, as a C program would; the log says so. Other exceptions are mistakes in the program and are passed
    on. EndlessProgram where it makes more than `max_steps` calls or runs longer than `max_seconds`.
    """
    for path, data in (files or {}).items():
        kernel.create_file(path, data, warm=warm)
    names: dict[str, object] = {"p": kernel.spawn()}
    seen: list[tuple[Outcome, FaultCounts | None]] = []

    def make(call: Call) -> Outcome:
        before = fault_counts(names, call.who)
        outcome = perform(call, names)
        after = fault_counts(names, call.who)
        seen.append((outcome, after - before if before and after else None))
        return outcome

    recorder = Recorder(make, names, Limits(max_steps, max_seconds))
    log = Log(namer=recorder.namer)
    try:
        recorder.run(program, recorder.stand_in("p"))
    except (OSError, FatalSignal) as error:
        log.died = error
    log.steps = [Step(call, *what) for call, what in zip(recorder.calls, seen, strict=False)]
    return log


def fault_counts(names: Mapping[str, object], who: str) -> FaultCounts | None:
    """Return the page faults of a process so far, or None where it has ended."""
    try:
        return cast(Process, names[who]).faults()
    except (KeyError, ProcessLookupError):
        return None


# ---------------------------------------------------------------- written as a program


def source_text(calls: Sequence[Call], outcomes: Sequence[Outcome] = (), name: str = "program") -> str:
    """Return calls as the text of a Python program; those that fail are wrapped so that the program goes on."""
    lines: list[str] = []
    for i, call in enumerate(calls):
        outcome = outcomes[i] if i < len(outcomes) else Outcome()
        lines += call_lines(call, outcome)
    body = "\n".join(f"    {line}" for line in lines) or "    pass"
    text = f"def {name}(p{', kernel' * any(call.who == 'kernel' for call in calls)}):\n{body}\n"
    return f"{imports_text(text)}\n\n\n{text}".lstrip("\n")


def call_lines(call: Call, outcome: Outcome) -> list[str]:
    """Return the lines of one call; a name that it does not need to keep has been dropped before."""
    text = call_text(call)
    if outcome.missing:
        return [f"# {text}: {outcome.missing} has no value"]
    if isinstance(outcome.error, FatalSignal):
        return [
            f"with suppress(FatalSignal):  # {type(outcome.error).__name__}, {outcome.error.code_name}",
            f"    {text}",
        ]
    if isinstance(outcome.error, OSError):
        return [f"with suppress(OSError):  # {errno_text(outcome.error)}", f"    {text}"]
    return [text]


def imports_text(text: str) -> str:
    """Return the import lines that the text of a program needs."""
    words = set(text.replace(",", " ").replace("(", " ").replace(")", " ").replace(":", " ").split())
    needed = sorted(word for word in words if word.isupper() and hasattr(constants, word))
    lines = ["from contextlib import suppress"] if "suppress" in words else []
    lines += [f"from mmaplab.constants import {', '.join(needed)}"] if needed else []
    lines += ["from mmaplab.interface import FatalSignal"] if "FatalSignal" in words else []
    return "\n".join(lines)
