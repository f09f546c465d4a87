"""What a crash may leave of a program's files: every outcome, with the events between which it is possible.

    def program(p):
        fd = p.open("data", O_RDWR)
        a = p.mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd)
        p.store(a, b"new")
        p.store(a + 4096, b"new")
        p.msync(a, 4096, MS_SYNC)

    outcomes = crash_outcomes(program, files={"data": b"old" + bytes(8189)})
    print(outcomes)                       # 4 outcomes: each of the two pages old or new
    outcomes.after("msync")               # 2: the first page is new in both
    {"data": b"..."} in outcomes

One run on the simulated kernel is enough: its events say what the kernel may write, and when (watch.py).
"""

from __future__ import annotations

import html
import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from mmaplab.calls import Call, Outcome, call_text, perform
from mmaplab.interface import FatalSignal, Program
from mmaplab.outcomes.contents import checked, content_text
from mmaplab.outcomes.watch import TooManyOutcomes, Watch, too_many
from mmaplab.outcomes.worlds import Found
from mmaplab.program import MOST_LINES, Limits, Recorder
from mmaplab.sim import Kernel, KernelConfig
from mmaplab.sim import events as ev


@dataclass(frozen=True)
class Moment:
    """One event of the run: its place in the trace (`seq`), and the call of the program that it belongs to.

    `step` counts the program's calls from 1; it is 0 before the first, and `call` then says so.
    """

    seq: int
    step: int
    call: str
    what: str

    def __str__(self) -> str:
        return f"step {self.step}, {self.call}: {self.what}" if self.step else self.call


@dataclass(frozen=True)
class CrashOutcome:
    """One content of all files that may be found after a crash.

    `spans` are the stretches of the run in which a crash can leave it: the events that begin and end each one, None
    where the last goes on to the end of the program.
    """

    found: frozenset[Found]
    spans: tuple[tuple[Moment, Moment | None], ...]

    @property
    def earliest(self) -> Moment:
        """The first event after which a crash can leave it."""
        return self.spans[0][0]

    @property
    def latest(self) -> Moment | None:
        """The event that makes it impossible for good, None where it is possible to the end of the program."""
        return self.spans[-1][1]

    def possible_after(self, seq: int) -> bool:
        """Can a crash leave it at record `seq`, or later?"""
        return self.latest is None or self.latest.seq > seq

    def possible_at(self, seq: int) -> bool:
        """Can a crash leave it between record `seq` and the next one?"""
        return any(first.seq <= seq and (end is None or end.seq > seq) for first, end in self.spans)

    @cached_property
    def contents(self) -> dict[str, bytes]:
        """The bytes of each file that has a name, by name."""
        return {one.path: one.data() for one in sorted(self.found, key=lambda one: one.path)}

    def __getitem__(self, path: str) -> bytes:
        """Return the bytes of one file; raises KeyError where a crash leaves no file of that name."""
        return self.contents[path]

    def __str__(self) -> str:
        files = ", ".join(f"{path}: {content_text(data)}" for path, data in self.contents.items()) or "no file"
        times = [f"    from {first}\n    until {end or END}" for first, end in self.spans]
        return "\n".join([files, *times])


END = "the end of the program"


@dataclass(frozen=True, repr=False)
class CrashOutcomes:
    """All outcomes, in the order in which they become possible. `calls` are the program's, with their last record.

    `died` says how the program ended early, where it did: then the outcomes are those up to there.
    """

    outcomes: tuple[CrashOutcome, ...]
    calls: tuple[tuple[Call, int], ...] = field(repr=False)
    died: OSError | FatalSignal | None = None

    def __len__(self) -> int:
        return len(self.outcomes)

    def __iter__(self) -> Iterator[CrashOutcome]:
        return iter(self.outcomes)

    def __getitem__(self, i: int) -> CrashOutcome:
        return self.outcomes[i]

    def __contains__(self, contents: object) -> bool:
        """Can exactly these contents be found? `contents` is a mapping from names to bytes."""
        if not isinstance(contents, Mapping):
            raise TypeError(f"{contents!r} is no content of files: give a mapping such as {{'data': b'...'}}")
        sizes = {path: len(data) for path, data in contents.items()}
        alike = (o for o in self.outcomes if {one.path: one.size for one in o.found} == sizes)
        return any(all(one.data() == contents[one.path] for one in o.found) for o in alike)

    def after(self, step: int | str) -> CrashOutcomes:
        """Return the outcomes that are still possible once a call has returned, until the end of the program.

        `step` is the call's number, counted from 1, or its name: `"msync"` is the last call of msync. Raises
        LookupError where the program has no such call, TypeError.
        """
        seq = self._returned(step)
        return replace(self, outcomes=tuple(o for o in self.outcomes if o.possible_after(seq)))

    def at(self, step: int | str) -> CrashOutcomes:
        """Return the outcomes of a crash at the very moment at which a call has returned; `step` as in `after`."""
        seq = self._returned(step)
        return replace(self, outcomes=tuple(o for o in self.outcomes if o.possible_at(seq)))

    def _returned(self, step: int | str) -> int:
        if isinstance(step, bool) or not isinstance(step, int | str):
            raise TypeError(
                f"step is {step!r}: give the number of a call, counted from 1, or its name, such as 'msync'"
            )
        named = [seq for call, seq in self.calls if call.name == step]
        if isinstance(step, str) and named:
            return named[-1]
        if isinstance(step, int) and 1 <= step <= len(self.calls):
            return self.calls[step - 1][1]
        made = ", ".join(dict.fromkeys(call.name for call, _ in self.calls)) or "none"
        raise LookupError(f"the program has no call {step!r}: it made {len(self.calls)} calls ({made})")

    def __str__(self) -> str:
        lines = [f"{len(self)} outcome{'s' * (len(self) != 1)} of a crash", *map(str, self.outcomes)]
        return "\n".join(lines + [f"the program ended with {self.died}"] * bool(self.died))

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        """Return a table for a notebook."""
        head = "<tr><th>a crash may leave</th><th>from</th><th>until</th></tr>"
        body = "".join(html_row(outcome) for outcome in self.outcomes)
        return f"<table><caption>{len(self)} outcomes</caption><thead>{head}</thead><tbody>{body}</tbody></table>"


