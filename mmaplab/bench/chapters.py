"""How long each chapter runs from its first cell to its last, in a kernel of its own, with the live experiments."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from mmaplab.bench.measure import Bench, NotMeasurable, Row
from mmaplab.course import chapters

TITLE = "The chapters, run from the first cell to the last"
NOTEBOOKS = Path("notebooks")


def measure(bench: Bench) -> Iterator[Row]:
    """Yield the rows; wall-clock time, one run each. Raises NotMeasurable outside a checkout or without Jupyter."""
    stems = list(chapters())[:1] if bench.quick else list(chapters())
    missing = [stem for stem in stems if not (NOTEBOOKS / f"{stem}.ipynb").is_file()]
    if missing:
        raise NotMeasurable(f"there is no {NOTEBOOKS / missing[0]}.ipynb: run this in the checkout of the course")
    together = 0.0
    for stem in stems:
        took = seconds(NOTEBOOKS / f"{stem}.ipynb")
        together += took
        yield bench.row(f"chapter {stem[:2]}: {chapters()[stem].title}", took, "s")
    yield bench.row(f"together: {len(stems)} chapters", together, "s")


def seconds(path: Path) -> float:
    """Return the seconds that a notebook takes, the start of its kernel included; raises NotMeasurable."""
    try:
        import nbformat
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError
    except ImportError:
        raise NotMeasurable("nbclient is missing: in the course's folder, pip install -e '.[test]'") from None
    book = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": str(path.parent)}}
    quiet = ["--log-level=ERROR"]
    client = NotebookClient(book, timeout=300, kernel_name="python3", resources=place, extra_arguments=quiet)
    begun = time.perf_counter()
    try:
        client.execute()
    except CellExecutionError as error:
        raise NotMeasurable(f"{path.name}: {str(error).strip().splitlines()[-1]}") from None
    return time.perf_counter() - begun
