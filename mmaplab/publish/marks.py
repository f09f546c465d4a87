"""Generated parts of a text that people write: they stand between two comments, and only they are replaced.

<!-- schedule: begin -->
what is generated
<!-- schedule: end -->
"""

from __future__ import annotations

from collections.abc import Mapping


def marks(name: str) -> tuple[str, str]:
    """Return the two comments around a generated part."""
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


def filled(text: str, parts: Mapping[str, str]) -> str:
    """Return the text with each part in its place; raises ValueError where a part has no place."""
    for name, part in parts.items():
        begin, end = marks(name)
        before, found, rest = text.partition(begin)
        _old, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"the text has no place for {name!r}: put the lines {begin} and {end} where it belongs")
        text = f"{before}{begin}\n{part.strip()}\n{end}{after}"
    return text
