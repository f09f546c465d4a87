"""Where the objects of the linked view stand: one column per page, the same column in every lane and every step.

    address space   [0][1][2][3]~x10~[14]   [0][1]      a group of columns per file, one per anonymous range
    page table      (r-)(r-) ...
    page cache      [0][1][2][3]~x10~[14]               a page, its entry, its cached copy and its block
    disk            (D)(D) ...                          are in one column

Pages that go through the same events are a run; a long run is drawn as its first and last page with a torn gap
between. The layout is computed once for all steps, so that an object keeps its place. Units: user units, pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from mmaplab.constants import PAGE_SHIFT
from mmaplab.pte import pte_pfn
from mmaplab.sim import events as ev
from mmaplab.views.columns import LEAST, WHOLE, Column, elide
from mmaplab.views.scene import Area, Scene, Space
from mmaplab.views.steps import Step, strays
from mmaplab.views.theme import MARGIN, WIDTH, text_width
from mmaplab.views.words import plural

LEFT = 142
"""Where the columns begin; the lanes' names stand to the left of it."""
STRAY = 96
"""The room at the right edge for a page outside all areas, where an access goes to one."""
BETWEEN = 22
"""The space between two groups."""
MOST_PROCESSES = 3
MOST_GROUPS = 4
"""What is drawn at most; what is left out is said in a note."""


@dataclass
class Group:
    """The columns of one file (`ino`), or of one anonymous range (`ino` 0, pages are page numbers of addresses)."""

    ino: int
    name: str
    low: int
    high: int
    columns: list[Column] = field(default_factory=list)
    deltas: dict[int, list[int]] = field(default_factory=dict)
    x: float = LEFT
    room: float = 0
    """The width that the group has for its columns and its labels."""

    @property
    def key(self) -> str:
        """The name of the group in links between lanes."""
        return f"f{self.ino}" if self.ino else f"a{self.low:x}"

    def width(self) -> float:
        """The width of the columns alone."""
        return sum(column.width for column in self.columns)

    def places(self) -> Iterable[tuple[Column, float]]:
        """Yield every column with the x of its left edge."""
        x = self.x
        for column in self.columns:
            yield column, x
            x += column.width

    def place(self, index: int) -> tuple[Column, float] | None:
        """Return the column that shows a page, and its x."""
        return next(((c, x) for c, x in self.places() if index in c), None)

    def label(self, index: int) -> int:
        """Return the number that a reader sees under a page."""
        return index if self.ino else index - self.low


@dataclass
class Layout:
    """Groups from left to right, and the processes (pid, mm) from top to bottom."""

    groups: list[Group]
    processes: list[tuple[int, int]]
    slots: dict[tuple[str, int], list[int]]
    disk: bool
    buffer: bool
    strays: frozenset[tuple[int, int]] = frozenset()
    """(mm, address) of accesses that go where no area is."""
    note: str = ""
    """What is left out, in words; empty where nothing is."""

    def group_of(self, area: Area) -> Group | None:
        """Return the group whose columns show an area's pages."""
        vpn = area.start >> PAGE_SHIFT
        for group in self.groups:
            if group.ino == area.ino and (area.ino or group.low <= vpn < group.high):
                return group
        return None

    def place_of(self, space: Space, addr: int) -> tuple[Group, int] | None:
        """Return the group and the page index that show an address, or None where it is not drawn."""
        area = space.area_at(addr)
        group = self.group_of(area) if area else None
        return (group, page_index(area, addr)) if area and group else None

    def rows(self) -> list[tuple[int, int]]:
        """Return (pid, level) of each row of areas: two areas of the same file pages stand one above the other."""
        most = {pid: max([1, *(len(group.deltas.get(pid, [])) for group in self.groups)]) for pid, _ in self.processes}
        return [(pid, level) for pid, levels in most.items() for level in range(levels)]


def page_index(area: Area, addr: int) -> int:
    """Return the page that names an address's column: the file page, or the page number for anonymous memory."""
    return area.index(addr) if area.ino else addr >> PAGE_SHIFT


def delta_of(area: Area) -> int:
    """Return what tells two mappings of one file apart: page number of the address less file page."""
    return (area.start >> PAGE_SHIFT) - area.pgoff if area.ino else 0


