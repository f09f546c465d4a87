"""In your own words: the learner writes before reading ours. Kept, never judged.

    own_words("the file changed without a write. Where did the assignment go?", key="01-recap")

Explaining a result to oneself is what makes it stay; so the text that a chapter ends with stands folded below the box.
"""

from __future__ import annotations

import html
from typing import Any

import ipywidgets

from mmaplab import notes
from mmaplab.widgets import twin

UNSAID = "Nothing written yet. Two or three sentences are enough."


class OwnWords(twin.Twin, ipywidgets.VBox):  # type: ignore[misc]
    """A question with a box for text; what stands in it is kept at each pause."""

    def __init__(self, question: str, key: str) -> None:
        self.question, self.key = question, key
        title = ipywidgets.HTML(f"<b>In your own words:</b> {html.escape(question)}")
        wide = {"width": "46em", "max_width": "100%", "height": "6em"}
        self.box = ipywidgets.Textarea(value=words_of(key), placeholder="Write here.", layout=wide)
        self.box.tooltip = question
        self.box.observe(self._written, "value")
        self.said = ipywidgets.HTML()
        super().__init__([title, self.box, self.said])
        self._show(bool(words_of(key)), True)

    def __repr__(self) -> str:
        return f"own_words({self.question!r})"

    def twin(self) -> str:
        """Return the question."""
        return twin.asked(f"In your own words: {self.question}", note="Run the cell to write.")

    def _written(self, change: dict[str, Any]) -> None:
        text = change["new"].strip()
        self._show(bool(text), notes.write("words", self.key, {"text": text, "question": self.question}))

    def _show(self, written: bool, kept: bool) -> None:
        told = "Kept. Now unfold ours below, and compare." if kept else "It could not be kept on disk."
        self.said.value = f"<div role='status'>{told if written else UNSAID}</div>"


def own_words(question: str, *, key: str) -> OwnWords:
    """Ask for an explanation in the learner's own words; `key` names it in their notes."""
    return OwnWords(question, key)


def words_of(key: str) -> str:
    """Return what the learner has written under a key, '' where nothing."""
    text = notes.read()["words"].get(key, {}).get("text", "")
    return text if isinstance(text, str) else ""
