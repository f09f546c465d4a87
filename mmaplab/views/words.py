"""What an event means, in one plain sentence; used by the ladder, by the linked view and by the player.

    sentence(DiskRead(ino=12, index=0, npages=32), scene)  ->  'The disk reads 32 pages of data.bin, from page 0.'

The scene gives the names: which file, which process, which page of which area. One case per kind of event.
"""

from __future__ import annotations

from enum import IntFlag

from mmaplab.constants import PAGE_SIZE, BusCode, Madv, Map, Mremap, Ms, Open, Prot, SegvCode, Sig
from mmaplab.ledger import HOP_WORDS
from mmaplab.pte import pte_pfn, pte_present, pte_text, pte_write
from mmaplab.sim import events as ev
from mmaplab.views.scene import Scene, Space

READAHEAD = {
    "around": "around the page that is missing",
    "sync": "because pages are read in sequence",
    "async": "early, because the marked page was reached",
    "advice": "because the program asked",
}

NAMED: dict[str, type[IntFlag]] = {
    "mmap.prot": Prot,
    "mprotect.prot": Prot,
    "mmap.flags": Map,
    "msync.flags": Ms,
    "mremap.flags": Mremap,
    "open.flags": Open,
}
"""The arguments whose bits have names."""


def plural(n: int, noun: str) -> str:
    """Return a count with its noun: `1 page`, `1,024 pages`."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {many(noun)}"


def many(noun: str) -> str:
    """Return the plural of a noun: pages, entries, copies, accesses."""
    if noun.endswith("ss"):
        return f"{noun}es"
    return f"{noun[:-1]}ies" if noun.endswith(("ry", "py")) else f"{noun}s"


def pages(first: int, n: int) -> str:
    """Return a run of pages in words: `page 3`, `pages 0 to 31`."""
    return f"page {first}" if n == 1 else f"pages {first} to {first + n - 1}"


def where(space: Space | None, addr: int) -> str:
    """Return which page an address is in: `page 3 of data.bin`, `page 0 of anonymous memory`, or the address."""
    area = space.area_at(addr) if space else None
    if area is None:
        return f"{addr:#x}"
    name = area.name or "anonymous memory"
    return f"page {area.index(addr)} of {name}"


def value(name: str, what: object) -> str:
    """Return an argument or a result as a C programmer writes it; `name` is `call.argument`, or empty for a result."""
    if type(what) is int:
        what = _named(name, what)
    if isinstance(what, bytes):
        return repr(what if len(what) <= 12 else what[:9] + b"...")
    if isinstance(what, str):
        return repr(what)
    if isinstance(what, int):
        names = getattr(what, "name", None)
        if names:
            return str(names)
        return f"{what:#x}" if what > 0xFFFF_FFFF else f"{int(what)}"
    return str(what)


def _named(name: str, what: int) -> int:
    """Return an argument as a member of the constants that it is one of, if it is one of any."""
    if name == "madvise.advice" and what in Madv.__members__.values():
        return Madv(what)
    if name in NAMED and 0 <= what <= sum(NAMED[name]):
        return NAMED[name](what)
    return what


def call(event: ev.Syscall) -> str:
    """Return a system call as C: `mmap(0, 8192, PROT_READ, MAP_SHARED, 3, 0)`."""
    return f"{event.name}({', '.join(value(f'{event.name}.{name}', what) for name, what in event.args)})"


def sentence(event: ev.Event, scene: Scene) -> str:
    """Return what the event means, in one sentence of plain words; `scene` is the one after the event."""
    match event:
        case ev.Syscall() | ev.Access() | ev.PageFault() | ev.KernelWork() | ev.Done():
            return _span(event, scene)
        case ev.VmaLink() | ev.VmaAdjust() | ev.VmaUnlink():
            return _area(event)
        case ev.TableAlloc() | ev.TableFree() | ev.SetPte() | ev.ClearPte():
            return _entry(event, scene)
        case ev.TlbMiss() | ev.TlbFill() | ev.TlbFlush():
            return _tlb(event, scene)
        case ev.PageAlloc() | ev.PageFree() | ev.Zero() | ev.Copy() | ev.UserStore():
            return _frame(event, scene)
        case ev.DiskRead() | ev.DiskWrite() | ev.DiskDiscard() | ev.JournalCommit():
            return _disk(event, scene)
        case ev.Clock():
            return f"{event.now:g} seconds have passed since the start."
        case ev.Readahead() | ev.CacheHit() | ev.CacheMiss():
            return _pages(event, scene)
        case ev.CacheAdd() | ev.CacheDelete() | ev.PageUptodate() | ev.PageDirty() | ev.PageClean() | ev.FolioSplit():
            return _cached(event, scene)
        case ev.Signal():
            return signal(event, scene)
    return _task(event, scene)


def _span(event: ev.Event, scene: Scene) -> str:
    match event:
        case ev.Syscall():
            return f"P{event.pid} calls {call(event)}."
        case ev.Access():
            many = "" if event.nbytes == 1 else f" {plural(event.nbytes, 'byte')}"
            verb = {"load": "loads", "store": "stores", "execute": "runs the code"}[event.kind]
            link = "from" if event.kind == "load" else "to" if event.kind == "store" else "at"
            one = " one byte" if event.nbytes == 1 and event.kind != "execute" else many
            return f"P{event.pid} {verb}{one} {link} {where(scene.space_of(event.pid), event.addr)}."
        case ev.PageFault():
            page = where(scene.spaces.get(event.mm), event.addr)
            return f"A page fault: no entry permits this {event.want} of {page}, so the kernel is entered."
        case ev.KernelWork():
            return f"The kernel works on its own: {event.what.replace('_', ' ')}."
        case ev.Done():
            return _done(event)
    raise TypeError(type(event).__name__)


def _done(event: ev.Done) -> str:
    if event.of == "PageFault":
        if event.outcome in ("minor", "major"):
            why = "nothing had to be brought in" if event.outcome == "minor" else "the page had to be brought in"
            return f"The fault ends: {event.outcome}, for {why}."
        return f"The fault ends in {event.outcome}."
    if event.of == "Access":
        got = f" and gives {value('', event.outcome)}" if isinstance(event.outcome, bytes) else ""
        failed = isinstance(event.outcome, str)
        return f"The access ends in {event.outcome}." if failed else f"The access is complete{got}."
    if event.of == "Syscall":
        if isinstance(event.outcome, str) and event.outcome.startswith("E"):
            return f"The call fails with {event.outcome}."
        return "The call returns." if event.outcome is None else f"The call returns {value('', event.outcome)}."
    return "The kernel's own work is done."


def _area(event: ev.Event) -> str:
    match event:
        case ev.VmaLink():
            name = event.name or "anonymous memory"
            return f"An area of {plural((event.end - event.start) // PAGE_SIZE, 'page')} appears: {name}."
        case ev.VmaAdjust():
            npages = (event.new_end - event.new_start) // PAGE_SIZE
            return f"An area changes: it now spans {plural(npages, 'page')} from {event.new_start:#x}."
        case ev.VmaUnlink():
            return f"An area of {plural((event.end - event.start) // PAGE_SIZE, 'page')} is gone."
    raise TypeError(type(event).__name__)


def _entry(event: ev.Event, scene: Scene) -> str:
    match event:
        case ev.TableAlloc():
            return f"A page table of level {event.level} is made."
        case ev.TableFree():
            return f"A page table of level {event.level} is given back."
        case ev.SetPte():
            page = where(scene.spaces.get(event.mm), event.addr)
            if not pte_present(event.pte):
                return f"The entry of {page} becomes a guard: every access is a SIGSEGV."
            if pte_present(event.old) and pte_pfn(event.old) == pte_pfn(event.pte):
                if pte_write(event.old) and not pte_write(event.pte):
                    return f"The entry of {page} loses the right to write."
                return f"The entry of {page} changes: {pte_text(event.pte)}."
            return f"The entry of {page} is set: frame {pte_pfn(event.pte)}, {pte_text(event.pte)}."
        case ev.ClearPte():
            return f"The entry of {where(scene.spaces.get(event.mm), event.addr)} is cleared."
    raise TypeError(type(event).__name__)


def _tlb(event: ev.Event, scene: Scene) -> str:
    match event:
        case ev.TlbMiss():
            page = where(scene.spaces.get(event.mm), event.addr)
            return f"The processor holds no entry for {page}: it walks the page table."
        case ev.TlbFill():
            page = where(scene.spaces.get(event.mm), event.addr)
            return f"The processor keeps a copy of the entry of {page}."
        case ev.TlbFlush():
            how = {"shootdown": ", told by an interrupt", "evicted": ", for it has no place left"}.get(event.why, "")
            return f"Processor {event.cpu} forgets its copies of entries{how}."
    raise TypeError(type(event).__name__)


def _frame(event: ev.Event, scene: Scene) -> str:
    match event:
        case ev.PageAlloc():
            use = "the page cache" if event.use == "cache" else "the process alone"
            return f"Frame {event.pfn} is taken, for {use}."
        case ev.PageFree():
            return f"Frame {event.pfn} is given back."
        case ev.Zero():
            return f"Frame {event.pfn} is filled with zeros: {event.nbytes:,} bytes."
        case ev.Copy():
            hop = HOP_WORDS.get(event.why, event.why)
            actor = "The device" if event.why.startswith("dma") else "The processor"
            return f"{actor} copies {event.nbytes:,} bytes: {hop}."
        case ev.UserStore():
            return f"The program's own store changes {plural(event.nbytes, 'byte')} of frame {event.pfn}."
    raise TypeError(type(event).__name__)


def _disk(event: ev.Event, scene: Scene) -> str:
    match event:
        case ev.DiskRead():
            return f"The disk reads {pages(event.index, event.npages)} of {scene.file(event.ino).name}."
        case ev.DiskWrite():
            return f"The disk writes {pages(event.index, event.npages)} of {scene.file(event.ino).name}."
        case ev.DiskDiscard():
            return f"The blocks of {pages(event.index, event.npages)} of {scene.file(event.ino).name} are given back."
        case ev.JournalCommit() if not event.path:
            return f"The journal is committed: {scene.file(event.ino).name} has no name on the disk."
        case ev.JournalCommit():
            return f"The journal is committed: {event.path} has {event.size:,} bytes on the disk."
    raise TypeError(type(event).__name__)


def _pages(event: ev.Event, scene: Scene) -> str:
    match event:
        case ev.Readahead():
            why = READAHEAD.get(event.why, event.why)
            return (
                f"The kernel decides to read {plural(event.npages, 'page')} {why}: "
                f"{pages(event.index, event.npages)} of {scene.file(event.ino).name}."
            )
        case ev.CacheHit():
            return f"Page {event.index} of {scene.file(event.ino).name} is in the page cache."
        case ev.CacheMiss():
            return f"Page {event.index} of {scene.file(event.ino).name} is not in the page cache."
    raise TypeError(type(event).__name__)


def _cached(event: ev.Event, scene: Scene) -> str:
    match event:
        case ev.CacheAdd():
            return f"Page {event.index} of {scene.file(event.ino).name} gets frame {event.pfn} in the page cache."
        case ev.CacheDelete():
            return f"Page {event.index} of {scene.file(event.ino).name} leaves the page cache."
        case ev.FolioSplit():
            whole = f"{pages(event.index, event.npages)} of {scene.file(event.ino).name}"
            return f"The large folio of {whole} is split: page {event.at} is one of its own now."
        case ev.PageUptodate():
            return f"Page {event.index} of {scene.file(event.ino).name} now holds the file's bytes."
        case ev.PageDirty():
            return f"Page {event.index} of {scene.file(event.ino).name} is dirty: newer than the disk."
        case ev.PageClean():
            return f"Page {event.index} of {scene.file(event.ino).name} is clean again."
    raise TypeError(type(event).__name__)


def signal(event: ev.Signal, scene: Scene) -> str:
    """Return why a signal was sent."""
    name = Sig(event.signo).name if event.signo in Sig.__members__.values() else f"signal {event.signo}"
    space = scene.space_of(event.pid)
    page = where(space, event.addr)
    if event.signo == Sig.SIGBUS:
        missing = f"the file has no {page.split(' of ')[0]}"
        why = missing if event.code == BusCode.BUS_ADRERR else "the page cannot be read"
        return f"{name}: the area is there, but {why}."
    if event.code == SegvCode.SEGV_MAPERR:
        return f"{name}: there is no area at {event.addr:#x}."
    if event.code == SegvCode.SEGV_ACCERR:
        return f"{name}: the area does not permit this access to {page}."
    return f"{name}: P{event.pid} is told that its access cannot be completed."


def _task(event: ev.Event, scene: Scene) -> str:
    match event:
        case ev.TaskCreate():
            if event.tgid != event.pid:
                return f"Thread P{event.pid} exists; it shares the address space of P{event.tgid}."
            child = f", a child of P{event.parent}" if event.parent else ""
            return f"Process P{event.pid} exists{child}."
        case ev.TaskExit():
            space = scene.spaces.get(event.mm)
            kind = "Thread" if space and space.pid != event.pid else "Process"
            return f"{kind} P{event.pid} has ended."
        case ev.FdInstall():
            return f"Descriptor {event.fd} of P{event.pid} now names {scene.file(event.ino).name}."
        case ev.FdClose():
            return f"Descriptor {event.fd} of P{event.pid} is closed."
        case ev.FileCreate():
            return f"The file {event.path or 'without a name'} is made, on {event.fs}."
        case ev.FileSize():
            return f"{scene.file(event.ino).name} now has {plural(event.size, 'byte')}."
        case ev.FileUnlink():
            return f"{event.path} has lost its name."
        case ev.FileFree():
            return "A file and its blocks are gone."
    return f"{type(event).__name__}."
