"""Filling the page cache: blocks of the disk come into folios.

    read_folio    one folio, for which somebody waits: a block that cannot be read is an error
    read_pages    many folios, one request for neighbours: where it fails, none of them becomes uptodate

Linux: mm/filemap.c (filemap_read_folio), mm/readahead.c (read_pages), fs/ext4/readpage.c. Leaves out: the largest size
of one request.
"""

from __future__ import annotations

from mmaplab.sim.inode import Folio
from mmaplab.sim.pagecache import folio_mark_uptodate


def read_folio(folio: Folio) -> None:
    """Fill one folio from the disk; holes are filled with zeros, without I/O. Raises OSError(EIO).

    Linux: filemap_read_folio, ext4_read_folio.
    """
    if not folio.stub:
        fill(folio)
    folio_mark_uptodate(folio)


def read_pages(folios: list[Folio]) -> None:
    """Fill neighbouring folios with one request; where one of its blocks is broken, none of them becomes uptodate.

    Whoever needs one of them tries again, with that folio alone. Linux: read_pages, mm/readahead.c; mpage_end_io.
    """
    batch: list[Folio] = []
    for folio in folios:
        if batch and batch[-1].end != folio.index:
            _read_batch(batch)
            batch = []
        batch.append(folio)
    if batch:
        _read_batch(batch)


def _read_batch(batch: list[Folio]) -> None:
    host = batch[0].mapping.host
    first, last = batch[0].index, batch[-1].end
    try:
        blocks = host.i_sb.disk.read_blocks(host.ino, first, last - first)
    except OSError:
        return
    for folio in batch:
        _fill_from(folio, blocks[folio.index - first : folio.end - first])
        folio_mark_uptodate(folio)


def fill(folio: Folio) -> None:
    """Move the folio's blocks into its frames; the device does it. Raises OSError(EIO)."""
    host = folio.mapping.host
    _fill_from(folio, host.i_sb.disk.read_blocks(host.ino, folio.index, len(folio.pages)))


def _fill_from(folio: Folio, blocks: list[bytes | None]) -> None:
    memory = folio.mapping.host.i_sb.memory
    for page, block in zip(folio.pages, blocks, strict=True):
        if block is None:
            memory.clear(page)
        else:
            memory.copy("dma_in", block, page)
