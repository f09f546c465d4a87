"""The mutants: each line to be changed is there, and the fuzzer notices that it was.

Three are tried always, on few programs. `make mutants` tries all of them on 500 programs, and stores the result.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmaplab.fuzz.pair import Pair
from tests.fuzz.mutants import GOOD_ENOUGH, MUTANTS, RESULT, Mutant, main, mutated, programs_until_found

QUICK = ("fault-around has no multiple to begin at", "merge overlooks the file offset", "copy-on-write never copies")


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_each_mutant_still_fits_the_simulator(mutant: Mutant, tmp_path: Path) -> None:
    mutated(mutant, tmp_path)


@pytest.mark.live
@pytest.mark.parametrize("name", QUICK)
def test_a_broken_rule_is_noticed(ext4: Pair, name: str) -> None:
    wrong = next(mutant for mutant in MUTANTS if mutant.name == name)
    assert programs_until_found(wrong, 60, ext4.config.file_system) is not None


def test_the_stored_result_is_of_these_mutants_and_good_enough() -> None:
    """At least 24, and five of six, are noticed within 500 programs."""
    result = json.loads(RESULT.read_text())
    assert set(result["noticed"]) == {mutant.name for mutant in MUTANTS}, "make mutants"
    assert result["programs"] == 500
    noticed = [number for number in result["noticed"].values() if number]
    assert len(noticed) >= max(24, len(MUTANTS) * GOOD_ENOUGH)
    assert max(noticed) <= 500


def test_a_name_that_is_none_tries_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["no such mutant"]) == 0
    assert "0 of 0 noticed" in capsys.readouterr().out
