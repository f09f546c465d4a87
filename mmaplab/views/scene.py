"""A scene: everything that a picture may know, as plain data, folded from a trace and from nothing else.

    scene = Scene()
    for record in records:  scene = advance(scene, record)       # what `scenes` does, step by step

    spaces   mm  -> areas, entries, tables          files  ino -> cached pages, dirty pages, blocks on disk
    frames   pfn -> 'anon' or 'cache'               tlb    cpu, mm, address -> entry
    running  the spans that are open: what the machine is doing now

A view at any moment is `view(scenes(trace)[k])`, so that stepping backwards costs nothing. That the fold of all events
equals the kernel's own structures is a test; no view reads a kernel. A scene is not changed once it is handed out.
Units: addresses in bytes; `index`, `pgoff` in pages.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mmaplab.constants import PAGE_SIZE, VmFlags
from mmaplab.pte import pte_present
from mmaplab.sim import events as ev
from mmaplab.sim.trace import Record


@dataclass(frozen=True, slots=True)
class Area:
    """A virtual memory area: [start, end) in bytes; `ino` is 0 for private anonymous memory."""

    start: int
    end: int
    flags: int
    pgoff: int
    ino: int = 0
    name: str = ""

    @property
    def perms(self) -> str:
        """The rights as /proc/PID/maps writes them, for example `rw-p`."""
        f = VmFlags(self.flags)
        shared = "s" if f & VmFlags.VM_MAYSHARE else "p"
        rights = ((VmFlags.VM_READ, "r"), (VmFlags.VM_WRITE, "w"), (VmFlags.VM_EXEC, "x"))
        return "".join(letter if f & flag else "-" for flag, letter in rights) + shared

    @property
    def npages(self) -> int:
        """Pages in the area."""
        return (self.end - self.start) // PAGE_SIZE

    def index(self, addr: int) -> int:
        """Return the file page that `addr` shows; for memory without a file, the page's place in the area."""
        return (addr - self.start) // PAGE_SIZE + (self.pgoff if self.ino else 0)


@dataclass
class Space:
    """One address space."""

    mm: int
    pid: int = 0
    areas: dict[int, Area] = field(default_factory=dict)
    ptes: dict[int, int] = field(default_factory=dict)
    tables: set[tuple[int, int]] = field(default_factory=set)

    def area_at(self, addr: int) -> Area | None:
        """Return the area that holds `addr`, or None."""
        return next((a for a in self.areas.values() if a.start <= addr < a.end), None)

    def sorted_areas(self) -> list[Area]:
        """Return the areas in address order."""
        return [self.areas[start] for start in sorted(self.areas)]


@dataclass
class FileState:
    """One file: its size in bytes, its cached pages (index to frame), which are dirty, which blocks the disk holds."""

    ino: int
    path: str = ""
    size: int = 0
    fs: str = ""
    pages: dict[int, int] = field(default_factory=dict)
    uptodate: set[int] = field(default_factory=set)
    dirty: set[int] = field(default_factory=set)
    blocks: set[int] = field(default_factory=set)
    unlinked: bool = False
    durable_size: int | None = None
    """Its size after a crash; None where the disk has no such name (yet)."""

    @property
    def name(self) -> str:
        """What pictures call the file."""
        return self.path or f"file {self.ino}"

    @property
    def npages(self) -> int:
        """Pages in the file, the last one perhaps in part."""
        return (self.size + PAGE_SIZE - 1) // PAGE_SIZE


