"""The page cache: which pages of a file are in memory.

    inode -> i_mapping (AddressSpace)
               i_pages    0 1 2 3 4 5 6 7     one letter per file page; the same letter = one folio
                          A B . . C C C C     C is a large folio of order 2
               i_mmap     every area that maps this file

A folio is uptodate when its frames hold the file's bytes, and dirty when it is newer than the disk. One folio may
carry the readahead mark: touching it starts the next readahead (readahead.py).

Five doors change the cache: `filemap_add_folio`, `filemap_remove_folio`, `folio_mark_uptodate`, `folio_mark_dirty` and
`folio_clear_dirty`. Linux: mm/filemap.c, include/linux/pagemap.h, fs.h. Leaves out: locks, shadow entries, swap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from mmaplab.constants import PAGE_SHIFT, PAGE_SIZE
from mmaplab.sim.config import KernelConfig
from mmaplab.sim.disk import Disk
from mmaplab.sim.events import (
    CacheAdd,
    CacheDelete,
    CacheHit,
    CacheMiss,
    FileCreate,
    FileFree,
    FileSize,
    FileUnlink,
    PageClean,
    PageDirty,
    PageUptodate,
)
from mmaplab.sim.memory import Memory, OutOfMemory, Page
from mmaplab.sim.pgtable import PageTable
from mmaplab.sim.trace import Trace

MAX_PAGECACHE_ORDER = 9
"""The largest folio: 512 pages, 2 MiB."""


class Mapper(Protocol):
    """What a file needs to know of an address space that maps it."""

    pgd: PageTable

    def flush_tlb_range(self, start: int, end: int) -> None:
        """Make every processor forget its copies of the entries in [start, end)."""


class MappedArea(Protocol):
    """What a file needs to know of an area that maps it; `vm_pgoff` is in pages."""

    vm_start: int
    vm_end: int
    vm_pgoff: int

    @property
    def vm_flags(self) -> int:
        """The area's VM_* bits."""

    @property
    def vm_mm(self) -> Mapper:
        """The address space of the area."""


def nothing_to_balance() -> None:
    """The answer of a machine without limits of what may be dirty."""


@dataclass(eq=False)
class SuperBlock:
    """A mounted file system: its kind, and the lower objects that its files use. Linux: struct super_block."""

    s_type: str
    config: KernelConfig
    trace: Trace
    memory: Memory
    disk: Disk
    s_inodes: dict[int, Inode] = field(default_factory=dict)
    s_lru: dict[Folio, None] = field(default_factory=dict)
    """Cached folios that have a disk under them, from the coldest to the warmest (vmscan.py)."""
    s_dirty: dict[Folio, None] = field(default_factory=dict)
    """The dirty ones of them, in the order in which they became dirty; `nr_dirty` counts their pages."""
    nr_dirty: int = 0
    nr_dirtied: int = 0
    """Pages that became dirty since a writer last looked at the limits; it looks after `ratelimit_pages`."""
    ratelimit_pages: int = 1
    balance_dirty_pages: Callable[[], None] = nothing_to_balance
    max_blocks: int | None = None
    """Pages that a tmpfs may hold, None for no limit (Linux: mount option size=)."""

    @property
    def pages_in_use(self) -> int:
        """Pages of the page cache that belong to this file system."""
        return sum(len(inode.i_mapping.i_pages) for inode in self.s_inodes.values())

    @property
    def on_disk(self) -> bool:
        """Is there a disk under it? tmpfs has none: its page cache is the file."""
        return self.s_type == "ext4"

    @property
    def s_maxbytes(self) -> int:
        """Bytes of the largest file: 2**32 - 1 blocks on ext4. Linux: ext4_max_size, MAX_LFS_FILESIZE."""
        return (2**32 - 1) * PAGE_SIZE if self.on_disk else 2**63 - 1

    @property
    def large_folios(self) -> bool:
        """May its page cache hold folios of many pages?"""
        return self.on_disk and self.config.large_folios


