"""Random programs on the live kernel, with files on tmpfs: the simulator predicts all that a program can observe."""

from __future__ import annotations

import pytest

from mmaplab.fuzz.pair import Pair
from mmaplab.fuzz.profiles import PROFILES
from tests.fuzz.agreement import assert_random_programs_agree


@pytest.mark.live
@pytest.mark.parametrize("profile", PROFILES)
def test_random_programs_agree(tmpfs: Pair, profile: str) -> None:
    assert_random_programs_agree(tmpfs, profile)
