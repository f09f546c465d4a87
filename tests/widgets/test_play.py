"""A task that ends, played by calling what the buttons call."""

from __future__ import annotations

import ipywidgets
import pytest

from mmaplab.constants import MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE
from mmaplab.sim import Kernel, KernelConfig
from mmaplab.sim.process import Process
from mmaplab.views import theme
from mmaplab.widgets.play import Play, play

PAGE = 4096
BASE = 0x7FFF_0000_3000


def setup() -> tuple[Kernel, Process]:
    kernel = Kernel(KernelConfig(fault_around_bytes=8 * PAGE))
    kernel.create_file("f", bytes(31 * PAGE), warm=True)
    p = kernel.spawn()
    p.mmap(BASE, 32 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, p.open("f"))
    return kernel, p


def pages_5_to_20(kernel: Kernel, p: Process) -> bool:
    return [(a - BASE) // PAGE for a, _ in p.mm.pgd.entries(BASE, BASE + 32 * PAGE)] == list(range(5, 21))


@pytest.fixture
def task() -> Play:
    return play(setup, task="pages 5 to 20", goal=pages_5_to_20, calls=2)


def click(task: Play, page: int) -> None:
    next(iter(task.pages.values()))[page].click()


def test_two_loads_reach_the_goal(task: Play) -> None:
    click(task, 9)
    assert "1 of 2 calls left" in task.said.value
    click(task, 17)
    assert "Reached" in task.said.value
    assert task.made[0].startswith("p.load(a + 9 * PAGE)")


def test_the_trap_uses_the_calls_up_and_start_again_helps(task: Play) -> None:
    click(task, 0)
    click(task, 17)
    assert "used up" in task.said.value
    click(task, 20)
    assert len(task.made) == 2
    assert "round is over" in task.said.value
    task.again.click()
    click(task, 12)
    click(task, 13)
    assert "Reached" in task.said.value


def test_a_signal_is_shown_and_the_task_goes_on(task: Play) -> None:
    click(task, 31)  # behind the end of the file
    assert "SIGBUS" in task.history.value
    task.reset()
    task.kind.value = "store"
    click(task, 3)
    assert "SIGSEGV" in task.history.value


def test_present_pages_say_so_in_words_and_not_by_colour_alone(task: Play) -> None:
    click(task, 9)
    buttons = next(iter(task.pages.values()))
    assert (buttons[9].description, buttons[20].description) == ("9 F r-", "20")


def three_kinds() -> tuple[Kernel, Process]:
    """A page of a file, a page of one's own, the page of zeros, and one without an entry."""
    kernel = Kernel()
    kernel.create_file("f", bytes(PAGE), warm=True)
    p = kernel.spawn()
    p.mmap(BASE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, p.open("f"))
    p.mmap(BASE + 8 * PAGE, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)
    p.load(BASE)
    p.store(BASE + 8 * PAGE, b"x")
    p.load(BASE + 9 * PAGE)
    return kernel, p


def test_a_page_has_the_letter_and_the_colour_of_what_backs_it() -> None:
    task = play(three_kinds, task="look", goal=lambda kernel, p: False, calls=1)
    (file,), (own, zero, absent) = task.pages.values()
    assert [b.description for b in (file, own, zero, absent)] == ["0 F r-", "0 A rw", "1 0 r-", "2"]
    colours = [b.style.button_color for b in (file, own, zero, absent)]
    assert colours == [theme.FILE, theme.ANON, theme.WHITE, None]
    assert [b.layout.border_top for b in (own, absent)] == ["2px solid", "1px dashed"]


def test_high_addresses_stand_above_low_ones_as_in_the_picture() -> None:
    task = play(three_kinds, task="look", goal=lambda kernel, p: False, calls=1)
    titles = [child.value for child in task.stage.children if isinstance(child, ipywidgets.HTML)]
    assert [title[:7] for title in titles] == ["<code>b", "<code>a"]


def test_a_goal_that_is_reached_already_is_refused() -> None:
    with pytest.raises(ValueError, match="done before it begins"):
        play(setup, task="nothing", goal=lambda kernel, p: True, calls=1)
