"""Versions of do_writepages and do_msync."""

from __future__ import annotations

import errno

from mmaplab.constants import PAGE_SIZE, Ms, VmFlags
from mmaplab.sim.pagecache import folio_clear_dirty
from mmaplab.sim.writeback import file_write_and_wait, write_folio

from . import right, wrong

# ---------------------------------------------------------------- do_writepages


def written(mapping, first, last, why, which=lambda folio: folio.dirty, most=None):
    """Write page by page; parts of it can be left out."""
    if not mapping.host.i_sb.on_disk:
        return
    done = 0
    for index in sorted(mapping.i_pages):
        folio = mapping.i_pages[index]
        inside = first <= index and (last is None or index <= last)
        if inside and which(folio) and done != most:
            write_folio(folio, why)
            done += 1


@right("do_writepages")
def page_by_page(mapping, first, last, why):
    written(mapping, first, last, why)


@wrong("do_writepages", calls=2)
def clean_ones_too(mapping, first, last, why):
    for folio in mapping.folios(first, last):
        if mapping.host.i_sb.on_disk:
            write_folio(folio, why)


@wrong("do_writepages", calls=4)
def the_whole_file(mapping, first, last, why):
    written(mapping, 0, None, why)


@wrong("do_writepages", calls=4)
def not_the_last_page(mapping, first, last, why):
    written(mapping, first, None if last is None else last - 1, why)


@wrong("do_writepages", calls=4)
def the_first_dirty_one(mapping, first, last, why):
    written(mapping, first, last, why, most=1)


@wrong("do_writepages", calls=3)
def to_the_end_is_to_nothing(mapping, first, last, why):
    written(mapping, first, last or 0, why)


@wrong("do_writepages", calls=3)
def clean_without_writing(mapping, first, last, why):
    for folio in mapping.folios(first, last):
        if folio.dirty:
            folio_clear_dirty(folio)


@wrong("do_writepages", calls=4)
def still_writable_afterwards(mapping, first, last, why):
    inode = mapping.host
    if not inode.i_sb.on_disk:
        return
    for folio in mapping.folios(first, last):
        if folio.dirty:
            folio_clear_dirty(folio)
            for index, page in enumerate(folio.pages, folio.index):
                if index < inode.pages:
                    inode.i_sb.disk.write_block(inode.ino, index, page.data, why)


@wrong("do_writepages", calls=3)
def nobody_waits_for_it(mapping, first, last, why):
    written(mapping, first, last, why, most=0)


@wrong("do_writepages", calls=2, says="raised AttributeError: 'AddressSpace' object has no attribute 'pages' (line")
def a_name_of_another_place(mapping, first, last, why):
    for folio in mapping.pages:
        write_folio(folio, why)


# ---------------------------------------------------------------- do_msync


def checked(addr, length, flags, known=7, both=False, aligned=True, least=0):
    """Raise EINVAL and ENOMEM for what cannot be asked for; returns the end of the range."""
    if flags & ~known or (aligned and addr % PAGE_SIZE) or (not both and flags & Ms.MS_ASYNC and flags & Ms.MS_SYNC):
        raise OSError(errno.EINVAL, "bad flags or address")
    if length < least:
        raise OSError(errno.EINVAL, "no length")
    end = addr + (length + PAGE_SIZE - 1) % 2**64 // PAGE_SIZE * PAGE_SIZE
    if end > 2**64 or end < addr + min(length, 1):
        raise OSError(errno.ENOMEM, "wraps around")
    return end


def pieces(task, addr, end):
    """Return (area, start, end) for what is mapped in the range, and whether there is a hole in it."""
    found, at = [], addr
    for area in task.mm.areas:
        if area.vm_start < end and area.vm_end > addr:
            found.append((area, max(area.vm_start, addr), min(area.vm_end, end)))
    hole = False
    for _, start, stop in found:
        hole |= start > at
        at = stop
    return found, hole or at < end


def synced(task, addr, length, flags, end=None, hole_is_ok=False, kinds=Ms.MS_SYNC, locked=True, stop=False):
    """Write piece by piece; parts of it can be left out."""
    end = checked(addr, length, flags) if end is None else end
    parts, hole = pieces(task, addr, end)
    at = addr
    for area, first, last in parts:
        if first > at and (stop or flags == Ms.MS_ASYNC):
            break
        at = last
        if locked and flags & Ms.MS_INVALIDATE and area.vm_flags & VmFlags.VM_LOCKED:
            raise OSError(errno.EBUSY, "locked")
        if flags & kinds and area.vm_file is not None and area.shared:
            pages = area.pgoff_of(first), area.pgoff_of(last) - 1
            file_write_and_wait(area.vm_file, *pages, "msync", task.mm.slots.do_writepages)
    if hole and not hole_is_ok:
        raise OSError(errno.ENOMEM, "part of it is not mapped")


@right("do_msync")
def piece_by_piece(task, addr, length, flags):
    synced(task, addr, length, flags)


@wrong("do_msync", calls=1, says="reference  ENOMEM")
def a_hole_is_no_matter(task, addr, length, flags):
    synced(task, addr, length, flags, hole_is_ok=True)


@wrong("do_msync", calls=4)
def a_hole_ends_it(task, addr, length, flags):
    synced(task, addr, length, flags, stop=True)


@wrong("do_msync", calls=4, says="blocks written")
def async_writes_as_well(task, addr, length, flags):
    synced(task, addr, length, flags, kinds=Ms.MS_SYNC | Ms.MS_ASYNC)


@wrong("do_msync", calls=1)
def unknown_flags_are_fine(task, addr, length, flags):
    synced(task, addr, length, flags, end=checked(addr, length, flags, known=0xFF))


@wrong("do_msync", calls=1)
def both_kinds_at_once(task, addr, length, flags):
    synced(task, addr, length, flags, end=checked(addr, length, flags, both=True))


@wrong("do_msync", calls=1)
def any_address(task, addr, length, flags):
    synced(task, addr & -PAGE_SIZE, length, flags, end=checked(addr, length, flags, aligned=False))


@wrong("do_msync", calls=1)
def whole_pages_only(task, addr, length, flags):
    checked(addr, length, flags)
    if length >= PAGE_SIZE:
        synced(task, addr, length, flags, end=addr + length // PAGE_SIZE * PAGE_SIZE)


@wrong("do_msync", calls=1, says="EINVAL")
def nothing_to_do_is_an_error(task, addr, length, flags):
    synced(task, addr, length, flags, end=checked(addr, length, flags, least=1))


@wrong("do_msync", calls=2)
def private_areas_are_an_error(task, addr, length, flags):
    parts, _ = pieces(task, addr, addr + length)
    if any(not area.shared for area, _, _ in parts):
        raise OSError(errno.EINVAL, "private")
    synced(task, addr, length, flags)


@wrong("do_msync", calls=3, says="EBUSY")
def locked_areas_are_fine(task, addr, length, flags):
    synced(task, addr, length, flags, locked=False)


@wrong("do_msync", calls=1, says="an error is raised, as OSError")
def the_error_as_a_number(task, addr, length, flags):
    try:
        synced(task, addr, length, flags)
    except OSError as error:
        return -error.errno
