"""Readahead: how much to read when one page is missing.

    miss here                          next miss or mark reached
        v                                   v
    ....[MMMMMMMMMMMMMMMMMMMM*aaaaaaaaa]....          M the window, * the marked page, a the part read ahead
        start               mark       start + size

Three ways in: a read() that finds a page missing (`page_cache_sync_ra`), a touch of the marked page
(`page_cache_async_ra`), and a fault on a missing page, which reads *around* it (`do_sync_mmap_readahead`). All numbers
here are pages. The state belongs to the open file (file.py).

Linux: mm/readahead.c; do_sync_mmap_readahead and do_async_mmap_readahead in mm/filemap.c.
Leaves out: congestion, MADV_HUGEPAGE windows.
"""

from __future__ import annotations

from collections.abc import Callable

from mmaplab.constants import PAGE_SHIFT, VmFlags
from mmaplab.sim.events import Readahead
from mmaplab.sim.file import File, FileRaState
from mmaplab.sim.inode import AddressSpace, Folio
from mmaplab.sim.memory import OutOfMemory
from mmaplab.sim.pagecache import MAX_PAGECACHE_ORDER, filemap_add_folio
from mmaplab.sim.readpage import read_pages

MMAP_LOTSAMISS = 100
"""After so many faults that missed more than they hit, a mapping is no longer read around."""

PageCacheRa = Callable[[File, int, int], None]
"""The slot's type: (file, index of the missing page, pages asked for)."""


def page_cache_sync_ra(file: File, index: int, req_count: int) -> None:
    """Choose what to read when page `index` is missing and `req_count` pages are wanted.

    Linux: page_cache_sync_ra, mm/readahead.c.
    """
    ra, mapping = file.f_ra, file.f_inode.i_mapping
    max_pages = ractl_max_pages(file, req_count)
    if index == 0 or req_count > max_pages or follows_last_read(ra, index):
        ra.start = index
        ra.size = get_init_ra_size(req_count, max_pages)
        ra.async_size = ra.size - req_count if ra.size > req_count else ra.size >> 1
    else:
        miss = page_cache_prev_miss(mapping, index - 1, max_pages)
        contig = index - miss - 1
        if contig <= req_count:  # a stray read: only this, and the state stays
            do_page_cache_ra(file, index, req_count, 0, "sync")
            return
        if miss < 0:  # cached from the beginning on: a long stream
            contig *= 2
        ra.start = index
        ra.size = min(contig + req_count, max_pages)
        ra.async_size = 1
    ra.order = 0
    page_cache_ra_order(file, ra.start, "sync")


def page_cache_async_ra(file: File, folio: Folio, index: int, req_count: int) -> None:
    """Read the next window, for the marked folio has been reached. Linux: page_cache_async_ra, mm/readahead.c.

    Leaves out: a request larger than the device's window, that begins at a mark, may be read in other pieces.
    """
    ra = file.f_ra
    folio.readahead = False
    max_pages = ractl_max_pages(file, req_count)
    mark = ra.start + ra.size - ra.async_size
    if index == mark & -len(folio.pages):  # the stream goes on as expected
        ra.start += ra.size
        ra.size = max(ra.size, get_next_ra_size(ra.size, max_pages))  # a large request's window does not shrink
    else:  # another reader's mark: look where the cached run ends
        start = page_cache_next_miss(file.f_inode.i_mapping, index + 1, max_pages)
        if start == 0 or start - index > max_pages:
            return
        ra.start = start
        ra.size = get_next_ra_size(start - index + req_count, max_pages)
    ra.order += 2
    if file.f_inode.i_sb.config.ra_align_end:
        window = file.f_inode.i_sb.config.ra_pages
        ra.order = min(ra.order, (window & -window).bit_length() - 1)
        end = ra.start + ra.size
        aligned_end = end & -(1 << ra.order)
        if aligned_end > ra.start:
            ra.size = aligned_end - ra.start
    ra.async_size = ra.size
    page_cache_ra_order(file, ra.start, "async")


