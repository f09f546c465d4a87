"""Cells as a notebook runs them: with `%time`, `!ls`, `f?` and `await` at the top, but without what these would do.

    run_cell("%time x = f()", "<cell 1>", namespace)      x is there; nobody is told how long it took
    run_cell("files = !ls", "<cell 1>", namespace)        an empty list: no command is run

What is no Python is translated by IPython's own code, which knows where a statement begins.
"""

from __future__ import annotations

import inspect
import linecache
from ast import PyCF_ALLOW_TOP_LEVEL_AWAIT
from collections.abc import Callable
from types import CodeType

RUNNING = ("time", "timeit", "prun", "capture", "python", "python3")
"""Magics whose line or cell is Python that is run here; all others do nothing."""

Namespace = dict[str, object]


def new_namespace() -> Namespace:
    """Return what a notebook's first cell finds: `display` and `get_ipython`, which do nothing."""
    namespace: Namespace = {"__name__": "__main__", "display": lambda *shown, **options: None}
    shell = Shell(namespace)
    namespace["get_ipython"] = lambda: shell
    return namespace


class Shell:
    """What stands in for IPython's shell; it knows how to run Python, and answers everything else with None."""

    def __init__(self, namespace: Namespace) -> None:
        self.user_ns = namespace

    def run_line_magic(self, name: str, line: str, *more: object, **options: object) -> None:
        """Run the line behind `%time` and its like."""
        if name in RUNNING and not line.startswith("-"):
            run_cell(line, f"<%{name}>", self.user_ns)

    def run_cell_magic(self, name: str, line: str, cell: str) -> None:
        """Run the cell below `%%time` and its like."""
        if name in RUNNING:
            run_cell("\n" + cell, f"<cell of %%{name}>", self.user_ns)

    def getoutput(self, command: str, **options: object) -> list[str]:
        """Return what a command says, which is not run: nothing."""
        return []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **options: None


def run_cell(source: str, name: str, namespace: Namespace) -> None:
    """Run one cell as a notebook would."""
    text = source if source.endswith("\n") else source + "\n"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    waiting = eval(compiled(text, name), namespace)
    if inspect.iscoroutine(waiting):
        import asyncio

        asyncio.run(waiting)


def compiled(text: str, name: str) -> CodeType:
    """Return a cell's code, with what is no Python translated; raises SyntaxError."""
    try:
        return python_code(text, name)
    except SyntaxError:
        translated = as_python(text)
        if translated.strip() == text.strip():
            raise
    return python_code(translated, name)


def python_code(text: str, name: str) -> CodeType:
    """Return the code of a text in Python, in which `await` may stand outside functions."""
    code: CodeType = compile(text, name, "exec", PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    return code


def as_python(text: str) -> str:
    """Return a cell with its magics as calls of `get_ipython()`."""
    from IPython.core.inputtransformer2 import TransformerManager

    return str(TransformerManager().transform_cell(text))
