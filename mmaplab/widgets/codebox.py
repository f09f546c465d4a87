"""Code that grows, with the newest lines in sight and a button that copies all of it.

    box = CodeBox("The session as code")
    box.show("a = 1\\nb = 2", newest=1)       the last line is lit

The browser copies; Python is not asked, and nothing leaves the machine.
"""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets


class CodeBox(anywidget.AnyWidget):  # type: ignore[misc]
    """A box for code; `newest` is how many lines at its end are new."""

    _esm = Path(__file__).parent / "codebox.js"
    title = traitlets.Unicode().tag(sync=True)
    code = traitlets.Unicode().tag(sync=True)
    newest = traitlets.Int(0).tag(sync=True)

    def __init__(self, title: str) -> None:
        super().__init__(title=title)

    def __repr__(self) -> str:
        return f"<code of {len(self.code.splitlines())} lines>"

    def show(self, code: str, newest: int = 0) -> None:
        """Show other code; `newest` lines at its end are lit."""
        with self.hold_sync():  # one message, one drawing
            self.code, self.newest = code, newest
