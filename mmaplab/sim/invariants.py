"""What is always true of the simulated kernel, said once, one named predicate each.

`check(kernel)` raises AssertionError with the names and the details of all that are broken. It may read every room of
the simulator and is imported by none: hand it in with `Kernel(check=invariants.check)`, and it runs after every call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from mmaplab.constants import PAGE_SIZE, VmFlags
from mmaplab.pte import pte_dirty, pte_exec, pte_pfn, pte_present, pte_user, pte_write
from mmaplab.sim.cpu import permits
from mmaplab.sim.fileinvariants import (
    Problems,
    blocks_are_counted,
    clean_agrees_with_disk,
    dirty_pages_are_listed,
    entries,
    file_entries_map_the_cache,
    files_know_their_areas,
    folios_in_place,
    inodes,
    nothing_beyond_the_file,
    pages_of,
    reclaim_knows_every_folio,
    shared_stores_are_noticed,
    spaces,
    users_are_counted,
)
from mmaplab.sim.kernel import Kernel
from mmaplab.sim.maple import Node
from mmaplab.sim.memory import ZERO_PFN
from mmaplab.sim.mm_types import VM_ACCESS_FLAGS, is_data_mapping, vm_get_page_prot, vma_permits_loads
from mmaplab.sim.pgtable import READY
from mmaplab.sim.vma import vma_lookup


def threads_share(kernel: Kernel) -> Problems:
    """The threads of a process share address space, descriptors and limits; an address space counts its tasks."""
    tasks = [process.task for process in kernel.processes.values()]
    users = Counter(id(task.mm) for task in tasks)
    for task in tasks:
        first = kernel.processes[task.tgid].task if task.tgid in kernel.processes else None
        if first is None or (task.mm, task.files, task.rlimits) != (first.mm, first.files, first.rlimits):
            yield f"thread {task.pid} shares not all with process {task.tgid}"
        if task.mm is None or task.mm.mm_users != users[id(task.mm)]:
            yield f"task {task.pid} is one of {users[id(task.mm)]} in its address space, which counts otherwise"


def areas_sorted(kernel: Kernel) -> Problems:
    """Areas are page-aligned, not empty, in order, and never overlap."""
    for mm in spaces(kernel):
        end = 0
        for vma in mm.areas:
            if vma.vm_start % PAGE_SIZE or vma.vm_end % PAGE_SIZE or not end <= vma.vm_start < vma.vm_end:
                yield f"{vma} after {end:#x}"
            end = vma.vm_end


def tree_knows_its_holes(kernel: Kernel) -> Problems:
    """Every node of an area tree knows the extent and the largest hole of what is below it, and the tree its areas."""
    for mm in spaces(kernel):
        for node in nodes_below(mm.mm_mt.root):
            fresh = Node(node.slots, node.leaf)
            if (fresh.vm_start, fresh.vm_end, fresh.gap) != (node.vm_start, node.vm_end, node.gap):
                yield f"a node of mm {mm.mm} says {node.vm_start:#x}-{node.vm_end:#x}, largest hole {node.gap:#x}"
        if mm.map_count != len(mm.areas):
            yield f"mm {mm.mm} counts {mm.map_count} areas, and has {len(mm.areas)}"


def nodes_below(node: Node) -> Iterator[Node]:
    """Yield a node and all below it, the lowest first."""
    for child in () if node.leaf else node.slots:
        yield from nodes_below(child)
    yield node


def totals_match_areas(kernel: Kernel) -> Problems:
    """`total_vm`, `data_vm` and `locked_vm` are the pages of the areas that each is to count."""
    for mm in spaces(kernel):
        data = [v for v in mm.areas if is_data_mapping(v.vm_flags)]
        locked = [v for v in mm.areas if v.vm_flags & VmFlags.VM_LOCKED]
        counted = [sum(vma.pages for vma in areas) for areas in (mm.areas, data, locked)]
        if counted != [mm.total_vm, mm.data_vm, mm.locked_vm]:
            yield f"mm {mm.mm} counts {mm.total_vm}, {mm.data_vm}, {mm.locked_vm} pages; its areas have {counted}"


def rights_within_ceiling(kernel: Kernel) -> Problems:
    """An area has no right that its VM_MAY bits forbid."""
    for mm in spaces(kernel):
        for vma in mm.areas:
            if vma.vm_flags & VM_ACCESS_FLAGS & ~(int(vma.vm_flags) >> 4):
                yield f"{vma} has flags {int(vma.vm_flags):#x}"


def areas_know_their_bits(kernel: Kernel) -> Problems:
    """`vm_page_prot` is what the flags say that a new entry gets."""
    for mm in spaces(kernel):
        for vma in mm.areas:
            if vma.vm_page_prot != vm_get_page_prot(vma):
                yield f"{vma} gives its entries the bits {vma.vm_page_prot:#x}"


def entries_inside_areas(kernel: Kernel) -> Problems:
    """Every entry, and every guard, lies in an area of its address space."""
    for mm in spaces(kernel):
        there = [addr for addr, _pte in mm.pgd.entries(0, 1 << 47)]
        for addr in there + mm.pgd.guards(0, 1 << 47):
            if vma_lookup(mm, addr) is None:
                yield f"mm {mm.mm} has an entry at {addr:#x}, where nothing is mapped"


def entries_grant_no_more(kernel: Kernel) -> Problems:
    """An entry never permits more than its area does: no access, store or fetch, no load of memory to be executed."""
    for addr, vma, _page, pte in pages_of(kernel):
        if pte_write(pte) and not vma.vm_flags & VmFlags.VM_WRITE:
            yield f"{addr:#x} is writable, {vma} is not"
        if pte_user(pte) and not vma.vm_flags & VM_ACCESS_FLAGS:
            yield f"{addr:#x} is accessible, {vma} is not"
        if pte_user(pte) and pte_exec(pte) and not vma.vm_flags & VmFlags.VM_EXEC:
            yield f"{addr:#x} is executable, {vma} is not"
        if permits(pte, "load") and not vma_permits_loads(vma):
            yield f"{addr:#x} can be loaded from, {vma} cannot"


def counts_match_entries(kernel: Kernel) -> Problems:
    """`mapcount` is the number of entries that map the frame, `refcount` that and one for the page cache."""
    mapped = Counter(pte_pfn(pte) for _mm, _addr, pte in entries(kernel))
    for pfn, page in kernel.memory.pages.items():
        if pfn == ZERO_PFN:
            continue
        if page.mapcount != mapped[pfn]:
            yield f"{page}: {mapped[pfn]} entries map it"
        if page.refcount != mapped[pfn] + (0 if page.anon else 1):
            yield f"{page}: {mapped[pfn]} entries and {0 if page.anon else 1} cache use it"


def frames_accounted_for(kernel: Kernel) -> Problems:
    """Every frame in use is cached or mapped, and the zero page holds zeros."""
    cached = {p.pfn for i in inodes(kernel) for f in i.i_mapping.folios() for p in f.pages}
    mapped = {pte_pfn(pte) for _mm, _addr, pte in entries(kernel)}
    for pfn in set(kernel.memory.pages) - cached - mapped - {ZERO_PFN}:
        yield f"frame {pfn} is in use, but neither cached nor mapped"
    if any(kernel.memory.zero_page.data):
        yield "the zero page holds something else"


def tables_know_what_is_ready(kernel: Kernel) -> Problems:
    """A page table's `ready` is the number of its entries that a load finds complete."""
    for mm in spaces(kernel):
        for base, leaf in mm.pgd.leaves(0, 1 << 47):
            ready = sum(pte & READY == READY for pte in leaf)
            if ready != leaf.ready:
                yield f"the table of mm {mm.mm} at {base:#x} counts {leaf.ready} ready entries, and has {ready}"


