"""A random program under way: the choice of addresses, lengths, offsets and data, towards the edges.

Edges are where mistakes live: the first and the last byte of a page, the end of a file, holes, neighbours, the end of
a page table's 2 MiB.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from mmaplab.calls import Argument, Call, Name
from mmaplab.constants import PAGE_SIZE, PMD_SIZE, TASK_SIZE, Open
from mmaplab.fuzz.profiles import Profile

ARENA_MIDDLE = 0x10_0020_0000
"""A multiple of 2 MiB in an unused part of the address space; half of the arena lies on either side."""
SIZES = (0, 1, PAGE_SIZE - 1, PAGE_SIZE, PAGE_SIZE + 1)
ODD_ADDRESSES = (
    0,
    1,
    PAGE_SIZE,
    TASK_SIZE,
    TASK_SIZE - PAGE_SIZE,
    1 << 63,
    (1 << 47) + 5,
    2**64 - PAGE_SIZE,
    2**64 - 1,
)


HIGH_DIGITS, LOW_DIGITS = bytes(k >> 7 | 128 for k in range(1 << 14)), bytes(k & 127 | 128 for k in range(1 << 14))
"""The digits of the numbers 0 to 2**14 - 1 in base 128; none of them is zero."""


@dataclass(frozen=True)
class FileData:
    """The bytes of a file: `size` of them, none of them zero; every 16 differ from all others, where `numbered`."""

    size: int
    first: int = 1
    numbered: bool = True

    def bytes(self) -> bytes:
        """Return the bytes: 14 times the first one, and the number of these 16 in base 128."""
        if not self.numbered:
            return bytes([self.first]) * self.size
        units = -(-self.size // 16)
        data = bytearray([self.first]) * (16 * units)
        repeats = -(-units // len(LOW_DIGITS))
        data[14::16], data[15::16] = (HIGH_DIGITS * repeats)[:units], (LOW_DIGITS * repeats)[:units]
        return bytes(data[: self.size])


CODE = FileData(4 * PAGE_SIZE, first=0xC3, numbered=False)
"""The file `code`: return instructions, whatever byte of it is fetched."""


@dataclass(frozen=True)
class FuzzProgram:
    """A program and what it needs: `files` by name, `places` (fixed addresses) by name."""

    profile: str
    seed: int
    files: Mapping[str, FileData]
    places: Mapping[str, int]
    calls: tuple[Call, ...]
    warm: bool = True


@dataclass
class Writer:
    """A program under way, and what its writer remembers of it."""

    profile: Profile
    rng: random.Random
    calls: list[Call] = field(default_factory=list)
    files: dict[str, FileData] = field(default_factory=dict)
    processes: list[str] = field(default_factory=lambda: ["p"])
    descriptors: list[str] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    """Bytes of the files, by descriptor, as they were at first."""
    mappings: dict[str, int] = field(default_factory=dict)
    """Bytes of the mappings that were placed by the kernel, by name."""
    mapped: list[tuple[str, int, int]] = field(default_factory=list)
    """(name, offset, bytes) of what was mapped by address, the newest last."""
    last: tuple[str, int] = ("arena", 0)
    preface: int = 0
    counter: int = 0

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def add(self, name: str, *args: Argument, gives: str = "", who: str = "") -> None:
        """Write one call, by any process unless `who` says which."""
        plain = tuple(int(arg) if isinstance(arg, int) else arg for arg in args)
        self.calls.append(Call(who or self.rng.choice(self.processes), name, plain, (gives,) if gives else ()))

    def fresh(self, stem: str) -> str:
        self.counter += 1
        return f"{stem}{self.counter}"

    def open_files(self) -> None:
        """Write the first calls: they open each file, one of them twice, and make the files in memory."""
        for i in range(self.profile.files):
            size = max(0, self.rng.randrange(self.profile.file_pages + 1) * PAGE_SIZE + self.rng.choice((*SIZES, 77)))
            self.files[f"f{i}"] = FileData(size, self.rng.randrange(1, 128))
            self._open(f"f{i}", size)
        if self.files:
            self._open("f0", self.sizes[self.descriptors[0]])
        for _ in range(self.profile.memfds):
            name, size = self.fresh("fd"), self.rng.randrange(12) * PAGE_SIZE + self.rng.choice(SIZES)
            self.add("memfd_create", "memory", gives=name, who="p")
            self.add("ftruncate", Name(name), size, who="p")
            self._know(name, size)
        if self.profile.executes:
            self.files["code"] = CODE
            self.add("open", "code", Open.O_RDONLY, 0o644, gives="code", who="p")
        self.preface = len(self.calls)

    def _open(self, path: str, size: int) -> None:
        name = self.fresh("fd")
        flags = self.rng.choice((Open.O_RDWR,) * 8 + (Open.O_RDONLY,))
        flags |= Open.O_DIRECT if self.chance(self.profile.direct) else 0
        self.add("open", path, flags, 0o644, gives=name, who="p")
        self._know(name, size)

    def _know(self, descriptor: str, size: int) -> None:
        self.descriptors.append(descriptor)
        self.sizes[descriptor] = size

    def remember(self, place: Name | int, length: int) -> None:
        if isinstance(place, Name):
            self.mapped.append((place.name, place.offset, length))

    # ------------------------------------------------------------ choosing arguments

    def page(self) -> Name | int:
        """Return the address of a page: in the arena, in a mapping that the kernel placed, or an odd one."""
        rng = self.rng
        if self.chance(0.01):
            return rng.choice(ODD_ADDRESSES)
        if self.mapped and self.chance(0.65):
            name, first, length = rng.choice(self.mapped[-12:])
            pages = max(1, min(length, 600 * PAGE_SIZE) // PAGE_SIZE)
            offset = (
                first + rng.choice((-1, 0, 0, pages - 1, pages - 1, pages, *[rng.randrange(pages)] * 9)) * PAGE_SIZE
            )
        elif self.chance(0.6):
            name, offset = self.last
            offset += rng.choice((-1, 0, 0, 0, 0, 1)) * PAGE_SIZE
        elif self.mappings and self.chance(0.5):
            name = rng.choice(list(self.mappings)[-6:])
            offset = rng.randrange(-1, min(self.mappings[name], 600 * PAGE_SIZE) // PAGE_SIZE + 2) * PAGE_SIZE
        else:
            name, offset = "arena", rng.randrange(self.profile.arena_pages) * PAGE_SIZE
        self.last = (name, offset)
        return Name(name, offset)

    def place(self) -> Name | int:
        """Return the address for a call that works on pages: nearly always aligned."""
        page = self.page()
        return self.shifted(page, self.rng.choice((1, 511, 4095))) if self.chance(0.015) else page

    def byte(self, room: int = PAGE_SIZE) -> Name | int:
        """Return the address of a byte, often the first or the last of a page."""
        return self.shifted(self.page(), self.rng.choice((0, 0, 1, room // 3, room - 2, room - 1)))

    @staticmethod
    def shifted(address: Name | int, offset: int) -> Name | int:
        return Name(address.name, address.offset + offset) if isinstance(address, Name) else (address + offset) % 2**64

    def length(self) -> int:
        """Return a length in bytes for a call that works on pages."""
        rng, arena = self.rng, self.profile.arena_pages
        pages = rng.choice((1, 1, 1, 1, 2, 2, 2, 3, 4, rng.randint(1, max(2, arena // 8))))
        if self.chance(0.03):
            pages = rng.randint(1, arena)
        if self.chance(0.02):
            large: tuple[int, ...] = () if self.profile.huge_advice else (PMD_SIZE, PMD_SIZE + PAGE_SIZE, 2 * PMD_SIZE)
            return rng.choice((0, 0, 1, *large))
        return pages * PAGE_SIZE - (rng.choice((1, 100, 4095)) if self.chance(0.08) else 0)

    def descriptor(self) -> Name | int:
        if not self.descriptors or self.chance(0.01):
            return self.rng.choice((-1, 99))
        return Name(self.rng.choice(self.descriptors))

    def near_end(self, descriptor: Name | int) -> int:
        """Return an offset in a file (bytes), often at its end or at the end of a page."""
        size = self.sizes.get(descriptor.name, 0) if isinstance(descriptor, Name) else 0
        rng = self.rng
        whole = rng.randrange(size // PAGE_SIZE + 3) * PAGE_SIZE
        choices = (size, size - 1, size + 1, whole, whole + 1, whole - 1, rng.randrange(size + 2 * PAGE_SIZE))
        return max(0, rng.choice(choices))

    def aligned(self, number: int, is_size: bool = True) -> int:
        """Return an offset or a size as O_DIRECT wants it, nearly always: a multiple of a page or of 512 bytes.

        Odd sizes are small: of a larger transfer that is refused, Linux does what lies in earlier extents.
        """
        unit = self.rng.choice((4096, 4096, 4096, 512, 512, 1)) if self.profile.direct else 1
        return number & -(512 if self.profile.direct and unit == 1 and is_size and number > 512 else unit)

    def file_page(self, descriptor: Name | int) -> int:
        """Return the offset of a page of a file (bytes), sometimes at its end or beyond."""
        if self.chance(0.25):
            return self.near_end(descriptor) & -PAGE_SIZE
        size = self.sizes.get(descriptor.name, 0) if isinstance(descriptor, Name) else 0
        return self.rng.randrange(max(1, size // PAGE_SIZE)) * PAGE_SIZE

    def data(self, most: int) -> bytes:
        """Return bytes to store or write, different each time: a few, or up to `most`."""
        self.counter += 1
        size = self.rng.choice((1, 1, 1, 2, 3, 8, most and self.rng.randint(1, most)))
        return bytes([self.counter % 255 + 1]) * max(1, min(size, most))
