"""Questions whose numbers are made from a seed: `quiz_variant(window_question, seed=5, key="05-q5")`.

Each takes a random number generator and returns (question, answers); the right answer, the one without feedback, is
found by running the simulated kernel, never by a formula of its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from mmaplab.constants import Map, Ms, Open, Prot
from mmaplab.interface import BusError, FatalSignal, Process
from mmaplab.ledger import Price, copies, copy_counts, fault_addresses, price
from mmaplab.outcomes import crash_outcomes, interleavings
from mmaplab.sim import Kernel, KernelConfig
from mmaplab.sim.events import Copy, Event, PageFault, Syscall

PAGE = 4096
MAPPED_AT = 0x7FFF_0000_0000


def window_question(rng: random.Random) -> tuple[str, dict[str, str | None]]:
    """Make a question about fault-around: how many faults does a walk over an area of cached pages take?"""
    slot, pages = rng.randrange(1, 16), rng.choice((32, 48, 64))
    right = len(window_starts(slot, pages))
    wrong = {
        pages // 16: "That would be right if the area began at a multiple of 16 slots.",
        pages: "That is one fault per page; a fault maps the cached neighbours in its window.",
        right + 1: "Count again: the first window begins with the area and still has 16 pages.",
    }
    answers: dict[str, str | None] = {str(n): why for n, why in wrong.items() if n != right}
    answers[str(right)] = None
    question = (
        f"An area of {pages} cached pages begins at slot {slot} of its page table. A program loads one byte of each "
        "page, in order. How many faults?"
    )
    return question, dict(sorted(answers.items(), key=lambda item: int(item[0])))


def window_starts(slot: int, pages: int, window: int = 16) -> list[int]:
    """Return the pages that fault when an area that begins at `slot` is walked in order; asked of the simulator."""
    kernel = Kernel(KernelConfig(fault_around_bytes=window * PAGE))
    kernel.create_file("walk", bytes(pages * PAGE), warm=True)
    p = kernel.spawn()
    base = 0x7FFF_0000_0000 + slot * PAGE
    a = p.mmap(base, pages * PAGE, Prot.PROT_READ, Map.MAP_SHARED | Map.MAP_FIXED, p.open("walk"))
    for page in range(pages):
        p.load(a + page * PAGE)
    return [(addr - a) // PAGE for addr, _ in fault_addresses(kernel.trace.records)]


def last_page_question(rng: random.Random) -> tuple[str, dict[str, str | None]]:
    """Make a question about a file's end: what does a load at a position of a mapping give?"""
    size, npages = rng.randrange(1, 3 * PAGE), 5
    position = rng.choice((rng.randrange(size), size + rng.randrange(1, 60), rng.randrange(3, 5) * PAGE + 7))
    answers: dict[str, str | None] = {
        "a byte of the file": "The position lies behind the file's last byte.",
        "a zero": "Zeros are what the last page holds behind the file's end; look in which page this position lies.",
        "SIGBUS": "SIGBUS is for pages that the file does not reach at all.",
        "SIGSEGV": "The mapping covers the address: the address space has no objection.",
    }
    right = _load_behind(size, npages, position)
    answers[right] = None
    question = (
        f"A file of {size:,} bytes, none of them zero, is mapped with a length of {npages} pages. "
        f"What does a load at position {position:,} of the mapping give?"
    )
    return question, answers


def _load_behind(size: int, npages: int, position: int) -> str:
    """Return what the load gives, as the simulator answers."""
    kernel = Kernel()
    kernel.create_file("file", b"x" * size)
    p = kernel.spawn()
    a = p.mmap(0, npages * PAGE, Prot.PROT_READ, Map.MAP_SHARED, p.open("file"))
    try:
        return "a byte of the file" if p.load(a + position) == b"x" else "a zero"
    except BusError:
        return "SIGBUS"


