"""The book of results: a line for each submission, written as soon as it is graded; what --resume goes on from."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TextIO

from mmaplab import __version__
from mmaplab.grading.finding import Found, content
from mmaplab.grading.plain import Plain
from mmaplab.grading.sandbox import Limits

Result = dict[str, Plain]
PARTS = {"name", "sha256", "broken", "assignment", "points", "max", "questions", "notes"}
"""What every result has."""


def new_book(path: Path, stamp: str, done: Iterable[Result]) -> TextIO:
    """Put a new book, which begins with what is done, in the place of the old one; returns it, open at its end."""
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as book:
        book.write(line_of({"stamp": stamp}))
        book.writelines(map(line_of, done))
        book.flush()
        os.fsync(book.fileno())
    fresh.replace(path)
    sync_folder(path.parent)
    return path.open("a", encoding="utf-8")


def line_of(entry: Mapping[str, Plain]) -> str:
    """Return a line of the book."""
    return json.dumps(entry, ensure_ascii=True) + "\n"


def write_down(book: TextIO, result: Mapping[str, Plain]) -> None:
    """Append a line to the book, so that it stays when this process is killed, and when the power fails."""
    book.write(line_of(result))
    book.flush()
    os.fsync(book.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; fsync(2) says that a file's own fsync need not."""
    if hasattr(os, "O_DIRECTORY"):
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def earlier(path: Path, stamp: str) -> dict[str, Result]:
    """Return the results of an earlier run by name; none where masters, limits or protection have changed since.

    A line that is no result is left out: the last one may have been cut off, and a power failure may leave anything.
    """
    if not path.is_file():
        return {}
    first, *lines = path.read_bytes().split(b"\n")[:-1] or [b""]
    if entry_of(first).get("stamp") != stamp:
        return {}
    entries = map(entry_of, lines)
    return {str(entry["name"]): entry for entry in entries if entry.keys() >= PARTS}


def entry_of(line: bytes) -> Result:
    """Return what a line of the book holds, {} for one that was damaged."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) else {}


def is_done(item: Found, done: dict[str, Result]) -> bool:
    """Was this very submission graded before?"""
    if item.name not in done:
        return False
    data, complaint = content(item)
    entry = done[item.name]
    return entry["sha256"] == hashlib.sha256(data).hexdigest() and (not complaint or entry["broken"] == complaint)


def stamp_of(solutions: Path, limits: Limits, protection: str, student: str | None = None) -> str:
    """Return what must be the same for results to be kept: masters, limits, protection, whose seeds count, version."""
    digest = hashlib.sha256(f"{__version__} {limits!r} {protection} {student!r}".encode())
    for path in sorted(solutions.glob("*.ipynb")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
