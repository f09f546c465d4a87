"""The mutants: each line to be changed is there, and the fuzzer notices that it was.

Three are tried always, on few programs. `make mutants` tries all of them on 500 programs, and stores the result.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmaplab.fuzz.pair import Pair
from tests.fuzz import mutants
from tests.fuzz.mutants import (
    CONTROL,
    GOOD_ENOUGH,
    MUTANTS,
    RESULT,
    Mutant,
    check_control,
    main,
    mutated,
    programs_until_found,
    simulator_hash,
)

QUICK = ("fault-around has no multiple to begin at", "merge overlooks the file offset", "copy-on-write never copies")


ENOUGH = 60
"""Programs in which each of these three is noticed."""


@pytest.mark.parametrize("mutant", [CONTROL, *MUTANTS], ids=[mutant.name for mutant in (CONTROL, *MUTANTS)])
def test_each_mutant_still_fits_the_simulator(mutant: Mutant, tmp_path: Path) -> None:
    mutated(mutant, tmp_path)


@pytest.fixture(scope="module")
def agreeing(ext4: Pair) -> str:
    """The file system on which the simulator as it is agrees with the live kernel, in the same programs."""
    check_control(ENOUGH, ext4.config.file_system)
    return ext4.config.file_system


@pytest.mark.live
@pytest.mark.parametrize("name", QUICK)
def test_a_broken_rule_is_noticed(agreeing: str, name: str) -> None:
    wrong = next(mutant for mutant in MUTANTS if mutant.name == name)
    assert programs_until_found(wrong, ENOUGH, agreeing) is not None


def test_where_the_simulator_differs_by_itself_no_mutant_is_called_noticed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = []
    monkeypatch.setattr(mutants, "programs_until_found", lambda mutant, *_: tried.append(mutant) or 11)
    assert main([MUTANTS[0].name, "--store"]) == 2
    assert tried == [CONTROL]
    told = capsys.readouterr()
    assert "program 11 differs, and nothing was changed" in told.err
    assert "noticed" not in told.out


def test_the_stored_result_is_of_this_simulator() -> None:
    """Or it says so: the whole list takes minutes, and is not run at every change."""
    if json.loads(RESULT.read_text())["simulator"] != simulator_hash():
        pytest.skip("the stored result is of another version of mmaplab/sim or mmaplab/fuzz: make mutants")


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
