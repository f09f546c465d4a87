"""How far a learner has come: chapter by chapter, what was predicted, written, answered and solved. On their disk only.

    progress()          a table, with buttons that export the notes and begin anew
    progress_table()    the table alone: for readers without a running kernel

Linux has no such room. Everything is read from `mmaplab.notes`; nothing here is a grade.
"""

from __future__ import annotations

import base64
import html
import json
from dataclasses import dataclass
from pathlib import Path

import ipywidgets

from mmaplab import notes
from mmaplab.course import Chapter, chapters, questions
from mmaplab.widgets import twin

EXERCISES = Path(notes.__file__).parent / "grading" / "public"
"""The questions of each chapter's exercises, as data: what `check` reads."""


@dataclass(frozen=True)
class Row:
    """One chapter: predictions made, texts written, questions right of how many, exercises whose public checks pass."""

    chapter: Chapter
    predicted: int
    written: int
    right: int
    questions: int
    solved: int

    @property
    def exercises(self) -> int:
        """How many exercises the chapter has."""
        path = EXERCISES / f"{self.chapter.stem}.json"
        return len(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else 0


class Progress:
    """The table of all chapters: HTML in a notebook, plain text elsewhere."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows

    def __repr__(self) -> str:
        lines = [f"{'chapter':24}{'predicted':>11}{'own words':>11}{'questions':>11}{'exercises':>11}"]
        for row in self.rows:
            lines.append(f"{title_of(row):24}" + "".join(f"{count:>11}" for count in counts_of(row)))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = "".join(f"<th style='text-align:left;padding:0 .7em'>{name}</th>" for name in HEADINGS)
        body = "".join(
            "<tr>"
            + "".join(f"<td style='text-align:left;padding:0 .7em'>{html.escape(cell)}</td>" for cell in cells_of(row))
            + "</tr>"
            for row in self.rows
        )
        caption = "Your progress, kept on this disk only"
        return f"<table><caption style='text-align:left'>{caption}</caption><tr>{head}</tr>{body}</table>"


HEADINGS = ("chapter", "predictions made", "own words written", "questions right", "exercises passed", "minutes")


def cells_of(row: Row) -> tuple[str, ...]:
    """Return one row of the table, as words."""
    c = row.chapter
    minutes = f"{c.reading} and {c.exercises}" if c.exercises else f"{c.reading}"
    return (title_of(row), *counts_of(row), minutes)


def title_of(row: Row) -> str:
    """Return the number and the title of a row's chapter."""
    return f"{row.chapter.number} {row.chapter.title}"


def counts_of(row: Row) -> tuple[str, ...]:
    """Return what was done, each beside how much there is to do."""
    return (
        _of(row.predicted, row.chapter.predictions),
        _of(row.written, row.chapter.words),
        _of(row.right, row.questions),
        _of(row.solved, row.exercises),
    )


def _of(done: int, all_of: int) -> str:
    return f"{done} of {all_of}" if all_of else "none"


def progress_table() -> Progress:
    """Return the table of what the notes hold now."""
    kept = notes.read()
    return Progress([_row(chapter, kept) for chapter in chapters().values()])


def _row(chapter: Chapter, kept: notes.Notes) -> Row:
    """Return one chapter's row; notes of a form that nobody here wrote count for nothing.

    A prediction that an older edition of the chapter asked for is not counted beyond those that it asks for now.
    """
    number = chapter.number
    predicted = sum(key.startswith(f"{number}-") for key in kept["predictions"])
    written = sum(key.startswith(f"{number}-") and bool(note.get("text")) for key, note in kept["words"].items())
    asked = {key for key in questions() if key.startswith(f"{number}-")}
    asked |= {f"{number}-q5"} if asked else set()
    right = sum(kept["answers"].get(key, {}).get("right") is True for key in asked)
    solved = [note for note in kept["exercises"].values() if note.get("chapter") == number]
    passed = sum(note.get("passed") == note.get("of") for note in solved)
    return Row(chapter, min(predicted, chapter.predictions), min(written, chapter.words), right, len(asked), passed)


class ProgressPage(twin.Twin, ipywidgets.VBox):  # type: ignore[misc]
    """The table, with buttons: look again, export, begin anew (asked twice)."""

    def __init__(self) -> None:
        self.table, self.said = ipywidgets.HTML(), ipywidgets.HTML()
        self.again = ipywidgets.Button(description="Look again", icon="refresh")
        self.export = ipywidgets.Button(description="Export")
        self.begin = ipywidgets.Button(description="Begin anew ...")
        self.again.on_click(lambda _button: self.look())
        self.export.on_click(lambda _button: self.offer())
        self.begin.on_click(lambda _button: self.reset())
        super().__init__([self.table, ipywidgets.HBox([self.again, self.export, self.begin]), self.said])
        self.look()

    def __repr__(self) -> str:
        return "progress()"

    def twin(self) -> str:
        """Return the table as it is before anything was done."""
        empty = Progress([_row(chapter, notes.none()) for chapter in chapters().values()])
        return empty._repr_html_() + twin.said("Run the cell to see your own, to export it, or to begin anew.")

    def look(self) -> None:
        """Show what the notes hold now."""
        self.table.value = progress_table()._repr_html_()
        self.begin.description, self.said.value = "Begin anew ...", ""

    def offer(self) -> None:
        """Offer the notes as a file to download; nothing leaves the machine."""
        data = base64.b64encode(json.dumps(notes.read(), indent=1, sort_keys=True).encode()).decode()
        link = f"<a download='mmaplab-notes.json' href='data:application/json;base64,{data}'>mmaplab-notes.json</a>"
        self.said.value = f"Your notes: {link}. They lie in <code>{html.escape(notes.shown_home())}</code>."

    def reset(self) -> None:
        """Begin anew at the second press; the old notes stay beside the new ones."""
        if not self.begin.description.startswith("Really"):
            self.begin.description = "Really begin anew"
            self.said.value = "Press once more: all predictions, texts, answers and solved exercises are put aside."
            return
        done = notes.reset()
        self.look()
        kept = "The old notes are kept as notes.before.json." if done else "The notes could not be put aside."
        self.said.value = kept


def progress() -> ProgressPage:
    """Show how far you have come, with buttons to export your notes and to begin anew."""
    return ProgressPage()
