"""Answers as plain data: what may leave the process that ran them, and when two of them are the same.

    3, True, 2.5, "text", None, b"\\0", [1, 2], (1, 2), {"minor": 1}        plain
    an object with its own `__eq__`, a generator, a module                  not plain

A submission hands over JSON and nothing else. Whoever compares it compares numbers and texts that this process made
itself out of JSON, with types that must be equal before values are looked at.
"""

from __future__ import annotations

import json
import operator
import traceback

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]

MAX_DEPTH = 8
MAX_ITEMS = 100_000


class NotPlain(ValueError):
    """The value cannot be handed over as data; the message says why."""


def to_plain(value: object, depth: int = 0) -> Plain:
    """Return `value` as JSON can hold it; raises NotPlain.

    Tuples become lists, bytes `{"bytes": hex}`, dictionaries `{"dict": [[key, value], ...]}` in order of their keys'
    texts, and numbers of other libraries (IntEnum, numpy) whole numbers.
    """
    if depth > MAX_DEPTH:
        raise NotPlain(f"the answer is nested more than {MAX_DEPTH} deep")
    kind = type(value)
    if value is None or kind in (bool, float, str):
        return value  # type: ignore[return-value]
    if kind in (list, tuple):
        items = list(value)  # type: ignore[call-overload]
        if len(items) > MAX_ITEMS:
            raise NotPlain(f"the answer has {len(items):,} items; {MAX_ITEMS:,} are allowed")
        return [to_plain(item, depth + 1) for item in items]
    if kind is dict:
        pairs = sorted(value.items(), key=lambda pair: repr(pair[0]))  # type: ignore[attr-defined]
        return {"dict": [[to_plain(k, depth + 1), to_plain(v, depth + 1)] for k, v in pairs]}
    if kind in (bytes, bytearray):
        return {"bytes": bytes(value).hex()}  # type: ignore[call-overload]
    try:
        return int(operator.index(value))  # type: ignore[arg-type]
    except TypeError:
        raise NotPlain(
            f"it is {a_kind(kind.__name__)}; give numbers, texts, bytes, or lists, tuples and dictionaries of them"
        ) from None


def same(a: Plain, b: Plain) -> bool:
    """Are two plain values the same, type by type? True is not 1, and 3.0 is not 3."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b


def told(value: Plain) -> str:
    """Return a plain value as a learner would write it, shortened to a line."""
    text = _written(value)
    return text if len(text) <= 200 else text[:197] + "..."


def _written(value: Plain) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_written(item) for item in value[:200]) + "]"
    if isinstance(value, dict) and value.keys() == {"bytes"}:
        return repr(bytes.fromhex(str(value["bytes"])))
    if isinstance(value, dict) and value.keys() == {"dict"} and isinstance(value["dict"], list):
        pairs = [pair for pair in value["dict"] if isinstance(pair, list) and len(pair) == 2]
        return "{" + ", ".join(f"{_written(k)}: {_written(v)}" for k, v in pairs) + "}"
    return repr(value)


def kind_of(value: Plain) -> str:
    """Return what kind of value it is, in words."""
    names = {int: "whole number", float: "float", str: "text", list: "list", bool: "bool", type(None): "None"}
    if isinstance(value, dict):
        return "bytes" if "bytes" in value else "dictionary"
    return names[type(value)]


def a_kind(name: str) -> str:
    """Return a noun with its article."""
    return f"an object of type {name}"


def from_json(text: bytes | str) -> Plain:
    """Return the plain value of a JSON text; raises NotPlain for what is no JSON, or holds NaN."""
    try:
        return json.loads(text, parse_constant=_no_constant)  # type: ignore[no-any-return]
    except (ValueError, RecursionError) as error:
        raise NotPlain(f"what the answer handed over is not JSON: {error}") from None


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number that can be compared")


def tell_error(error: BaseException) -> str:
    """Return an exception in one line, with the line of the learner's cell that it comes from."""
    text = f"{type(error).__name__}: {error}".strip().removesuffix(":")
    if isinstance(error, SyntaxError) and error.lineno:
        return f"{text[:300]} (line {error.lineno})"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith("<cell")]
    return f"{text[:300]} (line {frames[-1].lineno}: {(frames[-1].line or '').strip()[:80]})" if frames else text[:300]
