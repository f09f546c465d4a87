"""Random programs keep every invariant; and each invariant can be broken, and says so."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from mmaplab.constants import MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, MS_SYNC, O_RDWR, Madv
from mmaplab.interface import FatalSignal
from mmaplab.sim import Kernel, KernelConfig, invariants
from mmaplab.sim.process import Process
from tests.sim.conftest import BASE, PAGE

PAGES = st.integers(0, 23)
LENGTHS = st.integers(1, 12)


class Programs(RuleBasedStateMachine):
    """Several processes that map, unmap, protect, advise, fork, store and truncate in an arena of 24 pages."""

    processes: Bundle[Process] = Bundle("processes")

    @initialize(target=processes, file_system=st.sampled_from(["ext4", "tmpfs"]))
    def start(self, file_system: str) -> Process:
        self.kernel = Kernel(KernelConfig(file_system=file_system), record=False)
        self.kernel.create_file("f", b"f" * (9 * PAGE + 100), warm=True)
        process = self.kernel.spawn()
        self.fd = process.open("f", O_RDWR)
        return process

    def attempt(self, call: object, *args: object) -> None:
        """Make a call that may fail as Linux fails it; anything else is a bug of the simulator."""
        try:
            call(*args)  # type: ignore[operator]
        except (OSError, FatalSignal):
            return

    @rule(p=processes, at=PAGES, n=LENGTHS, prot=st.integers(0, 7), kind=st.integers(0, 3), off=st.integers(0, 6))
    def mmap(self, p: Process, at: int, n: int, prot: int, kind: int, off: int) -> None:
        flags = (MAP_SHARED if kind & 1 else MAP_PRIVATE) | MAP_FIXED | (MAP_ANONYMOUS if kind & 2 else 0)
        self.attempt(p.mmap, BASE + at * PAGE, n * PAGE, prot, flags, self.fd, off * PAGE)

    @rule(p=processes, at=PAGES, n=LENGTHS)
    def munmap(self, p: Process, at: int, n: int) -> None:
        self.attempt(p.munmap, BASE + at * PAGE, n * PAGE)

    @rule(p=processes, at=PAGES, n=LENGTHS, prot=st.integers(0, 7))
    def mprotect(self, p: Process, at: int, n: int, prot: int) -> None:
        self.attempt(p.mprotect, BASE + at * PAGE, n * PAGE, prot)

    @rule(p=processes, at=PAGES, n=LENGTHS, to=PAGES, size=LENGTHS, flags=st.sampled_from([0, 1, 3, 5, 7]))
    def mremap(self, p: Process, at: int, n: int, to: int, size: int, flags: int) -> None:
        self.attempt(p.mremap, BASE + at * PAGE, n * PAGE, size * PAGE, flags, BASE + (24 + to) * PAGE)

    @rule(
        p=processes,
        at=PAGES,
        n=LENGTHS,
        advice=st.sampled_from([Madv.MADV_DONTNEED, Madv.MADV_RANDOM, Madv.MADV_DONTFORK, Madv.MADV_POPULATE_WRITE]),
    )
    def madvise(self, p: Process, at: int, n: int, advice: int) -> None:
        self.attempt(p.madvise, BASE + at * PAGE, n * PAGE, advice)

    @rule(p=processes, at=PAGES, byte=st.integers(0, PAGE - 1), n=st.integers(1, 9000))
    def store(self, p: Process, at: int, byte: int, n: int) -> None:
        self.attempt(p.store, BASE + at * PAGE + byte, b"s" * n)

    @rule(p=processes, at=PAGES, n=st.integers(1, 9000))
    def load(self, p: Process, at: int, n: int) -> None:
        self.attempt(p.load, BASE + at * PAGE, n)

    @rule(p=processes, at=PAGES, n=LENGTHS)
    def msync(self, p: Process, at: int, n: int) -> None:
        self.attempt(p.msync, BASE + at * PAGE, n * PAGE, MS_SYNC)

    @rule(p=processes, at=PAGES, n=LENGTHS)
    def mlock(self, p: Process, at: int, n: int) -> None:
        self.attempt(p.mlock, BASE + at * PAGE, n * PAGE)

    @rule(p=processes, length=st.integers(0, 12 * PAGE))
    def truncate(self, p: Process, length: int) -> None:
        self.attempt(p.ftruncate, self.fd, length)

    @rule(p=processes, offset=st.integers(0, 10 * PAGE), n=st.integers(1, 9000))
    def pwrite(self, p: Process, offset: int, n: int) -> None:
        self.attempt(p.pwrite, self.fd, b"w" * n, offset)

    @rule(target=processes, p=processes)
    def fork(self, p: Process) -> Process:
        try:
            return p.fork()
        except ProcessLookupError:
            return self.kernel.spawn()

    @rule(p=processes)
    def exit(self, p: Process) -> None:
        if len(self.kernel.processes) > 1:
            self.attempt(p.exit)

    @rule(seconds=st.integers(1, 40))
    def tick(self, seconds: int) -> None:
        self.kernel.tick(seconds)

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "kernel"):
            assert invariants.broken(self.kernel) == []

    def teardown(self) -> None:
        if hasattr(self, "kernel"):
            self.kernel.close()
            assert self.kernel.memory.used == 0, "frames are left behind"


TestPrograms = Programs.TestCase
TestPrograms.settings = settings(max_examples=60, stateful_step_count=40, deadline=None, derandomize=True)


def damage_area(kernel: Kernel, p: Process, addr: int) -> None:
    p.mm.areas[0].vm_end += 1


def damage_count(kernel: Kernel, p: Process, addr: int) -> None:
    next(page for page in kernel.memory.pages.values() if page.mapcount).mapcount += 1


def damage_entry(kernel: Kernel, p: Process, addr: int) -> None:
    leaf = p.mm.pgd.leaf(addr)
    assert leaf is not None
    leaf[addr >> 12 & 511] |= 2  # writable


def damage_frame(kernel: Kernel, p: Process, addr: int) -> None:
    kernel.memory.alloc_page("anon")


def damage_zero(kernel: Kernel, p: Process, addr: int) -> None:
    kernel.memory.zero_page.data = b"x" * PAGE


def damage_tlb(kernel: Kernel, p: Process, addr: int) -> None:
    kernel.machine.tlbs[0].entries[p.mm.mm, addr >> 12] = 0x7000_0067


def damage_clean(kernel: Kernel, p: Process, addr: int) -> None:
    kernel.disk.files[kernel.files.lookup("f").ino].blocks[0] = b"y" * PAGE


def damage_table(kernel: Kernel, p: Process, addr: int) -> None:
    leaf = p.mm.pgd.leaf(addr)
    assert leaf is not None
    leaf.ready += 1


def damage_total(kernel: Kernel, p: Process, addr: int) -> None:
    p.mm.total_vm += 1


def damage_users(kernel: Kernel, p: Process, addr: int) -> None:
    p.mm.mm_users += 1


def damage_thread(kernel: Kernel, p: Process, addr: int) -> None:
    p.clone_thread().task.rlimits = {}


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        (damage_users, "threads_share"),
        (damage_thread, "threads_share"),
        (damage_area, "areas_sorted"),
        (damage_total, "totals_match_areas"),
        (damage_table, "tables_know_what_is_ready"),
        (damage_count, "counts_match_entries"),
        (damage_entry, "entries_grant_no_more"),
        (damage_frame, "frames_accounted_for"),
        (damage_zero, "frames_accounted_for"),
        (damage_tlb, "tlb_is_not_stale"),
        (damage_clean, "clean_agrees_with_disk"),
    ],
)
def test_damage_is_noticed(damage: object, name: str) -> None:
    kernel = Kernel()
    kernel.create_file("f", b"f" * 2 * PAGE, warm=True)
    p = kernel.spawn()
    a = p.mmap(0, 2 * PAGE, 1, MAP_SHARED, p.open("f"))
    p.load(a)
    assert invariants.broken(kernel) == []
    damage(kernel, p, a)  # type: ignore[operator]
    assert any(line.startswith(name) for line in invariants.broken(kernel)), invariants.broken(kernel)
    with pytest.raises(AssertionError, match="broken"):
        invariants.check(kernel)
