"""A film: a whole trace as data for the player, drawn once in Python and stepped through in the browser.

    parts    ["<rect .../>", ...]                       every different piece of picture, once
    objects  [("object", "va:1:f12:0:3"), ...]          every thing that is drawn, in drawing order
    steps    [{"say": "...", "set": [object, part, ...]}, ...]    what changes from step to step; part -1: not there

Because an object keeps its name and its place, a step is the few objects that look different. About 1 kB a step.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from mmaplab.views.board import LAYERS
from mmaplab.views.layout import Layout, layout
from mmaplab.views.linked import board, span_name, totals
from mmaplab.views.steps import Step
from mmaplab.views.theme import DARK, LIGHT, WIDTH, css


@dataclass(frozen=True)
class Film:
    """The steps, the layout they share, and the compact JSON that the browser gets."""

    steps: list[Step]
    plan: Layout
    data: str


def film(steps: list[Step]) -> Film:
    """Return the film of the steps. Raises ValueError where there is none."""
    plan = layout(steps)
    parts: dict[str, int] = {}
    objects: dict[tuple[str, str], int] = {}
    frames, height = [], 0.0
    for step in steps:
        drawn = board(step, plan)
        height = max(height, drawn.bottom)
        frames.append(
            {
                objects.setdefault((layer, name), len(objects)): parts.setdefault(svg, len(parts))
                for layer in LAYERS
                for name, svg in drawn.parts[layer].items()
            }
        )
    data = {
        "width": WIDTH,
        "height": height,
        "layers": LAYERS,
        "parts": list(parts),
        "objects": [[LAYERS.index(layer), name] for layer, name in objects],
        "steps": [
            _step(step, plan.note, frame, before)
            for step, frame, before in zip(steps, frames, [{}, *frames], strict=False)
        ],
    }
    return Film(steps, plan, json.dumps(data, separators=(",", ":")))


def _step(step: Step, note: str, frame: dict[int, int], before: dict[int, int]) -> dict[str, object]:
    changes: list[int] = []
    for thing in sorted(frame.keys() | before.keys()):
        if frame.get(thing, -1) != before.get(thing, -1):
            changes += [thing, frame.get(thing, -1)]
    return {
        "say": step.sentence,
        "in": step.context,
        "sum": f"so far in this {span_name(step)}: {totals(step)}" + (f" · {note.rstrip('.')}" if note else ""),
        "kinds": step.kinds,
        "set": changes,
    }


def styles() -> str:
    """Return the style sheet of a film, for a light and for a dark page; scoped, so that nothing else is touched."""
    return css(".mmaplab-film", LIGHT) + css(".mmaplab.dark .mmaplab-film", DARK)
