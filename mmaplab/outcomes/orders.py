"""Several processes on one shared memory: everything that may come of it, over all orders of their steps.

    def setup(p):
        return p.mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS)

    def add_one(p, a):
        value = p.load(a)[0]
        p.store(a, bytes([value + 1]))

    print(interleavings([add_one, add_one], setup))     # 2 outcomes: the counter is 2, or 1 (an update is lost)

A step is one system call, or one byte of a load or store: a store of two bytes can be seen half done. Each order is run
from the start on a kernel of its own, with the programs held between two steps (held.py).

A program's calls must follow from nothing but the answers that it gets, and their number and names not even from these;
else SteeredProgram says which call differs. Values may go into what is stored and where.

Leaves out: what a processor and a compiler may reorder. All steps happen in one order (sequential consistency).
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mmaplab.calls import Outcome, outcome_text, perform
from mmaplab.constants import PAGE_SIZE
from mmaplab.endless import EndlessProgram
from mmaplab.interface import Process
from mmaplab.outcomes.contents import checked, content_text
from mmaplab.outcomes.held import Held, SteeredProgram, Step, Steps, argument_text
from mmaplab.program import MOST_LINES, Limits, Recorder
from mmaplab.sim import Kernel, KernelConfig
from mmaplab.sim.kernel import file_content


class TooManySchedules(RuntimeError):
    """The programs' steps can be put in more orders than the caller wants to have run."""


# ---------------------------------------------------------------- one order


@dataclass(frozen=True)
class Setting:
    """What every order starts from."""

    programs: tuple[Steps, ...]
    setup: Callable[[Process], object] | None
    files: Mapping[str, bytes]
    config: KernelConfig | None
    whole: bool
    threads: bool
    max_steps: int


@dataclass
class Run:
    """One order of steps, run to its end: the steps as (program, step), and at each who could have gone on."""

    kernel: Kernel
    programs: list[Held]
    given: object
    steps: list[tuple[int, Step]] = field(default_factory=list)
    runnable: list[list[int]] = field(default_factory=list)


def start(setting: Setting) -> Run:
    """Make a kernel, let `setup` prepare it, and hold each program before its first step."""
    kernel = Kernel(setting.config, record=False)
    for path, data in setting.files.items():
        kernel.create_file(path, data, warm=True)
    first = kernel.spawn()
    given: tuple[object, ...] = ()
    if setting.setup is not None:
        names: dict[str, object] = {"p": first}
        recorder = Recorder(lambda call: perform(call, names), names, Limits(setting.max_steps, math.inf, MOST_LINES))
        given = (recorder.run(setting.setup, recorder.stand_in("p")),)
    programs = []
    for program in setting.programs:
        process = first.clone_thread() if setting.threads else first.fork()
        programs.append(Held(program, given, process, setting.whole))
    for held in programs:
        held.advance()
    return Run(kernel, programs, given[0] if given else None)


def run(setting: Setting, order: Sequence[int]) -> Run:
    """Run the programs in the order given, and behind it the first that can go on; raises EndlessProgram."""
    made = start(setting)
    while able := [who for who, held in enumerate(made.programs) if held.next is not None]:
        at = len(made.steps)
        who = order[at] if at < len(order) else able[0]
        made.runnable.append(able)
        made.steps.append((who, made.programs[who].step()))
        if len(made.programs[who].past) > setting.max_steps:
            raise EndlessProgram(
                f"program {who + 1} made {setting.max_steps:,} steps and went on: does it end, or does it wait for "
                "another one? A long one can be given more with max_steps=..."
            )
    return made


def next_order(made: Run) -> list[int] | None:
    """Return the beginning of the next order: the last step at which a later program could have gone on instead."""
    chosen = [who for who, _ in made.steps]
    for at in reversed(range(len(chosen))):
        later = [who for who in made.runnable[at] if who > chosen[at]]
        if later:
            return [*chosen[:at], later[0]]
    return None


def orders(counts: Sequence[int]) -> int:
    """Return in how many orders so many steps of each program can be put: a multinomial coefficient."""
    number = math.factorial(sum(counts))
    for count in counts:
        number //= math.factorial(count)
    return number


