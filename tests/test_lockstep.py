"""Two kernels in lockstep: what is compared, and what is not."""

from __future__ import annotations

from mmaplab.calls import Call, Outcome
from mmaplab.constants import MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE
from mmaplab.freedoms import FREEDOMS, comparable
from mmaplab.interface import FaultCounts, MapsEntry, Process, Stat
from mmaplab.lockstep import FaultAddress, Lockstep, Side
from mmaplab.sim import Kernel

MAP = Call("p", "mmap", (0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ("a",))


def two_kernels() -> Lockstep:
    one, other = Kernel(), Kernel()
    return Lockstep(Side(one, one.spawn()), Side(other, other.spawn()))


def test_inode_numbers_and_directories_are_free_but_not_which_file_it_is() -> None:
    assert comparable(MapsEntry(0, 4096, "r--s", 0, "/tmp/x/data"), {}) == comparable(
        MapsEntry(0, 4096, "r--s", 0, "data"), {}
    )
    heap, zero = MapsEntry(0, 1, "rw-p", 0, "[heap]"), MapsEntry(0, 1, "rw-s", 0, "/dev/zero (deleted)")
    assert comparable(heap, {}) != comparable(MapsEntry(0, 1, "rw-p", 0, ""), {})
    assert comparable(zero, {}) != comparable(MapsEntry(0, 1, "rw-s", 0, "zero (deleted)"), {})
    assert all(freedom.reason for freedom in FREEDOMS)


def test_totals_of_faults_are_free_after_a_major_one() -> None:
    lockstep = two_kernels()
    fewer, more = Outcome(FaultCounts(3, 1)), Outcome(FaultCounts(4, 1))
    assert not lockstep.same_outcome(fewer, more)
    lockstep.racy.append((0, 4096))
    assert lockstep.same_outcome(fewer, more)
    assert not lockstep.same_outcome(more, fewer)
    lockstep.parted.append((0, 4096))
    assert lockstep.same_outcome(more, fewer)
    assert not lockstep.same_outcome(fewer, Outcome(FaultCounts(3, 2)))


def test_which_descriptors_share_an_inode_is_compared() -> None:
    ours: dict[int, int] = {}
    theirs: dict[int, int] = {}
    assert comparable(Stat(1, 12), ours) == comparable(Stat(1, 99), theirs)
    assert comparable(Stat(1, 13), ours) != comparable(Stat(1, 99), theirs)


def test_a_difference_in_data_shows_the_first_byte() -> None:
    lockstep = two_kernels()
    lockstep.make(MAP)
    process = lockstep.real.names["p"] if lockstep.real else None
    process.store(lockstep.sim.names["a"] + 4000, b"live")  # type: ignore[union-attr, operator]
    lockstep.make(Call("p", "load", (lockstep.sim.names["a"], 8192)))  # type: ignore[arg-type]
    difference = lockstep.difference
    assert difference is not None
    assert difference.happened == "b'live\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00' at byte 0xfa0 of 0x2000"


def test_faults_are_compared_by_address_where_both_sides_tell() -> None:
    one, other = Kernel(), Kernel()

    def at(addr: int) -> list[FaultAddress]:
        return [(addr, "minor")]

    def here(process: Process) -> list[FaultAddress]:
        return at(0x1000)

    def there(process: Process) -> list[FaultAddress]:
        return at(0x2000)

    lockstep = Lockstep(Side(one, one.spawn(), here), Side(other, other.spawn(), there))
    lockstep.make(Call("p", "brk", (0,)))
    assert lockstep.difference is not None
    assert lockstep.difference.what == "fault addresses"
    assert lockstep.difference.happened == "minor at 0x2000"


def test_near_a_major_fault_minor_faults_are_free() -> None:
    """The live kernel may have one more, and has then mapped neighbours, so that it has one fewer there later."""
    lockstep = two_kernels()
    load, elsewhere = Call("p", "load", (0x20_FFFF, 1)), Call("p", "load", (0x22_0000, 1))
    none, minor, major = FaultCounts(0, 0), FaultCounts(1, 0), FaultCounts(0, 1)
    assert not lockstep.same_faults(load, none, minor)
    lockstep.racy.append((0x1F_0000, 0x21_0000))
    assert not lockstep.same_faults(load, minor, none), "one fewer is a difference, as long as both went the same way"
    assert lockstep.same_faults(load, none, minor)
    assert lockstep.same_faults(load, minor, none)
    assert not lockstep.same_faults(load, none, major)
    assert not lockstep.same_faults(elsewhere, none, minor)
    assert not lockstep.same_faults(elsewhere, minor, none)


def test_names_of_fixed_numbers_are_known_to_both() -> None:
    lockstep = two_kernels()
    lockstep.learn({"arena": 0x1000_0000})
    assert lockstep.sim.names["arena"] == 0x1000_0000
    assert lockstep.real is not None and lockstep.real.names["arena"] == 0x1000_0000


def test_a_process_that_has_ended_is_not_among_the_living() -> None:
    lockstep = two_kernels()
    lockstep.make(Call("p", "fork", (), ("child",)))
    assert list(lockstep.sim.living()) == ["p", "child"]
    lockstep.make(Call("child", "exit", (0,)))
    assert list(lockstep.sim.living()) == ["p"]
    assert lockstep.sim.maps_of("child") == ()
    assert lockstep.difference is None
