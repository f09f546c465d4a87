"""Schedules: sums of the chapters' minutes, in sessions of whole chapters."""

from __future__ import annotations

import pytest

from mmaplab.cli import main
from mmaplab.course import chapters
from mmaplab.course.schedule import BREAK, SHARE, TASK, whole, within


@pytest.mark.parametrize("parts", range(1, 13))
def test_sessions_hold_every_chapter_once_and_in_order(parts: int) -> None:
    sessions = whole(parts)
    assert [c for session in sessions for c in session.chapters] == list(chapters().values())
    assert len(sessions) == parts
    assert sum(session.room for session in sessions) == sum(c.reading for c in chapters().values())


def test_more_sessions_are_never_longer() -> None:
    longest = [max(session.room for session in whole(parts)) for parts in range(1, 13)]
    assert longest == sorted(longest, reverse=True)


@pytest.mark.parametrize("minutes", [40, 90, 180, 1000])
def test_a_short_course_fits(minutes: int) -> None:
    session = within(minutes)
    assert session.breaks == minutes // 60 * BREAK and session.tasks == TASK * len(session.chapters)
    taught = sum(c.reading * SHARE for c in session.chapters)
    assert session.room == round(taught + session.tasks + session.breaks) <= minutes


@pytest.mark.parametrize("words", [["--minutes", "5"], ["--sessions", "0"], ["--sessions", "13"]])
def test_the_impossible_is_said(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["schedule", *words])
    assert "minutes hold no chapter" in (said := capsys.readouterr().err) or "sessions: give 1 to 12" in said


def test_the_command_adds_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schedule"]) == 0
    said = capsys.readouterr().out
    assert f"together: {sum(c.reading for c in chapters().values())} minutes" in said
    assert all(c.question in said for c in chapters().values())
