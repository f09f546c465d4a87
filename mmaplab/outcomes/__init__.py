"""Everything that may come of a program: after a crash at any point of it, and of several in any order of steps."""

from mmaplab.outcomes.crash import CrashOutcome, CrashOutcomes, Moment, crash_outcomes
from mmaplab.outcomes.held import SteeredProgram
from mmaplab.outcomes.orders import Interleaving, Interleavings, TooManySchedules, interleavings
from mmaplab.outcomes.watch import TooManyOutcomes

__all__ = [
    "CrashOutcome",
    "CrashOutcomes",
    "Interleaving",
    "Interleavings",
    "Moment",
    "SteeredProgram",
    "TooManyOutcomes",
    "TooManySchedules",
    "crash_outcomes",
    "interleavings",
]
