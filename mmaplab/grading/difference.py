"""The first difference between two kernels on a program, as a reader wants it: program, two answers, and a strip.

do_fault_around differs from the reference after 3 calls:
    kernel.create_file("f", pages(20), warm=True)
    fd = p.open('f')
    a = p.mmap(0x10000000, 0x2000, PROT_READ, MAP_SHARED | MAP_FIXED, fd)
    p.load(a)
        reference  b'\\x01', 1 minor fault
        yours      b'\\x01', 1 minor fault
        your do_fault_around(a load at 0x10000000) returned VM_FAULT_NOPAGE
    area 10000000-10002000 r--s 00000000 f
    page       0·
    reference  xx   x = present
    yours      x.
"""

from __future__ import annotations

import errno

from mmaplab.calls import bytes_text, call_text
from mmaplab.constants import PAGE_SHIFT
from mmaplab.grading.observe import WORK, Observation
from mmaplab.grading.plain import Plain, same, told
from mmaplab.grading.programs import Scenario
from mmaplab.grading.state import Area, Entry, State, state_of
from mmaplab.interface import fatal_signal

WIDEST = 64
"""Pages that a strip shows; longer areas are cut around the first difference."""
RIGHTS = {
    "x": "present",
    "w": "may be stored to",
    "W": "stored to",
    "d": "dirty, read-only",
    "#": "nobody may use it",
}
FRAMES = {"F": "the file's page", "P": "private, mapped once", "S": "private, mapped by several", "0": "the zero page"}
CACHE = {"F": "cached", "D": "dirty", "M": "cached, with the readahead mark", "e": "not read yet"}
OWN_FAULTS = ("raised", "wrong_type", "endless", "broken")
"""What an observation can say of the learner's function itself."""


def first_difference(expected: Observation, came: Plain) -> int | None:
    """Return the number of the first call after which the observations differ, or None where they never do."""
    if not isinstance(came, list):
        return 0
    for i, item in enumerate(expected):
        if i >= len(came) or not same(item, without_words(came[i])):
            return i
    return len(expected) if len(came) > len(expected) else None


def without_words(step: Plain) -> Plain:
    """Return an observation without what it says for people only."""
    return {key: value for key, value in step.items() if key != "said"} if isinstance(step, dict) else step


def difference_lines(
    name: str, scenario: Scenario, expected: Observation, came: Plain, yours: str = "yours"
) -> list[str]:
    """Return the report of a difference; there must be one."""
    at = first_difference(expected, came)
    assert at is not None
    given = came[at] if isinstance(came, list) and at < len(came) else None
    reference = expected[at] if at < len(expected) else None
    number = min(at + 1, len(scenario.calls))
    lines = [f"{name} differs from the reference after {number} call{'s' * (number != 1)}:"]
    lines += [f"    {line}" for line in program_lines(scenario, number)]
    if isinstance(reference, dict) and isinstance(given, dict) and "files" in reference and "files" in given:
        return [*lines, "        every call ends alike, but the bytes of the file are others at the end"]
    lines.append(f"        reference  {step_text(reference, given)}")
    lines.append(f"        {yours:9}  {step_text(given, reference)}")
    if isinstance(given, dict) and given.get("said") and "wrong_type" not in given:
        lines.append(f"        {given['said']}")
    return lines + [f"    {line}" for line in strip_lines(reference, given, yours)]


def program_lines(scenario: Scenario, calls: int) -> list[str]:
    """Return the program up to a number of calls, as Python."""
    texts = [call_text(call) for call in scenario.calls]
    return scenario.lines()[: len(scenario.lines()) - len(texts)] + texts[:calls]


# ---------------------------------------------------------------- how a call ended


def step_text(step: Plain, other: Plain = None) -> str:
    """Return how one call ended, in words; the work it caused is told where that of the `other` is not the same."""
    if not isinstance(step, dict):
        return "nothing"
    fault = own_fault(step)
    if fault and "broken" not in step:
        return fault
    faults = step.get("faults")
    parts = [outcome_words(step.get("outcome"))]
    for number, kind in zip(faults if isinstance(faults, list) else [], ("minor", "major"), strict=False):
        if number:
            parts.append(f"{number} {kind} fault{'s' * (number != 1)}")
    work, others = step.get("work"), other.get("work") if isinstance(other, dict) else None
    for what in WORK:
        if isinstance(work, dict) and isinstance(others, dict) and work.get(what) != others.get(what):
            parts.append(f"{work.get(what)} {what if work.get(what) != 1 else what.replace('s ', ' ', 1)}")
    return ", ".join([*parts, fault] if fault else parts)


