"""Calls as data: run with names, and written as Python."""

from __future__ import annotations

import pytest

from mmaplab.calls import Call, Name, Outcome, arguments, bytes_text, call_text, constant_text, outcome_text, perform
from mmaplab.constants import Madv, Map, Mremap, Open, Prot
from mmaplab.interface import BusError, FaultCounts, SegmentationFault, Stat
from mmaplab.sim import Kernel

ANON_RW = "a = p.mmap(0, 0x2000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS)"
FIXED_FILE = "p.mmap(a-0x1000, 1, PROT_NONE, MAP_SHARED | MAP_FIXED, fd, 0x1000)"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (Call("p", "mmap", (0, 8192, 3, 0x22, -1, 0), ("a",)), ANON_RW),
        (Call("p", "mmap", (Name("a", -4096), 1, 0, 0x11, Name("fd"), 4096)), FIXED_FILE),
        (Call("q", "load", (Name("a"), 1)), "q.load(a)"),
        (Call("q", "load", (Name("a", 5), 3)), "q.load(a+0x5, 3)"),
        (Call("p", "pwrite", (3, b"ab" * 2048, 0)), "p.pwrite(3, b'ab' * 2048, 0)"),
        (Call("p", "madvise", (Name("a"), 4096, 4)), "p.madvise(a, 0x1000, MADV_DONTNEED)"),
        (Call("p", "pipe", (), ("r", "w")), "r, w = p.pipe()"),
        (Call("p", "open", ("data", 2, 0o644), ("fd",)), "fd = p.open('data', O_RDWR)"),
    ],
)
def test_a_call_is_a_line_of_python(call: Call, text: str) -> None:
    assert str(call) == text


@pytest.mark.parametrize(
    ("names", "value", "text"),
    [
        (Prot, 0, "PROT_NONE"),
        (Prot, 7 | 64, "PROT_READ | PROT_WRITE | PROT_EXEC | 0x40"),
        (Prot, 1 | 1 << 40, "PROT_READ | 0x10000000000"),
        (Map, 3, "MAP_SHARED_VALIDATE"),
        (Map, 0, "0x0"),
        (Open, 0o101, "O_WRONLY | O_CREAT"),
        (Mremap, 3, "MREMAP_MAYMOVE | MREMAP_FIXED"),
        (Madv, 77, "77"),
    ],
)
def test_numbers_are_spelt_with_their_c_names(names: type, value: int, text: str) -> None:
    assert constant_text(names, value) == text


def test_the_text_of_data_is_the_data() -> None:
    for data in (b"", b"A" * 4096, b"abc", b"\0\1" * 999, bytes(range(100))):
        assert eval(bytes_text(data)) == data
    assert bytes_text(bytes(range(100)), brief=True).endswith("(100 bytes)")


def test_perform_gives_and_takes_names() -> None:
    with Kernel() as kernel:
        names: dict[str, object] = {"p": kernel.spawn()}
        assert perform(Call("p", "mmap", (0, 8192, 3, 0x22, -1, 0), ("a",)), names).ok
        assert perform(Call("p", "store", (Name("a", 4096), b"x")), names).ok
        assert perform(Call("p", "load", (Name("a", 4096), 1)), names) == Outcome(b"x")
        assert perform(Call("p", "pipe", (), ("r", "w")), names).ok
        assert (names["r"], names["w"]) == (3, 4)
        failed = perform(Call("p", "munmap", (Name("a", 1), 1)), names)
        assert isinstance(failed.error, OSError) and failed.error.errno == 22
        killed = perform(Call("p", "load", (Name("a", 8192), 1)), names)
        assert isinstance(killed.error, SegmentationFault)


def test_a_call_without_its_names_is_not_made() -> None:
    with Kernel() as kernel:
        names: dict[str, object] = {"p": kernel.spawn(), "a": 4096}
        assert perform(Call("p", "mmap", (0, 0, 3, 0x22, -1, 0), ("a",)), names).error is not None
        assert "a" not in names, "a name does not keep the value of an earlier call"
        assert perform(Call("p", "load", (Name("a"), 1)), names).missing == "a"


def test_addresses_wrap_round_at_64_bits() -> None:
    with Kernel() as kernel:
        names: dict[str, object] = {"p": kernel.spawn(), "end": 2**64 - 4096}
        outcome = perform(Call("p", "load", (Name("end", 4096 + 8), 1)), names)
        assert isinstance(outcome.error, SegmentationFault) and outcome.error.si_addr == 8


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (Outcome(None), "done"),
        (Outcome(b"h\0"), "b'h\\x00'"),
        (Outcome(0x5000), "a+0x1000"),
        (Outcome([True, False]), "x."),
        (Outcome(Stat(4097, 12)), "4097 bytes"),
        (Outcome(error=OSError(12, "no")), "ENOMEM"),
        (Outcome(error=ProcessLookupError(3, "gone")), "ESRCH (the process has ended)"),
        (Outcome(error=BusError(2, 0x5000)), "BusError, BUS_ADRERR, at a+0x1000"),
        (Outcome(error=KeyError("x")), "broke with KeyError: 'x'"),
        (Outcome(missing="a"), "not made: a has no value"),
        (Outcome(FaultCounts(1, 2)), "FaultCounts(minor=1, major=2)"),
    ],
)
def test_an_outcome_is_said_in_words(outcome: Outcome, text: str) -> None:
    assert outcome_text(outcome, {0x5000: "a+0x1000"}) == text


def test_arguments_are_put_in_order() -> None:
    assert arguments("mmap", (0, 1), {"flags": 2, "prot": 3}) == (0, 1, 3, 2, -1, 0)
    assert call_text(Call("p", "exit", arguments("exit", (), {}))) == "p.exit()"
    with pytest.raises(TypeError, match="missing"):
        arguments("mmap", (0,), {})