def final_bytes(made: Run) -> tuple[tuple[str, bytes], ...]:
    """Return what is in every file, and in shared memory without a name, when all programs have ended."""
    found = {path: made.kernel.file_bytes(path) for path in made.kernel.files.names}
    nameless = {}
    for process in made.kernel.processes.values():
        for vma in process.mm.areas:
            inode = vma.vm_file.f_inode if vma.vm_file else None
            if inode is not None and inode.path.startswith("/"):
                nameless[inode.ino] = inode
    for number, ino in enumerate(sorted(nameless), 1):
        found["shared memory" + (f" {number}" if number > 1 else "")] = file_content(nameless[ino])
    return tuple(sorted(found.items()))


# ---------------------------------------------------------------- all orders


@dataclass(frozen=True)
class Interleaving:
    """One outcome: `values` are what each program has loaded and read, `final` the bytes of files and shared memory.

    `died` says how a program ended early. `witness` is one order of steps that leads here, as lines of text;
    `schedules` counts all that do.
    """

    values: tuple[tuple[bytes, ...], ...]
    final: Mapping[str, bytes]
    died: tuple[str, ...]
    witness: tuple[str, ...]
    schedules: int

    def __str__(self) -> str:
        values = [f"{i} loads {', '.join(map(repr, v))}" for i, v in enumerate(self.values, 1) if v]
        dead = [f"{i} ends with {how}" for i, how in enumerate(self.died, 1) if how]
        final = [f"{name}: {content_text(data)}" for name, data in self.final.items()]
        lines = ["; ".join([*values, *dead, *final]), f"    in {plural(self.schedules)}, for example"]
        return "\n".join(lines + [f"        {line}" for line in self.witness])


@dataclass(frozen=True, repr=False)
class Interleavings:
    """All outcomes, in the order in which they were found; `schedules` is the number of orders that were run."""

    outcomes: tuple[Interleaving, ...]
    schedules: int

    def __len__(self) -> int:
        return len(self.outcomes)

    def __iter__(self) -> Iterator[Interleaving]:
        return iter(self.outcomes)

    def __getitem__(self, i: int) -> Interleaving:
        return self.outcomes[i]

    def __contains__(self, values: object) -> bool:
        """Is there an outcome in which the programs load exactly these values, a tuple of bytes for each program?"""
        return any(outcome.values == values for outcome in self.outcomes)

    def __str__(self) -> str:
        head = f"{len(self)} outcome{'s' * (len(self) != 1)} of {plural(self.schedules)}"
        return "\n".join([head, *map(str, self.outcomes)])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        """Return a table for a notebook."""
        rows = []
        for outcome in self.outcomes:
            what, *how = str(outcome).split("\n")
            cells = (what, "\n".join(line.strip() for line in how[1:]), f"{outcome.schedules:,}")
            rows.append("<tr>" + "".join(f"<td><pre>{html.escape(cell)}</pre></td>" for cell in cells) + "</tr>")
        head = "<tr><th>outcome</th><th>one order</th><th>orders</th></tr>"
        caption = f"{len(self)} outcomes of {plural(self.schedules)}"
        return f"<table><caption>{caption}</caption><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"


def plural(orders: int) -> str:
    """Return `1 order` or `6 orders`."""
    return f"{orders:,} order{'s' * (orders != 1)}"


def interleavings(
    programs: Sequence[Steps],
    setup: Callable[[Process], object] | None = None,
    files: Mapping[str, bytes] | None = None,
    config: KernelConfig | None = None,
    limit: int = 5_000,
    max_steps: int = 200,
    whole: bool = False,
    threads: bool = False,
) -> Interleavings:
    """Run `programs` in every order of their steps and return the outcomes, each with one order that leads there.

    `setup(p)` runs first; each program is then a child of that process (`threads`: a thread of it), and is called with
    its process and with what `setup` has returned. `whole` takes each load and store as one step. Raises
    TooManySchedules past `limit` orders, EndlessProgram past `max_steps` steps of one program, SteeredProgram where
    a program makes other calls on another run, TypeError, ValueError.
    """
    chosen = checked_programs(programs)
    if setup is not None and not callable(setup):
        raise TypeError(f"setup is {setup!r}: give a function that takes a process, or nothing")
    Limits(max_steps)  # it says what is wrong with it
    setting = Setting(chosen, setup, checked(chosen[0], files, limit), config, whole, threads, max_steps)
    explorer = Explorer(setting, limit)
    order: list[int] | None = []
    while order is not None:
        made = run(setting, order)
        explorer.note(made)
        order = next_order(made)
    return explorer.result()


