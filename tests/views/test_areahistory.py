"""The areas of a process after each of its calls: merging and splitting in one picture."""

from __future__ import annotations

import pytest

from mmaplab.constants import MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, PAGE_SIZE, PROT_READ, PROT_WRITE
from mmaplab.sim import Kernel
from mmaplab.views.areahistory import MOST, area_history
from tests.views.drawing import check
from tests.views.pictures import PROGRAMS, count

RW, OURS = PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS
LOW = 0x1000_0000


def cut_and_joined() -> Kernel:
    """One area, three, one again, and two: the calls of chapter 03."""
    kernel = Kernel()
    p = kernel.spawn()
    a = p.mmap(LOW, 9 * PAGE_SIZE, RW, OURS | MAP_FIXED)
    p.mprotect(a + 3 * PAGE_SIZE, 3 * PAGE_SIZE, PROT_READ)
    p.mprotect(a + 3 * PAGE_SIZE, 3 * PAGE_SIZE, RW)
    p.munmap(a + 4 * PAGE_SIZE, PAGE_SIZE)
    return kernel


def test_text_form() -> None:
    assert area_history(cut_and_joined()).text == (
        "areas of P1 after each call        A rw-p anonymous   B r--p anonymous\n"
        "page                0     3 4 5 6     from 10000000\n"
        "  1 mmap            A A A A A A A A A   1 area\n"
        "  2 mprotect        A A A|B B B|A A A   3 areas\n"
        "  3 mprotect        A A A A A A A A A   1 area\n"
        "  4 munmap          A A A A . A A A A   2 areas"
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_is_readable_and_always_the_same(program: str) -> None:
    check(area_history(PROGRAMS[program]()))
    assert area_history(PROGRAMS[program]()).svg == area_history(PROGRAMS[program]()).svg


def test_every_area_of_every_row_has_a_bracket_and_what_is_new_a_halo() -> None:
    picture = area_history(cut_and_joined())
    check(picture)
    assert count(picture, "path", "bracket") == 1 + 3 + 1 + 2
    assert count(picture, "rect", "now") == 1 + 3 + 1 + 2, "each call here changes every area"
    kernel = cut_and_joined()
    kernel.processes[1].mmap(2 * LOW, PAGE_SIZE, RW, OURS | MAP_FIXED)
    assert count(area_history(kernel), "rect", "now") == 1 + 3 + 1 + 2 + 1, "the old two are as they were"


def test_neighbours_that_look_alike_are_kept_apart() -> None:
    kernel = Kernel()
    kernel.create_file("f", bytes(4 * PAGE_SIZE), warm=True)
    p = kernel.spawn()
    fd = p.open("f")
    p.mmap(LOW, PAGE_SIZE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0)
    p.mmap(LOW + PAGE_SIZE, PAGE_SIZE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0)
    p.mmap(LOW + 2 * PAGE_SIZE, PAGE_SIZE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, PAGE_SIZE)
    assert area_history(kernel).text.splitlines()[-2:] == [
        "  2 mmap            A|A .   2 areas",
        "  3 mmap            A|A A   2 areas",
    ]


def test_a_call_that_fails_is_a_row_with_its_error() -> None:
    kernel = cut_and_joined()
    with pytest.raises(OSError):
        kernel.processes[1].mprotect(LOW, 9 * PAGE_SIZE, RW)
    form = area_history(kernel)
    assert form.text.splitlines()[-1].startswith("  5 mprotect ENOMEM ")
    assert "ENOMEM" in form.svg
    check(form)


def test_far_apart_and_large() -> None:
    kernel = Kernel()
    p = kernel.spawn()
    p.mmap(LOW, 1000 * PAGE_SIZE, RW, OURS | MAP_FIXED)
    p.mmap(0, PAGE_SIZE, PROT_READ, OURS)
    form = area_history(kernel)
    check(form)
    assert form.text.splitlines()[1:] == [
        "page                0                   0     from 10000000, 7ffff7ffe000",
        "  1 mmap            A A A ~ ~ A A A   ~ .   1 area",
        "  2 mmap            A A A ~ ~ A A A   ~ B   2 areas",
    ]


def test_a_child_begins_with_what_its_parent_had() -> None:
    kernel = cut_and_joined()
    child = kernel.processes[1].fork()
    child.munmap(LOW, PAGE_SIZE)
    lines = area_history(kernel, child.pid).text.splitlines()
    assert [line[4:].split()[0] for line in lines[2:]] == ["begin", "munmap"]


def test_a_thread_calls_for_the_whole_address_space() -> None:
    kernel = cut_and_joined()
    thread = kernel.processes[1].clone_thread()
    thread.munmap(LOW, PAGE_SIZE)
    assert area_history(kernel).text.splitlines()[-1] == "  5 munmap          . A A A . A A A A   2 areas"


def test_without_a_pid_it_is_the_first_process_that_lives() -> None:
    kernel = cut_and_joined()
    child = kernel.processes[1].fork()
    child.munmap(LOW, PAGE_SIZE)
    kernel.processes[1].exit()
    assert area_history(kernel).title == f"Areas of P{child.pid} after each call"
    assert area_history(kernel).text == area_history(kernel, child.pid).text


def test_of_many_calls_the_last_are_drawn_and_the_others_counted() -> None:
    kernel = Kernel()
    p = kernel.spawn()
    for page in range(50):
        p.mmap(LOW + 2 * page * PAGE_SIZE, PAGE_SIZE, RW, OURS | MAP_FIXED)
    p.mmap(0, PAGE_SIZE, PROT_READ, OURS)
    form = area_history(kernel)
    check(form)
    assert f"{51 - MOST} calls before are not drawn" in form.text and f"{51 - MOST} calls before" in form.svg


def test_a_process_that_called_nothing_and_one_that_is_not_there() -> None:
    kernel = Kernel()
    kernel.spawn()
    check(area_history(kernel))
    assert "no call" in area_history(kernel).text
    with pytest.raises(ValueError, match="no living process 7; it knows 1"):
        area_history(kernel, pid=7)
