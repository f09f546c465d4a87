"""What the resource limits refuse, and with which error. Linux's answers, without CAP_IPC_LOCK: tests/manpages."""

from __future__ import annotations

import errno

import pytest

from mmaplab.constants import (
    MAP_ANONYMOUS,
    MAP_GROWSDOWN,
    MAP_LOCKED,
    MAP_PRIVATE,
    MREMAP_MAYMOVE,
    PROT_READ,
    PROT_WRITE,
    RLIMIT_MEMLOCK,
)
from mmaplab.interface import SegmentationFault
from mmaplab.sim import Kernel, KernelConfig, invariants
from mmaplab.sim.process import Process

PAGE = 4096
RW = PROT_READ | PROT_WRITE
ANON = MAP_PRIVATE | MAP_ANONYMOUS


@pytest.fixture
def user() -> Process:
    """A process without CAP_IPC_LOCK."""
    return Kernel(KernelConfig(cap_ipc_lock=False), check=invariants.check).spawn()


def test_where_nothing_may_be_locked_a_new_lock_is_eperm(user: Process) -> None:
    a = user.mmap(0, PAGE, RW, ANON)
    user.setrlimit(RLIMIT_MEMLOCK, 0)
    for call in (lambda: user.mmap(0, PAGE, RW, ANON | MAP_LOCKED), lambda: user.mlock(a, PAGE)):
        with pytest.raises(OSError) as failed:
            call()
        assert failed.value.errno == errno.EPERM


@pytest.mark.parametrize("limit", [0, PAGE])
def test_a_locked_area_that_grows_asks_only_how_much(user: Process, limit: int) -> None:
    """mremap is EAGAIN, also where the limit is 0: Linux asks mlock_future_ok, and not can_do_mlock."""
    a = user.mmap(0, PAGE, RW, ANON | MAP_LOCKED)
    user.setrlimit(RLIMIT_MEMLOCK, limit)
    with pytest.raises(BlockingIOError):
        user.mremap(a, PAGE, 2 * PAGE, MREMAP_MAYMOVE)
    assert user.mremap(a, PAGE, PAGE) == a


def test_beyond_the_limit_mmap_is_eagain_and_mlock_enomem(user: Process) -> None:
    a = user.mmap(0, 2 * PAGE, RW, ANON)
    user.setrlimit(RLIMIT_MEMLOCK, PAGE)
    with pytest.raises(BlockingIOError):
        user.mmap(0, 2 * PAGE, RW, ANON | MAP_LOCKED)
    with pytest.raises(OSError, match="Errno 12"):
        user.mlock(a, 2 * PAGE)


def test_a_locked_stack_does_not_grow_beyond_the_limit(user: Process) -> None:
    a = user.mmap(0x10_0000_0000, PAGE, RW, ANON | MAP_GROWSDOWN | MAP_LOCKED)
    user.setrlimit(RLIMIT_MEMLOCK, 0)
    with pytest.raises(SegmentationFault):
        user.store(a - 1, b"x")