def do_sync_mmap_readahead(file: File, index: int, vm_flags: int, area: range, sync_ra: PageCacheRa) -> None:
    """Choose what to read when a fault finds page `index` missing; it may be nothing: the caller reads that page.

    `area` is the file pages that the mapping shows. Linux: do_sync_mmap_readahead, mm/filemap.c.
    """
    ra, ra_pages = file.f_ra, file.f_inode.i_sb.config.ra_pages
    if vm_flags & (VmFlags.VM_RAND_READ | VmFlags.VM_EXEC) == VmFlags.VM_RAND_READ or not ra_pages:
        return  # code is thought to be read at random in any case
    if vm_flags & VmFlags.VM_SEQ_READ:
        sync_ra(file, index, ra_pages)
        return
    ra.mmap_miss = min(ra.mmap_miss + 1, MMAP_LOTSAMISS * 10)
    if ra.mmap_miss > MMAP_LOTSAMISS:
        return
    if vm_flags & VmFlags.VM_EXEC:  # code is not read in order: from here on, and nothing outside the area
        ra.start, ra.size, ra.async_size, ra.order = index, min(ra_pages, area.stop - index), 0, 0
    else:  # read around the page: half the window before it
        ra.start = max(0, index - ra_pages // 2)
        ra.size, ra.async_size, ra.order = ra_pages, ra_pages // 4, 0
    page_cache_ra_order(file, ra.start, "around")


def do_async_mmap_readahead(file: File, folio: Folio, index: int, vm_flags: int) -> bool:
    """A fault has found its page cached: read on if it carries the mark; says whether it did.

    Linux: do_async_mmap_readahead, mm/filemap.c.
    """
    ra_pages = file.f_inode.i_sb.config.ra_pages
    if vm_flags & VmFlags.VM_RAND_READ or not ra_pages:
        return False
    file.f_ra.mmap_miss = max(0, file.f_ra.mmap_miss - 1)
    if not folio.readahead:
        return False
    page_cache_async_ra(file, folio, index, ra_pages)
    return True


# ---------------------------------------------------------------- sizes


def ractl_max_pages(file: File, req_count: int) -> int:
    """Return the largest window: the device's, or for a larger request what the device takes at once."""
    config = file.f_inode.i_sb.config
    if req_count > config.ra_pages and config.io_pages > config.ra_pages:
        return min(req_count, config.io_pages)
    return config.ra_pages


def follows_last_read(ra: FileRaState, index: int) -> bool:
    """Does page `index` hold, or follow, the last byte that was read?"""
    return ra.prev_pos is not None and 0 <= index - (ra.prev_pos >> PAGE_SHIFT) <= 1


def get_init_ra_size(size: int, max_pages: int) -> int:
    """Return the first window of a stream: the request, rounded up to a power of two and stretched."""
    newsize = 1 << (size - 1).bit_length()
    if newsize <= max_pages // 32:
        return newsize * 4
    if newsize <= max_pages // 4:
        return newsize * 2
    return max_pages


def get_next_ra_size(size: int, max_pages: int) -> int:
    """Return the next window of a stream: four times, later twice the last one, up to the largest."""
    if size < max_pages // 16:
        return 4 * size
    if size <= max_pages // 2:
        return 2 * size
    return max_pages


# ---------------------------------------------------------------- reading a window


def page_cache_ra_order(file: File, index: int, why: str) -> None:
    """Read the window [index, start + size) of the file's state, in folios of `ra.order` where the file system can.

    Linux: page_cache_ra_order, mm/readahead.c.
    """
    ra, inode = file.f_ra, file.f_inode
    if not inode.i_sb.large_folios:
        ra.order = 0
        do_page_cache_ra(file, index, ra.size, ra.async_size, why)
        return
    limit = min((inode.i_size - 1) >> PAGE_SHIFT, index + ra.size - 1)
    mark = index + ra.size - ra.async_size
    ra.order = min(MAX_PAGECACHE_ORDER, ra.order, ra.size.bit_length() - 1)
    added: list[Folio] = []
    at = index
    if at <= limit:
        _emit_readahead(file, index, limit + 1 - index, mark, why)
    while at <= limit:
        order = _fitting_order(at, ra.order, limit)
        folio = add_if_there_is_room(inode.i_mapping, at, order)
        if folio is None:  # a page was there: go on page by page
            break
        if at == mark & -(1 << order):
            folio.readahead = True
        added.append(folio)
        at += 1 << order
    read_pages(added)
    if at <= limit:
        do_page_cache_ra(file, at, ra.size - (at - index), ra.async_size, "")


def _fitting_order(index: int, order: int, limit: int) -> int:
    """Return the order of a folio at `index` that is aligned and does not pass page `limit`."""
    if index & ((1 << order) - 1):
        order = (index & -index).bit_length() - 1
    while order > 0 and index + (1 << order) - 1 > limit:
        order -= 1
    return order


def do_page_cache_ra(file: File, index: int, nr_to_read: int, lookahead_size: int, why: str) -> None:
    """Read the pages of [index, index + nr_to_read) that are not cached, one folio each, not past the file's end.

    `why` is for the trace; "" when the caller has said it. Linux: do_page_cache_ra, page_cache_ra_unbounded.
    """
    inode = file.f_inode
    end = min(index + nr_to_read, inode.pages)
    if index >= end:
        return
    mark = end - lookahead_size if lookahead_size <= end - index else None
    if why:
        _emit_readahead(file, index, end - index, end if mark is None else mark, why)
    added = []
    for at in range(index, end):
        folio = add_if_there_is_room(inode.i_mapping, at)
        if folio is None:
            continue
        if at == mark:
            folio.readahead = True
        added.append(folio)
    read_pages(added)


def add_if_there_is_room(mapping: AddressSpace, index: int, order: int = 0) -> Folio | None:
    """Add a folio, or None where one is cached already or memory is short: nobody waits for readahead."""
    try:
        return filemap_add_folio(mapping, index, order, patient=False)
    except OutOfMemory:
        return None


def force_page_cache_ra(file: File, index: int, nr_to_read: int) -> None:
    """Read [index, index + nr_to_read), as asked for by MADV_WILLNEED, in pieces of 2 MiB.

    No more is read than the device's largest request or its window, whichever is larger. Linux: force_page_cache_ra.
    """
    config = file.f_inode.i_sb.config
    chunk_max = max(config.io_pages, config.ra_pages)
    nr_to_read = min(nr_to_read, chunk_max)
    while nr_to_read > 0:
        chunk = min(nr_to_read, (2 << 20) >> PAGE_SHIFT)
        do_page_cache_ra(file, index, chunk, 0, "advice")
        index, nr_to_read = index + chunk, nr_to_read - chunk


def _emit_readahead(file: File, index: int, npages: int, mark: int, why: str) -> None:
    sb = file.f_inode.i_sb
    sb.trace.emit(Readahead, file.f_inode.ino, index, npages, max(0, index + npages - mark), why)


# ---------------------------------------------------------------- looking for the edge of the cached run


def page_cache_next_miss(mapping: AddressSpace, index: int, max_scan: int) -> int:
    """Return the first page from `index` on that is not cached, within `max_scan` pages.

    The real function walks the slots of a tree. If the first page belongs to a large folio, it starts at the folio's
    first slot but counts from `index`, so what it returns is too high by as much, until the walk crosses a 64-slot
    node and looks up its index again. Linux: page_cache_next_miss, mm/filemap.c.
    """
    slot, at = _first_slot(mapping, index), index
    for _ in range(max_scan):
        if slot not in mapping.i_pages:
            return at
        slot = at + 1 if slot % 64 == 63 else slot + 1
        at += 1
    return index + max_scan


def page_cache_prev_miss(mapping: AddressSpace, index: int, max_scan: int) -> int:
    """Return the first page from `index` downwards that is not cached, within `max_scan` pages; -1 below page 0.

    Starts like `page_cache_next_miss`, and has the same shift. Where it leaves a node it goes on in the node before
    that one, at the place that its index has in a node: shifted, it leaves too early and looks 64 pages too low.
    Linux: page_cache_prev_miss, mm/filemap.c; __xas_prev, lib/xarray.c.
    """
    slot, at = _first_slot(mapping, index), index
    for _ in range(max_scan):
        if slot not in mapping.i_pages:
            return at
        if at == 0:
            return -1
        at -= 1
        slot = slot - 64 + at % 64 if slot % 64 == 0 else slot - 1
    return index - max_scan


def _first_slot(mapping: AddressSpace, index: int) -> int:
    folio = mapping.i_pages.get(index)
    return folio.index if folio is not None and folio.index >> 6 == index >> 6 else index
