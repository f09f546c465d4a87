"""Every event means something that a sentence can say."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from mmaplab.constants import Sig
from mmaplab.sim import events as ev
from mmaplab.views.scene import Scene, final
from mmaplab.views.words import call, plural, sentence, where
from tests.views.pictures import PROGRAMS, cold_read

SAMPLE: dict[str, object] = {
    "str": "x",
    "int": 0,
    "float": 5.0,
    "object": "minor",
    "tuple[tuple[str, object], ...]": (),
}
SPECIAL = {
    "Access": {"kind": "load", "nbytes": 1},
    "Signal": {"signo": 7, "code": 2},
    "Copy": {"why": "dma_in"},
    "Readahead": {"why": "around", "npages": 4},
}
EVENTS = [c for _, c in inspect.getmembers(ev, inspect.isclass) if issubclass(c, ev.Event) and c is not ev.Event]


def sample(kind: type[ev.Event]) -> ev.Event:
    values = {f.name: SAMPLE[str(f.type)] for f in dataclasses.fields(kind)}
    return kind(**(values | SPECIAL.get(kind.__name__, {})))


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_every_kind_of_event_has_a_sentence(kind: type[ev.Event]) -> None:
    said = sentence(sample(kind), Scene())
    assert said.endswith(".")
    assert said != f"{kind.__name__}."
    assert len(said.split()) >= 3


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_real_event_is_said_with_names_not_numbers(name: str) -> None:
    kernel = PROGRAMS[name]()
    scene = final(kernel)
    for record in kernel.trace.records:
        said = sentence(record.event, scene)
        assert said.endswith(".")
        assert "None" not in said
        assert "file 12" not in said


def test_a_page_is_named_by_its_area() -> None:
    space = final(cold_read()).spaces[1]
    start = next(iter(space.areas))
    assert where(space, start + 0x3010) == "page 3 of data.bin"
    assert where(space, 0x40_0000) == "0x400000"
    assert where(None, 0x40_0000) == "0x400000"


def test_a_call_is_written_as_in_c() -> None:
    calls = [call(r.event) for r in cold_read().trace.records if isinstance(r.event, ev.Syscall)]
    assert calls == ["open('data.bin', O_RDONLY)", "mmap(0, 163840, PROT_READ, MAP_SHARED, 3, 0)"]


@pytest.mark.parametrize(
    ("n", "noun", "said"),
    [(1, "page", "1 page"), (0, "page", "0 pages"), (2, "entry", "2 entries"), (3, "CPU copy", "3 CPU copies")],
)
def test_plurals(n: int, noun: str, said: str) -> None:
    assert plural(n, noun) == said


def test_sigbus_says_that_the_file_is_too_short() -> None:
    said = sentence(ev.Signal(1, Sig.SIGBUS, 2, 0x1000), Scene())
    assert said.startswith("SIGBUS: the area is there, but the file has no")
