"""The strip: one letter per page, and each letter is what the kernel's own structures say."""

from __future__ import annotations

import random

import pytest

from mmaplab.constants import MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, O_RDWR, PROT_READ, PROT_WRITE
from mmaplab.pte import pte_dirty, pte_present
from mmaplab.sim import Kernel, KernelConfig
from mmaplab.sim.process import Process
from mmaplab.views.strip import ruler, strip

PAGE = 4096
BASE = 0x7FFF_0000_0000


def mapped(npages: int, prot: int = PROT_READ, warm: bool = False) -> tuple[Kernel, Process]:
    """Return a kernel and a process that maps a file of `npages` pages, shared, at BASE."""
    kernel = Kernel(KernelConfig(large_folios=False))
    kernel.create_file("book.txt", b"word" * 1024 * npages, warm=warm)
    p = kernel.spawn()
    p.mmap(BASE, npages * PAGE, prot, MAP_SHARED | MAP_FIXED, p.open("book.txt", O_RDWR))
    return kernel, p


def test_a_cold_file_before_and_after_a_touch() -> None:
    kernel, p = mapped(40, PROT_READ | PROT_WRITE)
    assert (
        str(strip(kernel))
        == """\
P1                    0         10        20        30
area    7fff00000000  AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA     A rw-s book.txt, pages 0 to 39
cached                ........................................     none cached
present               ........................................     no entry"""
    )
    p.store(BASE + 5 * PAGE, b"x")
    lines = str(strip(kernel)).splitlines()
    assert lines[2].split()[1] == "FFFFFDFFFFFFFFFFFFFFFFFFFFFFFFFF........"
    assert lines[3].split()[1] == ".....W.................................."
    assert lines[3].endswith("W stored to: 1")


def test_areas_that_touch_share_a_block_and_letters_tell_them_apart() -> None:
    kernel, p = mapped(6, PROT_READ | PROT_WRITE, warm=True)
    p.mmap(BASE + 2 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)
    p.mmap(BASE + 40 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)
    assert (
        str(strip(kernel))
        == """\
P1                    0
area    7fff00000000  AABCCC
cached                FF FFF
present               ......
                      A rw-s book.txt, pages 0 to 1
                      B r--p anonymous
                      C rw-s book.txt, pages 3 to 5
                      cached: F in the page cache: 5
                      present: no entry

                      0
area    7fff00028000  D     D r--p anonymous
present               .     no entry"""
    )


def test_long_areas_are_folded_and_what_repeats_is_torn_out() -> None:
    kernel, p = mapped(1000, warm=True)
    p.load(BASE + 500 * PAGE)
    lines = str(strip(kernel)).splitlines()
    assert max(map(len, lines)) <= 104
    torn = [line for line in lines if "~" in line]
    rows = [line for line in lines if line.startswith("area")]
    shown = sum(len(row.split()[2]) for row in rows)
    left_out = sum(int(line.split()[1].replace(",", "")) for line in torn)
    assert shown + left_out == 1000
    assert "x an entry: 16" in lines[-1]


def test_two_processes_have_two_strips() -> None:
    kernel, p = mapped(8, warm=True)
    p.load(BASE)
    q = kernel.spawn()
    q.mmap(BASE, 8 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, q.open("book.txt"))
    assert "xxxxxxxx" in strip(kernel, pid=p.pid) and "xxxxxxxx" not in strip(kernel, pid=q.pid)
    assert strip(p) == strip(kernel, pid=p.pid) and strip(kernel) == strip(q)
    with pytest.raises(ValueError, match="it knows 1, 2"):
        strip(kernel, pid=9)


def test_the_same_state_gives_the_same_text_and_shows_without_quotes() -> None:
    kernel, _ = mapped(8)
    assert strip(kernel) == strip(kernel.trace) == strip(kernel.trace.records)
    assert repr(strip(kernel)) == str(strip(kernel))
    assert str(strip(Kernel().spawn())) == "P1: no area"


def test_the_ruler_numbers_every_tenth_page() -> None:
    assert ruler(0, 25) == "0         10        20"
    assert ruler(64, 30).index("70") == 6
    assert ruler(0, 11) == "0"  # no room for 10: a number cut in two would be a wrong one


@pytest.mark.parametrize("seed", range(4))
def test_the_rows_are_what_the_kernels_structures_hold(seed: int) -> None:
    rng = random.Random(seed)
    kernel, p = mapped(50, PROT_READ | PROT_WRITE)
    for _ in range(12):
        page = rng.randrange(50)
        if rng.random() < 0.5:
            p.load(BASE + page * PAGE)
        else:
            p.store(BASE + page * PAGE, b"x")
        if rng.random() < 0.2:
            p.msync(BASE, 50 * PAGE, 4)
    entries = dict(p.mm.pgd.entries(BASE, BASE + 50 * PAGE))
    rows = {line.split()[0]: line[22:72] for line in str(strip(kernel)).splitlines() if line[:1] not in ("", " ", "P")}
    present = [pte_present(entries.get(BASE + i * PAGE, 0)) for i in range(50)]
    assert [letter != "." for letter in rows["present"]] == present
    dirty = [pte_dirty(entries.get(BASE + i * PAGE, 0)) for i in range(50)]
    assert [letter == "W" for letter in rows["present"]] == dirty
    assert [letter != "." for letter in rows["cached"]] == list(p.mincore(BASE, 50 * PAGE))
