"""Loads and stores: which translation is there, which case is a fault, whose page is stored to?

Programs for translate, handle_mm_fault and do_wp_page.
"""

from __future__ import annotations

from random import Random

from mmaplab.calls import Call, Name
from mmaplab.constants import PAGE_SIZE, TASK_SIZE, Madv, Map, Ms, Open, Prot
from mmaplab.grading.families.draft import (
    ANON,
    ARENA,
    NONE,
    PRIVATE,
    READ,
    READ_EXEC,
    RW,
    SHARED,
    SHARED_ANON,
    Draft,
    at,
)
from mmaplab.grading.programs import FileSpec, Scenario

# ---------------------------------------------------------------- handle_mm_fault: which case is it?


def _mixed(random: Random, flags: int, prot: int) -> Scenario:
    """Return loads and stores in an area of the file and in an anonymous one beside it."""
    npages = random.randrange(4, 40)
    rw = int(Prot.PROT_READ | Prot.PROT_WRITE)
    anon = int(Map.MAP_PRIVATE | Map.MAP_ANONYMOUS | Map.MAP_FIXED)
    calls = [
        Call("p", "open", ("f", int(Open.O_RDWR), 0o644), ("fd",)),
        Call("p", "mmap", (ARENA, npages * PAGE_SIZE, prot, flags | int(Map.MAP_FIXED), Name("fd"), 0), ("a",)),
        Call("p", "mmap", (2 * ARENA, 4 * PAGE_SIZE, rw, anon, -1, 0), ("b",)),
    ]
    for _ in range(random.randrange(4, 12)):
        name, page = ("b", random.randrange(4)) if random.random() < 0.3 else ("a", random.randrange(npages))
        at = Name(name, page * PAGE_SIZE + random.randrange(8))
        calls.append(Call("p", "load", (at, 1)) if random.random() < 0.6 else Call("p", "store", (at, b"x")))
    return Scenario((FileSpec("f", npages),), tuple(calls))


def shared_writable(random: Random) -> Scenario:
    """Loads and stores in a shared writable mapping of a file."""
    return _mixed(random, int(Map.MAP_SHARED), int(Prot.PROT_READ | Prot.PROT_WRITE))


def private_writable(random: Random) -> Scenario:
    """Loads and stores in a private writable mapping of a file."""
    return _mixed(random, int(Map.MAP_PRIVATE), int(Prot.PROT_READ | Prot.PROT_WRITE))


def not_writable(random: Random) -> Scenario:
    """Loads, and stores that end in a signal, in a mapping that may not be written."""
    return _mixed(random, int(random.choice([Map.MAP_SHARED, Map.MAP_PRIVATE])), int(Prot.PROT_READ))


def any_mapping(random: Random) -> Scenario:
    """Loads and stores in mappings of every kind."""
    return random.choice((shared_writable, private_writable, private_writable, not_writable))(random)


def behind_a_guard(random: Random) -> Scenario:
    """Accesses to pages of which one was made a guard."""
    draft = Draft(random)
    area = draft.map(ARENA, 3)
    draft.call("madvise", at(area, random.randrange(3)), PAGE_SIZE, int(Madv.MADV_GUARD_INSTALL))
    draft.touch(area, 3, 4)
    return draft.scenario()


# ---------------------------------------------------------------- do_wp_page: whose page is it?


def zeros_first(random: Random) -> Scenario:
    """Anonymous pages that are loaded from before they are stored to: everybody's zeros."""
    draft = Draft(random)
    area = draft.map(ARENA, 3)
    pages = [random.randrange(3) for _ in range(3)]
    for page in pages:
        draft.load(area, page)
    for page in pages[:2]:
        draft.store(area, page)
    draft.load(area, pages[2])
    return draft.scenario()


def file_page_first(random: Random) -> Scenario:
    """Private pages of a file that are loaded from, then stored to: the file keeps its own."""
    draft = Draft(random)
    fd = draft.open(draft.file("f", 3))
    area = draft.map(ARENA, 3, RW, PRIVATE, fd)
    other = draft.map(2 * ARENA, 3, READ, SHARED, fd)
    page = random.randrange(3)
    draft.load(area, page)
    draft.store(area, page)
    draft.load(area, page)
    draft.load(other, page)
    draft.store(area, page)
    return draft.scenario()


def shared_page_first(random: Random) -> Scenario:
    """Shared pages of a file that are loaded from, stored to, written back and stored to again."""
    draft = Draft(random)
    fd = draft.open(draft.file("f", 3))
    area = draft.map(ARENA, 3, RW, SHARED, fd)
    page = random.randrange(3)
    draft.load(area, page)
    draft.store(area, page)
    if random.random() < 0.7:
        draft.call("msync", area, 3 * PAGE_SIZE, int(Ms.MS_SYNC))
        draft.store(area, page)
    draft.call("pread", fd, 8, page * PAGE_SIZE)
    return draft.scenario()


def after_fork(random: Random) -> Scenario:
    """Private pages that parent and child both have: the first who stores copies, the last one need not."""
    draft = Draft(random)
    area = draft.map(ARENA, 2)
    draft.store(area)
    child = draft.fork()
    for who in random.choice((("p", child), (child, "p"), (child, child), ("p", "p"))):
        draft.store(area, 0, random.randrange(4), who)
    draft.load(area, who=child)
    draft.load(area)
    return draft.scenario()


