"""Every claim of the course, with its verdict, the cells that prove it, and how it fared.

    claims_of("05_the_page_fault")      the chapter's table, with the outcome that was recorded when it was written
    check_claims()                      buttons: run a chapter's claims on this machine, now

Used by `claims.ipynb`, which lies beside the chapters and is made by `python -m mmaplab.authoring claims`.
"""

from __future__ import annotations

import html
import json
import threading
from pathlib import Path

import ipywidgets

from mmaplab.claimrun import Outcomes, claim_cells, run_chapter
from mmaplab.course import Claim, chapters, claims
from mmaplab.lab import RECORDED
from mmaplab.widgets.twin import Twin, said

STORED = RECORDED / "claims.json"
HEADINGS = ("claim", "as it is often said", "verdict", "what is so", "simulated", "live")


class ClaimTable:
    """The claims of one chapter; `found` holds the outcomes, `told` says where they come from."""

    def __init__(self, stem: str, cells: dict[str, dict[str, str]], found: Outcomes, told: str) -> None:
        self.stem, self.cells, self.found, self.told = stem, cells, found, told
        self.claims = [claim for claim in claims().values() if claim.chapter == stem]

    def __repr__(self) -> str:
        rows = [f"{claim.key} {claim.verdict}: {claim.statement}" for claim in self.claims]
        return "\n".join([f"{chapters()[self.stem].title} ({self.told})", *rows])

    def _repr_html_(self) -> str:
        head = "".join(f"<th style='text-align:left'>{name}</th>" for name in HEADINGS)
        caption = f"<caption style='text-align:left'>{html.escape(self.told)}</caption>"
        return f"<table>{caption}<tr>{head}</tr>{''.join(self._row(claim) for claim in self.claims)}</table>"

    def _row(self, claim: Claim) -> str:
        texts = [claim.key, claim.popular, claim.verdict, claim.statement]
        parts = [html.escape(text) for text in texts]
        parts += [self._outcome(claim.key, kind) for kind in ("simulated", "live")]
        return "<tr>" + "".join(f"<td style='text-align:left;vertical-align:top'>{p}</td>" for p in parts) + "</tr>"

    def _outcome(self, key: str, kind: str) -> str:
        """Return the outcome as a link to the cell that proves it."""
        cell = self.cells.get(key, {}).get(kind)
        outcome = self.found.get(key, {}).get(kind, "not run")
        mark = "✓" if outcome == "holds" else "✗" if outcome.startswith("fails") else "○"
        words = html.escape(f"{mark} {outcome}")
        return f"<a href='{self.stem}.ipynb#cell-id={cell}'>{words}</a>" if cell else words


def claims_of(stem: str) -> ClaimTable:
    """Return a chapter's claims with their recorded outcomes; raises FileNotFoundError where it does not lie here."""
    return ClaimTable(stem, claim_cells(Path(f"{stem}.ipynb")), *recorded_outcomes())


def recorded_outcomes(stored: Path = STORED) -> tuple[Outcomes, str]:
    """Return the outcomes that are stored, and a sentence that says where and when they were recorded."""
    kept = json.loads(stored.read_text(encoding="utf-8")) if stored.exists() else {}
    told = f"as recorded on {kept['kernel']}, {kept['date']}" if kept else "never run"
    return kept.get("outcomes", {}), told


class CheckClaims(Twin, ipywidgets.VBox):  # type: ignore[misc]
    """Buttons that run the claims of a chapter, or of all; the tables appear as they come."""

    def __init__(self) -> None:
        stems = [stem for stem in chapters() if any(claim.chapter == stem for claim in claims().values())]
        self.choice = ipywidgets.Dropdown(options=[("all chapters", ""), *((stem, stem) for stem in stems)])
        self.start = ipywidgets.Button(description="Check now", icon="play")
        self.said, self.tables = ipywidgets.HTML(), ipywidgets.VBox()
        self.start.on_click(lambda _button: self.run())
        super().__init__([ipywidgets.HBox([self.choice, self.start]), self.said, self.tables])
        self.stems = stems

    def __repr__(self) -> str:
        return "check_claims()"

    def twin(self) -> str:
        """Return what the button would do."""
        return said("Run the cell for a button that runs the proofs of a chapter, or of all, on your machine.")

    def run(self) -> threading.Thread:
        """Start checking what is chosen, in the background; the thread ends with the last chapter."""
        self.start.disabled = True
        self.tables.children = ()
        thread = threading.Thread(target=self._work, args=([self.choice.value] if self.choice.value else self.stems,))
        thread.start()
        return thread

    def _work(self, stems: list[str]) -> None:
        held = checked = 0
        for number, stem in enumerate(stems, 1):
            self.said.value = f"<div role='status'>{stem}, {number} of {len(stems)} ...</div>"
            table = self._check(stem)
            found = [outcome for kinds in table.found.values() for outcome in kinds.values()]
            held, checked = held + sum(o == "holds" for o in found), checked + len(found)
            self.tables.children = (*self.tables.children, ipywidgets.HTML(table._repr_html_()))
        self.said.value = f"<div role='status'>{held} of {checked} proofs hold on this machine, just now.</div>"
        self.start.disabled = False

    def _check(self, stem: str) -> ClaimTable:
        path = Path(f"{stem}.ipynb").absolute()
        title = f"{stem}, on this machine, just now"
        try:
            return ClaimTable(stem, claim_cells(path), run_chapter(path), title)
        except (OSError, RuntimeError, TimeoutError) as error:
            return ClaimTable(stem, {}, {}, f"{stem} could not be run: {error}")


def check_claims() -> CheckClaims:
    """Offer to run the claims of one chapter, or of all, on this machine."""
    return CheckClaims()
