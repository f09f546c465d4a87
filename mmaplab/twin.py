"""One program on two kernels: what the simulator predicts and what Linux does, step by step.

    comparison = twin(program, sim, real)       print(comparison); comparison.agrees; comparison.difference

Each call is made on both kernels before the next one; its result, errno or signal, its page faults and the areas that
it leaves behind are compared (`mmaplab.lockstep`, which also says what is not). The program is given the live
kernel's results.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from mmaplab.calls import Outcome, call_text, outcome_text
from mmaplab.interface import FatalSignal, FaultCounts, Kernel, Process, Program
from mmaplab.lockstep import Difference, Lockstep, Side, TwinStep
from mmaplab.naming import Namer
from mmaplab.program import Limits, Recorder, faults_text

ADDRESS = re.compile(r"\b0x([0-9a-f]+)\b")
AREA = re.compile(r"([0-9a-f]+)-[0-9a-f]+( [r-][w-][x-][sp] .*)$", re.MULTILINE)
"""A number in hexadecimal, and a line of maps()."""
NO_FAULT = "  [no fault]"
BOTH, FEW = "    both ", 12
"""How an area that both sides have is marked; so many lines of state are shown as they are."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: step `number`, and `count` like it folded into one; `happened` is None without Linux."""

    number: int
    count: int
    call: str
    predicted: str
    happened: str | None
    agrees: bool
    faults: str = ""
    note: str = ""


@dataclass
class Comparison:
    """What a program did on both kernels; `died` is what ended it early, where something did."""

    steps: list[TwinStep]
    live: bool
    died: Exception | None = None
    namer: Namer = field(default_factory=Namer)

    @property
    def difference(self) -> Difference | None:
        """The first difference, or None; its addresses have their names beside them."""
        for step in self.steps:
            if found := step.difference:
                return replace(
                    found,
                    call=call_text(step.call, brief=True),
                    predicted=self._named(found.predicted),
                    happened=self._named(found.happened),
                    explanation=self._named(found.explanation),
                )
        return None

    def _named(self, text: str) -> str:
        """Return a text with the name behind each address that has one; areas get theirs at the end of the line."""

        def name(found: re.Match[str]) -> str:
            named = self.namer.name_of(int(found[1], 16)) if len(found[1]) > 4 else None
            return f"{found[0]} {'= ' * bool(found.lastindex == 2)}{named}" if named else found[0]

        return AREA.sub(name, ADDRESS.sub(name, text))

    @property
    def agrees(self) -> bool:
        """Did both kernels do the same in every step? False where there was no live kernel to ask."""
        return self.live and self.difference is None

    def rows(self) -> list[Row]:
        """Return the table: runs of three or more equal steps of one kind are one row."""
        rows: list[Row] = []
        i = 0
        while i < len(self.steps):
            n = self._alike(i)
            n = n if n >= 3 else 1
            rows.append(self._row(i, n))
            i += n
        return rows

    def __str__(self) -> str:
        rows = self.rows()
        width = min(76, max((len(row.call) for row in rows), default=0))
        lines = [self.summary(), ""]
        for row in rows:
            count = f" x{row.count}" if row.count > 1 else ""
            lines.append(f"{row.number:4} {row.call:{width}}  {row.predicted}{row.faults}{count}")
            if not row.agrees and row.happened is not None:
                lines.append(f"     {'':{width}}  live: {row.happened}   <- {row.note}")
        if self.difference:
            lines += ["", "The first difference:", str(self.difference)]
        return "\n".join(lines)

    __repr__ = __str__

    def text(self) -> str:
        """Return the comparison as text."""
        return str(self)

    def summary(self) -> str:
        """Return the outcome in one sentence."""
        if not self.live:
            return f"There is no live Linux kernel here: {len(self.steps)} steps, predicted by the simulator only."
        if self.difference is None:
            return f"Predicted and measured agree in all {len(self.steps)} steps."
        first, last = self.difference.step, len(self.steps)
        if first == 1:
            return f"Predicted and measured differ from step 1 of {last} on."
        return f"Predicted and measured agree until step {first - 1} of {last}, and differ in step {first}."

    def state(self) -> list[str]:
        """Return the state of both sides after the first step that differs: of many areas those that matter."""
        if self.difference is None:
            return []
        lines = self.difference.explanation.split("\n  the simulator's last events")[0].splitlines()
        differs = [i for i, line in enumerate(lines) if not line.startswith(BOTH)]
        near = [any(abs(i - other) < 2 for other in differs) for i in range(len(lines))]
        return [line for line, here in zip(lines, near, strict=True) if here or len(lines) <= FEW]

    def _alike(self, i: int) -> int:
        """Return how many steps from the i-th on are calls of the same kind that agree and end alike."""
        first = self.steps[i]
        n = 0
        while i + n < len(self.steps) and not self.steps[i + n].difference:
            step = self.steps[i + n]
            if (step.call.who, step.call.name, step.call.gives) != (first.call.who, first.call.name, ()):
                break
            if self._ending(step) != self._ending(first):
                break
            n += 1
        return n

    def _ending(self, step: TwinStep) -> str:
        """Return what a row says of how a step ended; one number stands for all, such as the addresses of areas."""
        outcome = step.predicted.outcome
        return "a number" if outcome.ok and isinstance(outcome.value, int) else self._text(outcome)

    def _row(self, i: int, n: int) -> Row:
        step, last = self.steps[i], self.steps[i + n - 1]
        call = call_text(step.call, brief=True)
        if n > 1:
            call += f" ... {call_text(last.call, brief=True)}"
        counts = [s.predicted.faults or FaultCounts(0, 0) for s in self.steps[i : i + n]]
        total = FaultCounts(sum(c.minor for c in counts), sum(c.major for c in counts))
        happened = self._text(step.happened.outcome) if step.happened else None
        note = step.difference.what if step.difference else ""
        none = NO_FAULT if note == "page faults" else ""
        faults = (faults_text(total) or none).replace("]", " in all]" if n > 1 else "]")
        if step.difference and step.happened:
            happened = f"{happened}{faults_text(step.happened.faults) or none}"
        return Row(i + 1, n, call, self._text(step.predicted.outcome), happened, not note, faults, note)

    def _text(self, outcome: Outcome) -> str:
        addr = outcome.error.si_addr if isinstance(outcome.error, FatalSignal) else 0
        name = self.namer.name_of(addr) if addr else None
        return outcome_text(outcome, {addr: name} if name else {})


