"""The live plots of books: their pictures anywhere, and the runs themselves where there is a live Linux."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmaplab import lab, real
from mmaplab.constants import PAGE_SIZE
from mmaplab.lab import NotAvailable
from mmaplab.widgets import live_books
from mmaplab.widgets.live_books import live_copies, live_pages
from mmaplab.widgets.running import LiveRun
from tests.views.drawing import check
from tests.views.pictures import count, labels

KINDS = (live_pages, live_copies)


@pytest.mark.parametrize("kind", KINDS)
def test_too_few_pages_are_refused(kind: type[LiveRun]) -> None:
    with pytest.raises(ValueError, match="give 16 at least"):
        kind(8)


def test_the_curves_are_a_solid_and_a_dashed_line_named_at_their_ends() -> None:
    run = live_pages(64)
    run.resident, run.dirty = [0, 32, 64, 64, 64], [0, 0, 0, 16, 30]
    picture = run.draw()
    check(picture)
    assert (count(picture, "path", "curve"), count(picture, "path", "curve2")) == (1, 1)
    assert {"resident 64", "dirty 30"} <= {label.words for label in labels(picture)}
    assert "at most 30 were dirty" in picture.description


def test_equal_ends_keep_their_names_apart() -> None:
    run = live_pages(64)
    run.resident, run.dirty = [0, 64], [0, 64]
    check(run.draw())


def test_a_run_that_has_not_begun_has_a_picture() -> None:
    for kind in KINDS:
        check(kind(64).draw())


def test_the_plots_of_copies_stand_beside_each_other() -> None:
    run = live_copies(64)
    run.books = {"read bytes": [0, 65536], "read calls": [0, 16], "mmap bytes": [0, 0], "mmap faults": [0, 1]}
    picture = run.draw()
    check(picture)
    assert picture.description == (
        "read() has copied 64 KiB in 16 system calls; the mapping has copied 0 KiB and taken 1 page faults."
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_machine_that_cannot_shows_the_recorded_run(kind: type[LiveRun], monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise NotAvailable("no Linux <here>")

    monkeypatch.setattr(live_books, "warm_file", refused)
    run = kind(64, 0)
    run.run().join(20)
    assert "This machine cannot show it: recorded on Linux" in run.said.value
    assert "no Linux &lt;here&gt;" in run.said.value
    assert "<table>" in run.said.value
    assert 'role="img"' in run.picture.value
    assert not run.start.disabled and run.stop.disabled
    check(run.draw(run.table))


def test_without_a_recorded_run_it_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refused(*_: object) -> None:
        raise NotAvailable("no Linux here")

    monkeypatch.setattr(live_books, "warm_file", refused)
    monkeypatch.setattr(lab, "RECORDED", tmp_path)
    run = live_pages(64, 0)
    run.run().join(20)
    assert "no Linux here" in run.said.value
    assert run.table == {}


def test_what_is_recorded_agrees_with_itself() -> None:
    values = json.loads((lab.RECORDED / lab.file_name("live copies")).read_text())["values"]
    assert values["read: bytes copied"] == values["pages"] * PAGE_SIZE
    assert values["mapping: bytes copied"] == 0
    pages = json.loads((lab.RECORDED / lab.file_name("live pages")).read_text())["values"]
    assert pages["dirty before MS_SYNC"] > pages["dirty after MS_SYNC"]


@pytest.mark.live
def test_pages_become_resident_then_dirty_then_clean() -> None:
    run = live_pages(128, 0)
    run.run().join(60)
    if "cannot show" in run.said.value:
        pytest.skip(run.said.value)
    assert "Finished." in run.said.value
    assert run.table["resident after the loads"] == 128
    assert run.table["dirty before MS_SYNC"] == 128
    assert run.table["dirty after MS_SYNC"] == 0
    assert 'role="img"' in run.picture.value


@pytest.mark.live
def test_read_copies_every_byte_and_the_mapping_none() -> None:
    run = live_copies(128, 0)
    run.run().join(60)
    if "cannot show" in run.said.value:
        pytest.skip(run.said.value)
    assert run.table["read: bytes copied"] == 128 * PAGE_SIZE
    assert run.table["read: system calls"] == 128
    assert run.table["mapping: bytes copied"] == 0
    assert 1 <= int(run.table["mapping: page faults"]) < 128  # type: ignore[arg-type]


@pytest.mark.live
def test_a_run_can_be_stopped() -> None:
    run = live_copies(1 << 12, 0.05)
    worker = run.run()
    run.stop.click()
    worker.join(20)
    assert not worker.is_alive()
    if "cannot show" in run.said.value:
        pytest.skip(run.said.value)
    assert "Stopped." in run.said.value
    assert int(run.table["pages read in both ways"]) < 1 << 12  # type: ignore[arg-type]


@pytest.mark.live
def test_the_thread_counts_what_it_reads_alone(tmp_path: Path) -> None:
    file = tmp_path / "some.txt"
    file.write_bytes(b"x" * 1000)
    try:
        with open(file, "rb", buffering=0) as f, real.thread_io_counters() as io:
            f.read(700)
            f.read(300)
    except (OSError, NotAvailable) as reason:
        pytest.skip(str(reason))
    assert (io["rchar"], io["syscr"]) == (1000, 2)
