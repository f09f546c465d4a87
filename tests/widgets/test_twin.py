"""Static twins: what a reader without a running kernel sees, the same for everybody."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import ipywidgets
import pytest

from mmaplab import notes
from mmaplab.claimspage import check_claims
from mmaplab.randomly import fuzz_here
from mmaplab.sim import Kernel
from mmaplab.sim import process as sim
from mmaplab.widgets import twin
from mmaplab.widgets.beliefs import beliefs
from mmaplab.widgets.live import live_walk
from mmaplab.widgets.live_books import live_copies, live_pages
from mmaplab.widgets.play import play
from mmaplab.widgets.player import player
from mmaplab.widgets.predict import predict, predict_pages
from mmaplab.widgets.progress import progress
from mmaplab.widgets.quiz import Answers, quiz, quiz_variant
from mmaplab.widgets.twin import LIVE, MARK, STYLE, VIEW
from mmaplab.widgets.workbench import workbench


def mapped() -> tuple[Kernel, sim.Process]:
    """Return a kernel with one process that has mapped four pages of a file."""
    kernel = Kernel()
    kernel.create_file("f", bytes(4 * 4096))
    p = kernel.spawn()
    p.mmap(0, 4 * 4096, 1, 1, p.open("f", 2))
    return kernel, p


def never(_kernel: Kernel, _process: sim.Process) -> bool:
    """A goal that nobody reaches."""
    return False


def played() -> ipywidgets.DOMWidget:
    kernel, p = mapped()
    p.load(p.maps()[0].start)
    return player(kernel)


def sums(rng: random.Random) -> tuple[str, Answers]:
    n = rng.randrange(10, 100)
    return f"{n} + 1?", {str(n + 1): None, str(n): "one more"}


WIDGETS: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "beliefs": (lambda: beliefs("before"), ("<li>", "Do you agree?")),
    "check_claims": (check_claims, ("proofs",)),
    "fuzz_here": (fuzz_here, ("50 random programs",)),
    "live_copies": (live_copies, ("<img", "<table", "Recorded on Linux")),
    "live_pages": (live_pages, ("<img", "<table", "Recorded on Linux")),
    "live_walk": (live_walk, ("<img", "<table", "Recorded on Linux")),
    "play": (lambda: play(mapped, task="Touch <it>", goal=never, calls=2), ("<img", "Touch &lt;it&gt;")),
    "player": (played, ("<img", "Step 1 of")),
    "predict": (lambda: predict("pages", 1000, "all", key="k"), ("pages", "<li>1,000</li>", "<li>all</li>")),
    "predict, typed": (lambda: predict("pages", key="k"), ("pages", "type a number")),
    "predict_pages": (lambda: predict_pages("which?", 8, key="k"), ("which?", "8 pages")),
    "progress": (progress, ("<table", "00 ", "11 ")),
    "quiz": (lambda: quiz("1 + 1?", {"11": "no", "2": None}, key="k"), ("1 + 1?", "<li>11</li>", "<li>2</li>")),
    "quiz_variant": (lambda: quiz_variant(sums, seed=1, key="k"), ("+ 1?", "<li>")),
    "workbench": (workbench, ("<img",)),
}
every = pytest.mark.parametrize("name", WIDGETS)


@pytest.fixture
def displayed(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The outputs of what is displayed from now on."""
    outputs: list[dict[str, Any]] = []
    monkeypatch.setattr(twin, "display", lambda data, raw: outputs.append(data))
    return outputs


@every
def test_a_widget_is_shown_with_its_twin(name: str, displayed: list[dict[str, Any]]) -> None:
    """Two outputs: the widget, which leaves no text in a file, and the twin, which needs no kernel."""
    make, words = WIDGETS[name]
    widget = make()
    widget._ipython_display_()
    live, still = displayed
    assert isinstance(widget, ipywidgets.DOMWidget)
    assert set(live) == {VIEW} and live[VIEW]["model_id"] == widget.model_id
    assert LIVE in widget._dom_classes
    assert set(still) == {"text/html", "text/plain"}
    assert still["text/plain"] == repr(widget) and "object at 0x" not in repr(widget)
    assert still["text/html"].startswith(f"<div class='{MARK}'><style>{STYLE}</style>")
    for word in words:
        assert word in still["text/html"], word
    assert "<script" not in still["text/html"] and "<svg" not in still["text/html"], "both are taken out by readers"


@every
def test_a_twin_is_the_same_for_everybody(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was answered before is in nobody's stored notebook, nor whether this machine can be asked."""
    make, _ = WIDGETS[name]
    before = make().twin()
    notes.write("predictions", "k", {"guess": 1000})
    notes.write("answers", "k", {"right": True, "tries": 1, "answer": "2"})
    notes.write("answers", "belief-before-pages", {"answer": "agree"})
    monkeypatch.setenv("MMAPLAB_LIVE", "off")
    assert make().twin() == before


def test_a_twin_does_not_tell_the_answer() -> None:
    """Two questions that differ only in which answer is right have the same twin."""
    one = quiz("1 + 1?", {"11": "no", "2": None}, key="k")
    other = quiz("1 + 1?", {"11": None, "2": "no"}, key="k")
    assert one.twin() == other.twin()


def test_a_round_that_was_played_leaves_the_twin_as_it_was() -> None:
    """The twin shows the beginning: it is made from a fresh kernel, and does not disturb the learner's."""
    game = play(mapped, task="t", goal=never, calls=2)
    before = game.twin()
    game.touch(game.process.maps()[0], 0)
    assert game.twin() == before and len(game.made) == 1
