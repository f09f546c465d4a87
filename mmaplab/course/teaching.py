"""What an instructor needs beside a chapter: questions, the surprise, what goes wrong in the room, a board sketch.

teaching()["05_the_page_fault"].surprise          "Five faults for 64 pages, ..."
teaching()["05_the_page_fault"].notes["puzzle"]   the note that stands beside the cell `puzzle`

The texts lie in teaching.toml. The guide, the notes in the notebooks and the slides' speaker notes are made of them.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache

from mmaplab.course import HERE


@dataclass(frozen=True)
class Asked:
    """A question to the room, and what to listen for in the answers."""

    question: str
    listen: str


@dataclass(frozen=True)
class Teaching:
    """One chapter for those who teach it; `notes` are by the id of the cell that they stand beside."""

    surprise: str
    short: str
    ask: tuple[Asked, ...]
    goes_wrong: tuple[str, ...]
    board: str
    notes: dict[str, str]


@cache
def teaching() -> dict[str, Teaching]:
    """Return what is written for instructors, by the stem of the chapter's notebook, in order."""
    with (HERE / "teaching.toml").open("rb") as file:
        return {stem: _teaching(entry) for stem, entry in tomllib.load(file).items()}


def _teaching(entry: dict[str, object]) -> Teaching:
    asked = [Asked(*(part.strip() for part in line.split("|", 1))) for line in _lines(entry["ask"])]
    notes = entry["notes"]
    assert isinstance(notes, dict)
    return Teaching(
        surprise=str(entry["surprise"]),
        short=str(entry["short"]),
        ask=tuple(asked),
        goes_wrong=tuple(_lines(entry["goes_wrong"])),
        board=str(entry["board"]).strip("\n"),
        notes={str(cell): str(note) for cell, note in notes.items()},
    )


def _lines(value: object) -> list[str]:
    assert isinstance(value, list)
    return [str(line) for line in value]