def merge_question(rng: random.Random) -> tuple[str, dict[str, str | None]]:
    """Make a question about neighbours: how many areas do three mappings side by side make?"""
    kinds = {"r": (Prot.PROT_READ, "read-only"), "w": (Prot.PROT_READ | Prot.PROT_WRITE, "writable")}
    rights = [kinds[rng.choice("rw")] for _ in range(3)]
    of_file = rng.random() < 0.6
    first = rng.randrange(8)
    pages = [first, rng.choice((first, first + 1)), rng.choice((first + 1, first + 2))]
    kernel = Kernel()
    kernel.create_file("book", bytes(16 * PAGE), warm=True)
    p = kernel.spawn()
    fd = p.open("book", Open.O_RDWR) if of_file else -1
    flags = Map.MAP_FIXED | Map.MAP_PRIVATE | (0 if of_file else Map.MAP_ANONYMOUS)
    for i, (prot, _) in enumerate(rights):
        p.mmap(0x10000000 + i * PAGE, PAGE, prot, flags, fd, pages[i] * PAGE if of_file else 0)
    right = len(p.maps())
    said = [f"{name}, file page {page}" if of_file else name for (_, name), page in zip(rights, pages, strict=True)]
    answers: dict[str, str | None] = {
        "1": "All three would have to agree: rights, open file, and file pages that continue.",
        "2": "Look at each border by itself: do rights, file and file pages go on across it?",
        "3": "Neighbours that agree in everything become one area; count the borders where they do not.",
    }
    answers[str(right)] = None
    kind = "pages of one open file" if of_file else "pages of anonymous memory"
    return (
        f"Three private {kind} are mapped one by one, side by side, upwards: {'; '.join(said)}. How many areas?",
        answers,
    )


def file_page_question(rng: random.Random) -> tuple[str, dict[str, str | None]]:
    """Make a question about the tie between addresses and file pages, in either direction."""
    first, page = rng.randrange(1, 40), rng.randrange(1, 20)
    kernel = Kernel()
    kernel.create_file("book", b"".join(n.to_bytes(8, "little") * 512 for n in range(64)), warm=True)
    p = kernel.spawn()
    a = p.mmap(0, 20 * PAGE, Prot.PROT_READ, Map.MAP_SHARED, p.open("book"), first * PAGE)
    found = int.from_bytes(p.load(a + page * PAGE, 8), "little")
    area = f"An area begins at address a and maps a file from page {first} on."
    if rng.random() < 0.5:
        question = (
            f"An area begins at address a and maps a file from page {first} on. Which file page is at a + {page} pages?"
        )
        right, wrong = found, {page: "That counts from the area's start; the area begins in the middle of the file."}
        wrong |= {first: "That is the area's first page."}
    else:
        question = f"{area} At a + how many pages is file page {found}?"
        right, wrong = page, {found: "That would be right for an area that begins at file page 0."}
        wrong |= {found + first: "The offset has to be subtracted here, not added."}
    wrong |= {right + 1: "Count from zero: the first page of the area is page 0 of it."}
    answers: dict[str, str | None] = {str(n): why for n, why in wrong.items() if n != right}
    answers[str(right)] = None
    return question, dict(sorted(answers.items(), key=lambda item: int(item[0])))


def line_question(rng: random.Random) -> tuple[str, dict[str, str | None]]:
    """Make a question about one line of maps: how large is it, or which byte of the file does an address show?"""
    pages, first = rng.randrange(2, 30), rng.randrange(0, 40)
    kernel = Kernel()
    kernel.create_file("book.bin", bytes(80 * PAGE))
    p = kernel.spawn()
    start = 0x7F00_0000_0000 + rng.randrange(1 << 10) * PAGE
    p.mmap(start, pages * PAGE, Prot.PROT_READ, Map.MAP_SHARED | Map.MAP_FIXED, p.open("book.bin"), first * PAGE)
    entry = p.maps()[0]
    line = f"{entry.start:x}-{entry.end:x} {entry.perms} {entry.offset:08x} {entry.path}"
    if rng.random() < 0.5:
        right, asked = (entry.end - entry.start) // PAGE, "How many pages does the area have?"
        wrong = {right + 1: "The end is the first byte that does not belong to it.", right - 1: "Subtract once more."}
    else:
        right, asked = entry.offset // PAGE, "Which page of the file lies at its start?"
        wrong = {0: "The area does not begin at the file's beginning: see the third field.", entry.offset: "In pages."}
        wrong |= {right + 1: "The offset is in bytes, in hexadecimal; a page has 0x1000."}
    answers: dict[str, str | None] = {str(n): why for n, why in wrong.items() if n != right}
    answers[str(right)] = None
    return f"{line}: {asked}", dict(sorted(answers.items(), key=lambda item: int(item[0])))


