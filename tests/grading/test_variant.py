"""A program of one's own: other names give other programs, desk and grader agree on each, and a copy is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmaplab.grading import questions, variant
from mmaplab.grading.ask import forked
from mmaplab.grading.desk import check
from mmaplab.grading.desk import variant as own
from mmaplab.grading.families import FAMILIES
from mmaplab.grading.judge import judge
from mmaplab.grading.questions import Test
from mmaplab.grading.variant import FAULTS, Variant, expected_of, variant_of

SPEC = {"family": "shared_writable", "asks": "faults"}
QUESTION = {
    "key": "fault-own",
    "title": "6 · A program of your own",
    "stars": 1,
    "section": "One fault maps a window",
    "answers": ["seed", "mine"],
    "hints": ["Go line by line.", "A store maps one page."],
    "hidden": 1,
    "points": 4,
    "tests": [{"kind": "variant", "label": "your own program", "points": 2, "answer": "mine", **SPEC}],
}


@pytest.fixture
def question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question with a program for each learner, as the release would put it into the package."""
    (tmp_path / "05_the_page_fault.json").write_text(json.dumps([QUESTION]), encoding="utf-8")
    monkeypatch.setattr(questions.public_question, "__defaults__", (tmp_path,))
    monkeypatch.setattr(questions.chapter_of, "__defaults__", (tmp_path,))


def judged(answers: dict, hidden: bool = False, **spec: object) -> tuple[bool, str]:
    """Judge answers as the grader does: asked of a child."""
    test = Test("variant", "own", 2, "mine", hidden, {**SPEC, **spec})
    with forked(dict(answers)) as child:
        finding = judge(test, child.ask)
    return finding.passed, "\n".join([finding.message, *finding.lines])


def test_the_same_name_gives_the_same_program_and_other_names_others() -> None:
    programs = {repr(variant_of(SPEC, name).scenario) for name in ("Anna", "Bert", "Cleo", "Dora", 17)}
    assert len(programs) == 5
    assert variant_of(SPEC, "Anna").scenario == variant_of(SPEC, " Anna ").scenario


def test_one_can_ask_for_a_new_one() -> None:
    anna = variant_of(SPEC, "Anna")
    second = anna.again()
    assert second.seed == "Anna 2" and second.again().seed == "Anna 3"
    assert second.scenario != anna.scenario
    assert variant_of(SPEC, "Anna 2") == second


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_can_be_asked_about(family: str) -> None:
    for asks in (*FAULTS, "pages copied", "blocks read", "blocks written"):
        own_program = Variant(family, asks, "Anna")
        lines = [line for line in own_program.lines() if line[:2].strip().isdigit()]
        expected = expected_of(own_program)
        assert lines, family
        if asks in FAULTS:
            assert isinstance(expected, list) and len(expected) == len(lines)
        else:
            assert type(expected) is int and expected >= 0


def test_the_answers_of_many_learners_differ() -> None:
    answers = {json.dumps(expected_of(variant_of(SPEC, f"learner {n}"))) for n in range(30)}
    assert len(answers) > 20


def test_an_answer_is_right_for_its_own_seed_only() -> None:
    anna, bert = expected_of(variant_of(SPEC, "Anna")), expected_of(variant_of(SPEC, "Bert"))
    assert judged({"seed": "Anna", "mine": anna}) == (True, "right for the program of 'Anna'")
    passed, said = judged({"seed": "Bert", "mine": anna})
    assert not passed and ("expected" in said or "numbers" in said)
    assert judged({"seed": "Bert", "mine": bert})[0]


def test_the_first_wrong_line_is_told_and_shown() -> None:
    anna = variant_of(SPEC, "Anna")
    wrong = [count + (number == 3) for number, count in enumerate(expected_of(anna))]
    passed, said = judged({"seed": "Anna", "mine": wrong})
    assert not passed
    assert f"line 3: expected {expected_of(anna)[3]}, came {wrong[3]}." in said
    assert all(line in said for line in anna.lines())
    assert judged({"seed": "Anna", "mine": [0]})[1].startswith(f"the program has {len(wrong)} lines")


def test_a_number_for_the_whole_program() -> None:
    spec = {"family": "after_fork", "asks": "pages copied"}
    expected = expected_of(variant_of(spec, "Anna"))
    assert judged({"seed": "Anna", "mine": expected}, **spec)[0]
    assert f"expected {expected}, came {expected + 1}" in judged({"seed": "Anna", "mine": expected + 1}, **spec)[1]


@pytest.mark.parametrize("seed", [None, "", "  ", "your name", "Your Name", True, 1.5, ["Anna"], "x" * 81])
def test_without_a_name_there_is_no_program(seed: object) -> None:
    passed, said = judged({"seed": seed, "mine": [0]})
    assert not passed and ("give your name" in said or "at most 80" in said)


def test_nothing_is_right_for_nothing() -> None:
    assert judged({"seed": "Anna", "mine": None})[1] == "not answered yet."
    assert "not there" in judged({"mine": [0]})[1]


def test_at_the_desk_a_name_gives_a_program_and_check_knows_it(question: None) -> None:
    anna = own("fault-own", "Anna")
    assert repr(anna).startswith('seed = "Anna"; asked: faults') and " 0 fd = p.open" in repr(anna)
    assert "<pre>" in anna._repr_html_()
    assert "public checks passed, 1 hidden one remains" in repr(check("fault-own", "Anna", expected_of(anna)))
    assert "0 of 1 public check passed" in repr(check("fault-own", "Bert", expected_of(anna)))
    assert "Reread: One fault maps a window" in repr(check("fault-own", "Anna", [1]))
    again = anna.again()
    assert check("fault-own", again.seed, expected_of(again)).passed


def test_a_question_without_variants_says_so() -> None:
    with pytest.raises(ValueError, match="same program for everybody"):
        own("fault-bill", "Anna")
    with pytest.raises(ValueError, match="a family of programs"):
        variant.variant_of({"family": "none", "asks": "faults"}, "Anna")
