"""The pair of a live Linux kernel and the simulator that is set up as this machine is."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from mmaplab.fuzz.pair import Pair
from mmaplab.lab import NotAvailable
from mmaplab.real import LinuxKernel
from mmaplab.real.probe import measured
from mmaplab.sim import KernelConfig


def live_pair(file_system: str, directory: Path | None = None) -> Pair:
    """Return a pair whose files are on this file system, in `directory` or where one is found.

    Raises NotAvailable where there is no live kernel, or no directory on that file system.
    """
    if os.environ.get("MMAPLAB_LIVE") == "off":
        raise NotAvailable("the live kernel is switched off (MMAPLAB_LIVE=off)")
    usual = ["/dev/shm"] if file_system == "tmpfs" else [tempfile.gettempdir(), str(Path.cwd()), "/var/tmp"]
    for candidate in [str(directory)] if directory else usual:
        if not Path(candidate).is_dir():
            continue
        kernel = LinuxKernel(candidate)
        if kernel.executor != "machine code":
            kernel.close()
            raise NotAvailable("addresses and faults can be compared with the machine-code worker only (x86-64)")
        if kernel.file_system == file_system:
            return Pair(kernel, KernelConfig.of_this_machine(measured(kernel.directory)))
        kernel.close()
    raise NotAvailable(f"no directory on {file_system} was found: give one with --directory")
