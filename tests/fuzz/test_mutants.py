"""The mutants themselves: each line to be changed is there, and one of them is found by the fuzzer."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmaplab.fuzz.pair import Pair
from tests.fuzz.mutants import MUTANTS, Mutant, mutated, programs_until_found


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_each_mutant_still_fits_the_simulator(mutant: Mutant, tmp_path: Path) -> None:
    mutated(mutant, tmp_path)


@pytest.mark.live
def test_a_wrong_fault_around_window_is_noticed(live: Pair) -> None:
    wrong = next(mutant for mutant in MUTANTS if mutant.name == "fault-around has no multiple to begin at")
    assert programs_until_found(wrong, 60, live.config.file_system) is not None
