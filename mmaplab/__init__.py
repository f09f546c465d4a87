"""How Linux memory mapping works: one program, run on a simulated and on the live kernel.

    from mmaplab.sim import Kernel            the simulated kernel
    from mmaplab.real import LinuxKernel      the kernel of this machine
    from mmaplab.notebook import ...          everything that a chapter uses

The two exceptions that end a memory access are here, because every program meets them.
"""

from __future__ import annotations

from mmaplab.interface import BusError, FatalSignal, SegmentationFault

__version__ = "0.1.0"

__all__ = ["BusError", "FatalSignal", "SegmentationFault", "__version__"]
