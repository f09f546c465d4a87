"""source() shows the package's own text."""

from __future__ import annotations

import pytest

from mmaplab.sim.filefault import do_fault_around
from mmaplab.source import source


def test_a_function_is_found_by_its_kernel_name_in_the_room_that_defines_it() -> None:
    shown = source("do_fault_around")
    assert shown.file == "mmaplab/sim/filefault.py"
    assert shown.lines[0].startswith("def do_fault_around(vmf")
    assert repr(source(do_fault_around)) == repr(shown)


def test_lines_carry_their_numbers() -> None:
    shown = source("find_vma")
    assert f"{shown.first:4} def find_vma(" in repr(shown)
    assert "&gt;" in shown._repr_html_()  # escaped


def test_an_unknown_name_is_named() -> None:
    with pytest.raises(LookupError, match="no function 'do_nothing_at_all'"):
        source("do_nothing_at_all")
