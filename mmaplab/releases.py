"""Which release of Linux brought what the simulator can switch on and off.

Both the model of a machine (`mmaplab.sim.config`) and what is known of a live one (`mmaplab.real.machine`) begin here.
"""

from __future__ import annotations

Release = tuple[int, int]
"""A version of Linux: (major, minor)."""

SINCE: dict[str, Release] = {
    "madv_populate": (5, 14),
    "madv_dontneed_locked": (5, 18),
    "madv_collapse": (6, 1),
    "async_hit_is_minor": (6, 4),
    "map_stack_apart": (6, 7),
    "map_droppable": (6, 11),
    "madv_guard": (6, 13),
    "pt_reclaim": (6, 14),
    "madv_guard_files": (6, 15),
    "large_folios": (6, 16),
    "merge_unfaulted": (6, 16),
    "ra_align_end": (6, 16),
    "mremap_multi": (6, 17),
    "map_whole_folio": (6, 18),
    "eof_quirk": (6, 18),
}
"""The fields of `KernelConfig` that are true from a release on."""


def by_release(release: Release) -> dict[str, bool]:
    """Return what a release of Linux has, by field of `KernelConfig`."""
    return {field: release >= since for field, since in SINCE.items()}


def thp_align_anon(release: Release) -> str:
    """Return which un-hinted anonymous mappings start on 2 MiB. Linux: __get_unmapped_area, mm/mmap.c."""
    return "multiple" if release >= (6, 13) else "larger" if release >= (6, 7) else "never"
