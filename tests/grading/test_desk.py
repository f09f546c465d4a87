"""`check` at the desk: what it says, in which order, and that it outlives every answer."""

from __future__ import annotations

import ctypes
import json
import os
import time
from pathlib import Path

import pytest

from mmaplab.grading import desk
from mmaplab.grading.bugs import BUGS, BY_SLOT
from mmaplab.grading.desk import check, check_slot, hint, is_blank, run_here, score
from mmaplab.grading.judge import Patience
from mmaplab.grading.programs import pages
from mmaplab.grading.questions import PUBLIC, public_question
from mmaplab.sim.filefault import do_fault_around, filemap_map_pages


def only_the_page(vmf):
    """A window of one page."""
    return filemap_map_pages(vmf, vmf.pgoff, vmf.pgoff)


def test_an_answer_that_is_not_given_is_no_error() -> None:
    text = repr(check("fault-recall", None, None, None))
    assert text == "1 · The same forty pages: not answered yet; 2 public checks and 1 hidden wait for it."


def test_a_right_answer_is_told_that_hidden_checks_remain() -> None:
    verdict = check("fault-recall", [0, 16, 32], [], 0)
    assert verdict.passed
    assert "public checks passed, 1 hidden one remains" in repr(verdict)
    assert "all" not in repr(verdict)
    assert not verdict.hints


def test_a_wrong_answer_is_told_what_was_expected_what_came_why_a_hint_and_where_to_read() -> None:
    text = repr(check("fault-recall", list(range(40)), None, 0))
    assert "expected [0, 16, 32], came [0, 1, 2" in text
    assert "That is one fault per page" in text
    assert "Hint 1 of 3" in text and 'hint("fault-recall", 2)' in text
    assert "Reread: One fault maps a window" in text
    assert "[0, 16, 27]" not in text


def test_a_wrong_kernel_function_is_shown_by_the_shortest_program_and_a_strip() -> None:
    text = repr(check("fault-window", only_the_page))
    assert "p.load(a)" in text and "0x2000, PROT_READ" in text
    assert "reference  xx   x = present" in text and "yours      x." in text
    assert text.count("p.load") <= 2


def test_a_program_that_ended_with_an_error_is_told_so() -> None:
    def behind_the_end(p):
        a = p.mmap(0, 4 * 4096, 3, 0x01, p.open("f", 2))
        p.store(a, b"A")
        p.store(a + 5000, b"B")
        p.store(a + 12297, b"C")

    text = repr(check("letter-edit", behind_the_end))
    assert "came -1 (no byte: the file ends before it). `edit` ended with SIGBUS, BUS_ADRERR, at 0x" in text

    def not_of_the_process(p):
        Path("f-that-is-nowhere").stat()

    assert "makes no call yet: it ended with [Errno 2]" in repr(check("letter-edit", not_of_the_process))


def test_the_html_folds_each_hint_into_the_one_before_and_escapes() -> None:
    shown = check("fault-recall", "<b>", None, 0)._repr_html_()
    assert shown.count("<details>") == 3 and shown.index("Hint 1") < shown.index("Hint 2") < shown.index("Hint 3")
    assert "&lt;b&gt;" in shown and "<b>&" not in shown


def test_hints_come_in_steps() -> None:
    assert hint("fault-window").startswith("Hint 1 of 3")
    assert "last" in hint("fault-window", 3)
    with pytest.raises(ValueError, match="hints 1 to 3, not 4"):
        hint("fault-window", 4)


def test_an_unknown_question_is_told_the_known_ones() -> None:
    with pytest.raises(KeyError, match="fault-recall"):
        check("no-such-question", 1)


def test_a_wrong_number_of_answers_is_told_their_names() -> None:
    with pytest.raises(TypeError, match="faults, copied, not 1 value"):
        check("fault-bill", 3)


@pytest.mark.parametrize(
    ("end", "says"),
    [
        (lambda vmf: ctypes.string_at(0), "died of SIGSEGV"),
        (lambda vmf: os._exit(3), "status 3"),
        (lambda vmf: os.abort(), "died of SIGABRT"),
        (lambda vmf: bytearray(1 << 40), "MemoryError"),
        (lambda vmf: only_the_page(None), "AttributeError"),
    ],
)
def test_an_answer_that_dies_is_told_how_and_this_process_lives(end, says: str) -> None:
    verdict = check("fault-window", end)
    assert not verdict.passed
    assert says in repr(verdict)


