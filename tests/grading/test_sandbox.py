"""Each way of keeping answers in, on its own: what runs, what it sees, and how its end is told."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmaplab.grading.ask import Died, tell_status
from mmaplab.grading.box import Box, boxed, own_uid
from mmaplab.grading.package import package_without, without_body
from mmaplab.grading.sandbox import PROTECTIONS, UNPROTECTED, Limits, Protection, find_protection
from mmaplab.grading.usage import processes_below

TOO_MUCH = "import tempfile\nassert tempfile.TemporaryFile(buffering=0).write(bytes(17 << 20)) == 17 << 20"
LIMITS = Limits(seconds=9, memory_bytes=1 << 30)


@pytest.fixture(scope="module")
def package() -> Iterator[Path]:
    """A copy of the package."""
    with package_without(()) as folder:
        yield folder


@pytest.fixture(params=[*PROTECTIONS, UNPROTECTED], ids=lambda protection: protection.name)
def box(request: pytest.FixtureRequest, package: Path) -> Iterator[Box]:
    """A running box of each kind that works here."""
    protection: Protection = request.param
    works = protection is UNPROTECTED or (shutil.which(protection.wrap([], [], [])[0]) and find_protection())
    if not works:
        pytest.skip(f"{protection.name} does not work on this machine")
    with boxed(protection, package, LIMITS, ["mmaplab.grading.observe"]) as running:
        running.begin()
        yield running


def test_a_box_runs_cells_and_hands_over_values(box: Box) -> None:
    assert box.ask({"do": "run", "cells": ["x = 6 * 7", "print('seen')"]}) == {"output": "seen\n"}
    assert box.ask({"do": "value", "name": "x"}) == {"value": 42}
    assert box.ask({"do": "value", "name": "y"}) == {"missing": "y"}


def test_each_begin_forgets_the_answer_before(box: Box) -> None:
    box.ask({"do": "run", "cells": ["x = 1"]})
    box.begin()
    assert box.ask({"do": "value", "name": "x"}) == {"missing": "x"}


def test_a_death_is_told_and_the_box_lives_on(box: Box) -> None:
    with pytest.raises(Died, match="died of SIGSEGV"):
        box.ask({"do": "run", "cells": ["import ctypes; ctypes.string_at(0)"]})
    assert not box.alive and not box.dead
    box.begin()
    assert box.ask({"do": "run", "cells": ["x = 1"]}) == {"output": ""}


def test_what_an_answer_leaves_behind_is_ended(box: Box) -> None:
    stay = "import os, time\nfor _ in range(3):\n    if os.fork() == 0:\n        os.setsid(); time.sleep(1000)\n"
    box.ask({"do": "run", "cells": [stay]})
    box.begin()
    count = (
        "from pathlib import Path; import os\n"
        "def parent(path):\n"
        "    try: return int(path.read_text().rpartition(')')[2].split()[1])\n"
        "    except OSError: return 0\n"
        "left = sum(parent(path) == os.getppid() for path in Path('/proc').glob('[0-9]*/stat'))"
    )
    box.ask({"do": "run", "cells": [count]})
    assert box.ask({"do": "value", "name": "left"}) == {"value": 1}  # this very process


def test_everything_ends_with_the_box(box: Box) -> None:
    box.ask({"do": "run", "cells": ["import os, time\nfor _ in range(3):\n    if os.fork() == 0: time.sleep(1000)"]})
    below = set(processes_below(box._process.pid))
    assert len(below) >= 5  # what forks, its child, and three more
    box.close()
    until = time.monotonic() + 20
    while time.monotonic() < until and any(map(lives, below)):
        time.sleep(0.1)
    assert list(filter(lives, below)) == []


def lives(pid: int) -> bool:
    """Is there such a process, and one that has not ended yet?"""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except OSError:
        return False


def test_limits_hold(box: Box) -> None:
    big = box.ask({"do": "run", "cells": ["x = bytearray(4 << 30)"]})
    assert big["kind"] == "MemoryError"
    file = box.ask(
        {
            "do": "run",
            "cells": [TOO_MUCH],
        }
    )
    assert file["kind"] in ("OSError", "AssertionError")  # refused, or cut off at the limit


def test_two_boxes_never_have_the_same_user_id() -> None:
    with own_uid(True) as one, own_uid(True) as other:
        assert one is not None and other is not None and one != other
    with own_uid(True) as again:
        assert again == one  # free when its box is gone
    with own_uid(False) as none:
        assert none is None


def test_how_a_process_ended_is_told_in_words() -> None:
    assert tell_status(-11) == "it died of SIGSEGV"
    assert tell_status(128 + 7) == "it died of SIGBUS"
    assert tell_status(-24) == "it used up its processor time"
    assert tell_status(3) == "it ended its process with status 3"


def test_a_package_lacks_the_function_that_is_asked_for_and_still_works() -> None:
    with package_without({"do_fault_around", "handle_mm_fault"}) as folder:
        around = (folder / "mmaplab" / "sim" / "filefault.py").read_text(encoding="utf-8")
        fault = (folder / "mmaplab" / "sim" / "fault.py").read_text(encoding="utf-8")
        assert "from_pte" not in around and "return FaultResult(0)" in around
        assert not [path for path in folder.rglob("*.py*") if b"from_pte" in path.read_bytes()]
        assert "do_cow_fault(vmf)" not in fault and "is not here" in fault
    assert not folder.exists()


def test_a_body_is_replaced_below_its_docstring() -> None:
    text = 'def f():\n    """Doc."""\n    return 1\n\n\ndef g():\n    return 2\n'
    assert without_body(text, "f", "return 3") == text.replace("return 1", "return 3")
    assert without_body(text, "g", "return 3") == text.replace("return 2", "return 3")
    with pytest.raises(KeyError, match="no function 'h'"):
        without_body(text, "h", "pass")
