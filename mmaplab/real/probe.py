"""The machine is asked, not assumed: what can this Linux show, and what does the course lose where it cannot?

probe()         a list of findings, each with its answer in words
doctor()        the same as a report, for the terminal or a notebook
measured(dir)   plain values for KernelConfig.of_this_machine
"""

from __future__ import annotations

import html
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmaplab.lab import NotAvailable, kernel_version
from mmaplab.real import files, machine, procfs
from mmaplab.real.kernel import LinuxKernel
from mmaplab.real.mapping import cached, file_mapping, warm_file
from mmaplab.real.own import page_entries
from mmaplab.real.perf import FaultRing

OLDEST, NEWEST = (5, 15), (6, 18)
"""The versions that the simulator's profiles stand for; see KernelConfig.named."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was asked: `what`, the `answer` in words, whether it is `good`, and the `cost` where it is not."""

    what: str
    answer: str
    good: bool = True
    cost: str = ""


@dataclass(frozen=True)
class Report:
    """The findings of one machine, as text and as HTML."""

    findings: tuple[Finding, ...]

    def __str__(self) -> str:
        width = max(len(finding.what) for finding in self.findings)
        lines = []
        for finding in self.findings:
            lines.append(f"{'yes ' if finding.good else 'no  '} {finding.what:<{width}}  {finding.answer}")
            if finding.cost:
                lines.append(f"     {'':<{width}}  {finding.cost}")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = []
        for finding in self.findings:
            mark = "✓" if finding.good else "–"
            cost = f"<br><em>{html.escape(finding.cost)}</em>" if finding.cost else ""
            cells = [mark, html.escape(finding.what), html.escape(finding.answer) + cost]
            rows.append("<tr>" + "".join(f"<td style='text-align:left'>{cell}</td>" for cell in cells) + "</tr>")
        head = "<tr><th></th><th style='text-align:left'>asked</th><th style='text-align:left'>answer</th></tr>"
        return f"<table><caption>What this machine can show</caption>{head}{''.join(rows)}</table>"


def doctor(directory: str | os.PathLike[str] | None = None) -> Report:
    """Return the report on this machine; it raises nothing, whatever is missing."""
    return Report(tuple(probe(directory)))


def measured(directory: str | os.PathLike[str] | None = None) -> machine.Values:
    """Return this machine's values by the names of KernelConfig's fields, measured in a live process.

    `directory` is where the files will be. Raises NotAvailable where there is no live kernel.
    """
    with LinuxKernel(directory) as kernel:
        return machine.machine(kernel)


def probe(directory: str | os.PathLike[str] | None = None) -> list[Finding]:
    """Ask this machine everything that the course would like to know; raises nothing."""
    try:
        kernel = LinuxKernel(directory)
    except (NotAvailable, OSError) as reason:
        why = getattr(reason, "strerror", None) or str(reason)
        return [_system(), Finding("live kernel", why, False, "Every lab shows its recorded result.")]
    with kernel:
        values = _values(kernel)
        parent = str(Path(kernel.directory).parent)
        questions: dict[str, Callable[[], Finding]] = {
            "system": _system,
            "version": _version,
            "live processes": lambda: _live(kernel),
            "file system": lambda: _file_system(kernel, parent),
            "fault-around": lambda: _fault_around(values),
            "large folios": lambda: _whole_folios(values),
            "readahead": lambda: _readahead(values, parent),
            "fault addresses": _perf,
            "page table": lambda: _pagemap(parent),
            "cachestat": lambda: _cachestat(parent),
            "transparent huge pages": _huge_pages,
            "protection keys": _protection_keys,
            "container": _container,
            "rights": lambda: _rights(values),
        }
        return [_ask(what, question) for what, question in questions.items()]


def _values(kernel: LinuxKernel) -> machine.Values:
    """Return what was measured; a machine on which even that fails has no values, and each question says so."""
    try:
        return machine.machine(kernel)
    except (OSError, RuntimeError, ValueError):
        return {}


def _ask(what: str, question: Callable[[], Finding]) -> Finding:
    """Return a question's finding; one that fails in an unknown way is a finding, too."""
    try:
        return question()
    except Exception as error:  # a doctor never fails, whatever the machine does
        why = getattr(error, "strerror", None) or str(error)
        return Finding(what, f"could not be found out: {why}", False, "The labs on it show their recorded results.")


def _system() -> Finding:
    name = f"{platform.system()} {kernel_version()}, {platform.machine()}"
    if not hasattr(os, "sysconf"):
        return Finding("system", name)
    return Finding("system", f"{name}, pages of {os.sysconf('SC_PAGE_SIZE')} bytes, {os.cpu_count()} processors")


def _version() -> Finding:
    """Is this a Linux that the simulator knows?"""
    found = machine.release()
    known = [".".join(map(str, version)) for version in (OLDEST, NEWEST)]
    if found < OLDEST:
        cost = "Older ways of the kernel are not predicted: where the twin shows a difference, believe the live kernel."
        return Finding("version", f"older than {known[0]}, the oldest that the simulator knows", False, cost)
    if found > NEWEST:
        cost = "What is new is not predicted: where the twin shows a difference, believe the live kernel."
        return Finding("version", f"newer than {known[1]}, the newest that the simulator knows", False, cost)
    if found == NEWEST:
        return Finding("version", f"{known[1]}, which the simulator is compared with")
    return Finding("version", f"between {known[0]} and {known[1]}: the simulator takes the older ways where it must")


