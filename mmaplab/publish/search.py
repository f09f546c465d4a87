"""The index of the site's search: the sections of every page, as a script that a page loads from the folder.

A browser that shows a page from a folder may load scripts and no data, so the index is a script with one assignment.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from bs4 import BeautifulSoup, Tag
from bs4.element import NavigableString

from mmaplab.publish.pages import Page

HEADINGS = ("h1", "h2", "h3")


def sections(page: Page) -> Iterator[dict[str, str]]:
    """Yield each section of a page: where it is, its heading, and its words without pictures."""
    soup = BeautifulSoup(page.body, "html.parser")
    words: list[str] = []
    found = {"page": page.path, "at": "", "title": page.title}
    for node in soup.descendants:
        if isinstance(node, Tag) and node.name in HEADINGS:
            yield from _closed(found, words)
            found = {"page": page.path, "at": str(node.get("id", "")), "title": node.get_text(strip=True)}
            words = []
        elif type(node) is NavigableString and not _inside_heading(node):  # a subclass of it: styles, comments
            words += str(node).split()
    yield from _closed(found, words)


def _closed(found: dict[str, str], words: list[str]) -> Iterator[dict[str, str]]:
    if words or found["at"]:
        yield {**found, "text": " ".join(words)}


def _inside_heading(node: NavigableString) -> bool:
    return node.find_parent(list(HEADINGS)) is not None


def index(pages: Iterable[Page]) -> str:
    """Return the script that holds the index of all pages."""
    found = [section for page in pages for section in sections(page)]
    return f"window.COURSE = {json.dumps(found, ensure_ascii=False, separators=(',', ':'))};\n"
