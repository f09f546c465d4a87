"""Record what a program does: each call, how it ended, and the names of the addresses it was given.

    log = record(program, kernel)
    print(log)                  every call with its result, addresses as `a`, `a+0x1000`
    print(log.source())         the same calls as a Python program that can be run again

A program is `def program(p): ...` (see `mmaplab.interface`). It is given a stand-in for the process, which writes
down every call and passes it on; children that it forks are stand-ins too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import cast

from mmaplab import constants
from mmaplab.calls import (
    ADDRESSES,
    PARAMETERS,
    Argument,
    Call,
    Name,
    Outcome,
    arguments,
    call_text,
    errno_text,
    outcome_text,
    perform,
)
from mmaplab.constants import PAGE_MASK, PAGE_SIZE
from mmaplab.interface import FatalSignal, FaultCounts, Kernel, Process, Program

NEAR = 1 << 20
"""An address this close to a named mapping (bytes) is still written with its name."""


class EndlessProgram(RuntimeError):
    """The program made more calls, or ran longer, than it may."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a program may be; the time is looked at between two calls."""

    max_steps: int = 100_000
    max_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a program, how it ended, and the page faults of its process meanwhile."""

    call: Call
    outcome: Outcome
    faults: FaultCounts | None = None


# ---------------------------------------------------------------- names


class Namer:
    """Gives names to what calls return, and finds the names in what they are given later."""

    def __init__(self) -> None:
        self.mappings: list[tuple[int, int, str]] = []
        """(start, end, name) of what mmap, mremap and brk gave, oldest first."""
        self.descriptors: dict[int, str] = {}
        self.given: dict[str, int] = {}

    def symbolic(self, who: str, name: str, args: Sequence[object]) -> Call:
        """Return the call with names in place of the addresses and descriptors that have one."""
        named = tuple(self._argument(p, arg) for p, arg in zip(PARAMETERS[name], args, strict=True))
        return Call(who, name, named, self._names_of_result(name, named))

    def learn(self, call: Call, args: Sequence[object], outcome: Outcome) -> Call:
        """Take note of what a call gave; returns the call with the names that its result has in the end."""
        if call.name == "close" and outcome.ok:
            self.descriptors.pop(cast(int, args[0]), None)
        if not call.gives or not outcome.ok:
            return replace(call, gives=())
        values = outcome.value if isinstance(outcome.value, tuple) else (outcome.value,)
        if call.name in ("open", "dup", "pipe", "memfd_create"):
            self.descriptors.update(zip(cast("tuple[int, ...]", values), call.gives, strict=True))
        elif call.name != "fork":
            return self._learn_mapping(call, args, cast(int, values[0]))
        self._count(call.gives)
        return call

    def name_of(self, addr: int) -> str | None:
        """Return `a+0x1000` for an address in or near a named mapping, the newest first; else None."""
        name = self._named_address(addr)
        return str(name) if name else None

    def _argument(self, parameter: str, arg: object) -> Argument:
        if isinstance(arg, bytes | str):
            return arg
        if isinstance(arg, bytearray | memoryview):
            return bytes(arg)
        if not hasattr(arg, "__index__"):
            raise TypeError(f"{parameter} is {arg!r}: give a number, a string or bytes")
        value = int(cast(int, arg))
        if parameter == "fd" and value in self.descriptors:
            return Name(self.descriptors[value])
        return (self._named_address(value) if parameter in ADDRESSES else None) or value

    def _named_address(self, addr: int) -> Name | None:
        inside = [(start, name) for start, end, name in self.mappings if start <= addr < end]
        near = [(start, name) for start, end, name in self.mappings if start - NEAR <= addr < end + NEAR]
        if not inside and not near:
            return None
        start, name = (inside or near)[-1]
        return Name(name, addr - start)

    def _names_of_result(self, name: str, args: tuple[Argument, ...]) -> tuple[str, ...]:
        if name == "pipe":
            return (self._fresh("r"), self._fresh("w"))
        if name in ("open", "dup", "memfd_create"):
            return (self._fresh("fd"),)
        if name == "fork":
            return (self._fresh("child"),)
        if name == "brk" and args == (0,):
            return (self._fresh("heap"),)
        return (self._letter(),) if name in ("mmap", "mremap") else ()

    def _learn_mapping(self, call: Call, args: Sequence[object], start: int) -> Call:
        """A result that was asked for by address needs no name of its own: it is `a+0x1000` already."""
        if start in args and self._named_address(start):
            return replace(call, gives=())
        length = PAGE_SIZE if call.name == "brk" else cast(int, args[2 if call.name == "mremap" else 1])
        self.mappings.append((start, start + max(PAGE_SIZE, length + PAGE_SIZE - 1 & PAGE_MASK), call.gives[0]))
        self._count(call.gives)
        return call

    def _count(self, names: Sequence[str]) -> None:
        for name in names:
            stem = name.rstrip("0123456789")
            self.given[stem] = self.given.get(stem, 0) + 1

    def _fresh(self, stem: str) -> str:
        number = self.given.get(stem, 0) + 1
        return stem if number == 1 else f"{stem}{number}"

    def _letter(self) -> str:
        """Return the next of a, b, ..., z, a2, b2, ... without the p, which is the process."""
        letters = "abcdefghijklmnoqstuvxyz"
        number = sum(self.given.get(letter, 0) for letter in letters)
        rounds, at = divmod(number, len(letters))
        return letters[at] + (str(rounds + 1) if rounds else "")


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

    def stand_in(self, who: str) -> Process:
        """Return what the program takes for the process `who`."""
        return cast(Process, StandIn(self, who))

    def call(self, who: str, name: str, *args: object, **kwargs: object) -> object:
        """Make one call of the program: name its arguments, run it, name its result, and hand back the value."""
        self._check_limits()
        values = arguments(name, args, kwargs)
        call = self.namer.symbolic(who, name, values)
        outcome = self.make(call)
        self.calls.append(self.namer.learn(call, values, outcome))
        if outcome.missing:
            raise RuntimeError(f"{call}: {outcome.missing} is not known to the recorder")
        if outcome.error is not None:
            raise outcome.error
        return self.stand_in(call.gives[0]) if name == "fork" else outcome.value

    def _check_limits(self) -> None:
        if len(self.calls) >= self.limits.max_steps:
            raise EndlessProgram(
                f"the program made {self.limits.max_steps:,} calls and went on: does it end? "
                "A long one can be given more with max_steps=..."
            )
        if time.monotonic() - self.began > self.limits.max_seconds:
            raise EndlessProgram(
                f"the program ran for {self.limits.max_seconds:g} seconds and {len(self.calls):,} calls, and went on: "
                "does it end? A long one can be given more with max_seconds=..."
            )


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
        program(recorder.stand_in("p"))
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