def layout(steps: Sequence[Step]) -> Layout:
    """Return the layout that serves all the steps. Raises ValueError where there is no step."""
    if not steps:
        raise ValueError("there is nothing to draw: the trace holds no step")
    scenes = [steps[0].before, *(step.scene for step in steps)]
    acting = _processes(steps)
    processes = _first(acting)
    found = _groups(steps, scenes, [mm for _, mm in processes])
    groups = _ordered(_lately(found, steps)[:MOST_GROUPS], scenes, [mm for _, mm in processes])
    for group in groups:
        for pid, mm in processes:
            seen = (a for s in scenes if mm in s.spaces for a in s.spaces[mm].sorted_areas() if _shows(group, a))
            group.deltas[pid] = list(dict.fromkeys(delta_of(area) for area in seen))
    outside = frozenset(item for step in steps for item in strays(step).items())
    bounds = {g.key: _bounds(g, scenes[-1], [mm for _, mm in processes]) for g in groups}
    _columns(groups, steps, bounds, WIDTH - MARGIN - (STRAY if outside else 0))
    files = [scenes[-1].files.get(g.ino) or steps[0].before.files.get(g.ino) for g in groups if g.ino]
    hops = {e.why for step in steps for e in step.events if isinstance(e, ev.Copy)}
    inside = any(isinstance(e, ev.Syscall) for step in steps for e in (*step.before.running, *step.events))
    return Layout(
        groups,
        processes,
        _slots(scenes, groups, processes),
        disk=any(file is not None and file.fs != "tmpfs" for file in files),
        buffer=inside and bool(hops & {"copy_to_user", "copy_from_user"}),
        strays=outside,
        note=_note(len(acting) - len(processes), len(found) - len(groups)),
    )


def _note(processes: int, groups: int) -> str:
    """Return what is left out, in words."""
    left = [plural(processes, "process")] if processes else []
    left += [f"{plural(groups, 'group')} of pages"] if groups else []
    return f"Not drawn for want of room: {' and '.join(left)}." if left else ""


def _first(acting: dict[int, int]) -> list[tuple[int, int]]:
    """Return the processes to draw: those that act last."""
    return sorted(list(acting.items())[-MOST_PROCESSES:])


def _processes(steps: Sequence[Step]) -> dict[int, int]:
    """Return pid and mm of the processes that the steps are about: those that act or whose areas or entries change.

    They stand in the order in which they act for the last time; before them those that only share a frame.
    """
    acting: dict[int, int] = {}
    for step in steps:
        for event in (*step.before.running, *step.events):
            mm, pid = getattr(event, "mm", 0), getattr(event, "pid", 0)
            for scene in (step.before, step.scene):
                known = scene.spaces.get(mm) or scene.space_of(pid)
                if known:
                    acting.pop(known.pid, None)
                    acting[known.pid] = known.mm
    acting = _sharers(steps) | acting
    if not acting:
        scene = steps[-1].scene
        acting = {scene.spaces[mm].pid: mm for mm in scene.processes.values()}
    return acting


def _sharers(steps: Sequence[Step]) -> dict[int, int]:
    """Return the processes that map a frame from which a private copy is made."""
    sharing: dict[int, int] = {}
    for step in steps:
        sources = {e.source for e in step.events if isinstance(e, ev.Copy) and e.why == "cow"}
        for space in step.before.spaces.values() if sources else ():
            if space.pid and any(pte_pfn(pte) in sources for pte in space.ptes.values()):
                sharing[space.pid] = space.mm
    return sharing


def _shows(group: Group, area: Area) -> bool:
    return area.ino == group.ino and bool(area.ino or group.low <= area.start >> PAGE_SHIFT < group.high)


