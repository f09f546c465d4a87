"""The experiments of chapter 01, on the live kernel."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest

from mmaplab.firstlook import can_be_mapped, cold_file, cold_touch, loaded_elsewhere, text_file
from mmaplab.lab import NotAvailable
from mmaplab.owners import dirty_pages
from mmaplab.real import residency

pytestmark = pytest.mark.live


def test_a_text_file_is_there_and_gone() -> None:
    with text_file("Dear reader") as path:
        assert Path(path).read_text() == "Dear reader"
    assert not Path(path).exists()


def test_a_cold_file_is_not_in_memory() -> None:
    try:
        with cold_file(16) as path, open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as m:
            assert not any(residency(m)) and m[4096] == 1
            m[0] = 7
            assert dirty_pages(m) == 1
            m.flush()
            assert dirty_pages(m) == 0
    except NotAvailable as reason:
        pytest.skip(str(reason))


def test_another_process_loads_what_was_stored() -> None:
    with text_file("Dear reader") as path, open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as m:
        m[0:4] = b"Hear"
        assert loaded_elsewhere(path, 4) == "Hear"


def test_what_can_be_mapped() -> None:
    answers = can_be_mapped()
    assert answers["a file"] == answers["the device /dev/zero"] == answers["no file at all"] == "yes"
    for name in ("the device /dev/null", "a pipe", "a directory", "a local socket"):
        assert answers[name] == "ENODEV", name
    assert 0 < int(str(answers["of them with a file"])) < int(str(answers["areas of this process"]))


def test_touched_mapped_and_read_are_three_numbers() -> None:
    try:
        counted = cold_touch(pages=256, page=100)
    except NotAvailable as reason:
        pytest.skip(str(reason))
    assert counted["in memory after mmap"] == counted["entries after mmap"] == 0
    assert 1 <= int(str(counted["entries after one byte"])) <= int(str(counted["in memory after one byte"]))
    assert counted["in memory after MAP_POPULATE"] == 256
