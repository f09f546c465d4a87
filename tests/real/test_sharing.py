"""What smaps says of two live processes that share frames, and what the desk tells of it."""

from __future__ import annotations

import pytest

from mmaplab.constants import MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_READ, PROT_WRITE
from mmaplab.grading.desk import frames_here
from mmaplab.interface import Process
from mmaplab.real.sharing import shares_of_two

PAGE, AT = 4096, 0x1000_0000


def one_of_two_is_shared(p: Process) -> Process:
    p.mmap(AT, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)
    p.store(AT, b"P" * 2 * PAGE)
    c = p.fork()
    c.store(AT + PAGE, b"C")
    return c


@pytest.mark.live
def test_a_frame_with_two_users_counts_half_for_each() -> None:
    for sizes in shares_of_two(one_of_two_is_shared, AT):
        assert (sizes["Rss"], sizes["Pss"]) == (2 * PAGE, PAGE + PAGE // 2)


@pytest.mark.live
def test_the_desk_tells_both_sides() -> None:
    text = repr(frames_here(one_of_two_is_shared))
    assert "parent: Rss 8,192 bytes, Pss 6,144 bytes; child: Rss 8,192 bytes, Pss 6,144 bytes" in text


@pytest.mark.live
def test_a_program_without_a_child_and_one_without_an_area_are_told_what_to_do() -> None:
    assert "let it end with `return c`" in repr(frames_here(lambda p: p.fork() and None))
    assert "has no area at 0x20000" in repr(frames_here(one_of_two_is_shared, 0x20000))


def test_the_desk_says_that_nothing_was_answered_or_nobody_could_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "not answered yet" in repr(frames_here(None))
    monkeypatch.setenv("MMAPLAB_LIVE", "off")
    assert "could not be asked" in repr(frames_here(one_of_two_is_shared))
