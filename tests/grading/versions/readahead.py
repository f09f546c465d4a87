"""Versions of page_cache_sync_ra."""

from __future__ import annotations

from mmaplab.sim.readahead import (
    do_page_cache_ra,
    follows_last_read,
    get_init_ra_size,
    page_cache_prev_miss,
    page_cache_ra_order,
    ractl_max_pages,
)

from . import right, wrong


def read_window(file, index, size, async_size, order=0):
    """Keep a window in the file's state and read it."""
    ra = file.f_ra
    ra.start, ra.size, ra.async_size, ra.order = index, size, async_size, order
    page_cache_ra_order(file, index, "sync")


def choice(file, index, req_count, double=True, stray=True, keep=True):
    """Choose as the kernel does; parts of it can be left out."""
    most = ractl_max_pages(file, req_count)
    if index == 0 or req_count > most or follows_last_read(file.f_ra, index):
        size = get_init_ra_size(req_count, most)
        read_window(file, index, size, size - req_count if size > req_count else size // 2)
        return
    miss = page_cache_prev_miss(file.f_inode.i_mapping, index - 1, most)
    run = index - 1 - miss
    if run <= req_count and stray:
        if keep:
            do_page_cache_ra(file, index, req_count, 0, "sync")
        else:
            read_window(file, index, req_count, 0)
        return
    run = 2 * run if miss < 0 and double else run
    read_window(file, index, min(run + req_count, most), 1)


@right("page_cache_sync_ra")
def case_by_case(file, index, req_count):
    choice(file, index, req_count)


@wrong("page_cache_sync_ra", calls=2)
def what_was_asked_for(file, index, req_count):
    do_page_cache_ra(file, index, req_count, 0, "sync")


@wrong("page_cache_sync_ra", calls=2)
def as_much_as_possible(file, index, req_count):
    size = file.f_inode.i_sb.config.ra_pages
    read_window(file, index, size, size // 2)


@wrong("page_cache_sync_ra", calls=2)
def without_a_mark(file, index, req_count):
    most = ractl_max_pages(file, req_count)
    if index == 0 or req_count > most or follows_last_read(file.f_ra, index):
        read_window(file, index, get_init_ra_size(req_count, most), 0)
    else:
        choice(file, index, req_count)


@wrong("page_cache_sync_ra", calls=2)
def every_read_begins_a_stream(file, index, req_count):
    size = get_init_ra_size(req_count, ractl_max_pages(file, req_count))
    read_window(file, index, size, size - req_count if size > req_count else size // 2)


@wrong("page_cache_sync_ra", calls=2)
def around_the_page(file, index, req_count):
    size = ractl_max_pages(file, req_count)
    read_window(file, max(0, index - size // 2), size, 0)


@wrong("page_cache_sync_ra", calls=2)
def twice_the_request(file, index, req_count):
    if index == 0:
        read_window(file, index, 2 * req_count, req_count)
    else:
        choice(file, index, req_count)


@wrong("page_cache_sync_ra", calls=5)
def a_stray_read_is_remembered(file, index, req_count):
    choice(file, index, req_count, keep=False)


@wrong("page_cache_sync_ra", calls=4)
def a_run_from_the_start_is_not_doubled(file, index, req_count):
    choice(file, index, req_count, double=False)


@wrong("page_cache_sync_ra", calls=2)
def the_mark_on_the_wrong_page(file, index, req_count):
    choice(file, index, req_count)
    for folio in file.f_inode.i_mapping.folios():
        if folio.readahead:
            folio.readahead = False
            following = file.f_inode.i_mapping.i_pages.get(folio.index + 1)
            if following is not None:
                following.readahead = True
            return
