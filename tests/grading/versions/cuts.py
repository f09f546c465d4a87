"""Versions of truncate_pagecache."""

from __future__ import annotations

from mmaplab.constants import PAGE_SIZE
from mmaplab.sim.pagecache import filemap_remove_folio, folio_clear_dirty
from mmaplab.sim.rmap import try_to_unmap, unmap_mapping_range
from mmaplab.sim.truncate import truncate_folio

from . import right, wrong


def cut(inode, first, unmap=unmap_mapping_range, remove=True, large=True):
    """Take entries and pages away from file page `first` on; parts of it can be left out."""
    mapping = inode.i_mapping
    unmap(mapping, first)
    for folio in mapping.folios(max(0, first - 1)) if remove else ():
        if folio.index >= first or (large and folio.end > first - 1 and len(folio.pages) > 1):
            truncate_folio(inode, folio, first, inode.i_size // PAGE_SIZE)


def behind(length):
    """Return the first page that is wholly behind the end."""
    return -(-length // PAGE_SIZE)


@right("truncate_pagecache")
def page_by_page(inode, length):
    first = behind(length)
    unmap_mapping_range(inode.i_mapping, first)
    for folio in inode.i_mapping.folios(length // PAGE_SIZE):
        whole = folio.index >= first
        if whole:
            folio_clear_dirty(folio)
            filemap_remove_folio(folio)
        elif len(folio.pages) > 1:
            truncate_folio(inode, folio, first, length // PAGE_SIZE)


@right("truncate_pagecache")
def area_by_area(inode, length):
    first = behind(length)
    for area in list(inode.i_mapping.i_mmap):
        mm = area.vm_mm
        for addr, _pte in list(mm.pgd.entries(area.vm_start, area.vm_end)):
            if (addr - area.vm_start) // PAGE_SIZE + area.vm_pgoff >= first:
                mm.pgd.clear_pte(addr)
                mm.flush_tlb_range(addr, addr + PAGE_SIZE)
    for folio in inode.i_mapping.folios(length // PAGE_SIZE):
        if folio.end > first or len(folio.pages) > 1:
            truncate_folio(inode, folio, first, length // PAGE_SIZE)


@wrong("truncate_pagecache", calls=4)
def the_last_page_too(inode, length):
    cut(inode, length // PAGE_SIZE, large=False)


@wrong("truncate_pagecache", calls=4)
def one_page_too_many_stays(inode, length):
    cut(inode, length // PAGE_SIZE + 1, large=False)


@wrong("truncate_pagecache", calls=5)
def nobody_loses_an_entry(inode, length):
    cut(inode, behind(length), unmap=lambda mapping, first: None)


@wrong("truncate_pagecache", calls=5)
def the_cache_keeps_them(inode, length):
    cut(inode, behind(length), remove=False)


@wrong("truncate_pagecache", calls=6)
def private_copies_stay(inode, length):
    def unmap(mapping, first):
        for folio in mapping.folios(first):
            try_to_unmap(folio)

    cut(inode, behind(length), unmap=unmap)


@wrong("truncate_pagecache", calls=5)
def everything_goes(inode, length):
    unmap_mapping_range(inode.i_mapping, 0)
    cut(inode, behind(length))


@wrong("truncate_pagecache", calls=5, says="truncate_pagecache")
def still_dirty(inode, length):
    first = behind(length)
    unmap_mapping_range(inode.i_mapping, first)
    for folio in inode.i_mapping.folios(first):
        filemap_remove_folio(folio)