def checked_programs(programs: object) -> tuple[Steps, ...]:
    """Return the programs; raises TypeError or ValueError where these are none."""
    if not isinstance(programs, Sequence) or not programs:
        raise TypeError(f"programs is {programs!r}: give a list of functions, such as [writer, reader]")
    for program in programs:
        if not callable(program):
            raise TypeError(f"{program!r} is no program: give a function that takes a process")
    return tuple(programs)


class Explorer:
    """The outcomes of the orders run so far."""

    def __init__(self, setting: Setting, limit: int) -> None:
        self.setting, self.limit = setting, limit
        self.known: list[list[str]] = [[] for _ in setting.programs]
        """The names of each program's steps, the longest run so far, and whether that one died."""
        self.died = [False] * len(setting.programs)
        self.outcomes: dict[tuple[object, ...], Interleaving] = {}
        self.schedules = 0

    def note(self, made: Run) -> None:
        """Count one order that was run; raises SteeredProgram, TooManySchedules."""
        for who, held in enumerate(made.programs):
            self._same_calls(who, held)
        number = max(orders([len(names) for names in self.known]), self.schedules + 1)
        if number > self.limit:
            steps = ", ".join(str(len(names)) for names in self.known)
            raise TooManySchedules(
                f"programs of {steps} steps can be run in {number:,} orders; the limit is {self.limit:,}. Make them "
                f"shorter, take each load and store as one step with whole=True, or allow more with limit={number}"
            )
        self.schedules += 1
        values = tuple(held.values for held in made.programs)
        died = tuple(outcome_text(Outcome(error=held.died)) if held.died else "" for held in made.programs)
        final = final_bytes(made)
        known = self.outcomes.get((values, died, final))
        witness = known.witness if known else tuple(step_text(who, step, made.given) for who, step in made.steps)
        schedules = known.schedules + 1 if known else 1
        self.outcomes[values, died, final] = Interleaving(values, dict(final), died, witness, schedules)

    def _same_calls(self, who: int, held: Held) -> None:
        """Compare the names of a program's steps with those of earlier runs; one that has died may have made fewer."""
        names, known = [step.name for step, _ in held.past], self.known[who]
        common = min(len(names), len(known))
        first = next((i for i in range(common) if names[i] != known[i]), common)
        shorter = first == common and (not known or len(names) == len(known) or held.died or self.died[who])
        if not shorter:
            was, now = (each[first] if first < len(each) else "the end" for each in (known, names))
            raise SteeredProgram(
                f"step {first + 1} of program {who + 1} is {was} in one order and {now} in another: values may not "
                "steer which calls it makes. Let it make the same calls always, and decide by what it stores"
            )
        if len(names) > len(known):
            self.known[who] = names
        self.died[who] = bool(held.died) if len(names) >= len(known) else self.died[who]

    def result(self) -> Interleavings:
        """Return all outcomes."""
        return Interleavings(tuple(self.outcomes.values()), self.schedules)


def step_text(who: int, step: Step, given: object) -> str:
    """Return a step as a line: the program's number and the call, addresses as `a+1` where `setup` has returned `a`."""
    args = []
    for arg in step.args:
        near = isinstance(arg, int) and isinstance(given, int) and given >= PAGE_SIZE and 0 <= arg - given < 1 << 20
        offset = arg - given if near and isinstance(arg, int) and isinstance(given, int) else 0
        args.append((f"a+{offset}" if offset else "a") if near else argument_text(arg))
    return f"{who + 1}: {step.name}({', '.join(args)})"
