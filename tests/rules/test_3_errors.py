"""Rules 3: which errno a call gives, in the order of its checks, and what it has done before it fails."""

from __future__ import annotations

import errno
from collections.abc import Callable

from mmaplab.constants import (
    MADV_DONTNEED,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
    MADV_WIPEONFORK,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_PRIVATE,
    MAP_SHARED,
    MS_ASYNC,
    MS_INVALIDATE,
    MS_SYNC,
    O_RDONLY,
    O_RDWR,
    O_WRONLY,
    PROT_NONE,
    PROT_READ,
    TASK_SIZE,
)
from mmaplab.fuzz.writer import FileData
from mmaplab.interface import Process
from tests.rules.both import ANON, ARENA, FIXED, PAGE, RW, SHARED, Both, arena, entries, minor, resident

FILE = {"f0": FileData(4 * PAGE)}
TOP = 2**64 - PAGE


def answer(call: Callable[[], object]) -> str:
    """Return the name of the errno, or 'ok'."""
    try:
        call()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "ok"


def test_3_mmap_checks_in_this_order(both: Both) -> None:
    """Offset, descriptor, length, overflow, place, rights: the first that fails gives the errno."""

    def program(p: Process) -> None:
        fd, wo = p.open("f0"), p.open("f0", O_WRONLY)
        p.mmap(ARENA, PAGE, RW, FIXED)
        asked = {
            "offset": lambda: p.mmap(0, 0, 1, MAP_SHARED, 99, 1),
            "descriptor": lambda: p.mmap(0, 0, 1, MAP_SHARED, 99),
            "length 0": lambda: p.mmap(0, 0, 1, MAP_SHARED, fd),
            "length that wraps": lambda: p.mmap(0, 2**64 - 1, 1, MAP_SHARED, fd),
            "no room": lambda: p.mmap(0, TASK_SIZE, 1, ANON),
            "fixed, unaligned": lambda: p.mmap(ARENA + 1, PAGE, 1, FIXED),
            "noreplace": lambda: p.mmap(ARENA, PAGE, 1, ANON | MAP_FIXED_NOREPLACE),
            "shared, no write": lambda: p.mmap(0, PAGE, RW, MAP_SHARED, fd),
            "no type": lambda: p.mmap(0, PAGE, 1, 0, fd),
            "no read": lambda: p.mmap(0, PAGE, 1, MAP_PRIVATE, wo),
        }
        names = "EINVAL EBADF EINVAL ENOMEM ENOMEM EINVAL EEXIST EACCES EINVAL EACCES"
        assert [answer(call) for call in asked.values()] == names.split()

    both(program, FILE)


def test_3_munmap_wants_a_page_and_bytes(both: Both) -> None:
    """An unaligned address, a range beyond the space and length 0 are EINVAL; holes are fine."""

    def program(p: Process) -> None:
        p.mmap(ARENA, PAGE, RW, FIXED)
        calls = [(ARENA + 1, PAGE), (TASK_SIZE, PAGE), (ARENA, 0), (ARENA, 10 * PAGE), (ARENA, PAGE)]
        assert [answer(lambda a=a, n=n: p.munmap(a, n)) for a, n in calls] == ["EINVAL"] * 3 + ["ok"] * 2

    both(program)


def test_3_mprotect_changes_what_comes_before_a_hole(both: Both) -> None:
    """The first page unmapped: ENOMEM and nothing done; a later hole: ENOMEM after all before it was changed."""

    def program(p: Process) -> None:
        p.mmap(ARENA + PAGE, PAGE, RW, FIXED)
        p.mmap(ARENA + 3 * PAGE, PAGE, RW, FIXED)
        assert answer(lambda: p.mprotect(ARENA, 2 * PAGE, PROT_READ)) == "ENOMEM"
        assert arena(p) == [(1, 2, "rw-p"), (3, 4, "rw-p")]
        assert answer(lambda: p.mprotect(ARENA + PAGE, 3 * PAGE, PROT_READ)) == "ENOMEM"
        assert arena(p) == [(1, 2, "r--p"), (3, 4, "rw-p")]
        rest = [(ARENA + 1, PAGE, 1), (ARENA, 0, 1), (TOP, 2 * PAGE, 1), (ARENA + PAGE, PAGE, 64)]
        found = [answer(lambda a=a, n=n, prot=prot: p.mprotect(a, n, prot)) for a, n, prot in rest]
        assert found == ["EINVAL", "ok", "ENOMEM", "EINVAL"]

    both(program)


