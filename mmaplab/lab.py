"""Experiments on the live kernel, with a recorded reference result where the machine cannot show them.

    def one_pass():                                an experiment: does something, returns named values
        ...
        return {"minor faults": n}
    result = lab(one_pass, "05 one pass")          live if it can be, else the recorded result, and says which
    assert result["minor faults"] > 0              holds for both

Recorded results live in `mmaplab/recorded/`, one file each, with kernel, file system and date. They are written by
running the notebook with MMAPLAB_RECORD=1 on a machine that can show everything; nobody types them.
"""

from __future__ import annotations

import datetime
import html
import json
import os
import platform
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

RECORDED = Path(__file__).parent / "recorded"

Value = int | float | str | bool | list[int] | list[list[int]] | None


class NotAvailable(RuntimeError):
    """This machine cannot show it; the message says in a sentence why, and what that costs."""


@dataclass(frozen=True)
class LabResult(Mapping[str, Value]):
    """Named values of one experiment. `live` says whether this machine produced them; `source` says it in words."""

    name: str
    results: dict[str, Value]
    live: bool
    source: str

    def __getitem__(self, key: str) -> Value:
        return self.results[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def number(self, key: str) -> float:
        """Return a value that is a number; raises TypeError for another."""
        value = self.results[key]
        if not isinstance(value, (int, float)):
            raise TypeError(f"{key!r} of {self.name!r} is {value!r}, not a number")
        return value

    def __repr__(self) -> str:
        rows = [f"  {key}: {_short(value)}" for key, value in self.results.items()]
        return "\n".join([f"{self.name} ({self.source})", *rows])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td style='text-align:left'>{html.escape(key)}</td>"
            f"<td style='text-align:left'>{html.escape(_short(value))}</td></tr>"
            for key, value in self.results.items()
        )
        title = f"<caption style='text-align:left;white-space:nowrap'>{html.escape(self.source)}</caption>"
        return f"<table>{title}{rows}</table>"


def lab(experiment: Callable[[], Mapping[str, Value]], name: str) -> LabResult:
    """Run an experiment on the live kernel, or show its recorded result where that cannot be.

    Raises NotAvailable only if there is no recorded result either.
    """
    try:
        if os.environ.get("MMAPLAB_LIVE") == "off":
            raise NotAvailable("the live kernel is switched off (MMAPLAB_LIVE=off)")
        values = dict(experiment())
    except NotAvailable as reason:
        return recorded(name, str(reason))
    if os.environ.get("MMAPLAB_RECORD"):
        record(name, values)
    return LabResult(name, values, True, f"live: {here()}")


def recorded(name: str, reason: str) -> LabResult:
    """Return the recorded result of an experiment; raises NotAvailable if there is none."""
    path = RECORDED / file_name(name)
    if not path.exists():
        raise NotAvailable(f"{reason}, and no result of {name!r} was recorded")
    entry = json.loads(path.read_text(encoding="utf-8"))
    where = f"{entry['kernel']}, {entry['file_system']}, {entry['date']}"
    return LabResult(name, entry["values"], False, f"recorded on {where}, because {reason}")


def record(name: str, values: Mapping[str, Value]) -> None:
    """Keep the result of an experiment as the reference for machines that cannot show it."""
    RECORDED.mkdir(exist_ok=True)
    entry = {
        "name": name,
        "kernel": f"{platform.system()} {kernel_version()} {platform.machine()}",
        "file_system": "ext4",
        "date": datetime.date.today().isoformat(),
        "values": dict(values),
    }
    (RECORDED / file_name(name)).write_text(json.dumps(entry, indent=1) + "\n", encoding="utf-8")


def here() -> str:
    """Return this machine's kernel in words."""
    return f"{platform.system()} {kernel_version()}"


def kernel_version() -> str:
    """Return the number of the running kernel, without the builder's suffix."""
    found = re.match(r"[0-9.]+[0-9]", platform.release())
    return found.group() if found else platform.release()


def file_name(name: str) -> str:
    """Return the file that holds a recorded result."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") + ".json"


def _short(value: Value) -> str:
    """Return a value for a table; a long list by its ends."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "unknown"}[value]
    if isinstance(value, list) and len(value) > 12:
        return f"[{', '.join(map(str, value[:6]))}, ... {', '.join(map(str, value[-2:]))}] ({len(value)} values)"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
