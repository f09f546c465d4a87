"""Answers that are alike: a copy with other names and numbers is found, independent ones and given code are not."""

from __future__ import annotations

import re
from inspect import getsource
from pathlib import Path

import pytest

from mmaplab.cli import main
from mmaplab.grading.bugs import careless_handle_mm_fault
from mmaplab.grading.bulk import load_assignments
from mmaplab.grading.finding import CannotGrade
from mmaplab.grading.shape import shape
from mmaplab.grading.similar import Compared, answer, compare_all, given_runs, known_answers, pairs, weight
from mmaplab.grading.similarpage import similar_page
from mmaplab.grading.submission import assignment_of
from mmaplab.sim.kernel import REFERENCE

from .helpers import MASTER, MASTERS, cell_named, corpus, notebook, submission

FIRST = '''
def do_fault_around(vmf):
    """Choose the window."""
    pages = vmf.vma.vm_mm.config.fault_around_pages
    slot = (vmf.address // PAGE) % SLOTS
    inside = vmf.pgoff - vmf.vma.vm_pgoff
    low = max(slot // pages * pages, slot - min(slot, inside))
    high = low + pages
    if high > SLOTS:
        high = SLOTS
    rest = slot + vmf.vma.pages - inside
    if high > rest:
        high = rest
    return filemap_map_pages(vmf, vmf.pgoff + low - slot, vmf.pgoff + high - 1 - slot)
'''
COPY = """
def do_fault_around(fault):
    # I have thought of this myself
    n   = fault.vma.vm_mm.config.fault_around_pages

    s = (fault.address // PAGE) % SLOTS
    d = fault.pgoff - fault.vma.vm_pgoff
    begin = max(s // n * n, s - min(s, d))
    end = begin + n
    if end > SLOTS: end = SLOTS
    tail = s + fault.vma.pages - d
    if end > tail:
        end = tail
    return filemap_map_pages(fault, fault.pgoff + begin - s, fault.pgoff + end - 1 - s)
"""
PADDED = (
    COPY.replace("    tail = ", "    print('hello', [x * x for x in range(3)])\n    tail = ") + "\n\nunused = [1, 2]\n"
)


def right_answers(key: str) -> dict[str, str]:
    """Return the independent right answers to a question, by what is special about them."""
    sections = corpus("answers/05.txt")
    full = {name: source for (question, kept, name), source in sections if (question, kept) == (key, "full")}
    master = "".join(cell_named(notebook(MASTER), f"{key}-answer")["source"])
    return full | {"master": re.sub(r" *### (BEGIN|END) SOLUTION\n?", "", master)}


@pytest.fixture
def compared(masters: Path, tmp_path: Path) -> Compared:
    """A class: independent right answers, an answer and its two copies, one that gives nothing, and a broken file."""
    for name, source in right_answers("fault-window").items():
        (tmp_path / f"{name.replace(' ', '-')}.ipynb").write_bytes(submission({"fault-window": source}))
    for name, source in {"anna": FIRST, "bert": COPY, "cleo": PADDED}.items():
        (tmp_path / f"{name}.ipynb").write_bytes(submission({"fault-window": source}))
    (tmp_path / "dora.ipynb").write_bytes(submission({}))
    (tmp_path / "emil.ipynb").write_bytes(b"{")
    return compare_all(tmp_path, masters)


def names(compared: Compared) -> set[tuple[str, str]]:
    return {(pair.one.name.split(".")[0], pair.other.name.split(".")[0]) for pair in compared.pairs}


def test_a_renamed_copy_is_found_and_independent_answers_are_not(compared: Compared) -> None:
    known = {("master", "(the master's answer)")}
    assert names(compared) == {("anna", "bert"), ("anna", "cleo"), ("bert", "cleo")} | known
    first = compared.pairs[0]
    assert first.alike > 0.9 and first.evidence > 50
    assert compared.left_out[0].startswith("emil.ipynb: The file is not JSON")


@pytest.mark.parametrize("key", ["fault-window", "fault-exact", "fault-bill", "fault-recall", "fault-bug"])
def test_independent_right_answers_are_not_listed(key: str, masters: Path) -> None:
    given = given_runs(load_assignments(masters)[0])
    answers = [answer(name, key, source, given) for name, source in right_answers(key).items()]
    assert len(answers) >= 3
    assert pairs(answers) == []


def test_other_names_numbers_texts_and_comments_make_no_other_shape() -> None:
    one = "total = 0  # sum\nfor price in [1, 2]:\n    total += price * len('a')\n"
    other = "s = 9\nfor p in [77, 5]:\n\n        s += p * len('bcd')"
    assert [token.text for token in shape(one)] == [token.text for token in shape(other)]
    assert [token.text for token in shape("x.load(a)")] != [token.text for token in shape("x.store(a)")]


def test_a_cell_that_is_no_python_has_a_shape_too() -> None:
    assert [token.text for token in shape("def f(x:\n  return 3 +")] == ["def", "v", "(", "v", ":", "return", "n", "+"]
    assert shape("") == [] and shape("%matplotlib inline\n!ls\n# only a remark") == []


def test_code_that_the_exercise_gives_or_shows_does_not_count(masters: Path) -> None:
    given = given_runs(load_assignments(masters)[0])
    book = notebook()
    stub = "".join(cell_named(book, "fault-window-answer")["source"])
    walk = "".join(cell_named(book, "fault-recall-given")["source"])
    assert answer("a", "q", stub, given).runs == {} and answer("a", "q", walk, given).runs == {}
    copied = getsource(careless_handle_mm_fault).replace("careless_", "fixed_").replace("vmf", "f")
    assert answer("a", "q", copied, given).runs == {}
    assert answer("a", "q", FIRST, given).runs


