"""Random programs from a chapter: the experiment, and the button."""

from __future__ import annotations

import pytest

from mmaplab.lab import NotAvailable
from mmaplab.randomly import fuzz_here, pair_here, random_programs

pytestmark = pytest.mark.live


@pytest.fixture(autouse=True)
def a_live_kernel() -> None:
    try:
        pair_here().close()
    except NotAvailable as reason:
        pytest.skip(str(reason))


def test_random_programs_agree_and_are_counted() -> None:
    told = random_programs(6, seed=3)
    assert (told["programs"], told["programs that differ"], told["first seed"]) == (6, 0, 3)
    assert int(str(told["steps compared"])) > 6 * 20


def test_the_button_runs_to_its_end_and_moves_the_seed() -> None:
    widget = fuzz_here(4, seed=7)
    widget.run().join(60)
    assert "4 of 4 programs" in widget.said.value and "all alike. Seeds 7 to 10." in widget.said.value
    assert (widget.seed.value, widget.start.disabled, widget.stop.disabled) == (11, False, True)


def test_the_button_can_be_stopped() -> None:
    widget = fuzz_here(100_000, seed=7)
    worker = widget.run()
    widget.stop.click()
    worker.join(60)
    assert not worker.is_alive() and sum(widget.totals.programs.values()) < 100_000


def test_without_a_live_kernel_it_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMAPLAB_LIVE", "off")
    widget = fuzz_here(4)
    widget.run().join(60)
    assert "This machine cannot be asked" in widget.said.value and not widget.start.disabled
