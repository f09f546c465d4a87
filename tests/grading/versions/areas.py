"""Versions of find_vma and can_vma_merge."""

from __future__ import annotations

from bisect import bisect_right

from mmaplab.constants import PAGE_SIZE
from mmaplab.sim.merge import is_mergeable_anon_vma

from . import right, wrong

# ---------------------------------------------------------------- find_vma


@right("find_vma")
def scanned(mm, addr):
    for area in mm.areas:
        if addr < area.vm_end:
            return area
    return None


@right("find_vma")
def bisected(mm, addr):
    areas = mm.areas
    i = bisect_right([area.vm_end for area in areas], addr)
    return areas[i] if i < len(areas) else None


@wrong("find_vma", calls=2, says="your find_vma(mm, 0x10001000) returned the area 0x10000000-0x10001000")
def one_too_far(mm, addr):
    return next((area for area in mm.areas if addr <= area.vm_end), None)


@wrong("find_vma", calls=2, says="returned None; the reference returned the area")
def only_the_area_around_it(mm, addr):
    return next((area for area in mm.areas if area.vm_start <= addr < area.vm_end), None)


@wrong("find_vma", calls=2)
def the_area_below(mm, addr):
    below = [area for area in mm.areas if area.vm_start <= addr]
    return below[-1] if below else None


@wrong("find_vma", calls=2)
def compares_the_start(mm, addr):
    return next((area for area in mm.areas if addr <= area.vm_start), None)


@wrong("find_vma", calls=4)
def the_last_answer_again(mm, addr):
    last = REMEMBERED.get(mm)
    if last is None or not last.vm_start <= addr < last.vm_end:
        last = REMEMBERED[mm] = next((area for area in mm.areas if addr < area.vm_end), None)
    return last


REMEMBERED: dict = {}


@wrong("find_vma", calls=1, says="raised IndexError: list index out of range (line")
def the_first_of_none(mm, addr):
    found = [area for area in mm.areas if addr < area.vm_end]
    return found[0]


@wrong("find_vma", calls=2, says="does not come to an end")
def never_arrives(mm, addr):
    areas, i = mm.areas, 0
    while i < len(areas):
        if addr < areas[i].vm_end:
            return areas[i]
        i = 0
    return None


@wrong("find_vma", calls=1, says="where an area or None is asked for")
def an_address(mm, addr):
    return addr


@wrong("find_vma", calls=0, says="the kernel calls find_vma(mm, addr), with 2 arguments; one_argument(addr)")
def one_argument(addr):
    return addr


@wrong("find_vma", calls=2, says="an invariant is broken: totals_match_areas")
def stretches_the_area(mm, addr):
    area = mm.mm_mt.find(addr)
    if area is not None and area.vm_start <= addr:
        area.vm_end += PAGE_SIZE
    return area


# ---------------------------------------------------------------- can_vma_merge


@right("can_vma_merge")
def says_what_forbids_it(left, right):
    if left.vm_end != right.vm_start or left.vm_flags ^ right.vm_flags:
        return False
    if left.vm_file is not right.vm_file:
        return False
    if right.vm_pgoff - left.vm_pgoff != (left.vm_end - left.vm_start) // PAGE_SIZE:
        return False
    if left.anon_vma is None and right.anon_vma is None:
        return True
    if left.anon_vma is not None and right.anon_vma is not None:
        return left.anon_vma is right.anon_vma
    return all(len(area.anon_vma_chain) <= 1 for area in (left, right))


def merge(left, right, flags=True, file=True, pgoff=True, anon=True):
    """The reference, with parts of it that can be switched off."""
    return (
        left.vm_end == right.vm_start
        and (not flags or left.vm_flags == right.vm_flags)
        and (not file or left.vm_file is right.vm_file)
        and (not pgoff or left.vm_pgoff + left.pages == right.vm_pgoff)
        and (not anon or is_mergeable_anon_vma(left, right))
    )


@wrong("can_vma_merge", calls=2)
def whatever_the_rights(left, right):
    return merge(left, right, flags=False)


@wrong("can_vma_merge", calls=3)
def whatever_the_file(left, right):
    return merge(left, right, file=False)


@wrong("can_vma_merge", calls=4)
def the_same_file_opened_twice(left, right):
    inodes = [area.vm_file and area.vm_file.f_inode for area in (left, right)]
    return merge(left, right, file=False) and inodes[0] is inodes[1]


@wrong("can_vma_merge", calls=3)
def whatever_the_page(left, right):
    return merge(left, right, pgoff=False)


@wrong("can_vma_merge", calls=2)
def counts_bytes(left, right):
    return merge(left, right, pgoff=False) and left.vm_pgoff + left.vm_end - left.vm_start == right.vm_pgoff


@wrong("can_vma_merge", calls=4)
def whatever_the_identity(left, right):
    return merge(left, right, anon=False)


@wrong("can_vma_merge", calls=3)
def only_without_an_identity(left, right):
    return merge(left, right) and left.anon_vma is None and right.anon_vma is None


@wrong("can_vma_merge", calls=4)
def inherited_ones_too(left, right):
    alike = left.anon_vma is right.anon_vma or left.anon_vma is None or right.anon_vma is None
    return merge(left, right, anon=False) and alike


@wrong("can_vma_merge", calls=7)
def two_identities_too(left, right):
    both = left.anon_vma is not None and right.anon_vma is not None
    return merge(left, right, anon=not both)


@wrong("can_vma_merge", calls=2)
def never(left, right):
    return left is right


@wrong("can_vma_merge", calls=2, says="where True or False is asked for")
def nothing_when_it_may(left, right):
    return None if merge(left, right) else False
