"""For authors: run notebooks and store what they show, so that the same source always gives the same file.

    python -m mmaplab.authoring execute notebooks/*.ipynb     run in order, store the outputs
    python -m mmaplab.authoring claims                        make notebooks/claims.ipynb, and run every claim
    python -m mmaplab.authoring glossary                      make notebooks/glossary.ipynb
    python -m mmaplab.authoring freeze                        write the installed versions to constraints.txt

Of a widget only its static twin is stored (mmaplab/widgets/twin.py): the widget itself needs a running kernel. A cell
tagged `nbval-ignore-output` shows this machine; its output is stored and never compared.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from mmaplab.claimrun import run_chapter
from mmaplab.claimspage import STORED
from mmaplab.course import chapters, claims, glossary
from mmaplab.lab import here
from mmaplab.widgets.twin import VIEW

METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
CONSTRAINTS = Path("constraints.txt")
CLAIMS_NOTEBOOK = Path("notebooks/claims.ipynb")
GLOSSARY_NOTEBOOK = Path("notebooks/glossary.ipynb")


def execute(path: Path, timeout: float = 300) -> None:
    """Run a notebook in its own folder and store the result in its place; `timeout` is for one cell, in seconds.

    It runs with empty notes of its own (notes.py), as a learner sees it first: the author's stay out of it. Raises
    CellExecutionError, and leaves the file as it was, where a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        store_widget_state=False,
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    with tempfile.TemporaryDirectory(prefix="notes-of-mmaplab-") as home:
        client.execute(env={**os.environ, "MMAPLAB_HOME": home})
    tidy(notebook)
    nbformat.validate(notebook)
    nbformat.write(notebook, path)


def tidy(notebook: NotebookNode) -> None:
    """Remove from a notebook, in place, what depends on the run: times, versions, the state of widgets."""
    notebook.metadata = nbformat.from_dict({**METADATA, **kept(notebook.metadata)})
    for cell in notebook.cells:
        for key in ("execution", "collapsed", "scrolled", "ExecuteTime"):
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            tidy_outputs(cell)


def tidy_outputs(cell: NotebookNode) -> None:
    """Join the streams of one code cell; of a widget leave its static twin."""
    outputs: list[NotebookNode] = []
    for output in cell.outputs:
        before = outputs[-1] if outputs else None
        if before and output.output_type == "stream" == before.output_type and output.name == before.name:
            before.text += output.text
            continue
        if "data" in output:
            output.data.pop(VIEW, None)
        if output.get("data") != {}:
            outputs.append(output)
    cell.outputs = outputs


def kept(metadata: NotebookNode) -> dict[str, object]:
    """Return the notebook's metadata that an author wrote: all but the kernel's own and the widgets' state."""
    return {key: value for key, value in metadata.items() if key not in {*METADATA, "widgets", "signature"}}


def claims_notebook() -> NotebookNode:
    """Return the notebook that lists every claim of the course; only the chapters' list decides what is in it."""
    v4 = nbformat.v4
    cells = [
        ("title", CLAIMS_TITLE),
        ("check-setup", "from mmaplab.claimspage import check_claims, claims_of"),
        ("check-ask", CLAIMS_CHECK),
        ("check", "check_claims()"),
    ]
    for chapter in chapters().values():
        if any(claim.chapter == chapter.stem for claim in claims().values()):
            cells.append((f"head-{chapter.number}", f"## {chapter.number} · {chapter.title}\n\n{chapter.question}"))
            cells.append((f"claims-{chapter.number}", f'claims_of("{chapter.stem}")'))
    cells.append(("end", CLAIMS_END))
    notebook = v4.new_notebook(metadata=METADATA)
    for name, text in cells:
        is_code = (name.startswith("check") and name != "check-ask") or name.startswith("claims-")
        cell = v4.new_code_cell(text) if is_code else v4.new_markdown_cell(text)
        cell.id = name
        if name == "check":
            cell.metadata["tags"] = ["widget"]
        notebook.cells.append(cell)
    notebook.nbformat_minor = 5
    return notebook


