"""Joining and splitting areas.

    AAAA        munmap of the middle: A, B            split: one area becomes two
    A..B
    AAABBB      mprotect makes B's flags equal A's    merge: two areas become one
    AAAAAA
    AAA*BB      a new range '*' touches A and B       it joins those whose flags, file and file offset continue in it

A *new* range (mmap, mremap) and a range whose *flags change* (mprotect, madvise, mlock) are offered to their
neighbours. Nothing else merges: two areas that have become alike by other ways stay two.

Linux: mm/vma.c (vma_merge_new_range, vma_merge_existing_range, __split_vma). Leaves out: hugetlb, policies, names.
"""

from __future__ import annotations

import errno

from mmaplab.constants import PAGE_SHIFT, VmFlags
from mmaplab.sim.file import File
from mmaplab.sim.mm_types import VM_ACCESS_FLAGS, AnonVma, MmStruct, VmArea, vma_permits_loads
from mmaplab.sim.vma import neighbours, vma_adjust, vma_link, vma_unlink


def can_vma_merge(left: VmArea, right: VmArea) -> bool:
    """May two adjacent areas become one? Flags, file and file offset must continue, and the anonymous identities agree.

    Linux: can_vma_merge_before, can_vma_merge_after, is_mergeable_vma, mm/vma.c.
    """
    return (
        left.vm_end == right.vm_start
        and left.vm_flags == right.vm_flags
        and left.vm_file is right.vm_file
        and left.vm_pgoff + left.pages == right.vm_pgoff
        and is_mergeable_anon_vma(left, right)
    )


def is_mergeable_anon_vma(one: VmArea, other: VmArea) -> bool:
    """Do the identities of their anonymous pages agree?

    Both none or both the same: yes. One has none: yes, unless the other inherited its identity through fork.
    Linux: is_mergeable_anon_vma, mm/vma.c.
    """
    if one.anon_vma is other.anon_vma:
        return True
    if one.anon_vma is not None and other.anon_vma is not None:
        return False
    owner = one if one.anon_vma is not None else other
    return not vma_had_uncowed_parents(owner)


def vma_had_uncowed_parents(vma: VmArea) -> bool:
    """Did the area inherit identities through fork? Linux: vma_had_uncowed_parents, mm/vma.c."""
    return vma.anon_vma is not None and len(vma.anon_vma_chain) > 1


def are_anon_vmas_compatible(prev: VmArea, following: VmArea) -> bool:
    """May two areas join around a third? Linux: are_anon_vmas_compatible, mm/vma.c."""
    return prev.anon_vma is None or following.anon_vma is None or prev.anon_vma is following.anon_vma


def vma_merge_new_range(
    mm: MmStruct,
    start: int,
    end: int,
    flags: VmFlags,
    pgoff: int,
    file: File | None,
    source: VmArea | None = None,
) -> VmArea | None:
    """Let the neighbours of the free range [start, end) grow over it; returns the area that did, or None.

    `source` is the area that the range is a copy of (mremap). The left neighbour is preferred; both may join.
    Linux: vma_merge_new_range, mm/vma.c.
    """
    can_merge = mm.slots.can_vma_merge
    new = VmArea(mm, start, end, flags, pgoff, file)
    if source is not None:
        new.anon_vma, new.anon_vma_chain = source.anon_vma, source.anon_vma_chain
    prev, following = neighbours(mm, start, end)
    left = prev is not None and can_merge(prev, new)
    right = following is not None and can_merge(new, following)
    if prev is not None and following is not None and left and right and are_anon_vmas_compatible(prev, following):
        take_anon_vma(prev, following)
        vma_unlink(following)
        vma_adjust(prev, end=following.vm_end)
    elif prev is not None and left:
        vma_adjust(prev, end=end)
    elif following is not None and right:
        vma_adjust(following, start=start)
        prev = following
    else:
        return None
    assert prev is not None
    if source is not None:
        take_anon_vma(prev, source)
    return prev


def vma_modify_flags(vma: VmArea, start: int, end: int, flags: VmFlags) -> VmArea:
    """Give [start, end), a part of `vma`, new flags: merge it with a neighbour, or split it out.

    Returns the area that holds the range now; raises ENOMEM for one area too many. Linux: vma_modify, mm/vma.c.
    """
    merged = vma_merge_existing_range(vma, start, end, flags)
    if merged is not None:
        return merged
    if vma.vm_start < start:
        check_map_count(vma.vm_mm)
        split_vma(vma, start, new_below=True)
    if vma.vm_end > end:
        check_map_count(vma.vm_mm)
        split_vma(vma, end, new_below=False)
    vma_adjust(vma, flags=flags)
    return vma


def check_map_count(mm: MmStruct) -> None:
    """Raise ENOMEM where a split would make more areas than max_map_count. Linux: split_vma, mm/vma.c."""
    if mm.map_count >= mm.config.max_map_count:
        raise OSError(errno.ENOMEM, f"the process has {mm.map_count} areas, as many as max_map_count allows")


