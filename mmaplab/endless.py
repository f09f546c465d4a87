"""Python that never comes to an end: it is stopped, and an error says where.

    while True: p.load(a)      calls without end     the recorder of the program counts them (program.py)
    while True: pass           lines without end     `Lines` counts them, and may look at the clock

Python tells a trace function of every line that it runs (sys.settrace). Lines of this package are not counted: only
those of a program, or of a learner's function.
Leaves out: what runs for ever inside one line without a line of Python, as `time.sleep(1e9)` or `sum(iter(int, 1))`.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

PACKAGE = str(Path(__file__).resolve().parent)
LOOKS_AFTER = 1024
"""The clock is looked at after so many lines."""
Tracer = Callable[[FrameType, str, object], Any]


class EndlessProgram(RuntimeError):
    """The program made more calls, ran longer, or ran more lines without a call, than it may."""


class Endless(BaseException):
    """What is being run is to end now. Not an Exception, so that no `except Exception` of its own keeps it."""


class EndlessRun(Endless):
    """The same for a whole program; whoever runs it makes an EndlessProgram of it."""


def nothing_to_look_at() -> None:
    """The clock of what may take as long as it likes."""


class Lines:
    """Counts lines of Python outside this package, and inside `own_file`; raises `error` after `most` of them.

    `look` is called now and then, and may raise it for another reason.
    """

    def __init__(
        self,
        most: float,
        own_file: str = "",
        error: type[Endless] = Endless,
        look: Callable[[], None] = nothing_to_look_at,
    ) -> None:
        self.most, self.own_file, self.error, self.look = most, own_file, error, look
        self.count = 0
        self._before: Any = None

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function and count its lines; whoever else traced this thread does so again afterwards."""
        before, kept = sys.gettrace(), self._before
        self._before = before
        sys.settrace(self._enter)
        try:
            return function(*args)
        finally:
            sys.settrace(before)
            self._before = kept

    def pause(self) -> bool:
        """Count nothing until `resume`; says whether lines are being counted."""
        counting = sys.gettrace() == self._enter
        if counting:
            sys.settrace(self._before)
        return counting

    def resume(self, counting: bool) -> None:
        """Begin to count anew, where it was paused."""
        self.count = 0
        if counting:
            sys.settrace(self._enter)

    def add(self, lines: int, where: str) -> None:
        """Count so many lines at once."""
        self.count += lines
        if self.count > self.most:
            raise self.error(where)

    def _enter(self, frame: FrameType, event: str, arg: object) -> Tracer | None:
        """A function is entered: follow it line by line where it is not the package's own."""
        path = frame.f_code.co_filename
        return None if path.startswith(PACKAGE) and path != self.own_file else self._line

    def _line(self, frame: FrameType, event: str, arg: object) -> Tracer:
        if event == "line":
            self.count += 1
            if self.count > self.most:
                raise self.error(line_text(frame.f_code.co_filename, frame.f_lineno))
            if self.count % LOOKS_AFTER == 0:
                self.look()
        return self._line


def line_text(path: str, number: int) -> str:
    """Return a line of source with its number: `line 7: return vma`."""
    return f"line {number}: {linecache.getline(path, number).strip()[:100]}".removesuffix(": ")
