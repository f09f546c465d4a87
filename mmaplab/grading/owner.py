"""Whose submission is it, and whose seed?

student_pattern("")                     the first folder of the path, or the file's name
owner_of("ada/05.ipynb", pattern)       "ada"
is_own("Ada 2", "ada")                  True: their name, or with a number
"""

from __future__ import annotations

import re

FIRST_PART = r"^(.+?)(?:/|\.ipynb$)"


def student_pattern(student: str) -> re.Pattern[str]:
    """Return the pattern that finds a student's name in a submission's path. Raises ValueError with a sentence."""
    try:
        pattern = re.compile(student or FIRST_PART)
    except re.error as error:
        raise ValueError(f"--student {student!r} is no regular expression: {error}") from None
    if pattern.groups != 1:
        raise ValueError(f"--student {student!r} needs one group: the part of the path that names the student")
    return pattern


def owner_of(name: str, pattern: re.Pattern[str] | None) -> str:
    """Return the student whose submission has this path; '' where nobody asks, or no name is in it."""
    found = pattern.search(name) if pattern else None
    return (found.group(1) or "").strip() if found else ""


def is_own(seed: str, owner: str) -> bool:
    """Is a seed its owner's name, with or without a number behind it? Small and large letters are the same."""
    return re.sub(r" \d+$", "", seed.strip()).casefold() == owner.casefold()
