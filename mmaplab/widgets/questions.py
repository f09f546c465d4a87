"""The questions of the chapters' «Check yourself»; their texts are kept apart, so that no cell gives the answer away.

ask("05-1")       puts the question of that key
"""

from __future__ import annotations

from mmaplab.course import questions
from mmaplab.widgets.quiz import Quiz, quiz


def ask(key: str) -> Quiz:
    """Put one question of a chapter; raises LookupError for a key that is none."""
    found = questions().get(key)
    if found is None:
        raise LookupError(f"there is no question {key!r}: there are {', '.join(sorted(questions()))}")
    return quiz(found.question, found.answers, key)
