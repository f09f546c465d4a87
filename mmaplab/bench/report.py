"""The report of a bench: plain values for JSON, a table for the terminal, and the block of numbers in README.

Three columns carry the meaning: the median with the lowest and the highest run, the ratio to what the row names, and
the goal. The same report gives all three forms, so README cannot say what the JSON does not.
"""

from __future__ import annotations

import datetime
import os
import platform
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmaplab.bench.measure import Bench, NotMeasurable, Row, row_of
from mmaplab.bench.rooms import room
from mmaplab.lab import RECORDED, kernel_version

Report = dict[str, Any]
STORED = RECORDED / "bench.json"
"""The report that README quotes."""
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


def measure(names: Iterable[str], bench: Bench, tell: Callable[[str], None]) -> Report:
    """Measure some rooms, and return the report; `tell` gets a line of the table as soon as there is one."""
    rooms = []
    for name in names:
        part = room(name)
        tell(f"\n{part.TITLE}")
        rows: list[Row] = []
        missing = ""
        try:
            for row in part.measure(bench):
                tell(line(row))
                rows.append(row)
        except NotMeasurable as reason:
            missing = str(reason)
            tell(f"  not measured: {missing}")
        rooms.append({"name": name, "title": part.TITLE, "missing": missing, "rows": [asdict(row) for row in rows]})
    settings = {"quick": bench.quick, "repeats": bench.repeats, "seed": bench.seed}
    return {"date": datetime.date.today().isoformat(), "machine": machine(), **settings, "rooms": rooms}


def machine() -> dict[str, str | int]:
    """Return what the numbers depend on: the class of the machine, its processors, its kernel, its Python."""
    return {
        "class": processor(),
        "cpus": os.cpu_count() or 1,
        "kernel": f"{platform.system()} {kernel_version()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def processor() -> str:
    """Return the name of the processor's model, or of its architecture where nothing says more."""
    info = Path("/proc/cpuinfo")
    named = re.search(r"model name\s*:\s*(.+)", info.read_text(encoding="utf-8")) if info.exists() else None
    return f"{platform.machine()}, {named.group(1).strip()}" if named else platform.machine()


# ---------------------------------------------------------------- as text


def line(row: Row) -> str:
    """Return a row for the terminal."""
    ratio = f", ratio {row.ratio}" if row.ratio else ""
    goal = "" if row.goal is None else f"; goal {goal_text(row)}: {'met' if row.met else 'NOT MET'}"
    return f"  {row.name}: {row.value} {row.unit}{ratio}{goal}"


def goal_text(row: Row) -> str:
    """Return the goal with its unit: `at most 2 x`, `at most 200 ms`."""
    return f"{row.goal} {row.unit}" if row.goal and row.goal.of == "value" else str(row.goal)


def text(report: Report) -> str:
    """Return the whole report for a terminal."""
    lines = [measured_on(report)]
    for part in report["rooms"]:
        lines += ["", part["title"], *(line(row_of(row)) for row in part["rows"])]
        lines += [f"  not measured: {part['missing']}"] if part["missing"] else []
    return "\n".join(lines) + "\n"


def measured_on(report: Report) -> str:
    """Return when and on what the numbers were measured, in a sentence."""
    of = report["machine"]
    return f"Measured on {report['date']}: {of['class']}, {of['cpus']} processors, {of['kernel']}, {of['python']}."


def block(report: Report) -> str:
    """Return the numbers for README, in Markdown: rows with a goal or a ratio, and what could not be measured."""
    rows = [row_of(row) for part in report["rooms"] for row in part["rows"]]
    lines = [
        measured_on(report),
        "",
        "| what | median (lowest to highest) | ratio | goal |",
        "| --- | --- | --- | --- |",
    ]
    for row in rows:
        if row.goal or row.ratio:
            goal = f"{goal_text(row)}{'' if row.met else ' (not met)'}" if row.goal else ""
            lines.append(f"| {row.name} | {row.value} {row.unit} | {row.ratio or ''} | {goal} |")
    for part in report["rooms"]:
        if part["missing"]:
            lines.append(f"| {part['title']} | not measured: {part['missing']} | | |")
    return "\n".join([BEGIN, *lines, END])


def with_block(readme: str, report: Report) -> str:
    """Return the README with the numbers of this report in it; raises ValueError where it has no place for them."""
    before, begin, rest = readme.partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README.md has no place for the numbers: put the lines {BEGIN} and {END} where they belong")
    return before + block(report) + after


def unmet(report: Report) -> list[str]:
    """Return the names of the rows that miss their goal."""
    rows = [row_of(row) for part in report["rooms"] for row in part["rows"]]
    return [row.name for row in rows if row.met is False]