def twin(
    program: Program,
    sim: Kernel | Callable[[Process | None], Kernel],
    real: Kernel | None = None,
    files: Mapping[str, bytes] | None = None,
    warm: bool = True,
    max_steps: int = 10_000,
    max_seconds: float = 60.0,
) -> Comparison:
    """Run `program` on the simulated and the live kernel in lockstep; `real` is None where there is no Linux.

    `sim` is a kernel, or a function that is given the live process (None without one) and returns the kernel: so the
    simulator can start from the live layout (`KernelConfig.mmap_base`). `files` are made first on both, by name, in
    the page cache where `warm`. Raises EndlessProgram past `max_steps` or `max_seconds`, and what the program itself
    raises by mistake; an OSError or a signal ends the program, and the comparison says so (`died`).
    """
    process = real.spawn() if real else None
    kernel = sim(process) if callable(sim) else sim
    for path, data in (files or {}).items():
        for each in (kernel, real) if real else (kernel,):
            each.create_file(path, data, warm=warm)
    lockstep = Lockstep(Side(kernel, kernel.spawn()), Side(real, process) if real and process else None)
    lockstep.cold = not warm
    recorder = Recorder(lockstep.make, (lockstep.real or lockstep.sim).names, Limits(max_steps, max_seconds))
    comparison = Comparison(lockstep.steps, real is not None, namer=recorder.namer)
    try:
        recorder.run(program, recorder.stand_in("p"))
    except (OSError, FatalSignal) as error:
        comparison.died = error
    made = zip(recorder.calls, lockstep.steps, strict=False)
    comparison.steps = [replace(step, call=call) for call, step in made]
    return comparison
