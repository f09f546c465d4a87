"""Rules 7: the break, the end of the heap."""

from __future__ import annotations

from mmaplab.interface import Process
from tests.rules.both import PAGE, Both


def test_7_the_break_can_be_any_byte(both: Both) -> None:
    """The break is what was asked for; the area ends at the next page."""

    def program(p: Process) -> None:
        start = p.brk(0)
        assert p.brk(start + 100) == start + 100
        heap = next(a for a in p.maps() if a.path == "[heap]")
        assert heap.end == (start + 100 + PAGE - 1) // PAGE * PAGE
        p.store(start, b"x")
        assert p.brk(start + 3 * PAGE) == start + 3 * PAGE and p.load(start) == b"x"

    both(program)


def test_7_below_its_start_nothing_moves(both: Both) -> None:
    """A break below the start of the heap, or into another area, leaves it where it is."""

    def program(p: Process) -> None:
        start = p.brk(0)
        assert p.brk(start - PAGE) == start
        assert p.brk(start + PAGE) == start + PAGE
        assert p.brk(start) == start
        assert not [a for a in p.maps() if a.path == "[heap]" and a.end > start]

    both(program)


def test_7_a_heap_with_pages_does_not_move_below_its_start(both: Both) -> None:
    """The same where the heap has an area: it keeps its pages, and what they hold."""

    def program(p: Process) -> None:
        start = p.brk(0)
        assert p.brk(start + 2 * PAGE) == start + 2 * PAGE
        p.store(start, b"kept")
        assert p.brk(start - PAGE) == start + 2 * PAGE
        assert p.load(start, 4) == b"kept"

    both(program)
