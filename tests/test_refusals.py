"""The refusals of chapter 10: each program is refused for its reason on the simulated kernel, and on the live one."""

from __future__ import annotations

from contextlib import suppress

import pytest

from mmaplab.constants import PAGE_SIZE
from mmaplab.experiments import twin
from mmaplab.interface import Process
from mmaplab.refusals import name, refusals, refused
from mmaplab.sim import KernelConfig

ERRORS = ["EACCES", "EBADF", "EEXIST", "EFAULT", "EINVAL", "ENODEV", "ENOMEM", "EOPNOTSUPP", "EOVERFLOW", "EPERM"]
LAST = "page 0, and not root"


def test_every_program_is_refused_and_every_error_is_there() -> None:
    rows = refused().rows
    assert [why for _, _, why in rows] == list(refusals())
    assert sorted({error for error, _, _ in rows}) == ERRORS


def test_root_is_refused_everything_but_page_0() -> None:
    allowed = [why for error, _, why in refused(KernelConfig(cap_sys_rawio=True)).rows if error == "no error"]
    assert allowed == [LAST]


def test_the_table_reads_in_both_forms() -> None:
    table = refused()
    assert repr(table).splitlines()[0].split()[:2] == ["EACCES", "mmap"]
    assert table._repr_html_().count("<tr>") == len(table.rows) + 1


@pytest.mark.live
@pytest.mark.parametrize("why", refusals())
def test_both_kernels_refuse_for_the_same_reason(why: str) -> None:
    def program(p: Process) -> None:
        refusals()[why](p)

    compared = twin(program, files={"f": bytes(2 * PAGE_SIZE)})
    assert compared.difference is None, compared.text()
    if why != LAST:  # which depends on who runs the test
        assert isinstance(compared.died, OSError)
        assert name(compared.died) == {row[2]: row[0] for row in refused().rows}[why]


def test_a_program_that_is_refused_leaves_nothing_behind_it() -> None:
    def all_of_them(p: Process) -> None:
        for program in refusals().values():
            with suppress(OSError):
                program(p)

    compared = twin(all_of_them, files={"f": bytes(2 * PAGE_SIZE)})
    assert compared.difference is None, compared.text()
