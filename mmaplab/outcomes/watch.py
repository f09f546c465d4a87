"""What a crash may leave on the disk, followed through one run, event by event.

    a dirty page changes     from now on the kernel may write this content: more outcomes
    the size changes         from now on the journal may say so: more outcomes
    msync, fsync, O_DIRECT   bytes, and then name and size, are on the disk for certain: fewer outcomes

What flusher or reclaim happen to write in this run takes nothing away: they may do it at another time in the next run.
Between two events that take something away outcomes only grow, so the files' outcomes are joined once for each such
stretch (`Watch.flush`).

Leaves out: an order between two files (the journal has one, POSIX promises none), a page that is found half written.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Mapping
from typing import NoReturn

from mmaplab.constants import PAGE_SIZE, Ms, Open
from mmaplab.outcomes.worlds import ZEROS, FileWorlds, Found, Layout, World, visible
from mmaplab.sim import events as ev
from mmaplab.sim.inode import Folio
from mmaplab.sim.kernel import Kernel
from mmaplab.sim.mmap import page_align
from mmaplab.sim.trace import Record, Trace

FORCED = ("msync", "fsync", "direct")
"""Why a page is written where the caller may count on it."""


class TooManyOutcomes(RuntimeError):
    """There are more outcomes than the caller wants to have enumerated."""


class FileWatch(FileWorlds):
    """A file with what a crash may leave of it now, and since which record."""

    def __init__(self, before: Mapping[int, bytes], start: World) -> None:
        super().__init__(before, start)
        self.since: dict[Found, int] = {}


class Watch(Trace):
    """A trace that follows what a crash would leave, event by event.

    `begin` starts it. `found` is told every way in which the files may be found, with the first and the last record
    behind which a crash leaves it; `limit` bounds how many there may be at one moment.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit
        self.kernel: Kernel | None = None
        self.files: dict[int, FileWatch] = {}
        self.names: dict[str, Mapping[int, bytes]] = {}
        self.call: ev.Syscall | None = None
        self.locked: dict[tuple[int, int], bool] = {}
        """(file, page) that the write which is under way has changed, and whether it has copied bytes there."""
        self.start = 0
        self.found: Callable[[frozenset[Found], int, int], None] = lambda *what: None

    @property
    def next_seq(self) -> int:
        """The number that the next record will have."""
        return self._seq

    def begin(self, kernel: Kernel) -> None:
        """Take the disk as it is now for the files of before the program."""
        self.kernel, self.start = kernel, self._seq - 1
        for ino, record in kernel.disk.durable_files():
            layout = Layout(record.durable_path, record.durable_size, -(-record.durable_size // PAGE_SIZE))
            blocks = self.names[record.durable_path] = record.durable_blocks()
            self.files[ino] = FileWatch(blocks, World(layout, layout))
            self._now(ino, self.files[ino].worlds, self.start)

    def end(self) -> None:
        """The program has ended: tell what is possible now, and follow no more."""
        self.flush(self._seq)
        self.kernel = None

    def _append(self, event: ev.Event) -> None:
        super()._append(event)
        if self.kernel is not None:
            self.see(self.kernel, self.records[-1])

    def see(self, kernel: Kernel, record: Record) -> None:
        """Follow one event."""
        event, seq = record.event, record.seq
        match event:
            case ev.Syscall():
                self.call = event
            case ev.Done(of="Syscall"):
                self._settle(kernel, seq)
                if self.call is not None and not str(event.outcome).startswith("E"):
                    self._synced(kernel, self.call, seq)
                self.call = None
            case ev.UserStore(pfn=pfn) | ev.Zero(pfn=pfn) | ev.Copy(target=pfn):
                page = kernel.memory.pages.get(pfn)
                if page is not None and isinstance(page.folio, Folio):
                    index = page.folio.index + page.folio.pages.index(page)
                    self._changed(kernel, page.folio.mapping.host.ino, index, seq, isinstance(event, ev.Copy))
            case ev.PageDirty():
                self._changed(kernel, event.ino, event.index, seq)
            case ev.FileCreate(fs="ext4"):
                world = World(Layout(event.path, event.size, 0), Layout("", 0, 0))
                self.files[event.ino] = FileWatch({}, world)
                self.names.setdefault(event.path, {})
                self._now(event.ino, {world}, seq)
            case ev.FileUnlink() if event.ino in self.files:
                self._now(event.ino, self.files[event.ino].renamed(""), seq)
            case ev.FileSize() if event.ino in self.files and event.size != self.files[event.ino].size:
                self._resize(kernel, event, seq)
            case ev.DiskDiscard() if self._is_hole(kernel, event):
                self._now(event.ino, self.files[event.ino].punched(event.index, event.index + event.npages), seq)
            case ev.DiskWrite() if event.why in FORCED:
                self._forced(kernel, event, seq)

    def _is_hole(self, kernel: Kernel, event: ev.DiskDiscard) -> bool:
        """Do the blocks lie inside the file? Those behind its end went with the size."""
        inode = kernel.sb.s_inodes.get(event.ino)
        return inode is not None and event.index < inode.pages

    def _changed(self, kernel: Kernel, ino: int, index: int, seq: int, copied: bool = False) -> None:
        """A cached page has changed. A write holds it locked until the size is right, too (ext4_da_do_write_end)."""
        if self._writes():
            self.locked[ino, index] = copied or self.locked.get((ino, index), False)
        else:
            self._look(kernel, ino, index, seq)

    def _settle(self, kernel: Kernel, seq: int) -> None:
        """A write lets go of its pages."""
        for ino, index in self.locked:
            self._look(kernel, ino, index, seq)
        self.locked.clear()

    def _writes(self) -> bool:
        return self.call is not None and self.call.name in ("write", "pwrite")

    def _gap(self, kernel: Kernel, size: int) -> bool:
        """Does the write that is under way begin behind the end of the file?"""
        if not self._writes() or self.call is None:
            return False
        args, process = dict(self.call.args), kernel.processes[self.call.pid]
        file = process.task.files.fdget(int(str(args["fd"])))
        appends = file.f_flags & Open.O_APPEND
        return not appends and int(str(args.get("offset", file.f_pos))) > size

    def _look(self, kernel: Kernel, ino: int, index: int, seq: int) -> None:
        """A cached page has the content it has: it may be written from now on."""
        if self._takes(kernel, ino, index):
            file = self.files[ino]
            self._now(ino, {file.write_page(world, index) for world in file.worlds}, seq, file.worlds)

    def _takes(self, kernel: Kernel, ino: int, index: int) -> bool:
        """Take note of what a cached page holds, if it is dirty and the file's; says whether this is new."""
        inode = kernel.sb.s_inodes.get(ino)
        folio = inode.i_mapping.i_pages.get(index) if inode else None
        if ino not in self.files or inode is None or folio is None or not folio.dirty or index >= inode.pages:
            return False
        data, dirty = visible(folio.page(index).data, index, inode.i_size), self.files[ino].dirty
        new = dirty.get(index) != data
        dirty[index] = data
        return new

    def _resize(self, kernel: Kernel, event: ev.FileSize, seq: int) -> None:
        """The size changes; a write lets go of its pages with their bytes and the size at once."""
        file, ino = self.files[event.ino], event.ino
        grows = (lambda page: self.locked.get((ino, page), False)) if self._writes() else None
        worlds = file.resized(event.size, grows, self._gap(kernel, file.size))
        for number, index in self.locked:
            if number == ino:
                self._takes(kernel, ino, index)
        self.locked.clear()
        self._now(ino, worlds, seq)

    def _forced(self, kernel: Kernel, event: ev.DiskWrite, seq: int) -> None:
        self._settle(kernel, seq)
        file = self.files[event.ino]
        for index in range(event.index, event.index + event.npages):
            data = visible(kernel.disk.block(event.ino, index) or ZEROS, index, file.size)
            self._now(event.ino, file.forced(index, data), seq)

    def _synced(self, kernel: Kernel, call: ev.Syscall, seq: int) -> None:
        """A call has returned: pages, name and size of the files that it forced are on the disk.

        Also pages that were clean by chance, since the kernel had written them before.
        """
        for ino, first, end in synced_pages(kernel, call):
            if ino in self.files:
                file = self.files[ino]
                for index in [i for i in file.dirty if first <= i < end]:
                    self._now(ino, file.forced(index, file.dirty[index]), seq)
                self._now(ino, {file.commit(world) for world in file.worlds}, seq)

    # ---- what is possible now

    def _now(self, ino: int, worlds: set[World], seq: int, known: Collection[World] = ()) -> None:
        """These are the Worlds of a file now, beside `known` ones, with all that the kernel may make of them."""
        file = self.files[ino]
        more = file.closed(worlds, set(known), 16 * self.limit)
        found = {file.crash(world, self.names.get(world.durable.path, {})) for world in more}
        found |= file.since.keys() if known else set()
        if max(len(found), len(more) // 16) > self.limit:
            self._give_up(len(found))
        if file.since.keys() - found:
            self.flush(seq)
        file.worlds = more | set(known)
        file.since = {one: file.since.get(one, seq) for one in found}

    def _give_up(self, number: int) -> NoReturn:
        self.kernel = None
        raise TooManyOutcomes(too_many(number, self.limit))

    def flush(self, end: int) -> None:
        """Tell `found` all that was possible up to record `end`, which takes something away. Raises TooManyOutcomes."""
        last = end - 1
        number = math.prod(len(file.since) for file in self.files.values())
        if number > self.limit:
            self._give_up(number)
        for combination in itertools.product(*(file.since.items() for file in self.files.values())):
            named = [found for found, _ in combination if found.path]
            if len({found.path for found in named}) == len(named):
                first = max([self.start, *(since for _, since in combination)])
                if first <= last:
                    self.found(frozenset(named), first, last)
        self.start = last + 1


def synced_pages(kernel: Kernel, call: ev.Syscall) -> list[tuple[int, int, int]]:
    """Return (file, first page, end) of what a successful call has forced to the disk."""
    process, args = kernel.processes.get(call.pid), dict(call.args)
    if process is None:
        return []
    match call.name, args:
        case "fsync", {"fd": int(fd)}:
            return [(process.task.files.fdget(fd).f_inode.ino, 0, 1 << 52)]
        case (("write" | "pwrite"), {"fd": int(fd)}):  # its pages have just been written
            file = process.task.files.fdget(fd)
            return [(file.f_inode.ino, 0, 0)] if file.f_flags & Open.O_DSYNC else []
        case "msync", {"addr": int(addr), "length": int(length), "flags": int(flags)} if flags & Ms.MS_SYNC:
            end = addr + page_align(length)
            areas = process.mm.mm_mt.range(addr, end) if addr < end else []
            return [
                (
                    vma.vm_file.f_inode.ino,
                    vma.pgoff_of(max(addr, vma.vm_start)),
                    vma.pgoff_of(min(end, vma.vm_end) - 1) + 1,
                )
                for vma in areas
                if vma.shared and vma.vm_file is not None
            ]
    return []


def too_many(number: int, limit: int) -> str:
    """Return what to do where there are too many outcomes."""
    return (
        f"a crash of this program can leave at least {number:,} different contents; the limit is {limit:,}. "
        "Let the program store to fewer pages between two calls of msync(MS_SYNC) or fsync, "
        "or allow more with limit=..."
    )
