"""What a reader without a running kernel sees where a widget would stand: its static twin.

    class Quiz(Twin, ipywidgets.VBox):
        def twin(self) -> str: ...        the question and its answers, as HTML that needs nothing else

A widget is shown as two outputs: the widget itself, and its twin. While the widget is live, a rule that travels with
the twin hides the twin; where there is no kernel, or the kernel knows nothing of the widget, the twin is what is seen,
and the complaint in the widget's place is hidden. The stored notebook keeps only the twin. A twin never depends on
the learner's notes or on this machine: it is the same for everybody, and nbval compares it.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any

from IPython.display import display

from mmaplab.views.svg import Svg

VIEW = "application/vnd.jupyter.widget-view+json"
"""The kind of output that only a running kernel can show."""
MARK = "mmaplab-twin"
"""The class of a twin in a stored notebook."""
LIVE = "mmaplab-live"
"""The class of a widget that is shown; it is in the page as long as the kernel keeps the widget."""

HIDDEN = (
    f":is(.jp-OutputArea,.cell_container):has(.{LIVE}) .{MARK}",  # in JupyterLab and Notebook; in VS Code
    f".jp-OutputArea:has(.{LIVE}) .jp-OutputArea-child:has(>*>.{MARK})",  # with the space around it
    # a widget's place with words alone: "Loading widget...", "Error displaying widget: model not found"
    f".jp-OutputArea:has(.{MARK}) .jp-OutputArea-child:has(>.lm-Panel):not(:has(>.lm-Panel *))",
)
STYLE = "".join(f"{selector}{{display:none}}" for selector in HIDDEN)
"""Hides the twin of a live widget, and the place of a widget that is gone. Where styles are taken out, both show."""


class Twin:
    """To be given before the widget's own class: where that is displayed, its twin is displayed below it."""

    def twin(self) -> str:
        """Return the twin as HTML; the same whenever and wherever it is made."""
        raise NotImplementedError

    def _ipython_display_(self) -> None:
        """Display the widget, then the twin; the former without any text, so that nothing of it is left in a file."""
        made = self._repr_mimebundle_()  # type: ignore[attr-defined]
        data: dict[str, Any] = made[0] if isinstance(made, tuple) else made
        self.add_class(LIVE)  # type: ignore[attr-defined]
        display({VIEW: data[VIEW]}, raw=True)
        page = f"<div class='{MARK}'><style>{STYLE}</style>{self.twin()}</div>"
        display({"text/html": page, "text/plain": repr(self)}, raw=True)


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
