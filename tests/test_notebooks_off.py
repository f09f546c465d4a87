"""The course where the live kernel is switched off: every chapter runs, and only its live cells show something else."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

CHAPTERS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
NOT_COMPARED = {"nbval-ignore-output"}


def shown(cell: NotebookNode) -> list[tuple[str, str]]:
    """Return what a cell shows, as text: (kind, text) of each output; a stream in one piece, however it came."""
    parts: list[tuple[str, str]] = []
    for output in cell.outputs:
        data = output.get("data", {output.get("name", output.output_type): output.get("text", "")})
        for kind, text in sorted(data.items()):
            if kind.startswith("std") and parts and parts[-1][0] == kind:
                parts[-1] = (kind, parts[-1][1] + "".join(text))
            elif kind.startswith(("text/", "std")):
                parts.append((kind, "".join(text)))
    return parts


def test_a_stream_may_come_in_pieces() -> None:
    pieces = [nbformat.v4.new_output("stream", name="stdout", text=text) for text in ("said", "\n")]
    assert shown(nbformat.v4.new_code_cell(outputs=pieces)) == [("stdout", "said\n")]


@pytest.mark.parametrize("path", CHAPTERS, ids=[path.stem for path in CHAPTERS])
def test_a_chapter_runs_without_the_live_kernel(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMAPLAB_LIVE", "off")
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
    stored = nbformat.read(path, as_version=4)
    ran = nbformat.read(path, as_version=4)
    NotebookClient(
        ran, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    ).execute()
    for before, now in zip(stored.cells, ran.cells, strict=True):
        if now.cell_type == "code" and not NOT_COMPARED & set(now.metadata.get("tags", [])):
            assert shown(now) == shown(before), f"{now.id} shows something of the live kernel, and is not tagged so"
