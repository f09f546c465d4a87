"""The workbench: every control makes a real call, errors are answers, and the session's code makes it again."""

from __future__ import annotations

import re

import ipywidgets
import pytest

from mmaplab.constants import PAGE_SIZE
from mmaplab.sim import Kernel
from mmaplab.sim.process import Process
from mmaplab.views.scene import records_of
from mmaplab.widgets.session import BENCH, Session, bench
from mmaplab.widgets.themed import themed
from mmaplab.widgets.workbench import VIEWS, Workbench, workbench


def page(board: Workbench, index: int) -> None:
    """Click the button of a page, counted over all that are shown."""
    list(board.buttons.values())[index][1].click()


def mapped() -> Workbench:
    """A workbench with four pages of the file mapped shared."""
    board = workbench()
    board.map.click()
    return board


def perms(board: Workbench) -> list[tuple[str, int]]:
    """Return the rights and pages of p1's areas."""
    return [(e.perms, (e.end - e.start) // PAGE_SIZE) for e in board.session.processes["p1"].maps()]


def replay(code: str) -> Kernel:
    """Run a session's code as it stands, as a person would who has copied it; return its kernel."""
    names: dict[str, object] = {}
    exec(code, names)
    kernel = names["kernel"]
    assert isinstance(kernel, Kernel)
    return kernel


def test_mmap_takes_its_arguments_from_the_controls() -> None:
    board = workbench()
    board.prot.value, board.flags.value = "PROT_READ", "MAP_PRIVATE"
    board.pages.value, board.offset.value, board.hint.value = 3, 2, "0x10000"
    board.map.click()
    entry = board.session.processes["p1"].maps()[0]
    assert (entry.start, entry.perms, entry.offset, entry.path) == (0x10000, "r--p", 2 * PAGE_SIZE, "data.bin")
    assert [number for number, _ in board.buttons.values()] == [2, 3, 4]
    assert "a = p1.mmap(0x10000, 3 * PAGE_SIZE, PROT_READ, MAP_PRIVATE, 3, 2 * PAGE_SIZE)" in board.session.code()


def test_anonymous_memory_needs_no_file() -> None:
    board = workbench()
    board.file.value = -1
    board.map.click()
    assert board.session.processes["p1"].maps()[0].path == "/dev/zero (deleted)"  # shared anonymous memory
    assert "MAP_SHARED | MAP_ANONYMOUS)" in board.session.code()


def test_areas_split_and_merge_under_the_controls() -> None:
    board = mapped()
    board.start.value, board.rights.value = "a+1", "PROT_READ"
    board.protect.click()
    assert perms(board) == [("rw-s", 1), ("r--s", 1), ("rw-s", 2)]
    assert len(board.stage.children) == 3
    board.rights.value = "PROT_READ | PROT_WRITE"
    board.protect.click()
    assert perms(board) == [("rw-s", 4)]
    board.start.value, board.count.value = "a", 2
    board.unmap.click()
    assert perms(board) == [("rw-s", 2)]


def test_split_and_merge_are_said() -> None:
    board = mapped()
    assert "split" not in board.said.value and "merged" not in board.said.value
    board.start.value, board.rights.value = "a+1", "PROT_READ"
    board.protect.click()
    assert "<b>The area at a is split into 3 areas.</b>" in board.said.value
    board.rights.value = "PROT_READ | PROT_WRITE"
    board.protect.click()
    assert "<b>3 areas are merged into one.</b>" in board.said.value
    board.protect.click()
    assert "merged" not in board.said.value


def test_high_addresses_stand_above_low_ones_as_in_the_picture() -> None:
    board = mapped()
    board.map.click()
    titles = [area.children[0] for area in board.stage.children]
    assert all(isinstance(title, ipywidgets.HTML) for title in titles)
    starts = [int(title.value.split("<code>")[1].split("<")[0], 0) for title in titles]
    assert len(starts) == 2 or "merged" in board.said.value
    assert starts == sorted(starts, reverse=True)


def test_the_newest_lines_of_the_code_are_marked() -> None:
    board = workbench()
    assert board.code.newest == 0 and board.code.code == BENCH
    board.map.click()
    assert board.code.newest == 1 and board.code.code.splitlines()[-1].startswith("a = p1.mmap(")
    board.count.value = 0
    board.unmap.click()
    assert board.code.newest == 2 and "p1.munmap" in board.code.code.splitlines()[-1]
    board.plug.click()
    assert board.code.newest == 3 and "power_failure" in board.code.code.splitlines()[-3]
    board.again.click()
    assert board.code.newest == 0 and board.code.code == BENCH


def test_an_address_without_an_area_can_be_touched() -> None:
    board = mapped()
    board.place.value = "a+4"
    board.anywhere.click()
    assert "<b>SIGSEGV, SEGV_MAPERR" in board.said.value
    board.place.value, board.kind.value = "a+3", "store"
    board.anywhere.click()
    assert 'p1.store(a + 3 * PAGE_SIZE, b"x")' in board.session.code()
    board.place.value = "there"
    board.anywhere.click()
    assert "is no address" in board.said.value


def test_a_click_on_a_page_loads_or_stores() -> None:
    board = mapped()
    page(board, 0)
    button = next(iter(board.buttons.values()))[1]
    assert button.description.startswith("0 F r")
    assert button.layout is board.looks.present
    board.kind.value = "store"
    page(board, 0)
    assert button.description == "0 F rw"
    assert "p1.load(a)" in board.session.code()
    assert 'p1.store(a, b"x")' in board.session.code()


def test_buttons_of_an_area_that_is_as_it_was_are_used_again() -> None:
    board = mapped()
    kept = [button for _, button in board.buttons.values()]
    board.map.click()
    assert [button for _, button in board.buttons.values()][-4:] == kept
    assert len(board.buttons) == 8
    board.again.click()
    assert board.buttons == {}


def test_a_signal_is_an_answer_and_the_session_goes_on() -> None:
    board = workbench()
    board.prot.value = "PROT_READ"
    board.map.click()
    board.kind.value = "store"
    page(board, 0)
    assert "<b>SIGSEGV, SEGV_ACCERR" in board.said.value
    board.kind.value = "load"
    page(board, 0)
    assert "SIGSEGV" not in board.said.value


def test_an_error_is_an_answer() -> None:
    board = mapped()
    board.pages.value = 0
    board.map.click()
    assert "EINVAL: length is 0" in board.said.value
    assert list(board.session.names) == ["a"]


def test_what_is_no_address_is_said_and_makes_no_call() -> None:
    board = mapped()
    before = board.session.code()
    board.start.value = "zz+1"
    board.unmap.click()
    assert "known: a" in board.said.value
    assert board.session.code() == before


def test_a_child_has_pages_of_its_own() -> None:
    board = workbench()
    board.file.value = -1
    board.flags.value = "MAP_PRIVATE"
    board.map.click()
    board.kind.value = "store"
    page(board, 0)
    board.forked.click()
    board.who.value = "p2"
    page(board, 0)
    frames = {p.mm.pgd.get_pte(board.session.names["a"]) >> 12 for p in board.session.processes.values()}
    assert len(frames) == 2


def test_pulling_the_plug_shows_what_is_left() -> None:
    board = mapped()
    board.kind.value = "store"
    page(board, 0)
    board.sync.click()
    page(board, 1)
    board.view.value = "time"
    board.plug.click()
    assert "takes the latest stores to 1 page" in board.said.value
    assert 'role="img"' in board.picture.value
    assert board.session.kernel.disk_bytes("data.bin")[: PAGE_SIZE + 1] == b"x" + bytes(PAGE_SIZE)
    assert board.session.processes["p1"].maps() == []
    board.map.click()  # the new kernel's process has the file open again
    assert perms(board) == [("rw-s", 4)]


def test_time_passes_and_the_flusher_writes() -> None:
    board = mapped()
    board.kind.value = "store"
    page(board, 0)
    board.seconds.value = 40
    board.passed.click()
    assert board.session.kernel.disk_bytes("data.bin")[:1] == b"x"


@pytest.mark.parametrize("wait", [0, 1, 4])
def test_the_flusher_can_be_made_to_run(wait: int) -> None:
    """Whenever the page became dirty, one press is enough; what was written is said, and nothing is written twice."""
    board = mapped()
    board.kind.value = "store"
    board.session.tick(wait)
    page(board, 0), page(board, 2)
    board.seconds.value = 1
    board.passed.click()
    assert "nothing was written" in board.said.value
    board.flusher.click()
    assert "kernel.tick(35)" in board.said.value and "the flusher wrote pages 0, 2 of data.bin" in board.said.value
    assert board.session.kernel.disk_bytes("data.bin")[::PAGE_SIZE] == b"x\0x" + bytes(5)
    board.flusher.click()
    assert "nothing was written" in board.said.value
    assert records_of(replay(board.session.code())) == records_of(board.session.kernel)


def test_advice_is_a_call_too() -> None:
    board = mapped()
    page(board, 0)
    board.advice.value = "MADV_DONTNEED"
    board.advise.click()
    assert next(iter(board.buttons.values()))[1].description == "0"


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_a_picture_or_says_why_not(view: str) -> None:
    board = workbench()
    board.view.value = view
    assert board.picture.value
    board.map.click()
    board.kind.value = "store"
    page(board, 2)
    assert 'role="img"' in board.picture.value


def test_the_code_makes_the_same_session_again() -> None:
    board = mapped()
    board.kind.value = "store"
    page(board, 1)
    board.hint.value, board.file.value, board.flags.value = "a+9", -1, "MAP_PRIVATE | MAP_FIXED"
    board.map.click()
    page(board, 5)
    board.forked.click()
    board.start.value = "b"
    board.unmap.click()
    board.session.touch("p1", board.session.names["b"], "load")
    board.passed.click()
    assert records_of(replay(board.session.code())) == records_of(board.session.kernel)


def test_the_code_runs_on_after_an_error_and_after_a_signal() -> None:
    """What has failed in the session fails in the code as well, and the next call is made."""
    board = mapped()
    board.count.value = 0
    board.unmap.click()
    board.pages.value = 0
    board.map.click()
    board.rights.value, board.count.value = "PROT_NONE", 1
    board.protect.click()
    page(board, 0)
    page(board, 3)
    code = board.session.code()
    assert re.search(r"with suppress\(OSError\):  # EINVAL: .+\n    p1\.munmap\(a, 0 \* PAGE_SIZE\)\n", code)
    assert re.search(r"with suppress\(OSError\):  # EINVAL: .+\n    p1\.mmap\(0, 0 \* PAGE_SIZE, ", code)
    assert "with suppress(FatalSignal):  # SIGSEGV, SEGV_ACCERR, at" in code
    assert records_of(replay(code)) == records_of(board.session.kernel)


def test_the_shown_setup_is_the_real_one() -> None:
    assert records_of(replay(BENCH)) == records_of(bench()[0])


def setup() -> tuple[Kernel, Process]:
    """A machine for a task: two pages of anonymous memory would be too easy; a file of one page."""
    kernel = Kernel()
    kernel.create_file("one.bin", bytes(PAGE_SIZE))
    p = kernel.spawn()
    p.open("one.bin")
    return kernel, p


def two_areas(_kernel: Kernel, p: Process) -> bool:
    """The task: two areas."""
    return len(p.maps()) == 2


def test_a_task_ends_when_it_is_reached() -> None:
    board = workbench(setup, task="make two areas", goal=two_areas, calls=3)
    assert repr(board) == "workbench('make two areas')"
    board.prot.value = "PROT_READ"
    board.map.click()
    assert "2 of 3 calls left" in board.said.value
    board.flags.value = "MAP_PRIVATE"
    board.map.click()
    assert "Reached</b> in 2 calls" in board.said.value
    board.map.click()
    assert "This round is over" in board.said.value
    board.again.click()
    assert board.session.lines == []
    assert board.made == 0


def test_a_task_ends_when_its_calls_are_used_up() -> None:
    board = workbench(setup, task="make two areas", goal=two_areas, calls=1)
    board.map.click()
    assert "used up" in board.said.value


def test_a_task_that_is_done_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="done before it begins"):
        workbench(setup, task="nothing", goal=lambda _kernel, p: not p.maps(), calls=1)


def test_the_twin_is_the_picture_that_it_begins_with() -> None:
    board = workbench(setup, task="make <two> areas", goal=two_areas, calls=1)
    before = board.twin()
    picture = board._picture(board.session.kernel)
    assert "make &lt;two&gt; areas" in before and picture._repr_html_() in before
    assert board.picture.value == themed(picture)
    board.map.click()
    assert board.twin() == before


def test_addresses_are_written_from_the_nearest_name() -> None:
    session = Session(bench, BENCH)
    session.mmap("p1", "0x100000", 4, "PROT_READ", "MAP_PRIVATE", -1, 0)
    session.mmap("p1", "a + 8", 1, "PROT_READ", "MAP_PRIVATE", -1, 0)
    assert session.where(0x103000) == "a + 3 * PAGE_SIZE"
    assert session.where(0x109000) == "b + 1 * PAGE_SIZE"
    assert session.where(0x5000) == "0x5000"
    assert session.address("b+1") == 0x109000