def test_an_endless_answer_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "DESK_SECONDS", 1.0)

    def for_ever(vmf):
        time.sleep(1000)

    assert "in time" in repr(check_slot(for_ever, "do_fault_around"))


def test_what_an_answer_prints_does_not_reach_the_notebook(capfd: pytest.CaptureFixture[str]) -> None:
    def talkative(vmf):
        print("hello")
        os.write(1, b"hello")
        return only_the_page(vmf)

    check("fault-window", talkative)
    assert capfd.readouterr() == ("", "")


def test_check_slot_agrees_with_the_reference_on_every_family() -> None:
    verdict = check_slot(do_fault_around)
    assert verdict.passed and "agrees with the reference on 60 programs" in repr(verdict)


@pytest.mark.parametrize(("slot", "name"), [(slot, bug.__name__) for slot in BY_SLOT for bug in BY_SLOT[slot]])
def test_check_slot_finds_every_bug_of_the_exercises(slot: str, name: str) -> None:
    assert not check_slot(BUGS[name], slot).passed


def test_check_slot_says_which_slots_it_knows() -> None:
    with pytest.raises(ValueError, match="handle_mm_fault, do_fault_around"):
        check_slot(do_fault_around, "no_such_slot")


def test_blank_answers_are_none_and_functions_with_a_docstring_only() -> None:
    def blank(vmf):
        """Nothing yet."""

    def short(vmf):
        return 0

    assert is_blank(None) and is_blank(blank)
    assert not is_blank(short) and not is_blank(0) and not is_blank([])


def test_score_counts_hidden_tests_and_gives_nothing_for_nothing() -> None:
    hidden = [{"kind": "value", "label": "shifted", "points": 2, "answer": "shifted", "expected": [0, 16, 27]}]
    assert score("fault-recall", [[0, 16, 32], [0, 16, 27], 0], hidden) == 4
    assert score("fault-recall", [[0, 16, 32], [0], 0], hidden) == 2
    assert score("fault-recall", [None, None, None], hidden) == 0
    with pytest.raises(ValueError, match="0 hidden tests, but its metadata says 1"):
        score("fault-recall", [[0, 16, 32], [], 0], [])


def test_one_slow_try_does_not_end_the_search_and_three_do(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 1000, 5))
    monkeypatch.setattr("mmaplab.grading.judge.time.monotonic", lambda: next(now))
    patience = Patience(seconds=20.0, slow=1.0)
    for lasts in (True, True, False):
        assert patience.of(lambda: True) and patience.lasts == lasts
    patience = Patience(seconds=20.0, slow=6.0)
    for lasts in (True, True, True, False):
        assert not patience.of(lambda: False) and patience.lasts == lasts


def test_the_same_check_gives_the_same_text_twice() -> None:
    assert repr(check("fault-window", only_the_page)) == repr(check("fault-window", only_the_page))


def test_run_here_counts_on_this_kernel_or_says_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def two_windows(p):
        a = p.mmap(0x10000000, 32 * 4096, 1, 0x11, p.open("f"))
        p.load(a)
        p.load(a + 16 * 4096)

    assert "2 minor faults, 0 major faults, 2 system calls" in repr(run_here(two_windows, {"f": pages(32)}))
    monkeypatch.setenv("MMAPLAB_LIVE", "off")
    text = repr(run_here(two_windows, {"f": pages(32)}))
    assert "the simulated kernel: 2 minor faults" in text and "could not be asked" in text
    assert "not answered yet" in repr(run_here(None, {}))


@pytest.mark.parametrize("live", ["on", "off"])
def test_run_here_counts_major_faults_of_a_file_that_is_on_the_disk_only(
    monkeypatch: pytest.MonkeyPatch, live: str
) -> None:
    def three_pages(p):
        a = p.mmap(0, 64 * 4096, 1, 0x01, p.open("f"))
        p.madvise(a, 64 * 4096, 1)
        for page in (0, 20, 40):
            p.load(a + page * 4096)

    if live == "off":
        monkeypatch.setenv("MMAPLAB_LIVE", "off")
    assert "0 minor faults, 3 major faults, 3 system calls" in repr(run_here(three_pages, {"f": pages(64)}, warm=False))


def test_every_question_has_hints_a_section_and_stars() -> None:
    keys = [data["key"] for path in PUBLIC.glob("*.json") for data in json.loads(path.read_text(encoding="utf-8"))]
    assert len(keys) >= 5
    for key in keys:
        question = public_question(key)
        assert len(question.hints) >= 2 and question.section and question.stars in (1, 2, 3)
        assert question.hidden >= 1 and question.tests
