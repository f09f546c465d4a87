"""The first difference between two kernels on a program, as a reader wants it: program, strip and two answers.

do_fault_around differs from the reference after 3 calls:
    kernel.create_file("f", pages(20), warm=True)
    fd = p.open('f')
    a = p.mmap(0x10000000, 0x2000, PROT_READ, MAP_SHARED | MAP_FIXED, fd)
    p.load(a)            reference: 1 minor fault   yours: 1 minor fault
    page of a  01
    reference  xx        x = present
    yours      x.
"""

from __future__ import annotations

import errno

from mmaplab.calls import call_text
from mmaplab.constants import PAGE_SHIFT
from mmaplab.grading.observe import Observation
from mmaplab.grading.plain import Plain, same, told
from mmaplab.grading.programs import Scenario
from mmaplab.interface import fatal_signal

WIDEST = 64
"""Pages that a strip shows; longer areas are cut around the first difference."""


def first_difference(expected: Observation, came: Plain) -> int | None:
    """Return the number of the first call after which the observations differ, or None where they never do."""
    if not isinstance(came, list):
        return 0
    for i, item in enumerate(expected):
        if i >= len(came) or not same(item, came[i]):
            return i
    return len(expected) if len(came) > len(expected) else None


def difference_lines(
    name: str, scenario: Scenario, expected: Observation, came: Plain, yours: str = "yours"
) -> list[str]:
    """Return the report of a difference; there must be one."""
    at = first_difference(expected, came)
    assert at is not None
    given = came[at] if isinstance(came, list) and at < len(came) else None
    calls = [call_text(call) for call in scenario.calls]
    head = scenario.lines()[: len(scenario.lines()) - len(calls)]
    reference = expected[at] if at < len(expected) else None
    lines = [f"{name} differs from the reference after {min(at + 1, len(calls))} call{'s' * (at > 0)}:"]
    lines += [f"    {line}" for line in head + calls[: at + 1]]
    if isinstance(reference, dict) and isinstance(given, dict) and "files" in reference and "files" in given:
        return [*lines, "        every call ends alike, but the bytes of the file are others at the end"]
    lines.append(f"        reference  {step_text(reference)}")
    lines.append(f"        {yours:9}  {step_text(given)}")
    return lines + [f"    {line}" for line in strip_lines(reference, given, yours)]


def step_text(step: Plain) -> str:
    """Return how one call ended, in words."""
    if not isinstance(step, dict):
        return "nothing"
    if "raised" in step:
        return f"raised {step['raised']}"
    faults = step.get("faults")
    parts = [outcome_words(step.get("outcome"))]
    for number, kind in zip(faults if isinstance(faults, list) else [], ("minor", "major"), strict=False):
        if number:
            parts.append(f"{number} {kind} fault{'s' * (number != 1)}")
    return ", ".join(parts)


def outcome_words(outcome: Plain) -> str:
    """Return a call's result in words: a value, an errno's name, or a signal."""
    if not isinstance(outcome, dict):
        return told(outcome)
    if "signal" in outcome and isinstance(outcome["signal"], list):
        signo, code, addr = (int(str(number)) for number in outcome["signal"])
        return str(fatal_signal(signo, code, addr))
    if "errno" in outcome:
        return errno.errorcode.get(int(str(outcome["errno"])), f"errno {outcome['errno']}")
    if "missing" in outcome:
        return f"not made: {outcome['missing']} has no value"
    return told(outcome.get("value"))


def strip_lines(reference: Plain, given: Plain, yours: str = "yours") -> list[str]:
    """Return the pages that are present, area by area, where the two kernels disagree about them."""
    lines: list[str] = []
    areas = _areas(reference)
    for who in {area[0]: None for area in areas}:
        inside = {page for owner, _, start, end in areas if owner == who for page in range(start, end)}
        stray = sorted(_present(given, who) - _present(reference, who) - inside)
        if stray:
            where = ", ".join(hex(page << PAGE_SHIFT) for page in stray[:4]) + ", ..." * (len(stray) > 4)
            lines.append(f"{yours:9}  maps {len(stray)} page{'s' * (len(stray) > 1)} outside every area: {where}")
    for who, area, start, end in areas:
        pages = range(start, end)
        right, wrong = _present(reference, who) & set(pages), _present(given, who) & set(pages)
        if right == wrong:
            continue
        first = min(right ^ wrong)
        shown = range(max(start, min(first - 20, end - WIDEST)), end)[:WIDEST]
        lines += [f"area {area}", f"page       {_ruler(shown, start)}"]
        lines.append("reference  " + "".join("x" if page in right else "." for page in shown) + "   x = present")
        lines.append(f"{yours:9}  " + "".join("x" if page in wrong else "." for page in shown))
    return lines


def _ruler(pages: range, start: int) -> str:
    """Return one character a page: its number in the area, the tens as a letter of their own every ten pages."""
    return "".join(str((page - start) // 10 % 10) if (page - start) % 10 == 0 else "·" for page in pages)


def _areas(step: Plain) -> list[tuple[str, str, int, int]]:
    found = []
    space = step.get("space") if isinstance(step, dict) else None
    for who, half in space.items() if isinstance(space, dict) else ():
        areas = half.get("areas") if isinstance(half, dict) else None
        for text in areas if isinstance(areas, list) else ():
            start, end = (int(part, 16) >> PAGE_SHIFT for part in str(text).split(" ")[0].split("-"))
            found.append((who, str(text), start, end))
    return found


def _present(step: Plain, who: str) -> set[int]:
    space = step.get("space") if isinstance(step, dict) else None
    half = space.get(who) if isinstance(space, dict) else None
    runs = half.get("present") if isinstance(half, dict) else None
    found: set[int] = set()
    for run in runs if isinstance(runs, list) else ():
        if (
            isinstance(run, list)
            and len(run) == 2
            and type(run[0]) is int
            and type(run[1]) is int
            and 0 <= run[1] <= 65536
        ):
            found |= set(range(run[0], run[0] + run[1]))
    return found
