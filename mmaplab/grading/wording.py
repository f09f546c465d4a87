"""Words of a message as HTML: what stands between backticks is code."""

from __future__ import annotations

import html
import re


def as_html(words: str) -> str:
    """Return a text as HTML: escaped, and `x` shown as code; halves of surrogate pairs become question marks."""
    escaped = html.escape(words.encode("utf-8", "replace").decode(), quote=True)
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", escaped)
