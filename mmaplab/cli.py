"""The command `mmaplab`: a table of subcommands, each loaded when it is called.

    mmaplab lab        start JupyterLab on the course
    mmaplab doctor     say what this machine can show, and what it cannot
    mmaplab fuzz       run random programs on both kernels and compare
    mmaplab release    make exercises/ from solutions/
    mmaplab grade      grade submissions
    mmaplab gradebook  take scores over into nbgrader's gradebook
    mmaplab similar    say which answers of a class are alike
    mmaplab bench      measure what the project promises in numbers
    mmaplab schedule   add up the minutes of the chapters

`mmaplab SUBCOMMAND --help` says more of each.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

GRADEBOOK = """Take the scores of a graded folder over into nbgrader's gradebook (gradebook.db of the course, or what
its nbgrader_config.py names). Assignments are recorded where `nbgrader generate_assignment` has not done so; automatic
scores and comments are replaced, manual ones stay; the pages go into the course's feedback folder."""

SIMILAR = """Compare the answers of a class, without names, numbers, texts, comments, and what the exercise gives.
Nothing is run, and nothing leaves this machine. The report says where a person should look; it proves nothing."""


def lab(argv: list[str]) -> int:
    """start JupyterLab on the course"""
    from mmaplab import start

    return start.main(argv)


def doctor(argv: list[str]) -> int:
    """say what this machine can show, and what it cannot"""
    from mmaplab.real.probe import doctor as examine

    parser = argparse.ArgumentParser(prog="mmaplab doctor", description="Say what this machine can show.")
    parser.add_argument("directory", nargs="?", help="where the course's files are to be (default: found by itself)")
    print(examine(parser.parse_args(argv).directory))
    return 0


def fuzz(argv: list[str]) -> int:
    """run random programs on both kernels and compare"""
    from mmaplab.fuzz import command

    return command.main(argv)


def release(argv: list[str]) -> int:
    """make exercises/ from solutions/"""
    from mmaplab.grading import command

    parser = argparse.ArgumentParser(prog="mmaplab release", description="Make exercises/ from solutions/.")
    command.add_release_arguments(parser)
    return command.run_release(parser.parse_args(argv))


def grade(argv: list[str]) -> int:
    """grade submissions"""
    from mmaplab.grading import command

    parser = argparse.ArgumentParser(prog="mmaplab grade", description="Grade submissions.")
    command.add_grade_arguments(parser)
    return command.run_grade(parser.parse_args(argv))


def gradebook(argv: list[str]) -> int:
    """take scores over into nbgrader's gradebook"""
    from mmaplab.grading import command

    parser = argparse.ArgumentParser(prog="mmaplab gradebook", description=GRADEBOOK)
    command.add_gradebook_arguments(parser)
    return command.run_gradebook(parser.parse_args(argv))


def similar(argv: list[str]) -> int:
    """say which answers of a class are alike"""
    from mmaplab.grading import command

    parser = argparse.ArgumentParser(prog="mmaplab similar", description=SIMILAR)
    command.add_similar_arguments(parser)
    return command.run_similar(parser.parse_args(argv))


def schedule(argv: list[str]) -> int:
    """add up the minutes of the chapters"""
    from mmaplab.course import schedule as room

    return room.main(argv)


def bench(argv: list[str]) -> int:
    """measure what the project promises in numbers"""
    from mmaplab.bench import command

    return command.main(argv)


ROOMS = (lab, doctor, fuzz, release, grade, gradebook, similar, schedule, bench)
COMMANDS: dict[str, Callable[[list[str]], int]] = {room.__name__: room for room in ROOMS}


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand; returns its exit status, or 2 where there is no such subcommand."""
    from mmaplab import __version__

    words = sys.argv[1:] if argv is None else argv
    if not words or words[0] in ("-h", "--help"):
        print(usage())
        return 0 if words else 2
    if words[0] == "--version":
        print(f"mmaplab {__version__}")
        return 0
    if words[0] not in COMMANDS:
        print(f"mmaplab: there is no subcommand {words[0]!r}\n\n{usage()}", file=sys.stderr)
        return 2
    return COMMANDS[words[0]](words[1:])


def usage() -> str:
    """Return the list of subcommands."""
    rows = [f"  {name:9} {command.__doc__}" for name, command in COMMANDS.items()]
    title = "mmaplab: how Linux memory mapping works, on a simulated and on the live kernel"
    use = "usage: mmaplab SUBCOMMAND [options]   (mmaplab SUBCOMMAND --help says more)"
    return "\n".join([title, "", use, "", *rows])
