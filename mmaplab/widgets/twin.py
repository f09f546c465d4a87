"""What a reader without a running kernel sees where a widget would stand: its static twin.

    class Quiz(Twin, ipywidgets.VBox):
        def twin(self) -> str: ...        the question and its answers, as HTML that needs nothing else

A widget that is shown carries its twin beside it. A running notebook shows the widget; the stored notebook keeps only
the twin, so that GitHub, an export and an untrusted notebook show what the cell is about. A twin never depends on the
learner's notes or on this machine: it is the same for everybody, and nbval compares it.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any

from mmaplab.views.svg import Svg

VIEW = "application/vnd.jupyter.widget-view+json"
"""The kind of output that only a running kernel can show."""
MARK = "mmaplab-twin"
"""The class of a twin in a stored notebook."""


class Twin:
    """To be given before the widget's own class: adds the twin to what is displayed."""

    def twin(self) -> str:
        """Return the twin as HTML; the same whenever and wherever it is made."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **wanted: Any) -> dict[str, Any]:
        made = super()._repr_mimebundle_(**wanted)  # type: ignore[misc]
        data: dict[str, Any] = made[0] if isinstance(made, tuple) else made
        return {**data, "text/html": f"<div class='{MARK}'>{self.twin()}</div>", "text/plain": repr(self)}


def asked(words: str, choices: Iterable[str] = (), note: str = "Run the cell to answer.") -> str:
    """Return a question with its choices, as the twin of what asks it."""
    rows = "".join(f"<li>{html.escape(choice)}</li>" for choice in choices)
    return f"<p><b>{html.escape(words)}</b></p>" + f"<ul>{rows}</ul>" * bool(rows) + said(note)


def shown(picture: Svg, note: str) -> str:
    """Return a picture with a sentence under it, as the twin of what moves."""
    return picture._repr_html_() + said(note)


def said(note: str) -> str:
    """Return what a reader is told to do to see the widget itself."""
    return f"<p><i>{html.escape(note)}</i></p>"