def test_what_everybody_writes_weighs_nothing() -> None:
    assert weight(2, 1000) == 1 and weight(1000, 1000) == 0
    assert weight(3, 3) > 0.8
    assert all(weight(n, 100) > weight(n + 1, 100) for n in range(2, 100))
    everybody = [answer(f"{n}", "q", FIRST, ()) for n in range(40)]
    assert pairs(everybody) == []


def test_the_page_is_one_file_that_refers_to_nothing(compared: Compared) -> None:
    page = similar_page(compared)
    assert "://" not in page and "<script" not in page and " src=" not in page
    assert set(re.findall(r"href='([^']*)'", page)) == {f"#pair-{n}" for n in range(1, len(compared.pairs) + 1)}
    assert page.count("<mark>") > 30
    assert "hello" in page and "<mark>    print(" not in page


def test_answers_are_escaped(masters: Path, tmp_path: Path) -> None:
    evil = FIRST.replace("Choose the window.", "</pre><script>alert(1)</script>\\ud800")
    for name in ("a<b>", "b"):
        (tmp_path / f"{name}.ipynb").write_bytes(submission({"fault-window": evil}))
    page = similar_page(compare_all(tmp_path, masters))
    assert "<script>" not in page and "a&lt;b&gt;.ipynb" in page
    assert "letter by letter" in page
    assert page.encode()


def test_the_command_writes_the_report(masters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, source in {"anna": FIRST, "bert": COPY}.items():
        (folder / f"{name}.ipynb").write_bytes(submission({"fault-window": source}))
    out = tmp_path / "similar.html"
    assert main(["similar", str(folder), "--out", str(out), "--solutions", str(masters)]) == 0
    assert "1 pairs are alike" in capsys.readouterr().out
    assert "anna.ipynb" in out.read_text(encoding="utf-8")
    with pytest.raises(CannotGrade):
        compare_all(tmp_path / "nothing", masters)


def pasted_reference() -> str:
    """The package's own function, pasted with what it needs, and with other names."""
    text = getsource(REFERENCE.do_fault_around).replace("vmf", "fault")
    return "from mmaplab.sim.filefault import filemap_map_pages\nimport mmaplab.sim.filefault\n\n" + text


def test_the_packages_own_function_and_the_masters_answer_are_known(masters: Path, tmp_path: Path) -> None:
    for name, source in {
        "anna": FIRST,
        "bert": pasted_reference(),
        "cleo": right_answers("fault-window")["master"],
    }.items():
        (tmp_path / f"{name}.ipynb").write_bytes(submission({"fault-window": source}))
    found = {(pair.one.name, pair.other.name) for pair in compare_all(tmp_path, masters).pairs}
    assert ("bert.ipynb", "(the package's own do_fault_around)") in found
    assert ("cleo.ipynb", "(the master's answer)") in found
    assert not any(name == "anna.ipynb" for pair in found for name in pair)


@pytest.mark.parametrize("master", MASTERS, ids=lambda path: path.stem)
def test_independent_right_answers_are_unlike_the_packages_own(master: Path) -> None:
    assignment = assignment_of(master.stem, master.read_text(encoding="utf-8"))
    given = given_runs(assignment)
    sections = corpus(f"answers/{master.stem[:2]}.txt")
    answers = [answer(name, key, source, given) for (key, kept, name), source in sections if kept == "full"]
    keys = {one.question for one in answers}
    known = [one for one in known_answers(assignment, given, keys) if "package" in one.name]
    assert [p for one in answers if one.runs for p in pairs([one], known=known)] == []


def own(seed: str) -> bytes:
    return submission({"fault-own": f"seed = {seed}\nmine = [0]\norders = [2, 1]\n"})


def test_seeds_are_listed_and_those_of_several_are_marked(
    masters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "in", tmp_path / "similar.html"
    folder.mkdir()
    seeds = {"anna": "'Anna'", "bert": "' Anna '", "cleo": "'cleo'", "dora": "'cl' + 'eo'", "emil": "None", "finn": "7"}
    for name, seed in seeds.items():
        (folder / f"{name}.ipynb").write_bytes(own(seed))
    assert [(one.seed, len(one.names), one.shared) for one in compare_all(folder, masters).seeds] == [
        ("?", 1, True),
        ("Anna", 2, True),
        ("7", 1, False),
        ("cleo", 1, False),
    ]
    assert main(["similar", str(folder), "--out", str(out), "--solutions", str(masters)]) == 0
    assert "2 seeds are given by several, or computed" in capsys.readouterr().out
    page = out.read_text(encoding="utf-8")
    assert "<td>Anna</td><td>anna.ipynb<br>bert.ipynb</td><td><b>given by 2</b></td>" in page


def test_a_seed_in_a_cell_of_ones_own_is_found(masters: Path, tmp_path: Path) -> None:
    book = notebook()
    book["cells"].insert(1, {"cell_type": "code", "metadata": {}, "outputs": [], "source": "seed = 'Anna'"})
    (tmp_path / "anna.ipynb").write_bytes(submission({"fault-own": "mine = [0]"}, book))
    assert [one.seed for one in compare_all(tmp_path, masters).seeds] == ["Anna"]
