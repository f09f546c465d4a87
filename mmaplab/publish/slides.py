"""Slides for each chapter, by nbconvert and reveal.js; they show the stored pictures and load nothing from a network.

    make_slides(Path(), Path("site/slides"))        one file for each chapter, with reveal.js beside them

reveal.js comes with the package sphinx-revealjs, which is used for nothing else.
"""

from __future__ import annotations

import html
import shutil
from importlib.util import find_spec
from pathlib import Path

from nbconvert import SlidesExporter

from mmaplab.course import chapters
from mmaplab.publish.chapters import headline, notebook
from mmaplab.publish.deck import deck

HERE = Path(__file__).parent
REVEAL = {
    "dist/reveal.js": "reveal.js",
    "dist/reveal.css": "reveal.css",
    "dist/reset.css": "reset.css",
    "plugin/notes/notes.js": "notes.js",
    "LICENSE": "LICENSE",
}
"""What the slides need of reveal.js, and under which name."""


class NoReveal(RuntimeError):
    """reveal.js is not installed here; the text says how to get it."""


def make_slides(root: Path, folder: Path) -> list[Path]:
    """Write a deck for each chapter and a list of them; returns the list's page, then the decks.

    Raises NoCourse where `root` holds no checkout of the course, NoReveal where reveal.js is not installed.
    """
    copy_reveal(folder / "reveal")
    exporter = SlidesExporter(  # type: ignore[no-untyped-call]
        template_name="course_slides", extra_template_basedirs=[str(HERE / "templates")], exclude_anchor_links=True
    )
    made = []
    for one in chapters().values():
        book = notebook(root, one.stem)
        resources = {"course_title": f"{one.number} · {headline(book)}"}
        text, _resources = exporter.from_notebook_node(deck(book), resources=resources)
        path = folder / f"{one.stem}.slides.html"
        path.write_text(text, encoding="utf-8")
        made.append(path)
    return [contents(folder), *made]


def copy_reveal(folder: Path) -> None:
    """Put reveal.js and the course's own style beside the slides."""
    found = find_spec("sphinx_revealjs")
    if found is None or found.origin is None:
        raise NoReveal("the slides need reveal.js: in the course's folder, pip install -e '.[docs]'")
    folder.mkdir(parents=True, exist_ok=True)
    for source, name in REVEAL.items():
        shutil.copyfile(Path(found.origin).parent / "_static" / "revealjs" / source, folder / name)
    for name in ("slides.css", "slides.js"):
        shutil.copyfile(HERE / "static" / name, folder / name)


def contents(folder: Path) -> Path:
    """Write the page that lists the decks; returns its path."""
    rows = [
        f'<li><a href="{one.stem}.slides.html">{one.number} · {html.escape(one.title)}</a></li>'
        for one in chapters().values()
    ]
    page = folder / "index.html"
    page.write_text(
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Slides · mmaplab</title>'
        '<link rel="icon" href="data:,"></head><body style="font:20px/1.6 system-ui,sans-serif;margin:40px">'
        "<h1>Slides</h1><p>Arrow keys and space step; <code>S</code> opens the speaker's view, <code>?</code> lists "
        f"the keys.</p><ul>{''.join(rows)}</ul></body></html>\n",
        encoding="utf-8",
    )
    return page
