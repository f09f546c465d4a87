"""Every generated part of docs/ and README.md, with the function that makes it.

stale(Path())       the files whose stored text is not what is made now
store(Path())       write them; returns those that changed
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from mmaplab.course import chapters
from mmaplab.publish import floors, guide, reference
from mmaplab.publish.marks import filled

Make = Callable[[Path, str], str]


def instructors(root: Path, old: str) -> str:
    """Return the instructor's guide with its schedules and chapters."""
    return filled(old, guide.parts(root))


def contributing(root: Path, old: str) -> str:
    """Return the contributor's guide with the table of make's targets."""
    return filled(old, {"targets": targets((root / "Makefile").read_text(encoding="utf-8"))})


def readme(root: Path, old: str) -> str:
    """Return README with the table of the chapters' questions; its picture, twin table and numbers are measured."""
    rows = [f"| `notebooks/{one.stem}.ipynb` | {one.question} |" for one in chapters().values()]
    return filled(old, {"chapters": "\n".join(["| chapter | its question |", "| --- | --- |", *rows])})


def targets(makefile: str) -> str:
    """Return what each target does, as the head of the Makefile says it, as a table."""
    head = makefile.partition("\n\n# .venv")[0]
    said = re.findall(r"^#   make ([a-z-]+) +(.+(?:\n# {10,}.+)*)", head, re.MULTILINE)
    rows = [f"| `make {name}` | {' '.join(what.replace('#', ' ').split())} |" for name, what in said]
    return "\n".join(["| target | what it does |", "| --- | --- |", *rows])


DOCS: dict[str, Make] = {
    "README.md": readme,
    "docs/instructors.md": instructors,
    "docs/contributing.md": contributing,
    "docs/reference.md": lambda root, _old: reference.text(root),
    "docs/floors.svg": lambda root, _old: floors.picture(floors.towers(root)).svg + "\n",
}
"""By the path of the file: what makes it, from the checkout's folder and the text that is there."""


def stale(root: Path) -> dict[Path, str]:
    """Return the files that are not what is made now, each with what it should hold; raises ValueError."""
    found = {}
    for name, make in DOCS.items():
        path = root / name
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        new = make(root, old)
        if new != old:
            found[path] = new
    return found


def store(root: Path) -> list[Path]:
    """Write what is made now; returns the files that changed."""
    changed = stale(root)
    for path, text in changed.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(changed)
