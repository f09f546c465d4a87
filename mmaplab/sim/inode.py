"""What a file is made of: the mounted file system, the inode, its page cache, and the folios in it.

    inode -> i_mapping (AddressSpace)
               i_pages    0 1 2 3 4 5 6 7     one letter per file page; the same letter = one folio
                          A B . . C C C C     C is a large folio of order 2
               i_mmap     every area that maps this file

A folio is uptodate when its frames hold the file's bytes, and dirty when it is newer than the disk. One folio may
carry the readahead mark: touching it starts the next readahead (readahead.py). What changes the cache is in
pagecache.py. Linux: include/linux/fs.h, mm_types.h, pagemap.h. Leaves out: locks, shadow entries, swap.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from mmaplab.constants import MAX_LFS_FILESIZE, PAGE_SHIFT, PAGE_SIZE
from mmaplab.sim.config import KernelConfig
from mmaplab.sim.disk import Disk
from mmaplab.sim.events import FileCreate
from mmaplab.sim.memory import Memory, Page
from mmaplab.sim.pgtable import PageTable
from mmaplab.sim.trace import Trace


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


def nothing_to_release(inode: Inode) -> None:
    """The answer of a file system that does nothing when an open file description ends."""


@dataclass(eq=False)
class SuperBlock:
    """A mounted file system: its kind, and the lower objects that its files use. Linux: struct super_block."""

    s_type: str
    config: KernelConfig
    trace: Trace
    memory: Memory
    disk: Disk
    s_inodes: dict[int, Inode] = field(default_factory=dict)
    s_lru: OrderedDict[Folio, None] = field(default_factory=OrderedDict)
    """Cached folios that have a disk under them, from the coldest to the warmest (vmscan.py)."""
    s_dirty: dict[Folio, None] = field(default_factory=dict)
    """The dirty ones of them, in the order in which they became dirty; `nr_dirty` counts their pages."""
    nr_dirty: int = 0
    nr_dirtied: int = 0
    """Pages that became dirty since a writer last looked at the limits; it looks after `ratelimit_pages`."""
    ratelimit_pages: int = 1
    balance_dirty_pages: Callable[[], None] = nothing_to_balance
    release: Callable[[Inode], None] = nothing_to_release
    """Called when the last user of an open file description lets go of it (Linux: file_operations.release)."""
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
        return (2**32 - 1) * PAGE_SIZE if self.on_disk else MAX_LFS_FILESIZE

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
    da_alloc_close: bool = False
    """It was cut to nothing: the next open file description that ends has it written (EXT4_STATE_DA_ALLOC_CLOSE)."""
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
