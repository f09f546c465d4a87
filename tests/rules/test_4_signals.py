"""Rules 4: which signal answers an access, with which code and address, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable

from mmaplab.constants import (
    MAP_ANONYMOUS,
    O_RDWR,
    PROT_EXEC,
    PROT_NONE,
    PROT_READ,
    PROT_WRITE,
)
from mmaplab.fuzz.writer import FileData
from mmaplab.interface import FatalSignal, Process
from tests.rules.both import ARENA, FIXED, PAGE, RW, SHARED, Both, entries, minor

SIGBUS, SIGSEGV = 7, 11
MAPERR, ACCERR, ADRERR, PKUERR, KERNEL = 1, 2, 2, 4, 128
FILE = {"f0": FileData(2 * PAGE + 100)}


def signal(call: Callable[[], object]) -> tuple[int, int, int] | None:
    """Return (signal, code, address), or None where the access succeeds."""
    try:
        call()
    except FatalSignal as told:
        return (told.signo, told.si_code, told.si_addr)
    return None


def test_4_no_area_is_maperr(both: Both) -> None:
    """An address in no area: SIGSEGV, SEGV_MAPERR, at the exact byte."""

    def program(p: Process) -> None:
        p.mmap(ARENA, PAGE, RW, FIXED)
        assert signal(lambda: p.load(ARENA + PAGE + 5)) == (SIGSEGV, MAPERR, ARENA + PAGE + 5)
        assert signal(lambda: p.store(ARENA - 1, b"x")) == (SIGSEGV, MAPERR, ARENA - 1)

    both(program)


def test_4_no_permission_is_accerr(both: Both) -> None:
    """An area that forbids the access: SIGSEGV, SEGV_ACCERR."""

    def program(p: Process) -> None:
        p.mmap(ARENA, PAGE, PROT_READ, FIXED)
        p.mmap(ARENA + PAGE, PAGE, PROT_NONE, FIXED)
        assert signal(lambda: p.store(ARENA + 9, b"x")) == (SIGSEGV, ACCERR, ARENA + 9)
        assert signal(lambda: p.load(ARENA + PAGE)) == (SIGSEGV, ACCERR, ARENA + PAGE)

    both(program)


def test_4_a_store_to_memory_for_execution_only(both: Both) -> None:
    """SEGV_ACCERR; on a processor with protection keys SEGV_PKUERR, as for a load. A PROT_NONE area has no key."""

    def program(p: Process) -> None:
        p.mmap(ARENA, PAGE, PROT_EXEC, FIXED)
        told = signal(lambda: p.store(ARENA + 9, b"x"))
        assert told in [(SIGSEGV, code, ARENA + 9) for code in (ACCERR, PKUERR)]
        p.mprotect(ARENA, PAGE, PROT_NONE)
        assert signal(lambda: p.store(ARENA + 9, b"x")) == (SIGSEGV, ACCERR, ARENA + 9)

    both(program)


def test_4_an_address_that_does_not_exist(both: Both) -> None:
    """A non-canonical address: SIGSEGV, SI_KERNEL, and no address."""

    def program(p: Process) -> None:
        assert signal(lambda: p.load(1 << 47)) == (SIGSEGV, KERNEL, 0)

    both(program)


def test_4_behind_the_end_is_sigbus(both: Both) -> None:
    """A page wholly behind the end of a file, or of shared memory: SIGBUS, BUS_ADRERR; in the last page: nothing."""

    def program(p: Process) -> None:
        a = p.mmap(ARENA, 4 * PAGE, RW, SHARED, p.open("f0", O_RDWR))
        assert signal(lambda: p.load(a + 2 * PAGE + 200)) is None
        assert signal(lambda: p.load(a + 3 * PAGE + 1)) == (SIGBUS, ADRERR, a + 3 * PAGE + 1)
        p.mmap(ARENA + 8 * PAGE, PAGE, RW, SHARED | MAP_ANONYMOUS)
        more = p.mremap(ARENA + 8 * PAGE, PAGE, 2 * PAGE, 0)
        assert signal(lambda: p.load(more + PAGE)) == (SIGBUS, ADRERR, more + PAGE)

    both(program, FILE)


def test_4_permission_is_asked_before_the_end(both: Both) -> None:
    """A store to a read-only mapping behind the file's end is SIGSEGV, not SIGBUS."""

    def program(p: Process) -> None:
        a = p.mmap(ARENA, 4 * PAGE, PROT_READ, SHARED, p.open("f0"))
        assert signal(lambda: p.store(a + 3 * PAGE, b"x")) == (SIGSEGV, ACCERR, a + 3 * PAGE)

    both(program, FILE)


def test_4_write_only_is_readable(both: Both) -> None:
    """The processor has no right to write without one to read."""

    def program(p: Process) -> None:
        p.mmap(ARENA, PAGE, PROT_WRITE, FIXED)
        assert signal(lambda: p.load(ARENA)) is None

    both(program)


def test_4_a_forbidden_fetch_first_brings_the_page_in(both: Both) -> None:
    """A fetch from absent memory without PROT_EXEC faults it in, then is SIGSEGV; from present memory: no fault."""

    def program(p: Process) -> None:
        p.mmap(ARENA, 2 * PAGE, RW, FIXED)
        before = p.faults().minor
        assert signal(lambda: p.execute(ARENA)) == (SIGSEGV, ACCERR, ARENA)
        assert p.faults().minor - before == 1 and entries(p, ARENA, 2) == "#."
        assert signal(lambda: p.execute(ARENA)) == (SIGSEGV, ACCERR, ARENA)
        assert p.faults().minor - before == 1
        p.mmap(ARENA + 4 * PAGE, PAGE, PROT_NONE, FIXED)
        signal(lambda: p.execute(ARENA + 4 * PAGE))
        assert p.faults().minor - before == 1

    both(program)


def test_4_a_fault_that_ends_in_a_signal_counts_as_none(both: Both) -> None:
    """Neither minor nor major; but what fault-around had mapped before it, stays."""

    def program(p: Process) -> None:
        a = p.mmap(ARENA, 4 * PAGE, PROT_READ, SHARED, p.open("f0"))
        p.load(a + PAGE)  # the page table exists now
        p.mprotect(a, 4 * PAGE, PROT_READ | PROT_EXEC)
        before = p.faults()
        assert signal(lambda: p.load(a + 3 * PAGE)) == (SIGBUS, ADRERR, a + 3 * PAGE)
        assert p.faults() == before and entries(p, a, 4) == "###."

    both(program, FILE)


def test_4_bytes_before_the_bad_page_are_transferred(both: Both) -> None:
    """A store that runs into a bad page has stored what came before it."""

    def program(p: Process) -> None:
        p.mmap(ARENA, PAGE, RW, FIXED)
        told = signal(lambda: p.store(ARENA + PAGE - 3, b"abcdef"))
        assert told == (SIGSEGV, MAPERR, ARENA + PAGE)
        assert p.load(ARENA + PAGE - 3, 3) == b"abc"
        assert minor(p, ARENA) == 0

    both(program)
