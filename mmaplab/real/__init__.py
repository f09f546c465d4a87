"""The live Linux kernel, and thin wrappers for looking at one's own process."""

from mmaplab.lab import NotAvailable
from mmaplab.real.counting import fault_addresses, fault_counts, faults_of_touches
from mmaplab.real.kernel import LinuxKernel
from mmaplab.real.mapping import FileMapping, cached, drop_cache, file_mapping, warm_file
from mmaplab.real.own import (
    io_counters,
    maps,
    page_entries,
    pagemap,
    residency,
    rollup,
    smaps,
    status,
    thread_io_counters,
)
from mmaplab.real.probe import doctor, measured, probe
from mmaplab.real.worker import WorkerDied, WorkerHung

__all__ = [
    "FileMapping",
    "LinuxKernel",
    "NotAvailable",
    "WorkerDied",
    "WorkerHung",
    "cached",
    "doctor",
    "drop_cache",
    "fault_addresses",
    "fault_counts",
    "faults_of_touches",
    "file_mapping",
    "io_counters",
    "maps",
    "measured",
    "page_entries",
    "pagemap",
    "probe",
    "residency",
    "rollup",
    "smaps",
    "status",
    "thread_io_counters",
    "warm_file",
]
