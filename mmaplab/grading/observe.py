"""What a program shows of the kernel it runs on: the observations by which two kernels are told apart.

    for each call     how it ended, the page faults it took, the areas and the pages that are present afterwards
    at the end        the bytes of the files

Observations are plain data. Two kernels agree on a program exactly when they are the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mmaplab.calls import Outcome, perform
from mmaplab.constants import PAGE_SHIFT, TASK_SIZE
from mmaplab.grading.plain import NotPlain, Plain, tell_error, to_plain
from mmaplab.grading.programs import Scenario
from mmaplab.interface import FatalSignal
from mmaplab.sim import Kernel, KernelConfig
from mmaplab.sim.process import Process

Slot = Callable[..., Any]
Observation = list[Plain]


def kernel_for(scenario: Scenario, slots: dict[str, Slot]) -> Kernel:
    """Return a simulated kernel with the program's files and configuration; raises ValueError for bad ones."""
    try:
        config = replace(KernelConfig(memory_pages=65536), **dict(scenario.config))  # type: ignore[arg-type]
    except TypeError as error:
        raise ValueError(f"the configuration {dict(scenario.config)!r} does not fit: {error}") from None
    kernel = Kernel(config, record=False, **slots)
    for file in scenario.files:
        kernel.create_file(file.path, file.data, warm=file.warm)
    return kernel


def observe(scenario: Scenario, slots: dict[str, Slot] | None = None) -> Observation:
    """Run a program on a simulated kernel and return one observation for each call, and one of the files at the end.

    Where a slot itself raises, the last item is `{"raised": "TypeError: ..."}`, and the program ends there.
    """
    kernel = kernel_for(scenario, slots or {})
    names: dict[str, object] = {"p": kernel.spawn()}
    seen: Observation = []
    for call in scenario.calls:
        before = _faults(names, call.who)
        try:
            outcome = perform(call, names)
        except Exception as error:  # the slot's own mistake, whatever it is
            seen.append({"raised": tell_error(error)})
            return seen
        after = _faults(names, call.who)
        seen.append(
            {
                "outcome": _outcome(outcome),
                "faults": [b - a for a, b in zip(before, after, strict=True)],
                "space": {
                    who: _space(p) for who, p in names.items() if isinstance(p, Process) and p.task.mm is not None
                },
            }
        )
    seen.append({"files": {file.path: _digest(kernel, file.path) for file in scenario.files}})
    return seen


def _digest(kernel: Kernel, path: str) -> str:
    """Return what tells a file's bytes from others, '' where it has no name any more."""
    try:
        return hashlib.sha256(kernel.file_bytes(path)).hexdigest()
    except FileNotFoundError:
        return ""


def _faults(names: dict[str, object], who: str) -> tuple[int, int]:
    process = names.get(who)
    if not isinstance(process, Process):
        return (0, 0)
    try:
        counts = process.faults()
    except ProcessLookupError:
        return (0, 0)
    return (counts.minor, counts.major)


def _outcome(outcome: Outcome) -> Plain:
    if outcome.missing:
        return {"missing": outcome.missing}
    if isinstance(outcome.error, FatalSignal):
        return {"signal": [int(outcome.error.signo), int(outcome.error.si_code), int(outcome.error.si_addr)]}
    if outcome.error is not None:
        return {"errno": int(getattr(outcome.error, "errno", None) or 0)}
    try:
        return {"value": to_plain(outcome.value)}
    except NotPlain:
        return {"value": type(outcome.value).__name__}


def _space(process: Process) -> Plain:
    """Return the areas of a process, and the runs of present pages as [first page number, count]."""
    runs: list[Plain] = []
    for addr, _pte in process.mm.pgd.entries(0, TASK_SIZE):
        page = addr >> PAGE_SHIFT
        last = runs[-1] if runs else None
        if isinstance(last, list) and int(str(last[0])) + int(str(last[1])) == page:
            last[1] = int(str(last[1])) + 1
        else:
            runs.append([page, 1])
    return {"areas": [str(entry) for entry in process.maps()], "present": runs}
