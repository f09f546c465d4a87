"""The progress bar: a line that is written over on a terminal, a line for each step elsewhere."""

from __future__ import annotations

import io

import pytest

from mmaplab.grading.bar import LINE, Bar
from mmaplab.grading.bulk import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(stream: io.StringIO, *steps: Progress) -> str:
    """Return what a bar writes when each step takes six seconds."""
    clock = iter(range(0, 1000, 6))
    bar = Bar(stream, lambda: float(next(clock)))
    for step in steps:
        bar.show(step)
    bar.close()
    return stream.getvalue()


def test_a_file_gets_a_line_for_each_step() -> None:
    text = shown(io.StringIO(), Progress(1, 2, "anna", "4 of 28"), Progress(2, 2, "bert", "not JSON"))
    assert text == "[1/2] anna: 4 of 28\n[2/2] bert: not JSON\n"


def test_a_terminal_gets_one_line_with_a_bar_a_speed_and_what_is_left() -> None:
    text = shown(Terminal(), Progress(1, 40, "anna", "4 of 28"), Progress(20, 40, "bert", "0 of 28"))
    first, second = text.strip("\n").split("\r")[1:]
    assert first.startswith("[........................] 10/min, 4 min left [1/40] anna: 4 of 28")
    assert second.startswith("[############............] 100/min, 0 min left [20/40] bert")
    assert text.endswith("\n") and text.count("\n") == 1


def test_after_an_interruption_the_speed_is_that_of_this_run() -> None:
    text = shown(Terminal(), Progress(501, 1000, "anna", "0 of 28"))
    assert "10/min, 50 min left" in text


@pytest.mark.parametrize("name", ["\x1b[2J", "a\nb", "\ud800", "x" * 500])
def test_a_name_cannot_harm_the_terminal(name: str) -> None:
    line = shown(Terminal(), Progress(1, 1, name, "ok")).strip("\n").lstrip("\r")
    assert line.isprintable() and len(line) == LINE and line.encode()
    assert shown(io.StringIO(), Progress(1, 1, name, "ok")).count("\n") == 1


def test_nothing_shown_is_nothing_written() -> None:
    assert shown(Terminal()) == ""
