"""The page fault: from a translation that is missing to one that is there.

    do_user_addr_fault     is there an area, and does it permit this?      no -> SIGSEGV
      handle_mm_fault
        handle_pte_fault   which of the five cases is it?
          do_anonymous_page, do_read_fault, do_cow_fault, do_shared_fault, do_wp_page
                           can the file supply the page?                   no -> SIGBUS
      minor or major?      had the disk to be waited for?

Linux: arch/x86/mm/fault.c, mm/memory.c, mm/gup.c (populate). Leaves out: locks, huge entries, NUMA hints, signals'
delivery (the access raises an exception instead, and the process lives on).
"""

from __future__ import annotations

import errno

from mmaplab.constants import PAGE_SHIFT, PAGE_SIZE, BusCode, SegvCode, Sig, VmFlags
from mmaplab.interface import FatalSignal, fatal_signal
from mmaplab.pte import PAGE_DIRTY, PAGE_RW, is_guard_pte_marker, pte_present, pte_user, pte_write
from mmaplab.sim.anon import do_anonymous_page
from mmaplab.sim.arguments import few_enough
from mmaplab.sim.events import PageFault, Signal
from mmaplab.sim.filefault import do_cow_fault, do_read_fault, do_shared_fault
from mmaplab.sim.memory import OutOfMemory
from mmaplab.sim.merge import anon_vma_prepare
from mmaplab.sim.mm_types import VM_ACCESS_FLAGS, FaultResult, MmStruct, TaskStruct, VmArea, VmFault, vma_permits_loads
from mmaplab.sim.rlimit import acct_stack_growth
from mmaplab.sim.vma import STACK_GUARD_GAP, vma_adjust

PATIENCE = 100
"""So often the same access may fault in a row. The kernel's own functions need a few faults at most."""


class NoProgress(RuntimeError):
    """An access faults again and again, and does not come through. The kernel object stays usable."""


def do_user_addr_fault(task: TaskStruct, addr: int, want: str) -> None:
    """Make the access possible, or raise the signal that answers it. Counts the fault as minor or major.

    Linux: do_user_addr_fault, arch/x86/mm/fault.c; mm_account_fault, mm/memory.c.
    """
    mm = mm_of(task)
    with mm.trace.span(PageFault, task.pid, mm.mm, addr, want) as span:
        vma = mm.slots.find_vma(mm, addr)
        if vma is None or (addr < vma.vm_start and not expand_stack(task, vma, addr)):
            raise bad_area(task, addr, SegvCode.SEGV_MAPERR)
        if want != "execute" and not vma_permits_loads(vma):
            raise bad_area(task, addr, SegvCode.SEGV_PKUERR)
        if access_error(vma, addr, want):
            raise bad_area(task, addr, SegvCode.SEGV_ACCERR)
        vmf = VmFault(vma, addr, want)
        result = retry_until_done(vmf)
        while result & FaultResult.VM_FAULT_OOM and pagefault_out_of_memory(task):
            result = retry_until_done(vmf)
        if result.failed:
            raise fault_signal(mm, task, addr, result)
        span.outcome = "major" if result & FaultResult.VM_FAULT_MAJOR or vmf.tried else "minor"
        mm.trace.count_fault(task.tgid, span.outcome)


def retry_until_done(vmf: VmFault) -> FaultResult:
    """Handle the fault, again whenever it had to wait. Its second wait, and a wait for the disk, make it major.

    The first attempt holds only the area's lock and may be repeated without being marked (6.4 and later).
    """
    mm = vmf.vma.vm_mm
    marked = not mm.config.async_hit_is_minor
    for _ in range(PATIENCE):
        try:
            result = FaultResult(mm.slots.handle_mm_fault(vmf))
        except OutOfMemory:
            return FaultResult.VM_FAULT_OOM
        if not result & FaultResult.VM_FAULT_RETRY:
            return result
        if marked or result & FaultResult.VM_FAULT_MAJOR:
            vmf.tried = True
        marked = True
    raise no_progress(mm, vmf.real_address, vmf.want)


def handle_mm_fault(vmf: VmFault) -> FaultResult:
    """Bring in the page of one fault. Linux: handle_mm_fault, __handle_mm_fault, mm/memory.c.

    Leaves out: the walk down to the entry, which `PageTable` does, and huge entries on the way.
    """
    return handle_pte_fault(vmf)


