"""The whole course as a folder of pages: stored outputs, pictures, search and glossary; no server and no network.

make_site(Path(), Path("site"))        site/index.html is the first page
"""

from __future__ import annotations

import html
import shutil
from collections.abc import Sequence
from pathlib import Path
from string import Template

from pygments.formatters import HtmlFormatter

from mmaplab import __version__
from mmaplab.course import chapters
from mmaplab.publish.chapters import NoCourse, headline, notebook
from mmaplab.publish.pages import Page, claims_page, glossary_page, of_html, of_markdown, of_notebook
from mmaplab.publish.search import index
from mmaplab.views.coursemap import course_map

STATIC = Path(__file__).parent / "static"


def make_site(root: Path, folder: Path) -> Path:
    """Write the site; returns its first page. Raises NoCourse where `root` holds no checkout of the course."""
    pages = all_pages(root)
    (folder / "static").mkdir(parents=True, exist_ok=True)
    for name in ("site.css", "site.js"):
        shutil.copyfile(STATIC / name, folder / "static" / name)
    with (folder / "static" / "site.css").open("a", encoding="utf-8") as style:
        style.write(colours())
    (folder / "static" / "index.js").write_text(index(pages), encoding="utf-8")
    for page, before, after in zip(pages, [None, *pages], [*pages[1:], None], strict=False):
        target = folder / page.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(whole(page, before, after), encoding="utf-8")
    return folder / "index.html"


def all_pages(root: Path) -> list[Page]:
    """Return every page, in the order of reading."""
    books = sorted((root / "notebooks").glob("*.ipynb"))
    if not books:
        raise NoCourse(f"there is no notebook in {root / 'notebooks'}: run this in the checkout of the course")
    course = [of_notebook(path, f"notebooks/{path.stem}.html", "Chapters") for path in books if path.stem in chapters()]
    tasks = sorted((root / "exercises").glob("*.ipynb"))
    exercises = [of_notebook(path, f"exercises/{path.stem}.html", "Exercises") for path in tasks]
    reference = (root / "docs" / "reference.md").read_text(encoding="utf-8")
    look_up = [glossary_page(), claims_page(root), of_markdown(reference, "reference.html", "Look up")]
    return [front(root), *course, *exercises, *look_up]


def front(root: Path) -> Page:
    """Return the first page: what the course is, and its chapters."""
    rows = []
    for one in chapters().values():
        link = f"<a href='notebooks/{one.stem}.html'>{one.number} · {html.escape(one.title)}</a>"
        minutes = f"{one.reading} min" + (f", exercises {one.exercises}" if one.exercises else "")
        says = html.escape(headline(notebook(root, one.stem)))
        rows.append(f"<tr><td>{link}<br>{says}</td><td>{html.escape(one.question)}</td><td>{minutes}</td></tr>")
    return of_html(
        "<h1>How Linux memory mapping works</h1>"
        "<p><code>mmap</code> lets a program read and write a file as if it were memory. This course shows what the "
        "kernel does for that, one page fault at a time: each program runs on a simulated kernel and on the live one, "
        "and both agree. These pages show what was stored when the notebooks ran; the notebooks themselves run.</p>"
        f"{course_map()._repr_html_()}"
        f"<table><tr><th>chapter</th><th>its question</th><th>minutes</th></tr>{''.join(rows)}</table>"
        "<p>Look up a <a href='notebooks/glossary.html'>term</a>, a <a href='notebooks/claims.html'>claim</a>, or a "
        "name of the <a href='reference.html'>library</a>; or press <code>/</code> and search.</p>",
        "index.html",
        "",
    )


def whole(page: Page, before: Page | None, after: Page | None) -> str:
    """Return a page with its head, its links and its foot."""
    links = [("index.html", "Chapters"), ("notebooks/glossary.html", "Glossary"), ("notebooks/claims.html", "Claims")]
    links.append(("reference.html", "Reference"))
    return Template((STATIC / "page.html").read_text(encoding="utf-8")).substitute(
        title=html.escape(page.title),
        up=page.up,
        links=" ".join(f'<a href="{page.up}{path}">{name}</a>' for path, name in links),
        body=page.body + way(page, before, after),
        footer=f"mmaplab {__version__}. Text and pictures: CC BY 4.0; programs: MIT.",
    )


def way(page: Page, before: Page | None, after: Page | None) -> str:
    """Return the links to the page before and the page after, within a group."""
    near: Sequence[tuple[Page | None, str]] = ((before, "←"), (after, "→"))
    parts = []
    for other, arrow in near:
        same = other is not None and other.group == page.group and page.group
        words = f"{arrow} {html.escape(other.title)}" if other else ""
        parts.append(f'<a href="{page.up}{other.path}">{words}</a>' if other and same else "<span></span>")
    return f'<div class="way">{"".join(parts)}</div>'


def colours() -> str:
    """Return the colours of code, for a light and for a dark page."""
    light = HtmlFormatter(style="default").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    ground = ".highlight,.highlight pre{background:var(--code)!important}"
    return f"{light}\n@media (prefers-color-scheme:dark){{{dark}}}\n{ground}\n"
