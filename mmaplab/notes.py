"""What a learner has guessed, answered, written and solved: one JSON file of their own, never sent, never graded.

    {"predictions": {"05-tables": {"guess": 1, "question": "..."}}, "answers": {"05-q1": {"right": true, "tries": 2}},
     "exercises": {"fault-bill": {"passed": 2, "of": 3}}, "words": {"05-recap": {"text": "...", "question": "..."}}}

The folder is `MMAPLAB_HOME`, else the system's place for user data. A file that cannot be read is kept aside under
another name, so that nothing is lost and no cell fails.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

KINDS = ("predictions", "answers", "exercises", "words")
Notes = dict[str, dict[str, dict[str, Any]]]


def home() -> Path:
    """Return the folder that holds the notes; it need not exist yet."""
    given = os.environ.get("MMAPLAB_HOME")
    if given:
        return Path(given)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "mmaplab"
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", str(Path.home()))) / "mmaplab"
    return Path(os.environ.get("XDG_DATA_HOME", str(Path.home() / ".local" / "share"))) / "mmaplab"


def shown_home() -> str:
    """Return the folder of the notes as a learner may read it: their home directory as `~`."""
    path = home()
    return f"~/{path.relative_to(Path.home())}" if path.is_relative_to(Path.home()) else str(path)


def none() -> Notes:
    """Return notes in which nothing was done yet."""
    return {kind: {} for kind in KINDS}


def read() -> Notes:
    """Return all notes; empty where there are none. A broken file is kept as `notes.broken.json`."""
    path = home() / "notes.json"
    empty = none()
    try:
        notes = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return empty
    except (OSError, ValueError):
        _keep_aside(path)
        return empty
    if not isinstance(notes, dict):
        _keep_aside(path)
        return empty
    return {kind: _notes_of(notes.get(kind)) for kind in empty}


def _notes_of(kind: object) -> dict[str, dict[str, Any]]:
    """Return the notes of one kind, without what nobody here wrote."""
    return {key: note for key, note in kind.items() if isinstance(note, dict)} if isinstance(kind, dict) else {}


def write(kind: str, key: str, note: dict[str, Any]) -> bool:
    """Keep one note under one of KINDS; False where the folder cannot be written."""
    notes = read()
    notes[kind][key] = note
    return _keep(notes)


def reset() -> bool:
    """Begin anew; what was kept so far stays beside it as `notes.before.json`. False where it cannot be written."""
    path = home() / "notes.json"
    try:
        if path.exists():
            path.replace(path.with_name("notes.before.json"))
    except OSError:
        return False
    return True


def _keep(notes: Notes) -> bool:
    path = home() / "notes.json"
    new = path.with_name("notes.new.json")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(json.dumps(notes, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        new.replace(path)
    except OSError:
        return False
    return True


def _keep_aside(path: Path) -> None:
    try:
        path.replace(path.with_name("notes.broken.json"))
    except OSError:
        return
