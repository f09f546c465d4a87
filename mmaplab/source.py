"""Show a function of the simulated kernel as it stands in the package: never a pasted copy.

source("do_fault_around")      or      source(do_fault_around)
"""

from __future__ import annotations

import html
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mmaplab.sim


def shown_path(path: Path) -> str:
    """Return a file of the package from `mmaplab` on, whatever folder it is installed in; another file by its name."""
    package = Path(mmaplab.sim.__file__).parents[1]
    return f"mmaplab/{path.relative_to(package).as_posix()}" if path.is_relative_to(package) else path.name


class Source:
    """The text of one function, with its file and its line numbers."""

    def __init__(self, function: Callable[..., Any]) -> None:
        lines, self.first = inspect.getsourcelines(function)
        self.lines = [line.rstrip("\n") for line in lines]
        path = Path(inspect.getsourcefile(function) or "")
        self.file = shown_path(path)

    def __repr__(self) -> str:
        numbered = (f"{number:4} {line}".rstrip() for number, line in enumerate(self.lines, self.first))
        return "\n".join([self.file, *numbered])

    def _repr_html_(self) -> str:
        body = html.escape("\n".join(repr(self).split("\n")[1:]))
        style = "line-height:1.3;margin:4px 0 0 0;white-space:pre;overflow-x:auto"
        return f"<div><code>{self.file}</code></div><pre style='{style}'>{body}</pre>"


def source(function: str | Callable[..., Any]) -> Source:
    """Return the text of a kernel function, by name or itself; raises LookupError for a name that is none."""
    return Source(find(function) if isinstance(function, str) else function)


def find(name: str) -> Callable[..., Any]:
    """Return the simulator's function of a name; the room that defines it counts, not those that import it."""
    for info in pkgutil.iter_modules(mmaplab.sim.__path__, "mmaplab.sim."):
        room = importlib.import_module(info.name)
        found = getattr(room, name, None)
        if inspect.isfunction(found) and found.__module__ == info.name:
            return found
    raise LookupError(f"the simulated kernel has no function {name!r}")
