"""The bill: what a piece of a trace cost, counted from its events.

    bill(kernel.trace.last())                            one run
    bill(read=one_piece, mmap=another)                   several, one below the other

    disk ==> page cache        page cache ... buffer        page ... private copy        a thick arrow: bytes moved
    system calls    minor faults    major faults    entries set    pages read    price

Copies by the device and by the processor are told apart. The price is a sum over `mmaplab.ledger.COSTS`: a list of
prices, not a measurement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mmaplab import ledger
from mmaplab.sim import events as ev
from mmaplab.views import shapes
from mmaplab.views.scene import records_of
from mmaplab.views.svg import Svg, line, rect, text
from mmaplab.views.theme import MARGIN, WIDTH, wrap
from mmaplab.views.words import plural

LANE = 172
"""The height of one run."""
CELL = 230
"""From one kind of copy to the next."""
SPAN = 118
"""From the left object of a copy to the right one."""


@dataclass(frozen=True)
class Account:
    """One run: its bill, the bytes of each hop, and how many copies each hop made."""

    name: str
    bill: ledger.Bill
    moved: Counter[str]
    made: Counter[str]
    written: int

    @classmethod
    def of(cls, name: str, source: object) -> Account:
        """Return the account of records, of a trace or of a kernel."""
        records = records_of(source)
        written = sum(r.event.npages for r in records if isinstance(r.event, ev.DiskWrite))
        return cls(name, ledger.bill_of(records), ledger.copies(records), ledger.copy_counts(records), written)

    def said(self) -> str:
        """Return what was copied, by whom, and how often the kernel was entered, in words."""
        b = self.bill
        entered = plural(b.kernel_entries, "entry") + " into the kernel"
        return f"{b.device_bytes:,} B copied by the device, {b.cpu_bytes:,} B by the processor, {entered}"


def bill(source: object = None, **runs: object) -> Svg:
    """Return the bill of records, a trace or a kernel, or of several named ones. Raises ValueError for none."""
    named = {**({"": source} if source is not None else {}), **runs}
    if not named:
        raise ValueError("bill() needs the records of a trace, for example kernel.trace.last()")
    accounts = [Account.of(name, run) for name, run in named.items()]
    said = "; ".join(f"{a.name}: {a.said()}" if a.name else a.said() for a in accounts) + "."
    parts, y = [], 28.0
    for row in wrap(said, WIDTH - 2 * MARGIN, 14, bold=True):
        parts.append(text(MARGIN, y, row, "l"))
        y += 20
    y -= 4
    for i, account in enumerate(accounts):
        parts += lane(account, y, i)
        y += LANE + (26 if account.name else 0)
    note = "The price is a sum over a list of prices (mmaplab.ledger.COSTS), not a measurement."
    parts.append(text(MARGIN, y + 18, note, "s"))
    return Svg(y + 32, "The bill", said, table({a.name: a for a in accounts}), tuple(parts))


def lane(account: Account, y: float, number: int) -> list[str]:
    """Return one run from `y` down: the copies above, the counts below."""
    parts = [rect(0, y, WIDTH, LANE + (26 if account.name else 0), "user" if number % 2 == 0 else "kernel", 0)]
    if account.name:
        parts.append(text(MARGIN, y + 22, account.name, "h"))
        y += 26
    for i, cell in enumerate(CELLS):
        parts += _cell(account, cell, MARGIN + CELL * i, y + 12)
    parts.append(line(MARGIN, y + 106, WIDTH - MARGIN, y + 106, "rule"))
    for i, (count, label) in enumerate(_counts(account)):
        x = MARGIN + i * 116
        parts += [text(x, y + 132, count, "t"), text(x, y + 152, label, "s")]
    return parts


@dataclass(frozen=True)
class Cell:
    """A pair of objects between which bytes move: the hop to the right and the hop to the left."""

    left: str
    right: str
    there: str
    back: str
    by: str


CELLS = (
    Cell("disk", "page cache", "dma_in", "dma_out", "device"),
    Cell("page cache", "buffer", "copy_to_user", "copy_from_user", "CPU"),
    Cell("page", "private copy", "cow", "", "CPU"),
)


def _cell(account: Account, cell: Cell, x: float, y: float) -> list[str]:
    """Return one kind of copy: its two objects, and a thick arrow for each direction in which bytes moved."""
    right = x + 24 + SPAN
    parts = [*_object(cell.left, x + 24, y), *_object(cell.right, right, y)]
    start, end, middle = x + 24 + shapes.PAGE + 6, right - 6, y + shapes.PAGE / 2
    used = [hop for hop in (cell.there, cell.back) if hop and account.moved[hop]]
    for i, hop in enumerate(used):
        level = middle + (0 if len(used) == 1 else -10 if i == 0 else 10)
        ends = (start, end) if hop == cell.there else (end, start)
        parts.append(shapes.arrow(ends[0], level, ends[1], level))
    if not used:
        parts.append(line(start, middle, end, middle, "none"))
    words = [f"{account.moved[hop]:,} B · {_times(account.made[hop], cell.by)}" for hop in used] or ["0 B"]
    if len(used) == 2:
        words = [f"→ {words[0]}", f"← {words[1]}"]
    weight = "mid b" if used else "mid s"
    centre = x + 24 + (SPAN + shapes.PAGE) / 2
    parts += [text(centre, y + 66 + 16 * i, row, weight) for i, row in enumerate(words)]
    return parts


def _times(n: int, by: str) -> str:
    return by if n == 1 else f"{by}, {n:,} copies"


def _object(name: str, x: float, y: float) -> list[str]:
    kinds = {"page cache": "file", "buffer": "anon", "private copy": "anon"}
    if name == "disk":
        drawn = shapes.cylinder(x, y)
    else:
        drawn = shapes.page(x, y, kinds[name]) if name in kinds else shapes.page(x, y, "void")
    return [drawn, text(x + shapes.PAGE / 2, y + shapes.PAGE + 16, name, "mid s")]


def _counts(account: Account) -> list[tuple[str, str]]:
    """Return the six counts below the copies: number and what is counted."""
    b = account.bill
    return [
        (f"{b.syscalls:,}", "system calls" if b.syscalls != 1 else "system call"),
        (f"{b.minor:,}", "minor faults" if b.minor != 1 else "minor fault"),
        (f"{b.major:,}", "major faults" if b.major != 1 else "major fault"),
        (f"{b.entries:,}", "entries set" if b.entries != 1 else "entry set"),
        (f"{b.disk_pages:,}", "pages read" if b.disk_pages != 1 else "page read"),
        (_time(b.nanoseconds), "price"),
    ]


def _time(nanoseconds: float) -> str:
    return f"{nanoseconds / 1000:,.1f} µs" if nanoseconds < 1e6 else f"{nanoseconds / 1e6:,.2f} ms"


def table(accounts: Mapping[str, Account]) -> str:
    """Return the bill in letters: one line for each kind of cost, one column for each run."""
    rows = [(label, [value(a) for a in accounts.values()]) for label, value in LINES]
    kept = [(label, cells) for label, cells in rows if label in ALWAYS or any(c not in ("0", "0 B") for c in cells)]
    lines = [f"{label:<32}" + "".join(f"{cell:>16}" for cell in cells) for label, cells in kept]
    named = [f"{'':<32}" + "".join(f"{name:>16}" for name in accounts)] if any(accounts) else []
    return "\n".join(named + lines)


LINES: tuple[tuple[str, Callable[[Account], str]], ...] = (
    ("copied by the device", lambda a: f"{a.bill.device_bytes:,} B"),
    ("copied by the processor", lambda a: f"{a.bill.cpu_bytes:,} B"),
    ("  " + ledger.HOP_WORDS["copy_to_user"], lambda a: f"{a.moved['copy_to_user']:,} B"),
    ("  " + ledger.HOP_WORDS["copy_from_user"], lambda a: f"{a.moved['copy_from_user']:,} B"),
    ("  " + ledger.HOP_WORDS["cow"], lambda a: f"{a.moved['cow']:,} B"),
    ("filled with zeros", lambda a: f"{a.bill.zeroed_bytes:,} B"),
    ("pages read from the disk", lambda a: f"{a.bill.disk_pages:,}"),
    ("pages written to the disk", lambda a: f"{a.written:,}"),
    ("system calls", lambda a: f"{a.bill.syscalls:,}"),
    ("minor faults", lambda a: f"{a.bill.minor:,}"),
    ("major faults", lambda a: f"{a.bill.major:,}"),
    ("entries set", lambda a: f"{a.bill.entries:,}"),
    ("TLB flushes", lambda a: f"{a.bill.tlb_flushes:,}"),
    ("price, by the list of prices", lambda a: _time(a.bill.nanoseconds)),
)
ALWAYS = {"copied by the device", "copied by the processor", "system calls", "minor faults", "major faults"}