def html_row(outcome: CrashOutcome) -> str:
    """Return one outcome as a row of a table."""
    files = [f"{path}: {content_text(data)}" for path, data in outcome.contents.items()] or ["no file"]
    begins, ends = [str(first) for first, _ in outcome.spans], [str(end or END) for _, end in outcome.spans]
    cells = ("<br>".join(map(html.escape, lines)) for lines in (files, begins, ends))
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


# ---------------------------------------------------------------- one run


def crash_outcomes(
    program: Program,
    files: Mapping[str, bytes] | None = None,
    config: KernelConfig | None = None,
    limit: int = 4096,
    max_steps: int = 10_000,
) -> CrashOutcomes:
    """Return every content of the files that may be on the disk after a crash at any point of `program`.

    `files` exist before, cached and on the disk. A store is found whole in a page or not at all: a program whose stores
    may be cut stores byte by byte. A program that ends with an OSError or a signal has died of it; `died` says so.
    Raises TooManyOutcomes past `limit`, EndlessProgram past `max_steps` calls or in a loop that makes none, TypeError,
    ValueError.
    See watch.py for what is left out.
    """
    files = checked(program, files, limit)
    watch = Watch(limit)
    with Kernel(config, record=watch) as kernel:
        for path, data in files.items():
            kernel.create_file(path, data, warm=True)
        run = Run(kernel, watch)
        run.make_all(program, max_steps)
        return run.result()


class Run:
    """One run of a program, with the outcomes found so far."""

    def __init__(self, kernel: Kernel, watch: Watch) -> None:
        self.watch = watch
        self.names: dict[str, object] = {"p": kernel.spawn()}
        self.ends: list[int] = []
        self.spans: dict[frozenset[Found], list[tuple[int, int]]] = {}
        self.calls: list[Call] = []
        self.died: OSError | FatalSignal | None = None
        watch.found = self.note
        watch.begin(kernel)
        self.first = watch.next_seq

    def make_all(self, program: Program, max_steps: int) -> None:
        """Run the program to its end."""
        recorder = Recorder(self.make, self.names, Limits(max_steps, math.inf, MOST_LINES))
        self.calls = recorder.calls
        try:
            recorder.run(program, recorder.stand_in("p"))
        except (OSError, FatalSignal) as error:
            self.died = error
        except BaseException:
            self.watch.kernel = None
            raise
        self.watch.end()

    def make(self, call: Call) -> Outcome:
        """Make one call, and note its last record."""
        outcome = perform(call, self.names)
        self.ends.append(self.watch.next_seq - 1)
        return outcome

    def note(self, found: frozenset[Found], first: int, last: int) -> None:
        """One outcome is possible from record `first` to `last`; raises TooManyOutcomes."""
        spans = self.spans.setdefault(found, [])
        if spans and spans[-1][1] + 1 >= first:
            first = min(first, spans.pop()[0])
        spans.append((first, last))
        if len(self.spans) > self.watch.limit:
            raise TooManyOutcomes(too_many(len(self.spans), self.watch.limit))

    def result(self) -> CrashOutcomes:
        """Return what was found, ordered by when it became possible."""
        end = self.watch.next_seq
        outcomes = []
        for found, spans in self.spans.items():
            moments = [(self.moment(first), self.moment(last + 1) if last + 1 < end else None) for first, last in spans]
            outcomes.append(CrashOutcome(found, tuple(moments)))
        outcomes.sort(key=lambda outcome: (outcome.earliest.seq, sorted(map(Found.order, outcome.found))))
        return CrashOutcomes(tuple(outcomes), tuple(zip(self.calls, self.ends, strict=True)), self.died)

    def moment(self, seq: int) -> Moment:
        """Return where in the program a record stands."""
        step = bisect_left(self.ends, seq)
        if seq < self.first or step == len(self.calls):
            return Moment(seq, 0, "before the first call", "")
        return Moment(seq, step + 1, call_text(self.calls[step], brief=True), sentence(self.watch.records[seq].event))


# ---------------------------------------------------------------- in words


def sentence(event: ev.Event) -> str:
    """Return what an event does to what a crash may leave."""
    match event:
        case ev.UserStore():
            return "the bytes are in the page cache, and may be written from now on"
        case ev.Copy(why="copy_from_user"):
            return "the bytes are in the page cache"
        case ev.PageDirty():
            return f"page {event.index} is dirty, and may be written from now on"
        case ev.Zero():
            return "bytes behind the end of the file become zero"
        case ev.FileSize():
            return f"the file has {event.size:,} bytes, and the journal may say so from now on"
        case ev.FileCreate() | ev.FileUnlink():
            verb = "has" if isinstance(event, ev.FileCreate) else "has no more"
            return f"the file {verb} the name {event.path!r}, and the journal may say so from now on"
        case ev.DiskDiscard():
            return "pages of the file become a hole"
        case ev.DiskWrite():
            return f"page {event.index} is on the disk ({event.why})"
        case ev.Done(of="Syscall"):
            return "the call returns"
    return type(event).__name__
