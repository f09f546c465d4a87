"""The simulated kernel: deterministic, explains every step, runs anywhere."""

from mmaplab.sim.config import KernelConfig
from mmaplab.sim.kernel import Kernel

__all__ = ["Kernel", "KernelConfig"]
