"""The table of predicted against measured, on two simulated kernels: the second plays the live one."""

from __future__ import annotations

import pytest

from mmaplab.constants import MAP_SHARED, O_RDWR, PROT_READ, PROT_WRITE
from mmaplab.interface import Process
from mmaplab.sim import Kernel, KernelConfig
from mmaplab.twin import Comparison, twin
from mmaplab.views.twinview import cut, twinview
from tests.views.drawing import check
from tests.views.pictures import count, labels

PAGE = 4096
FILES = {"book.txt": b"word" * 1024 * 40}


def walk(p: Process) -> None:
    """Touch a few pages of a mapped file."""
    a = p.mmap(0, 40 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, p.open("book.txt", O_RDWR))
    for page in (0, 15, 16, 39):
        p.load(a + page * PAGE)
    p.store(a, b"W")


def compared(other: Kernel | None) -> Comparison:
    """Return the comparison of the simulator with another kernel."""
    return twin(walk, Kernel(), other, FILES)


def test_agreement_is_one_line_with_both_circles() -> None:
    comparison = compared(Kernel())
    picture = twinview(comparison)
    check(picture)
    rows = len(comparison.rows())
    assert comparison.agrees and picture.description == "Predicted and measured agree in all 7 steps."
    assert count(picture, "circle", "void") == count(picture, "circle", "inkfill") == rows + 1  # and the head
    assert count(picture, "rect", "now") == 0
    assert repr(picture) == comparison.text()


def test_the_first_difference_is_in_focus_and_said() -> None:
    comparison = compared(Kernel(KernelConfig(fault_around_bytes=2 * PAGE)))
    picture = twinview(comparison)
    check(picture)
    assert comparison.difference and picture.description.startswith("Predicted and measured agree until step")
    assert count(picture, "rect", "now") == 1
    words = [label.words for label in labels(picture)]
    assert words.count("▸") == 1
    differing = [row for row in comparison.rows() if not row.agrees]
    assert words.count("sim") == words.count("live") == len(differing) >= 1
    assert sum(each.startswith("they differ in") for each in words) == len(differing)
    assert f"after step {comparison.difference.step}, on both sides:" in words
    state = words[words.index("areas of p") :]
    assert len(state) == len(comparison.state())
    ours, theirs, mark = (words.replace("\u00a0", " ") for words in state[-3:])
    assert ours.index("#") == theirs.index("#") == 10 and ours.count("#") > theirs.count("#")
    assert theirs[mark.index("^")] == "#", "the page that was touched is there now"


def test_without_a_live_kernel_there_are_predictions_only() -> None:
    picture = twinview(compared(None))
    check(picture)
    assert count(picture, "circle", "inkfill") == 0
    assert "no live Linux kernel" in picture.description


@pytest.mark.parametrize("mono", [True, False])
def test_long_words_are_broken_and_nothing_is_lost(mono: bool) -> None:
    words = "b'" + "w" * 100 + "' and more"
    lines = cut(words, 200, mono=mono)
    assert len(lines) > 2 and "".join(lines).replace(" ", "") == words.replace(" ", "")
