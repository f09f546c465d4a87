"""Stored notebooks: what is kept of a run, and what is not."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from mmaplab import authoring, notes
from mmaplab.course import glossary

ROOT = Path(__file__).parent.parent

WIDGET = "from mmaplab.widgets.quiz import quiz\nquiz('1 + 1?', {'2': None, '11': 'no'}, key='k')"


def stored(folder: Path, *cells: nbformat.NotebookNode, **metadata: object) -> Path:
    """Write a notebook of these cells and run it."""
    path = folder / "page.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=list(cells), metadata=metadata), path)
    authoring.execute(path)
    return path


def code(source: str, name: str, *tags: str) -> nbformat.NotebookNode:
    """Return a code cell with a fixed id."""
    return nbformat.v4.new_code_cell(source, id=name, metadata={"tags": list(tags)} if tags else {})


def test_two_runs_give_the_same_file(tmp_path: Path) -> None:
    """No time, no version and no random id is stored, so a change in a notebook is a change of its content."""
    cells = [code("print('one')\nprint('two')", "a"), code(WIDGET, "b", "widget"), code("6 * 7", "c")]
    path = stored(tmp_path, *cells)
    first = path.read_bytes()
    authoring.execute(path)
    assert path.read_bytes() == first


def test_results_are_stored_and_of_widgets_their_twins(tmp_path: Path) -> None:
    """What needs a running kernel is not stored: a reader without one sees the twin."""
    path = stored(tmp_path, code("6 * 7", "a"), code(WIDGET, "b", "widget"), code("7 * 7", "c"))
    seven, widget, square = nbformat.read(path, as_version=4).cells
    assert seven.outputs[0].data == {"text/plain": "42"}
    assert [set(output.data) for output in widget.outputs] == [{"text/plain", "text/html"}]
    assert "1 + 1?" in widget.outputs[0].data["text/html"] and "<li>11</li>" in widget.outputs[0].data["text/html"]
    assert (widget.execution_count, square.execution_count) == (2, 3)
    assert "widget-view" not in path.read_text(encoding="utf-8")


def test_prints_are_one_output(tmp_path: Path) -> None:
    """How the kernel cut the printed text into messages is not stored."""
    source = "import sys\nfor i in range(3):\n    print(i)\n    sys.stdout.flush()"
    (cell,) = nbformat.read(stored(tmp_path, code(source, "a")), as_version=4).cells
    assert [output.text for output in cell.outputs] == ["0\n1\n2\n"]


def test_the_metadata_is_the_courses_own(tmp_path: Path) -> None:
    """The name of the kernel stays, its version goes; what an author wrote stays."""
    language = {"name": "python", "version": "3.99"}
    path = stored(tmp_path, code("1", "a"), title="A page", widgets={"state": {}}, language_info=language)
    metadata = nbformat.read(path, as_version=4).metadata
    assert metadata == {**authoring.METADATA, "title": "A page"}


def test_the_authors_own_notes_are_not_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook is stored as a learner sees it first, and what it solves is not noted as the author's."""
    monkeypatch.setenv("MMAPLAB_HOME", str(tmp_path / "of the author"))
    notes.write("answers", "05-q1", {"right": True})
    read = "from mmaplab import notes\nprint(notes.read()['answers'])\n"
    source = read + "notes.write('answers', '05-q2', {'right': True})"
    (cell,) = nbformat.read(stored(tmp_path, code(source, "a")), as_version=4).cells
    assert cell.outputs[0].text == "{}\n"
    assert set(notes.read()["answers"]) == {"05-q1"}


def test_a_notebook_that_fails_stays_as_it_is(tmp_path: Path) -> None:
    """An error is told, not stored."""
    path = tmp_path / "page.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[code("1 / 0", "a")]), path)
    before = path.read_bytes()
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        authoring.execute(path)
    assert authoring.main(["execute", str(path)]) == 1
    assert path.read_bytes() == before


def test_freeze_keeps_comments_and_other_systems(tmp_path: Path) -> None:
    """The file holds exact versions of what is installed, and lines with a marker stay."""
    path = tmp_path / "constraints.txt"
    path.write_text("# why\nold==1\nappnope==1.0.0; sys_platform == 'darwin'\n", encoding="utf-8")
    authoring.freeze(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# why"
    assert "appnope==1.0.0; sys_platform == 'darwin'" in lines
    assert f"nbformat=={nbformat.__version__}" in lines
    assert not [line for line in lines if line.startswith(("old", "mmaplab", "pip=="))]


def test_the_stored_glossary_is_the_one_that_is_made_from_the_terms() -> None:
    """Nobody edits it by hand; the links of all notebooks are followed by another test."""
    stored_one = nbformat.read(ROOT / "notebooks" / "glossary.ipynb", as_version=4)
    assert stored_one == authoring.glossary_notebook()
    assert all(f"**{term}**" in stored_one.cells[1].source for term in glossary())
