"""Runs notebooks, one after the other, for a test that has put this process into a setting of its own.

Started as a program with the setting's name. Each line that it reads is the path of a notebook; for each it writes a
line: {"error": text, "cells": [outputs of each cell]}.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

SECONDS = 120
"""How long a cell may take."""


def read(path: Path) -> dict[str, object]:
    """Run a notebook in a kernel of its own; returns the outputs of its cells, and the error that ended it or ""."""
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    try:
        NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources=resources).execute()
        error = ""
    except CellExecutionError as reason:
        error = str(reason)
    return {"error": error, "cells": [cell.get("outputs", []) for cell in notebook.cells]}


def main() -> None:
    """Take on the setting, then read until there are no more lines."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a kernel prints is no answer
    if sys.argv[1] == "container":
        from mmaplab.real import seccomp

        seccomp.refuse()
    for line in sys.stdin:
        print(json.dumps(read(Path(line.strip()))), file=answers, flush=True)


if __name__ == "__main__":
    main()
