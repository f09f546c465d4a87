"""Random programs keep every invariant; and each invariant can be broken, and says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from mmaplab.constants import (
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_PRIVATE,
    MAP_SHARED,
    MS_SYNC,
    O_CREAT,
    O_RDWR,
    Madv,
    VmFlags,
)
from mmaplab.interface import FatalSignal
from mmaplab.pte import (
    PAGE_DIRTY,
    PAGE_NX,
    PAGE_PKEY,
    PAGE_RW,
    PAGE_USER,
    PTE_MARKER_GUARD,
    mk_pte,
    pte_pfn,
)
from mmaplab.sim import Kernel, KernelConfig, invariants
from mmaplab.sim.inode import Folio
from mmaplab.sim.memory import ZERO_PFN, Page
from mmaplab.sim.mm_types import VmArea
from mmaplab.sim.pgtable import Leaf
from mmaplab.sim.process import Process
from mmaplab.sim.vma import vma_lookup
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


# ---------------------------------------------------------------- each can be broken


@dataclass
class Sound:
    """A kernel in which every predicate has something to look at.

    shared   `f`, two pages, for reading; page 0 is mapped
    written  `g`, sixteen pages in large folios, for writing; page 0 is dirty
    private  `f`, page 0 mapped, page 1 copied
    anon     four pages, the first written, the third a guard
    """

    kernel: Kernel
    p: Process
    shared: int
    written: int
    private: int
    anon: int

    def leaf(self, addr: int) -> Leaf:
        leaf = self.p.mm.pgd.leaf(addr)
        assert leaf is not None
        return leaf

    def change_entry(self, addr: int, change: Callable[[int], int]) -> None:
        leaf = self.leaf(addr)
        leaf[addr >> 12 & 511] = change(leaf[addr >> 12 & 511])

    def page(self, addr: int) -> Page:
        return self.kernel.memory.pages[pte_pfn(self.p.mm.pgd.get_pte(addr))]

    def area(self, addr: int) -> VmArea:
        area = vma_lookup(self.p.mm, addr)
        assert area is not None
        return area

    def folio(self, path: str) -> Folio:
        return self.kernel.files.lookup(path).i_mapping.i_pages[0]

    def remember(self, addr: int, pte: int) -> None:
        """Let a processor remember an entry."""
        self.kernel.machine.tlbs[0].entries[self.p.mm.mm, addr >> 12] = pte


def sound() -> Sound:
    kernel = Kernel()
    kernel.create_file("f", b"f" * 2 * PAGE, warm=True)
    p = kernel.spawn()
    g = p.open("g", O_CREAT | O_RDWR)
    p.write(g, b"g" * 16 * PAGE)
    p.fsync(g)
    shared = p.mmap(BASE, 2 * PAGE, 1, MAP_SHARED | MAP_FIXED, p.open("f"))
    written = p.mmap(BASE + 32 * PAGE, 16 * PAGE, 3, MAP_SHARED | MAP_FIXED, g)
    private = p.mmap(BASE + 64 * PAGE, 2 * PAGE, 3, MAP_PRIVATE | MAP_FIXED, p.open("f"))
    anon = p.mmap(BASE + 96 * PAGE, 4 * PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)
    for addr in (shared, private):
        p.load(addr)
    for addr in (written, private + PAGE, anon):
        p.store(addr, b"stored")
    p.madvise(anon + 2 * PAGE, PAGE, Madv.MADV_GUARD_INSTALL)
    return Sound(kernel, p, shared, written, private, anon)


def setting(of: Callable[[Sound], object], name: str, value: object) -> Callable[[Sound], None]:
    """Return damage: an attribute of something gets a value, or (a function) what becomes of the old one."""

    def damage(s: Sound) -> None:
        target = of(s)
        setattr(target, name, value(getattr(target, name)) if callable(value) else value)

    return damage


def one_more(number: int) -> int:
    return number + 1


def another_page(pte: int) -> int:
    """Let an entry map the next frame."""
    return pte + PAGE


def two_of_it(s: Sound) -> None:
    """A second entry for the private page."""
    s.p.mm.pgd.set_pte(s.anon + PAGE, s.p.mm.pgd.get_pte(s.anon))


def read_only_twice(s: Sound) -> None:
    """Two entries, neither writable, of a page that is still called exclusive."""
    two_of_it(s)
    for addr in (s.anon, s.anon + PAGE):
        s.change_entry(addr, lambda pte: pte & ~PAGE_RW)


def shorter_file(s: Sound) -> None:
    s.kernel.files.lookup("f").i_size = 0


def other_list(s: Sound) -> None:
    """The areas of two files change places."""
    f, g = (s.kernel.files.lookup(name).i_mapping for name in "fg")
    f.i_mmap, g.i_mmap = g.i_mmap, f.i_mmap


DAMAGE: dict[str, list[Callable[[Sound], object]]] = {
    "threads_share": [
        setting(lambda s: s.p.mm, "mm_users", one_more),
        lambda s: setattr(s.p.clone_thread().task, "rlimits", {}),
    ],
    "areas_sorted": [
        setting(lambda s: s.area(s.shared), "vm_end", one_more),
        setting(lambda s: s.area(s.shared), "vm_end", BASE),
        setting(lambda s: s.area(s.shared), "vm_end", BASE + 33 * PAGE),
    ],
    "tree_knows_its_holes": [
        setting(lambda s: s.p.mm.mm_mt.root, "gap", one_more),
        setting(lambda s: s.p.mm.mm_mt.root, "vm_start", 0),
        setting(lambda s: s.p.mm.mm_mt, "count", one_more),
    ],
    "totals_match_areas": [setting(lambda s: s.p.mm, name, one_more) for name in ("total_vm", "data_vm", "locked_vm")],
    "rights_within_ceiling": [
        setting(lambda s: s.area(s.shared), "vm_flags", lambda flags: flags & ~VmFlags.VM_MAYREAD),
    ],
    "areas_know_their_bits": [
        setting(lambda s: s.area(s.anon), "vm_page_prot", lambda prot: prot & ~PAGE_NX),
        setting(lambda s: s.area(s.shared), "vm_page_prot", lambda prot: prot | PAGE_RW),
    ],
    "entries_inside_areas": [
        lambda s: s.p.mm.pgd.set_pte(s.shared + 2 * PAGE, s.p.mm.pgd.get_pte(s.shared)),
        lambda s: s.p.mm.pgd.set_pte(s.anon + 4 * PAGE, PTE_MARKER_GUARD),
    ],
    "entries_grant_no_more": [
        lambda s: s.change_entry(s.shared, lambda pte: pte | PAGE_RW),
        lambda s: s.change_entry(s.shared, lambda pte: pte & ~PAGE_NX),
        setting(lambda s: s.area(s.shared), "vm_flags", VmFlags.VM_SHARED | VmFlags.VM_MAYSHARE),
    ],
    "counts_match_entries": [
        setting(lambda s: s.page(s.anon), "mapcount", one_more),
        setting(lambda s: s.page(s.anon), "refcount", one_more),
        setting(lambda s: s.page(s.shared), "refcount", one_more),
    ],
    "frames_accounted_for": [
        lambda s: s.kernel.memory.alloc_page("anon"),
        setting(lambda s: s.kernel.memory.zero_page, "data", b"x" * PAGE),
    ],
    "tables_know_what_is_ready": [setting(lambda s: s.leaf(s.shared), "ready", one_more)],
    "file_entries_map_the_cache": [
        lambda s: s.change_entry(s.shared, another_page),
        lambda s: s.change_entry(s.private, another_page),
        lambda s: s.change_entry(s.shared, lambda _: s.p.mm.pgd.get_pte(s.anon)),
        lambda s: s.change_entry(s.anon, lambda _: s.p.mm.pgd.get_pte(s.shared)),
    ],
    "nothing_beyond_the_file": [shorter_file],
    "folios_in_place": [
        lambda s: s.folio("g").mapping.i_pages.pop(1),
        lambda s: s.folio("g").mapping.i_pages.update({99: s.folio("g")}),
        lambda s: setattr(s.folio("f"), "mapping", s.folio("g").mapping),
        setting(lambda s: s.folio("g").pages[1], "folio", None),
    ],
    "reclaim_knows_every_folio": [
        lambda s: s.kernel.sb.s_lru.pop(s.folio("f")),
        lambda s: s.kernel.files.tmpfs.s_lru.update({s.folio("f"): None}),
    ],
    "clean_agrees_with_disk": [
        lambda s: s.kernel.disk.files[s.kernel.files.lookup("f").ino].blocks.update({0: b"y" * PAGE}),
    ],
    "dirty_pages_are_listed": [
        lambda s: s.kernel.sb.s_dirty.clear(),
        setting(lambda s: s.folio("f"), "dirty", True),
        setting(lambda s: s.kernel.sb, "nr_dirty", one_more),
    ],
    "blocks_are_counted": [
        setting(lambda s: s.kernel.disk, "used", one_more),
        lambda s: s.kernel.disk.files[s.kernel.files.lookup("f").ino].reserved.add(0),
    ],
    "shared_stores_are_noticed": [setting(lambda s: s.folio("g"), "dirty", False)],
    "private_pages_have_one_writer": [
        two_of_it,
        read_only_twice,
        lambda s: s.p.mm.pgd.set_pte(s.anon + PAGE, mk_pte(ZERO_PFN, s.area(s.anon).vm_page_prot | PAGE_RW)),
    ],
    "private_pages_have_an_owner": [
        setting(lambda s: s.area(s.anon), "anon_vma", None),
        setting(lambda s: s.area(s.private), "anon_vma_chain", []),
    ],
    "users_are_counted": [
        setting(lambda s: s.area(s.shared).vm_file, "f_count", one_more),
        setting(lambda s: s.kernel.files.lookup("g"), "i_count", one_more),
    ],
    "files_know_their_areas": [
        lambda s: s.folio("f").mapping.i_mmap.clear(),
        lambda s: s.folio("f").mapping.i_mmap.update({s.area(s.anon): None}),
        other_list,
    ],
    "tlb_is_not_stale": [
        lambda s: s.remember(s.shared, 0x7000_0067),
        lambda s: s.remember(s.shared, s.p.mm.pgd.get_pte(s.shared) | PAGE_RW),
        lambda s: s.remember(s.shared, s.p.mm.pgd.get_pte(s.shared) & ~PAGE_NX),
        lambda s: s.change_entry(s.shared, lambda pte: pte & ~PAGE_USER),
        lambda s: s.change_entry(s.anon, lambda pte: pte & ~PAGE_DIRTY),
    ],
}
"""For each invariant what breaks it."""
CASES = [pytest.param(name, each, id=f"{name}-{i}") for name, all_ in DAMAGE.items() for i, each in enumerate(all_)]


def test_every_invariant_is_broken_by_something() -> None:
    assert {predicate.__name__ for predicate in invariants.PREDICATES} == set(DAMAGE)


@pytest.mark.parametrize(("name", "damage"), CASES)
def test_damage_is_noticed(name: str, damage: Callable[[Sound], object]) -> None:
    s = sound()
    assert invariants.broken(s.kernel) == []
    damage(s)
    predicate = next(each for each in invariants.PREDICATES if each.__name__ == name)
    assert list(predicate(s.kernel))
    with pytest.raises(AssertionError, match=f"broken:(?s:.*) {name}: "):
        invariants.check(s.kernel)


def test_memory_to_be_executed_only_has_its_key() -> None:
    """On a processor with protection keys the entry forbids the load."""
    kernel = Kernel(KernelConfig(exec_only_readable=False))
    p = kernel.spawn()
    a = p.mmap(BASE, PAGE, 4, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)
    with pytest.raises(FatalSignal):
        p.load(a)
    p.execute(a)
    assert invariants.broken(kernel) == []
    leaf = p.mm.pgd.leaf(a)
    assert leaf is not None
    leaf[a >> 12 & 511] &= ~PAGE_PKEY
    assert any("can be loaded from" in line for line in invariants.broken(kernel))
