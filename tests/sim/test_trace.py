"""The trace: records in causal order, spans that are always closed, and nothing built when nobody records."""

from __future__ import annotations

import errno

import pytest

from mmaplab.constants import MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ
from mmaplab.interface import SegmentationFault
from mmaplab.sim import Kernel
from mmaplab.sim.events import Done, KernelWork, PageFree
from mmaplab.sim.trace import Trace


def refuse(number: int) -> PageFree:
    """Stand in for an event that must not be built."""
    raise AssertionError(f"event {number} was built")


def test_records_are_numbered_and_nested() -> None:
    trace = Trace(pid=4)
    with trace.span(KernelWork, "reclaim") as span:
        trace.emit(PageFree, 7)
        span.outcome = "enough"
    assert [(r.seq, r.depth, r.pid, r.event) for r in trace.records] == [
        (0, 0, 4, KernelWork("reclaim")),
        (1, 1, 4, PageFree(7)),
        (2, 0, 4, Done("KernelWork", "enough")),
    ]
    trace.clear()
    trace.emit(PageFree, 8)
    assert trace.records[0].seq == 3, "the numbering goes on"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOMEM, "no"), "ENOMEM"),
        (SegmentationFault(1, 0), "SIGSEGV"),
        (ValueError("what"), "ValueError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
def test_a_span_is_closed_whatever_happens(error: BaseException, told: str) -> None:
    trace = Trace()
    with pytest.raises(type(error)), trace.span(KernelWork, "flusher"):
        raise error
    assert trace.records[-1].event == Done("KernelWork", told)
    assert trace.depth == 0


def test_nothing_is_built_when_nobody_records() -> None:
    trace = Trace(recording=False)
    trace.emit(refuse, 1)
    with trace.span(refuse, 2) as span:
        span.outcome = 3
    assert trace.records == []
    trace.recording = True
    with pytest.raises(AssertionError, match="event 4 was built"):
        trace.emit(refuse, 4)


def test_recording_may_begin_and_end_between_calls() -> None:
    kernel = Kernel(record=False)
    p = kernel.spawn()
    a = p.mmap(0, 3 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS)
    p.load(a)
    kernel.trace.recording = True
    p.load(a + 4096)
    kernel.trace.recording = False
    p.load(a + 2 * 4096)
    assert kernel.trace.records[0].depth == kernel.trace.records[-1].depth == 0
    assert isinstance(kernel.trace.records[-1].event, Done)
    assert kernel.trace.last(1) == kernel.trace.records
    assert p.faults().minor == 3, "faults are counted all the time"
