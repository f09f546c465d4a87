"""The linked view: address space, page table, page cache and disk in one picture, a page in one column through all.

    linked(kernel)              what the last system call or access did, as one picture
    linked(kernel, step=7)      its seventh step: one sentence, one thing that moves

A thick arrow is a copy, one arrow for each (or with its number); a thin line is «the same memory» and copies nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mmaplab import ledger
from mmaplab.constants import Sig
from mmaplab.pte import pte_present, pte_text
from mmaplab.sim import events as ev
from mmaplab.sim.trace import Record
from mmaplab.views import lanes, stores, words
from mmaplab.views.board import LAYERS, Board, rows
from mmaplab.views.focus import focus_of
from mmaplab.views.layout import Group, Layout, delta_of, layout
from mmaplab.views.scene import Scene
from mmaplab.views.steps import Step, context_of, steps
from mmaplab.views.svg import Svg, circle, text
from mmaplab.views.theme import MARGIN, WIDTH, wrap


def linked(source: object, last: int = 1, step: int | None = None) -> Svg:
    """Return the linked view of the last `last` outermost spans of a kernel or a trace.

    `step` counts from 1 (or from the end, -1 the last); without it the whole is drawn as one step.
    Raises IndexError for a step that is not there, ValueError for an empty trace.
    """
    found = steps(source, last)
    plan = layout(found)
    if step is None:
        return picture(whole(found), plan)
    if step == 0 or abs(step) > len(found):
        raise IndexError(f"step {step}: there are {len(found)} steps here, numbered from 1")
    number = step if step > 0 else len(found) + 1 + step
    return picture(found[number - 1], plan, number, len(found))


def whole(found: Sequence[Step]) -> Step:
    """Return several steps as one: the state after them, all that they changed, and a sentence of what they cost."""
    records = tuple(record for step in found for record in step.records)
    before, scene = found[0].before, found[-1].scene
    first = next((r.event for r in records if not isinstance(r.event, ev.Done)), None)
    opening = words.sentence(first, found[0].scene)[:-1] if first else "Nothing happens"
    opening = found[0].sentence[:-1] if isinstance(first, ev.KernelWork) else opening
    others = len(outermost(records)) - 1
    opening += f", then {words.plural(others, 'more access' if only_accesses(records) else 'more call')}" * (others > 0)
    return Step(records, before, scene, f"{opening}: {cost(records)}.", context_of(before, found[0].scene), records)


def outermost(records: Sequence[Record]) -> list[ev.Event]:
    """Return the events that open the outermost spans."""
    least = min((record.depth for record in records), default=0)
    opens = (ev.Access, ev.Syscall, ev.KernelWork)
    return [record.event for record in records if record.depth == least and isinstance(record.event, opens)]


def only_accesses(records: Sequence[Record]) -> bool:
    """Are all outermost spans loads and stores?"""
    return all(isinstance(event, ev.Access) for event in outermost(records))


def cost(records: Sequence[Record]) -> str:
    """Return what the records cost, in words: faults, copies, entries."""
    bill = ledger.bill_of(records)
    copied = ledger.copy_counts(records)
    device = sum(copied[hop] for hop in ledger.DEVICE_HOPS)
    cpu = sum(copied[hop] for hop in ledger.CPU_HOPS)
    parts = [words.plural(bill.major, "major fault")] if bill.major else []
    parts += [words.plural(bill.minor, "minor fault")] if bill.minor else []
    parts += [f"{words.plural(device, 'page')} copied by the device"] if device else []
    parts += [f"{words.plural(cpu, 'copy')} by the CPU"] if cpu else []
    parts += [f"{words.plural(bill.entries, 'entry')} set"] if bill.entries else []
    parts += [f"{name} sent {words.plural(n, 'time')}" if n > 1 else f"ends in {name}" for name, n in _signals(records)]
    return ", ".join(parts) if parts else "no fault, no copy"


def _signals(records: Sequence[Record]) -> list[tuple[str, int]]:
    return list(Counter(Sig(r.event.signo).name for r in records if isinstance(r.event, ev.Signal)).items())


def picture(step: Step, plan: Layout, number: int = 0, total: int = 0) -> Svg:
    """Return one step as a picture; `number` of `total` is written above the sentence."""
    head, top = header(step, number, total)
    parts = board(step, plan, top)
    foot = footer(step, parts.bottom)
    if plan.note:
        foot.append(text(MARGIN, parts.bottom + 38, plan.note, "s"))
    drawn = [svg for layer in LAYERS for svg in parts.parts[layer].values()]
    title = f"Step {number} of {total}" if number else "What happened"
    form = text_form(step, plan, number, total)
    return Svg(parts.bottom + (50 if plan.note else 32), title, step.sentence, form, (*head, *drawn, *foot))


def board(step: Step, plan: Layout, top: float = 0) -> Board:
    """Return every part of a step's picture, by layer and name; `top` is where the first lane begins."""
    parts = Board(plan, step.scene, focus_of(step), top)
    rows(parts)
    for pid, mm in plan.processes:
        lanes.process(parts, pid, mm)
    stores.frames(parts)
    stores.cache(parts)
    stores.disk(parts)
    stores.copies(parts)
    return parts


