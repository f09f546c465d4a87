"""The vocabulary of the simulated kernel's trace: what can happen, one class each.

One rule: *the door emits, at the moment of change, and nothing else emits.* Doors are the functions through which
a kind of state changes (`Memory.alloc_page`, `PageTable.set_pte`, `vma_link`, ...). Everything that the course counts,
prices or draws is computed from these events; the list of them is the trace (trace.py).

Units: `addr`, `start`, `end`, `nbytes`, `size` are bytes; `index`, `pgoff`, `npages` are pages; `pfn`, `ino`, `mm`,
`pid`, `cpu` are numbers. Ranges are half-open. `linux` names the nearest tracepoint of the real kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in the simulated kernel."""

    linux: ClassVar[str] = ""


# ---------------------------------------------------------------- spans


@dataclass(frozen=True, slots=True)
class Syscall(Event):
    """A process called the kernel; `args` are (name, value) pairs."""

    pid: int
    name: str
    args: tuple[tuple[str, object], ...]
    linux: ClassVar[str] = "raw_syscalls:sys_enter"


@dataclass(frozen=True, slots=True)
class Access(Event):
    """A process touched memory itself; `kind` is 'load', 'store' or 'execute'."""

    pid: int
    kind: str
    addr: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class PageFault(Event):
    """The processor found no translation that permits the access, and entered the kernel."""

    pid: int
    mm: int
    addr: int
    want: str
    linux: ClassVar[str] = "exceptions:page_fault_user"


@dataclass(frozen=True, slots=True)
class KernelWork(Event):
    """The kernel worked without a process asking.

    'flusher', 'journal', 'reclaim', 'oom_kill', 'create_file', 'drop_caches'.
    """

    what: str


@dataclass(frozen=True, slots=True)
class Done(Event):
    """A span ended; `of` names its class, `outcome` is a value, an errno name, a signal name, 'minor' or 'major'."""

    of: str
    outcome: object


# ---------------------------------------------------------------- processes and files


@dataclass(frozen=True, slots=True)
class TaskCreate(Event):
    """A task exists; `parent` is 0 for one that the host spawned.

    `tgid` is the process that it is a thread of: its own `pid` for the first thread. Threads share `mm`.
    """

    pid: int
    mm: int
    parent: int
    tgid: int
    linux: ClassVar[str] = "sched:sched_process_fork"


@dataclass(frozen=True, slots=True)
class TaskExit(Event):
    """A task has ended; with the last one of its process, the address space is gone."""

    pid: int
    mm: int
    linux: ClassVar[str] = "sched:sched_process_exit"


@dataclass(frozen=True, slots=True)
class FdInstall(Event):
    """A descriptor names an open file; `file` is the number of the open file description."""

    pid: int
    fd: int
    file: int
    ino: int


@dataclass(frozen=True, slots=True)
class FdClose(Event):
    """A descriptor was closed."""

    pid: int
    fd: int


@dataclass(frozen=True, slots=True)
class FileCreate(Event):
    """An inode exists; `path` is empty for a nameless one, `fs` is 'ext4' or 'tmpfs'."""

    ino: int
    path: str
    size: int
    fs: str


@dataclass(frozen=True, slots=True)
class FileSize(Event):
    """`i_size` changed."""

    ino: int
    size: int


@dataclass(frozen=True, slots=True)
class FileUnlink(Event):
    """A file lost its name; it lives while it is open or mapped."""

    ino: int
    path: str


@dataclass(frozen=True, slots=True)
class FileFree(Event):
    """An inode and its blocks are gone."""

    ino: int


# ---------------------------------------------------------------- areas


@dataclass(frozen=True, slots=True)
class VmaLink(Event):
    """An area exists; `ino` is 0 and `name` empty for private anonymous memory."""

    mm: int
    start: int
    end: int
    flags: int
    pgoff: int
    ino: int
    name: str
    linux: ClassVar[str] = "mmap:vma_store"


@dataclass(frozen=True, slots=True)
class VmaAdjust(Event):
    """The area that began at `start` now spans [new_start, new_end) with these flags and offset."""

    mm: int
    start: int
    new_start: int
    new_end: int
    flags: int
    pgoff: int
    linux: ClassVar[str] = "mmap:vma_store"


@dataclass(frozen=True, slots=True)
class VmaUnlink(Event):
    """An area is gone."""

    mm: int
    start: int
    end: int
    linux: ClassVar[str] = "mmap:vma_mas_szero"


# ---------------------------------------------------------------- translation


@dataclass(frozen=True, slots=True)
class TableAlloc(Event):
    """A page table came into being; `level` 1 is the last (its 512 entries map 2 MiB from `addr`), 4 the root."""

    mm: int
    level: int
    addr: int


@dataclass(frozen=True, slots=True)
class TableFree(Event):
    """A page table is gone."""

    mm: int
    level: int
    addr: int


@dataclass(frozen=True, slots=True)
class SetPte(Event):
    """The translation of the page at `addr` is now `pte` (an integer with the hardware's bits); it was `old`."""

    mm: int
    addr: int
    pte: int
    old: int


@dataclass(frozen=True, slots=True)
class ClearPte(Event):
    """The page at `addr` has no translation any more; it was `old`."""

    mm: int
    addr: int
    old: int


@dataclass(frozen=True, slots=True)
class TlbMiss(Event):
    """The processor had no translation of this page at hand and walks the page tables."""

    mm: int
    cpu: int
    addr: int


