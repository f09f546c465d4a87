"""Programs in two forms: as it runs on the live kernel, timed, and as it runs on the simulated one, counted.

    trial = touching(passes=4)
    trial.run(ground)              the program, here
    trial.work(ground.pages)       what it does, from the simulated kernel

Nothing here knows a price. The live form is Python with NumPy; both sides of every race pay for that alike.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import count
from pathlib import Path

from mmaplab.constants import PAGE_SIZE, Map, Prot
from mmaplab.costmodel.ground import BUFFER, STAYS, WORDS, Ground, private_memory
from mmaplab.costmodel.work import Work, work_of
from mmaplab.interface import Process
from mmaplab.real.libc import map_memory, unmap_memory

BASE = 0x7F00_0000_0000
"""Where the simulated mappings begin: at the first slot of a page table, as large mappings of files do."""
SEED = 9
FIXED = int(Map.MAP_SHARED | Map.MAP_FIXED)


@dataclass(frozen=True)
class Trial:
    """One program: `run` on the live kernel, `work` (of a file's pages) on the simulated one."""

    name: str
    run: Callable[[Ground], object]
    work: Callable[[int], Work]


@lru_cache(maxsize=4)
def shuffled(pages: int) -> list[int]:
    """Return all pages of a file in random order, the same on every call."""
    return random.Random(SEED).sample(range(pages), pages)


def places(pages: int, fraction: float, turn: int = 0) -> list[int]:
    """Return this fraction of the pages at random; a later turn gets others, until every page has had its turn.

    A program that is timed again and again would else find its pages in the processor's caches.
    """
    count = max(1, int(pages * fraction))
    start = turn * count % (pages - count + 1)
    return shuffled(pages)[start : start + count]


# ---------------------------------------------------------------- whole files


def reading(block: int, summed: bool = False, passes: int = 1) -> Trial:
    """Read the file in blocks of so many bytes into one buffer that is used again; sum each block where `summed`."""

    def run(ground: Ground) -> None:
        import numpy

        fd, room = ground.fd, [ground.buffer[:block]]
        words = numpy.frombuffer(ground.buffer, dtype=numpy.uint64)[: block // 8]
        for _ in range(passes):
            for at in range(0, ground.pages * PAGE_SIZE, block):
                os.preadv(fd, room, at)
                if summed:
                    words.sum()

    def work(pages: int) -> Work:
        def program(p: Process, fd: int) -> None:
            for at in range(0, pages * PAGE_SIZE, block):
                p.pread(fd, block, at)

        blocks, size = -(-pages * PAGE_SIZE // block), pages * PAGE_SIZE
        once = work_of(program, pages)
        own = {"array_calls": blocks, "hot_loaded" if block <= STAYS else "loaded": size} if summed else {}
        return replace(once, calls=passes * once.calls, copied=passes * once.copied, **_times(passes, own))

    assert block <= BUFFER
    again = f", {passes} passes" * (passes > 1)
    return Trial(f"read, {block // 1024} KiB a call{' and sum' * summed}{again}", run, work)


def touching(passes: int = 1, summed: bool = False) -> Trial:
    """Map the file, go through it in order (one word a page, or all where `summed`), and unmap it."""

    def run(ground: Ground) -> None:
        address = ground.map()
        words = ground.words(address)
        for _ in range(passes):
            if summed:
                words.sum()
            else:
                words[::WORDS].sum()
        ground.unmap(address)

    def work(pages: int) -> Work:
        def program(p: Process, fd: int) -> None:
            a = p.mmap(BASE, pages * PAGE_SIZE, Prot.PROT_READ, FIXED, fd)
            p.touch(a, pages * PAGE_SIZE)
            p.munmap(a, pages * PAGE_SIZE)

        word, whole = {"first_word": pages}, {"first_page": pages}
        own = whole | {"loaded": passes * pages * PAGE_SIZE} if summed else word | {"in_order": passes * pages}
        return work_of(program, pages, False, array_calls=passes, **own)

    again = f", {passes} passes" * (passes > 1)
    return Trial(f"mmap, {'sum' if summed else 'a word a page'}{again}", run, work)


# ---------------------------------------------------------------- some pages of a file


def reading_at_random(fraction: float) -> Trial:
    """Read this fraction of the pages, 4 KiB each, in random order."""

    turns = count()

    def run(ground: Ground) -> None:
        fd, room = ground.fd, [ground.buffer[:PAGE_SIZE]]
        for page in places(ground.pages, fraction, next(turns)):
            os.preadv(fd, room, page * PAGE_SIZE)

    def work(pages: int) -> Work:
        chosen = places(pages, fraction)

        def program(p: Process, fd: int) -> None:
            for page in chosen:
                p.pread(fd, PAGE_SIZE, page * PAGE_SIZE)

        return work_of(program, pages, scattered=len(chosen))

    return Trial(f"read {_share(fraction)} of the pages at random", run, work)


def touching_at_random(fraction: float) -> Trial:
    """Map the file, load a word of this fraction of its pages in random order, and unmap it."""

    turns = count()

    def run(ground: Ground) -> None:
        import numpy

        chosen = numpy.array(places(ground.pages, fraction, next(turns))) * WORDS
        address = ground.map()
        numpy.take(ground.words(address), chosen).sum()
        ground.unmap(address)

    def work(pages: int) -> Work:
        chosen = places(pages, fraction)

        def program(p: Process, fd: int) -> None:
            a = p.mmap(BASE, pages * PAGE_SIZE, Prot.PROT_READ, FIXED, fd)
            for page in chosen:
                p.load(a + page * PAGE_SIZE)
            p.munmap(a, pages * PAGE_SIZE)

        return work_of(program, pages, at_random=len(chosen), array_calls=2)

    return Trial(f"mmap, {_share(fraction)} of the pages at random", run, work)


def _times(passes: int, own: dict[str, int]) -> dict[str, int]:
    return {name: passes * number for name, number in own.items()}


def _share(fraction: float) -> str:
    return f"1/{round(1 / fraction)}"


# ---------------------------------------------------------------- small files, once


def small_file_read(kib: int) -> Trial:
    """Open a small file, read it in one call, sum it, close it."""

    def run(ground: Ground) -> None:
        import numpy

        fd = os.open(ground.small[kib], os.O_RDONLY)
        os.preadv(fd, [ground.buffer[: kib << 10]], 0)
        numpy.frombuffer(ground.buffer, dtype=numpy.uint64, count=kib << 7).sum()
        os.close(fd)

    def work(_: int) -> Work:
        def program(p: Process, _: int) -> None:
            fd = p.open("f")
            p.pread(fd, kib << 10, 0)
            p.close(fd)

        hot = kib << 10 <= STAYS
        own = {"hot_loaded" if hot else "loaded": kib << 10}
        return work_of(program, kib // 4, hot, array_calls=2, **own)

    return Trial(f"a file of {kib} KiB: open, read, sum, close", run, work)


def small_file_mapped(kib: int) -> Trial:
    """Open a small file, map it, sum it, unmap it, close it."""

    def run(ground: Ground) -> None:
        fd = os.open(ground.small[kib], os.O_RDONLY)
        address = ground.map(kib // 4, fd)
        ground.words(address, kib // 4).sum()
        ground.unmap(address, kib // 4)
        os.close(fd)

    def work(_: int) -> Work:
        def program(p: Process, _: int) -> None:
            fd = p.open("f")
            a = p.mmap(BASE, kib << 10, Prot.PROT_READ, FIXED, fd)
            p.touch(a, kib << 10)
            p.munmap(a, kib << 10)
            p.close(fd)

        hot = kib << 10 <= STAYS
        own = {"hot_loaded" if hot else "loaded": kib << 10}
        return work_of(program, kib // 4, hot, first_page=kib // 4, array_calls=2, **own)

    return Trial(f"a file of {kib} KiB: open, mmap, sum, munmap, close", run, work)


# ---------------------------------------------------------------- memory of one's own, and new files


def filling_with_zeros() -> Trial:
    """Map anonymous memory, half as many pages as the file has, store a word into each, and unmap it."""
    return _storing(of_file=False)


def copying_on_write() -> Trial:
    """Map the file privately, store a word into each page of its first half, and unmap it."""
    return _storing(of_file=True)


def _storing(of_file: bool) -> Trial:
    def run(ground: Ground) -> None:
        pages = ground.pages // 2
        address = private_memory(pages, ground.fd if of_file else -1)
        ground.words(address, pages)[::WORDS] = 1
        unmap_memory(address, pages * PAGE_SIZE)

    def work(file_pages: int) -> Work:
        pages = file_pages // 2

        def program(p: Process, fd: int) -> None:
            flags = Map.MAP_PRIVATE | (0 if of_file else Map.MAP_ANONYMOUS)
            a = p.mmap(0, pages * PAGE_SIZE, Prot.PROT_READ | Prot.PROT_WRITE, flags, fd if of_file else -1)
            for page in range(pages):
                p.store(a + page * PAGE_SIZE, b"12345678")

        return work_of(program, pages, array_calls=1)

    return Trial(f"a word into each page of {'a private mapping' if of_file else 'anonymous memory'}", run, work)


def new_file(block: int, stored: bool) -> Callable[[Ground], None]:
    """Return a program that makes a file of an eighth of the pages: by writes of `block` bytes, or by stores.

    Nobody waits for the disk. It has no `work`: the prices of a file system's blocks are not in the model.
    """

    def run(ground: Ground) -> None:
        pages = ground.pages // 8
        fd = os.open(f"{ground.path}.new", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        if stored:
            os.ftruncate(fd, pages * PAGE_SIZE)
            address = map_memory(0, pages * PAGE_SIZE, Prot.PROT_READ | Prot.PROT_WRITE, Map.MAP_SHARED, fd)
            ground.words(address, pages)[:] = 1
            unmap_memory(address, pages * PAGE_SIZE)
        else:
            for at in range(0, pages * PAGE_SIZE, block):
                os.pwritev(fd, [ground.buffer[:block]], at)
        os.close(fd)
        Path(f"{ground.path}.new").unlink()

    return run
