"""The structures of a process and its memory, as include/linux/mm_types.h and sched.h define them.

    task_struct P1 --mm--> mm_struct 1 --mm_mt--> vm_area_struct, vm_area_struct, ...
                 `-files->     `---------pgd----> page tables

A task is a thread; tasks of one process share an mm. The kernel's own work has none. Data live here, the verbs in the
rooms above (vma.py, merge.py, mm.py, ...).

Leaves out: user ids, namespaces, scheduling: a task stays on the processor it was started on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntFlag

from mmaplab.constants import PAGE_SHIFT, PAGE_SIZE, VmFlags
from mmaplab.pte import PAGE_ACCESSED, PAGE_NX, PAGE_PKEY, PAGE_PRESENT, PAGE_RW, PAGE_USER, pte_pfn
from mmaplab.sim.config import KernelConfig
from mmaplab.sim.file import File, FilesStruct
from mmaplab.sim.inode import Folio
from mmaplab.sim.maple import MapleTree
from mmaplab.sim.memory import ZERO_PFN, Memory
from mmaplab.sim.pgtable import PageTable, Tlb
from mmaplab.sim.slots import Slots
from mmaplab.sim.trace import Trace

VM_ACCESS_FLAGS = VmFlags.VM_READ | VmFlags.VM_WRITE | VmFlags.VM_EXEC


@dataclass
class Machine:
    """The hardware that all tasks share: memory and processors; `cpu` is the one that is running."""

    config: KernelConfig
    trace: Trace
    memory: Memory
    tlbs: list[Tlb]
    slots: Slots
    replaced: tuple[str, ...] = ()
    """The slots that hold a learner's function."""
    cpu: int = 0
    now: float = 0.0
    """Seconds since the start; moved by `Kernel.tick` only."""
    out_of_memory: Callable[[], TaskStruct] | None = None
    """Ends the process that has to go, and returns its task; put in by the kernel (mm/oom_kill.c)."""

    @property
    def by_the_book(self) -> bool:
        """Is no kernel function a learner's? Many alike pages may then be handled at once (bulk.py)."""
        return not self.replaced


@dataclass(eq=False)
class AnonVma:
    """The identity that ties an area to the anonymous pages it has made. Linux: struct anon_vma.

    Areas merge only if their identities agree; fork gives the child's area one of its own.
    """


@dataclass(eq=False)
class VmArea:
    """One contiguous range of addresses with one behaviour. Linux: struct vm_area_struct.

    [vm_start, vm_end) in bytes; `vm_pgoff` in pages: the file page at `vm_start`, for private anonymous memory the
    page number of the address at which it was mapped. `anon_vma_chain` holds its own identity and those it
    inherited through fork.
    """

    vm_mm: MmStruct
    vm_start: int
    vm_end: int
    vm_flags: VmFlags
    vm_pgoff: int
    vm_file: File | None = None
    anon_vma: AnonVma | None = None
    anon_vma_chain: list[AnonVma] = field(default_factory=list)
    maybe_guard: bool = False
    """VM_MAYBE_GUARD: guards are or were in it. Whoever merges with it has it too; fork copies its page table."""
    vm_page_prot: int = field(init=False)
    """The bits that a new entry of this area gets; computed when the area is made and when its flags change."""

    def __post_init__(self) -> None:
        self.vm_page_prot = vm_get_page_prot(self)

    @property
    def shared(self) -> bool:
        """Do stores go to the file? (VM_SHARED: a shared mapping of a file that may be written)"""
        return bool(self.vm_flags & VmFlags.VM_SHARED)

    @property
    def is_anonymous(self) -> bool:
        """Is there no file behind it? Linux: vma_is_anonymous. Shared anonymous memory has one, on tmpfs."""
        return self.vm_file is None

    def pgoff_of(self, addr: int) -> int:
        """Return the file page that the area maps at `addr`. Linux: linear_page_index."""
        return self.vm_pgoff + ((addr - self.vm_start) >> PAGE_SHIFT)

    @property
    def pages(self) -> int:
        """Pages in the area. Linux: vma_pages."""
        return (self.vm_end - self.vm_start) >> PAGE_SHIFT

    @property
    def perms(self) -> str:
        """The rights as /proc/PID/maps prints them, for example `rw-s`."""
        flags = self.vm_flags
        letters = ((VmFlags.VM_READ, "r"), (VmFlags.VM_WRITE, "w"), (VmFlags.VM_EXEC, "x"))
        rights = "".join(letter if flags & bit else "-" for bit, letter in letters)
        return rights + ("s" if flags & VmFlags.VM_MAYSHARE else "p")

    def __repr__(self) -> str:
        name = f" {self.vm_file.f_inode.name} @{self.vm_pgoff}" if self.vm_file else ""
        return f"<VmArea {self.vm_start:x}-{self.vm_end:x} {self.perms}{name}>"


def is_data_mapping(flags: VmFlags) -> bool:
    """Is an area with these flags data, in the sense of RLIMIT_DATA? Linux: is_data_mapping, mm/vma.h."""
    return flags & (VmFlags.VM_WRITE | VmFlags.VM_SHARED | VmFlags.VM_GROWSDOWN) == VmFlags.VM_WRITE


def vm_get_page_prot(vma: VmArea) -> int:
    """Return the bits of an area's new entries: its rights, less writing where stores must be noticed.

    Linux: vma_set_page_prot, vm_get_page_prot (protection_map).
    """
    flags = vma.vm_flags
    if not flags & VM_ACCESS_FLAGS:
        return PAGE_PRESENT | PAGE_ACCESSED | PAGE_NX
    prot = PAGE_PRESENT | PAGE_USER | PAGE_ACCESSED | (0 if flags & VmFlags.VM_EXEC else PAGE_NX)
    if flags & VmFlags.VM_WRITE and vma.shared and not vma_wants_writenotify(vma):
        prot |= PAGE_RW
    return prot if vma_permits_loads(vma) else prot | PAGE_PKEY


