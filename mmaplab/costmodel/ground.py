"""The ground on which programs are timed: a cached file, a descriptor, a buffer that has been used before.

with Ground.of(16384) as ground:
    address = ground.map()
    ground.words(address)[::512].sum()      one word of each page
    ground.unmap(address)

The file is cached page by page (4 KiB folios), so that the windows of page faults are those of the simulated kernel.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from mmaplab.constants import PAGE_SIZE, Map, Prot
from mmaplab.real import warm_file
from mmaplab.real.libc import map_memory, memory_at, require_linux, unmap_memory

BUFFER = 4 << 20
"""Bytes of the largest read."""
HOT = 1 << 18
"""Bytes by which the price of what stays in the processor's caches is measured."""
STAYS = 1 << 21
"""Bytes that stay in the caches between two uses, for the most part."""
WORDS = PAGE_SIZE // 8
"""Words of 8 bytes in a page."""
SMALL = (4, 16, 64, 256, 1024)
"""KiB of the small files."""


@dataclass(frozen=True)
class Ground:
    """A file of `pages` cached pages, open as `fd`; small files beside it; a buffer with all its pages."""

    pages: int
    path: str
    fd: int
    buffer: memoryview
    small: dict[int, str]

    @classmethod
    @contextmanager
    def of(cls, pages: int) -> Iterator[Self]:
        """Make the files for a `with` block; raises NotAvailable, OSError."""
        require_linux()
        room = mmap.mmap(-1, BUFFER)
        room[:] = b"\1" * BUFFER  # its own faults are over before anything is timed
        with warm_file(pages) as path:
            small = {kib: f"{path}.{kib}" for kib in SMALL}
            for kib, name in small.items():
                with open(name, "wb", buffering=0) as file:
                    for _ in range(kib // 4):
                        file.write(bytes(PAGE_SIZE))
                    os.fsync(file.fileno())
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                yield cls(pages, path, fd, memoryview(room), small)
            finally:
                os.close(fd)
                for name in small.values():
                    Path(name).unlink()

    def map(self, pages: int = 0, fd: int = -1) -> int:
        """Map the file, or its first pages, or another one; returns the address."""
        which = self.fd if fd < 0 else fd
        return map_memory(0, (pages or self.pages) * PAGE_SIZE, Prot.PROT_READ, Map.MAP_SHARED, which)

    def unmap(self, address: int, pages: int = 0) -> None:
        """Take a mapping away."""
        unmap_memory(address, (pages or self.pages) * PAGE_SIZE)

    def words(self, address: int, pages: int = 0) -> Any:
        """Return the words of a mapping as a NumPy array; it must not be used after `unmap`."""
        import numpy

        return numpy.frombuffer(memory_at(address, (pages or self.pages) * PAGE_SIZE), dtype=numpy.uint64)


def private_memory(pages: int, fd: int = -1) -> int:
    """Map writable private memory of this process, anonymous or of a file; returns the address."""
    flags = Map.MAP_PRIVATE | (Map.MAP_ANONYMOUS if fd < 0 else 0)
    return map_memory(0, pages * PAGE_SIZE, Prot.PROT_READ | Prot.PROT_WRITE, flags, fd)
