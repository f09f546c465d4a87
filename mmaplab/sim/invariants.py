"""What is always true of the simulated kernel, said once, one named predicate each.

`check(kernel)` raises AssertionError with the names and the details of all that are broken. It may read every room of
the simulator and is imported by none: hand it in with `Kernel(check=invariants.check)`, and it runs after every call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from mmaplab.constants import PAGE_SIZE, VmFlags
from mmaplab.pte import pte_dirty, pte_pfn, pte_present, pte_user, pte_write
from mmaplab.sim.inode import Folio, Inode
from mmaplab.sim.kernel import Kernel
from mmaplab.sim.memory import ZERO_PFN
from mmaplab.sim.mm_types import VM_ACCESS_FLAGS, MmStruct, VmArea, is_data_mapping
from mmaplab.sim.pgtable import READY
from mmaplab.sim.vma import vma_lookup

Problems = Iterator[str]


def spaces(kernel: Kernel) -> list[MmStruct]:
    """Return the address spaces of the living processes."""
    return list({id(p.mm): p.mm for p in kernel.processes.values()}.values())


def inodes(kernel: Kernel) -> list[Inode]:
    """Return every file, with a name or without."""
    return [*kernel.sb.s_inodes.values(), *kernel.files.tmpfs.s_inodes.values()]


def entries(kernel: Kernel) -> Iterator[tuple[MmStruct, int, int]]:
    """Yield (address space, address, entry) of every present entry."""
    for mm in spaces(kernel):
        for addr, pte in mm.pgd.entries(0, 1 << 47):
            yield mm, addr, pte


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


def entries_inside_areas(kernel: Kernel) -> Problems:
    """Every entry lies in an area of its address space."""
    for mm, addr, _pte in entries(kernel):
        if vma_lookup(mm, addr) is None:
            yield f"mm {mm.mm} has an entry at {addr:#x}, where nothing is mapped"


def entries_grant_no_more(kernel: Kernel) -> Problems:
    """An entry never permits more than its area does."""
    for mm, addr, pte in entries(kernel):
        vma = vma_lookup(mm, addr)
        if vma is None:
            continue
        if pte_write(pte) and not vma.vm_flags & VmFlags.VM_WRITE:
            yield f"{addr:#x} is writable, {vma} is not"
        if pte_user(pte) and not vma.vm_flags & VM_ACCESS_FLAGS:
            yield f"{addr:#x} is accessible, {vma} is not"


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


def file_entries_map_the_cache(kernel: Kernel) -> Problems:
    """In a shared mapping, an entry maps the frame that the page cache has for that file page."""
    for mm, addr, pte in entries(kernel):
        vma = vma_lookup(mm, addr)
        if vma is None or vma.vm_file is None or not vma.vm_flags & VmFlags.VM_MAYSHARE:
            continue
        folio = vma.vm_file.f_inode.i_mapping.i_pages.get(vma.pgoff_of(addr))
        if folio is None or folio.page(vma.pgoff_of(addr)).pfn != pte_pfn(pte):
            yield f"{addr:#x} maps frame {pte_pfn(pte)}, which is not that of file page {vma.pgoff_of(addr)}"


def nothing_beyond_the_file(kernel: Kernel) -> Problems:
    """No entry of a mapping reaches behind the last page of its file, and the cache holds none there (ext4)."""
    for mm, addr, _pte in entries(kernel):
        vma = vma_lookup(mm, addr)
        if vma is not None and vma.vm_file is not None and not _reaches(vma, addr):
            yield f"{addr:#x} maps page {vma.pgoff_of(addr)} of a file of {vma.vm_file.f_inode.pages} pages"


def _reaches(vma: VmArea, addr: int) -> bool:
    """Does the file have the page? Of a large folio, the part behind the end may stay mapped with it."""
    assert vma.vm_file is not None
    inode, index = vma.vm_file.f_inode, vma.pgoff_of(addr)
    folio = inode.i_mapping.i_pages.get(index)
    return index < inode.pages or (folio is not None and folio.index < inode.pages)


def dirty_implies_cached(kernel: Kernel) -> Problems:
    """A dirty folio is in the cache under each of its indices; a clean one on ext4 agrees with the disk."""
    for inode in inodes(kernel):
        for index, folio in inode.i_mapping.i_pages.items():
            if not folio.index <= index < folio.end or folio.mapping is not inode.i_mapping:
                yield f"{folio} is found under index {index} of inode {inode.ino}"
            if folio.page(index).folio is not folio:
                yield f"frame {folio.page(index).pfn} does not know its folio {folio}"


def clean_agrees_with_disk(kernel: Kernel) -> Problems:
    """A clean, uptodate page of ext4 holds what the disk holds, up to the end of the file."""
    for inode in kernel.sb.s_inodes.values():
        if not inode.i_sb.on_disk or inode.kind != "file":
            continue
        for index, folio in inode.i_mapping.i_pages.items():
            if folio.dirty or not folio.uptodate or index >= inode.pages:
                continue
            if folio.write_io_error:  # what could not be written is clean all the same
                continue
            block = kernel.disk.block(inode.ino, index) or bytes(PAGE_SIZE)
            end = min(PAGE_SIZE, inode.i_size - index * PAGE_SIZE)
            if folio.page(index).data[:end] != block[:end]:
                yield f"page {index} of inode {inode.ino} is clean, and differs from the disk"


def dirty_pages_are_listed(kernel: Kernel) -> Problems:
    """The list that the flusher looks at holds every dirty folio that has a disk under it, and no other."""
    dirty = {id(f): f for inode in kernel.sb.s_inodes.values() for f in inode.i_mapping.folios() if f.dirty}
    listed = {id(folio) for folio in kernel.sb.s_dirty}
    pages = sum(len(folio.pages) for folio in dirty.values())
    if kernel.sb.on_disk and (listed != set(dirty) or kernel.sb.nr_dirty != pages):
        yield f"{len(listed)} of {len(dirty)} dirty folios are listed, {kernel.sb.nr_dirty} of {pages} pages counted"


def blocks_are_counted(kernel: Kernel) -> Problems:
    """The disk counts the blocks in use and those that are promised, and no page has two of them."""
    disk = kernel.disk
    used = sum(len(record.blocks) + len(record.reserved) + len(record.unwritten) for record in disk.files.values())
    if used != disk.used:
        yield f"{disk.used} blocks are counted, {used} are in use or promised"
    for ino, record in disk.files.items():
        if twice := record.blocks.keys() & (record.reserved | record.unwritten) or record.reserved & record.unwritten:
            yield f"file {ino} has a block, and the promise of one or another block, for pages {twice}"


def shared_stores_are_noticed(kernel: Kernel) -> Problems:
    """A writable entry of a shared ext4 mapping means that the folio is dirty: a store cannot go unnoticed."""
    for mm, addr, pte in entries(kernel):
        folio = kernel.memory.pages[pte_pfn(pte)].folio
        vma = vma_lookup(mm, addr)
        if vma is None or not vma.shared or not isinstance(folio, Folio):
            continue
        if folio.mapping.host.i_sb.on_disk and (pte_write(pte) or pte_dirty(pte)) and not folio.dirty:
            yield f"{addr:#x} is writable, but {folio} is clean"


def private_pages_have_one_writer(kernel: Kernel) -> Problems:
    """An anonymous frame that several entries map is writable through none of them."""
    for _mm, addr, pte in entries(kernel):
        page = kernel.memory.pages[pte_pfn(pte)]
        if page.anon and page.pfn != ZERO_PFN and page.mapcount > 1 and pte_write(pte):
            yield f"{addr:#x} is writable, but {page.mapcount} entries map frame {page.pfn}"
        if page.pfn == ZERO_PFN and pte_write(pte):
            yield f"{addr:#x} maps the zero page writable"


def files_know_their_areas(kernel: Kernel) -> Problems:
    """An area of a file is in the file's `i_mmap`, and nothing else is."""
    known = {id(vma) for inode in inodes(kernel) for vma in inode.i_mapping.i_mmap}
    linked = {id(vma) for mm in spaces(kernel) for vma in mm.areas if vma.vm_file is not None}
    if known != linked:
        yield f"{len(known - linked)} areas too many, {len(linked - known)} missing in i_mmap"