class Folio:
    """2**order neighbouring file pages, aligned to their number, handled together. Linux: struct folio.

    `stub` marks a page that truncate has put into the cache without making it uptodate; `write_io_error` one that
    could not be written: it is clean, and newer than the disk.
    """

    __slots__ = (
        "dirtied_at",
        "dirty",
        "index",
        "mapping",
        "order",
        "pages",
        "readahead",
        "referenced",
        "stub",
        "uptodate",
        "write_io_error",
    )

    def __init__(self, mapping: AddressSpace, index: int, order: int, pages: list[Page]) -> None:
        self.mapping, self.index, self.order, self.pages = mapping, index, order, pages
        self.uptodate = self.dirty = self.readahead = self.stub = self.referenced = self.write_io_error = False
        self.dirtied_at = 0.0

    @property
    def end(self) -> int:
        """The index of the first file page behind it."""
        return self.index + len(self.pages)

    def page(self, index: int) -> Page:
        """Return the frame of file page `index`. Linux: folio_file_page."""
        return self.pages[index - self.index]

    @property
    def mapped(self) -> bool:
        """Does any page-table entry map a page of it?"""
        return any(page.mapcount for page in self.pages)

    def __repr__(self) -> str:
        flags = [name for name in ("uptodate", "dirty", "readahead", "stub") if getattr(self, name)]
        return f"<Folio {self.mapping.host.ino}:{self.index}+{len(self.pages)} {' '.join(flags)}>"


@dataclass(eq=False)
class AddressSpace:
    """The cached pages and the mappings of one file. Linux: struct address_space.

    `i_pages` finds a folio under the index of each of its pages; `i_mmap` holds the areas that map the file, in the
    order in which they were made (Linux: an interval tree).
    """

    host: Inode
    i_pages: dict[int, Folio] = field(default_factory=dict)
    i_mmap: dict[MappedArea, None] = field(default_factory=dict)
    wb_err: int = 0
    """How many failures of write-back have been reported, and one more while `wb_err_unseen` (Linux: errseq_t)."""
    wb_err_unseen: bool = False

    def folios(self, first: int = 0, last: int | None = None) -> list[Folio]:
        """Return the folios that touch file pages [first, last], in order."""
        if last is not None and last - first < len(self.i_pages):
            found = [self.i_pages[i] for i in range(first, last + 1) if i in self.i_pages]
        else:
            indices = sorted(i for i in self.i_pages if i >= first and (last is None or i <= last))
            found = [self.i_pages[i] for i in indices]
        return list(dict.fromkeys(found))


@dataclass(eq=False)
class Inode:
    """A file: its size, its page cache, its name. Linux: struct inode.

    `i_nlink` counts names, `i_count` users (open files and areas); with neither left, the file is gone.
    `kind` is 'file' or 'pipe'.
    """

    ino: int
    path: str
    i_sb: SuperBlock
    kind: str = "file"
    i_size: int = 0
    i_nlink: int = 1
    i_count: int = 0
    i_mapping: AddressSpace = field(init=False)

    def __post_init__(self) -> None:
        self.i_mapping = AddressSpace(self)
        self.i_sb.s_inodes[self.ino] = self
        if self.i_sb.on_disk and self.kind == "file":
            self.i_sb.disk.create(self.ino, self.path)
        if self.kind == "file":
            self.i_sb.trace.emit(FileCreate, self.ino, self.path, self.i_size, self.i_sb.s_type)

    def __repr__(self) -> str:
        return f"<Inode {self.ino} {self.name}, {self.i_size} bytes>"

    @property
    def pages(self) -> int:
        """File pages that hold a byte of the file: its size, rounded up."""
        return (self.i_size + PAGE_SIZE - 1) >> PAGE_SHIFT

    @property
    def name(self) -> str:
        """The path as /proc/PID/maps shows it."""
        return self.path if self.i_nlink else f"{self.path} (deleted)"


# ---------------------------------------------------------------- the file


def i_size_write(inode: Inode, size: int) -> None:
    """Set a file's size in bytes; the page cache is the caller's business. Linux: i_size_write."""
    inode.i_size = size
    inode.i_sb.trace.emit(FileSize, inode.ino, size)


def drop_nlink(inode: Inode) -> None:
    """Take away the file's name; the file goes when its last user does. Linux: drop_nlink, iput."""
    inode.i_nlink -= 1
    if inode.i_sb.on_disk:
        inode.i_sb.disk.unlink(inode.ino)
    inode.i_sb.trace.emit(FileUnlink, inode.ino, inode.path)
    _free_unused(inode)


def ihold(inode: Inode) -> None:
    """Note one more user. Linux: ihold."""
    inode.i_count += 1


def iput(inode: Inode) -> None:
    """Note one user less; without users and name the file, its pages and its blocks go. Linux: iput, evict."""
    inode.i_count -= 1
    _free_unused(inode)


