"""From a chapter to its deck: which cell becomes a slide, which a speaker's note, and which is left to the page.

heading of a section    a slide; smaller headings and later cells go below it
a question in italics   on the slide, before the code that answers it
a prediction            a card with the question and its choices
an explanation          the speaker's note: it is what one says
other widgets, quizzes, exercises, further reading      left out: they belong to the notebook
"""

from __future__ import annotations

import ast
import html
import re

import nbformat
from nbformat import NotebookNode

LEFT_OUT = {"Check yourself", "Exercises", "Further reading", "Recap", "What do you believe now?"}
"""Sections, large or small, that are for the reader alone, with what they answered; the recap's map ends the deck."""
SAID = ("-explain", "-after", "-solution")
"""How the ids of cells end that say what was seen; a number may follow."""
CROWDED = 9
"""A cell of more lines than this leaves no room for another one on its slide."""


def deck(book: NotebookNode) -> NotebookNode:
    """Return the chapter as a notebook with slide types; the one that is given stays as it is."""
    made = nbformat.v4.new_notebook(metadata=book.metadata)
    left_out = False
    for cell in book.cells:
        heading = re.match(r"(#+) (?:\d\d · )?(.+)", cell.source) if cell.cell_type == "markdown" else None
        if heading and heading.group(2).strip() in LEFT_OUT:
            left_out = True
        elif heading and len(heading.group(1)) <= 2:
            left_out = False
        if not left_out:
            made.cells += slides_of(cell, heading, opens_anew(made), is_text(made))
    return made


def is_text(made: NotebookNode) -> bool:
    """Is the last cell of the deck a text that is shown? A bet may stand below it."""
    return bool(made.cells) and made.cells[-1].cell_type == "markdown" and not opens_anew(made)


def opens_anew(made: NotebookNode) -> bool:
    """Does what comes next need a slide of its own? After what is said, after the puzzle, and after a bet: no answer
    may stand beside its question."""
    if not made.cells:
        return False
    last = made.cells[-1]
    if last.cell_type == "code" and len(last.source.splitlines()) > CROWDED:
        return True
    question = str(last.source).startswith(("# ", "<div class='bet'>"))
    return question or str(last.metadata.slideshow.slide_type) == "notes"


def slides_of(cell: NotebookNode, heading: re.Match[str] | None, fresh: bool, beside: bool) -> list[NotebookNode]:
    """Return what a cell becomes: the cell with its slide type, and the instructor's note that stands beside it."""
    own = nbformat.from_dict({**cell, "metadata": {"tags": list(cell.metadata.get("tags", []))}})
    note = cell.metadata.get("mmaplab", {}).get("instructor")
    cells: list[NotebookNode] = []
    if "widget" in own.metadata.tags:
        card = bet(own.source)
        if card:
            cells.append(_typed(nbformat.v4.new_markdown_cell(card), "-" if beside else "subslide"))
    elif cell.cell_type == "code":
        cells.append(_typed(own, "subslide" if fresh else "-"))
    elif heading:
        cells.append(_typed(own, "slide" if len(heading.group(1)) <= 2 else "subslide"))
    elif is_said(cell.id):
        cells.append(_typed(own, "notes"))
    else:
        cells.append(_typed(own, "subslide"))
    if note and cells:
        cells.append(_typed(nbformat.v4.new_markdown_cell(f"**In the room:** {note}"), "notes"))
    return cells


def is_said(name: str) -> bool:
    """Is this a cell that explains what was seen?"""
    return re.sub(r"-\d+$", "", name).endswith(SAID)


def bet(source: str) -> str:
    """Return a prediction's cell as a card in HTML; '' for other widgets, and where the question is not written out."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("predict", "predict_pages"):
            try:
                question, *choices = [ast.literal_eval(argument) for argument in node.args]
            except ValueError:
                return ""
            items = "".join(f"<li>{html.escape(str(choice))}</li>" for choice in choices)
            offered = f"<ol>{items}</ol>" if items else ""
            return f"<div class='bet'><b>Your bet:</b> {html.escape(str(question))}{offered}</div>"
    return ""


def _typed(cell: NotebookNode, kind: str) -> NotebookNode:
    cell.metadata["slideshow"] = {"slide_type": kind}
    return cell