def _groups(steps: Sequence[Step], scenes: Sequence[Scene], mms: Sequence[int]) -> list[Group]:
    areas = [(a, s) for s in scenes for mm in mms if mm in s.spaces for a in s.spaces[mm].areas.values()]
    touched = _touched_addresses(steps)
    few = len({a.start for a, _ in areas}) <= 3
    wanted = [a for a, _ in areas if few or any(a.start <= t < a.end for t in touched)]
    inos = dict.fromkeys([a.ino for a in wanted if a.ino])
    inos.update(dict.fromkeys(_touched_files(steps)))
    groups = []
    for ino in inos:
        found = [s.files[ino] for s in scenes if ino in s.files]
        mapped: list[int] = [a.pgoff + a.npages for a, _ in areas if a.ino == ino]
        high = max([0, *(f.npages for f in found), *mapped])
        if found and high:
            groups.append(Group(ino, found[-1].name, 0, high))
    ranges = sorted({(a.start >> PAGE_SHIFT, a.end >> PAGE_SHIFT) for a in wanted if not a.ino})
    for low, high in ranges:
        last = groups[-1] if groups else None
        if last and not last.ino and low <= last.high:
            last.high = max(last.high, high)
        else:
            groups.append(Group(0, "anonymous", low, high))
    return groups


def _ordered(groups: list[Group], scenes: Sequence[Scene], mms: Sequence[int]) -> list[Group]:
    """Return the groups in the order of their addresses."""
    areas = [a for s in scenes for mm in mms if mm in s.spaces for a in s.spaces[mm].areas.values()]
    first = {a.ino: a.start >> PAGE_SHIFT for a in sorted(areas, key=lambda a: -a.start) if a.ino}
    return sorted(groups, key=lambda g: first.get(g.ino, 1 << 60) if g.ino else g.low)


def _lately(groups: list[Group], steps: Sequence[Step]) -> list[Group]:
    """Return the groups, those that the last events are about first."""
    late: dict[str, int] = {}
    for number, step in enumerate(steps):
        for event in (*step.before.running, *step.events):
            for group in groups:
                if any(True for _ in _pages_named(group, event, step)):
                    late[group.key] = number
    return sorted(groups, key=lambda g: -late.get(g.key, -1))


def _touched_addresses(steps: Sequence[Step]) -> list[int]:
    found = []
    for step in steps:
        for event in (*step.before.running, *step.events):
            match event:
                case ev.Access() | ev.PageFault() | ev.SetPte() | ev.ClearPte() | ev.Signal():
                    found.append(event.addr)
                case ev.VmaLink() | ev.VmaUnlink():
                    found.append(event.start)
                case ev.VmaAdjust():
                    found += [event.start, event.new_start]
    return found


def _touched_files(steps: Sequence[Step]) -> list[int]:
    kinds = (ev.CacheHit, ev.CacheMiss, ev.CacheAdd, ev.CacheDelete, ev.DiskRead, ev.DiskWrite, ev.PageDirty)
    return [event.ino for step in steps for event in step.events if isinstance(event, kinds)]


# ---------------------------------------------------------------- columns


def _columns(groups: list[Group], steps: Sequence[Step], bounds: dict[str, set[int]], end: float) -> None:
    """Choose the columns so that all groups fit beside each other up to `end`; the longest group gives way first."""
    runs = {group.key: _runs(group, steps) for group in groups}
    near = {group.key: _near(group, steps) for group in groups}
    share = (end - LEFT - BETWEEN * (len(groups) - 1)) / max(1, len(groups))
    keep = {group.key: WHOLE for group in groups}
    while True:
        x = float(LEFT)
        for group in groups:
            group.columns = elide(runs[group.key], keep[group.key], near[group.key], bounds[group.key])
            group.x, group.room = x, max(group.width(), min(label_width(group), share))
            x += group.room + BETWEEN
        widest = max(groups, key=lambda g: (keep[g.key] > LEAST, g.width()), default=None)
        if widest is None or x - BETWEEN <= end + 1 or keep[widest.key] <= LEAST:
            return
        keep[widest.key] -= 1


def _near(group: Group, steps: Sequence[Step]) -> set[int]:
    """Return the pages that the program itself touches in the steps."""
    touching = (ev.Access, ev.PageFault, ev.Signal)
    named = ((e, step) for step in steps for e in (*step.before.running, *step.events) if isinstance(e, touching))
    return {index for event, step in named for index in _pages_named(group, event, step)}


def _bounds(group: Group, scene: Scene, mms: Sequence[int]) -> set[int]:
    """Return the first and the last page of each area that the group shows in the end."""
    areas = [a for mm in mms if mm in scene.spaces for a in scene.spaces[mm].areas.values() if _shows(group, a)]
    return {page for a in areas for page in (page_index(a, a.start), page_index(a, a.start) + a.npages - 1)}


