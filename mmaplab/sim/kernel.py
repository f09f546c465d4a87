"""The simulated kernel: everything put together, and the files and processes that programs start from.

kernel = Kernel()
kernel.create_file("data.bin", b"x" * 8192, warm=True)
p = kernel.spawn()
fd = p.open("data.bin")
a = p.mmap(0, 8192, PROT_READ, MAP_SHARED, fd)
p.load(a)                                   # a page fault; see kernel.trace
"""

from __future__ import annotations

import errno
import math
from collections.abc import Callable
from typing import Self

from mmaplab.arguments import octets, text, whole
from mmaplab.constants import MOST_FILE_BYTES, PAGE_SIZE
from mmaplab.sim import anon, cpu, filefault, flusher, fork, merge, mm, msync, readahead, vma, vmscan, writeback
from mmaplab.sim.arguments import few_enough
from mmaplab.sim.config import KernelConfig, checked_config
from mmaplab.sim.disk import Disk, DiskFile
from mmaplab.sim.events import KernelWork, TaskCreate, TaskExit
from mmaplab.sim.fault import handle_mm_fault, mm_of
from mmaplab.sim.file import FilesStruct
from mmaplab.sim.filemap import generic_perform_write
from mmaplab.sim.inode import Inode, SuperBlock
from mmaplab.sim.memory import Memory, OutOfMemory
from mmaplab.sim.mm_types import Machine, MmStruct, TaskStruct
from mmaplab.sim.namei import Files, check_name, do_unlink
from mmaplab.sim.pagecache import i_size_write
from mmaplab.sim.pgtable import Tlb
from mmaplab.sim.process import Process, TaskCalls
from mmaplab.sim.rlimit import default_limits
from mmaplab.sim.slots import Function, Slots, fill_slots
from mmaplab.sim.trace import Trace
from mmaplab.sim.truncate import truncate_pagecache

REFERENCE = Slots(
    find_vma=vma.find_vma,
    can_vma_merge=merge.can_vma_merge,
    get_unmapped_area=vma.get_unmapped_area,
    translate=cpu.translate,
    handle_mm_fault=handle_mm_fault,
    do_fault_around=filefault.do_fault_around,
    do_wp_page=anon.do_wp_page,
    page_cache_sync_ra=readahead.page_cache_sync_ra,
    copy_page_range=fork.copy_page_range,
    zap_page_range=mm.zap_page_range,
    do_writepages=writeback.do_writepages,
    truncate_pagecache=truncate_pagecache,
    do_msync=msync.do_msync,
)
"""The kernel's own functions, for each slot."""
MOST_SECONDS = 1e12
"""No clock goes further, 30,000 years: a number of seconds could not tell one waking of the flusher from the next."""


