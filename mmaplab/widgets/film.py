"""A film: a whole trace as data for the player, drawn once in Python and stepped through in the browser.

    parts    ["<rect .../>", ...]                       every different piece of picture, once
    objects  [("object", "va:1:f12:0:3"), ...]          every thing that is drawn, in drawing order
    steps    [{"say": "...", "set": [object, part, ...]}, ...]    what changes from step to step; part -1: not there
    targets  ["area:1:7fff...", "col:f12:0", ...]    what a reader can point at; words, tell: its sentence, as above

Because an object keeps its name and its place, a step is the few objects that look different. About 1 kB a step.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from mmaplab.views.board import LAYERS
from mmaplab.views.layout import Layout, layout
from mmaplab.views.linked import board, span_name, totals
from mmaplab.views.pointed import pointed
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
    told = [pointed(step, plan) for step in steps]
    targets = {target: number for number, target in enumerate(_areas_first(told))}
    words = {said: number for number, said in enumerate(dict.fromkeys(said for each in told for said in each.values()))}
    tellings = [{targets[target]: words[sentence] for target, sentence in each.items()} for each in told]
    data = {
        "width": WIDTH,
        "height": height,
        "layers": LAYERS,
        "parts": list(parts),
        "objects": [[LAYERS.index(layer), name] for layer, name in objects],
        "targets": list(targets),
        "words": list(words),
        "steps": [
            _step(step, plan.note) | {"set": set_, "tell": tell}
            for step, set_, tell in zip(steps, _changes(frames), _changes(tellings), strict=True)
        ],
    }
    return Film(steps, plan, json.dumps(data, separators=(",", ":")))


def _areas_first(told: list[dict[str, str]]) -> list[str]:
    """Return every target once, in the order in which the keys reach them, whichever step shows it first."""
    targets = dict.fromkeys(target for each in told for target in each)
    return sorted(targets, key=lambda target: target.startswith("col:"))


def _changes(states: list[dict[int, int]]) -> list[list[int]]:
    """Return what changes from state to state, as thing, value, thing, value, ...; value -1: not there."""
    found = []
    for state, before in zip(states, [{}, *states], strict=False):
        things = [thing for thing in sorted(state.keys() | before.keys()) if state.get(thing) != before.get(thing)]
        found.append([number for thing in things for number in (thing, state.get(thing, -1))])
    return found


def _step(step: Step, note: str) -> dict[str, object]:
    return {
        "say": step.sentence,
        "in": step.context,
        "sum": f"so far in this {span_name(step)}: {totals(step)}" + (f" · {note.rstrip('.')}" if note else ""),
        "kinds": step.kinds,
    }


def styles() -> str:
    """Return the style sheet of a film, for a light and for a dark page; scoped, so that nothing else is touched."""
    return css(".mmaplab-film", LIGHT) + css(".mmaplab.dark .mmaplab-film", DARK)
