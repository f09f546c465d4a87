"""Pages as buttons, in the figures' vocabulary: what a page's button says, and how it looks.

    3 F rw      page 3 shows a page of the file, and may be written
    7 A rw      anonymous: memory of this process alone, a private copy among it
    2 0 r-      the page of zeros that everybody shares
    5           no entry: the next access faults

The colour says the same as the letter, and the edge whether there is an entry. All buttons of one widget share their
layouts and styles: a widget more for each button would be felt at every click.
"""

from __future__ import annotations

import ipywidgets

from mmaplab.pte import pte_pfn, pte_present, pte_text
from mmaplab.views import theme
from mmaplab.views.scene import Scene
from mmaplab.views.space import kind_of

LETTERS = {"file": "F", "anon": "A", "zero": "0", "absent": ""}
COLOURS = {"file": theme.FILE, "anon": theme.ANON, "zero": theme.WHITE}


class Looks:
    """How the page buttons of one widget look."""

    def __init__(self) -> None:
        small = {"width": "66px", "margin": "1px", "padding": "0"}
        self.present = ipywidgets.Layout(**small, border="2px solid")
        self.absent = ipywidgets.Layout(**small, border="1px dashed")
        self.row = ipywidgets.Layout(flex_flow="row wrap")
        self.styles = {
            kind: ipywidgets.ButtonStyle(button_color=colour, text_color=theme.INK) for kind, colour in COLOURS.items()
        }
        self.styles["absent"] = ipywidgets.ButtonStyle()

    def button(self) -> ipywidgets.Button:
        """Return the button of a page without an entry, still without its number."""
        return ipywidgets.Button(layout=self.absent, style=self.styles["absent"])

    def paint(self, button: ipywidgets.Button, page: int, pte: int, scene: Scene) -> None:
        """Show a page's number and its entry."""
        there, kind = pte_present(pte), kind_of(scene, pte)
        with button.hold_sync():  # one message for all that changes
            button.description = f"{page} {LETTERS[kind]} {pte_text(pte)}" if there else f"{page}"
            button.tooltip = f"page {page}: frame {pte_pfn(pte)}" if there else f"page {page}: no entry"
            button.layout = self.present if there else self.absent
            button.style = self.styles[kind]
