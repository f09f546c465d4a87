"""The random programs themselves: the same for the same seed, and rich in every call."""

from __future__ import annotations

from collections import Counter

import pytest

from mmaplab.calls import PARAMETERS, Name, Outcome
from mmaplab.constants import TASK_SIZE
from mmaplab.fuzz.compare import may_be_made
from mmaplab.fuzz.coverage import ending, table
from mmaplab.fuzz.generate import WRITERS, generate
from mmaplab.fuzz.hunt import fuzz, programs
from mmaplab.fuzz.pair import Pair
from mmaplab.fuzz.profiles import PROFILES
from mmaplab.fuzz.writer import ARENA_MIDDLE, CODE, FileData
from mmaplab.interface import FatalSignal, Process
from mmaplab.lockstep import Lockstep, Side
from mmaplab.sim import Kernel, KernelConfig


def run_simulated(profile: str, seed: int) -> list[tuple[str, Outcome]]:
    program = generate(profile, seed)
    with Kernel(record=False) as kernel:
        for path, data in program.files.items():
            kernel.create_file(path, data.bytes(), warm=program.warm)
        lockstep = Lockstep(Side(kernel, kernel.spawn()), None)
        lockstep.learn(program.places)
        return [(call.name, lockstep.make(call)) for call in program.calls if may_be_made(call, lockstep.sim)]


@pytest.mark.parametrize("profile", PROFILES)
def test_a_program_depends_on_profile_and_seed_alone(profile: str) -> None:
    assert generate(profile, 7) == generate(profile, 7)
    assert generate(profile, 7).calls != generate(profile, 8).calls


@pytest.mark.parametrize("profile", PROFILES)
def test_programs_succeed_often_and_fail_often(profile: str) -> None:
    """A program whose calls all fail, or all succeed, tests little. The simulator never breaks."""
    ended: Counter[str] = Counter()
    for seed in range(12):
        for name, outcome in run_simulated(profile, seed):
            assert outcome.error is None or isinstance(outcome.error, OSError | FatalSignal), (seed, name, outcome)
            ended["ok" if outcome.ok else "missing" if outcome.missing else "failed"] += 1
    assert ended["ok"] > 0.4 * ended.total()
    assert ended["failed"] > 0.02 * ended.total()
    assert ended["missing"] < 0.1 * ended.total()


def test_every_call_of_a_process_is_made_by_some_profile() -> None:
    used = {call.name for profile in PROFILES for seed in range(10) for call in generate(profile, seed).calls}
    of_a_process = {name for name in PARAMETERS if name in vars(Process)}
    assert of_a_process - used == {"maps", "faults"}, "these two are what is compared after the calls"
    assert set(WRITERS) >= {name for profile in PROFILES.values() for name in profile.weights}


@pytest.mark.parametrize("profile", PROFILES)
def test_lists_of_new_pages_are_emptied_by_a_process_that_lives(profile: str) -> None:
    for seed in range(60):
        ended: set[str] = set()
        for call in generate(profile, seed).calls:
            ended |= {call.who} if call.name == "exit" else set()
            assert not (call.who in ended and Name("drain") in call.args), seed


def test_the_arena_crosses_a_page_table() -> None:
    for profile in PROFILES.values():
        start = generate(profile, 1).places["arena"]
        assert start < ARENA_MIDDLE < start + profile.arena_pages * 4096
    assert ARENA_MIDDLE % (2 << 20) == 0


def test_no_program_asks_for_the_memory_of_the_live_worker() -> None:
    """Found by seed 105641: 64 TiB from the second page on, which the live process refuses without asking Linux."""
    for profile, seed in (("vmaf", 105641), ("vma", 0), ("fork", 2)):
        for call in generate(profile, seed).calls:
            if call.name == "mmap" and isinstance(call.args[0], int) and call.args[0]:
                first, length = call.args[0], call.args[1]
                assert isinstance(length, int)
                assert first >= 1 << 32 or first + length <= 1 << 29 or first + length > TASK_SIZE


