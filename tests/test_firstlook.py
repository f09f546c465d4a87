"""The experiments of chapter 01, on the live kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmaplab.firstlook import can_be_mapped, cold_touch, text_file
from mmaplab.lab import NotAvailable

pytestmark = pytest.mark.live


def test_a_text_file_is_there_and_gone() -> None:
    with text_file("Dear reader") as path:
        assert Path(path).read_text() == "Dear reader"
    assert not Path(path).exists()


def test_what_can_be_mapped() -> None:
    answers = can_be_mapped()
    assert answers["a file"] == answers["no file at all"] == "yes"
    assert answers["a pipe"] == answers["a directory"] == answers["a local socket"] == "ENODEV"
    assert 0 < int(str(answers["of them with a file"])) < int(str(answers["areas of this process"]))


def test_touched_mapped_and_read_are_three_numbers() -> None:
    try:
        counted = cold_touch(pages=256, page=100)
    except NotAvailable as reason:
        pytest.skip(str(reason))
    assert counted["in memory after mmap"] == counted["entries after mmap"] == 0
    assert 1 <= int(str(counted["entries after one byte"])) <= int(str(counted["in memory after one byte"]))
    assert counted["in memory after MAP_POPULATE"] == 256