def private_pages_have_one_writer(kernel: Kernel) -> Problems:
    """An anonymous frame that several entries map is writable through none of them, and exclusive to none."""
    for addr, _vma, page, pte in pages_of(kernel):
        if page.pfn == ZERO_PFN and pte_write(pte):
            yield f"{addr:#x} maps the zero page writable"
        elif page.anon and page.pfn != ZERO_PFN and page.mapcount > 1 and (pte_write(pte) or page.anon_exclusive):
            yield f"{addr:#x} is writable, or its page exclusive, but {page.mapcount} entries map frame {page.pfn}"


def private_pages_have_an_owner(kernel: Kernel) -> Problems:
    """An area with private pages has an identity, which its chain holds too."""
    for addr, vma, page, _pte in pages_of(kernel):
        if page.anon and page.pfn != ZERO_PFN and (vma.anon_vma is None or vma.anon_vma not in vma.anon_vma_chain):
            yield f"{addr:#x} maps private frame {page.pfn}, but {vma} has no anon_vma"


def tlb_is_not_stale(kernel: Kernel) -> Problems:
    """What a processor remembers, the page tables still grant: a right that was taken away was flushed."""
    by_number = {mm.mm: mm for mm in spaces(kernel)}
    for tlb in kernel.machine.tlbs:
        for (number, vpn), copy in tlb.entries.items():
            mm, addr = by_number.get(number), vpn * PAGE_SIZE
            if mm is None:
                continue  # its number is never used again
            pte = mm.pgd.get_pte(addr)
            if not pte_present(pte) or pte_pfn(pte) != pte_pfn(copy):
                yield f"cpu {tlb.cpu} remembers frame {pte_pfn(copy)} for {addr:#x} of mm {number}"
            for want in ("load", "store", "execute"):
                if permits(copy, want) and not permits(pte, want):
                    yield f"cpu {tlb.cpu} may still {want} at {addr:#x} of mm {number}"
            if pte_write(copy) and pte_dirty(copy) and not pte_dirty(pte):
                yield f"cpu {tlb.cpu} would not tell of a store at {addr:#x} of mm {number}"


PREDICATES: tuple[Callable[[Kernel], Problems], ...] = (
    threads_share,
    areas_sorted,
    totals_match_areas,
    tree_knows_its_holes,
    rights_within_ceiling,
    areas_know_their_bits,
    entries_inside_areas,
    entries_grant_no_more,
    counts_match_entries,
    frames_accounted_for,
    tables_know_what_is_ready,
    file_entries_map_the_cache,
    nothing_beyond_the_file,
    folios_in_place,
    reclaim_knows_every_folio,
    clean_agrees_with_disk,
    dirty_pages_are_listed,
    blocks_are_counted,
    shared_stores_are_noticed,
    private_pages_have_one_writer,
    private_pages_have_an_owner,
    users_are_counted,
    files_know_their_areas,
    tlb_is_not_stale,
)
"""Every invariant, in reading order."""


def broken(kernel: Kernel) -> list[str]:
    """Return a line for every broken invariant: its name and what breaks it."""
    return [f"{predicate.__name__}: {problem}" for predicate in PREDICATES for problem in predicate(kernel)]


def check(kernel: Kernel) -> None:
    """Raise AssertionError with every broken invariant."""
    problems = broken(kernel)
    if problems:
        raise AssertionError("the simulated kernel is broken:\n  " + "\n  ".join(problems))
