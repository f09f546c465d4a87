"""Every replaceable kernel function: right versions pass, and well-known mistakes are shown by a shortest program."""

from __future__ import annotations

import pytest

from mmaplab.grading import check_slot
from mmaplab.grading.desk import Verdict
from mmaplab.grading.difference import first_difference
from mmaplab.grading.observe import observe
from mmaplab.grading.shorten import fewer
from mmaplab.sim.kernel import REFERENCE
from mmaplab.sim.slots import Slots

from .versions import Version, all_versions

SLOTS = sorted(Slots.__dataclass_fields__)
RIGHT = [version for version in all_versions() if version.calls is None]
WRONG = [version for version in all_versions() if version.calls is not None]


def ids(version: Version) -> str:
    """Name a version in a test's name."""
    return version.name


@pytest.fixture(scope="module")
def verdicts() -> dict[str, Verdict]:
    """What was found, kept for the tests that look at the same version."""
    return {}


def verdict_of(version: Version, verdicts: dict[str, Verdict]) -> Verdict:
    if version.name not in verdicts:
        verdicts[version.name] = check_slot(version.slot, version.function)
    return verdicts[version.name]


def test_every_slot_has_a_right_version_and_five_wrong_ones() -> None:
    assert {version.slot for version in RIGHT} == set(SLOTS)
    for slot in SLOTS:
        assert sum(version.slot == slot for version in WRONG) >= 5, slot


@pytest.mark.parametrize("slot", SLOTS)
def test_the_reference_agrees_with_itself_and_breaks_no_invariant(slot: str) -> None:
    verdict = check_slot(getattr(REFERENCE, slot))
    assert verdict.passed, verdict


@pytest.mark.parametrize("version", RIGHT, ids=ids)
def test_a_version_that_is_written_otherwise_passes(version: Version) -> None:
    verdict = check_slot(version.slot, version.function)
    assert verdict.passed, verdict


@pytest.mark.parametrize("version", WRONG, ids=ids)
def test_a_mistake_is_shown_by_a_short_program(version: Version, verdicts: dict[str, Verdict]) -> None:
    verdict = verdict_of(version, verdicts)
    assert not verdict.passed, f"{version.name} was not found"
    assert version.says in repr(verdict), verdict
    program = verdict.findings[-1].program
    assert len(program.calls if program else ()) <= version.calls, verdict


@pytest.mark.parametrize("version", [v for v in WRONG if v.calls], ids=ids)
def test_the_program_is_minimal(version: Version, verdicts: dict[str, Verdict]) -> None:
    program = verdict_of(version, verdicts).findings[-1].program
    assert program is not None

    def fails(shorter) -> bool:
        right, wrong = observe(shorter), observe(shorter, {version.slot: version.function})
        return first_difference(right, wrong) is not None

    assert fails(program)
    for shorter in fewer(program):
        assert not fails(shorter), "\n".join(shorter.lines())
