"""The prices of this machine, measured in a second or two: each by a loop in which it is the main thing.

    calibrate()      -> {"call": 780.0, "copy": 0.2, ...}      nanoseconds; see work.Prices

A round times every loop once; of several rounds the lower quartile of each loop counts, because other programs can make
a loop slower and never faster. A price that is the difference of two loops is taken from those. None of the loops is
one of the programs whose time is predicted later.
"""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Callable

from mmaplab.constants import PAGE_SIZE
from mmaplab.costmodel.ground import HOT, WORDS, Ground, private_memory
from mmaplab.lab import Value
from mmaplab.real.libc import unmap_memory

ROUNDS = 11
PAGES = 16384
"""Pages of the file, 64 MiB: more than most processors' caches hold for one core."""
LEAST = 1024
"""Pages of the smallest file that prices can be measured on. A round maps half of the file, and stores to half."""
WINDOW = 16
"""Pages that one fault maps (fault-around)."""


def calibrate(rounds: int = ROUNDS, pages: int = PAGES) -> dict[str, Value]:
    """Return the prices of this machine in nanoseconds; raises NotAvailable, and ValueError for too small a file."""
    if pages < LEAST:
        raise ValueError(f"a file of {pages} pages is too small: give {LEAST} at least")
    with Ground.of(pages) as ground:
        return calibrate_on(ground, rounds)


def calibrate_on(ground: Ground, rounds: int = ROUNDS) -> dict[str, Value]:
    """Return the prices, measured on this file: the frames of another one may be slower or faster by a tenth."""
    found: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        timed = one_round(ground, number)
        if number:  # the first one warms the loops up
            for name, value in timed.items():
                found.setdefault(name, []).append(value)
    prices = prices_of({name: lower_quartile(values) for name, values in found.items()}, ground.pages)
    return {name: max(0.0, price) for name, price in prices.items()}


def lower_quartile(times: list[float]) -> float:
    """Return the time that a quarter of the runs stay below: what the machine does when others leave it alone."""
    return statistics.quantiles(times, n=4, method="inclusive")[0] if len(times) > 1 else times[0]


def one_round(ground: Ground, seed: int) -> dict[str, float]:
    """Time every loop once, in nanoseconds."""
    return _calls(ground, seed) | _mappings(ground) | _loads(ground, seed) | _own_memory(ground)


def prices_of(t: dict[str, float], pages: int) -> dict[str, float]:
    """Return what the loops say about single things: `t` are their times, the file has so many pages."""
    part = pages // 2
    stride = (t["words again"] - t["array call"]) / pages
    load = (t["bytes again"] - t["array call"]) / (pages * PAGE_SIZE)
    copy = (t["read of 1 MiB"] - t["read of 1 byte"]) / (1 << 20)
    fault = t["one page touched"] - t["one page mapped"]
    return {
        "call": t["read of 1 byte"],
        "mapping": t["one page mapped"],
        "open": t["open and close"],
        "fault": fault,
        "entry": (t["windows entered"] - part / WINDOW * fault) / part,
        "zero": t["store to anonymous memory"] / part,
        "cow": t["store to a private page"] / part,
        "copy": copy,
        "hot_copy": (t["read of 64 KiB, hot"] - t["read of 1 byte"]) / (1 << 16),
        "scattered": t["read of a page at random"] - t["read of 1 byte"] - PAGE_SIZE * copy,
        "load": load,
        "hot_load": (t["bytes again, hot"] - t["array call"]) / HOT,
        "first_word": (t["words entered"] - t["windows entered"]) / part - stride,
        "first_page": (t["bytes entered"] - t["windows entered"]) / part - PAGE_SIZE * load,
        "stride": stride,
        "miss": (t["words at random"] - 2 * t["array call"]) / part,
        "array_call": t["array call"],
    }


def each(times: int, work: Callable[[], object]) -> float:
    """Return the nanoseconds of one of `times` runs of `work`."""
    start = time.perf_counter_ns()
    for _ in range(times):
        work()
    return (time.perf_counter_ns() - start) / times


def once(work: Callable[[], object]) -> float:
    """Return the nanoseconds of a run of `work`."""
    return each(1, work)


def _calls(ground: Ground, seed: int) -> dict[str, float]:
    """Enter the kernel; copy from memory, from the caches, from scattered pages."""
    fd, mib = ground.fd, 1 << 20
    byte, large, piece, page = (ground.buffer[:size] for size in (1, mib, 1 << 16, PAGE_SIZE))
    scattered = random.Random(-seed).sample(range(ground.pages), min(2000, ground.pages))
    return {
        "read of 1 byte": _reads(fd, byte, [0] * 2000),
        "read of 1 MiB": _reads(fd, large, list(range(0, ground.pages * PAGE_SIZE, mib))),
        "read of 64 KiB, hot": _reads(fd, piece, [0] * 64),
        "read of a page at random": _reads(fd, page, [n * PAGE_SIZE for n in scattered]),
        "open and close": each(300, lambda: os.close(os.open(ground.path, os.O_RDONLY))),
    }


def _reads(fd: int, room: memoryview, offsets: list[int]) -> float:
    """Return the nanoseconds of one read of so many bytes, at these places of the file."""
    rooms = [room]
    start = time.perf_counter_ns()
    for at in offsets:
        os.preadv(fd, rooms, at)
    return (time.perf_counter_ns() - start) / len(offsets)


def _mappings(ground: Ground) -> dict[str, float]:
    """Map and unmap: one page; one page that is touched; many, of which each window, page or byte is entered."""

    part = ground.pages // 2

    def mapped() -> None:
        address = ground.map(1)
        ground.words(address, 1)
        ground.unmap(address, 1)

    def touched() -> None:
        address = ground.map(1)
        ground.words(address, 1)[0]
        ground.unmap(address, 1)

    def walked(step: int) -> float:
        address = ground.map(part)
        words = ground.words(address, part)[::step]
        return once(words.sum) + once(lambda: ground.unmap(address, part))

    return {
        "one page mapped": each(300, mapped),
        "one page touched": each(300, touched),
        "windows entered": walked(WINDOW * WORDS),
        "words entered": walked(WORDS),
        "bytes entered": walked(1),
    }


def _loads(ground: Ground, seed: int) -> dict[str, float]:
    """Go through a mapping whose entries are all there: in order, a page apart, at random; and call NumPy."""
    import numpy

    address = ground.map()
    words = ground.words(address)
    words[::WORDS].sum()  # every entry is there from now on
    offset = 8 * (seed % 60) + 8  # a cache line that no round has loaded yet
    chosen = numpy.array(random.Random(seed).sample(range(ground.pages), ground.pages // 2)) * WORDS + offset + 7
    timed = {
        "array call": each(300, words[:16].sum),
        "words again": once(lambda: words[offset::WORDS].sum()),
        "words at random": once(lambda: numpy.take(words, chosen).sum()),
        "bytes again, hot": each(20, words[: HOT // 8].sum),
        "bytes again": once(words.sum),
    }
    ground.unmap(address)
    return timed


def _own_memory(ground: Ground) -> dict[str, float]:
    """Store a word into each page of private memory, and give it back."""

    part = ground.pages // 2

    def store(fd: int) -> float:
        address = private_memory(part, fd)
        words = ground.words(address, part)
        start = time.perf_counter_ns()
        words[::WORDS] = 1
        unmap_memory(address, part * PAGE_SIZE)
        return time.perf_counter_ns() - start

    return {"store to anonymous memory": store(-1), "store to a private page": store(ground.fd)}
