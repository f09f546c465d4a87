"""Whose submission, whose seed: patterns for the names in paths, and the seeds that they own."""

from __future__ import annotations

import pytest

from mmaplab.grading.owner import is_own, owner_of, student_pattern


@pytest.mark.parametrize(
    ("student", "name", "owner"),
    [
        ("", "ada/05_the_page_fault.ipynb", "ada"),
        ("", "ada.ipynb", "ada"),
        ("", "ada/late/05.ipynb", "ada"),
        (r"^([^_]+)_", "ada_123_05.ipynb", "ada"),
        (r"(\d+)", "nobody.ipynb", ""),
        (r"^(x)?", "ada.ipynb", ""),
    ],
)
def test_the_name_is_found_in_the_path(student: str, name: str, owner: str) -> None:
    assert owner_of(name, student_pattern(student)) == owner
    assert owner_of(name, None) == ""


@pytest.mark.parametrize("seed", ["ada", "Ada", " ada ", "ADA 2", "ada 17"])
def test_a_seed_is_the_name_with_or_without_a_number(seed: str) -> None:
    assert is_own(seed, "ada")


@pytest.mark.parametrize("seed", ["bert", "ada2", "ada x", "2", "adaada", "ada 2 3"])
def test_another_seed_is_not(seed: str) -> None:
    assert not is_own(seed, "ada")


@pytest.mark.parametrize(
    ("student", "says"), [("(", "no regular expression"), ("ada", "one group"), ("(a)(b)", "one group")]
)
def test_a_bad_pattern_is_told(student: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        student_pattern(student)
