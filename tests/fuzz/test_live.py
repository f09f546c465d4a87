"""Random programs on the live kernel: the simulator predicts all that a program can observe."""

from __future__ import annotations

import pytest

from mmaplab.fuzz.command import fuzz, programs
from mmaplab.fuzz.pair import Pair
from mmaplab.fuzz.profiles import PROFILES

EACH = 19
"""Programs of each profile: 209 on each file system."""


@pytest.mark.live
@pytest.mark.parametrize("profile", PROFILES)
def test_random_programs_agree(live: Pair, profile: str) -> None:
    """Results, errnos, signals, bytes, areas, residency and faults by address, after each of about 80 calls."""
    totals = fuzz(programs(profile, 1000, EACH, 80), live)
    shown = [f"{program}\n{outcome.difference}" for program, outcome in totals.differences]
    assert not totals.differences, "\n".join(shown)
    assert len(totals.disturbed) <= 3, "\n".join(totals.disturbed)
    assert totals.programs[profile] == EACH
    assert totals.steps > EACH * 60
