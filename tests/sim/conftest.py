"""Small starts that the tests of the simulated kernel share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mmaplab.constants import MAP_FIXED, MAP_SHARED, O_RDWR, PROT_READ, PROT_WRITE
from mmaplab.sim import Kernel, KernelConfig, invariants
from mmaplab.sim.process import Process

PAGE = 4096
BASE = 0x7FFF_0000_0000
"""A multiple of 2 MiB: slot 0 of a page table."""


@pytest.fixture
def kernel() -> Kernel:
    """A kernel that checks every invariant after every call."""
    return Kernel(check=invariants.check)


@pytest.fixture
def tmpfs() -> Kernel:
    """The same on tmpfs."""
    return Kernel(KernelConfig.named("modern-tmpfs"), check=invariants.check)


MapFile = Callable[..., tuple[Process, int]]


@pytest.fixture
def mapped() -> MapFile:
    """Map a cached file of `pages` pages at slot `slot`; returns the process and the address."""

    def map_file(
        kernel: Kernel, pages: int, slot: int = 0, prot: int = PROT_READ | PROT_WRITE, flags: int = MAP_SHARED
    ) -> tuple[Process, int]:
        kernel.create_file("file", b"".join(bytes([i % 256]) * PAGE for i in range(pages)), warm=True)
        p = kernel.spawn()
        fd = p.open("file", O_RDWR)
        return p, p.mmap(BASE + slot * PAGE, pages * PAGE, prot, flags | MAP_FIXED, fd)

    return map_file
