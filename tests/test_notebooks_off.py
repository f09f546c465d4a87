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
    """Return what a cell shows, as text: (kind, text) of each output."""
    parts = []
    for output in cell.outputs:
        data = output.get("data", {output.get("name", output.output_type): output.get("text", "")})
        parts += [(kind, "".join(text)) for kind, text in sorted(data.items()) if kind.startswith(("text/", "std"))]
    return parts


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
