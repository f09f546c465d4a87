"""The pages of the site: a stored notebook, or a text of ours, as the body of a page that needs nothing from outside.

Widgets need a running kernel, so a cell that shows one says so here, under the static twin that is stored of it. The
instructor's notes, which stand in the cells' metadata, reach no page.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup, Tag
from nbconvert import HTMLExporter
from nbconvert.filters import markdown2html_mistune
from nbformat import NotebookNode

from mmaplab.claimrun import claim_cells
from mmaplab.claimspage import ClaimTable, recorded_outcomes
from mmaplab.course import chapters, claims, glossary

WIDGET = "<p class='widget-note'>This cell shows a widget, which needs the running notebook.</p>"
GLOSSARY = "notebooks/glossary.html"
SCHEMES = ("http:", "https:", "mailto:", "data:")


@dataclass(frozen=True)
class Page:
    """One page: `path` from the site's folder, its title, its body, and the group it stands in on the first page."""

    path: str
    title: str
    body: str
    group: str = ""

    @property
    def up(self) -> str:
        """The way from the page to the site's folder: '' or '../'."""
        return "../" * self.path.count("/")


def of_notebook(source: Path, path: str, group: str) -> Page:
    """Return the page of a stored notebook; nothing is run."""
    book = nbformat.read(source, as_version=4)
    for cell in book.cells:
        prepare(cell)
    exporter = HTMLExporter(template_name="basic", exclude_anchor_links=True)  # type: ignore[no-untyped-call]
    made, _resources = exporter.from_notebook_node(book)
    return of_html(made, path, group)


def prepare(cell: NotebookNode) -> None:
    """Say under a widget's static twin, in place, that it is one; leave out what only an instructor reads."""
    cell.metadata.pop("mmaplab", None)
    if cell.cell_type == "code" and "widget" in cell.metadata.get("tags", []):
        note = nbformat.v4.new_output("display_data", data={"text/html": WIDGET, "text/plain": "a widget"})
        cell.outputs.append(note)


def of_markdown(text: str, path: str, group: str) -> Page:
    """Return the page of a text in Markdown."""
    return of_html(markdown2html_mistune(text), path, group)


def of_html(made: str, path: str, group: str) -> Page:
    """Return a page from a body: headings get names, links lead to pages, terms to the glossary."""
    soup = BeautifulSoup(made, "html.parser")
    first = soup.find("h1")
    title = first.get_text(strip=True) if first else path
    for prompt in soup.find_all(class_="prompt"):
        prompt.decompose()
    name_headings(soup)
    lead_links(soup)
    if path != GLOSSARY:
        explain_terms(soup, "../" * path.count("/"))
    return Page(path, title, str(soup), group)


def name_headings(soup: BeautifulSoup) -> None:
    """Give each heading an id that the search and a reader's link can lead to."""
    taken: set[str] = set()
    for heading in soup.find_all(["h1", "h2", "h3", "h4"]):
        name = base = slug(heading.get_text())
        number = 2
        while name in taken:
            name, number = f"{base}-{number}", number + 1
        taken.add(name)
        heading["id"] = name
        for anchor in heading.find_all("a", class_="anchor-link"):
            anchor.decompose()


def slug(text: str) -> str:
    """Return a text as the name of a place in a page; as viewers of Markdown make it, so that links into it hold."""
    return re.sub(r"[^\w -]", "", text.strip().lower()).replace(" ", "-")


def lead_links(soup: BeautifulSoup) -> None:
    """Lead links to notebooks and Markdown files to their pages; others stay."""
    for link in soup.find_all("a", href=True):
        target = str(link["href"])
        if not target.startswith(SCHEMES):
            link["href"] = re.sub(r"\.(ipynb|md)(?=#|$)", ".html", target)


def explain_terms(soup: BeautifulSoup, up: str) -> None:
    """Link the bold words that the glossary has to their entry; the meaning is shown where one points at them."""
    terms = {name.lower(): term for name, term in glossary().items()}
    for bold in soup.find_all("strong"):
        said = bold.get_text(strip=True).lower()
        term = terms.get(said) or terms.get(said.removesuffix("s"))  # one, or several
        if term is None or not isinstance(bold, Tag) or bold.find_parent(["a", "h1", "h2", "h3"]):
            continue
        link = soup.new_tag("a", href=f"{up}{GLOSSARY}#{slug(term.name)}", title=term.means)
        link["class"] = "term"
        bold.wrap(link)


# ---------------------------------------------------------------- pages of our own


def glossary_page() -> Page:
    """Return the page with every term, each with the chapter that explains it."""
    parts = ["<h1>Glossary</h1>", "<p>Every term of the course; the link leads to the chapter that explains it.</p>"]
    for term in sorted(glossary().values(), key=lambda one: one.name.lower()):
        chapter = chapters()[term.chapter]
        link = f"<a href='{term.chapter}.html'>{chapter.number} {html.escape(chapter.title)}</a>"
        parts.append(f"<h3>{html.escape(term.name)}</h3><p>{html.escape(term.means)} ({link})</p>")
    return of_html("\n".join(parts), GLOSSARY, "Look up")


def claims_page(root: Path) -> Page:
    """Return the page with every claim, its verdict, and the cells that prove it."""
    parts = [
        "<h1>Every claim of the course, and the cells that prove it</h1>",
        f"<p>What is said about mmap everywhere, in {len(claims())} sentences; whether it is so; and what is so. The "
        "last two columns lead to the cells that assert it, on the simulated and on the live kernel.</p>",
    ]
    found, told = recorded_outcomes()
    for stem, chapter in chapters().items():
        if any(claim.chapter == stem for claim in claims().values()):
            table = ClaimTable(stem, claim_cells(root / "notebooks" / f"{stem}.ipynb"), found, told)
            parts.append(f"<h2>{chapter.number} · {html.escape(chapter.title)}</h2>{table._repr_html_()}")
    return of_html("\n".join(parts), "notebooks/claims.html", "Look up")