def _live(kernel: LinuxKernel) -> Finding:
    if kernel.executor == "machine code":
        return Finding("live processes", "empty processes of machine code: every fault and area is the program's own")
    cost = "Programs run as everywhere, but addresses and single fault counts may differ from the prediction."
    return Finding("live processes", "Python processes", False, cost)


def _file_system(kernel: LinuxKernel, parent: str) -> Finding:
    kind = files.file_system_of(parent).fs_type
    answer = f"{kind} in {_shown(parent)}"
    if kind in files.DISK:
        return Finding("file system", answer)
    if kind == "overlay":
        cost = "A container's own layers: cachestat answers 0. Give LinuxKernel(directory=...) a volume."
    else:
        cost = "It has no disk, or not the usual page cache: major faults and readahead cannot be shown."
    return Finding("file system", answer, False, cost)


def _shown(path: str) -> str:
    """Return a path with the home directory as ~: a report may be shown to others."""
    home = str(Path.home())
    return "~" + path[len(home) :] if path == home or path.startswith(home + "/") else path


def _fault_around(values: machine.Values) -> Finding:
    window = values.get("fault_around_bytes")
    if window is None:
        return Finding("fault-around", "could not be measured", False, "Predictions use the usual 64 KiB.")
    return Finding("fault-around", f"a read fault maps up to {int(window) // 4096} cached pages (measured)")


def _whole_folios(values: machine.Values) -> Finding:
    if values.get("map_whole_folio") and values.get("large_folios"):
        return Finding("large folios", "a fault maps a whole large folio: a file written in one piece takes few faults")
    if values.get("large_folios"):
        return Finding("large folios", "files have them, but a fault maps no more than its window")
    return Finding("large folios", "files are cached in single pages")


def _readahead(values: machine.Values, parent: str) -> Finding:
    if "ra_pages" in values:
        return Finding("readahead", f"{int(values['ra_pages']) * 4} KiB for the device below {_shown(parent)} (sysfs)")
    cost = "Predictions of cold files use 128 KiB, and may differ."
    return Finding("readahead", "the device below the directory tells no window", False, cost)


def _perf() -> Finding:
    try:
        ring = FaultRing()
    except NotAvailable as reason:
        cost = "Fault addresses are found page by page (counts and page table before and after), or shown as recorded."
        return Finding("fault addresses", str(reason), False, cost)
    kernel_too = ring.kernel_too
    ring.close()
    return Finding("fault addresses", "perf events" + ("" if kernel_too else ", without faults inside system calls"))


def _pagemap(parent: str) -> Finding:
    with warm_file(1, parent) as path, file_mapping(path) as m:
        before = page_entries(m)[0].present
        m.array[0].item()
        entry = page_entries(m)[0]
    if before or not entry.present:
        return Finding("page table", "pagemap does not tell", False, "Pictures of the live page table are recorded.")
    frames = "with frame numbers" if entry.pfn else "without frame numbers (they need root)"
    return Finding("page table", f"/proc/self/pagemap shows entries, {frames}")


def _cachestat(parent: str) -> Finding:
    cost = "Residency is asked with mincore, dirtiness with smaps."
    with warm_file(4, parent) as path:
        try:
            found = cached(path).cached
        except NotAvailable as reason:
            return Finding("cachestat", str(reason), False, cost)
    if found != 4:
        return Finding("cachestat", f"answers {found} for a file with 4 cached pages", False, cost)
    return Finding("cachestat", "works")


def _huge_pages() -> Finding:
    try:
        text = Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text()
    except OSError:
        return Finding("transparent huge pages", "this kernel has none")
    mode = text.partition("[")[2].partition("]")[0]
    if mode == "always":
        cost = "Anonymous memory may come in pieces of 2 MiB: programs of that size take fewer faults than predicted."
        return Finding("transparent huge pages", mode, False, cost)
    return Finding("transparent huge pages", mode)


def _protection_keys() -> Finding:
    """May memory for execution only be loaded from? Either answer is predicted."""
    if procfs.has_protection_keys():
        return Finding("protection keys", "the processor has them: memory with PROT_EXEC alone cannot be loaded from")
    return Finding("protection keys", "the processor has none: memory with PROT_EXEC alone can be loaded from")


def _container() -> Finding:
    signs = [name for name in ("/.dockerenv", "/run/.containerenv") if Path(name).exists()]
    if signs or files.file_system_of("/").fs_type == "overlay":
        return Finding("container", "this runs in one: some of Linux may be hidden, the other answers say what")
    return Finding("container", "none")


def _rights(values: machine.Values) -> Finding:
    lock = "without limit" if values["cap_ipc_lock"] else f"up to {int(values['rlimit_memlock']) >> 10} KiB"
    low = "from address 0" if values["cap_sys_rawio"] else f"from {int(values['mmap_min_addr']):#x}"
    return Finding("rights", f"{'root' if os.geteuid() == 0 else 'ordinary user'}: mlock {lock}, mappings {low}")