def vma_merge_existing_range(vma: VmArea, start: int, end: int, flags: VmFlags) -> VmArea | None:
    """Let the neighbours take over [start, end) of `vma`, whose flags become `flags`; None if they may not.

    Only a range that touches an edge of its area can be taken over. Linux: vma_merge_existing_range, mm/vma.c.
    """
    mm = vma.vm_mm
    at_left, at_right = start == vma.vm_start, end == vma.vm_end
    prev, following = neighbours(mm, vma.vm_start, vma.vm_end)
    part = VmArea(mm, start, end, flags, vma.pgoff_of(start), vma.vm_file, vma.anon_vma, vma.anon_vma_chain)
    left = at_left and prev is not None and _may_take(prev, part, prev, part)
    right = at_right and following is not None and _may_take(part, following, following, part)
    if left and right and prev is not None and following is not None and are_anon_vmas_compatible(prev, following):
        take_anon_vma(prev, following if following.anon_vma is not None else vma)
        prev.maybe_guard |= vma.maybe_guard or following.maybe_guard
        vma_unlink(vma)
        vma_unlink(following)
        vma_adjust(prev, end=following.vm_end)
        return prev
    if left and prev is not None:
        take_anon_vma(prev, vma)
        if at_right:
            vma_unlink(vma)
        else:
            vma_adjust(vma, start=end)
        vma_adjust(prev, end=end)
        return prev
    if right and following is not None:
        take_anon_vma(following, vma)
        if at_left:
            vma_unlink(vma)
        else:
            vma_adjust(vma, end=start)
        vma_adjust(following, start=start)
        return following
    return None


def _may_take(left: VmArea, right: VmArea, neighbour: VmArea, part: VmArea) -> bool:
    """May `neighbour` take over `part`? Older kernels refuse when only the part has anonymous pages."""
    if neighbour.anon_vma is None and part.anon_vma is not None and not part.vm_mm.config.merge_unfaulted:
        return False
    return bool(part.vm_mm.slots.can_vma_merge(left, right))


def take_anon_vma(target: VmArea, source: VmArea) -> None:
    """The area that grows takes over the identity of what it swallows, if it has none. Linux: dup_anon_vma."""
    if target.anon_vma is None and source.anon_vma is not None:
        target.anon_vma, target.anon_vma_chain = source.anon_vma, list(source.anon_vma_chain)
    target.maybe_guard |= source.maybe_guard


def split_vma(vma: VmArea, addr: int, new_below: bool) -> VmArea:
    """Cut an area in two at `addr`; `vma` keeps the upper part if `new_below`. Returns the new area.

    Linux: __split_vma, mm/vma.c.
    """
    start, end, pgoff = vma.vm_start, vma.vm_end, vma.vm_pgoff
    cut = pgoff + ((addr - start) >> PAGE_SHIFT)
    if new_below:
        vma_adjust(vma, start=addr)
        new = VmArea(vma.vm_mm, start, addr, vma.vm_flags, pgoff, vma.vm_file)
    else:
        vma_adjust(vma, end=addr)
        new = VmArea(vma.vm_mm, addr, end, vma.vm_flags, cut, vma.vm_file)
    new.anon_vma, new.anon_vma_chain, new.maybe_guard = vma.anon_vma, list(vma.anon_vma_chain), vma.maybe_guard
    vma_link(new)
    return new


# ---------------------------------------------------------------- identities


def anon_vma_prepare(vma: VmArea) -> None:
    """Give an area an identity before its first anonymous page: a neighbour's if it may share it, else a new one.

    Linux: __anon_vma_prepare, find_mergeable_anon_vma, mm/rmap.c, mm/vma.c.
    """
    if vma.anon_vma is not None:
        return
    prev, following = neighbours(vma.vm_mm, vma.vm_start, vma.vm_end)
    for left, right, other in ((vma, following, following), (prev, vma, prev)):
        if left is not None and right is not None and other is not None and reusable_anon_vma(left, right, other):
            vma.anon_vma = other.anon_vma
            break
    else:
        vma.anon_vma = AnonVma()
    assert vma.anon_vma is not None
    vma.anon_vma_chain = [vma.anon_vma]


def reusable_anon_vma(left: VmArea, right: VmArea, owner: VmArea) -> bool:
    """May the areas share the identity of `owner`, so that mprotect could join them again later?

    Linux: reusable_anon_vma, anon_vma_compatible, mm/vma.c.
    """
    return (
        owner.anon_vma is not None
        and len(owner.anon_vma_chain) == 1
        and left.vm_file is right.vm_file
        and not (left.vm_flags ^ right.vm_flags) & ~int(VM_ACCESS_FLAGS)
        and vma_permits_loads(left) == vma_permits_loads(right)  # the protection key is one of the flags
        and left.vm_pgoff + left.pages == right.vm_pgoff
    )
