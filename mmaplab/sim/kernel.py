"""The simulated kernel: everything put together, and the files and processes that programs start from.

kernel = Kernel()
kernel.create_file("data.bin", b"x" * 8192, warm=True)
p = kernel.spawn()
fd = p.open("data.bin")
a = p.mmap(0, 8192, PROT_READ, MAP_SHARED, fd)
p.load(a)                                   # a page fault; see kernel.trace
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Self

from mmaplab.constants import PAGE_SIZE, Rlimit
from mmaplab.sim import anon, cpu, filefault, fork, madvise, merge, mm, readahead, vma, vmscan, writeback
from mmaplab.sim.config import KernelConfig
from mmaplab.sim.disk import Disk
from mmaplab.sim.events import KernelWork, TaskCreate, TaskExit
from mmaplab.sim.fault import handle_mm_fault, mm_of
from mmaplab.sim.file import FilesStruct
from mmaplab.sim.filemap import generic_perform_write
from mmaplab.sim.memory import Memory
from mmaplab.sim.mm_types import Machine, MmStruct, TaskStruct
from mmaplab.sim.pagecache import Inode, SuperBlock
from mmaplab.sim.pgtable import Tlb
from mmaplab.sim.process import Process, octets, text
from mmaplab.sim.readwrite import Files, do_unlink
from mmaplab.sim.slots import Function, Slots
from mmaplab.sim.trace import Trace

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
    do_msync=madvise.do_msync,
)
"""The kernel's own functions, for each slot."""


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
        record: bool = True,
        **slots: Function,
    ) -> None:
        self.config = config or KernelConfig()
        self.check = check
        self.trace = Trace(recording=record)
        self.memory = Memory(self.trace, self.config.memory_pages)
        self.disk = Disk(self.trace, self.config.disk_pages)
        self.slots = fill_slots(slots)
        tlbs = [Tlb(number, self.trace, self.config.tlb_entries) for number in range(self.config.cpus)]
        self.machine = Machine(self.config, self.trace, self.memory, tlbs, self.slots)
        self.sb = SuperBlock(self.config.file_system, self.config, self.trace, self.memory, self.disk)
        self.files = Files(self.sb, self.machine)
        self.processes: dict[int, Process] = {}
        self.memory.reclaim = self._reclaim
        self.machine.out_of_memory = self._oom_kill
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
        for process in list(self.processes.values()):
            process.exit()
        for path in list(self.files.names):
            do_unlink(self.files, path)

    def _reclaim(self) -> bool:
        with self.trace.span(KernelWork("reclaim")):
            return vmscan.shrink_lru(self.sb)

    def _oom_kill(self) -> TaskStruct:
        """End the process with the most anonymous memory. Linux: out_of_memory, mm/oom_kill.c."""
        victim = vmscan.select_bad_process(process.task for process in self.processes.values())
        with self.trace.span(KernelWork("oom_kill")):
            self._exit(victim)
        return victim

    def _checked(self) -> None:
        if self.check is not None:
            self.check(self)

    # ---- files

    def create_file(self, path: str, data: bytes = b"", warm: bool = False) -> None:
        """Make a regular file: on the disk and out of the page cache, or (`warm`) cached in single pages.

        Raises FileExistsError, ValueError for a name that is no plain name.
        """
        if text(path) in self.files.names:
            raise FileExistsError(17, f"the file {path!r} exists", path)
        if not path or "/" in path or path in (".", ".."):
            raise ValueError(f"{path!r} is no name of a file here: names live in one flat directory, without '/'")
        data = octets(data)
        with self.trace.span(KernelWork("create_file"), 0):
            inode = self.files.names[path] = self.files.new_inode(path)
            file = self.files.new_file(inode, 2)
            for pos in range(0, len(data), PAGE_SIZE):
                generic_perform_write(file, pos, data[pos : pos + PAGE_SIZE], self.machine.now)
            writeback.do_writepages(inode.i_mapping, 0, None, "create_file")
            if not warm:
                writeback.invalidate_mapping_pages(inode.i_mapping)

    def file_bytes(self, path: str) -> bytes:
        """Return what a fresh read of the whole file returns now; it leaves no trace and reads nothing in."""
        inode = self.files.lookup(path)
        return file_content(inode)

    def disk_bytes(self, path: str) -> bytes:
        """Return what the disk holds of the file now; raises FileNotFoundError where it has no such name."""
        for record in self.disk.files.values():
            if record.path == path:
                pages = (record.size + PAGE_SIZE - 1) // PAGE_SIZE
                data = b"".join(record.blocks.get(i, bytes(PAGE_SIZE)) for i in range(pages))
                return data[: record.size]
        raise FileNotFoundError(2, f"the disk has no file {path!r}", path)

    def drop_caches(self, path: str) -> None:
        """Write the file's dirty pages back, then drop its clean, unmapped pages from the page cache."""
        inode = self.files.lookup(path)
        with self.trace.span(KernelWork("drop_caches"), 0):
            writeback.do_writepages(inode.i_mapping, 0, None, "drop_caches")
            writeback.invalidate_mapping_pages(inode.i_mapping)

    # ---- processes

    def spawn(self) -> Process:
        """Return a new process with an empty descriptor table and an empty address space."""
        return self._start(None)

    def _start(self, parent: TaskStruct | None) -> Process:
        pid, self._next_pid = self._next_pid, self._next_pid + 1
        space = MmStruct(pid, self.machine)
        table = parent.files.dup_fds(pid) if parent else FilesStruct(pid, self.trace)
        limits = dict(parent.rlimits) if parent else default_limits(self.config)
        task = TaskStruct(pid, space, table, (pid - 1) % self.config.cpus, parent.pid if parent else 0, limits)
        self.trace.emit(TaskCreate(pid, space.mm, task.parent))
        if parent:
            fork.dup_mmap(space, mm_of(parent))
        process = self.processes[pid] = Process(task, self.files, self._start, self._exit, self._checked)
        return process

    def _exit(self, task: TaskStruct) -> None:
        space = mm_of(task)
        fork.exit_mmap(space)
        for fd in sorted(task.files.fds):
            task.files.close_fd(fd)
        task.mm = None
        del self.processes[task.pid]
        self.trace.emit(TaskExit(task.pid, space.mm))

    # ---- time and power

    def tick(self, seconds: float) -> None:
        """Let time pass: the flusher wakes, and writes what has been dirty for long enough. Raises ValueError."""
        if seconds < 0:
            raise ValueError(f"tick({seconds}): time does not run backwards")
        end = self.machine.now + seconds
        step = self.config.flush_tick_seconds
        wake = (self.machine.now // step + 1) * step
        while wake <= end:
            self.machine.now = wake
            self._flusher()
            wake += step
        self.machine.now = end

    def _flusher(self) -> None:
        """Write back folios that have been dirty longer than dirty_expire. Linux: wb_writeback, fs/fs-writeback.c."""
        oldest = self.machine.now - self.config.dirty_expire_seconds
        for inode in list(self.sb.s_inodes.values()):
            aged = [f for f in inode.i_mapping.folios() if f.dirty and f.dirtied_at <= oldest]
            if aged and self.sb.on_disk:
                with self.trace.span(KernelWork("flusher"), 0):
                    self.slots.do_writepages(inode.i_mapping, 0, None, "flusher")

    def power_failure(self) -> Kernel:
        """Return a new kernel that has the disk's contents and nothing else; this one is left as it was."""
        after = Kernel(self.config, self.check, self.trace.recording)
        for record in self.disk.files.values():
            if record.path and self.sb.on_disk:
                after.create_file(record.path, self.disk_bytes(record.path))
        return after


def fill_slots(given: dict[str, Function]) -> Slots:
    """Return the reference functions with the `given` ones in their place; raises TypeError for an unknown name."""
    known = set(Slots.__dataclass_fields__)
    for name, function in given.items():
        if name not in known:
            raise TypeError(f"no kernel function {name!r} can be replaced; these can: {', '.join(sorted(known))}")
        if not callable(function):
            raise TypeError(f"{name} is {function!r}: give a function")
    return replace(REFERENCE, **given)


def default_limits(config: KernelConfig) -> dict[int, int]:
    """Return the resource limits of a new process, in bytes."""
    return {
        Rlimit.RLIMIT_AS: config.rlimit_as,
        Rlimit.RLIMIT_DATA: config.rlimit_data,
        Rlimit.RLIMIT_MEMLOCK: config.rlimit_memlock,
    }


def file_content(inode: Inode) -> bytes:
    """Return the bytes of a file: what is cached, else what the disk holds, else zeros."""
    parts = []
    for index in range(inode.pages):
        folio = inode.i_mapping.i_pages.get(index)
        cached = folio is not None and (folio.uptodate or folio.stub)
        block = inode.i_sb.disk.block(inode.ino, index) if inode.i_sb.on_disk else None
        parts.append(folio.page(index).data if cached and folio else block or bytes(PAGE_SIZE))
    return b"".join(parts)[: inode.i_size]
