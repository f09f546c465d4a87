"""A learner's function on its way into a slot: what it may do wrong is caught there and named.

    counts     lines of the learner's own code, so that an endless loop ends at the same line every time
    checks     the type of what it gives back
    remembers  the call that the reference answers differently (where asking changes nothing), else the last one

A loop that runs no line of Python, as `time.sleep(1000)`, is ended by the time limit of the process (ask.py).
"""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import Any

from mmaplab.endless import PACKAGE, Endless, Lines, line_text
from mmaplab.grading.contracts import CONTRACTS, error_words, misfit, value_words
from mmaplab.sim.kernel import REFERENCE

MOST_LINES = 50_000
"""Lines of the learner's code that one call of a program may run."""
CALL_LINES = 20
"""A call of the function counts as so many lines: the kernel's own loop around it must end too."""
LIBRARY = str(Path(linecache.__file__).parent)


class WrongType(Exception):
    """The learner's function gave back something that the kernel cannot use."""


class Watched:
    """A function in a slot. Raises TypeError at once where it does not take the slot's arguments."""

    def __init__(self, slot: str, function: Callable[..., Any], most_lines: int = MOST_LINES) -> None:
        why = misfit(slot, function)
        if why:
            raise TypeError(why)
        self.slot, self.function, self.most_lines = slot, function, most_lines
        self.contract = CONTRACTS[slot]
        code = getattr(function, "__code__", None)
        self.own_file = code.co_filename if isinstance(code, CodeType) else ""
        self.lines = Lines(most_lines, self.own_file)
        self.said = ""
        """The call that tells the difference best, in words."""
        self._disagreed = self._failed = False

    def begin(self) -> None:
        """A new call of the program begins: count anew."""
        self.lines.count, self.said, self._disagreed, self._failed = 0, "", False, False

    @property
    def telling(self) -> int:
        """How much does `said` tell: 0 nothing, 1 a call, 2 one that the reference answers otherwise, 3 a failure."""
        return 3 if self._failed else 2 if self._disagreed else int(bool(self.said))

    def __call__(self, *args: Any) -> Any:
        """Call the learner's function as the kernel does."""
        name = f"{self.slot}({', '.join(map(value_words, args))})"
        right = self._reference(args)
        self.lines.add(CALL_LINES, "")
        try:
            result = self.lines.run(self.function, *args)
        except BaseException as error:
            self._failed = True
            ended = "did not come back" if isinstance(error, Endless) else f"raised {error_words(error)}"
            self._remember(name, ended, right)
            raise
        self._remember(name, f"returned {value_words(result)}", right)
        if not self.contract.accepts(result):
            self._failed = True
            raise WrongType(f"{name} returned {value_words(result)}, where {self.contract.gives} is asked for")
        return result

    def _reference(self, args: tuple[Any, ...]) -> str:
        """Return what the reference answers to the same question, "" where asking would change something."""
        if not self.contract.pure:
            return ""
        try:
            return f"returned {value_words(getattr(REFERENCE, self.slot)(*args))}"
        except NotImplementedError:  # the copy of the package that grading in bulk uses has no reference
            return ""
        except Exception as error:
            return f"raised {error_words(error)}"

    def _remember(self, name: str, came: str, right: str) -> None:
        if self._disagreed:
            return
        self._disagreed = bool(right) and came != right
        self.said = f"your {name} {came}" + (f"; the reference {right}" if self._disagreed else "")

    # ---- what went wrong, in words

    def complaint(self, error: BaseException) -> dict[str, str]:
        """Return what the learner's function did wrong, with the line of their own code: `raised` and `line`."""
        if isinstance(error, Endless):
            where = str(error)
            text = f"does not come to an end: {self.most_lines:,} lines were not enough for one call"
            return {"endless": text, "line": where}
        line = self.own_line(error)
        kind = "wrong_type" if isinstance(error, WrongType) else "raised"
        text = str(error) if kind == "wrong_type" else f"{type(error).__name__}: {error}".removesuffix(": ")
        return {kind: text[:400], "line": line}

    def own_line(self, error: BaseException) -> str:
        """Return the last line of the learner's own code that an error came through, "" where it came through none."""
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if frame.filename == self.own_file]
        own = own or [frame for frame in frames if not frame.filename.startswith((PACKAGE, LIBRARY))]
        return line_text(own[-1].filename, own[-1].lineno or 0) if own else ""
