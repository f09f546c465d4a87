"""The bill: what a piece of a trace cost, counted from its events.

    bill(kernel.trace.last())                            one run
    bill(read=one_piece, mmap=another)                   several, side by side

Copies by the device and by the processor are told apart. The price is a sum over `mmaplab.ledger.COSTS`.
"""

from __future__ import annotations

from mmaplab import ledger
from mmaplab.views import theme
from mmaplab.views.scene import records_of
from mmaplab.views.svg import Svg, line, rect, text

ROW = 22


def bill(source: object = None, **runs: object) -> Svg:
    """Return the bill of records, a trace or a kernel, or of several named ones. Raises ValueError for none."""
    named = {**({"": source} if source is not None else {}), **runs}
    if not named:
        raise ValueError("bill() needs the records of a trace, for example kernel.trace.last()")
    bills = {name: ledger.bill_of(records_of(run)) for name, run in named.items()}
    rows = [(label, [value(b) for b in bills.values()]) for label, value in LINES]
    rows = [(label, cells) for label, cells in rows if label in ALWAYS or any(c not in ("0", "0 B") for c in cells)]
    return _draw(list(bills), rows)


LINES = (
    ("copied by the device", lambda b: f"{b.device_bytes:,} B"),
    ("copied by the processor", lambda b: f"{b.cpu_bytes:,} B"),
    ("filled with zeros", lambda b: f"{b.zeroed_bytes:,} B"),
    ("pages read from the disk", lambda b: f"{b.disk_pages:,}"),
    ("system calls", lambda b: f"{b.syscalls:,}"),
    ("minor faults", lambda b: f"{b.minor:,}"),
    ("major faults", lambda b: f"{b.major:,}"),
    ("entries set", lambda b: f"{b.entries:,}"),
    ("TLB flushes", lambda b: f"{b.tlb_flushes:,}"),
    ("price, by the table of costs", lambda b: _time(b.nanoseconds)),
)
ALWAYS = {"copied by the device", "copied by the processor", "system calls", "minor faults", "major faults"}


def _time(nanoseconds: float) -> str:
    return f"{nanoseconds / 1000:,.1f} µs" if nanoseconds < 1e6 else f"{nanoseconds / 1e6:,.2f} ms"


def _draw(names: list[str], rows: list[tuple[str, list[str]]]) -> Svg:
    """Return the table as a picture, with its text form."""
    columns = [theme.MARGIN + 250 + 140 * (i + 1) for i in range(len(names))]
    parts, y = [rect(0, 0, theme.WIDTH, 10, "paper", 0)], 10.0
    if any(names):
        parts += [text(x, y + 16, name, "h end") for x, name in zip(columns, names, strict=True)]
        y += ROW + 4
    for i, (label, cells) in enumerate(rows):
        if label.startswith("price"):
            parts.append(line(theme.MARGIN, y + 3, columns[-1], y + 3, "thin"))
            y += 6
        if i % 2:
            parts.append(rect(theme.MARGIN - 8, y, columns[-1] - theme.MARGIN + 16, ROW, "kernel", 3))
        parts.append(text(theme.MARGIN, y + 16, label))
        parts += [text(x, y + 16, cell, "m end") for x, cell in zip(columns, cells, strict=True)]
        y += ROW
    written = "\n".join(f"{label:<30}" + "".join(f"{cell:>16}" for cell in cells) for label, cells in rows)
    head = f"{'':<30}" + "".join(f"{name:>16}" for name in names) + "\n" if any(names) else ""
    said = ", ".join(f"{label} {' against '.join(cells)}" for label, cells in rows[:2])
    return Svg(y + 12, "The bill", f"{said}.", head + written, tuple(parts))