def _free_unused(inode: Inode) -> None:
    if inode.i_count or inode.i_nlink:
        return
    for folio in inode.i_mapping.folios():
        folio_clear_dirty(folio)
        filemap_remove_folio(folio)
    inode.i_sb.disk.forget(inode.ino)
    del inode.i_sb.s_inodes[inode.ino]
    if inode.kind == "file":
        inode.i_sb.trace.emit(FileFree, inode.ino)


# ---------------------------------------------------------------- looking


def filemap_get_folio(mapping: AddressSpace, index: int) -> Folio | None:
    """Return the folio that holds file page `index`, or None. Says in the trace whether it was there.

    Linux: filemap_get_folio, mm/filemap.c.
    """
    folio = mapping.i_pages.get(index)
    event = CacheHit if folio is not None else CacheMiss
    mapping.host.i_sb.trace.emit(event, mapping.host.ino, index)
    return folio


def folio_mark_accessed(folio: Folio) -> None:
    """Note that a read has used the folio: reclaim gives it a second chance. Linux: folio_mark_accessed."""
    folio.referenced = True


def lru_add(folio: Folio) -> None:
    """Put a folio at the warm end of the list that reclaim looks at; tmpfs has nowhere to write it. Linux: lru_add."""
    if folio.mapping.host.i_sb.on_disk:
        folio.mapping.host.i_sb.s_lru[folio] = None


def alloc_pages(memory: Memory, count: int) -> list[Page]:
    """Return `count` frames, or none: raises OutOfMemory with those taken so far given back."""
    pages: list[Page] = []
    try:
        for _ in range(count):
            pages.append(memory.alloc_page("cache"))
    except OutOfMemory:
        for page in pages:
            memory.put_page(page)
        raise
    return pages


# ---------------------------------------------------------------- doors


def filemap_add_folio(mapping: AddressSpace, index: int, order: int = 0) -> Folio | None:
    """Put a new folio of 2**order frames under `index`; None if one of the pages is cached already (-EEXIST).

    Raises OutOfMemory. Linux: filemap_add_folio, mm/filemap.c.
    """
    sb = mapping.host.i_sb
    if any(i in mapping.i_pages for i in range(index, index + (1 << order))):
        return None
    folio = Folio(mapping, index, order, alloc_pages(sb.memory, 1 << order))
    lru_add(folio)
    pages = folio.pages
    for i, page in enumerate(pages, index):
        page.folio = folio
        mapping.i_pages[i] = folio
        sb.trace.emit(CacheAdd, mapping.host.ino, i, page.pfn, order)
    return folio


def filemap_remove_folio(folio: Folio) -> None:
    """Take a folio out of the cache; its frames are free when nothing maps them. Linux: filemap_remove_folio."""
    mapping = folio.mapping
    sb = mapping.host.i_sb
    sb.s_lru.pop(folio, None)
    for i, page in enumerate(folio.pages, folio.index):
        del mapping.i_pages[i]
        sb.trace.emit(CacheDelete, mapping.host.ino, i, page.pfn)
        sb.memory.put_page(page)


def folio_mark_uptodate(folio: Folio) -> None:
    """Say that the frames hold the file's bytes. Linux: folio_mark_uptodate."""
    if not folio.uptodate:
        folio.uptodate, folio.stub = True, False
        for i in range(folio.index, folio.end):
            folio.mapping.host.i_sb.trace.emit(PageUptodate, folio.mapping.host.ino, i)


def folio_mark_dirty(folio: Folio, now: float = 0.0) -> None:
    """Say that the folio is newer than the disk, as a whole. Linux: folio_mark_dirty."""
    if not folio.dirty:
        folio.dirty, folio.dirtied_at = True, now
        sb = folio.mapping.host.i_sb
        if sb.on_disk:
            sb.s_dirty[folio] = None
            sb.nr_dirty += len(folio.pages)
            sb.nr_dirtied += len(folio.pages)
        for i in range(folio.index, folio.end):
            folio.mapping.host.i_sb.trace.emit(PageDirty, folio.mapping.host.ino, i)


def folio_clear_dirty(folio: Folio) -> None:
    """Say that folio and disk agree again. Linux: folio_clear_dirty_for_io, folio_end_writeback.

    The mark of readahead goes, too: for a folio that is written, its bit means that reclaim waits for it (PG_reclaim).
    """
    if folio.dirty:
        folio.dirty = folio.readahead = False
        sb = folio.mapping.host.i_sb
        if sb.on_disk:
            del sb.s_dirty[folio]
            sb.nr_dirty -= len(folio.pages)
        for i in range(folio.index, folio.end):
            folio.mapping.host.i_sb.trace.emit(PageClean, folio.mapping.host.ino, i)
