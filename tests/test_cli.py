"""The command `mmaplab`: its subcommands are named, found, and described."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mmaplab import __version__, cli


def test_help_names_every_subcommand(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert {row.split()[0] for row in rows if row.startswith("  ")} == set(cli.COMMANDS)
    assert set(cli.COMMANDS) >= {"lab", "doctor", "fuzz", "release", "grade", "schedule"}


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_subcommand_says_what_it_takes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main([name, "--help"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: mmaplab {name} ")


def test_no_words_show_the_help_and_fail(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "mmaplab SUBCOMMAND" in capsys.readouterr().out


def test_an_unknown_subcommand_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["gade"]) == 2
    assert "'gade'" in capsys.readouterr().err


def test_a_wrong_option_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["release", "--chekc"])
    assert end.value.code == 2
    assert "--chekc" in capsys.readouterr().err


@pytest.mark.parametrize(
    "start", [["-m", "mmaplab"], ["-c", "import sys; from mmaplab.cli import main; sys.exit(main())"]]
)
def test_the_version_is_said(start: list[str]) -> None:
    done = subprocess.run([sys.executable, *start, "--version"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, f"mmaplab {__version__}\n")
