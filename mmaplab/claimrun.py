"""Run the claims of a chapter, here and now: which hold on the simulated kernel, and which on the live one?

    python -m mmaplab.claimrun notebooks/05_the_page_fault.ipynb        prints JSON
    run_chapter(path)                                                   {"C19": {"simulated": "holds", "live": "holds"}}

A cell that proves a claim carries its number in its metadata; a cell on the live kernel has an id that ends in `-live`.
The chapter's code cells run in order, in a Python of their own, without a notebook around them.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import linecache
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmaplab.lab import LabResult

Outcomes = dict[str, dict[str, str]]


def claim_cells(path: Path) -> dict[str, dict[str, str]]:
    """Return for each claim of a notebook the ids of the last cells that prove it: {"C19": {"live": id, ...}}."""
    cells: dict[str, dict[str, str]] = {}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        for key in re.findall(r"C\d\d", str(cell["metadata"].get("mmaplab", {}).get("claim", ""))):
            cells.setdefault(key, {})[where(cell)] = cell["id"]
    return dict(sorted(cells.items()))


def where(cell: Mapping[str, Any]) -> str:
    """Return on which kernel a cell proves its claim."""
    return "live" if str(cell["id"]).endswith("-live") else "simulated"


def run_chapter(path: Path, seconds: float = 120) -> Outcomes:
    """Run a chapter in a fresh Python and return the outcome of each claim.

    An outcome is 'holds', 'holds for the recorded result', 'fails: ...', or 'not reached'. Raises
    subprocess.TimeoutExpired after `seconds`.
    """
    with tempfile.TemporaryDirectory() as home:
        child = subprocess.run(
            [sys.executable, "-m", "mmaplab.claimrun", path.name],
            cwd=path.parent,
            env={**os.environ, "MMAPLAB_HOME": home, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            timeout=seconds,
        )
    if child.returncode:
        raise RuntimeError(f"{path.name} could not be run: {child.stderr.strip().splitlines()[-1:]}")
    found: Outcomes = json.loads(child.stdout)
    return found


def outcomes(path: Path) -> Outcomes:
    """Run the code cells of a notebook in this Python, and note how each claim fared."""
    found = {key: dict.fromkeys(kinds, "not reached") for key, kinds in claim_cells(path).items()}
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code" or "widget" in cell["metadata"].get("tags", []):
            continue
        source = "".join(cell["source"])
        keys = re.findall(r"C\d\d", str(cell["metadata"].get("mmaplab", {}).get("claim", "")))
        outcome = _run(source, names, f"<{path.stem} {cell['id']}>")
        for key in keys:
            worst = found[key][where(cell)]
            if not worst.startswith("fails"):
                found[key][where(cell)] = outcome or _source_of(source, names)
        if outcome and not keys:
            break  # what comes after stands on this cell
    return found


def _run(source: str, names: dict[str, Any], name: str) -> str:
    """Run one cell; returns '' or 'fails: ...'. `name` stands for its file, so that its functions can be shown."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(source, name, "exec"), names)
    except Exception as error:
        said = str(error).splitlines()[:1]
        return f"fails: {type(error).__name__} {' '.join(said)}".strip()
    return ""


def _source_of(source: str, names: Mapping[str, Any]) -> str:
    """Return 'holds', or say that a recorded result or the simulator alone stood in for the live kernel."""
    used = [names[name] for name in set(re.findall(r"\b[a-z_]\w*\b", source)) if name in names]
    stands_in = any(isinstance(value, LabResult) and not value.live for value in used)
    alone = any(type(value).__name__ == "Comparison" and getattr(value, "live", True) is False for value in used)
    return "holds for the recorded result" if stands_in else "predicted only" if alone else "holds"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Run the claims of one chapter; prints JSON.")
    parser.add_argument("notebook", type=Path)
    print(json.dumps(outcomes(parser.parse_args().notebook)))
