"""What a step is about: the page under access, what changed, and the copies with the columns that they belong to."""

from __future__ import annotations

from dataclasses import dataclass, field

from mmaplab.constants import PAGE_SIZE, Sig
from mmaplab.sim import events as ev
from mmaplab.views.layout import delta_of, page_index
from mmaplab.views.steps import Step, strays

MM_LANES = {"SetPte": "pt", "ClearPte": "pt", "TableAlloc": "pt", "TlbFill": "pt", "TlbMiss": "pt", "TlbFlush": "pt"}
CACHE = (ev.CacheHit, ev.CacheMiss, ev.CacheAdd, ev.CacheDelete, ev.PageUptodate, ev.PageDirty, ev.PageClean)


@dataclass
class Focus:
    """What the eye should go to.

    `strays` mm -> (address, word) of an access outside all areas;
    `pages` (mm, page index, delta of the mapping); `entries` (mm, address); `cached` (ino, index); `frames` numbers;
    `copies` (event, (ino, page index)); `lanes` the bands in which something changed; `faults` those of `pages` that
    fault, with the word at their zigzag.
    """

    pages: set[tuple[int, int, int]] = field(default_factory=set)
    entries: set[tuple[int, int]] = field(default_factory=set)
    cached: set[tuple[int, int]] = field(default_factory=set)
    frames: set[int] = field(default_factory=set)
    copies: list[tuple[ev.Copy, tuple[int, int]]] = field(default_factory=list)
    lanes: set[str] = field(default_factory=set)
    faults: dict[tuple[int, int, int], str] = field(default_factory=dict)
    strays: dict[int, tuple[int, str]] = field(default_factory=dict)


def focus_of(step: Step) -> Focus:
    """Return what a step is about."""
    focus = Focus()
    running = max((step.before.running, step.scene.running), key=len)
    for event in (*running, *step.events):
        if isinstance(event, (ev.Access, ev.PageFault)):
            _access(focus, step, event)
    for mm, addr in strays(step).items():
        faulting = any(isinstance(e, ev.PageFault) and e.addr == addr for e in (*running, *step.events))
        focus.strays[mm] = (addr, _signal_at(step, addr) or ("fault" if faulting else ""))
    for record in step.records:
        _changed(focus, step, record.event)
    for event in step.events:
        if isinstance(event, ev.Copy):
            place = _place_of_copy(focus, step, event)
            if place:
                focus.copies.append((event, place))
    return focus


def _access(focus: Focus, step: Step, event: ev.Access | ev.PageFault) -> None:
    for scene in (step.scene, step.before):
        mm = event.mm if isinstance(event, ev.PageFault) else scene.processes.get(event.pid, -1)
        space = scene.spaces.get(mm)
        area = space.area_at(event.addr) if space else None
        if area:
            page = (mm, page_index(area, event.addr), delta_of(area))
            focus.pages.add(page)
            focus.lanes.add(f"P{space.pid if space else event.pid}")
            if isinstance(event, ev.PageFault) and event in (*step.events, *step.scene.running):
                focus.faults[page] = _signal_at(step, event.addr) or "fault"
            return


def _signal_at(step: Step, addr: int) -> str:
    """Return the name of the signal that the access to an address ended in, empty where there was none."""
    sent = [e for e in step.events if isinstance(e, ev.Signal) and e.addr == addr]
    return Sig(sent[-1].signo).name if sent else ""


def _changed(focus: Focus, step: Step, event: ev.Event) -> None:
    mm = getattr(event, "mm", 0)
    space = step.scene.spaces.get(mm) or step.before.spaces.get(mm)
    lane = MM_LANES.get(type(event).__name__)
    if lane and space:
        focus.lanes.add(f"{lane}:{space.pid}")
    match event:
        case ev.SetPte() | ev.ClearPte() | ev.TlbFill() | ev.TlbMiss():
            focus.entries.add((mm, event.addr & -PAGE_SIZE))
        case ev.VmaLink() | ev.VmaAdjust() | ev.VmaUnlink():
            focus.lanes.add(f"P{space.pid}" if space else "")
        case ev.Readahead() | ev.FolioSplit() | ev.DiskRead() | ev.DiskWrite() | ev.DiskDiscard():
            focus.lanes.add("cache" if isinstance(event, (ev.Readahead, ev.FolioSplit)) else "disk")
            focus.cached |= {(event.ino, i) for i in range(event.index, event.index + event.npages)}
        case ev.PageAlloc(use="anon") | ev.Zero() | ev.UserStore():
            focus.frames.add(event.pfn)
            focus.lanes.add("own")
        case ev.Copy():
            focus.frames |= {event.source, event.target}
    if isinstance(event, CACHE):
        focus.cached.add((event.ino, event.index))
        focus.lanes.add("cache")


def _place_of_copy(focus: Focus, step: Step, event: ev.Copy) -> tuple[int, int] | None:
    """Return (ino, page index) of the column that a copy belongs to."""
    for scene in (step.scene, step.before):
        for pfn in (event.target, event.source):
            found = scene.page_of_frame(pfn) if pfn > 0 else None
            if found and event.why != "cow":
                return found[0].ino, found[1]
    if event.why != "cow":
        return None
    fault = _fault_of(step, event)
    for scene in (step.scene, step.before):
        space = scene.spaces.get(fault.mm) if fault else None
        area = space.area_at(fault.addr) if fault and space else None
        if area and fault:
            return area.ino, page_index(area, fault.addr)
    return None


def _fault_of(step: Step, event: ev.Copy) -> ev.PageFault | None:
    """Return the fault in which a copy was made."""
    open_faults = [e for e in step.before.running if isinstance(e, ev.PageFault)]
    for record in step.records:
        if isinstance(record.event, ev.PageFault):
            open_faults.append(record.event)
        if record.event is event:
            break
        if isinstance(record.event, ev.Done) and record.event.of == "PageFault" and open_faults:
            open_faults.pop()
    return open_faults[-1] if open_faults else None
