"""The generated parts of docs/instructors.md: three schedules, and a page for each chapter."""

from __future__ import annotations

from pathlib import Path

from mmaplab.course import Chapter, chapters
from mmaplab.course.schedule import Session, text, whole, within
from mmaplab.course.teaching import teaching
from mmaplab.publish.chapters import aims, headline, notebook

SHORT_TALK, HALF_A_DAY, WEEKS = 90, 180, 6
"""The three schedules: minutes, minutes, and sessions of one a week."""


def parts(root: Path) -> dict[str, str]:
    """Return the generated parts by their marks."""
    return {
        "90 minutes": _schedule(f"--minutes {SHORT_TALK}", [within(SHORT_TALK)]),
        "half a day": _schedule(f"--minutes {HALF_A_DAY}", [within(HALF_A_DAY)]),
        "six weeks": _schedule(f"--sessions {WEEKS}", whole(WEEKS)),
        "chapters": "\n\n".join(chapter(root, one) for one in chapters().values()),
    }


def _schedule(options: str, sessions: list[Session]) -> str:
    return f"```\n$ mmaplab schedule {options}\n{text(sessions)}\n```"


def chapter(root: Path, one: Chapter) -> str:
    """Return a chapter's part of the guide."""
    book, told = notebook(root, one.stem), teaching()[one.stem]
    at_home = f"exercises {one.exercises} minutes" if one.exercises else "no exercises"
    ask = [f"- {asked.question}  \n  *Listen for:* {asked.listen}" for asked in told.ask]
    beside = [f"| `{cell}` | {note} |" for cell, note in told.notes.items()]
    return "\n".join(
        [
            f"### {one.number} · {one.title}",
            "",
            f"*{headline(book)}.* Reading {one.reading} minutes, {at_home}.",
            "",
            "**Aims.** By the end people can",
            "",
            *(f"- {aim};" for aim in aims(book)[:-1]),
            f"- {aims(book)[-1]}.",
            "",
            f"**What surprises.** {told.surprise}",
            "",
            f"**In half the time.** {told.short}",
            "",
            "**Ask the room.**",
            "",
            *ask,
            "",
            "**What goes wrong.**",
            "",
            *(f"- {what}" for what in told.goes_wrong),
            "",
            "**On the board.**",
            "",
            "```",
            told.board,
            "```",
            "",
            "| beside the cell | note |",
            "| --- | --- |",
            *beside,
        ]
    )
