"""Every claim of the course has a cell on each kernel, and can be run by itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmaplab.authoring import claims_notebook
from mmaplab.claimrun import claim_cells, outcomes, run_chapter
from mmaplab.claimspage import ClaimTable, claims_of
from mmaplab.course import chapters, claims

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


@pytest.mark.parametrize("key", list(claims()))
def test_every_claim_has_a_cell_on_each_kernel(key: str) -> None:
    cells = claim_cells(NOTEBOOKS / f"{claims()[key].chapter}.ipynb")
    assert set(cells.get(key, {})) == {"simulated", "live"}


def test_the_list_of_claims_is_made_from_the_chapters() -> None:
    stored = json.loads((NOTEBOOKS / "claims.ipynb").read_text(encoding="utf-8"))
    made = claims_notebook()
    assert [(c["id"], "".join(c["source"])) for c in stored["cells"]] == [(c.id, c.source) for c in made.cells]


def test_recorded_outcomes_are_complete_and_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(NOTEBOOKS)
    for stem in chapters():
        if any(claim.chapter == stem for claim in claims().values()):
            table = claims_of(stem)
            for claim in table.claims:
                assert table.found[claim.key] == {"simulated": "holds", "live": "holds"}, claim.key


def test_a_chapter_can_be_run_by_itself() -> None:
    found = run_chapter(NOTEBOOKS / "04_tied_to_a_file.ipynb")
    assert set(found) == {claim.key for claim in claims().values() if claim.chapter.startswith("04")}
    assert all(kinds["simulated"] == "holds" for kinds in found.values()), found
    assert all(kinds["live"].split()[0] in ("holds", "predicted") for kinds in found.values()), found


def test_without_a_live_kernel_the_recorded_result_has_to_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMAPLAB_LIVE", "off")
    found = run_chapter(NOTEBOOKS / "04_tied_to_a_file.ipynb")
    assert found["C17"] == {"simulated": "holds", "live": "holds for the recorded result"}
    assert found["C05"]["live"] == "predicted only"


def notebook(path: Path, *cells: tuple[str, str, str]) -> Path:
    """Write a notebook of (id, claim, source)."""
    made = [
        {"cell_type": "code", "id": name, "source": source, "metadata": {"mmaplab": {"claim": claim}} if claim else {}}
        for name, claim, source in cells
    ]
    path.write_text(json.dumps({"cells": made}))
    return path


def test_a_claim_that_fails_says_so_and_the_others_go_on(tmp_path: Path) -> None:
    path = notebook(
        tmp_path / "x.ipynb",
        ("a", "C01", "assert 1 + 1 == 3, 'arithmetic'"),
        ("b-live", "C01", "assert True"),
        ("c", "C02", "assert True"),
    )
    found = outcomes(path)
    assert found["C01"] == {"simulated": "fails: AssertionError arithmetic", "live": "holds"}
    assert found["C02"] == {"simulated": "holds"}


def test_what_stands_on_a_broken_cell_is_not_reached(tmp_path: Path) -> None:
    path = notebook(tmp_path / "x.ipynb", ("a", "", "1 / 0"), ("b", "C01", "assert True"))
    assert outcomes(path) == {"C01": {"simulated": "not reached"}}


def test_a_table_links_to_the_cells() -> None:
    cells = {"C17": {"live": "claim-c17-live"}}
    table = ClaimTable("04_tied_to_a_file", cells, {"C17": {"live": "fails: X"}}, "just now")
    shown = table._repr_html_()
    assert "04_tied_to_a_file.ipynb#cell-id=claim-c17-live" in shown and "✗ fails: X" in shown
    assert repr(table).startswith("Tied to a file (just now)")
