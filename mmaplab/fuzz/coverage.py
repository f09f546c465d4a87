"""What random programs reached: each call, how it ended, and which flags it was given; counted from their steps."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Iterable, Iterator

from mmaplab.calls import PARAMETERS, SPELLINGS, Call, Outcome, constant_text
from mmaplab.interface import FatalSignal
from mmaplab.lockstep import TwinStep

Coverage = Counter[tuple[str, str, str]]
"""How often, by (call, "ended", "faulted" or "given", what)."""


def coverage_of(steps: Iterable[TwinStep]) -> Coverage:
    """Return what some steps reached, as the simulator predicted it."""
    found: Coverage = Counter()
    for step in steps:
        name = step.call.name
        found[name, "ended", ending(step.predicted.outcome)] += 1
        found.update((name, "given", flag) for flag in flags_of(step.call))
        faults = step.predicted.faults
        for kind, number in (("minor", faults.minor), ("major", faults.major)) if faults else ():
            found[name, "faulted", kind] += number
    return +found


def ending(outcome: Outcome) -> str:
    """Return how a call ended: `ok`, an errno's name, or a signal's with its code."""
    error = outcome.error
    if isinstance(error, FatalSignal):
        return f"{type(error).__name__} {error.code_name}"
    if isinstance(error, OSError):
        return errno.errorcode.get(error.errno or 0, str(error.errno))
    return "ok" if outcome.ok else "not made" if outcome.missing else "broke"


def flags_of(call: Call) -> Iterator[str]:
    """Return the C names of the flags that a call is given."""
    for parameter, arg in zip(PARAMETERS[call.name], call.args, strict=False):
        if (call.name, parameter) in SPELLINGS and isinstance(arg, int):
            yield from constant_text(SPELLINGS[call.name, parameter], arg).split(" | ")


def table(coverage: Coverage) -> str:
    """Return the coverage as text: for each call how often it ended how, faulted, and was given which flags."""
    lines = []
    for name in sorted({name for name, _, _ in coverage}):
        for column in ("ended", "faulted", "given"):
            counted = {what: n for (call, kind, what), n in coverage.items() if (call, kind) == (name, column) and n}
            if counted:
                numbers = ", ".join(f"{what} {n}" for what, n in sorted(counted.items(), key=lambda item: -item[1]))
                lines.append(f"{name if column == 'ended' else '':<13} {column:<8} {numbers}")
    return "\n".join(lines)
