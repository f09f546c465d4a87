"""The live Linux kernel, and thin wrappers for looking at one's own process."""

from mmaplab.lab import NotAvailable
from mmaplab.real.kernel import LinuxKernel
from mmaplab.real.worker import WorkerDied, WorkerHung

__all__ = ["LinuxKernel", "NotAvailable", "WorkerDied", "WorkerHung"]
