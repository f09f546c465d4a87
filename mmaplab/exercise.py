"""What an exercise imports, in one place. No logic lives here.

from mmaplab.exercise import Kernel, check, hint, pages, source

No widget and no picture is among it, so that it loads in half the time of mmaplab.notebook: each answer that is graded
runs in a process that has to load it.
"""

from __future__ import annotations

from mmaplab import ledger
from mmaplab.grading.desk import check, frames_here, hint, run_here, score, variant
from mmaplab.grading.programs import pages
from mmaplab.interface import BusError, FatalSignal, SegmentationFault
from mmaplab.outcomes import crash_outcomes, interleavings
from mmaplab.sim import Kernel, KernelConfig
from mmaplab.sim.filefault import filemap_map_pages
from mmaplab.sim.mm_types import FaultResult
from mmaplab.source import source

__all__ = [
    "BusError",
    "FatalSignal",
    "FaultResult",
    "Kernel",
    "KernelConfig",
    "SegmentationFault",
    "check",
    "crash_outcomes",
    "filemap_map_pages",
    "frames_here",
    "hint",
    "interleavings",
    "ledger",
    "pages",
    "run_here",
    "score",
    "source",
    "variant",
]
