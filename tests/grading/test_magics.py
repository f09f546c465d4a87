"""Cells with what notebooks allow beyond Python, which does nothing here but to run what is Python in it."""

from __future__ import annotations

import linecache

import pytest

from mmaplab.grading.magics import new_namespace, run_cell

CELLS = {
    "x = (7\n % 4)": 3,
    "x = (7\n\n    % 4\n)": 3,
    "x = '''\n%d\n!x\n''' % 5": "\n5\n!x\n",
    "%%time\nx = 3": 3,
    "%%capture out\nx = 3": 3,
    "x = 0\nif True:\n    %time x = 4\n    !ls": 4,
    "%time x = 4": 4,
    "x = !ls": [],
    "x = %timeit -n1 1 + 1": None,
    "!rm -rf /\nx = 1": 1,
    "%matplotlib inline\nx = 1": 1,
    "def f(): pass\nf?\n?f\nx = 1": 1,
    "import asyncio\nawait asyncio.sleep(0)\nx = 1": 1,
    "async def f(): return 6\nx = await f()": 6,
    ">>> x = 1": 1,
    "  x = 1\n  x += 1": 2,
    "get_ipython().run_line_magic('time', 'x = 8')": 8,
    "x = get_ipython().anything_else(1, of='it')": None,
    "display(1, 2, include=3)\nx = 1": 1,
    "%%bash\nx=5; exit 1": "nothing",
    "%%writefile f.py\nx = 5": "nothing",
    "x = 'a\u2028b\x0c'": "a\u2028b\x0c",
    "def f(a: int) -> str: ...\nx = f.__annotations__['a'] is int": True,
}


@pytest.mark.parametrize(("source", "x"), CELLS.items(), ids=map(repr, CELLS))
def test_a_cell_runs_as_in_a_notebook(source: str, x: object) -> None:
    namespace = new_namespace()
    run_cell(source, "<cell 1>", namespace)
    assert namespace.get("x", "nothing") == x


def test_an_error_has_the_line_of_the_cell() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        run_cell("%%time\nx = 1\n1 / 0", "<cell 1>", new_namespace())
    last = caught.traceback[-1]
    assert last.lineno == 2 and linecache.getline(str(last.path), 3) == "1 / 0\n"
    with pytest.raises(SyntaxError) as wrong:
        run_cell("x = 1\ny = = 2", "<cell 1>", new_namespace())
    assert wrong.value.lineno == 2