def test_3_mprotect_stops_at_a_ceiling(both: Both) -> None:
    """EACCES at the first area that may never have the right; the earlier ones are changed."""

    def program(p: Process) -> None:
        p.mmap(ARENA, PAGE, PROT_READ, FIXED)
        p.mmap(ARENA + PAGE, PAGE, PROT_READ, SHARED, p.open("f0", O_RDONLY))
        assert answer(lambda: p.mprotect(ARENA, 2 * PAGE, RW)) == "EACCES"
        assert arena(p) == [(0, 1, "rw-p"), (1, 2, "r--s")]

    both(program, FILE)


def test_3_madvise_goes_on_behind_a_hole(both: Both) -> None:
    """Unknown advice and an unaligned address are EINVAL, length 0 succeeds; holes give ENOMEM, all else is done."""

    def program(p: Process) -> None:
        for page in (0, 2):
            p.mmap(ARENA + page * PAGE, PAGE, RW, FIXED)
            p.store(ARENA + page * PAGE, b"x")
        calls = [(ARENA, PAGE, 77), (ARENA + 1, PAGE, MADV_DONTNEED), (ARENA, 0, MADV_DONTNEED)]
        assert [answer(lambda c=c: p.madvise(*c)) for c in calls] == ["EINVAL", "EINVAL", "ok"]
        assert answer(lambda: p.madvise(ARENA, 3 * PAGE, MADV_DONTNEED)) == "ENOMEM"
        assert p.load(ARENA) == p.load(ARENA + 2 * PAGE) == b"\0"

    both(program)


def test_3_madvise_refuses_what_it_cannot(both: Both) -> None:
    """DONTNEED on locked memory and WIPEONFORK on files or shared memory are EINVAL."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 2 * PAGE, RW, FIXED)
        p.mlock(ARENA + PAGE, PAGE)
        p.store(ARENA, b"x")
        assert answer(lambda: p.madvise(ARENA, 2 * PAGE, MADV_DONTNEED)) == "EINVAL"
        assert p.load(ARENA) == b"\0"  # what came before it was done
        a = p.mmap(ARENA + 4 * PAGE, PAGE, PROT_READ, SHARED, p.open("f0"))
        assert answer(lambda: p.madvise(a, PAGE, MADV_WIPEONFORK)) == "EINVAL"

    both(program, FILE)


def test_3_populate_says_why_it_stopped(both: Both) -> None:
    """ENOMEM at a hole, EINVAL without the right, EFAULT behind the file's end; earlier pages stay populated."""

    def program(p: Process) -> None:
        p.mmap(ARENA, PAGE, RW, FIXED)
        assert answer(lambda: p.madvise(ARENA, 2 * PAGE, MADV_POPULATE_WRITE)) == "ENOMEM"
        assert minor(p, ARENA, b"x") == 0
        p.mmap(ARENA + PAGE, PAGE, PROT_READ, FIXED)
        assert answer(lambda: p.madvise(ARENA, 2 * PAGE, MADV_POPULATE_WRITE)) == "EINVAL"
        a = p.mmap(ARENA + 8 * PAGE, 6 * PAGE, PROT_READ, SHARED, p.open("f0"))
        assert answer(lambda: p.madvise(a, 6 * PAGE, MADV_POPULATE_READ)) == "EFAULT"
        assert entries(p, a, 6)[:4] == "####"

    both(program, FILE)


