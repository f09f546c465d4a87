"""The write-back time line: its moments, its arrows, and what it says of a power failure, against the kernel's own."""

from __future__ import annotations

import random

import pytest

from mmaplab.constants import MAP_SHARED, MS_SYNC, O_CREAT, O_RDWR, PAGE_SIZE, PROT_READ, PROT_WRITE
from mmaplab.sim import Kernel
from mmaplab.sim.process import Process
from mmaplab.views.scene import records_of
from mmaplab.views.timeline import MOST_MOMENTS, timeline
from mmaplab.views.writeback import history
from tests.views.drawing import check
from tests.views.pictures import config, count, labels, thick_arrows


def stored(pages: int = 4) -> tuple[Kernel, Process, int, int]:
    """A kernel with a file, and a process that maps it shared; the file's bytes are zeros."""
    kernel = Kernel(config())
    kernel.create_file("log.bin", bytes(PAGE_SIZE * pages))
    p = kernel.spawn()
    fd = p.open("log.bin", O_RDWR)
    return kernel, p, p.mmap(0, pages * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd), fd


def story() -> Kernel:
    """Two stores, msync of one page, one store more, the flusher, a last store."""
    kernel, p, a, _ = stored()
    p.store(a, b"x")
    p.store(a + PAGE_SIZE, b"x")
    kernel.tick(10)
    p.msync(a, PAGE_SIZE, MS_SYNC)
    p.store(a, b"y")
    kernel.tick(40)
    p.store(a + 2 * PAGE_SIZE, b"z")
    return kernel


GOLDEN = """
write-back of log.bin
                   store     store     msync     store   flusher     store   power failure
since boot           0 s       0 s      10 s      10 s      30 s      50 s   at 50 s
page 0               v1*       v1*        v1       v2*        v2        v2
written back                          |msync            |flusher
disk                  v0        v0        v1        v1        v2        v2   v2 is left, all kept
page 1                v0       v1*       v1*       v1*        v1        v1
written back                                            |flusher
disk                  v0        v0        v0        v0        v1        v1   v1 is left, all kept
page 2                v0        v0        v0        v0        v0       v1*
written back
disk                  v0        v0        v0        v0        v0        v0   v0 is left, v1 is lost
* dirty; vN: the page after N stores."""


def test_the_text_form_tells_the_story_in_order() -> None:
    picture = timeline(story())
    assert repr(picture) == GOLDEN.lstrip("\n")
    assert picture.description == (
        "4 stores to log.bin, 3 pages written back; a power failure at 50 s takes the latest stores to 1 page."
    )


def test_the_picture_has_one_arrow_per_write_back_and_one_halo_per_store() -> None:
    picture = timeline(story())
    check(picture)
    assert thick_arrows(picture) == 3
    assert count(picture, "rect", "now") == 4
    assert count(picture, "path", "hatch") == 7  # dirty pages, in all moments
    assert {"power failure", "msync", "flusher"} <= {label.words for label in labels(picture)}


def test_an_earlier_power_failure_takes_more() -> None:
    picture = timeline(story(), power=20)
    check(picture)
    assert "at 20 s" in repr(picture)
    assert "flusher" not in repr(picture)
    assert repr(picture).count("is lost") == 2  # the second store of page 0, and page 1


def test_a_file_that_the_journal_does_not_know_yet_is_gone() -> None:
    kernel = Kernel(config())
    p = kernel.spawn()
    fd = p.open("new.txt", O_RDWR | O_CREAT)
    p.write(fd, b"hello")
    assert "no such file, all is lost" in repr(timeline(kernel))
    assert kernel.power_failure().files.names == {}
    p.fsync(fd)
    picture = timeline(kernel, "new.txt")
    check(picture)
    assert "v1 is left, all kept" in repr(picture)
    assert "|fsync" in repr(picture)


def test_a_long_story_shows_its_end_and_says_so() -> None:
    kernel, p, a, _ = stored(8)
    for i in range(8):
        p.store(a + i * PAGE_SIZE, b"x")
    p.msync(a, 8 * PAGE_SIZE, MS_SYNC)
    picture = timeline(kernel)
    check(picture)
    assert "2 moments before these are left out." in repr(picture)
    assert "3 pages more were stored to, and are left out." in repr(picture)
    assert len(history(records_of(kernel)).moments) == MOST_MOMENTS + 2


def test_without_a_store_there_is_nothing_to_draw() -> None:
    kernel, p, a, _ = stored()
    p.load(a)
    with pytest.raises(ValueError, match="no page of a file was stored to"):
        timeline(kernel)
    with pytest.raises(FileNotFoundError, match=r"log\.bin"):
        timeline(kernel, "other.bin")


@pytest.mark.parametrize("seed", range(12))
def test_what_the_picture_says_is_left_is_left(seed: int) -> None:
    """Each store writes its number; after a power failure the kernel's disk holds the number the picture says."""
    rng = random.Random(seed)
    kernel, p, a, fd = stored()
    stores = [0] * 4
    for _ in range(30):
        page = rng.randrange(4)
        match rng.choice(["store", "store", "write", "msync", "fsync", "tick", "drop"]):
            case "store":
                stores[page] += 1
                p.store(a + page * PAGE_SIZE, bytes([stores[page]]))
            case "write":
                stores[page] += 1
                p.pwrite(fd, bytes([stores[page]]), page * PAGE_SIZE)
            case "msync":
                p.msync(a + page * PAGE_SIZE, PAGE_SIZE, MS_SYNC)
            case "fsync":
                p.fsync(fd)
            case "tick":
                kernel.tick(rng.choice([1, 7, 20]))
            case "drop":
                kernel.drop_caches("log.bin")
    if not any(stores):
        pytest.skip("this seed stores nothing")
    told = history(records_of(kernel))
    disk = kernel.power_failure().disk_bytes("log.bin")
    for index in told.changed():
        assert told.after_failure(index) == disk[index * PAGE_SIZE], f"page {index}"
        assert told.last()[index].memory in (None, stores[index])