@dataclass
class Scene:
    """The state of the machine after some events; see the head of this room."""

    spaces: dict[int, Space] = field(default_factory=dict)
    files: dict[int, FileState] = field(default_factory=dict)
    frames: dict[int, str] = field(default_factory=dict)
    tlb: dict[tuple[int, int, int], int] = field(default_factory=dict)
    processes: dict[int, int] = field(default_factory=dict)
    fds: dict[tuple[int, int], int] = field(default_factory=dict)
    running: tuple[ev.Event, ...] = ()
    pid: int = 0
    now: float = 0.0
    """Seconds since boot."""

    def copy(self) -> Scene:
        """Return a scene that shares nothing that changes."""
        return Scene(
            {mm: Space(s.mm, s.pid, dict(s.areas), dict(s.ptes), set(s.tables)) for mm, s in self.spaces.items()},
            {
                ino: FileState(
                    f.ino,
                    f.path,
                    f.size,
                    f.fs,
                    dict(f.pages),
                    set(f.uptodate),
                    set(f.dirty),
                    set(f.blocks),
                    f.unlinked,
                    f.durable_size,
                )
                for ino, f in self.files.items()
            },
            dict(self.frames),
            dict(self.tlb),
            dict(self.processes),
            dict(self.fds),
            self.running,
            self.pid,
            self.now,
        )

    def space(self, mm: int) -> Space:
        """Return an address space; one that is new, or older than the trace, starts empty."""
        return self.spaces.setdefault(mm, Space(mm))

    def file(self, ino: int) -> FileState:
        """Return a file; one that is older than the trace has no name."""
        return self.files.setdefault(ino, FileState(ino))

    def space_of(self, pid: int) -> Space | None:
        """Return a process's address space, None where it has ended."""
        return self.spaces.get(self.processes.get(pid, -1))

    def file_named(self, path: str) -> FileState:
        """Return the file of that name; raises FileNotFoundError with the names that there are."""
        for state in self.files.values():
            if state.path == path and not state.unlinked:
                return state
        names = ", ".join(sorted(f.path for f in self.files.values() if f.path and not f.unlinked)) or "none"
        raise FileNotFoundError(2, f"the trace knows no file {path!r}; it knows {names}", path)

    def page_of_frame(self, pfn: int) -> tuple[FileState, int] | None:
        """Return the file and the index of the cached page in a frame, or None for other frames."""
        for state in self.files.values():
            for index, number in state.pages.items():
                if number == pfn:
                    return state, index
        return None


def records_of(source: object) -> list[Record]:
    """Return the records of a kernel, of a trace or of a list of records; raises TypeError for anything else."""
    for name in ("trace", "records"):
        source = getattr(source, name, source)
    if isinstance(source, Iterable):
        found = list(source)
        if all(isinstance(record, Record) for record in found):
            return found
    raise TypeError(f"{type(source).__name__} holds no trace: give a kernel, a trace, or records such as trace.last()")


def scenes(source: object) -> list[Scene]:
    """Return the scene after each record; a scene costs its own size, so take `final` where one is enough."""
    found, scene = [], Scene()
    for record in records_of(source):
        scene = advance(scene, record)
        found.append(scene)
    return found


def final(source: object) -> Scene:
    """Return the scene after the last record."""
    scene = Scene()
    for record in records_of(source):
        apply(scene, record)
    return scene


def advance(scene: Scene, record: Record) -> Scene:
    """Return the scene after one more record; the scene given is left as it was."""
    after = scene.copy()
    apply(after, record)
    return after


def apply(scene: Scene, record: Record) -> None:
    """Change the scene as the record says; for the one who folds a whole trace and keeps no scene between."""
    scene.pid = record.pid
    event = record.event
    match event:
        case ev.Syscall() | ev.Access() | ev.PageFault() | ev.KernelWork():
            scene.running = (*scene.running, event)
        case ev.Done():
            scene.running = scene.running[:-1]
        case ev.VmaLink() | ev.VmaAdjust() | ev.VmaUnlink():
            _areas(scene, event)
        case ev.SetPte() | ev.ClearPte() | ev.TableAlloc() | ev.TableFree():
            _tables(scene, event)
        case ev.TlbFill() | ev.TlbFlush():
            _tlb(scene, event)
        case ev.PageAlloc():
            scene.frames[event.pfn] = event.use
        case ev.PageFree():
            scene.frames.pop(event.pfn, None)
        case ev.TaskCreate() | ev.TaskExit() | ev.FdInstall() | ev.FdClose():
            _tasks(scene, event)
        case ev.Clock():
            scene.now = event.now
        case _:
            _files(scene, event)


