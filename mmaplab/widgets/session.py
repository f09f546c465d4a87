"""A session on the simulated kernel: calls made one by one, each kept as a line of code that makes it again.

    session = Session(bench, BENCH)
    session.mmap("p1", "0", 4, "PROT_READ", "MAP_SHARED", 3, 0)       a = p1.mmap(0, 4 * PAGE_SIZE, ...)
    session.touch("p1", session.names["a"] + PAGE_SIZE, "load")        p1.load(a + 1 * PAGE_SIZE)
    print(session.code())                                              the whole session, ready to run

Errors and signals are answers, and the session goes on, here and in the code:

    with suppress(OSError):  # EINVAL: length is 0: an area has at least one byte
        p1.mmap(0, 0 * PAGE_SIZE, PROT_READ, MAP_SHARED, 3)

Units: `pages` and file offsets in pages, addresses in bytes.
"""

from __future__ import annotations

import errno
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from mmaplab import constants
from mmaplab.constants import PAGE_SIZE, Ms, Open
from mmaplab.interface import FatalSignal
from mmaplab.sim import Kernel
from mmaplab.sim.events import DiskWrite
from mmaplab.sim.process import Process
from mmaplab.sim.trace import Record
from mmaplab.views.guess import runs

Setup = Callable[[], tuple[Kernel, Process]]

BENCH = """from mmaplab.constants import *
from mmaplab.sim import Kernel

kernel = Kernel()
kernel.create_file("data.bin", bytes(8 * PAGE_SIZE))
p1 = kernel.spawn()
fd = p1.open("data.bin", O_RDWR)"""
"""The code of `bench`, as a session shows it."""

SUPPRESS, SIGNAL = "from contextlib import suppress", "from mmaplab.interface import FatalSignal"
"""What the code of a session imports besides, where a call has failed, and where one ended in a signal."""

GIVEN = """from mmaplab.constants import *

kernel, p1 = setup()"""
"""How a session begins that was given a setup of its own."""


def bench() -> tuple[Kernel, Process]:
    """Return a machine with one cold file of 8 pages, and a process that has it open."""
    kernel = Kernel()
    kernel.create_file("data.bin", bytes(8 * PAGE_SIZE))
    p = kernel.spawn()
    p.open("data.bin", Open.O_RDWR)
    return kernel, p


@dataclass(frozen=True)
class Line:
    """One call: its code, and what came of it; `raised` names the exception of an error or a signal."""

    code: str
    answer: str
    raised: str = ""

    @property
    def failed(self) -> bool:
        """Was the answer an error or a signal?"""
        return bool(self.raised)

    def __str__(self) -> str:
        if self.raised:
            return f"with suppress({self.raised}):  # {self.answer}\n    {self.code}"
        return f"{self.code}  # {self.answer}" if self.answer else self.code


