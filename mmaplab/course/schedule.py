"""Schedules for teaching, added up from the minutes that the chapters state.

    mmaplab schedule                    all of it, chapter by chapter
    mmaplab schedule --minutes 90       what fits into 90 minutes, with breaks and the chapters' tasks
    mmaplab schedule --sessions 6       six sessions of about equal length

A reader's minutes are an upper bound for a room with a projector, where exercises are homework.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from mmaplab.course import Chapter, chapters

SHORT = (
    "01_a_file_as_memory",
    "05_the_page_fault",
    "07_back_to_disk",
    "09_is_it_faster",
    "06_private_and_shared",
    "10_at_the_edges",
    "08_counting_copies",
    "03_a_vma_is_born",
    "04_tied_to_a_file",
    "11_when_to_use_it",
    "02_the_address_space",
)
"""Where there is no time for everything: the chapters that change most what people believe, the first first."""
SHARE = 0.5
"""A chapter that is shown, with its predictions asked of the room, takes this part of its reading minutes."""
TASK, BREAK = 5, 5
"""Minutes: pairs work on a chapter's task in *Play*; and a rest, one for each whole hour."""


@dataclass(frozen=True)
class Session:
    """Chapters that are taught together, with the minutes they take in the room and at home.

    `tasks` and `breaks` are parts of `room`, where the chapters are shown and not read.
    """

    chapters: tuple[Chapter, ...]
    room: int
    home: int
    tasks: int = 0
    breaks: int = 0


def whole(parts: int) -> list[Session]:
    """Return all chapters, in order, in `parts` sessions whose longest is as short as can be. Raises ValueError."""
    all_of = list(chapters().values())
    if not 1 <= parts <= len(all_of):
        raise ValueError(f"{parts} sessions: give 1 to {len(all_of)}, since a session holds whole chapters")
    lengths = sorted(
        {sum(c.reading for c in all_of[i:j]) for i in range(len(all_of)) for j in range(i + 1, len(all_of) + 1)}
    )
    for longest in lengths:
        cut = _fill(all_of, longest)
        if cut is not None and len(cut) <= parts:
            return [_session(part) for part in _spread(cut, parts)]
    raise AssertionError("one session that holds all is always possible")


def _fill(all_of: Sequence[Chapter], longest: int) -> list[list[Chapter]] | None:
    """Return the chapters in as few sessions of at most `longest` minutes as can be; None where one does not fit."""
    cut: list[list[Chapter]] = []
    for chapter in all_of:
        if chapter.reading > longest:
            return None
        if not cut or sum(c.reading for c in cut[-1]) + chapter.reading > longest:
            cut.append([])
        cut[-1].append(chapter)
    return cut


def _spread(cut: list[list[Chapter]], parts: int) -> list[list[Chapter]]:
    """Return the sessions, the longest ones halved until there are `parts`."""
    while len(cut) < parts:
        i = max((i for i in range(len(cut)) if len(cut[i]) > 1), key=lambda i: sum(c.reading for c in cut[i]))
        middle = len(cut[i]) // 2
        cut = [*cut[:i], cut[i][:middle], cut[i][middle:], *cut[i + 1 :]]
    return cut


def _session(part: Sequence[Chapter]) -> Session:
    return Session(tuple(part), sum(c.reading for c in part), sum(c.exercises for c in part))


def within(minutes: int) -> Session:
    """Return the chapters that can be shown in `minutes`, the most surprising first chosen. Raises ValueError."""
    breaks = minutes // 60 * BREAK
    left, chosen = float(minutes - breaks), []
    for stem in SHORT:
        cost = shown(chapters()[stem])
        if cost <= left:
            chosen.append(stem)
            left -= cost
    if not chosen:
        raise ValueError(f"{minutes} minutes hold no chapter: the shortest takes {_shortest():.0f}")
    found = tuple(chapters()[stem] for stem in sorted(chosen))
    home = sum(c.exercises for c in found)
    return Session(found, round(minutes - left), home, TASK * len(found), breaks)


def shown(chapter: Chapter) -> float:
    """Return the minutes that a chapter takes when it is shown, with its task."""
    return chapter.reading * SHARE + TASK


def _shortest() -> float:
    return min(shown(chapters()[stem]) for stem in SHORT)


def text(sessions: Sequence[Session]) -> str:
    """Return sessions as a table."""
    rows = []
    for number, session in enumerate(sessions, 1):
        if len(sessions) > 1:
            rows.append(f"session {number}: {session.room} minutes, exercises {session.home} minutes")
        for c in session.chapters:
            rows.append(f"  {c.number} {c.title:22} reading {c.reading:3}   exercises {c.exercises:3}   {c.question}")
        if session.tasks or session.breaks:
            rows.append(f"  tasks in pairs {session.tasks} minutes, breaks {session.breaks} minutes")
    room, home = sum(s.room for s in sessions), sum(s.home for s in sessions)
    rows.append(f"together: {room} minutes ({room / 60:.1f} hours), exercises {home} minutes ({home / 60:.1f} hours)")
    return "\n".join(rows)


def main(argv: list[str]) -> int:
    """Print a schedule; returns 2 where what was asked for is impossible."""
    parser = argparse.ArgumentParser(prog="mmaplab schedule", description="Add up the minutes of the chapters.")
    ask = parser.add_mutually_exclusive_group()
    ask.add_argument("--minutes", type=int, metavar="N", help="choose what fits into N minutes, shown on a projector")
    ask.add_argument("--sessions", type=int, metavar="N", default=1, help="cut the whole course into N sessions")
    args = parser.parse_args(argv)
    try:
        sessions = [within(args.minutes)] if args.minutes is not None else whole(args.sessions)
    except ValueError as error:
        parser.error(str(error))
    print(text(sessions))
    return 0
