"""`python -m mmaplab.publish`: what is made of the course, one word for each thing.

docs                generated parts of docs/ and README.md, and the instructor's notes in the notebooks
docs --check        say which of them are not up to date, and change nothing
site [DIR]          the course as pages that open from a folder; by default site/
slides [DIR]        slides for each chapter; by default site/slides/
readme              the player's picture and the twin table of README, taken anew on this machine
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmaplab.publish.chapters import NoCourse


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    options = argparse.ArgumentParser(prog="python -m mmaplab.publish", description="Make guides, pages and slides.")
    commands = options.add_subparsers(dest="command", required=True)
    docs = commands.add_parser("docs", help="the generated parts of docs/, README.md and the notebooks' notes")
    docs.add_argument("--check", action="store_true", help="change nothing; say what is not up to date")
    site = commands.add_parser("site", help="the course as pages that open from a folder")
    site.add_argument("folder", nargs="?", type=Path, default=Path("site"))
    slides = commands.add_parser("slides", help="slides for each chapter")
    slides.add_argument("folder", nargs="?", type=Path, default=Path("site/slides"))
    commands.add_parser("readme", help="the player's picture and the twin table of README")
    return options


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 1 where something is not up to date, 2 where there is no course here."""
    args = parser().parse_args(argv)
    try:
        return {"docs": _docs, "site": _site, "slides": _slides, "readme": _readme}[args.command](args)
    except (NoCourse, RuntimeError) as reason:
        print(f"mmaplab.publish: {reason}", file=sys.stderr)
        return 2


def _docs(args: argparse.Namespace) -> int:
    from mmaplab.publish import chapters, docs

    root = Path()
    if args.check:
        late = [*docs.stale(root), *chapters.stale_notes(root)]
        print("\n".join(f"{path} is not up to date" for path in late) or "all up to date")
        return 1 if late else 0
    for path in [*docs.store(root), *chapters.store_notes(root)]:
        print(f"{path}: written")
    return 0


def _readme(_args: argparse.Namespace) -> int:
    from mmaplab.publish import readme

    for path in readme.store(Path()):
        print(f"{path}: written")
    return 0


def _site(args: argparse.Namespace) -> int:
    from mmaplab.publish.site import make_site

    start = make_site(Path(), args.folder)
    print(f"The course is in {args.folder}: open {start} in a browser; no server and no network is needed.")
    return 0


def _slides(args: argparse.Namespace) -> int:
    from mmaplab.publish.slides import make_slides

    made = make_slides(Path(), args.folder)
    print(f"{len(made)} chapters in {args.folder}: open {made[0]} in a browser; key S opens the speaker's view.")
    return 0
