"""Run notebooks where there is no Linux: no resource and fcntl, no /proc and /sys, the live kernel switched off.

    python tests/elsewhere/nolinux.py 05_the_page_fault.ipynb ...

Prints one line for each: its name, then `all cells`, or the first cell that failed and why.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

MISSING = ("resource", "fcntl", "pwd", "grp", "termios")
ASKING = ("stat", "lstat", "open", "listdir", "scandir", "readlink", "access")


def hide() -> None:
    """Take away, in this process, what only Linux or only Unix has."""
    for name in MISSING:
        sys.modules[name] = None  # type: ignore[assignment]
    builtins.open = io.open = without_proc(io.open)  # type: ignore[assignment]
    for name in ASKING:
        setattr(os, name, without_proc(getattr(os, name)))
    os.environ["MMAPLAB_LIVE"] = "off"


def without_proc(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function as it is where /proc and /sys do not exist."""

    def asked(path: Any = ".", *rest: Any, **named: Any) -> Any:
        with contextlib.suppress(TypeError):
            text = os.fsdecode(path)
            if text in ("/proc", "/sys") or text.startswith(("/proc/", "/sys/")):
                raise FileNotFoundError(2, "there is no such thing here", text)
        return function(path, *rest, **named)

    return asked


def run(path: Path) -> str:
    """Run every code cell of a notebook in one room; returns what became of it."""
    room: dict[str, object] = {"__name__": "__main__"}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    exec(compile("".join(cell["source"]), f"{path.stem}:{cell['id']}", "exec"), room)
            except BaseException as error:
                return f"cell {cell['id']}: {type(error).__name__}: {error}"
    return "all cells"


if __name__ == "__main__":
    hide()
    for name in sys.argv[1:]:
        print(Path(name).stem, run(Path(name)), sep=": ", flush=True)