class Session:
    """A kernel, its living processes by name (p1, p2, ...), and what mmap returned by name (a, b, ...)."""

    def __init__(self, setup: Setup, shown: str = GIVEN) -> None:
        self.setup, self.shown = setup, shown
        self.reset()

    def reset(self) -> None:
        """Begin anew, with a fresh kernel."""
        self.kernel, process = self.setup()
        self.processes: dict[str, Process] = {"p1": process}
        self.names: dict[str, int] = {}
        self.lines: list[Line] = []
        for entry in process.maps():
            name = self._new_name()
            self.names[name] = entry.start
            self.lines.append(Line(f"{name} = {entry.start:#x}", entry.path or "anonymous"))

    def code(self) -> str:
        """Return the session as code that runs as it stands."""
        raised = {line.raised for line in self.lines} - {""}
        imports = [SUPPRESS] * bool(raised) + [SIGNAL] * ("FatalSignal" in raised)
        return "\n".join([*imports, self.shown, *map(str, self.lines)])

    def constant(self, names: str) -> int:
        """Return the value of constants as code writes them: `PROT_READ | PROT_WRITE`."""
        value = 0
        for name in names.split("|"):
            value |= int(getattr(constants, name.strip()))
        return value

    def address(self, words: str) -> int:
        """Return an address that a person typed: 0, 0x7000, a, a+3 (three pages after a). Raises ValueError."""
        name, plus, pages = (part.strip() for part in words.partition("+"))
        try:
            base = self.names[name] if name in self.names else int(name, 0)
            return base + (int(pages) * PAGE_SIZE if plus else 0)
        except ValueError:
            known = ", ".join(self.names) or "none yet"
            raise ValueError(
                f"{words!r} is no address: give 0, a number such as 0x10000, or a name (known: {known}) "
                "and perhaps + pages, for example a+3"
            ) from None

    def where(self, addr: int) -> str:
        """Return an address as code: from the nearest name below it, else as a number."""
        below = [(value, name) for name, value in self.names.items() if value <= addr < value + (1 << 30)]
        if not below or (addr - max(below)[0]) % PAGE_SIZE:
            return f"{addr:#x}" if addr else "0"
        value, name = max(below)
        pages = (addr - value) // PAGE_SIZE
        return f"{name} + {pages} * PAGE_SIZE" if pages else name

    def _new_name(self) -> str:
        free = [letter for letter in string.ascii_lowercase if letter not in self.names and letter != "p"]
        return free[0] if free else f"a{len(self.names)}"

    def _run(self, code: str, call: Callable[[], object]) -> Line:
        """Make one call and keep it as a line."""
        try:
            answer, raised = call(), ""
            told = "" if answer is None else hex(answer) if type(answer) is int and answer > 4096 else repr(answer)
        except FatalSignal as signal:
            told, raised = str(signal), "FatalSignal"
        except OSError as error:
            told, raised = f"{errno.errorcode.get(error.errno or 0, 'OSError')}: {error.strerror}", "OSError"
        line = Line(code, told, raised)
        self.lines.append(line)
        return line

    # ---------------------------------------------------------------- calls

    def mmap(self, who: str, hint: str, pages: int, prot: str, flags: str, fd: int, offset: int) -> Line:
        """Map `pages` pages; `fd` is -1 for anonymous memory; `hint` is typed (see `address`)."""
        addr, name = self.address(hint), self._new_name()
        if fd < 0:
            flags, offset = f"{flags} | MAP_ANONYMOUS", 0
        shown = "0" if not addr else self.where(addr)
        tail = f", {fd}, {offset} * PAGE_SIZE" if offset else f", {fd}" if fd >= 0 else ""
        code = f"{who}.mmap({shown}, {pages} * PAGE_SIZE, {prot}, {flags}{tail})"
        wanted = (addr, pages * PAGE_SIZE, self.constant(prot), self.constant(flags), fd, offset * PAGE_SIZE)

        line = self._run(f"{name} = {code}", lambda: self.processes[who].mmap(*wanted))
        if line.failed:
            self.lines[-1] = line = replace(line, code=code)
        else:
            self.names[name] = int(line.answer, 0)
        return line

    def munmap(self, who: str, addr: int, pages: int) -> Line:
        """Unmap `pages` pages."""
        code = f"{who}.munmap({self.where(addr)}, {pages} * PAGE_SIZE)"
        return self._run(code, lambda: self.processes[who].munmap(addr, pages * PAGE_SIZE))

    def mprotect(self, who: str, addr: int, pages: int, prot: str) -> Line:
        """Change the rights of `pages` pages."""
        code = f"{who}.mprotect({self.where(addr)}, {pages} * PAGE_SIZE, {prot})"
        return self._run(code, lambda: self.processes[who].mprotect(addr, pages * PAGE_SIZE, self.constant(prot)))

    def madvise(self, who: str, addr: int, pages: int, advice: str) -> Line:
        """Advise the kernel about `pages` pages."""
        code = f"{who}.madvise({self.where(addr)}, {pages} * PAGE_SIZE, {advice})"
        return self._run(code, lambda: self.processes[who].madvise(addr, pages * PAGE_SIZE, self.constant(advice)))

    def msync(self, who: str, addr: int, pages: int) -> Line:
        """Write `pages` pages back and wait."""
        code = f"{who}.msync({self.where(addr)}, {pages} * PAGE_SIZE, MS_SYNC)"
        return self._run(code, lambda: self.processes[who].msync(addr, pages * PAGE_SIZE, Ms.MS_SYNC))

    def touch(self, who: str, addr: int, kind: str) -> Line:
        """Load or store the first byte of a page."""
        process, place = self.processes[who], self.where(addr)
        if kind == "load":
            return self._run(f"{who}.load({place})", lambda: process.load(addr))
        return self._run(f'{who}.store({place}, b"x")', lambda: process.store(addr, b"x"))

    def fork(self, who: str) -> Line:
        """Make a child; it gets the next free name."""
        name = f"p{max(int(known[1:]) for known in self.processes) + 1}"

        def call() -> None:
            self.processes[name] = self.processes[who].fork()

        return self._run(f"{name} = {who}.fork()", call)

    def tick(self, seconds: float) -> Line:
        """Let time pass; the flusher and the journal wake up in it. The answer says what was written."""
        seen = len(self.kernel.trace.records)
        line = self._run(f"kernel.tick({seconds:g})", lambda: self.kernel.tick(seconds))
        self.lines[-1] = line = replace(line, answer=self._written(self.kernel.trace.records[seen:]))
        return line

    def run_flusher(self) -> Line:
        """Let as much time pass as the flusher needs for everything that is dirty now.

        Linux: a page that was dirty for dirty_expire_centisecs is written at the next wake-up, and these are
        dirty_writeback_centisecs apart.
        """
        config = self.kernel.config
        return self.tick(config.dirty_expire_seconds + config.flush_tick_seconds)

    def _written(self, records: Sequence[Record]) -> str:
        """Return in words what went to the disk."""
        names = {inode.ino: name for name, inode in self.kernel.files.names.items()}
        wrote: dict[int, set[int]] = {}
        for record in records:
            event = record.event
            if isinstance(event, DiskWrite):
                wrote.setdefault(event.ino, set()).update(range(event.index, event.index + event.npages))
        if not wrote:
            return "nothing was written"
        parts = [f"{runs(pages)} of {names.get(ino, 'a deleted file')}" for ino, pages in sorted(wrote.items())]
        return f"the flusher wrote {', '.join(parts)}"

    def pull_the_plug(self) -> Kernel:
        """Fail the power, and start a new kernel with what the disk holds; returns the one that is gone.

        Its first process opens each file that is still there.
        """
        gone = self.kernel
        self.kernel = gone.power_failure()
        self.names, left = {}, [path for path in gone.files.names if path in self.kernel.files.names]
        self.lines.append(Line("kernel = kernel.power_failure()", f"the disk holds {', '.join(left) or 'no file'}"))
        again = self.kernel.spawn()
        self.processes = {"p1": again}
        self.lines.append(Line("p1 = kernel.spawn()", ""))
        for path in left:
            self._run(f"p1.open({path!r}, O_RDWR)", partial(again.open, path, Open.O_RDWR))
        return gone
