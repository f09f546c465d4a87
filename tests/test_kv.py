"""The store of chapter 11: the same on both kernels, and whole after a crash at any moment."""

from __future__ import annotations

import pytest

from mmaplab.constants import MAP_SHARED, O_RDWR, PAGE_SIZE, PROT_READ, PROT_WRITE
from mmaplab.interface import Process
from mmaplab.kv import CarelessStore, Store, StoreMaker, decode, whole
from mmaplab.outcomes import crash_outcomes
from mmaplab.sim import Kernel

SIZE = 2 * PAGE_SIZE


def store_on(p: Process, make: StoreMaker = Store) -> Store:
    return make(p, p.mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, p.open("db", O_RDWR)), SIZE)


def contents(make: StoreMaker) -> list[bytes]:
    """Return every content that a crash may leave of two puts."""

    def program(p: Process) -> None:
        store = store_on(p, make)
        store.put(b"cat", b"Tom")
        store.put(b"dog", b"Rex")

    return [outcome.contents["db"] for outcome in crash_outcomes(program, files={"db": bytes(SIZE)})]


def test_a_later_value_wins() -> None:
    kernel = Kernel()
    kernel.create_file("db", bytes(SIZE))
    store = store_on(kernel.spawn())
    for key, value in ((b"cat", b"Tom"), (b"dog", b"Rex"), (b"cat", b"Tim")):
        store.put(key, value)
    assert store.items() == {b"cat": b"Tim", b"dog": b"Rex"}
    assert decode(kernel.disk_bytes("db")) == store.items()


def test_every_crash_leaves_a_prefix_of_the_puts() -> None:
    found = contents(Store)
    assert all(map(whole, found))
    kept = {tuple(decode(content)) for content in found}
    assert kept == {(), (b"cat",), (b"cat", b"dog")}


def test_the_careless_store_can_be_found_broken() -> None:
    found = contents(CarelessStore)
    assert any(not whole(content) for content in found) and any(map(whole, found))


def test_a_full_store_says_so_and_stays_whole() -> None:
    kernel = Kernel()
    kernel.create_file("db", bytes(SIZE))
    store = store_on(kernel.spawn())
    for i in range(15):
        store.put(bytes([65 + i]), b"x" * 255)
    with pytest.raises(ValueError, match="the store is full"):
        store.put(b"z", b"x" * 255)
    assert len(store.items()) == 15