def copies_question(rng: random.Random) -> tuple[str, dict[str, str | None]]:
    """Make a question about fork: how many pages are copied by a few stores of parent and child?"""
    pages = rng.randrange(3, 7)
    kernel = Kernel()
    parent = kernel.spawn()
    a = parent.mmap(0, pages * PAGE, Prot.PROT_READ | Prot.PROT_WRITE, Map.MAP_PRIVATE | Map.MAP_ANONYMOUS)
    parent.store(a, b"-" * pages * PAGE)
    who = {"the parent": parent, "the child": parent.fork()}
    kernel.trace.clear()
    stores = [(rng.choice(list(who)), rng.randrange(pages)) for _ in range(rng.randrange(3, 6))]
    for name, page in stores:
        who[name].store(a + page * PAGE, b"x")
    right = copy_counts(kernel.trace.records)["cow"]
    told = ", then ".join(f"{name} stores to page {page}" for name, page in stores)
    wrong = {
        len(stores): "A second store to a page of one's own copies nothing, and a sole owner reuses the page.",
        pages: "Fork copies no page: it takes the right to write away, on both sides.",
        right + 1: "When one side has its copy, the other one is the sole owner: it reuses the page.",
        0: "The first store after the fork to a page that both use is copied.",
    }
    answers: dict[str, str | None] = {str(n): why for n, why in wrong.items() if n != right}
    answers[str(right)] = None
    before = f"A process has stored to all of its {pages} private pages, and forks."
    return f"{before} Then {told}. How many pages are copied?", dict(
        sorted(answers.items(), key=lambda item: int(item[0]))
    )


def hops_question(rng: random.Random) -> tuple[str, dict[str, str | None]]:
    """Make a question about copies: how many bytes does the processor copy for a small program?"""
    pages, stored, warm = rng.randrange(4, 12), rng.randrange(1, 4), rng.random() < 0.5
    way = rng.choice(("read", "shared", "private"))
    kernel = Kernel()
    kernel.create_file("file", b"word" * 1024 * pages, warm=warm)
    p = kernel.spawn()
    fd = p.open("file", Open.O_RDWR)
    if way == "read":
        p.pread(fd, pages * PAGE, 0)
        told = "reads all of it with one pread"
    else:
        flags = Map.MAP_SHARED if way == "shared" else Map.MAP_PRIVATE
        a = p.mmap(0, pages * PAGE, Prot.PROT_READ | Prot.PROT_WRITE, flags, fd)
        p.load(a, pages * PAGE)
        for page in range(stored):
            p.store(a + page * PAGE, b"x")
        told = f"maps it {way}, loads every byte in place, and stores one byte to each of {stored} pages"
    moved = copies(kernel.trace.records)
    right = moved["copy_to_user"] + moved["copy_from_user"] + moved["cow"]
    wrong = {
        pages * PAGE: "A load in place copies nothing; a read copies what it hands over.",
        2 * pages * PAGE: "The hop from the disk is the device's, not the processor's.",
        stored * PAGE: "A store copies a page only if the mapping is private.",
        0: "What a read hands over is copied, and so is a private page at its first store.",
    }
    answers: dict[str, str | None] = {f"{n:,}": why for n, why in wrong.items() if n != right}
    answers[f"{right:,}"] = None
    state = "cached" if warm else "only on the disk"
    question = f"A file of {pages} pages is {state}. A program {told}. How many bytes does the processor copy?"
    return question, dict(sorted(answers.items(), key=lambda item: int(item[0].replace(",", ""))))