def three_of_them(random: Random) -> Scenario:
    """A private page that three processes have, of which some store and some exit."""
    draft = Draft(random)
    area = draft.map(ARENA, 1)
    draft.store(area)
    one = draft.fork()
    two = draft.fork(random.choice(("p", one)))
    for who in random.sample(("p", one, two), 2):
        if random.random() < 0.4 and who != "p":
            draft.call("exit", 0, who=who)
        else:
            draft.store(area, who=who)
    draft.store(area)
    draft.load(area)
    return draft.scenario()


def the_last_one(random: Random) -> Scenario:
    """A private page whose other user has exited or unmapped it: it is mine alone again."""
    draft = Draft(random)
    area = draft.map(ARENA, 1)
    draft.store(area)
    child = draft.fork()
    if random.random() < 0.5:
        draft.call("exit", 0, who=child)
    else:
        draft.call("munmap", area, PAGE_SIZE, who=child)
    draft.store(area)
    draft.load(area)
    return draft.scenario()


def rights_taken_and_given(random: Random) -> Scenario:
    """Pages whose right to be stored to was taken away by mprotect and given back."""
    draft = Draft(random)
    fd = draft.open(draft.file("f", 2))
    area = draft.map(ARENA, 2, RW, *random.choice(((ANON, None), (PRIVATE, fd), (SHARED, fd))))
    draft.store(area)
    draft.load(area, 1)
    draft.call("mprotect", area, 2 * PAGE_SIZE, READ)
    draft.call("mprotect", area, 2 * PAGE_SIZE, RW)
    draft.store(area, random.randrange(2))
    draft.load(area, random.randrange(2))
    return draft.scenario()


def on_a_full_disk(random: Random) -> Scenario:
    """A hole of a shared file on a disk that has no block left: the first store ends in SIGBUS."""
    draft = Draft(random, disk_pages=1 + random.randrange(2))
    fd = draft.open(draft.file("f", 1))
    draft.call("ftruncate", fd, 4 * PAGE_SIZE)
    area = draft.map(ARENA, 4, RW, SHARED, fd)
    for page in random.sample((1, 2, 3), 2):
        draft.load(area, page)
        draft.store(area, page)
    return draft.scenario()


# ---------------------------------------------------------------- translate: does the processor need the kernel?


def rights_of_pages(random: Random) -> Scenario:
    """Loads, stores and fetches where the area permits them and where it does not."""
    draft = Draft(random)
    area = draft.map(ARENA, 2, random.choice((NONE, READ, RW, READ_EXEC)))
    for _ in range(4):
        what = random.choice(("load", "store", "execute"))
        if what == "execute":
            draft.call("execute", at(area, random.randrange(2)))
        else:
            draft.touch(area, 2, 1, stores=float(what == "store"))
    return draft.scenario()


def load_then_store(random: Random) -> Scenario:
    """A writable page that is loaded from first: the first store must mark its entry dirty, TLB or not."""
    draft = Draft(random, file_system=random.choice(("tmpfs", "ext4")))
    fd = draft.open(draft.file("f", 2))
    area = draft.map(ARENA, 2, RW, *random.choice(((SHARED, fd), (SHARED, fd), (SHARED_ANON, None), (ANON, None))))
    page = random.randrange(2)
    draft.load(area, page)
    draft.store(area, page)
    draft.load(area, page)
    draft.call("munmap", area, 2 * PAGE_SIZE)
    return draft.scenario()


def rights_that_change(random: Random) -> Scenario:
    """A page that the processor remembers, whose rights or whose area change."""
    draft = Draft(random)
    area = draft.map(ARENA, 1)
    draft.touch(area, 1, 2)
    draft.call("mprotect", area, PAGE_SIZE, random.choice((NONE, READ)))
    draft.touch(area, 1, 2)
    draft.call("mprotect", area, PAGE_SIZE, RW)
    draft.touch(area, 1, 2)
    draft.call("munmap", area, PAGE_SIZE)
    draft.load(area)
    return draft.scenario()


def two_spaces(random: Random) -> Scenario:
    """Two processes on one processor, with different pages at one address."""
    draft = Draft(random, cpus=1)
    area = draft.map(ARENA, 1)
    draft.store(area)
    child = draft.fork()
    for who in random.sample((child, "p"), 2):
        draft.store(area, who=who)
    for who in (child, "p", child):
        draft.load(area, who=who)
    return draft.scenario()


def no_such_address(random: Random) -> Scenario:
    """Addresses that do not exist, and those of the kernel."""
    draft = Draft(random)
    odd = [TASK_SIZE, 1 << 47, 1 << 48, 1 << 63, (1 << 64) - (1 << 47), (1 << 64) - PAGE_SIZE, 1 << 46]
    for addr in random.sample(odd, 3):
        draft.call("store", addr, b"x") if random.random() < 0.3 else draft.call("load", addr, 1)
    return draft.scenario()


def a_small_tlb(random: Random) -> Scenario:
    """More pages than the processor can remember."""
    draft = Draft(random, tlb_entries=2)
    area = draft.map(ARENA, 4)
    draft.touch(area, 4, 10)
    return draft.scenario()


CASES = (shared_writable, private_writable, not_writable, behind_a_guard, any_mapping)
WRITE_PROTECTED = (
    zeros_first,
    file_page_first,
    shared_page_first,
    after_fork,
    the_last_one,
    rights_taken_and_given,
    on_a_full_disk,
    three_of_them,
)
TRANSLATIONS = (rights_of_pages, load_then_store, rights_that_change, no_such_address, two_spaces, a_small_tlb)