def test_data_of_files() -> None:
    data = FileData(70000, 5).bytes()
    assert len(data) == 70000
    assert 0 not in data
    assert len({data[i : i + 16] for i in range(0, 69984, 16)}) == 69984 // 16
    assert set(CODE.bytes()) == {0xC3}
    assert FileData(0).bytes() == b""


def test_fetches_are_only_made_where_return_instructions_are() -> None:
    fetched = 0
    for seed in range(30):
        for name, outcome in run_simulated("fork", seed):
            fetched += name == "execute" and outcome.ok
    assert fetched >= 5


CALLS_AND_ENDINGS = {
    "brk": "ok",
    "close": "ok EBADF",
    "dup": "ok EBADF EMFILE",
    "execute": "ok SegmentationFault/SEGV_MAPERR SegmentationFault/SEGV_ACCERR",
    "exit": "ok",
    "fork": "ok",
    "fstat": "ok EBADF",
    "fsync": "ok EBADF EINVAL",
    "ftruncate": "ok EBADF EINVAL EFBIG",
    "load": "ok SegmentationFault/SEGV_MAPERR SegmentationFault/SEGV_ACCERR BusError/BUS_ADRERR",
    "lseek": "ok EBADF EINVAL ENXIO ESPIPE",
    "madvise": "ok EINVAL ENOMEM EFAULT EACCES",
    "memfd_create": "ok",
    "mincore": "ok EINVAL ENOMEM",
    "mlock": "ok ENOMEM",
    "mmap": "ok EACCES EBADF EEXIST EINVAL ENODEV ENOMEM ENOTSUP EOVERFLOW EPERM",
    "mprotect": "ok EACCES EINVAL ENOMEM",
    "mremap": "ok EFAULT EINVAL ENOMEM",
    "msync": "ok EINVAL ENOMEM EBUSY",
    "munlock": "ok ENOMEM",
    "munmap": "ok EINVAL",
    "open": "ok ENOENT EEXIST EINVAL ENOTDIR ENAMETOOLONG",
    "pipe": "ok",
    "pread": "ok EBADF EINVAL ESPIPE",
    "pwrite": "ok EBADF EINVAL EFBIG ESPIPE",
    "read": "ok EBADF",
    "setrlimit": "ok",
    "store": "ok SegmentationFault/SEGV_MAPERR SegmentationFault/SEGV_ACCERR SegmentationFault/SI_KERNEL "
    "BusError/BUS_ADRERR",
    "touch": "ok SegmentationFault/SEGV_MAPERR BusError/BUS_ADRERR",
    "unlink": "ok ENOENT",
    "write": "ok EBADF EPIPE",
}
"""What must be reached of each call: that it is made, each errno that it has here, and each signal."""


def test_programs_reach_every_ending_of_every_call() -> None:
    """The table of what they reach on both kernels is `mmaplab fuzz --coverage`."""
    totals = Counter(pair for profile in PROFILES for seed in range(25) for pair in reached_by(profile, 7000 + seed))
    wanted = {(call, ending) for call, endings in CALLS_AND_ENDINGS.items() for ending in endings.split()}
    assert wanted - totals.keys() == set()
    assert {call for call, _ in wanted} >= {name for name in PARAMETERS if name in vars(Process)} - {"maps", "faults"}


def reached_by(profile: str, seed: int) -> set[tuple[str, str]]:
    return {(name, ending(outcome).replace(" ", "/")) for name, outcome in run_simulated(profile, seed)}


def test_the_table_of_what_was_reached() -> None:
    pair = Pair(Kernel(record=False), KernelConfig())
    text = table(fuzz(programs("vmaf", 1, 2, 80), pair).coverage)
    rows = {line.split()[0]: line for line in text.splitlines() if not line.startswith(" ")}
    assert "ok" in rows["mmap"] and "SegmentationFault SEGV_MAPERR" in rows["load"]
    assert "MAP_FIXED" in text and "minor" in text
