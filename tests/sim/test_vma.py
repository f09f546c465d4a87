"""Areas: kernel-rules 1 and 2. Each test is headed by a strip: one letter per page, one letter per area."""

from __future__ import annotations

import errno

import pytest

from mmaplab.constants import (
    MADV_DONTFORK,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_NORESERVE,
    MAP_PRIVATE,
    MAP_SHARED,
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    O_RDONLY,
    O_RDWR,
    O_WRONLY,
    PROT_NONE,
    PROT_READ,
    PROT_WRITE,
)
from mmaplab.sim import Kernel, KernelConfig
from mmaplab.sim.process import Process
from tests.sim.conftest import BASE, PAGE

RW = PROT_READ | PROT_WRITE
ANON = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED


def strip(p: Process, pages: int = 16) -> str:
    """Return the areas above BASE as a strip."""
    row = ["."] * pages
    for letter, entry in zip("ABCDEFGH", p.maps(), strict=False):
        for i in range((entry.start - BASE) // PAGE, (entry.end - BASE) // PAGE):
            if 0 <= i < pages:
                row[i] = letter
    return "".join(row).rstrip(".")


def anon(p: Process, first: int, pages: int, prot: int = RW) -> int:
    return p.mmap(BASE + first * PAGE, pages * PAGE, prot, ANON)


@pytest.fixture
def p(kernel: Kernel) -> Process:
    return kernel.spawn()


def test_neighbours_that_continue_merge(p: Process) -> None:
    anon(p, 0, 3)
    anon(p, 3, 3)
    assert strip(p) == "AAAAAA"


def test_a_new_range_joins_both_neighbours(p: Process) -> None:
    anon(p, 0, 2)
    anon(p, 4, 2)
    assert strip(p) == "AA..BB"
    anon(p, 2, 2)
    assert strip(p) == "AAAAAA"


def test_different_rights_do_not_merge(p: Process) -> None:
    anon(p, 0, 2)
    anon(p, 2, 2, PROT_READ)
    assert strip(p) == "AABB"


def test_munmap_in_the_middle_splits(p: Process) -> None:
    anon(p, 0, 6)
    p.munmap(BASE + 2 * PAGE, 2 * PAGE)
    assert strip(p) == "AA..BB"


def test_mprotect_in_the_middle_splits_and_back_merges(p: Process) -> None:
    anon(p, 0, 6)
    p.mprotect(BASE + 2 * PAGE, 2 * PAGE, PROT_READ)
    assert strip(p) == "AABBCC"
    p.mprotect(BASE + 2 * PAGE, 2 * PAGE, RW)
    assert strip(p) == "AAAAAA"


def test_halves_written_after_the_split_share_an_identity_and_merge_again(p: Process) -> None:
    # rule 1.4: the second half takes over its neighbour's anon_vma
    anon(p, 0, 4)
    p.mprotect(BASE, 2 * PAGE, PROT_READ)
    p.store(BASE + 2 * PAGE, b"x")
    p.mprotect(BASE, 2 * PAGE, RW)
    assert strip(p) == "AAAA"


def test_two_that_were_written_apart_never_merge(p: Process) -> None:
    anon(p, 0, 2)
    anon(p, 3, 2)
    p.store(BASE, b"x")
    p.store(BASE + 3 * PAGE, b"x")
    anon(p, 2, 1)
    assert strip(p) == "AAABB"  # the left one is preferred


def test_the_child_never_merges_halves_that_the_parent_merges(p: Process) -> None:
    # rule 1.5: fork gives each area of the child an identity of its own
    anon(p, 0, 4)
    p.store(BASE, b"x")
    p.mprotect(BASE, 2 * PAGE, PROT_READ)
    p.store(BASE + 2 * PAGE, b"x")
    child = p.fork()
    for each in (p, child):
        each.mprotect(BASE, 2 * PAGE, RW)
    assert (strip(p), strip(child)) == ("AAAA", "AABB")


def test_dontfork_is_left_out_of_the_child(p: Process) -> None:
    anon(p, 0, 4)
    p.madvise(BASE + PAGE, PAGE, MADV_DONTFORK)
    assert (strip(p), strip(p.fork())) == ("ABCC", "A.BB")


def test_two_opens_do_not_merge_and_a_dup_does(kernel: Kernel, p: Process) -> None:
    kernel.create_file("f", bytes(8 * PAGE))
    one, two = p.open("f"), p.open("f")
    p.mmap(BASE, 2 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, one)
    p.mmap(BASE + 2 * PAGE, 2 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, two, 2 * PAGE)
    assert strip(p) == "AABB"
    p.mmap(BASE + 4 * PAGE, 2 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, p.dup(two), 4 * PAGE)
    assert strip(p) == "AABBBB"


def test_file_offsets_must_continue(kernel: Kernel, p: Process) -> None:
    kernel.create_file("f", bytes(8 * PAGE))
    fd = p.open("f")
    p.mmap(BASE, 2 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd)
    p.mmap(BASE + 2 * PAGE, 2 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 3 * PAGE)
    assert strip(p) == "AABB"


def test_noreserve_does_not_merge_with_accounted_memory(p: Process) -> None:
    anon(p, 0, 2)
    p.mmap(BASE + 2 * PAGE, 2 * PAGE, RW, ANON | MAP_NORESERVE)
    assert strip(p) == "AABB"


def test_written_memory_made_read_only_stays_accounted(p: Process) -> None:
    # rule 1.6: unwritten RW made R merges with R; written does not
    anon(p, 0, 2, PROT_READ)
    anon(p, 2, 2)
    p.mprotect(BASE + 2 * PAGE, 2 * PAGE, PROT_READ)
    assert strip(p) == "AAAA"
    anon(p, 4, 2)
    p.store(BASE + 4 * PAGE, b"x")
    p.mprotect(BASE + 4 * PAGE, 2 * PAGE, PROT_READ)
    assert strip(p) == "AAAABB"


def test_read_only_descriptor_looks_shared_and_never_becomes_writable(kernel: Kernel, p: Process) -> None:
    kernel.create_file("f", bytes(PAGE))
    a = p.mmap(0, PAGE, PROT_READ, MAP_SHARED, p.open("f", O_RDONLY))
    assert p.maps()[0].perms == "r--s"
    with pytest.raises(OSError) as caught:
        p.mprotect(a, PAGE, RW)
    assert caught.value.errno == errno.EACCES


@pytest.mark.parametrize(
    ("mode", "flags", "prot", "code"),
    [
        (O_RDONLY, MAP_SHARED, RW, errno.EACCES),
        (O_RDONLY, MAP_PRIVATE, RW, 0),
        (O_WRONLY, MAP_SHARED, PROT_WRITE, errno.EACCES),
        (O_WRONLY, MAP_PRIVATE, PROT_READ, errno.EACCES),
        (O_RDWR, 0, PROT_READ, errno.EINVAL),
        (O_RDWR, MAP_SHARED, PROT_NONE, 0),
    ],
)
def test_open_mode_against_protection(kernel: Kernel, p: Process, mode: int, flags: int, prot: int, code: int) -> None:
    kernel.create_file("f", bytes(PAGE))
    fd = p.open("f", mode)
    if not code:
        assert p.mmap(0, PAGE, prot, flags, fd)
        return
    with pytest.raises(OSError) as caught:
        p.mmap(0, PAGE, prot, flags, fd)
    assert caught.value.errno == code
    assert p.maps() == []


@pytest.mark.parametrize(
    ("addr", "length", "flags", "offset", "code"),
    [
        (0, 0, ANON & ~MAP_FIXED, 0, errno.EINVAL),
        (0, 2**64 - 1, ANON & ~MAP_FIXED, 0, errno.ENOMEM),
        (0, 2**47, ANON & ~MAP_FIXED, 0, errno.ENOMEM),
        (BASE + 1, PAGE, ANON, 0, errno.EINVAL),
        (2**47, PAGE, ANON, 0, errno.ENOMEM),
        (0, PAGE, MAP_ANONYMOUS, 0, errno.EINVAL),
        (0, PAGE, MAP_PRIVATE | MAP_ANONYMOUS, 100, errno.EINVAL),
        (0, PAGE, MAP_PRIVATE, 0, errno.EBADF),
    ],
)
def test_mmap_refuses(p: Process, addr: int, length: int, flags: int, offset: int, code: int) -> None:
    with pytest.raises(OSError) as caught:
        p.mmap(addr, length, RW, flags, 99, offset)
    assert caught.value.errno == code


def test_a_pipe_cannot_be_mapped(p: Process) -> None:
    with pytest.raises(OSError) as caught:
        p.mmap(0, PAGE, PROT_READ, MAP_PRIVATE, p.pipe()[0])
    assert caught.value.errno == errno.ENODEV


def test_placement_is_top_down_and_hints_are_rounded(p: Process) -> None:
    first = p.mmap(0, 3 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS)
    second = p.mmap(0, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS)
    assert first == KernelConfig().mmap_base - 3 * PAGE
    assert second == first - PAGE
    assert p.mmap(BASE + 5, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS) == BASE
    assert p.mmap(BASE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS) == second - PAGE  # taken: ignored


def test_noreplace_refuses_what_fixed_destroys(p: Process) -> None:
    anon(p, 0, 1)
    p.store(BASE, b"x")
    with pytest.raises(OSError) as caught:
        p.mmap(BASE, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE)
    assert caught.value.errno == errno.EEXIST
    anon(p, 0, 1)
    assert p.load(BASE) == b"\0"


def test_two_megabytes_are_aligned_and_a_page_more_is_not(p: Process) -> None:
    assert p.mmap(0, 2 << 20, RW, MAP_PRIVATE | MAP_ANONYMOUS) % (2 << 20) == 0
    assert p.mmap(0, (2 << 20) + PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS) % (2 << 20) != 0


# ---------------------------------------------------------------- mremap


def test_mremap_grows_in_place(p: Process) -> None:
    anon(p, 0, 2)
    assert p.mremap(BASE, 2 * PAGE, 5 * PAGE) == BASE
    assert strip(p) == "AAAAA"


def test_mremap_without_room_needs_maymove(p: Process) -> None:
    anon(p, 0, 2)
    anon(p, 2, 1, PROT_READ)
    with pytest.raises(OSError) as caught:
        p.mremap(BASE, 2 * PAGE, 3 * PAGE)
    assert caught.value.errno == errno.ENOMEM
    p.store(BASE, b"travels")
    moved = p.mremap(BASE, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE)
    before = p.faults()
    assert p.load(moved, 7) == b"travels"
    assert p.faults() == before  # the entries travel along


def test_mremap_shrinks(p: Process) -> None:
    anon(p, 0, 5)
    assert p.mremap(BASE, 5 * PAGE, 2 * PAGE) == BASE
    assert strip(p) == "AA"


def test_mremap_fixed_moves_several_areas_and_keeps_the_gap(p: Process) -> None:
    anon(p, 0, 1)
    anon(p, 2, 1, PROT_READ)
    p.mremap(BASE, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, BASE + 8 * PAGE)
    assert strip(p) == "........A.B"


def test_mremap_dontunmap_leaves_the_area_without_pages(p: Process) -> None:
    anon(p, 0, 1)
    p.store(BASE, b"x")
    moved = p.mremap(BASE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP)
    assert (p.load(moved), p.load(BASE)) == (b"x", b"\0")


def test_mremap_of_length_zero_doubles_shared_memory_only(p: Process) -> None:
    a = p.mmap(BASE, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED)
    b = p.mremap(a, 0, PAGE, MREMAP_MAYMOVE)
    p.store(a, b"x")
    assert p.load(b) == b"x"
    anon(p, 4, 1)
    with pytest.raises(OSError) as caught:
        p.mremap(BASE + 4 * PAGE, 0, PAGE, MREMAP_MAYMOVE)
    assert caught.value.errno == errno.EINVAL


# ---------------------------------------------------------------- brk


def test_brk_grows_shrinks_and_refuses_below_its_start(p: Process) -> None:
    start = p.brk(0)
    assert p.brk(start + 100) == start + 100
    assert [(e.path, e.end - e.start) for e in p.maps()] == [("[heap]", PAGE)]
    assert p.brk(start - 1) == start + 100
    assert p.brk(start) == start
    assert p.maps() == []
