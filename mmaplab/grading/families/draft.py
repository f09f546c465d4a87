"""A program in the making: what a family of generated programs writes down, call by call.

draft = Draft(random, file_system="tmpfs")
fd = draft.open(draft.file("f", 4))
a = draft.map(ARENA, 4, RW, SHARED, fd)
draft.store(a, 2)
return draft.scenario()
"""

from __future__ import annotations

from random import Random

from mmaplab.calls import Argument, Call, Name
from mmaplab.constants import PAGE_SIZE, Map, Open, Prot
from mmaplab.grading.plain import Plain
from mmaplab.grading.programs import FileSpec, Scenario

ARENA = 0x1000_0000
"""Where programs map: the start of a page table (2 MiB)."""
NONE, READ, RW = 0, int(Prot.PROT_READ), int(Prot.PROT_READ | Prot.PROT_WRITE)
READ_EXEC = int(Prot.PROT_READ | Prot.PROT_EXEC)
SHARED, PRIVATE, ANON = int(Map.MAP_SHARED), int(Map.MAP_PRIVATE), int(Map.MAP_PRIVATE | Map.MAP_ANONYMOUS)
SHARED_ANON = int(Map.MAP_SHARED | Map.MAP_ANONYMOUS)


class Draft:
    """The calls of one program so far; `random` is the family's, and `config` is for `KernelConfig`."""

    def __init__(self, random: Random, **config: Plain) -> None:
        self.random, self.config = random, config
        self.files: list[FileSpec] = []
        self.calls: list[Call] = []
        self.given = 0

    def scenario(self) -> Scenario:
        """Return the program."""
        return Scenario(tuple(self.files), tuple(self.calls), self.config)

    def call(self, name: str, *args: Argument, who: str = "p", gives: str = "") -> None:
        """Add any call."""
        self.calls.append(Call(who, name, args, (gives,) if gives else ()))

    def name(self, letter: str) -> Name:
        """Return a name that no call has given yet: a0, a1, fd2, ..."""
        self.given += 1
        return Name(f"{letter}{self.given - 1}")

    # ---- files

    def file(self, path: str, npages: int, warm: bool = True) -> str:
        """Let a file of `npages` pages be there before the program; returns its path."""
        self.files.append(FileSpec(path, npages, warm))
        return path

    def open(self, path: str, flags: int = int(Open.O_RDWR)) -> Name:
        """Open a file; returns the descriptor's name."""
        fd = self.name("fd")
        self.call("open", path, flags, 0o644, gives=fd.name)
        return fd

    # ---- areas

    def map(
        self, addr: int, npages: int, prot: int = RW, flags: int = ANON, fd: Name | None = None, page: int = 0
    ) -> Name:
        """Map `npages` pages at exactly `addr`, of the file from page `page` on; returns the area's name."""
        return self.mmap(addr, npages * PAGE_SIZE, prot, flags | int(Map.MAP_FIXED), fd, page)

    def mmap(
        self, addr: int, length: int, prot: int = RW, flags: int = ANON, fd: Name | None = None, page: int = 0
    ) -> Name:
        """Map where the kernel likes, `addr` is a hint; returns the area's name."""
        name = self.name("a")
        self.call("mmap", addr, length, prot, flags, -1 if fd is None else fd, page * PAGE_SIZE, gives=name.name)
        return name

    # ---- pages

    def load(self, area: Name, page: int = 0, byte: int = 0, who: str = "p") -> None:
        """Load a byte from a page of an area."""
        self.call("load", at(area, page, byte), 1, who=who)

    def store(self, area: Name, page: int = 0, byte: int = 0, who: str = "p") -> None:
        """Store a byte into a page of an area; it differs from call to call."""
        self.call("store", at(area, page, byte), bytes([65 + len(self.calls) % 26]), who=who)

    def touch(self, area: Name, npages: int, times: int, who: str = "p", stores: float = 0.5) -> None:
        """Load from and store to pages of an area, by chance."""
        for _ in range(times):
            access = self.store if self.random.random() < stores else self.load
            access(area, self.random.randrange(npages), self.random.randrange(8), who)

    def fork(self, who: str = "p") -> str:
        """Fork a process; returns the child's name."""
        child = self.name("child").name
        self.call("fork", who=who, gives=child)
        return child


def at(area: Name, page: int, byte: int = 0) -> Name:
    """Return the address of a byte in a page of an area; pages and bytes may lie outside it."""
    return Name(area.name, area.offset + page * PAGE_SIZE + byte)