def vma_permits_loads(vma: VmArea) -> bool:
    """May the area be loaded from? Memory for execution only may not, where the processor has protection keys.

    Linux: arch_vma_access_permitted, execute_only_pkey, arch/x86/mm/pkeys.c.
    """
    return vma.vm_mm.config.exec_only_readable or vma.vm_flags & VM_ACCESS_FLAGS != VmFlags.VM_EXEC


def vma_wants_writenotify(vma: VmArea) -> bool:
    """Must the first store to each page be noticed? True where pages are written back to a disk.

    Linux: vma_wants_writenotify, mm/vma.c: the file system has a page_mkwrite (ext4 has, tmpfs has not).
    """
    return vma.vm_file is not None and vma.vm_file.f_inode.i_sb.on_disk


@dataclass
class Rss:
    """Resident pages by kind, as /proc/PID/status tells them; the zero page counts nowhere."""

    anon: int = 0
    file: int = 0
    shmem: int = 0


class MmStruct:
    """One address space. Linux: struct mm_struct.

    `brk` is the end of the heap in bytes. Three counts of pages are kept up to date by the doors in vma.py, for the
    limits ask for them at every mmap: `total_vm` all areas (VmSize), `data_vm` private writable ones (RLIMIT_DATA),
    `locked_vm` locked ones (RLIMIT_MEMLOCK).
    """

    def __init__(self, mm: int, machine: Machine) -> None:
        self.mm, self.machine = mm, machine
        self.trace, self.config, self.memory, self.slots = (
            machine.trace,
            machine.config,
            machine.memory,
            machine.slots,
        )
        self.mm_mt: MapleTree[VmArea] = MapleTree()
        self.pgd = PageTable(mm, machine.trace, machine.memory)
        self.start_brk = self.brk = machine.config.start_brk
        self.cpumask: set[int] = set()
        """Processors that may hold copies of this space's entries."""
        self.mm_users = 0
        """Tasks that run in this space; the last one's exit takes it apart."""
        self.total_vm = self.data_vm = self.locked_vm = 0

    @property
    def areas(self) -> list[VmArea]:
        """All areas, in address order."""
        return list(self.mm_mt)

    @property
    def map_count(self) -> int:
        """How many areas there are."""
        return len(self.mm_mt)

    @property
    def rss(self) -> Rss:
        """Resident pages by kind."""
        rss = Rss()
        for _addr, pte in self.pgd.entries(0, self.config.task_size):
            page = self.memory.pages[pte_pfn(pte)]
            if page.pfn == ZERO_PFN:
                continue
            if not isinstance(page.folio, Folio):
                rss.anon += 1
            elif page.folio.mapping.host.i_sb.on_disk:
                rss.file += 1
            else:
                rss.shmem += 1
        return rss

    def flush_tlb_range(self, start: int, end: int) -> None:
        """Make every processor that ran this space forget its copies; the others are interrupted to do it.

        Linux: flush_tlb_mm_range, arch/x86/mm/tlb.c.
        """
        for cpu in sorted(self.cpumask):
            why = "local" if cpu == self.machine.cpu else "shootdown"
            self.machine.tlbs[cpu].flush(self.mm, start, end, why)


@dataclass(eq=False)
class TaskStruct:
    """One thread. Linux: struct task_struct. `mm` is None once it has exited; `rlimits` by resource, in bytes.

    `tgid` is the process it belongs to: the `pid` of the first thread (its own, if it is the first).
    """

    pid: int
    tgid: int
    mm: MmStruct | None
    files: FilesStruct
    cpu: int
    parent: int = 0
    rlimits: dict[int, int] = field(default_factory=dict)


@dataclass
class VmFault:
    """One page fault in flight. Linux: struct vm_fault.

    `want` is 'load', 'store' or 'execute'. `tried` says that the fault is being repeated after it had to wait for
    the disk.
    """

    vma: VmArea
    real_address: int
    want: str
    tried: bool = False

    @property
    def address(self) -> int:
        """The first byte of the page."""
        return self.real_address & -PAGE_SIZE

    @property
    def pgoff(self) -> int:
        """The file page that the area maps there."""
        return self.vma.pgoff_of(self.address)

    @property
    def write(self) -> bool:
        """Is it a store? (FAULT_FLAG_WRITE)"""
        return self.want == "store"


class FaultResult(IntFlag):
    """How a fault handler ended; the bits may be joined. 0: the page is mapped. Linux: enum vm_fault_reason."""

    VM_FAULT_DONE = 0
    VM_FAULT_OOM = 0x1
    VM_FAULT_SIGBUS = 0x2
    VM_FAULT_MAJOR = 0x4
    VM_FAULT_SIGSEGV = 0x40
    VM_FAULT_NOPAGE = 0x100
    """The handler has set the entry itself."""
    VM_FAULT_RETRY = 0x400
    """The handler had to wait; begin the fault again."""

    @property
    def failed(self) -> bool:
        """Does it end in a signal? (VM_FAULT_ERROR)"""
        return bool(self & VM_FAULT_ERROR)


VM_FAULT_ERROR = FaultResult.VM_FAULT_OOM | FaultResult.VM_FAULT_SIGBUS | FaultResult.VM_FAULT_SIGSEGV
"""The results that end in a signal."""
