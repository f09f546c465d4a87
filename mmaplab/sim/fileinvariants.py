"""What is always true of files, of the page cache and of the disk: the lower half of invariants.py.

Each predicate yields a line for everything that breaks it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from mmaplab.constants import PAGE_SIZE, VmFlags
from mmaplab.pte import pte_dirty, pte_pfn, pte_write
from mmaplab.sim.file import File
from mmaplab.sim.inode import Folio, Inode
from mmaplab.sim.kernel import Kernel
from mmaplab.sim.memory import Page
from mmaplab.sim.mm_types import MmStruct, VmArea
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


def pages_of(kernel: Kernel) -> Iterator[tuple[int, VmArea, Page, int]]:
    """Yield (address, area, frame, entry) of every present entry that lies in an area."""
    for mm, addr, pte in entries(kernel):
        vma = vma_lookup(mm, addr)
        if vma is not None:
            yield addr, vma, kernel.memory.pages[pte_pfn(pte)], pte


# ---------------------------------------------------------------- who uses a file


def users_are_counted(kernel: Kernel) -> Problems:
    """`f_count` counts the descriptors and areas that use an open file, `i_count` the open files of an inode."""
    tables = {id(process.task.files): process.task.files for process in kernel.processes.values()}
    uses: list[File] = [file for table in tables.values() for file in table.fds.values()]
    uses += [vma.vm_file for mm in spaces(kernel) for vma in mm.areas if vma.vm_file is not None]
    files = {id(file): file for file in uses}
    for number, count in Counter(map(id, uses)).items():
        if files[number].f_count != count:
            yield f"{files[number]}: {count} descriptors and areas use it"
    opened = Counter(id(file.f_inode) for file in files.values())
    for inode in inodes(kernel):
        if inode.i_count != opened[id(inode)]:
            yield f"{inode} counts {inode.i_count} users, {opened[id(inode)]} open files are of it"


def files_know_their_areas(kernel: Kernel) -> Problems:
    """An area of a file is in that file's `i_mmap`, and nothing else is."""
    known = {(inode.ino, id(vma)) for inode in inodes(kernel) for vma in inode.i_mapping.i_mmap}
    areas = [vma for mm in spaces(kernel) for vma in mm.areas]
    linked = {(vma.vm_file.f_inode.ino, id(vma)) for vma in areas if vma.vm_file is not None}
    if known != linked:
        yield f"{len(known - linked)} areas too many, {len(linked - known)} missing in i_mmap"


# ---------------------------------------------------------------- the page cache


def folios_in_place(kernel: Kernel) -> Problems:
    """A folio is in the cache under each of its indices and no other, and its frames know it."""
    for inode in inodes(kernel):
        cached = inode.i_mapping.i_pages
        for folio in dict.fromkeys(cached.values()):
            found = {index for index, other in cached.items() if other is folio}
            if found != set(range(folio.index, folio.end)) or folio.mapping is not inode.i_mapping:
                yield f"{folio} is found under the indices {sorted(found)} of inode {inode.ino}"
            for page in folio.pages:
                if page.folio is not folio:
                    yield f"frame {page.pfn} does not know its folio {folio}"


def reclaim_knows_every_folio(kernel: Kernel) -> Problems:
    """The list that reclaim looks at holds every cached folio that has a disk under it, and no other."""
    for sb in (kernel.sb, kernel.files.tmpfs):
        cached = {id(f) for inode in sb.s_inodes.values() for f in inode.i_mapping.folios() if sb.on_disk}
        listed = {id(folio) for folio in sb.s_lru}
        if cached != listed:
            yield f"{len(cached - listed)} cached folios are not on the list, {len(listed - cached)} of it not cached"


def dirty_pages_are_listed(kernel: Kernel) -> Problems:
    """The list that the flusher looks at holds every dirty folio that has a disk under it, and no other."""
    dirty = {id(f): f for inode in kernel.sb.s_inodes.values() for f in inode.i_mapping.folios() if f.dirty}
    listed = {id(folio) for folio in kernel.sb.s_dirty}
    pages = sum(len(folio.pages) for folio in dirty.values())
    if kernel.sb.on_disk and (listed != set(dirty) or kernel.sb.nr_dirty != pages):
        yield f"{len(listed)} of {len(dirty)} dirty folios are listed, {kernel.sb.nr_dirty} of {pages} pages counted"


def file_entries_map_the_cache(kernel: Kernel) -> Problems:
    """An entry of a file's area maps the frame that the page cache has for that file page, or a private copy."""
    for addr, vma, page, _pte in pages_of(kernel):
        if page.anon and (vma.is_anonymous or not vma.vm_flags & VmFlags.VM_MAYSHARE):
            continue  # private memory: the copy belongs to no file, and neither does the zero page
        index = vma.pgoff_of(addr)
        folio = vma.vm_file.f_inode.i_mapping.i_pages.get(index) if vma.vm_file else None
        if folio is None or folio.page(index) is not page:
            yield f"{addr:#x} maps frame {page.pfn}, which is not that of page {index} of its file"


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


def shared_stores_are_noticed(kernel: Kernel) -> Problems:
    """A writable entry of a shared ext4 mapping means that the folio is dirty: a store cannot go unnoticed."""
    for mm, addr, pte in entries(kernel):
        folio = kernel.memory.pages[pte_pfn(pte)].folio
        vma = vma_lookup(mm, addr)
        if vma is None or not vma.shared or not isinstance(folio, Folio):
            continue
        if folio.mapping.host.i_sb.on_disk and (pte_write(pte) or pte_dirty(pte)) and not folio.dirty:
            yield f"{addr:#x} is writable, but {folio} is clean"


# ---------------------------------------------------------------- the disk


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


def blocks_are_counted(kernel: Kernel) -> Problems:
    """The disk counts the blocks in use and those that are promised, and no page has two of them."""
    disk = kernel.disk
    used = sum(len(record.blocks) + len(record.reserved) + len(record.unwritten) for record in disk.files.values())
    if used != disk.used:
        yield f"{disk.used} blocks are counted, {used} are in use or promised"
    for ino, record in disk.files.items():
        if twice := record.blocks.keys() & (record.reserved | record.unwritten) or record.reserved & record.unwritten:
            yield f"file {ino} has a block, and the promise of one or another block, for pages {twice}"
