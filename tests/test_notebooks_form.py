"""The form of the notebooks, read from the files: what a reviewer would count by hand.

Whether they run, and show again what they store, is nbval's part; whether they can be read on a screen, the browser's.
"""

from __future__ import annotations

import ast
import json
import re
import statistics
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from mmaplab.course import chapters, claims, glossary
from mmaplab.widgets.twin import MARK

ROOT = Path(__file__).parent.parent
CHAPTERS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
OTHERS = sorted(set((ROOT / "notebooks").glob("*.ipynb")) - set(CHAPTERS))
NUMBERED = [path for path in CHAPTERS if not path.name.startswith("00_")]
EXERCISES = sorted((ROOT / "exercises").glob("*.ipynb"))
MASTERS = sorted((ROOT / "solutions").glob("*.ipynb"))
ALL = [*CHAPTERS, *OTHERS, *EXERCISES, *MASTERS]

CLAIMS: dict[str, list[str]] = {}
for _claim in claims().values():
    CLAIMS.setdefault(_claim.chapter, []).append(_claim.key)
"""The claims that each chapter must assert, on the simulated and on the live kernel."""

PARTS = [
    "Where we are",
    "Play",
    "Lab",
    "Check yourself",
    "Exercises",
    "Recap",
    "Why Linux does it so",
    "Further reading",
]
"""The parts that each chapter has, in this order, among the sections with names of their own."""

MOST_LINES, MOST_LINES_90, MOST_LINES_MEDIAN = 20, 12, 4
WIDEST = 120
FEWEST_WORDS, MOST_WORDS, TITLE_WORDS = 10, 150, 180
WORDS_PER_LINE = 10
EMPTY_WORDS = r"\b(simply|just|obviously)\b"

Cell = dict[str, Any]


def all_of(paths: list[Path]) -> pytest.MarkDecorator:
    """Parametrise a test with the notebooks, named by folder and file."""
    return pytest.mark.parametrize("path", paths, ids=[f"{path.parent.name}/{path.stem}" for path in paths])


def notebook(path: Path) -> dict[str, Any]:
    """Return a notebook as it is stored."""
    return dict(json.loads(path.read_text(encoding="utf-8")))


def cells(path: Path) -> list[Cell]:
    """Return the cells of a notebook."""
    return list(notebook(path)["cells"])


def text(cell: Cell) -> str:
    """Return the source of a cell."""
    return "".join(cell["source"])


def is_code(cell: Cell) -> bool:
    """Is it a code cell?"""
    return bool(cell["cell_type"] == "code")


def tags(cell: Cell) -> list[str]:
    """Return the tags of a cell."""
    return list(cell["metadata"].get("tags", []))


def is_widget(cell: Cell) -> bool:
    """Does it show a widget, of which only the static twin is stored?"""
    return "widget" in tags(cell)


def lines(cell: Cell) -> int:
    """Return the number of lines of code, without empty ones."""
    return sum(1 for line in text(cell).splitlines() if line.strip())


def words(cell: Cell) -> int:
    """Return the number of words of prose, without what stands in a drawing of text."""
    return len(re.findall(r"\w[\w'’-]*", re.sub(r"```.*?```", "", text(cell), flags=re.DOTALL)))