def header(step: Step, number: int, total: int) -> tuple[list[str], float]:
    """Return the sentence and where the lanes begin."""
    parts, y = [], 26.0
    if number:
        parts.append(text(MARGIN, y, f"Step {number} of {total}", "s"))
        if total <= 24:
            x = WIDTH - MARGIN - 14 * total + 4
            parts += [circle(x + 14 * i, y - 4, 4, "inkfill" if i < number else "void ol") for i in range(total)]
            parts.append(circle(x + 14 * (number - 1), y - 4, 7, "ring"))
        y += 24
    for row in wrap(step.sentence, WIDTH - 2 * MARGIN, 18, bold=True):
        parts.append(text(MARGIN, y, row, "t"))
        y += 23
    for row in wrap(step.context, WIDTH - 2 * MARGIN, 12)[:2]:
        parts.append(text(MARGIN, y - 2, row, "s"))
        y += 17
    return parts, y


def footer(step: Step, y: float) -> list[str]:
    """Return the line below: what the outermost span has cost so far."""
    opening = f"so far in this {span_name(step)}:"
    return [text(MARGIN, y + 20, opening, "s"), text(MARGIN + 132, y + 20, totals(step), "b")]


def span_name(step: Step) -> str:
    """Return what the outermost span is called."""
    first = next((r.event for r in step.span if not isinstance(r.event, ev.Done)), None)
    if len(outermost(step.span)) > 1:
        return "series"
    return {"Access": "access", "Syscall": "call"}.get(type(first).__name__, "piece")


def totals(step: Step) -> str:
    """Return the counts of the outermost span up to and with this step, from the ledger."""
    copied = ledger.copy_counts(step.span)
    device = sum(copied[hop] for hop in ledger.DEVICE_HOPS)
    cpu = sum(copied[hop] for hop in ledger.CPU_HOPS)
    begun = sum(isinstance(r.event, ev.PageFault) for r in step.span)
    calls = sum(isinstance(r.event, ev.Syscall) for r in step.span)
    return (
        f"{words.plural(device, 'device copy')}, {words.plural(cpu, 'CPU copy')} · "
        f"{words.plural(calls, 'system call')}, {words.plural(begun, 'fault')}"
    )


# ---------------------------------------------------------------- text form


def text_form(step: Step, plan: Layout, number: int = 0, total: int = 0) -> str:
    """Return the same picture in letters: one column per page or gap, one line per lane."""
    lines = [f"{f'Step {number} of {total}: ' if number else ''}{step.sentence}"]
    lines += [step.context] if step.context else []
    for group in plan.groups:
        lines += ["", *_group_text(step, plan, group)]
    for why, n in sorted(ledger.copy_counts(step.records).items()):
        size = ledger.copies(step.records)[why]
        arrows = words.plural(n, "thick arrow")
        lines.append(f"{arrows}: {size:,} bytes, {ledger.HOP_WORDS[why]}, by the {stores.HOPS[why]}")
    lines += [plan.note] if plan.note else []
    return "\n".join([*lines, f"so far in this {span_name(step)}: {totals(step)}"])


def _group_text(step: Step, plan: Layout, group: Group) -> list[str]:
    cells = [f"x{c.npages}" if c.is_gap else str(group.label(c.first)) for c in group.columns]
    width = max(map(len, cells)) + 1 if cells else 1
    width = max(width, 4)
    table = [(group.name, cells)]
    for pid, mm in plan.processes:
        for delta in group.deltas.get(pid, []):
            pages, entries = _mapping_text(step.scene, group, mm, delta)
            table += [(f"P{pid} pages", pages), (f"P{pid} entries", entries)]
    file = step.scene.files.get(group.ino)
    if file:
        cached = ["mix" if c.mixed else _cache_letter(step.scene, group.ino, c.first) for c in group.columns]
        table.append(("page cache", cached))
        if file.fs != "tmpfs":
            table.append(("disk", ["D" if c.first in file.blocks else "." for c in group.columns]))
    return [f"{name:14}{''.join(f'{cell:>{width}}' for cell in row)}" for name, row in table]


def _mapping_text(scene: Scene, group: Group, mm: int, delta: int) -> tuple[list[str], list[str]]:
    space = scene.spaces.get(mm)
    pages, entries = [], []
    for column in group.columns:
        addr = column.first + delta << 12
        area = space.area_at(addr) if space else None
        if area is None or area.ino != group.ino or delta_of(area) != delta:
            area = None
        pte = space.ptes.get(addr, 0) if space and area else 0
        kind = lanes.page_kind(scene, area, pte)
        letters = {"file": "F", "anon": "A", "zero": "0", "absent": "-", "none": "."}
        pages.append("mix" if column.mixed else letters[kind])
        entries.append("mix" if column.mixed else pte_text(pte) if pte_present(pte) else ".")
    return pages, entries


def _cache_letter(scene: Scene, ino: int, index: int) -> str:
    file = scene.files[ino]
    if index not in file.pages:
        return "."
    return "F*" if index in file.dirty else "F" if index in file.uptodate else "e"
