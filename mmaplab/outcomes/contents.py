"""What both kinds of outcomes need: bytes as short text, and arguments looked at."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby


def checked(program: object, files: object, limit: object) -> dict[str, bytes]:
    """Return the files; raises TypeError or ValueError for arguments that are none."""
    if not callable(program):
        raise TypeError(f"program is {program!r}: give a function that takes a process, such as def program(p): ...")
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise ValueError(f"limit is {limit!r}: give the number of outcomes to allow, at least 1")
    if files is not None and not isinstance(files, Mapping):
        raise TypeError(f"files is {files!r}: give a mapping from names to bytes")
    return dict(files or {})


def content_text(data: bytes, width: int = 60) -> str:
    """Return bytes for people: what repeats as a product, and only the beginning of what is long."""
    parts: list[str] = []
    plain = b""
    for value, run in groupby(data):
        count = len(list(run))
        if count < 5:
            plain += bytes([value]) * count
            continue
        parts += [repr(plain)] * bool(plain) + [f"{bytes([value])!r} * {count}"]
        plain = b""
    text = " + ".join(parts + [repr(plain)] * bool(plain)) or "b''"
    return text if len(text) <= width else f"{text[:width]}... ({len(data)} bytes)"