def handle_pte_fault(vmf: VmFault) -> FaultResult:
    """Which case is it? Linux: handle_pte_fault, mm/memory.c."""
    vma, mm = vmf.vma, vmf.vma.vm_mm
    pte = mm.pgd.get_pte(vmf.address)
    if is_guard_pte_marker(pte):
        return FaultResult.VM_FAULT_SIGSEGV
    if not pte_present(pte):
        if vma.is_anonymous:
            return do_anonymous_page(vmf)  # memory with no file
        if not vmf.write:
            return do_read_fault(vmf)  # map the file's page
        if not vma.shared:
            return do_cow_fault(vmf)  # private: copy at once
        return do_shared_fault(vmf)  # shared: the file's page becomes dirty
    if vmf.write and not pte_write(pte):
        return FaultResult(mm.slots.do_wp_page(vmf))  # present, write-protected
    mm.pgd.set_pte(vmf.address, pte | (PAGE_DIRTY if vmf.write else 0))
    mm.flush_tlb_range(vmf.address, vmf.address + PAGE_SIZE)
    return FaultResult.VM_FAULT_DONE  # permitted already: a processor's copy was stale


# ---------------------------------------------------------------- may it?


def access_error(vma: VmArea, addr: int, want: str) -> bool:
    """Does the area forbid the access? Linux: access_error, arch/x86/mm/fault.c.

    A fetch from a page that is not present is first handled like a load: only a present page shows that it must
    not be executed.
    """
    if want == "store":
        return not vma.vm_flags & VmFlags.VM_WRITE
    pte = vma.vm_mm.pgd.get_pte(addr)
    if pte_present(pte) and pte_user(pte):  # it is there, and still the processor refused
        return not vma.vm_flags & VmFlags.VM_EXEC if want == "execute" else False
    return not vma.vm_flags & VM_ACCESS_FLAGS


def expand_stack(task: TaskStruct, vma: VmArea, addr: int) -> bool:
    """Let an area that grows downwards reach `addr`; False where a limit or a neighbour forbids it.

    Below it a gap of 1 MiB stays free of memory that can be touched, but for another such area. The area gets its
    identity first, so that it has one even where it must not grow. Linux: expand_downwards, mm/vma.c.
    """
    if not vma.vm_flags & VmFlags.VM_GROWSDOWN:
        return False
    mm = vma.vm_mm
    start = addr & -PAGE_SIZE
    if start < mm.config.hint_min_addr:
        return False
    below = mm.mm_mt.prev(vma)
    touchable = below is not None and below.vm_flags & VM_ACCESS_FLAGS and not below.vm_flags & VmFlags.VM_GROWSDOWN
    if below is not None and touchable and start - below.vm_end < STACK_GUARD_GAP:
        return False
    anon_vma_prepare(vma)
    try:
        acct_stack_growth(task, vma.vm_flags, vma.vm_end - start, vma.vm_start - start)
    except OSError:
        return False
    vma_adjust(vma, start=start)
    return True


# ---------------------------------------------------------------- how it ends


def bad_area(task: TaskStruct, addr: int, code: int) -> FatalSignal:
    """Return the SIGSEGV for an access that the address space does not allow. Linux: bad_area."""
    return send_signal(task, Sig.SIGSEGV, code, addr)


def pagefault_out_of_memory(task: TaskStruct) -> bool:
    """End the process that has to go; says whether `task` lives on, and may try again. Linux: the same name."""
    kill = mm_of(task).machine.out_of_memory
    return kill is not None and kill().tgid != task.tgid


def syscall_out_of_memory(task: TaskStruct, error: OutOfMemory) -> Exception:
    """Return how a system call without memory ends: its process, which is the largest, with SIGKILL; else ENOMEM.

    Linux: try_charge_memcg refuses memory to a task that is dying, and the task dies before it sees the ENOMEM.
    """
    mm = mm_of(task)
    if pagefault_out_of_memory(task):
        return OSError(errno.ENOMEM, str(error))
    return send_signal(task, Sig.SIGKILL, 0, 0, mm)