def cheaper_question(rng: random.Random) -> tuple[str, dict[str, str | None]]:
    """Make a question about prices: read or mmap, for scattered pages or for several passes?"""
    call, copy, fault = rng.randrange(1, 4), rng.randrange(1, 4), rng.randrange(8, 25)
    passes, scattered = rng.randrange(1, 6), rng.random() < 0.5
    wanted = range(0, 256, 16) if scattered else range(rng.choice((32, 64, 96)))
    costs: dict[type[Event], Price] = {
        Syscall: call,
        PageFault: fault,
        Copy: lambda event: copy * getattr(event, "nbytes", 0) / PAGE,
    }

    def cost(mapped: bool) -> float:
        kernel = Kernel()
        kernel.create_file("file", bytes(256 * PAGE), warm=True)
        p, start = kernel.spawn(), len(kernel.trace.records)
        fd = p.open("file")
        a = p.mmap(MAPPED_AT, 256 * PAGE, Prot.PROT_READ, Map.MAP_SHARED | Map.MAP_FIXED, fd) if mapped else 0
        for page in list(wanted) * passes:
            p.load(a + page * PAGE) if mapped else p.pread(fd, PAGE, page * PAGE)
        return round(price(kernel.trace.records[start:], costs), 3)

    read, mapped = cost(False), cost(True)
    right = "they cost the same" if read == mapped else "read is cheaper" if read < mapped else "mmap is cheaper"
    told = "sixteen pages, 16 pages apart," if scattered else f"the first {len(wanted)} pages"
    answers: dict[str, str | None] = {
        "read is cheaper": "Read pays a call and a copy for each page, in each pass. Count faults: one a window.",
        "mmap is cheaper": "The mapping pays a fault for each window that is hit, and a call for mmap. Add up.",
        "they cost the same": "Add up both bills: calls and copies for read; mmap's call, and a fault for each window.",
    }
    answers[right] = None
    question = (
        f"A system call costs {call}, the copy of a page {copy}, a fault that maps its window of 16 pages {fault}. A "
        f"file of 256 cached pages is open. A program uses {told} {passes} time{'s' * (passes > 1)}: by a read "
        "of 4 KiB each time, or by loads through one mapping, made once. Which is cheaper?"
    )
    return question, answers


def edge_question(rng: random.Random) -> tuple[str, dict[str, str | None]]:
    """Make a question for the tree of three questions: what does an access give?"""
    size, pages = rng.randrange(100, 3 * PAGE), rng.randrange(2, 6)
    writable, store = rng.random() < 0.6, rng.random() < 0.5
    at = rng.choice((rng.randrange(size), size + 20, (pages - 1) * PAGE + 9, pages * PAGE + rng.randrange(2 * PAGE)))
    prot = Prot.PROT_READ | (Prot.PROT_WRITE if writable else 0)
    kernel = Kernel()
    kernel.create_file("file", b"x" * size)
    p = kernel.spawn()
    a = p.mmap(0, pages * PAGE, prot, Map.MAP_SHARED, p.open("file", Open.O_RDWR))
    try:
        if store:
            p.store(a + at, b"y")
        else:
            p.load(a + at)
        right = "it succeeds, in the file" if at < size else "it succeeds, past the file's end"
    except FatalSignal as signal:
        right = str(signal).split(",")[0] + ("" if signal.signo == 7 else f", code {signal.si_code}")
    answers: dict[str, str | None] = {
        "it succeeds, in the file": "Compare the position with the file's size, and look at the rights.",
        "it succeeds, past the file's end": "That is the rest of the last page, and only if the area permits it.",
        "SIGBUS": "SIGBUS is for a page of the area that the file does not reach, if the access is permitted.",
        "SIGSEGV, code 1": "Code 1 says that there is no area at the address.",
        "SIGSEGV, code 2": "Code 2 says that the area forbids this access; that is asked before the file is.",
    }
    answers[right] = None
    rights = "read and write" if writable else "reading only"
    what = f"A {'store to' if store else 'load of'} position {at:,}"
    return f"A file of {size:,} bytes is mapped shared for {rights}, {pages} pages. {what}: what happens?", answers


