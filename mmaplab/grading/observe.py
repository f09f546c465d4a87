"""What a program shows of the kernel it runs on: the observations by which two kernels are told apart.

    for each call     how it ended, the page faults it took, the blocks it read and wrote, the pages it copied,
                      and what there is afterwards: areas, entries with their frames, cached and dirty file pages
    at the end        the bytes of the files

Observations are plain data. Two kernels agree on a program exactly when they are the same. What a learner's function
does wrong by itself (an error, a wrong type, a loop without end, a broken invariant) is an observation too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mmaplab.calls import Outcome, perform
from mmaplab.constants import PAGE_SHIFT, PAGE_SIZE, TASK_SIZE
from mmaplab.endless import Endless
from mmaplab.grading.plain import NotPlain, Plain, to_plain
from mmaplab.grading.programs import Scenario
from mmaplab.grading.watch import MOST_LINES, Watched
from mmaplab.interface import FatalSignal
from mmaplab.pte import pte_dirty, pte_pfn, pte_user, pte_write
from mmaplab.sim import Kernel, KernelConfig
from mmaplab.sim.events import Copy, DiskRead, DiskWrite, Event
from mmaplab.sim.inode import Folio
from mmaplab.sim.invariants import broken
from mmaplab.sim.memory import ZERO_PFN
from mmaplab.sim.process import Process
from mmaplab.sim.trace import Fields, Trace

Slot = Callable[..., Any]
Observation = list[Plain]
WORK = ("blocks read", "blocks written", "pages copied")
COUNTED: tuple[object, ...] = (DiskRead, DiskWrite, Copy)


class WorkTrace(Trace):
    """A trace that keeps nothing and counts what was read, written and copied-on-write, in pages."""

    def __init__(self) -> None:
        super().__init__(recording=False)
        self.work = dict.fromkeys(WORK, 0)

    def emit(self, event: Callable[Fields, Event], *args: Fields.args, **kwargs: Fields.kwargs) -> None:
        """Count the event, and forget it."""
        if event in COUNTED:
            made = event(*args, **kwargs)
            if isinstance(made, DiskRead):
                self.work["blocks read"] += made.npages
            elif isinstance(made, DiskWrite):
                self.work["blocks written"] += made.npages
            elif isinstance(made, Copy) and made.why == "cow":
                self.work["pages copied"] += made.nbytes // PAGE_SIZE


def kernel_for(scenario: Scenario, slots: dict[str, Slot], trace: bool | Trace = False) -> Kernel:
    """Return a simulated kernel with the program's files and configuration; raises ValueError for bad ones."""
    try:
        config = replace(KernelConfig(memory_pages=65536), **dict(scenario.config))  # type: ignore[arg-type]
    except TypeError as error:
        raise ValueError(f"the configuration {dict(scenario.config)!r} does not fit: {error}") from None
    kernel = Kernel(config, record=trace, **slots)
    for file in scenario.files:
        kernel.create_file(file.path, file.data, warm=file.warm)
    return kernel


def observe(
    scenario: Scenario, slots: dict[str, Slot] | None = None, most_lines: int = MOST_LINES, to_the_end: bool = False
) -> Observation:
    """Run a program on a simulated kernel and return one observation for each call, and one of the files at the end.

    A slot that fails by itself ends the program: the last item is then `{"raised": "TypeError: ...", "line": ...}`,
    or has `wrong_type`, `endless` or `broken` (invariants) instead. `to_the_end` goes on with a broken kernel, as a
    real one would. Raises TypeError for a slot that does not take its arguments.
    """
    watched = {slot: Watched(slot, function, most_lines) for slot, function in (slots or {}).items()}
    trace = WorkTrace()
    kernel = kernel_for(scenario, dict(watched), trace)
    names: dict[str, object] = {"p": kernel.spawn()}
    seen: Observation = []
    for call in scenario.calls:
        for watch in watched.values():
            watch.begin()
        before, done = _faults(names, call.who), dict(trace.work)
        try:
            outcome = perform(call, names)
            after = _faults(names, call.who)
            step: dict[str, Plain] = {
                "outcome": _outcome(outcome),
                "faults": [b - a for a, b in zip(before, after, strict=True)],
                "work": {what: trace.work[what] - done[what] for what in WORK},
                "space": _spaces(names),
                "cache": {file.path: _cached(kernel, file.path) for file in scenario.files},
            }
        except (Exception, Endless, SystemExit) as error:  # the slot's own mistake, or what it has left behind
            seen.append(_complaint(error, watched))
            return seen
        problems = _broken(kernel) if watched and not to_the_end else []
        if problems:
            step["broken"] = problems
        said = _most_telling(watched).said if watched else ""
        seen.append(step | ({"said": said} if said else {}))
        if problems:
            return seen
    seen.append({"files": {file.path: _digest(kernel, file.path) for file in scenario.files}})
    return seen