class Kernel:
    """One simulated machine with its kernel, its files and its processes.

    `config` says which machine. `check`, where given, is called with the kernel after every call of a process (see
    `mmaplab.sim.invariants`). `record=False` keeps no trace. Every further keyword replaces a kernel function:
    `Kernel(find_vma=my_find_vma)`; the names are the fields of `mmaplab.sim.slots.Slots`.
    Raises TypeError for a keyword that names no slot.
    """

    def __init__(
        self,
        config: KernelConfig | None = None,
        check: Callable[[Kernel], None] | None = None,
        record: bool | Trace = True,
        **slots: Function,
    ) -> None:
        self.config = checked_config(config)
        if check is not None and not callable(check):
            raise TypeError(f"check is {check!r}: give a function that takes a kernel, such as invariants.check")
        self.check = check
        self.trace = record if isinstance(record, Trace) else Trace(recording=record)
        self.memory = Memory(self.trace, self.config.memory_pages)
        self.disk = Disk(self.trace, self.config.disk_pages)
        self.slots, self._replaced = fill_slots(REFERENCE, slots), slots
        tlbs = [Tlb(number, self.trace, self.config.tlb_entries) for number in range(self.config.cpus)]
        self.machine = Machine(self.config, self.trace, self.memory, tlbs, self.slots, tuple(slots))
        self.sb = SuperBlock(self.config.file_system, self.config, self.trace, self.memory, self.disk)
        self.sb.max_blocks = self.config.disk_pages
        self.sb.ratelimit_pages = flusher.dirty_poll_interval(flusher.dirty_limits(self.config, self.sb)[1])
        self.sb.balance_dirty_pages = lambda: flusher.balance_dirty_pages(self.machine, self.sb)
        self.sb.release = lambda inode: writeback.ext4_release_file(inode, self.slots.do_writepages)
        self.files = Files(self.sb, self.machine)
        self.processes: dict[int, Process] = {}
        self.memory.reclaim, self.memory.kill = self._reclaim, self._kill_another
        self.machine.out_of_memory = self._out_of_memory
        self._next_pid = 1

    @property
    def page_size(self) -> int:
        """Bytes in a page."""
        return self.config.page_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End every process and remove every file."""
        while self.processes:
            self._exit_group(next(iter(self.processes.values())).task)
        for path in list(self.files.names):
            do_unlink(self.files, path)

    def _reclaim(self) -> bool:
        with self.trace.span(KernelWork, "reclaim"):
            return vmscan.shrink_lru(self.sb)

    def _kill_another(self) -> bool:
        """End the process with the most memory, if it is not the one that runs; did it?"""
        running = self.processes.get(self.trace.pid)
        if running is None or (victim := self._victim()).tgid == running.task.tgid:
            return False
        self._oom_kill(victim)
        return True

    def _out_of_memory(self) -> TaskStruct:
        """End the process with the most memory. Linux: out_of_memory, mm/oom_kill.c."""
        victim = self._victim()
        self._oom_kill(victim)
        return victim

    def _victim(self) -> TaskStruct:
        return vmscan.select_bad_process(process.task for process in self.processes.values())

    def _oom_kill(self, victim: TaskStruct) -> None:
        with self.trace.span(KernelWork, "oom_kill"):
            self._exit_group(victim)

    def _checked(self) -> None:
        if self.check is not None:
            self.check(self)

    # ---- files

    def create_file(self, path: str, data: bytes = b"", warm: bool = False) -> None:
        """Make a regular file: on the disk and out of the page cache, or (`warm`) cached in single pages.

        Raises FileExistsError, ValueError for a name that is no plain name, OSError (ENOSPC, ENOMEM) where it has no
        room: then there is no such file.
        """
        if text(path) in self.files.names:
            raise FileExistsError(errno.EEXIST, f"the file {path!r} exists", path)
        if not path or "/" in path or path in (".", ".."):
            raise ValueError(f"{path!r} is no name of a file here: names live in one flat directory, without '/'")
        check_name(path)
        data = octets(data)
        self.trace.pid = 0
        with self.trace.span(KernelWork, "create_file"):
            try:
                self._write_new(path, data, warm)
            except (OSError, OutOfMemory) as error:
                do_unlink(self.files, path)
                raise error if isinstance(error, OSError) else OSError(errno.ENOMEM, str(error)) from None

    def _write_new(self, path: str, data: bytes, warm: bool) -> None:
        """Write a new file page by page, and make it durable."""
        inode = self.files.names[path] = self.files.new_inode(path)
        file = self.files.new_file(inode, 2)
        for pos in range(0, len(data), PAGE_SIZE):
            generic_perform_write(file, pos, data[pos : pos + PAGE_SIZE], self.machine.now)
        writeback.do_writepages(inode.i_mapping, 0, None, "create_file")
        if self.sb.on_disk:
            self.disk.commit(inode.ino)
        if not warm:
            writeback.invalidate_mapping_pages(inode.i_mapping)

    def file_bytes(self, path: str) -> bytes:
        """Return what a fresh read of the whole file returns now; it leaves no trace and reads nothing in.

        Raises FileNotFoundError, and TooLarge for more than a GiB: pread reads a part.
        """
        inode = self.files.lookup(path)
        few_enough(f"the file {path!r}", inode.pages, MOST_FILE_BYTES // PAGE_SIZE)
        return file_content(inode)

    def disk_bytes(self, path: str) -> bytes:
        """Return what a crash would leave of the file; raises FileNotFoundError where it has no such name, TooLarge."""
        for _, record in self.disk.durable_files():
            if record.durable_path == path:
                few_enough(f"the file {path!r}", record.durable_size // PAGE_SIZE, MOST_FILE_BYTES // PAGE_SIZE)
                return record.durable_bytes()
        raise FileNotFoundError(errno.ENOENT, f"the disk has no file {path!r}", path)

    def drop_caches(self, path: str) -> None:
        """Write the file's dirty pages back as fsync does, then drop its clean, unmapped pages from the page cache."""
        inode = self.files.lookup(path)
        self.trace.pid = 0
        with self.trace.span(KernelWork, "drop_caches"):
            writeback.ext4_sync_file(inode, 0, None, "drop_caches", self.slots.do_writepages)
            writeback.invalidate_mapping_pages(inode.i_mapping)

    # ---- processes

    def spawn(self) -> Process:
        """Return a new process with an empty descriptor table and an empty address space."""
        pid = self._new_pid()
        space, table = MmStruct(pid, self.machine), FilesStruct(pid, self.trace)
        return self._start(TaskStruct(pid, pid, space, table, self._cpu(pid), 0, default_limits(self.config)))

    def _fork(self, parent: TaskStruct) -> Process:
        """Copy the calling thread, its descriptors and its address space; raises ENOMEM. Linux: copy_process."""
        pid = self._new_pid()
        space, table = MmStruct(pid, self.machine), parent.files.dup_fds(pid)
        child = TaskStruct(pid, pid, space, table, self._cpu(pid), parent.tgid, dict(parent.rlimits))
        process = self._start(child)
        try:
            fork.dup_mmap(space, mm_of(parent))
        except OSError:
            self._exit(child)
            raise
        return process

    def _clone_thread(self, caller: TaskStruct) -> Process:
        """Start one more thread: everything is shared but the number and the processor. Linux: copy_process."""
        pid, space = self._new_pid(), mm_of(caller)
        cpu = self._cpu(1 + caller.cpu + space.mm_users)
        thread = TaskStruct(pid, caller.tgid, space, caller.files, cpu, caller.parent, caller.rlimits)
        return self._start(thread)

    def _new_pid(self) -> int:
        self._next_pid += 1
        return self._next_pid - 1

    def _cpu(self, number: int) -> int:
        return (number - 1) % self.config.cpus

    def _start(self, task: TaskStruct) -> Process:
        space = mm_of(task)
        space.mm_users += 1
        self.trace.emit(TaskCreate, task.pid, space.mm, task.parent, task.tgid)
        calls = TaskCalls(self._fork, self._clone_thread, self._exit, self._exit_group)
        process = self.processes[task.pid] = Process(task, self.files, calls, self._checked)
        return process

    def _exit(self, task: TaskStruct) -> None:
        """End one thread; the last one takes address space and descriptors along. Linux: do_exit, kernel/exit.c."""
        space = mm_of(task)
        space.mm_users -= 1
        if not space.mm_users:
            fork.exit_mmap(space)
            for fd in sorted(task.files.fds):
                task.files.close_fd(fd)
        task.mm = None
        del self.processes[task.pid]
        self.trace.emit(TaskExit, task.pid, space.mm)

    def _exit_group(self, task: TaskStruct) -> None:
        """End a process: all of its threads, the first one last. Linux: do_group_exit, kernel/exit.c."""
        group = [process.task for process in self.processes.values() if process.task.tgid == task.tgid]
        for thread in sorted(group, key=lambda each: each.pid, reverse=True):
            self._exit(thread)

    # ---- time and power

    def tick(self, seconds: float) -> None:
        """Let time pass: the flusher and the journal's thread wake up and write (flusher.py).

        Raises ValueError, TypeError.
        """
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise TypeError(f"tick({seconds!r}): give a number of seconds")
        if not 0 <= seconds < math.inf:
            raise ValueError(f"tick({seconds}): time does not run backwards, and no time is endless")
        if seconds > MOST_SECONDS - self.machine.now:
            raise ValueError(
                f"tick({seconds}): no clock goes on after {MOST_SECONDS:g} s, and it is {self.machine.now:g} s"
            )
        self.trace.pid = 0
        flusher.pass_time(self.machine, self.sb, seconds)

    def power_failure(self) -> Kernel:
        """Return a new kernel that has what the disk and its journal hold, and nothing else.

        A name or a size that no commit has made durable is gone; pages that were never written are zeros. Broken
        blocks stay broken. This kernel is left as it was.
        """
        after = Kernel(self.config, self.check, self.trace.recording, **self._replaced)
        after.disk.capacity = self.disk.capacity
        after.sb.max_blocks = self.sb.max_blocks
        for ino, record in self.disk.durable_files():
            after._mount_file(record, {kind: {i for n, i in bad if n == ino} for kind, bad in self.disk.broken.items()})
        return after

    def _mount_file(self, record: DiskFile, broken: dict[str, set[int]]) -> None:
        """Put a file of another kernel's disk on this one's."""
        self.trace.pid = 0
        with self.trace.span(KernelWork, "create_file"):
            inode = self.files.names[record.durable_path] = self.files.new_inode(record.durable_path)
            i_size_write(inode, record.durable_size)
            self.disk.set_size(inode.ino, record.durable_size)
            for index, block in record.durable_blocks().items():
                self.disk.write_block(inode.ino, index, block, "create_file")
            self.disk.commit(inode.ino)
        for kind, pages in broken.items():
            self.disk.broken[kind] |= {(inode.ino, index) for index in pages}

    # ---- faults from outside

    def fail_block(self, path: str, page: int, operation: str = "both") -> None:
        """Break the disk block of a file page, counted from 0, until `mend_block`.

        From now on "read", "write" or "both" end in an I/O error: SIGBUS for a load that has to wait for the page, EIO
        for read, fsync and msync; what is cached stays. Raises FileNotFoundError, TypeError, ValueError.
        """
        for kind, place in self._blocks(path, page, operation):
            self.disk.broken[kind].add(place)

    def mend_block(self, path: str, page: int, operation: str = "both") -> None:
        """Undo `fail_block`; a block that is not broken stays as it is. Raises as `fail_block` does."""
        for kind, place in self._blocks(path, page, operation):
            self.disk.broken[kind].discard(place)

    def _blocks(self, path: str, page: int, operation: str) -> list[tuple[str, tuple[int, int]]]:
        inode = self.files.lookup(text(path))
        if whole("page", page) < 0:
            raise ValueError(f"page is {page}: the pages of a file are counted from 0")
        kinds = ["read", "write"] if operation == "both" else [operation]
        if not set(kinds) <= {"read", "write"}:
            raise ValueError(f"operation is {operation!r}: give 'read', 'write' or 'both'")
        if not self.sb.on_disk:
            raise ValueError(f"{path!r} is a file of tmpfs: there is no disk under it that could fail")
        return [(kind, (inode.ino, page)) for kind in kinds]

    def fill_disk(self, left: int = 0) -> None:
        """Let other files take the disk, or the tmpfs, but for `left` blocks of a page each.

        From now on who needs more gets ENOSPC from write, and SIGBUS for a store to a hole of a shared mapping. Call it
        again with a larger number to make room. Raises TypeError, ValueError.
        """
        if whole("left", left) < 0:
            raise ValueError(f"left is {left}: a disk cannot have less than 0 free blocks")
        size, used = self.config.disk_pages, self.disk.used if self.sb.on_disk else self.sb.pages_in_use
        if size is not None and used + left > size:
            raise ValueError(f"left is {left}: the disk has {size} blocks, and {used} are in use")
        if self.sb.on_disk:
            self.disk.capacity = used + left
        else:
            self.sb.max_blocks = used + left


def file_content(inode: Inode) -> bytes:
    """Return the bytes of a file: what is cached, else what the disk holds, else zeros."""
    parts = []
    for index in range(inode.pages):
        folio = inode.i_mapping.i_pages.get(index)
        cached = folio is not None and (folio.uptodate or folio.stub)
        block = inode.i_sb.disk.block(inode.ino, index) if inode.i_sb.on_disk else None
        parts.append(folio.page(index).data if cached and folio else block or bytes(PAGE_SIZE))
    return b"".join(parts)[: inode.i_size]