def tlb_is_not_stale(kernel: Kernel) -> Problems:
    """What a processor remembers, the page tables still grant: a right that was taken away was flushed."""
    by_number = {mm.mm: mm for mm in spaces(kernel)}
    for tlb in kernel.machine.tlbs:
        for (number, vpn), copy in tlb.entries.items():
            mm = by_number.get(number)
            pte = mm.pgd.get_pte(vpn * PAGE_SIZE) if mm else 0
            if mm is not None and (not pte_present(pte) or pte_pfn(pte) != pte_pfn(copy)):
                yield f"cpu {tlb.cpu} remembers frame {pte_pfn(copy)} for {vpn * PAGE_SIZE:#x} of mm {number}"
            elif mm is not None and pte_write(copy) and not pte_write(pte):
                yield f"cpu {tlb.cpu} may still write to {vpn * PAGE_SIZE:#x} of mm {number}"


PREDICATES: tuple[Callable[[Kernel], Problems], ...] = (
    threads_share,
    areas_sorted,
    totals_match_areas,
    rights_within_ceiling,
    entries_inside_areas,
    entries_grant_no_more,
    counts_match_entries,
    frames_accounted_for,
    tables_know_what_is_ready,
    file_entries_map_the_cache,
    nothing_beyond_the_file,
    dirty_implies_cached,
    clean_agrees_with_disk,
    dirty_pages_are_listed,
    blocks_are_counted,
    shared_stores_are_noticed,
    private_pages_have_one_writer,
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