def outputs(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (cell id, output) of every stored output."""
    for cell in filter(is_code, cells(path)):
        yield from ((cell["id"], output) for output in cell["outputs"])


def shown(output: dict[str, Any], kind: str) -> str:
    """Return the text of one kind of a stored output, '' where it has none."""
    return "".join(output.get("data", {}).get(kind, ""))


# ---------------------------------------------------------------- the file


@all_of(ALL)
def test_every_cell_has_a_name_of_its_own(path: Path) -> None:
    names = [cell["id"] for cell in cells(path)]
    assert len(set(names)) == len(names)
    unnamed = [name for name in names if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f-]*)?", name)]
    assert not unnamed, f"cells with a random id: {', '.join(unnamed)}"


@all_of(ALL)
def test_the_metadata_is_the_same_on_every_machine(path: Path) -> None:
    stored = notebook(path)
    assert (stored["nbformat"], stored["nbformat_minor"]) == (4, 5)
    assert stored["metadata"]["kernelspec"]["name"] == "python3"
    assert stored["metadata"]["language_info"] == {"name": "python"}
    assert not {"widgets", "signature", "toc"} & set(stored["metadata"])
    for cell in cells(path):
        extra = set(cell["metadata"]) - {"tags", "mmaplab", "nbgrader", "slideshow", "editable", "deletable"}
        assert not extra, f"{cell['id']}: {extra}"


@all_of(CHAPTERS)
def test_every_cell_of_a_chapter_ran_once_in_order(path: Path) -> None:
    stored = {cell["id"]: cell["execution_count"] for cell in cells(path) if is_code(cell)}
    unrun = [name for name, count in stored.items() if count is None]
    assert not unrun, f"cells that never ran: {', '.join(unrun)} (make notebooks)"
    assert list(stored.values()) == sorted(set(stored.values())), "run it again from a fresh kernel (make notebooks)"


@all_of(EXERCISES)
def test_exercises_are_stored_without_output(path: Path) -> None:
    assert not list(outputs(path))


@all_of(ALL)
def test_of_a_widget_its_static_twin_is_stored(path: Path) -> None:
    """A reader without a running kernel sees the twin; nothing is stored that needs one."""
    widgets = [cell["id"] for cell in cells(path) if is_code(cell) and is_widget(cell)]
    twins = [name for name, output in outputs(path) if f"class='{MARK}'" in shown(output, "text/html")]
    if path.parent.name == "notebooks":  # exercises are stored without any output
        assert twins == widgets, "the tag 'widget' stands at the cells that show one, and each shows a twin"
    views = [name for name, output in outputs(path) if any("widget" in kind for kind in output.get("data", {}))]
    assert not views, f"stored with what only a running kernel shows: {', '.join(views)}"


def names(code: str, context: type[ast.expr_context]) -> set[str]:
    """Return the names that a cell's code stores or loads; an import stores."""
    tree = list(ast.walk(ast.parse(code)))
    found = {node.id for node in tree if isinstance(node, ast.Name) and isinstance(node.ctx, context)}
    imports = [name for node in tree if isinstance(node, ast.Import | ast.ImportFrom) for name in node.names]
    return found | ({name.asname or name.name for name in imports} if context is ast.Store else set())


@all_of(CHAPTERS)
def test_no_cell_needs_a_name_from_a_cell_that_shows_a_widget(path: Path) -> None:
    """The claims are run without the widgets, and so is a chapter in a place where there are none."""
    made: set[str] = set()
    by_widgets: set[str] = set()
    for cell in filter(is_code, cells(path)):
        if is_widget(cell):
            by_widgets |= names(text(cell), ast.Store) - made
        else:
            missing = names(text(cell), ast.Load) & by_widgets - names(text(cell), ast.Store)
            assert not missing, f"{cell['id']}: {', '.join(sorted(missing))} was made in a cell tagged 'widget'"
            made |= names(text(cell), ast.Store)
            by_widgets -= made


# ---------------------------------------------------------------- what is shown


@all_of(ALL)
def test_no_error_is_stored(path: Path) -> None:
    wrong = {cell["id"] for cell in filter(is_code, cells(path)) if "raises-exception" not in tags(cell)}
    assert not [name for name, output in outputs(path) if output["output_type"] == "error" and name in wrong]
    assert not [name for name, output in outputs(path) if output.get("name") == "stderr"], "warnings are stored"


def test_the_stored_page_of_progress_is_that_of_a_beginner() -> None:
    (table,) = [output for name, output in outputs(CHAPTERS[0]) if name == "progress-table"]
    done = re.findall(r"(\d+) of \d+", shown(table, "text/plain"))
    assert done and set(done) == {"0"}


@all_of(ALL)
def test_no_address_of_a_python_object_is_stored(path: Path) -> None:
    for name, output in outputs(path):
        told = shown(output, "text/plain") + "".join(output.get("text", ""))
        assert not re.search(r"<.* at 0x[0-9a-f]+>", told), f"{name}: {told[:80]}"


class Pictures(HTMLParser):
    """Collects the pictures of a piece of HTML, and what would not survive in an untrusted notebook."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.lost: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one element."""
        if tag == "img":
            self.images.append(dict(attrs))
        if tag in ("svg", "script", "iframe", "link", "object"):
            self.lost.append(tag)


@all_of(ALL)
def test_pictures_say_in_words_what_they_show(path: Path) -> None:
    for name, output in outputs(path):
        pictures = Pictures(shown(output, "text/html"))
        assert not pictures.lost, f"{name}: {pictures.lost} is removed where the notebook is not trusted: use <img>"
        for image in pictures.images:
            assert len(image.get("alt") or "") >= 20, f"{name}: a picture without alternative text"
            assert (image.get("src") or "").startswith("data:"), f"{name}: a picture that is fetched from elsewhere"
        bare = [kind for kind in output.get("data", {}) if kind.startswith("image/")]
        assert not bare or "text/html" in output["data"], f"{name}: {bare} cannot have alternative text: use <img>"
    for cell in cells(path):
        if not is_code(cell):
            assert "![](" not in text(cell), f"{cell['id']}: a picture without alternative text"


# ---------------------------------------------------------------- code cells


@all_of(ALL)
def test_code_cells_are_python(path: Path) -> None:
    for cell in filter(is_code, cells(path)):
        ast.parse(text(cell))
        assert not text(cell).rstrip().endswith(";"), f"{cell['id']}: a last ';' changes what nbval sees"


@all_of(CHAPTERS)
def test_a_chapter_uses_every_name_that_it_imports(path: Path) -> None:
    trees = [ast.parse(text(cell)) for cell in cells(path) if is_code(cell)]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    imported = {
        (alias.asname or alias.name).partition(".")[0]
        for node in nodes
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    assert imported <= {node.id for node in nodes if isinstance(node, ast.Name)}


@all_of(MASTERS)
def test_exercises_name_their_chapter_by_its_title(path: Path) -> None:
    title = re.sub(r"^# \d\d · ", "", text(cells(ROOT / "notebooks" / path.name)[0]).splitlines()[0])
    begin = re.search(r"for the chapter \*(.+?)\*", text(cells(path)[0]))
    assert begin and title.startswith(begin[1])


@all_of(CHAPTERS)
def test_code_cells_are_short(path: Path) -> None:
    sizes = sorted((lines(cell), cell["id"]) for cell in filter(is_code, cells(path)))
    counts = [size for size, _ in sizes]
    assert sizes[-1][0] <= MOST_LINES, f"{sizes[-1][1]} has {sizes[-1][0]} lines"
    assert counts[len(counts) * 9 // 10] <= MOST_LINES_90, [name for size, name in sizes if size > MOST_LINES_90]
    assert statistics.median(counts) <= MOST_LINES_MEDIAN


@all_of(ALL)
def test_code_fits_the_screen(path: Path) -> None:
    wide = {c["id"]: n for c in filter(is_code, cells(path)) if (n := max(map(len, text(c).split("\n")))) > WIDEST}
    hidden = "BEGIN HIDDEN TESTS"
    shown_wide = [name for name in wide if not any(hidden in text(c) for c in cells(path) if c["id"] == name)]
    assert not shown_wide, {name: wide[name] for name in shown_wide}


@all_of(CHAPTERS)
def test_prose_stands_between_code(path: Path) -> None:
    """At most two code cells in a row; a widget asks or explains in words of its own."""
    row: list[str] = []
    for cell in cells(path):
        row = [*row, cell["id"]] if is_code(cell) and not is_widget(cell) else []
        assert len(row) <= 2, f"more than two code cells without a word between them: {', '.join(row)}"


@all_of(CHAPTERS)
def test_a_sentence_follows_every_result(path: Path) -> None:
    """A section does not end with a result; a still beside a widget and the map of the course explain themselves."""
    before: Cell | None = None
    for cell, following in zip(cells(path), cells(path)[1:], strict=False):
        if is_code(cell) and not is_widget(cell) and not is_code(following) and text(following).startswith("#"):
            alone = (before and is_widget(before)) or "course_map(" in text(cell)
            assert alone, f"{cell['id']}: the next section begins before a sentence uses the result"
        before = cell if is_code(cell) else None


# ---------------------------------------------------------------- prose


@all_of(CHAPTERS)
def test_a_chapter_begins_and_ends_with_prose(path: Path) -> None:
    first, *_, last = cells(path)
    assert re.match(rf"# {path.stem[:2]} · \w", text(first)), "the title is '# NN · a claim or question'"
    assert not is_code(last)


@all_of(CHAPTERS)
def test_prose_comes_in_small_pieces(path: Path) -> None:
    title, *rest = (cell for cell in cells(path) if not is_code(cell))
    assert words(title) <= TITLE_WORDS
    for cell in rest:
        assert FEWEST_WORDS <= words(cell) <= MOST_WORDS, f"{cell['id']} has {words(cell)} words"


@all_of(CHAPTERS)
def test_there_is_more_prose_than_code(path: Path) -> None:
    prose = sum(words(cell) for cell in cells(path) if not is_code(cell))
    code = sum(lines(cell) for cell in cells(path) if is_code(cell))
    assert prose >= WORDS_PER_LINE * code, f"{prose} words for {code} lines of code"


@all_of(ALL)
def test_no_word_talks_down(path: Path) -> None:
    for cell in cells(path):
        found = [] if is_code(cell) else re.findall(EMPTY_WORDS, text(cell), flags=re.IGNORECASE)
        assert not found, f"{cell['id']}: {', '.join(found)}"


@all_of(ALL)
def test_headings_form_a_tree(path: Path) -> None:
    depth, seen = 0, set()
    for cell in cells(path):
        for marks, title in [] if is_code(cell) else re.findall(r"^(#+) (.+)$", text(cell), flags=re.MULTILINE):
            assert len(marks) <= depth + 1, f"{cell['id']}: {title!r} skips a level"
            assert title not in seen, f"{cell['id']}: {title!r} twice"
            depth = len(marks)
            seen.add(title)


@all_of(NUMBERED)
def test_a_chapter_has_all_its_parts(path: Path) -> None:
    titles = [
        t for cell in cells(path) if not is_code(cell) for t in re.findall(r"^## (.+)$", text(cell), re.MULTILINE)
    ]
    parts = [part for title in titles for part in PARTS if title == part or title.startswith(f"{part}:")]
    assert parts == PARTS


@all_of(NUMBERED)
def test_the_recap_asks_before_it_answers(path: Path) -> None:
    """A box for the learner's own words first; ours stand folded below it."""
    by_id = {cell["id"]: cell for cell in cells(path)}
    at = [cell["id"] for cell in cells(path)].index("recap")
    assert [cell["id"] for cell in cells(path)][at : at + 3] == ["recap", "recap-words", "recap-ours"]
    assert f'key="{path.stem[:2]}-recap"' in text(by_id["recap-words"])
    assert text(by_id["recap-ours"]).startswith("<details>")


@all_of([path for path in CHAPTERS if path.stem in chapters()])
def test_a_chapter_states_the_minutes_of_the_schedule(path: Path) -> None:
    chapter = chapters()[path.stem]
    prose = " ".join(" ".join(text(cell) for cell in cells(path) if not is_code(cell)).split())
    stated = re.findall(r"Reading takes about (\d+) minutes(?:, the exercises (\d+))?", prose)
    assert stated == [(str(chapter.reading), str(chapter.exercises or ""))]


def keys_of(path: Path, *functions: str) -> set[str]:
    """Return the keys of a learner's notes that the cells of a chapter ask for with one of some functions."""
    calls = [node for cell in filter(is_code, cells(path)) for node in ast.walk(ast.parse(text(cell)))]
    named = [node for node in calls if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    asked = [node.keywords for node in named if isinstance(node.func, ast.Name) and node.func.id in functions]
    return {ast.literal_eval(keyword.value) for keywords in asked for keyword in keywords if keyword.arg == "key"}


@all_of(CHAPTERS)
def test_the_course_knows_how_many_predictions_and_texts_a_chapter_asks_for(path: Path) -> None:
    """The table of progress says «3 of 7», and a row is full when all is done."""
    chapter = chapters()[path.stem]
    predicted, written = keys_of(path, "predict", "predict_pages"), keys_of(path, "own_words")
    assert (chapter.predictions, chapter.words) == (len(predicted), len(written)), "mmaplab/course/chapters.toml"
    assert all(key.startswith(f"{path.stem[:2]}-") for key in predicted | written)


def test_the_first_chapter_lists_all_with_the_minutes_of_the_schedule() -> None:
    rows = ["| chapter | reading | exercises |", "| --- | --- | --- |"]
    for chapter in chapters().values():
        exercises = f"[{chapter.exercises}](../exercises/{chapter.stem}.ipynb)" if chapter.exercises else ""
        rows.append(f"| [{chapter.number} {chapter.title}]({chapter.stem}.ipynb) | {chapter.reading} | {exercises} |")
    by_id = {cell["id"]: text(cell) for cell in cells(CHAPTERS[0])}
    assert by_id["chapters"].strip() == "\n".join(rows)
    reading, exercises = (sum(getattr(c, kind) for c in chapters().values()) for kind in ("reading", "exercises"))
    assert f"{reading} of reading and {exercises} of exercises in all" in by_id["chapters-explain"]


@pytest.mark.parametrize("name", list(glossary()))
def test_a_term_stands_in_bold_where_the_glossary_says_and_nowhere_else(name: str) -> None:
    """But in the recaps, which name the terms of their chapter once more."""
    bold = rf"\*\*(?i:{re.escape(name)})s?\*\*"
    found = {
        path.stem
        for path in CHAPTERS
        for cell in cells(path)
        if not is_code(cell) and cell["id"] != "recap-ours" and re.search(bold, text(cell))
    }
    assert found == {glossary()[name].chapter}


@all_of(NUMBERED)
def test_a_chapter_leads_to_the_glossary(path: Path) -> None:
    assert any("](glossary.ipynb)" in text(cell) for cell in cells(path) if not is_code(cell))


@all_of(ALL)
def test_links_lead_somewhere(path: Path) -> None:
    for cell in cells(path):
        for link in [] if is_code(cell) else re.findall(r"\]\(([^)#\s]+)[^)]*\)", text(cell)):
            if not re.match(r"\w+:", link):
                assert (path.parent / link).exists(), f"{cell['id']}: {link}"


@all_of([path for path in NUMBERED if path.stem in CLAIMS])
def test_the_claims_of_a_chapter_are_asserted_on_both_kernels(path: Path) -> None:
    simulated, live = set(), set()
    for cell in cells(path):
        named = re.findall(r"C\d\d", str(cell["metadata"].get("mmaplab", {}).get("claim", "")))
        if named:
            asserts = [node for node in ast.walk(ast.parse(text(cell))) if isinstance(node, ast.Assert)]
            assert asserts, f"{cell['id']} claims {named} and asserts nothing"
            (live if cell["id"].endswith("-live") else simulated).update(named)
    wanted = set(CLAIMS[path.stem])
    assert not wanted - simulated, f"not asserted on the simulated kernel: {sorted(wanted - simulated)}"
    assert not wanted - live, f"not asserted on the live kernel: {sorted(wanted - live)}"