def label_width(group: Group) -> float:
    """Return the width that a group's label needs above its columns."""
    words = text_width(f"{group.name}, private", 13, bold=True), text_width("rw-p 7fffffffffff", 12, mono=True)
    return max(words)


def _runs(group: Group, steps: Sequence[Step]) -> list[tuple[int, int]]:
    """Return (first, npages) of the runs of pages to which the same happens in all steps."""
    first = steps[0].before
    history: dict[int, list[object]] = {index: [_initial(group, first, index)] for index in _seen(group, first)}
    breaks = {group.low, group.high}
    for number, step in enumerate(steps):
        for event in (*step.before.running, *step.events):
            for index in _pages_named(group, event, step):
                history.setdefault(index, [None]).append((number, type(event).__name__))
        for scene in (step.before, step.scene):
            for space in scene.spaces.values():
                for area in space.areas.values():
                    if _shows(group, area):
                        start = page_index(area, area.start)
                        breaks |= {start, start + area.npages}
        if group.ino in step.scene.files:
            breaks.add(step.scene.files[group.ino].npages)
    marks = sorted({*breaks, *(i for i in history), *(i + 1 for i in history)} & set(range(group.low, group.high + 1)))
    runs: list[tuple[int, int]] = []
    previous: object = None
    for low, high in pairwise(marks):
        signature = tuple(map(str, history.get(low, ())))
        if runs and signature == previous and low not in breaks:
            runs[-1] = (runs[-1][0], high - runs[-1][0])
        else:
            runs.append((low, high - low))
        previous = signature
    return runs


def _seen(group: Group, scene: Scene) -> set[int]:
    """Return the pages of the group that have a state of their own."""
    pages: set[int] = set()
    if group.ino in scene.files:
        pages |= set(scene.files[group.ino].pages) | scene.files[group.ino].blocks
    for space in scene.spaces.values():
        for area in space.areas.values():
            if _shows(group, area):
                pages |= {page_index(area, addr) for addr in space.ptes if area.start <= addr < area.end}
    return pages


def _initial(group: Group, scene: Scene, index: int) -> tuple[object, ...]:
    file = scene.files.get(group.ino)
    own = (index in file.pages, index in file.dirty, index in file.blocks) if file else ()
    entries = []
    for space in scene.spaces.values():
        for area in space.areas.values():
            if _shows(group, area):
                addr = area.start + (index - page_index(area, area.start) << PAGE_SHIFT)
                pte = space.ptes.get(addr, 0) if area.start <= addr < area.end else 0
                entries.append((area.start, pte and (pte & 7, scene.frames.get(pte_pfn(pte)))))
    return (*own, *entries)


def _pages_named(group: Group, event: ev.Event, step: Step) -> Iterable[int]:
    """Yield the pages of the group that an event is about."""
    if group.ino and getattr(event, "ino", 0) == group.ino and hasattr(event, "index"):
        first = event.index
        yield from range(first, first + getattr(event, "npages", 1))
    addr = getattr(event, "addr", None)
    if addr is None or isinstance(event, (ev.TableAlloc, ev.TableFree)):
        return
    for scene in (step.before, step.scene):
        space = scene.spaces.get(getattr(event, "mm", 0)) or scene.space_of(getattr(event, "pid", 0))
        area = space.area_at(addr) if space else None
        if area and _shows(group, area):
            yield page_index(area, addr)
            return


def _slots(
    scenes: Sequence[Scene], groups: Sequence[Group], processes: Sequence[tuple[int, int]]
) -> dict[tuple[str, int], list[int]]:
    """Return, per column that ever has one, the anonymous frames in the order in which they appear there."""
    found: dict[tuple[str, int], list[int]] = {}
    for scene in scenes:
        for _, mm in processes:
            space = scene.spaces.get(mm)
            for area in space.sorted_areas() if space else ():
                group = next((g for g in groups if _shows(g, area)), None)
                if space is None or group is None:
                    continue
                for addr, pte in space.ptes.items():
                    if area.start <= addr < area.end and scene.frames.get(pte_pfn(pte)) == "anon":
                        slots = found.setdefault((group.key, page_index(area, addr)), [])
                        if pte_pfn(pte) not in slots:
                            slots.append(pte_pfn(pte))
    return found