def test_3_msync_checks_and_goes_on(both: Both) -> None:
    """Flags and address EINVAL, both kinds EINVAL, a wrap ENOMEM, length 0 fine; a hole ENOMEM after the rest."""

    def program(p: Process) -> None:
        fd = p.open("f0", O_RDWR)
        p.mmap(ARENA, PAGE, RW, SHARED, fd)
        calls = [(ARENA, PAGE, 64), (ARENA + 1, PAGE, MS_SYNC), (ARENA, PAGE, MS_ASYNC | MS_SYNC)]
        calls += [(TOP, 2 * PAGE, MS_SYNC), (ARENA, 0, MS_SYNC), (ARENA, 2 * PAGE, MS_SYNC)]
        found = [answer(lambda c=c: p.msync(*c)) for c in calls]
        assert found == ["EINVAL", "EINVAL", "EINVAL", "ENOMEM", "ok", "ENOMEM"]
        p.mlock(ARENA, PAGE)
        assert answer(lambda: p.msync(ARENA, PAGE, MS_INVALIDATE | MS_ASYNC)) == "EBUSY"

    both(program, FILE)


def test_3_mincore_wants_pages_that_are_mapped(both: Both) -> None:
    """An unaligned address is EINVAL, a hole ENOMEM."""

    def program(p: Process) -> None:
        p.mmap(ARENA, PAGE, RW, FIXED)
        assert answer(lambda: p.mincore(ARENA + 1, PAGE)) == "EINVAL"
        assert answer(lambda: p.mincore(ARENA, 2 * PAGE)) == "ENOMEM"
        assert resident(p, ARENA, 1) == "."

    both(program)


def test_3_mlock_widens_its_range(both: Both) -> None:
    """The range is widened to pages; a hole is ENOMEM with what comes before it locked; PROT_NONE is ENOMEM, too."""

    def program(p: Process) -> None:
        p.mmap(ARENA, PAGE, RW, FIXED)
        assert answer(lambda: p.mlock(ARENA + 5, 1)) == "ok"
        assert minor(p, ARENA, b"x") == 0  # it was brought in
        p.munlock(ARENA, PAGE)
        assert answer(lambda: p.mlock(ARENA, 2 * PAGE)) == "ENOMEM"
        assert answer(lambda: p.madvise(ARENA, PAGE, MADV_DONTNEED)) == "EINVAL"  # since it is locked
        p.mmap(ARENA + 4 * PAGE, PAGE, PROT_NONE, FIXED)
        assert answer(lambda: p.mlock(ARENA + 4 * PAGE, PAGE)) == "ENOMEM"
        assert answer(lambda: p.madvise(ARENA + 4 * PAGE, PAGE, MADV_DONTNEED)) == "EINVAL"

    both(program)


def test_3_ftruncate_needs_a_length_and_a_right(both: Both) -> None:
    """A negative length, and a descriptor that may not write, are EINVAL."""

    def program(p: Process) -> None:
        fd, ro = p.open("f0", O_RDWR), p.open("f0")
        assert answer(lambda: p.ftruncate(fd, -1)) == answer(lambda: p.ftruncate(ro, 0)) == "EINVAL"
        assert p.fstat(fd).st_size == 4 * PAGE

    both(program, FILE)


def test_3_read_and_write_need_the_mode(both: Both) -> None:
    """To read what was opened for writing, and to write what was opened for reading, is EBADF."""

    def program(p: Process) -> None:
        ro, wo = p.open("f0"), p.open("f0", O_WRONLY)
        calls = [
            lambda: p.read(wo, 1),
            lambda: p.write(ro, b"x"),
            lambda: p.pread(wo, 1, 0),
            lambda: p.pwrite(ro, b"x", 0),
        ]
        assert [answer(call) for call in calls] == ["EBADF"] * 4

    both(program, FILE)


def test_3_map_fixed_replaces_without_an_error(both: Both) -> None:
    """MAP_FIXED over something is no error at all."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 3 * PAGE, RW, FIXED)
        p.store(ARENA + PAGE, b"x")
        assert answer(lambda: p.mmap(ARENA + PAGE, PAGE, RW, ANON | MAP_FIXED)) == "ok"
        assert p.load(ARENA + PAGE) == b"\0"

    both(program)
