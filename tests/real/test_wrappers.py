"""The wrappers for one's own process: mapping, counting, own."""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from mmaplab import constants as c
from mmaplab import real
from mmaplab.lab import NotAvailable, lab
from mmaplab.real.perf import FaultRing

np = pytest.importorskip("numpy")
pytestmark = pytest.mark.live
PAGE = 4096


@pytest.fixture
def path() -> Iterator[str]:
    with real.warm_file(256) as made:
        yield made


def perf_is_refused() -> bool:
    """Return whether this machine forbids perf events, as containers do; then the refusal must be told in words."""
    try:
        FaultRing().close()
    except NotAvailable as reason:
        assert "refuses perf events" in str(reason)
        with pytest.raises(NotAvailable), real.fault_addresses():
            pass
        return True
    return False


def windows(address: int, pages: int) -> list[int]:
    """Return the pages that fault in a walk over cached pages: windows of 16 slots, the first begins with the area."""
    slot, page, found = address // PAGE % 512, 0, []
    while page < pages:
        found.append(page)
        at = slot + page
        first = max(at // 16 * 16, slot if page == 0 else at // 16 * 16)
        page += min(first + 16, (at // 512 + 1) * 512) - at
    return found


def test_faults_of_a_walk_have_the_addresses_of_the_windows(path: str) -> None:
    if perf_is_refused():
        return
    with real.file_mapping(path) as m:
        with real.fault_addresses(m.address, m.length) as first:
            m.array[::PAGE].sum()
        with real.fault_addresses(m.address, m.length) as second:
            m.array[::PAGE].sum()
        assert first.pages == windows(m.address, 256)
        assert first.addresses == [m.address + page * PAGE for page in first.pages]
        assert {event.kind for event in first.events} == {"minor"}
        assert (second.pages, first.lost) == ([], 0)


def test_fault_addresses_arrive_while_the_walk_goes_on(path: str) -> None:
    if perf_is_refused():
        return
    with real.file_mapping(path) as m, real.fault_addresses(m.address, m.length) as faults:
        m.array[0].item()
        assert [event.addr for event in faults.drain()] == [m.address]
        seen: list[int] = []
        m.array[100 * PAGE].item()
        looker = threading.Thread(target=lambda: seen.extend(faults.pages))
        looker.start()
        looker.join()
        assert seen == [0, 100]
        assert faults.drain() == []


def test_a_ring_that_runs_over_counts_what_it_lost() -> None:
    if perf_is_refused():
        return
    pages = 40_000
    flags = c.Map.MAP_PRIVATE
    with real.warm_file(1) as path, real.fault_addresses() as faults:
        anonymous = mmap.mmap(-1, pages * PAGE, flags=flags | mmap.MAP_ANONYMOUS)
        anonymous.madvise(c.Madv.MADV_NOHUGEPAGE)
        np.frombuffer(anonymous, dtype=np.uint8)[::PAGE] = 1
        assert path
    assert faults.lost > 0
    assert faults.lost + len(faults.addresses) >= pages


def test_touching_page_by_page_finds_the_same_faults_without_perf(path: str) -> None:
    with real.file_mapping(path) as m:
        touches = real.faults_of_touches(m)
        assert [touch.page for touch in touches] == windows(m.address, 256)
        assert sorted(page for touch in touches for page in touch.mapped) == list(range(256))
        assert real.faults_of_touches(m, [3, 200]) == []
    with real.file_mapping(path) as m:
        (touch,) = real.faults_of_touches(m, [100, 100])
        assert touch.page in touch.mapped
        assert len(touch.mapped) == 16


def test_counts_of_the_calling_thread(path: str) -> None:
    real.drop_cache(path)
    with real.file_mapping(path) as m:
        with real.fault_counts() as cold:
            m.array[::PAGE].sum()
        assert cold.major >= 1
        with real.fault_counts() as again:
            m.array[::PAGE].sum()
        assert again.major == 0
        assert again.minor <= 3, "the entries are there; what is left are faults of the interpreter"


def test_residency_and_page_table_are_two_things(path: str) -> None:
    with real.file_mapping(path) as m:
        assert real.residency(m) == [True] * 256
        assert real.pagemap(m) == [False] * 256
        m.array[100 * PAGE].item()
        entries = real.pagemap(m.address, m.length)
        assert sum(entries) == 16
        assert entries[100]
        assert real.page_entries(m)[100].file
        array = m.array[: 2 * PAGE]
        assert real.residency(array) == [True, True]
    del array
    real.drop_cache(path)
    with real.file_mapping(path) as m:
        assert not any(real.residency(m))
    with pytest.raises(TypeError, match="length"):
        real.pagemap(4096)


def test_python_s_own_mappings_can_be_asked(path: str) -> None:
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as m:
        assert real.residency(m) == [True] * 256
        assert real.pagemap(m) == [False] * 256
        m[0]
        assert any(real.pagemap(m))


def test_cachestat_counts_pages(path: str) -> None:
    try:
        assert real.cached(path) == real.mapping.CacheStat(256, 0, 0, 0, 0)
    except NotAvailable as reason:
        assert "cachestat does not work" in str(reason)
        return
    with real.file_mapping(path, prot=c.Prot.PROT_READ | c.Prot.PROT_WRITE) as m:
        m.array[3 * PAGE] = 7
    assert real.cached(path).dirty == 1
    with open(path, "rb") as file:
        assert real.cached(file.fileno()).cached == 256


def test_a_mapping_lives_as_long_as_an_array_shows_it(path: str) -> None:
    with real.file_mapping(path) as m:
        array = m.array[:10]
        address = m.address
    assert array.tobytes() == bytes(8) + bytes(2)
    assert any(area.start == address for area in real.maps())
    del array
    assert not any(area.start == address for area in real.maps())
    with pytest.raises(ValueError, match="closed"):
        _ = m.array


def test_arrays_are_views_and_as_writable_as_the_mapping(path: str) -> None:
    with real.file_mapping(path) as m:
        with pytest.raises(ValueError, match="read-only"):
            m.array[0] = 1
    with real.file_mapping(path, prot=3) as m:
        m.array[1] = 99
        assert Path(path).read_bytes()[1] == 99


def test_flags_that_python_s_mmap_lacks(path: str) -> None:
    with real.file_mapping(path, 16 * PAGE, 8 * PAGE, flags=c.Map.MAP_SHARED | c.Map.MAP_POPULATE) as m:
        assert real.pagemap(m) == [True] * 16
        assert m.array[0] == 8
        assert len(m) == 16 * PAGE
    with pytest.raises(OSError, match="Invalid argument"):
        real.file_mapping(path, PAGE, 1)
    with pytest.raises(FileNotFoundError):
        real.file_mapping(path + ".missing")
    for wrong in ({"offset": 256 * PAGE}, {"offset": 1 << 30}, {"length": 0}, {"length": -5}):
        with pytest.raises(ValueError, match="needs one byte at least"):
            real.file_mapping(path, **wrong)


def test_a_closed_mapping_is_nobody_s_address(path: str) -> None:
    m = real.file_mapping(path)
    m.close()
    m.close()
    for use in (real.residency, real.pagemap, real.page_entries, lambda m: m.advise(0), lambda m: m.array):
        with pytest.raises(ValueError, match="closed"):
            use(m)


def test_an_array_with_gaps_is_refused(path: str) -> None:
    """The pages of the first bytes would be told, as if they were those of the slice."""
    with real.file_mapping(path) as m:
        square = m.array.reshape(256, PAGE)
        for look in (real.residency, real.pagemap, real.page_entries):
            for gaps in (m.array[::PAGE], square[:, :10], m.array[::-1]):
                with pytest.raises(ValueError, match="side by side"):
                    look(gaps)
            assert len(look(square[3:5])) == len(look(square[3:5].T)) == 2
        del square, gaps


@pytest.mark.parametrize("look", [real.residency, real.pagemap, real.page_entries])
def test_what_is_no_range_of_addresses(look: Callable[..., object], path: str) -> None:
    with real.file_mapping(path) as m:
        for wrong in ((m, -5), (-PAGE, PAGE), (2**64 - PAGE, 2 * PAGE)):
            with pytest.raises(ValueError, match="no range of addresses"):
                look(*wrong)
        with pytest.raises(TypeError, match="whole numbers"):
            look(m, 1.5)


def test_a_mapping_without_the_right_to_write_stays_read_only(path: str) -> None:
    """A store would end the notebook: NumPy must not be talked into it."""
    with real.file_mapping(path) as m:
        assert not m.array.flags.writeable
        with pytest.raises(ValueError, match=r"WRITEABLE|read-only"):
            m.array.flags.writeable = True
    with real.file_mapping(path, prot=c.Prot.PROT_READ | c.Prot.PROT_WRITE, flags=c.Map.MAP_PRIVATE) as m:
        m.array[0] = 7
        assert m.array[0] == 7


def test_cachestat_of_what_is_no_file() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        real.cached(999_999)
    read_end, write_end = os.pipe()
    try:
        real.cached(read_end)
    except (OSError, NotAvailable) as error:
        assert str(error)
    finally:
        os.close(read_end)
        os.close(write_end)


@pytest.mark.parametrize("error", [PermissionError, FileNotFoundError])
def test_a_file_of_proc_that_is_refused(error: type[OSError], path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cell does not fail: `lab` shows the recorded result, and why."""

    def refuse(name: object, *how: object, **kind: object) -> NoReturn:
        raise error(1, "Refused", name)

    def counters() -> dict[str, int]:
        with real.thread_io_counters() as told:
            return told

    with real.file_mapping(path) as m:
        monkeypatch.setattr(real.own, "open", refuse, raising=False)
        monkeypatch.setattr(os, "open", refuse)
        looks = {"self/maps": real.maps, "self/smaps": real.smaps, "self/smaps_rollup": real.rollup}
        looks |= {"self/io": real.io_counters, "thread-self/io": counters, "self/pagemap": lambda: real.pagemap(m)}
        for name, look in looks.items():
            with pytest.raises(NotAvailable, match=rf"^/proc/{name} does not let itself be read here \(Refused\)"):
                look()
        shown = lab(lambda: {"faults": len(real.maps())}, "05 one touch")
        assert "because /proc/self/maps does not let itself" in shown.source


def test_a_warm_file_has_no_negative_size() -> None:
    with pytest.raises(ValueError, match="warm_file of -1 pages"), real.warm_file(-1):
        pass


def test_before_the_block_nothing_is_counted() -> None:
    assert (real.fault_counts().minor, real.fault_addresses().addresses) == (0, [])


def test_what_proc_says_of_this_process(path: str) -> None:
    with real.file_mapping(path) as m:
        m.array[0].item()
        (area,) = [entry for entry in real.smaps() if entry.area.start == m.address]
        assert area["Rss"] == sum(real.pagemap(m)) * PAGE > 0
        assert area.area in real.maps()
    assert real.rollup()["Rss"] > 1 << 20
    before = real.io_counters()
    assert len(Path(path).read_bytes()) == 256 * PAGE
    assert real.io_counters()["rchar"] - before["rchar"] >= 256 * PAGE


def test_a_warm_file_is_warm_and_goes_away() -> None:
    with real.warm_file(3) as path:
        assert Path(path).stat().st_size == 3 * PAGE
    assert not Path(path).exists()


def test_switched_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MMAPLAB_LIVE", "off")
    (tmp_path / "f").write_bytes(b"x")
    calls = (
        real.maps, real.smaps, real.rollup, real.io_counters, real.measured,
        lambda: real.file_mapping(tmp_path / "f"), lambda: real.drop_cache(tmp_path / "f"),
        lambda: real.cached(tmp_path / "f"), lambda: real.residency(4096, 4096), lambda: real.pagemap(4096, 4096),
        lambda: real.fault_counts().__enter__(), lambda: real.fault_addresses().__enter__(),
        lambda: real.warm_file(1).__enter__(),
    )  # fmt: skip
    for call in calls:
        with pytest.raises(NotAvailable, match="switched off"):
            call()
