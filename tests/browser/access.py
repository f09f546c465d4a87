"""What axe, the accessibility checker, says of a page or of a part of it: https://www.deque.com/axe (MPL-2.0)."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

GRAVE = ("serious", "critical")


def complaints(page: Page, within: str, without: tuple[str, ...] = ()) -> list[str]:
    """Return what axe finds serious or critical in the elements `within`, in words.

    Raises AssertionError where axe has found nothing to look at: then it has proved nothing.
    """
    context = {"include": [[within]], "exclude": [[each] for each in without]}
    told = Axe().run(page, context=context, options={"resultTypes": ["violations", "passes"]}).response
    assert told["passes"], f"axe found nothing to check in {within}"
    return [
        f"{rule['id']} ({rule['impact']}): {node['html'][:160]} {node['failureSummary']}"
        for rule in told["violations"]
        if rule["impact"] in GRAVE
        for node in rule["nodes"]
    ]
