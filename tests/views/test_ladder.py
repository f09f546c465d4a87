"""The ladder: every event is on a rung, in order; spans are rails; a long ladder is folded, never cut silently."""

from __future__ import annotations

import re

import pytest

from mmaplab.constants import MAP_PRIVATE, MAP_SHARED, O_RDWR, PROT_READ, PROT_WRITE
from mmaplab.interface import FatalSignal
from mmaplab.sim import Kernel, KernelConfig
from mmaplab.sim import events as ev
from mmaplab.views.ladder import ladder
from tests.views.drawing import check
from tests.views.pictures import count, labels

PAGE = 4096


@pytest.fixture
def kernel() -> Kernel:
    """A kernel whose last span is a load of one cold page, with neither readahead nor fault-around."""
    kernel = Kernel(KernelConfig(ra_pages=0, fault_around_bytes=PAGE))
    kernel.create_file("a.txt", b"word" * 1024 * 4)
    p = kernel.spawn()
    p.load(p.mmap(0, 4 * PAGE, PROT_READ, MAP_SHARED, p.open("a.txt")))
    return kernel


def test_the_text_form_is_the_whole_story(kernel: Kernel) -> None:
    assert (
        repr(ladder(kernel))
        == """\
P1 loads one byte from page 0 of a.txt: 1 major fault, 1 page copied by the device, 1 entry set.

Access                            P1 loads one byte from page 0 of a.txt.
| TlbMiss                         The processor holds no entry for page 0 of a.txt: it walks the page table.
| PageFault                       A page fault: no entry permits this load of page 0 of a.txt, so the kernel is entered.
| | CacheMiss                     Page 0 of a.txt is not in the page cache.
| | PageAlloc, CacheAdd           Page 0 of a.txt takes a place in the page cache, still empty.
| | DiskRead, Copy, PageUptodate  1 page is copied from the disk into the page cache: page 0 of a.txt.
| | CacheHit                      Page 0 of a.txt is in the page cache.
| | TableAlloc ×3                 3 page tables are made, down to the one for this address.
| | SetPte                        The entry of page 0 of a.txt is set: frame 1, r-.
| | Done: major                   The fault ends: major, for the page had to be brought in.
| TlbMiss                         The processor holds no entry for page 0 of a.txt: it walks the page table.
| TlbFill                         The processor keeps a copy of the entry of page 0 of a.txt.
| Done                            The access is complete and gives b'w'."""
    )


def test_every_event_of_the_span_is_on_a_rung(kernel: Kernel) -> None:
    counted: dict[str, int] = {}
    for line in repr(ladder(kernel)).splitlines()[2:]:
        for name, times in re.findall(r"\b([A-Z]\w+)(?: ×(\d+))?(?=,|  |:)", line.split("   ")[0] + "  "):
            if hasattr(ev, name):
                counted[name] = counted.get(name, 0) + int(times or 1)
    expected: dict[str, int] = {}
    for record in kernel.trace.last():
        expected[type(record.event).__name__] = expected.get(type(record.event).__name__, 0) + 1
    assert counted == expected


def test_the_picture_is_a_picture_of_the_course(kernel: Kernel) -> None:
    picture = ladder(kernel)
    check(picture)
    assert ladder(kernel).svg == picture.svg
    assert count(picture, "path", "shaft") == 1  # one burst of copies
    assert count(picture, "path", "zigzag") == 1  # one fault
    assert {"user", "kernel"} <= {label.words for label in labels(picture)}


def test_records_alone_will_do_and_a_kernel_gives_names(kernel: Kernel) -> None:
    assert "a.txt" in repr(ladder(kernel.trace))
    alone = ladder(kernel.trace.last())
    check(alone)
    assert "a.txt" not in repr(alone) and "PageFault" in repr(alone)


def test_a_span_is_chosen_by_its_place(kernel: Kernel) -> None:
    assert repr(ladder(kernel, span=-1)) == repr(ladder(kernel))
    assert "P1 calls mmap" in repr(ladder(kernel, span=-2)).splitlines()[0]
    with pytest.raises(IndexError, match="outermost spans"):
        ladder(kernel, span=99)


def test_like_accesses_are_folded_and_counted() -> None:
    kernel = Kernel()
    kernel.create_file("book.txt", bytes(64 * PAGE), warm=True)
    p = kernel.spawn()
    a = p.mmap(0, 64 * PAGE, PROT_READ, MAP_SHARED, p.open("book.txt"))
    for page in range(64):
        p.load(a + page * PAGE)
    picture = ladder(kernel, last=64)
    check(picture)
    first = repr(picture).splitlines()[0]
    assert first == f"64 accesses: {p.faults().minor} minor faults, 64 entries set."
    folded = sum(int(n) for n in re.findall(r"^: (\d+) more like it", repr(picture), re.M))
    full = len(re.findall(r"^Access ", repr(picture), re.M))
    assert folded + full == 64


def test_a_very_long_ladder_says_what_it_leaves_out() -> None:
    kernel = Kernel()
    kernel.create_file("f", bytes(64 * PAGE), warm=True)
    p = kernel.spawn()
    a = p.mmap(0, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, p.open("f"))
    for page in range(30):
        p.load(a + page * PAGE)
        p.store(a + page * PAGE, b"x")
    picture = ladder(kernel, last=60)
    check(picture)
    assert re.search(r"^: \d+ more rungs$", repr(picture), re.M)


def test_a_signal_and_a_copy_on_write_are_told() -> None:
    kernel = Kernel()
    kernel.create_file("f", bytes(PAGE), warm=True)
    p = kernel.spawn()
    a = p.mmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, p.open("f", O_RDWR))
    p.load(a)
    p.store(a, b"x")
    assert "page to private copy" in repr(ladder(kernel))
    with pytest.raises(FatalSignal):
        p.load(a + PAGE)
    picture = ladder(kernel)
    check(picture)
    assert "SIGBUS: the area is there, but the file has no page 1." in repr(picture)
    assert count(picture, "path", "zigzag") == 2  # the fault, and the signal


def test_nothing_to_draw_is_said() -> None:
    with pytest.raises(ValueError, match="empty"):
        ladder([])
    with pytest.raises(ValueError, match="last=0"):
        ladder(Kernel(), last=0)
