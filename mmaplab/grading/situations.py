"""Situations that are given as data, made on a simulated kernel: what does it answer?

    truncate_of([0, 1], 4096, 5000)                            ->   [[0], "SIGBUS"]
    mprotect_of([[0, 2, "rwx"], [2, 4, "r-x"]], 0, 4, "rw-")   ->   ["EACCES", 2]

Exercises whose function works on plain data take their expected results from here.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

from mmaplab.constants import PAGE_SIZE, Map, Open, Prot
from mmaplab.grading.plain import Plain
from mmaplab.interface import BusError, Process
from mmaplab.ledger import bill_of
from mmaplab.sim import Kernel, KernelConfig
from mmaplab.sim.rmap import unmap_mapping_range

START = 0x1000_0000
"""Where page 0 of a situation is."""
MOST_PAGES = 64
CEILINGS = {"rwx": Open.O_RDWR, "r-x": Open.O_RDONLY}
"""How the file of an area has to be opened so that the area may get these rights."""
RIGHTS = {"r": Prot.PROT_READ, "w": Prot.PROT_WRITE, "x": Prot.PROT_EXEC, "-": Prot.PROT_NONE}


def mprotect_of(areas: list[tuple[int, int, str]], start: int, end: int, prot: str) -> Plain:
    """Return what mprotect of the pages [start, end) says, "" or an error's name, and how many pages it changes.

    `areas` are [first page, page behind the last, ceiling] in order, shared mappings that permit nothing yet. `prot`
    is "r--", "rw-", "r-x" or "rwx". Raises ValueError for what is no such situation.
    """
    check_situation(areas, start, end, prot)
    kernel = Kernel()
    kernel.create_file("f", bytes(MOST_PAGES * PAGE_SIZE))
    p = kernel.spawn()
    for first, behind, ceiling in areas:
        fd = p.open("f", CEILINGS[ceiling])
        flags, length = Map.MAP_SHARED | Map.MAP_FIXED, (behind - first) * PAGE_SIZE
        p.mmap(START + first * PAGE_SIZE, length, Prot.PROT_NONE, flags, fd, first * PAGE_SIZE)
    said = ""
    try:
        p.mprotect(START + start * PAGE_SIZE, (end - start) * PAGE_SIZE, sum(RIGHTS[letter] for letter in prot))
    except OSError as error:
        said = errno.errorcode[error.errno or 0]
    return [said, sum((line.end - line.start) // PAGE_SIZE for line in p.maps() if line.perms.startswith(prot))]


def truncate_of(touched: list[int], size: int, left: int) -> Plain:
    """Cut a file of 8 pages to `size` bytes: which touched pages keep their entry, and what a load at `left` gives.

    A fault maps the page that it is for and no other. Raises ValueError for what is no such situation.
    """
    numbers = [*touched, size, left]
    if not all(type(number) is int for number in numbers) or not all(0 <= page < 8 for page in touched):
        raise ValueError(f"touched is {touched!r}: give a list of page numbers from 0 to 7")
    if not (0 <= size <= 8 * PAGE_SIZE and 0 <= left < 8 * PAGE_SIZE):
        raise ValueError(f"the size {size} or the position {left} is not in a file of 8 pages")
    kernel = Kernel(KernelConfig(fault_around_bytes=PAGE_SIZE))
    kernel.create_file("f", b"x" * 8 * PAGE_SIZE, warm=True)
    p = kernel.spawn()
    fd = p.open("f", Open.O_RDWR)
    a = p.mmap(START, 8 * PAGE_SIZE, Prot.PROT_READ, Map.MAP_SHARED | Map.MAP_FIXED, fd)
    for page in touched:
        p.load(a + page * PAGE_SIZE)
    p.ftruncate(fd, size)
    kept: list[Plain] = [(addr - a) // PAGE_SIZE for addr, _ in p.mm.pgd.entries(a, a + 8 * PAGE_SIZE)]
    try:
        return [kept, "a byte" if p.load(a + left) == b"x" else "a zero"]
    except BusError:
        return [kept, "SIGBUS"]


def unmapped_of(areas: list[tuple[int, int, int]], first: int, behind: int) -> Plain:
    """Return the pages of memory that lose their entry when the pages [first, behind) of a file of 64 pages go.

    `areas` are [page of memory, pages, file page there], in order, each page touched. Raises ValueError for no such
    situation.
    """
    at = 0
    for place, npages, pgoff in areas:
        if not all(type(number) is int for number in (place, npages, pgoff)) or npages < 1 or place < at:
            raise ValueError(f"an area is [{place!r}, {npages!r}, {pgoff!r}]: give numbers, and areas in order")
        at = place + npages
        if at > MOST_PAGES or not 0 <= pgoff <= MOST_PAGES - npages:
            raise ValueError(f"an area of {npages} pages at {place}, file page {pgoff}: no page is above {MOST_PAGES}")
    if type(first) is not int or type(behind) is not int or not 0 <= first < behind <= MOST_PAGES:
        raise ValueError(f"the file pages {first!r} to {behind!r} are no range")
    kernel = Kernel(KernelConfig(fault_around_bytes=PAGE_SIZE))
    kernel.create_file("f", bytes(MOST_PAGES * PAGE_SIZE), warm=True)
    p = kernel.spawn()
    fd = p.open("f")
    for place, npages, pgoff in areas:
        addr, flags = START + place * PAGE_SIZE, Map.MAP_SHARED | Map.MAP_FIXED
        p.load(p.mmap(addr, npages * PAGE_SIZE, Prot.PROT_READ, flags, fd, pgoff * PAGE_SIZE), npages * PAGE_SIZE)
    before = {addr for addr, _ in p.mm.pgd.entries(START, START + MOST_PAGES * PAGE_SIZE)}
    unmap_mapping_range(kernel.files.lookup("f").i_mapping, first, behind)
    after = {addr for addr, _ in p.mm.pgd.entries(START, START + MOST_PAGES * PAGE_SIZE)}
    return [(addr - START) // PAGE_SIZE for addr in sorted(before - after)]


def account_of(steps: list[list[Plain]]) -> Plain:
    """Return the bytes that the device moved, and those that the processor copied, for steps on a cached file.

    A step is ["read", page], ["write", page], ["load", page], ["store", page], of whole pages from 0 to 7 through a
    shared mapping, or ["fsync"]. Raises ValueError for another one.
    """
    kernel = Kernel(KernelConfig(fault_around_bytes=PAGE_SIZE))
    kernel.create_file("f", b"x" * 8 * PAGE_SIZE, warm=True)
    p = kernel.spawn()
    fd = p.open("f", Open.O_RDWR)
    a = p.mmap(START, 8 * PAGE_SIZE, Prot.PROT_READ | Prot.PROT_WRITE, Map.MAP_SHARED | Map.MAP_FIXED, fd)
    calls: dict[str, Callable[[int], object]] = {
        "read": lambda at: p.pread(fd, PAGE_SIZE, at),
        "write": lambda at: p.pwrite(fd, bytes(PAGE_SIZE), at),
        "load": lambda at: p.load(a + at, PAGE_SIZE),
        "store": lambda at: p.store(a + at, bytes(PAGE_SIZE)),
    }
    start = len(kernel.trace.records)
    for step in steps:
        if step == ["fsync"]:
            p.fsync(fd)
            continue
        if len(step) != 2 or step[0] not in calls or type(step[1]) is not int or not 0 <= step[1] < 8:
            raise ValueError(f'a step is {step!r}: give ["read", page], "write", "load", "store", or ["fsync"]')
        calls[str(step[0])](step[1] * PAGE_SIZE)
    moved = bill_of(kernel.trace.records[start:])
    return [moved.device_bytes, moved.cpu_bytes]


def queue_of(steps: list[list[Plain]]) -> Plain:
    """Return what the steps of a queue of 4 messages answer, in memory that a parent and its child share.

    A step is ["put", number from 0 to 255], by the parent, or ["get"], by the child. Raises ValueError for another one.
    """
    p = Kernel().spawn()
    a = p.mmap(0, PAGE_SIZE, Prot.PROT_READ | Prot.PROT_WRITE, Map.MAP_SHARED | Map.MAP_ANONYMOUS)
    child = p.fork()
    answers: list[Plain] = []
    for step in steps:
        if step == ["get"]:
            answers.append(_get(child, a))
        elif len(step) == 2 and step[0] == "put" and type(step[1]) is int and 0 <= step[1] < 256:
            answers.append(_put(p, a, step[1]))
        else:
            raise ValueError(f'a step is {step!r}: give ["put", a number from 0 to 255] or ["get"]')
    return answers


def _put(p: Process, a: int, number: int) -> str:
    """Put a number into the ring behind two counters, bytes 0 and 1: taken out, and put in."""
    head, tail = p.load(a, 2)
    if tail - head == 4:
        return "full"
    p.store(a + 2 + tail % 4, bytes([number]))
    p.store(a + 1, bytes([tail + 1]))
    return "ok"


def _get(p: Process, a: int) -> Plain:
    """Take the oldest number out."""
    head, tail = p.load(a, 2)
    if head == tail:
        return "empty"
    number = p.load(a + 2 + head % 4)[0]
    p.store(a, bytes([head + 1]))
    return number


def check_situation(areas: list[tuple[int, int, str]], start: int, end: int, prot: str) -> None:
    """Raise ValueError, with a sentence, where this is no situation for `mprotect_of`."""
    if prot not in ("r--", "rw-", "r-x", "rwx"):
        raise ValueError(f'the rights are {prot!r}: give "r--", "rw-", "r-x" or "rwx"')
    at = 0
    for first, behind, ceiling in areas:
        if type(first) is not int or type(behind) is not int or not at <= first < behind <= MOST_PAGES:
            raise ValueError(f"an area of pages {first!r} to {behind!r}: give pages up to {MOST_PAGES}, in order")
        if ceiling not in CEILINGS:
            raise ValueError(f"the ceiling of an area is {ceiling!r}: give one of {', '.join(CEILINGS)}")
        at = behind
    if type(start) is not int or type(end) is not int or not 0 <= start < end <= MOST_PAGES:
        raise ValueError(f"the pages {start!r} to {end!r} are no range")
