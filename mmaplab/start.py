"""Start JupyterLab for the course: `mmaplab lab`.

JupyterLab asks a new user whether it may fetch news, looks for updates of itself, and hides cells that are off the
screen. The settings beside this room switch that off for this server only; the user's own settings still win.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

SETTINGS = Path(__file__).parent / "settings"
FIRST = "notebooks/00_start_here.ipynb"

FLAGS = [
    f"--LabApp.app_settings_dir={SETTINGS}",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.news_url=",
    "--LabApp.extension_manager=readonly",
    "--Application.log_level=WARN",
]


def server_command(root: Path, notebook: str | None, extra: list[str], python: str = sys.executable) -> list[str]:
    """Return the command line of JupyterLab that serves `root`, with `notebook` (a path below it) open."""
    command = [python, "-m", "jupyterlab", *FLAGS, f"--ServerApp.root_dir={root}"]
    if os.name == "posix" and os.geteuid() == 0:
        command.append("--allow-root")
    if notebook is not None:
        command.append(f"--LabApp.default_url=/lab/tree/{quote(notebook)}")
    return command + extra


def main(argv: list[str]) -> int:
    """Become JupyterLab; returns, with 2 and a sentence, only where that cannot be."""
    parser = argparse.ArgumentParser(
        prog="mmaplab lab",
        description="Start JupyterLab on the course. Options not listed here go to JupyterLab, such as --no-browser.",
    )
    parser.add_argument("--root", type=Path, default=Path(), help="the folder to serve (default: this one)")
    parser.add_argument("--open", default=FIRST, metavar="NOTEBOOK", help=f"the notebook to open (default: {FIRST})")
    args, extra = parser.parse_known_args(argv)
    root = args.root.resolve()
    if find_spec("jupyterlab") is None:
        told = "mmaplab lab needs JupyterLab, which is not installed: in the course's folder, pip install -e '.[lab]'"
        print(told, file=sys.stderr)
        return 2
    if not (root / args.open).is_file():
        print(f"mmaplab lab: there is no {args.open} in {root}; start it in the course's folder", file=sys.stderr)
        return 2
    sys.stdout.flush()
    command = server_command(root, args.open, extra)
    return os.execv(command[0], command)
