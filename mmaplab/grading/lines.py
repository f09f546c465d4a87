"""What each line of a program does, in the words in which a learner predicts it.

asks            for                  the answer
ends            each line            "ok", or the name of the signal or error: "SIGBUS", "EACCES"
areas           each line            how many areas p has after it
bytes copied    each line            bytes that the processor copies: between cache and caller, and on write
letters         each load or read    the letters that it gets: "aB"
file pages      each load            the page of the file that it shows
"""

from __future__ import annotations

import errno
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from mmaplab.calls import Call, Outcome, perform
from mmaplab.grading.observe import kernel_for
from mmaplab.grading.plain import Plain
from mmaplab.grading.programs import Scenario
from mmaplab.interface import FatalSignal, Process
from mmaplab.ledger import copies

BY_PROCESSOR = ("copy_to_user", "copy_from_user", "cow")


@dataclass(frozen=True)
class Line:
    """One call that was made, how it ended, and what there was afterwards."""

    call: Call
    outcome: Outcome
    areas: int
    copied: int

    @property
    def data(self) -> bytes | None:
        """The bytes that the call handed to the program; None where it hands none."""
        return self.outcome.value if isinstance(self.outcome.value, bytes) else None

    @property
    def ending(self) -> str:
        """How the call ended, in a word."""
        error = self.outcome.error
        if isinstance(error, FatalSignal):
            return signal.Signals(error.signo).name
        return errno.errorcode[error.errno or 0] if isinstance(error, OSError) else "ok"


def lines_of(scenario: Scenario) -> list[Line]:
    """Run a program on the reference, and return its lines."""
    kernel = kernel_for(scenario, {}, trace=True)
    names: dict[str, object] = {"p": (p := cast(Process, kernel.spawn()))}
    found = []
    for call in scenario.calls:
        begin = len(kernel.trace.records)
        outcome = perform(call, names)
        moved = copies(kernel.trace.records[begin:])
        found.append(Line(call, outcome, len(p.maps()), sum(moved[why] for why in BY_PROCESSOR)))
    return found


ASKS: dict[str, Callable[[list[Line]], list[Plain]]] = {
    "ends": lambda lines: [line.ending for line in lines],
    "areas": lambda lines: [line.areas for line in lines],
    "bytes copied": lambda lines: [line.copied for line in lines],
    "letters": lambda lines: [line.data.decode("ascii") for line in lines if line.data is not None],
    "file pages": lambda lines: [line.data[0] - 1 for line in lines if line.data is not None],
}
"""What may be asked about a program's lines; a file's page i holds the byte i + 1 (`programs.pages`)."""
OF_EACH_LINE = ("ends", "areas", "bytes copied")
