"""The page cache: which pages of a file are in memory, and how long the file itself stays.

Looking finds a folio under the index of any of its pages (inode.py shows the structures). Six doors change the cache:
`filemap_add_folio`, `filemap_remove_folio`, `folio_mark_uptodate`, `folio_mark_dirty`, `folio_clear_dirty` and
`split_folio`. Linux: mm/filemap.c, mm/huge_memory.c, fs/inode.c, include/linux/pagemap.h.
"""

from __future__ import annotations

from mmaplab.sim.events import (
    CacheAdd,
    CacheDelete,
    CacheHit,
    CacheMiss,
    FileFree,
    FileSize,
    FileUnlink,
    FolioSplit,
    PageClean,
    PageDirty,
    PageUptodate,
)
from mmaplab.sim.inode import AddressSpace, Folio, Inode
from mmaplab.sim.memory import Memory, OutOfMemory, Page

MAX_PAGECACHE_ORDER = 9
"""The largest folio: 512 pages, 2 MiB."""

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


def alloc_pages(memory: Memory, count: int, patient: bool = True) -> list[Page]:
    """Return `count` frames, or none: raises OutOfMemory with those taken so far given back."""
    pages: list[Page] = []
    try:
        for _ in range(count):
            pages.append(memory.alloc_page("cache", patient))
    except OutOfMemory:
        for page in pages:
            memory.put_page(page)
        raise
    return pages


# ---------------------------------------------------------------- doors


def filemap_add_folio(mapping: AddressSpace, index: int, order: int = 0, patient: bool = True) -> Folio | None:
    """Put a new folio of 2**order frames under `index`; None if one of the pages is cached already (-EEXIST).

    `patient` is that of `alloc_page`. Raises OutOfMemory. Linux: filemap_add_folio, mm/filemap.c.
    """
    sb = mapping.host.i_sb
    if any(i in mapping.i_pages for i in range(index, index + (1 << order))):
        return None
    folio = Folio(mapping, index, order, alloc_pages(sb.memory, 1 << order, patient))
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


def split_folio(folio: Folio, at: int) -> None:
    """Halve a large folio, and the half with page `at`, and so on, until that page is a folio of its own.

        pages   0123 4567        at = 5:   0123 4 5 67

    Nothing may map it any more. Linux: folio_split (6.15 and later), mm/huge_memory.c.
    """
    mapping, start, npages = folio.mapping, folio.index, len(folio.pages)
    while npages > 1:
        npages //= 2
        other = start + npages if at < start + npages else start
        _split_off(folio, other, npages)
        start = start if at < start + npages else start + npages
    _split_off(folio, start, 1)
    mapping.host.i_sb.trace.emit(FolioSplit, mapping.host.ino, folio.index, len(folio.pages), at)


def _split_off(folio: Folio, index: int, npages: int) -> None:
    """Make a folio of `npages` pages of a larger one; it is as its whole was. Linux: __split_folio_to_order."""
    pages = folio.pages[index - folio.index : index - folio.index + npages]
    part = Folio(folio.mapping, index, npages.bit_length() - 1, pages)
    part.uptodate, part.dirty, part.dirtied_at = folio.uptodate, folio.dirty, folio.dirtied_at
    part.write_io_error = folio.write_io_error
    sb = folio.mapping.host.i_sb
    sb.s_lru.pop(folio, None)
    if folio in sb.s_dirty or (part.dirty and sb.on_disk):
        sb.s_dirty.pop(folio, None)
        sb.s_dirty[part] = None
    lru_add(part)
    for i, page in enumerate(pages, index):
        page.folio = part
        folio.mapping.i_pages[i] = part