def _complaint(error: BaseException, watched: dict[str, Watched]) -> Plain:
    if not watched:
        raise error  # the reference itself: a bug of this package
    watch = _most_telling(watched)
    return {**watch.complaint(error), "said": watch.said}


def _most_telling(watched: dict[str, Watched]) -> Watched:
    """Return the function, of several in one kernel, whose last call says most."""
    return max(watched.values(), key=lambda watch: watch.telling)


def _broken(kernel: Kernel) -> list[Plain]:
    """Return the invariants that do not hold any more, with what breaks them."""
    try:
        return list[Plain](broken(kernel)[:3])
    except Exception as error:
        return [f"the kernel's structures cannot be read any more ({type(error).__name__}: {error})"]


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


# ---------------------------------------------------------------- what there is


def _spaces(names: dict[str, object]) -> dict[str, Plain]:
    """Return the areas and the entries of every living process, by its name in the program."""
    shared: dict[int, int] = {}
    return {
        who: {"areas": [str(entry) for entry in p.maps()], "entries": _entries(p, shared)}
        for who, p in names.items()
        if isinstance(p, Process) and p.task.mm is not None
    }


def _entries(process: Process, shared: dict[int, int]) -> Plain:
    """Return runs of like entries: [first page, how many, rights, frame kind, number of the first frame].

    Rights are letters: w may be stored to, d dirty, n nobody may use it (PROT_NONE). A frame is of the file's cache
    (with inode and file page), the zero page, a private one of its own, or one that several entries map: those are
    numbered in `shared` as they are met.
    """
    runs: list[list[Plain]] = []
    for addr, pte in process.mm.pgd.entries(0, TASK_SIZE):
        page = process.mm.memory.pages[pte_pfn(pte)]
        rights = "w" * pte_write(pte) + "d" * pte_dirty(pte) + "n" * (not pte_user(pte))
        kind, number = "own", 0
        if page.pfn == ZERO_PFN:
            kind = "zero"
        elif isinstance(page.folio, Folio):
            index = next(i for i, one in enumerate(page.folio.pages, page.folio.index) if one is page)
            kind, number = f"file {page.folio.mapping.host.ino}", index
        elif page.mapcount > 1:
            kind, number = "shared", shared.setdefault(page.pfn, len(shared) + 1)
        runs.append([addr >> PAGE_SHIFT, 1, rights, kind, number])
    return list[Plain](joined(runs))


def joined(runs: list[list[Plain]]) -> list[list[Plain]]:
    """Return runs with those that continue each other joined."""
    found: list[list[Plain]] = []
    for run in runs:
        page, _, rights, kind, number = run
        if found:
            first, count, *rest = found[-1]
            assert isinstance(first, int) and isinstance(count, int) and isinstance(rest[2], int)
            onward = rest[2] + (count if str(kind).startswith("file") else 0)
            if page == first + count and rest[:2] == [rights, kind] and number == onward:
                found[-1][1] = count + 1
                continue
        found.append(list(run))
    return found


def _cached(kernel: Kernel, path: str) -> Plain:
    """Return the page cache's state of a file: a letter for each page from 0 on.

    F cached, D dirty, M cached with the readahead mark, e being read, . not cached.
    """
    inode = kernel.files.names.get(path)
    if inode is None:
        return ""
    pages = inode.i_mapping.i_pages
    letters = []
    for index in range(max([*pages, -1]) + 1):
        folio = pages.get(index)
        if folio is None:
            letters.append(".")
        else:
            letters.append("D" if folio.dirty else "e" if not folio.uptodate else "M" if folio.readahead else "F")
    return "".join(letters)
