"""Families of generated programs: one function for each situation that a question asks about.

A family is a function from a random number generator to a program; its docstring's first line says what is special
about its programs. `generate(family, seed)` gives the same program on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from mmaplab.calls import Call, Name
from mmaplab.constants import PAGE_SIZE, PMD_SIZE, Map, Open, Prot
from mmaplab.grading.plain import Plain
from mmaplab.grading.programs import FileSpec, Scenario

ARENA = 0x1000_0000
"""Where programs map: the start of a page table (2 MiB)."""


# ---------------------------------------------------------------- reading a mapped file: which pages does a fault map?


def _reading(start: int, npages: int, pgoff: int, touched: list[int], **config: Plain) -> Scenario:
    """Return the program that maps `npages` pages at page `start` of the arena and loads from some of them."""
    fixed = int(Map.MAP_SHARED | Map.MAP_FIXED)
    at = ARENA + start * PAGE_SIZE
    mapping = (at, npages * PAGE_SIZE, int(Prot.PROT_READ), fixed, Name("fd"), pgoff * PAGE_SIZE)
    loads = tuple(Call("p", "load", (Name("a", page * PAGE_SIZE), 1)) for page in touched)
    opening = (Call("p", "open", ("f", 0, 0o644), ("fd",)), Call("p", "mmap", mapping, ("a",)))
    return Scenario((FileSpec("f", pgoff + npages + 20),), opening + loads, dict(config))


def inside_the_area(random: Random) -> Scenario:
    """Loads far from both ends of the area: windows that begin on a multiple of 64 KiB."""
    npages = random.randrange(96, 160)
    return _reading(random.randrange(64), npages, random.randrange(40), random.sample(range(32, npages - 32), 2))


def at_the_start(random: Random) -> Scenario:
    """The area begins inside a window: the window begins with it, and still has its full length."""
    npages = random.randrange(40, 64)
    start = 16 * random.randrange(4) + random.randrange(1, 15)
    return _reading(start, npages, random.randrange(40), [random.randrange(15 - start % 16 + 1), *range(0, npages, 3)])


def at_the_end(random: Random) -> Scenario:
    """The area ends inside the window, and the file goes on behind it."""
    npages = 16 * random.randrange(2, 4) + random.randrange(1, 15)
    return _reading(0, npages, random.randrange(40), [npages - 1 - random.randrange(npages % 16)])


def at_the_table(random: Random) -> Scenario:
    """The area crosses into the next page table, and begins so that a window could cross with it."""
    before = random.choice([random.randrange(2, 15), random.randrange(20, 60)])
    touched = random.randrange(max(0, before - 15), before)
    return _reading(PMD_SIZE // PAGE_SIZE - before, before + 40, random.randrange(40), [touched])


def with_another_window(random: Random) -> Scenario:
    """Another fault_around_bytes than 64 KiB."""
    npages = random.randrange(96, 160)
    nbytes = PAGE_SIZE * random.choice([2, 4, 8, 32])
    return _reading(
        random.randrange(64), npages, random.randrange(40), [random.randrange(npages)], fault_around_bytes=nbytes
    )


def anywhere(random: Random) -> Scenario:
    """Small areas anywhere around a page table's end, touched several times."""
    npages = random.randrange(1, 48)
    touched = [random.randrange(npages) for _ in range(random.randrange(1, 4))]
    return _reading(random.randrange(470, 560), npages, random.randrange(600), touched)


# ---------------------------------------------------------------- loads and stores: which case is a fault?


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


# ---------------------------------------------------------------- by name


WINDOWS = (inside_the_area, at_the_start, at_the_end, at_the_table, with_another_window, anywhere)
CASES = (shared_writable, private_writable, not_writable, any_mapping)
FAMILIES: dict[str, Callable[[Random], Scenario]] = {family.__name__: family for family in WINDOWS + CASES}
SLOT_FAMILIES = {
    "do_fault_around": tuple(family.__name__ for family in WINDOWS),
    "handle_mm_fault": tuple(family.__name__ for family in CASES + WINDOWS),
}
"""Which families of programs exercise a slot."""


def generate(family: str, seed: int) -> Scenario:
    """Return program number `seed` of a family; the same on every machine. Raises ValueError for an unknown family."""
    if family not in FAMILIES:
        raise ValueError(f"there is no family of programs {family!r}; there are {', '.join(FAMILIES)}")
    return FAMILIES[family](Random(f"{family} {seed}"))
