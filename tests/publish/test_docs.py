"""The guides: what is generated in them is what is made now, and what they say of the project is so."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from mmaplab import cli
from mmaplab.course import chapters
from mmaplab.course.teaching import teaching
from mmaplab.publish import command, docs, floors
from mmaplab.publish.chapters import NoCourse, aims, notebook, stale_notes
from mmaplab.publish.marks import filled

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").glob("*.md"))


def test_what_is_generated_is_up_to_date() -> None:
    late = [str(path.relative_to(ROOT)) for path in [*docs.stale(ROOT), *stale_notes(ROOT)]]
    assert not late, f"run `make docs`: {', '.join(late)}"


@pytest.mark.parametrize("options", [["--minutes", "90"], ["--minutes", "180"], ["--sessions", "6"]])
def test_the_schedules_are_what_the_command_prints(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["schedule", *options]) == 0
    said = capsys.readouterr().out
    guide = (ROOT / "docs" / "instructors.md").read_text(encoding="utf-8")
    assert f"$ mmaplab schedule {' '.join(options)}\n{said.rstrip()}\n```" in guide


@pytest.mark.parametrize("stem", chapters())
def test_an_instructor_finds_everything_about_a_chapter(stem: str) -> None:
    told = teaching()[stem]
    ids = {cell.id for cell in notebook(ROOT, stem).cells}
    assert len(told.surprise) > 60 and len(told.short) > 60 and len(told.board.splitlines()) >= 3
    assert len(told.ask) >= 3 and all(one.question and one.listen for one in told.ask)
    assert len(told.goes_wrong) >= 3
    assert len(told.notes) >= 3 and set(told.notes) <= ids
    assert 3 <= len(aims(notebook(ROOT, stem))) <= 4


def test_the_notes_stand_in_the_cells_and_in_no_text_that_a_learner_sees() -> None:
    for stem in chapters():
        book = notebook(ROOT, stem)
        beside = {
            c.id: c.metadata.mmaplab.instructor for c in book.cells if "instructor" in c.metadata.get("mmaplab", {})
        }
        assert beside == teaching()[stem].notes
        seen = "\n".join(cell.source for cell in book.cells)
        assert not [name for name, note in beside.items() if note in seen]


@pytest.mark.live
def test_both_kernels_can_be_asked_as_the_contributors_guide_says(capsys: pytest.CaptureFixture[str]) -> None:
    guide = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    snippet = re.search(r"ask both kernels:\n\n +```python\n(.+?)```", guide, re.DOTALL)
    assert snippet
    exec(textwrap.dedent(snippet[1]), {"program": lambda p: p.load(p.mmap(0, 4096, 1, 1, p.open("f")))})
    assert "agree in all 3 steps" in capsys.readouterr().out


def test_every_target_of_make_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: ((?:.*\\\n)*.*)$", makefile, re.MULTILINE)
    assert phony
    targets = set(phony.group(1).replace("\\\n", " ").split())
    explained = set(re.findall(r"^\| `make ([a-z-]+)` \| .{10,}", docs.targets(makefile), re.MULTILINE))
    assert explained == targets


def test_the_floors_are_all_in_the_picture() -> None:
    table = floors.towers(ROOT)
    picture = floors.picture(table)
    assert picture.svg == floors.picture(table).svg
    for name, tower in table.items():
        assert f">{name}</text>" in picture.svg
        for room in " ".join(tower.floors).split():
            assert re.search(rf"[> ]{re.escape(floors._short(room, name))}[ <]", picture.svg), room
    below: set[str] = set()
    for level in floors.levels(table):
        for name in level:
            homes = {use if use in table else next(t for t in table if use in " ".join(table[t].floors).split())
                     for use in table[name].uses}  # fmt: skip
            assert homes <= below, name
        below |= set(level)


@pytest.mark.parametrize("path", DOCS, ids=[path.name for path in DOCS])
def test_links_and_names_of_files_are_right(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (path.parent / link).exists(), f"{path.name} refers to {link}"
    for name in re.findall(r"`((?:mmaplab|tests|notebooks|solutions|docs)/[\w./]+)`", text):
        if "NN" not in name:
            assert (ROOT / name).exists(), f"{path.name} names {name}"
    commands = set(re.findall(r"`mmaplab ([a-z]+)", text)) - {"schedule"}
    assert commands <= set(cli.COMMANDS)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets


def test_words_that_say_nothing_are_not_there() -> None:
    for path in DOCS:
        prose = re.sub(r"\*[a-z]+\*", "", path.read_text(encoding="utf-8"))
        assert not re.search(r"\b(simply|just|obviously)\b", prose, re.IGNORECASE), path.name


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    text = "a\n<!-- one: begin -->\nold\n<!-- one: end -->\nb\n"
    assert filled(text, {"one": "new"}) == "a\n<!-- one: begin -->\nnew\n<!-- one: end -->\nb\n"
    assert filled(filled(text, {"one": "new"}), {"one": "new"}) == filled(text, {"one": "new"})
    with pytest.raises(ValueError, match="no place for 'two'"):
        filled(text, {"two": "new"})


def test_the_command_says_what_is_late_and_where_there_is_no_course(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command.main(["site", "out"]) == 2
    assert "checkout of the course" in capsys.readouterr().err
    with pytest.raises(NoCourse):
        floors.towers(tmp_path)


def test_writing_twice_changes_nothing(tmp_path: Path) -> None:
    for name in ("docs", "notebooks"):
        (tmp_path / name).mkdir()
    for source in [*(ROOT / "docs").glob("*"), *(ROOT / "notebooks").glob("*.ipynb")]:
        if source.is_file():
            (tmp_path / source.parent.name / source.name).write_bytes(source.read_bytes())
    guide = tmp_path / "docs" / "instructors.md"
    guide.write_text(re.sub(r"reading +60", "reading 61", guide.read_text(encoding="utf-8")), encoding="utf-8")
    made = docs.instructors(ROOT, guide.read_text(encoding="utf-8"))
    assert made == (ROOT / "docs" / "instructors.md").read_text(encoding="utf-8")
    assert docs.instructors(ROOT, made) == made