def durable_question(rng: random.Random) -> tuple[str, dict[str, str | None]]:
    """Make a question about a crash: what may be on the disk after a small program?"""
    calls: dict[str, Callable[[Process, int, int], None]] = {
        "msync(page 0, MS_SYNC)": lambda p, a, fd: p.msync(a, PAGE, Ms.MS_SYNC),
        "msync(page 0, MS_ASYNC)": lambda p, a, fd: p.msync(a, PAGE, Ms.MS_ASYNC),
        "fsync": lambda p, a, fd: p.fsync(fd),
        "munmap": lambda p, a, fd: p.munmap(a, 2 * PAGE),
    }
    between, last = rng.choice(list(calls)[:3]), rng.choice(list(calls))

    def program(p: Process) -> None:
        fd = p.open("file", Open.O_RDWR)
        a = p.mmap(0, 2 * PAGE, Prot.PROT_READ | Prot.PROT_WRITE, Map.MAP_SHARED, fd)
        p.store(a, b"A")
        calls[between](p, a, fd)
        p.store(a + PAGE, b"B")
        calls[last](p, a, fd)

    found = crash_outcomes(program, files={"file": b"-" * 2 * PAGE}).after(6)
    letters = sorted({(o["file"][:1] + o["file"][PAGE : PAGE + 1]).decode() for o in found})
    answers: dict[str, str | None] = {
        "AB": "Only if every page was forced to the disk before the end.",
        "A-, AB": "That is so if page 0 was forced, and page 1 was not.",
        "--, AB": "Nothing ties the two pages together.",
        "--, -B, A-, AB": "Any mixture is possible only if nothing was forced to the disk.",
    }
    answers[", ".join(sorted(letters, key=lambda word: "-AB".find(word[0]) * 3 + "-AB".find(word[1])))] = None
    told = f"store A to page 0; {between}; store B to page 1; {last}"
    asked = f"Two pages of a file hold -. A program maps them shared: {told}. Then the power fails. What may be left?"
    return asked, answers


def orders_question(rng: random.Random) -> tuple[str, dict[str, str | None]]:
    """Make a question about two programs on one byte of shared memory: which values may it have at the end?"""
    first, second = rng.randrange(1, 4), rng.randrange(1, 4)
    start = rng.randrange(0, 3)

    def setup(p: Process) -> int:
        rights = Prot.PROT_READ | Prot.PROT_WRITE
        a = p.mmap(0, PAGE, rights, Map.MAP_SHARED | Map.MAP_ANONYMOUS)
        p.store(a, bytes([start]))
        return a

    def add(n: int) -> Callable[[Process, int], None]:
        def program(p: Process, a: int) -> None:
            p.store(a, bytes([p.load(a)[0] + n]))

        return program

    found = interleavings([add(first), add(second)], setup)
    values = sorted({next(iter(outcome.final.values()))[0] for outcome in found})
    answers: dict[str, str | None] = {
        f"{start + first + second}": "That needs each program to load after the other has stored.",
        f"{start + first} or {start + second}": "One after the other is an order, too: then both additions count.",
        f"{start}, {start + first} or {start + first + second}": "Each program stores something that it has added to.",
    }
    answers[" or ".join(map(str, values))] = None
    told = f"One process loads it, adds {first} and stores it; another one adds {second} in the same way."
    return f"A byte of shared memory holds {start}. {told} Both run once. What may it hold at the end?", answers