def fault_signal(mm: MmStruct, task: TaskStruct, addr: int, result: FaultResult) -> FatalSignal:
    """Return the signal for a page that cannot be supplied: SIGBUS, SIGSEGV at a guard, or SIGKILL for the victim.

    Linux: do_sigbus, bad_area_nosemaphore.
    """
    if result & FaultResult.VM_FAULT_OOM:
        return send_signal(task, Sig.SIGKILL, 0, addr, mm)
    if result & FaultResult.VM_FAULT_SIGSEGV:
        return send_signal(task, Sig.SIGSEGV, SegvCode.SEGV_MAPERR, addr)
    return send_signal(task, Sig.SIGBUS, BusCode.BUS_ADRERR, addr)


def send_signal(task: TaskStruct, signo: int, code: int, addr: int, mm: MmStruct | None = None) -> FatalSignal:
    """Say in the trace that the process gets a signal, and return the exception to raise. Linux: force_sig_fault.

    `mm` is given for a process that has lost its own already: the victim of a lack of memory.
    """
    signo, code = int(signo), int(code)  # plain numbers are what the live kernel tells, too
    (mm or mm_of(task)).trace.emit(Signal, task.pid, signo, code, addr)
    return fatal_signal(signo, code, addr)


def no_progress(mm: MmStruct, addr: int, want: str) -> NoProgress:
    """Return the error for an access that faults without end: it names the functions in slots that may be the cause."""
    told = (
        f"a {want} at {addr:#x} does not come to an end: it has faulted {PATIENCE} times, and no entry permits it yet"
    )
    names = ", ".join(mm.machine.replaced)
    if not names:
        return NoProgress(f"{told}: that is a mistake of the simulated kernel, please report it")
    return NoProgress(
        f"{told}. Your own functions in this kernel: {names}. Look what they return and what they have done by then: "
        "after each fault either an entry permits the access (`set_pte`, and `translate` finds it), or the result "
        "is one that ends in a signal"
    )


def mm_of(task: TaskStruct) -> MmStruct:
    """Return the address space of a living task; raises ProcessLookupError for one that has exited."""
    if task.mm is None:
        raise ProcessLookupError(errno.ESRCH, f"process {task.pid} has exited")
    return task.mm


# ---------------------------------------------------------------- asked by the kernel itself


def populate_range(task: TaskStruct, vma: VmArea, start: int, end: int, write: bool, waits_count: bool = False) -> int:
    """Fault in the pages of [start, end), a part of `vma`, in order; returns 0 or the errno that stopped it.

    `write` asks for pages that can be stored to. With `waits_count`, a page that the disk was waited for counts as a
    major fault (madvise, mprotect of a locked area); otherwise every one is minor, for the fault is repeated and does
    not know that it is one (mlock, MAP_POPULATE). Linux: populate_vma_page_range, faultin_page_range, mm/gup.c.
    Raises OutOfMemory, TooLarge. A page that the disk cannot read ends it with EFAULT; Linux 6.18 tries again without
    end (measured with mlock).
    """
    if not write or vma.vm_mm.memory.limit is None:  # otherwise memory sets an end to it
        few_enough(f"what is to be in memory of [{start:#x}, {end:#x})", (end - start) >> PAGE_SHIFT)
    for addr in range(start & -PAGE_SIZE, end, PAGE_SIZE):
        tries = 0
        while not gup_can_follow(vma, addr, write):
            vmf, tries = VmFault(vma, addr, "store" if write else "load"), tries + 1
            if tries > PATIENCE:
                raise no_progress(vma.vm_mm, addr, vmf.want)
            result = retry_until_done(vmf)
            if result & FaultResult.VM_FAULT_OOM:
                raise OutOfMemory(f"no frame is left for the page at {addr:#x}")
            if result.failed:
                return errno.EFAULT
            major = waits_count and (vmf.tried or bool(result & FaultResult.VM_FAULT_MAJOR))
            vma.vm_mm.trace.count_fault(task.tgid, "major" if major else "minor")
    return 0


def gup_can_follow(vma: VmArea, addr: int, write: bool) -> bool:
    """Is the page there with the right that is asked for? A writable page is marked dirty on the way.

    Linux: follow_page_pte, mm/gup.c.
    """
    pte = vma.vm_mm.pgd.get_pte(addr)
    if not pte_present(pte) or not pte_user(pte):
        return False
    if not write:
        return True
    if pte & PAGE_RW:
        vma.vm_mm.pgd.set_pte(addr, pte | PAGE_DIRTY)
        return True
    return False
