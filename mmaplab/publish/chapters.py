"""The chapters' notebooks as they are stored, read for the guides, the site and the slides."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from mmaplab.course import chapters
from mmaplab.course.teaching import teaching

AIMS = "By the end"
"""How the sentence begins that stands before a chapter's aims."""


class NoCourse(ValueError):
    """The folder holds no checkout of the course; the text says what is missing."""


def notebook(root: Path, stem: str) -> NotebookNode:
    """Return a chapter's notebook. Raises NoCourse where the folder has none."""
    path = root / "notebooks" / f"{stem}.ipynb"
    if not path.is_file():
        raise NoCourse(f"there is no {path}: run this in the checkout of the course")
    return nbformat.read(path, as_version=4)


def aims(book: NotebookNode) -> list[str]:
    """Return what a reader can do at the end, as the chapter says it; raises ValueError where it does not."""
    for cell in book.cells:
        _before, found, after = cell.source.partition(AIMS)
        if cell.cell_type == "markdown" and found:
            lines = after.split("\n\n")[1].replace("\n  ", " ").splitlines()
            return [line.removeprefix("- ").rstrip(",;.") for line in lines if line.startswith("- ")]
    raise ValueError(f"no cell of the notebook has a list after {AIMS!r}")


def headline(book: NotebookNode) -> str:
    """Return the chapter's first heading, without its number."""
    found = re.match(r"# (?:\d\d · )?(.+)", book.cells[0].source)
    if not found:
        raise ValueError("the notebook's first cell has no heading")
    return found.group(1)


def with_notes(book: NotebookNode, stem: str) -> NotebookNode:
    """Put the instructor's notes into the metadata of the cells they stand beside, in place; raises KeyError."""
    notes = dict(teaching()[stem].notes)
    for cell in book.cells:
        ours = dict(cell.metadata.get("mmaplab", {}))
        ours.pop("instructor", None)
        if cell.id in notes:
            ours["instructor"] = notes.pop(cell.id)
        cell.metadata.pop("mmaplab", None)
        if ours:
            cell.metadata["mmaplab"] = nbformat.from_dict(ours)
    if notes:
        raise KeyError(f"teaching.toml has notes for cells that {stem} does not have: {', '.join(notes)}")
    return book


def stale_notes(root: Path) -> dict[Path, str]:
    """Return the notebooks whose notes are not those of teaching.toml, each with the text that it should have."""
    found = {}
    for stem in chapters():
        path = root / "notebooks" / f"{stem}.ipynb"
        book = notebook(root, stem)
        before = nbformat.writes(book)
        after = nbformat.writes(with_notes(book, stem))
        if after != before:
            found[path] = after if after.endswith("\n") else f"{after}\n"
    return found


def store_notes(root: Path) -> list[Path]:
    """Write the notes into all notebooks; returns those that changed. Learners' cells, outputs and order stay."""
    changed = stale_notes(root)
    for path, text in changed.items():
        path.write_text(text, encoding="utf-8")
    return list(changed)
