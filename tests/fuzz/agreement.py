"""What the two files of random programs have in common; there are two, so that they run at the same time."""

from __future__ import annotations

from mmaplab.fuzz.hunt import fuzz, programs
from mmaplab.fuzz.pair import Pair
from mmaplab.fuzz.profiles import PROFILES

EACH = -(-2000 // len(PROFILES))
"""Programs of each profile: 2,000 and more on each file system."""
SEED = 1000
DISTURBED = 2
"""Programs of each profile that may not agree once and agree when run again (FREEDOMS)."""
FREE = EACH // 40
"""Programs of each profile that need not be compared to their end (FREEDOMS)."""


def assert_random_programs_agree(pair: Pair, profile: str) -> None:
    """Results, errnos, signals, bytes, areas, residency and faults by address, after each of about 80 calls.

    Residency is that of the pages around what the call is about; of all areas, it is compared at the end (FREEDOMS).
    """
    totals = fuzz(programs(profile, SEED, EACH, 80), pair)
    shown = [f"{program}\n{outcome.difference}" for program, outcome in totals.differences]
    again = f"mmaplab fuzz --profile {profile} --seed {SEED} --programs {EACH} --file-system {pair.config.file_system}"
    print(f"{again}\n{totals}")
    assert not totals.differences, "\n".join([again, *shown])
    assert len(totals.disturbed) <= DISTURBED, "\n".join([again, *totals.disturbed])
    assert totals.free <= FREE
    assert totals.programs[profile] == EACH
    assert totals.steps > EACH * 70
