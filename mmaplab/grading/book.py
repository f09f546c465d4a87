"""The book of results: a line for each submission, written as soon as it is graded; what --resume goes on from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TextIO

from mmaplab import __version__
from mmaplab.grading.finding import Found, content
from mmaplab.grading.plain import Plain
from mmaplab.grading.sandbox import Limits

Result = dict[str, Plain]


def new_book(path: Path, stamp: str, done: Iterable[Result]) -> TextIO:
    """Put a new book, which begins with what is done, in the place of the old one; returns it, open at its end."""
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as book:
        write_down(book, {"stamp": stamp})
        for result in done:
            write_down(book, result)
    fresh.replace(path)
    return path.open("a", encoding="utf-8")


def write_down(book: TextIO, result: Mapping[str, Plain]) -> None:
    """Append a line to the book, so that it stays when this process is killed."""
    book.write(json.dumps(result, ensure_ascii=True) + "\n")
    book.flush()


def earlier(path: Path, stamp: str) -> dict[str, Result]:
    """Return the results of an earlier run by name; none where masters or limits have changed since.

    A last line that was cut off by the interruption is left out.
    """
    results: dict[str, Result] = {}
    if not path.is_file():
        return results
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines[:-1]):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if number == 0:
            if entry.get("stamp") != stamp:
                return {}
            continue
        results[entry["name"]] = entry
    return results


def is_done(item: Found, done: dict[str, Result]) -> bool:
    """Was this very submission graded before?"""
    if item.name not in done:
        return False
    data, complaint = content(item)
    entry = done[item.name]
    return entry["sha256"] == hashlib.sha256(data).hexdigest() and (not complaint or entry["broken"] == complaint)


def stamp_of(solutions: Path, limits: Limits) -> str:
    """Return what must be the same for results to be kept: masters, limits, and the version of the grader."""
    digest = hashlib.sha256(f"{__version__} {limits!r}".encode())
    for path in sorted(solutions.glob("*.ipynb")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