def own_fault(step: Plain) -> str:
    """Return what the learner's function did wrong by itself, with the line of their code; "" where nothing."""
    if not isinstance(step, dict):
        return ""
    line = f" ({step['line']})" if step.get("line") else ""
    if "raised" in step:
        return f"raised {step['raised']}{line}"
    if "wrong_type" in step:
        return f"{step['wrong_type']}{line}"
    if "endless" in step:
        return f"{step['endless']}{line}"
    problems = step.get("broken")
    return f"but an invariant is broken: {problems[0]}" if isinstance(problems, list) and problems else ""


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
    value = outcome.get("value")
    if isinstance(value, dict) and isinstance(value.get("bytes"), str):
        return bytes_text(bytes.fromhex(str(value["bytes"])), brief=True)
    if value == "Process":
        return "a process"
    return hex(value) if type(value) is int and value >= 1 << PAGE_SHIFT else "done" if value is None else told(value)


# ---------------------------------------------------------------- what there is afterwards


def strip_lines(reference: Plain, given: Plain, yours: str = "yours") -> list[str]:
    """Return what the two kernels disagree about after a call: areas, entries, frames, cached pages."""
    right, wrong = state_of(reference), state_of(given)
    if not isinstance(given, dict) or "space" not in given:
        return []
    lines = _areas_lines(right, wrong, yours) + _stray_lines(right, wrong, yours)
    for area in right.areas:
        lines += _entries_lines(area, right, wrong, yours)
    for path, letters in right.cache.items():
        came = wrong.cache.get(path, "")
        if came != letters:
            span = range(max(len(letters), len(came)))
            shown = [row.ljust(len(span), ".") for row in (letters, came)]
            lines += [f"page cache of {path}", *_rows(shown[0], shown[1], span, 0, CACHE, yours)]
    return lines


def _areas_lines(right: State, wrong: State, yours: str) -> list[str]:
    """Return both lists of areas of each process for which they differ."""
    lines = []
    for who in {area.who: None for area in (*right.areas, *wrong.areas)}:
        lists = [[area.text for area in state.areas if area.who == who] for state in (right, wrong)]
        if lists[0] != lists[1]:
            for label, texts in zip(("reference", yours), lists, strict=True):
                lines += [f"{label if i == 0 else '':9}  area {text}" for i, text in enumerate(texts or ["none"])]
    return lines


def _stray_lines(right: State, wrong: State, yours: str) -> list[str]:
    lines = []
    for who, pages in wrong.entries.items():
        stray = sorted(page for page in pages if right.entry(who, page) is None and not right.area_at(who, page))
        if stray:
            where = ", ".join(hex(page << PAGE_SHIFT) for page in stray[:4]) + ", ..." * (len(stray) > 4)
            lines.append(f"{yours:9}  maps {len(stray)} page{'s' * (len(stray) > 1)} outside every area: {where}")
    return lines


def _entries_lines(area: Area, right: State, wrong: State, yours: str) -> list[str]:
    """Return the strips of one area: what the entries permit, and what frames they map, where either differs."""
    pages = range(area.start, area.end)
    head = [f"area {area.text}" + f" of {area.who}" * (area.who != "p")]
    lines: list[str] = []
    for letter, key in ((_rights, RIGHTS), (_frame, FRAMES)):
        rows = ["".join(letter(state.entry(area.who, page)) for page in pages) for state in (right, wrong)]
        if rows[0] != rows[1]:
            lines += _rows(rows[0], rows[1], pages, area.start, key, yours)
            break
    else:
        for page in pages:
            one, other = right.entry(area.who, page), wrong.entry(area.who, page)
            if one and other and one != other:
                lines.append(f"page {page - area.start}: reference {frame_words(one)}, {yours} {frame_words(other)}")
                break
    return head + lines if lines else []


def frame_words(entry: Entry) -> str:
    """Return which frame an entry maps, where the letter does not tell."""
    return f"page {entry.number} of the file" if entry.frame == "F" else f"shared page {entry.number}"


def _rights(entry: Entry | None) -> str:
    return entry.letter if entry else "."


def _frame(entry: Entry | None) -> str:
    return entry.frame if entry else "."


def _rows(right: str, wrong: str, pages: range, start: int, key: dict[str, str], yours: str) -> list[str]:
    """Return ruler and both rows, cut around the first difference, with a legend of the letters that occur."""
    first = next(i for i, (one, other) in enumerate(zip(right, wrong, strict=True)) if one != other)
    low = max(0, min(first - 20, len(right) - WIDEST))
    shown = slice(low, low + WIDEST)
    used = set(right[shown] + wrong[shown])
    legend = ", ".join(f"{letter} = {meaning}" for letter, meaning in key.items() if letter in used)
    return [
        f"page       {_ruler(pages[shown], start)}",
        f"reference  {right[shown]}   {legend}",
        f"{yours:9}  {wrong[shown]}",
    ]


def _ruler(pages: range, start: int) -> str:
    """Return one character a page: its number in the area, the tens as a letter of their own every ten pages."""
    return "".join(str((page - start) // 10 % 10) if (page - start) % 10 == 0 else "·" for page in pages)