@dataclass(frozen=True, slots=True)
class TlbFill(Event):
    """The processor keeps a copy of the entry."""

    mm: int
    cpu: int
    addr: int
    pte: int


@dataclass(frozen=True, slots=True)
class TlbFlush(Event):
    """A processor forgot its copies of [start, end).

    `why` is 'local', 'shootdown' (told by an interrupt), or 'evicted' (it had no place left).
    """

    mm: int
    cpu: int
    start: int
    end: int
    why: str
    linux: ClassVar[str] = "tlb:tlb_flush"


# ---------------------------------------------------------------- frames


@dataclass(frozen=True, slots=True)
class PageAlloc(Event):
    """A frame was taken; `use` is 'anon' or 'cache'."""

    pfn: int
    use: str
    linux: ClassVar[str] = "kmem:mm_page_alloc"


@dataclass(frozen=True, slots=True)
class PageFree(Event):
    """A frame was given back."""

    pfn: int
    linux: ClassVar[str] = "kmem:mm_page_free"


@dataclass(frozen=True, slots=True)
class Zero(Event):
    """A frame, or part of one, was filled with zero bytes."""

    pfn: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class Copy(Event):
    """Bytes moved. `why` names the hop; `source` and `target` are frames, -1 where an end is not a frame.

    'dma_in' disk to page cache (by the device), 'dma_out' page cache to disk (by the device),
    'copy_to_user' page cache to a buffer (read), 'copy_from_user' a buffer to page cache (write),
    'cow' a page to its private copy.
    """

    why: str
    nbytes: int
    source: int
    target: int


@dataclass(frozen=True, slots=True)
class UserStore(Event):
    """The program's own stores changed bytes of a frame."""

    pfn: int
    offset: int
    nbytes: int


# ---------------------------------------------------------------- page cache


@dataclass(frozen=True, slots=True)
class CacheHit(Event):
    """The page was looked for in the page cache, and is there."""

    ino: int
    index: int


@dataclass(frozen=True, slots=True)
class CacheMiss(Event):
    """The page was looked for in the page cache, and is not there."""

    ino: int
    index: int


@dataclass(frozen=True, slots=True)
class CacheAdd(Event):
    """A file page has a frame now; `order` is that of its folio (2**order pages)."""

    ino: int
    index: int
    pfn: int
    order: int
    linux: ClassVar[str] = "filemap:mm_filemap_add_to_page_cache"


@dataclass(frozen=True, slots=True)
class CacheDelete(Event):
    """A file page left the page cache."""

    ino: int
    index: int
    pfn: int
    linux: ClassVar[str] = "filemap:mm_filemap_delete_from_page_cache"


@dataclass(frozen=True, slots=True)
class FolioSplit(Event):
    """The folio of the `npages` pages from `index` on was halved, and the half with page `at`, down to that page."""

    ino: int
    index: int
    npages: int
    at: int


@dataclass(frozen=True, slots=True)
class PageUptodate(Event):
    """The frame of this file page now holds the file's bytes."""

    ino: int
    index: int


@dataclass(frozen=True, slots=True)
class PageDirty(Event):
    """The page is newer than the disk."""

    ino: int
    index: int
    linux: ClassVar[str] = "writeback:writeback_dirty_folio"


@dataclass(frozen=True, slots=True)
class PageClean(Event):
    """The page and the disk agree again."""

    ino: int
    index: int


@dataclass(frozen=True, slots=True)
class Readahead(Event):
    """The kernel decided to read file pages [index, index + npages); the marker page is `index + npages - ahead`.

    `why` is 'around' (a fault), 'sync' (a read, or a fault that follows a sequence), 'async' (the marker was
    reached) or 'advice' (MADV_WILLNEED).
    """

    ino: int
    index: int
    npages: int
    ahead: int
    why: str
    linux: ClassVar[str] = "readahead:page_cache_ra_unbounded"


# ---------------------------------------------------------------- disk and signals


@dataclass(frozen=True, slots=True)
class DiskRead(Event):
    """Blocks of a file were read: `npages` from page `index`."""

    ino: int
    index: int
    npages: int
    linux: ClassVar[str] = "block:block_rq_complete"


@dataclass(frozen=True, slots=True)
class DiskWrite(Event):
    """Blocks of a file were written: `npages` from page `index`; `why` is what asked for it.

    'msync', 'fsync', 'direct', 'close' (of a file that was cut to nothing and filled again); 'flusher', 'balance' (a
    writer has to wait), 'commit' (the journal's order), 'reclaim'; 'create_file', 'drop_caches'.
    """

    ino: int
    index: int
    npages: int
    why: str
    linux: ClassVar[str] = "block:block_rq_complete"


@dataclass(frozen=True, slots=True)
class DiskDiscard(Event):
    """Blocks were given back: `npages` from page `index` are a hole, or lie behind the end of the file."""

    ino: int
    index: int
    npages: int
    linux: ClassVar[str] = "ext4:ext4_free_blocks"


@dataclass(frozen=True, slots=True)
class JournalCommit(Event):
    """The journal has made name, size and block map of a file durable; `path` is empty for a file without a name."""

    ino: int
    path: str
    size: int
    linux: ClassVar[str] = "jbd2:jbd2_end_commit"


@dataclass(frozen=True, slots=True)
class Clock(Event):
    """Time has passed: `now` is in seconds since boot."""

    now: float


@dataclass(frozen=True, slots=True)
class Signal(Event):
    """The access cannot be completed; the process is told so by a signal."""

    pid: int
    signo: int
    code: int
    addr: int
    linux: ClassVar[str] = "signal:signal_generate"