def _areas(scene: Scene, event: ev.VmaLink | ev.VmaAdjust | ev.VmaUnlink) -> None:
    areas = scene.space(event.mm).areas
    if isinstance(event, ev.VmaLink):
        areas[event.start] = Area(event.start, event.end, event.flags, event.pgoff, event.ino, event.name)
        return
    old = areas.pop(event.start, None)
    if isinstance(event, ev.VmaAdjust):
        ino, name = (old.ino, old.name) if old else (0, "")
        areas[event.new_start] = Area(event.new_start, event.new_end, event.flags, event.pgoff, ino, name)


def _tables(scene: Scene, event: ev.SetPte | ev.ClearPte | ev.TableAlloc | ev.TableFree) -> None:
    space = scene.space(event.mm)
    match event:
        case ev.SetPte() if not pte_present(event.pte):
            space.ptes.pop(event.addr, None)  # a guard: nothing is mapped there
        case ev.SetPte():
            space.ptes[event.addr] = event.pte
        case ev.ClearPte():
            space.ptes.pop(event.addr, None)
        case ev.TableAlloc():
            space.tables.add((event.level, event.addr))
        case ev.TableFree():
            space.tables.discard((event.level, event.addr))


def _tlb(scene: Scene, event: ev.TlbFill | ev.TlbFlush) -> None:
    if isinstance(event, ev.TlbFill):
        scene.tlb[event.cpu, event.mm, event.addr & ~(PAGE_SIZE - 1)] = event.pte
        return
    for cpu, mm, addr in list(scene.tlb):
        if (cpu, mm) == (event.cpu, event.mm) and event.start <= addr < event.end:
            del scene.tlb[cpu, mm, addr]


def _tasks(scene: Scene, event: ev.TaskCreate | ev.TaskExit | ev.FdInstall | ev.FdClose) -> None:
    match event:
        case ev.TaskCreate():
            scene.processes[event.pid] = event.mm
            scene.space(event.mm).pid = event.tgid
        case ev.TaskExit():
            scene.processes.pop(event.pid, None)
            if event.mm in scene.processes.values():  # other threads still run in it
                return
            scene.spaces.pop(event.mm, None)
            scene.fds = {key: ino for key, ino in scene.fds.items() if key[0] != event.pid}
        case ev.FdInstall():
            scene.fds[event.pid, event.fd] = event.ino
        case ev.FdClose():
            scene.fds.pop((event.pid, event.fd), None)


def _files(scene: Scene, event: ev.Event) -> None:
    match event:
        case ev.FileCreate():
            scene.files[event.ino] = FileState(event.ino, event.path, event.size, event.fs)
        case ev.FileSize():
            scene.file(event.ino).size = event.size
        case ev.FileUnlink():
            scene.file(event.ino).unlinked = True
        case ev.FileFree():
            scene.files.pop(event.ino, None)
        case ev.CacheAdd():
            scene.file(event.ino).pages[event.index] = event.pfn
        case ev.CacheDelete():
            file = scene.file(event.ino)
            file.pages.pop(event.index, None)
            file.uptodate.discard(event.index)
            file.dirty.discard(event.index)
        case ev.PageUptodate():
            scene.file(event.ino).uptodate.add(event.index)
        case ev.PageDirty():
            scene.file(event.ino).dirty.add(event.index)
        case ev.PageClean():
            scene.file(event.ino).dirty.discard(event.index)
        case ev.DiskWrite():
            scene.file(event.ino).blocks.update(range(event.index, event.index + event.npages))
        case ev.DiskDiscard():
            scene.file(event.ino).blocks.difference_update(range(event.index, event.index + event.npages))
        case ev.JournalCommit() if event.ino in scene.files:
            scene.file(event.ino).durable_size = event.size if event.path else None
        case _:
            pass
