"""What lies in one column of the linked view, or in one area, in a sentence: for a reader who points at it.

    pointed(step, plan)  {"col:f12:0": "Page 0 of data.bin: P1 has it at 0x7ffff7ffc000, entry rw to frame 9; ...", ...}

The player lights a column or an area when it is pointed at, with the mouse or with the keys, and shows this sentence.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmaplab.constants import PAGE_SHIFT
from mmaplab.pte import pte_pfn, pte_present, pte_text
from mmaplab.views.columns import Column
from mmaplab.views.layout import Group, Layout, delta_of
from mmaplab.views.scene import Area, FileState, Scene, Space
from mmaplab.views.steps import Step
from mmaplab.views.words import pages, plural


def pointed(step: Step, plan: Layout) -> dict[str, str]:
    """Return a sentence for each area and each column that a step's picture draws; areas first, from left to right."""
    told = {}
    for pid, mm in plan.processes:
        space = step.scene.spaces.get(mm)
        for area in space.sorted_areas() if space else ():
            if space and plan.group_of(area):
                told[f"area:{pid}:{area.start:x}"] = _area(space, area, pid)
    for group in plan.groups:
        for column in group.columns:
            told[f"col:{group.key}:{column.first}"] = _column(step.scene, plan, group, column)
    return told


def _area(space: Space, area: Area, pid: int) -> str:
    kind = "shared" if area.perms.endswith("s") else "private"
    ready = sum(area.start <= addr < area.end and pte_present(pte) for addr, pte in space.ptes.items())
    named = "none of them has" if not ready else f"{ready} of them {'has' if ready == 1 else 'have'}"
    return (
        f"An area of P{pid}: {area.name or 'anonymous memory'}, {kind}, {area.perms}, "
        f"{plural(area.npages, 'page')} from {area.start:#x}; {named} an entry."
    )


def _column(scene: Scene, plan: Layout, group: Group, column: Column) -> str:
    name = pages(group.label(column.first), column.npages).capitalize()
    name = f"{name} of {group.name if group.ino else 'anonymous memory'}"
    if column.mixed:
        return f"{name} are left out of the picture; they are not all alike."
    file = scene.files.get(group.ino)
    parts = list(_mappings(scene, plan, group, column)) or ["no area shows " + _it(column)]
    parts += _in_file(file, column) if file else []
    return f"{name}: {'; '.join(parts)}."


def _it(column: Column) -> str:
    return "them" if column.is_gap else "it"


def _mappings(scene: Scene, plan: Layout, group: Group, column: Column) -> Iterator[str]:
    """Yield who maps the page, where, and what the entry says."""
    for pid, mm in plan.processes:
        space = scene.spaces.get(mm)
        for delta in group.deltas.get(pid, []) if space else ():
            addr = column.first + delta << PAGE_SHIFT
            area = space.area_at(addr) if space else None
            if space and area and area.ino == group.ino and delta_of(area) == delta:
                place = f"{'from' if column.is_gap else 'at'} {addr:#x}"
                yield f"P{pid} has {_it(column)} {place}, {_entry(scene, space.ptes.get(addr, 0), column)}"


def _entry(scene: Scene, pte: int, column: Column) -> str:
    if not pte_present(pte):
        return "without entries" if column.is_gap else "without an entry"
    if column.is_gap:
        return f"each with an entry {pte_text(pte)}"
    kind = "the zero page" if not pte_pfn(pte) else f"frame {pte_pfn(pte)}"
    own = ", anonymous" if scene.frames.get(pte_pfn(pte)) == "anon" and pte_pfn(pte) else ""
    return f"entry {pte_text(pte)} to {kind}{own}"


def _in_file(file: FileState, column: Column) -> list[str]:
    """Return what the page cache and the disk hold of a page."""
    if column.first >= file.npages and column.first not in file.pages:
        return ["behind the end of the file"]
    if column.first not in file.pages:
        parts = ["not in the page cache"]
    else:
        state = "dirty" if column.first in file.dirty else "clean" if column.first in file.uptodate else "still empty"
        frame = "in the page cache" if column.is_gap else f"frame {file.pages[column.first]} in the page cache"
        parts = [f"{frame}, {state}"]
    if file.fs != "tmpfs":
        block = "a block each" if column.is_gap else "a block"
        parts.append(f"{block} on the disk" if column.first in file.blocks else "no block on the disk")
    return parts
