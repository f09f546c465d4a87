"""A program that is held between two of its steps, without a thread of its own.

    first call      p.load(a)   no answer yet: Pause
    second call     p.load(a) -> b"0", p.store(a, b"1")   no answer yet: Pause
    ...             the program is called again from its beginning, with one answer more each time

So its calls must follow from the answers alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

from mmaplab.calls import PARAMETERS, Outcome, arguments, bytes_text
from mmaplab.endless import EndlessProgram, EndlessRun, Lines
from mmaplab.interface import FatalSignal, Process
from mmaplab.program import MOST_LINES
from mmaplab.sim.process import Process as SimProcess

READS = ("load", "read", "pread")
"""The calls whose bytes are part of an outcome."""
Steps = Callable[..., object]
"""A program: it takes its process, and what `setup` has returned, where there is a `setup`."""


class SteeredProgram(RuntimeError):
    """A program made another call on a re-run: values, chance or time steer it."""


class Pause(BaseException):
    """A program has reached a call that it has no answer to yet; no `except Exception` catches it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of one program: a system call, or the load or store of one byte."""

    name: str
    args: tuple[object, ...]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(argument_text, self.args))})"


def argument_text(arg: object) -> str:
    """Return an argument of a step as Python."""
    if isinstance(arg, bytes):
        return bytes_text(arg, brief=True)
    return hex(arg) if isinstance(arg, int) and arg >= 4096 else repr(arg)


class HeldProcess:
    """What a program takes for its process while it is held: known answers, then a Pause."""

    def __init__(self, pid: int, whole: bool, answers: Sequence[tuple[Step, Outcome]], lines: Lines) -> None:
        self.pid = pid
        self._whole, self._answers, self._lines = whole, answers, lines
        self._done = 0
        self.values: list[bytes] = []
        """What the finished loads and reads gave."""
        self.next: Step | None = None
        """The step that the program waits for."""

    def __getattr__(self, name: str) -> object:
        if name == "fork":
            raise ValueError("a program of interleavings() cannot fork: give the child as one more program")
        if name not in vars(Process) or name not in PARAMETERS:
            raise AttributeError(f"a process has no call {name!r}")

        def make(*args: object, **kwargs: object) -> object:
            counting = self._lines.pause()
            try:
                value = self._split(name, *arguments(name, args, kwargs))
            finally:
                self._lines.resume(counting)
            if name in READS:
                self.values.append(cast(bytes, value))
            return value

        return make

    def _split(self, name: str, *args: object) -> object:
        """Make a call step by step: a load or a store byte by byte, all else whole."""
        match (name, *args):
            case ("load", int(addr), int(n)) if not self._whole:
                return b"".join(cast(bytes, self._step("load", addr + i, 1)) for i in range(n))
            case ("store", int(addr), bytes() | bytearray() as data) if not self._whole:
                for i, byte in enumerate(data):
                    self._step("store", addr + i, bytes([byte]))
                return None
        return self._step(name, *args)

    def _step(self, name: str, *args: object) -> object:
        step = Step(name, args)
        if self.next is not None or self._done == len(self._answers):
            self.next = self.next or step
            raise Pause
        before, outcome = self._answers[self._done]
        if before != step:
            raise SteeredProgram(
                f"run again with the same answers, step {self._done + 1} of the program was {step}, and not {before}: "
                "its calls may depend on the answers of earlier calls only, not on chance, time or kept state"
            )
        self._done += 1
        if outcome.error is not None:
            raise outcome.error
        return outcome.value


@dataclass
class Held:
    """One program in one order of steps: what it has done, and what it does next (None when it has ended)."""

    program: Steps
    given: tuple[object, ...]
    process: SimProcess
    whole: bool
    past: list[tuple[Step, Outcome]] = field(default_factory=list)
    next: Step | None = None
    died: OSError | FatalSignal | None = None
    values: tuple[bytes, ...] = ()

    def advance(self) -> None:
        """Let the program run, with the answers so far, to its next step."""
        lines = Lines(MOST_LINES, error=EndlessRun)
        held = HeldProcess(self.process.pid, self.whole, self.past, lines)
        try:
            lines.run(self.program, held, *self.given)
        except Pause:
            pass
        except EndlessRun as stopped:
            raise EndlessProgram(
                f"after {len(self.past)} steps a program ran {lines.most:,} lines of Python without another step, and "
                f"went on at {stopped}. Does it end?"
            ) from None
        except (OSError, FatalSignal) as error:
            self.died = error if held.next is None else None
        self.next, self.values = held.next, tuple(held.values)

    def step(self) -> Step:
        """Make the next step on the kernel, and run on to the one behind it."""
        step = self.next
        assert step is not None, "the program has ended"
        try:
            outcome = Outcome(getattr(self.process, step.name)(*step.args))
        except (OSError, FatalSignal) as error:
            outcome = Outcome(error=error)
        self.past.append((step, outcome))
        self.advance()
        return step