CLAIMS_TITLE = """# Every claim of the course, and the cells that prove it

What is said about `mmap` everywhere, in 45 sentences; whether it is so; and what is so. Each line leads to the cell
that asserts it on the simulated kernel, and to the one that asserts it on the live one. The tables show what was
recorded when the chapters were written; the button runs the chapters' cells on your machine."""
CLAIMS_CHECK = """A chapter takes some seconds. Where there is no live kernel under the notebook, the recorded result
of the reference machine has to hold instead, and the table says so."""
CLAIMS_END = """## How to read the verdicts

*True* needs nothing added. *With a condition* is true where the condition holds, and the sentence beside it names it.
*Imprecise* leads to wrong predictions if it is taken at its word. *Wrong* is wrong on every Linux of today."""


def store_claims(path: Path = CLAIMS_NOTEBOOK) -> None:
    """Run the claims of every chapter, keep the outcomes with machine and date, and write the notebook."""
    found: dict[str, dict[str, str]] = {}
    for stem in chapters():
        chapter = path.parent / f"{stem}.ipynb"
        if chapter.exists():
            found |= run_chapter(chapter.absolute())
    kept = {"kernel": here(), "date": datetime.date.today().isoformat(), "outcomes": dict(sorted(found.items()))}
    STORED.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    nbformat.write(claims_notebook(), path)
    execute(path)


def glossary_notebook() -> NotebookNode:
    """Return the notebook that explains every term of the course and leads to the chapter that uses it first."""
    rows = ["| term | what it means | explained in |", "| --- | --- | --- |"]
    for term in sorted(glossary().values(), key=lambda term: term.name.lower()):
        chapter = chapters()[term.chapter]
        rows.append(f"| **{term.name}** | {term.means} | [{chapter.number} {chapter.title}]({chapter.stem}.ipynb) |")
    cells = [nbformat.v4.new_markdown_cell(text) for text in (GLOSSARY_TITLE, "\n".join(rows))]
    cells[0].id, cells[1].id = "title", "terms"
    notebook = nbformat.v4.new_notebook(metadata=METADATA, cells=cells)
    notebook.nbformat_minor = 5
    return notebook


GLOSSARY_TITLE = """# The words of the course

Each term is defined once, in bold, in the chapter that the last column names; an earlier chapter that meets it says in
a few words what it means. Names in the font of code are the kernel's own: you find a function of the same name in Linux
and in the simulated kernel, and `source("name")` shows the latter."""


def freeze(path: Path = CONSTRAINTS) -> None:
    """Write the versions of what is installed here; keep the file's comments and its lines for other systems."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comments = [line for line in lines if line.startswith("#")]
    elsewhere = [line for line in lines if ";" in line]
    here = {f"{item.name}=={item.version}" for item in distributions() if item.name not in ("mmaplab", "pip")}
    path.write_text("\n".join([*comments, *sorted([*here, *elsewhere], key=str.lower)]) + "\n", encoding="utf-8")


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 1 where a notebook's cell fails."""
    parser = argparse.ArgumentParser(prog="python -m mmaplab.authoring", description="Run and store notebooks.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("execute", help="run notebooks in order and store what they show")
    run.add_argument("notebooks", nargs="+", type=Path)
    run.add_argument("--timeout", type=float, default=300, metavar="S", help="seconds that one cell may take")
    commands.add_parser("claims", help="run every claim, and make the notebook that lists them")
    commands.add_parser("glossary", help="make the notebook that explains every term")
    commands.add_parser("freeze", help="write the installed versions to constraints.txt")
    args = parser.parse_args(argv)
    if args.command == "claims":
        store_claims()
        return 0
    if args.command == "glossary":
        nbformat.write(glossary_notebook(), GLOSSARY_NOTEBOOK)
        return 0
    if args.command == "freeze":
        freeze()
        return 0
    for path in args.notebooks:
        try:
            execute(path, args.timeout)
        except CellExecutionError as error:
            print(f"{path}: {error}", file=sys.stderr)
            return 1
        print(f"{path}: stored")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
