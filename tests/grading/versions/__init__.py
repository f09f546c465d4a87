"""Right and wrong versions of every replaceable kernel function, as learners write them.

@right("find_vma")                          agrees with the reference, and is written otherwise
@wrong("find_vma", calls=2, says="...")     a well-known mistake; the program that shows it has so many calls at most
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Function = Callable[..., object]


@dataclass(frozen=True)
class Version:
    """One version: `calls` is None for a right one; `says` must be found in what the desk tells of a wrong one."""

    slot: str
    function: Function
    calls: int | None = None
    says: str = ""

    @property
    def name(self) -> str:
        """The name of the mistake."""
        return f"{self.slot}-{self.function.__name__}"


VERSIONS: list[Version] = []


def right(slot: str) -> Callable[[Function], Function]:
    """Keep a version that must pass."""
    return lambda function: _keep(Version(slot, function))


def wrong(slot: str, calls: int, says: str = "") -> Callable[[Function], Function]:
    """Keep a version that must be found by a program of at most `calls` calls."""
    return lambda function: _keep(Version(slot, function, calls, says))


def _keep(version: Version) -> Function:
    VERSIONS.append(version)
    return version.function


def all_versions() -> list[Version]:
    """Return every version, room by room."""
    from . import areas, cuts, faults, files, placing, processes, readahead, windows  # noqa: F401  they fill the list

    return VERSIONS
