"""The child's side: run a learner's cells, then answer requests about what they left, one JSON line each.

    {"do": "restore", "rooms": [{"module": ...}, ...]}            -> {"restored": 3}
    {"do": "run", "cells": ["source", ...]}                       -> {"output": "..."} or {"raised": "..."}
    {"do": "value", "name": "answer"}                             -> {"value": plain}
    {"do": "call", "name": "f", "args": [[1, 2], ...]}            -> {"values": [plain, ...]}
    {"do": "observe", "name": "f", "slot": "find_vma", "scenario": {...}}   -> {"seen": [...]}
    {"do": "observe", "name": "f", "slots": ["find_vma", ...], ...}         -> the same, with functions named as slots
    {"do": "observe", "name": "f", "slot": ..., "through": "choose", ...}   -> the same; f chooses only (contracts.py)
    {"do": "record", "name": "program", "scenario": {...}}        -> {"calls": [...], "died": ""}

Nothing that this process says is believed but as data: whoever asks compares on its own side. What the learner's code
prints is kept up to a limit and is handed over with the cells' result only.
"""

from __future__ import annotations

import base64
import importlib
import io
import json
import linecache
import marshal
import os
import sys
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import BinaryIO, TextIO

from mmaplab.calls import Call
from mmaplab.grading.contracts import CHOICES
from mmaplab.grading.magics import run_cell
from mmaplab.grading.plain import NotPlain, Plain, tell_error, to_plain

MAX_OUTPUT = 4000
"""Characters of printed text that are kept."""
Reply = dict[str, Plain]


class Kept(io.TextIOBase):
    """A text stream that keeps the beginning of what is written to it, and lets the rest go."""

    def __init__(self) -> None:
        self.text = ""

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, text: str) -> int:
        """Keep what fits."""
        if len(self.text) < MAX_OUTPUT:
            self.text += text[: MAX_OUTPUT - len(self.text)]
        return len(text)


def serve(requests: Iterable[bytes], replies: BinaryIO, namespace: dict[str, object]) -> None:
    """Answer requests about `namespace` until the other side closes."""
    for line in requests:
        request = json.loads(line)
        if request.get("do") == "end":
            return
        try:
            reply = SERVICES[request["do"]](request, namespace)
        except NotPlain as error:
            reply = {"raised": f"not plain: {error}"}
        except BaseException as error:  # a SystemExit of an answer must not end the process
            reply = {"raised": tell_error(error), "kind": type(error).__name__}
        replies.write(json.dumps(reply).encode() + b"\n")
        replies.flush()


def run(request: Reply, namespace: dict[str, object]) -> Reply:
    """Run cells one after the other in one namespace; stops at the first that raises."""
    output = Kept()
    was = sys.stdout, sys.stderr
    sys.stdout = sys.stderr = output
    try:
        cells = request["cells"]
        assert isinstance(cells, list)
        for number, source in enumerate(cells, 1):
            run_cell(str(source), f"<cell {number}>", namespace)
    except BaseException as error:  # also SystemExit and KeyboardInterrupt: they are the answer's own
        return {"raised": tell_error(error), "kind": type(error).__name__, "output": output.text}
    finally:
        sys.stdout, sys.stderr = was
    return {"output": output.text}


def value(request: Reply, namespace: dict[str, object]) -> Reply:
    """Hand over one variable."""
    name = str(request["name"])
    return {"value": to_plain(namespace[name])} if name in namespace else {"missing": name}


def call(request: Reply, namespace: dict[str, object]) -> Reply:
    """Call a function with each of several argument lists; hands over the results."""
    function = function_named(request, namespace)
    groups = request["args"]
    assert isinstance(groups, list)
    return {"values": [to_plain(function(*args)) for args in groups]}  # type: ignore[misc]


def observe_slot(request: Reply, namespace: dict[str, object]) -> Reply:
    """Run a program on a kernel that has the learner's function in it, or all those named as their slots."""
    from mmaplab.grading.observe import observe
    from mmaplab.grading.programs import Scenario

    scenario = Scenario.of(request["scenario"])
    slots = request.get("slots")
    if isinstance(slots, list):
        functions = {str(slot): function_named({"name": slot}, namespace) for slot in slots}
        return {"seen": observe(scenario, functions)}
    function = function_named(request, namespace)
    if "through" in request:
        function = CHOICES[str(request["through"])](function)
    return {"seen": observe(scenario, {str(request["slot"]): function})}


def record_program(request: Reply, namespace: dict[str, object]) -> Reply:
    """Run a learner's program on a simulated kernel; hands over the calls it made."""
    from mmaplab.grading.observe import kernel_for
    from mmaplab.grading.programs import Scenario, call_to_plain
    from mmaplab.program import record

    function = function_named(request, namespace)
    log = record(function, kernel_for(Scenario.of(request["scenario"]), {}), max_steps=2000, max_seconds=8)
    calls: list[Call] = [step.call for step in log]
    return {"calls": [call_to_plain(c) for c in calls], "died": str(log.died or "")}


def function_named(request: Reply, namespace: dict[str, object]) -> Callable[..., object]:
    """Return the function that a request names; raises NameError or TypeError."""
    name = str(request["name"])
    if name not in namespace:
        raise NameError(f"name {name!r} is not defined")
    found = namespace[name]
    if not callable(found):
        raise TypeError(f"{name} is {type(found).__name__}, not a function")
    return found


def restore(request: Reply, namespace: dict[str, object]) -> Reply:
    """Put functions back that this process was loaded without, with their texts; see package.missing_rooms."""
    rooms = request["rooms"]
    assert isinstance(rooms, list)
    for room in rooms:
        assert isinstance(room, dict) and isinstance(room["codes"], dict)
        file, text = str(room["file"]), str(room["text"])
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        functions = vars(importlib.import_module(str(room["module"])))
        for name, code in room["codes"].items():
            function = functions.get(name)
            if isinstance(function, FunctionType) and function.__code__.co_filename == file:
                function.__code__ = marshal.loads(base64.b64decode(str(code)))
    return {"restored": len(rooms)}


SERVICES: dict[str, Callable[[Reply, dict[str, object]], Reply]] = {
    "restore": restore,
    "run": run,
    "value": value,
    "call": call,
    "observe": observe_slot,
    "record": record_program,
}


def silence() -> None:
    """Point the three standard streams to nothing: what is printed cannot fill a pipe or a disk."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    sink: TextIO = open(os.devnull, "w")  # noqa: SIM115  it lives as long as the process
    sys.stdout = sys.stderr = sink
