"""The reference: it names what the modules offer, says what the docstrings say, and those name the errors."""

from __future__ import annotations

import ast
import errno
import importlib
import inspect
import re
import textwrap
from pathlib import Path

import pytest

from mmaplab.interface import Process
from mmaplab.publish import reference
from mmaplab.publish.reference import ERRNO, PUBLIC, Entry, entries
from tests.manpages.table import Left, Page
from tests.manpages.test_manpages import PAGES

ROOT = Path(__file__).parents[2]
FOUND = entries(ROOT)
TEXT = reference.text(ROOT)
TOLD = [one for names in FOUND.values() for one in names]
CODE = {one.path: one for one in TOLD if one.kind in ("function", "class")}


def living(one: Entry) -> object:
    """Return the object that an entry tells of, imported."""
    return getattr(importlib.import_module(one.module), one.name)


@pytest.mark.parametrize("module", PUBLIC)
def test_the_reference_names_what_the_module_offers(module: str) -> None:
    offered = getattr(importlib.import_module(module), "__all__", None)
    names = [one.name for one in FOUND[module]]
    assert names and len(set(names)) == len(names)
    if offered is not None:
        assert names == list(offered)
    text = TEXT
    part = text.partition(f"\n## `{module}`\n")[2].partition("\n## ")[0]
    told = re.findall(r"^### `" + re.escape(module) + r"\.(\w+)`|^- `(\w+)`: see", part, re.MULTILINE)
    assert [a or b for a, b in told] == names


def test_every_module_with_a_list_of_names_is_in_the_reference_or_inside_the_course() -> None:
    with_list = {
        ".".join(("mmaplab", *path.relative_to(ROOT / "mmaplab").with_suffix("").parts)).removesuffix(".__init__")
        for path in (ROOT / "mmaplab").rglob("*.py")
        if re.search(r"^__all__", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert with_list - {"mmaplab.grading.cluster"} <= set(PUBLIC)


@pytest.mark.parametrize("path", sorted(CODE))
def test_a_docstring_has_a_purpose_and_the_reference_has_it(path: str) -> None:
    one = CODE[path]
    assert one.doc, f"{path} has no docstring"
    assert re.match(r"[A-Z][^\n]*[.?:]$", one.doc.splitlines()[0]), f"{path}: the first line is no sentence"
    assert inspect.cleandoc(inspect.getdoc(living(one)) or "") == inspect.cleandoc(one.doc)
    assert one.purpose in TEXT


def raised(function: object) -> set[str]:
    """Return the names of the exceptions that a function raises itself, not in a function inside it."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]  # type: ignore[arg-type]
    names: set[str] = set()
    todo: list[ast.AST] = list(ast.iter_child_nodes(tree))
    while todo:
        node = todo.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            continue
        if isinstance(node, ast.Raise) and node.exc is not None:
            called = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            names |= {called.id} if isinstance(called, ast.Name) and called.id[0].isupper() else set()
        todo += ast.iter_child_nodes(node)
    return names


@pytest.mark.parametrize("path", sorted(path for path, one in CODE.items() if one.kind == "function"))
def test_a_docstring_names_the_errors_that_the_function_raises(path: str) -> None:
    one = CODE[path]
    silent = {name for name in raised(inspect.unwrap(living(one))) if name not in one.doc}  # type: ignore[arg-type]
    assert not silent, f"the docstring of {path} does not name {', '.join(sorted(silent))}"


def test_the_methods_of_both_kernels_name_the_errors_that_they_raise() -> None:
    from mmaplab.real import LinuxKernel
    from mmaplab.sim import Kernel

    silent = []
    for kernel in (Kernel, LinuxKernel):
        for name, method in inspect.getmembers(kernel, inspect.isfunction):
            if not name.startswith("_"):
                doc = inspect.getdoc(method) or ""
                silent += [f"{kernel.__name__}.{name}: {error}" for error in raised(method) if error not in doc]
    assert not silent, ", ".join(silent)


def test_a_process_has_a_man_page_for_every_system_call() -> None:
    (process,) = [one for one in FOUND["mmaplab.interface"] if one.name == "Process"]
    without = [one.name for one in process.members if not one.sources]
    assert set(without) <= {"load", "store", "touch", "execute", "maps", "faults", "exit", "clone_thread"}, without


OF_LATER_CALLS = {"setrlimit": {"EMFILE", "ENOMEM"}, "open": {"EBADF", "ENOSPC"}}
"""Errnos that a row of a man page gets from a call behind the page's own: under its limit, on its descriptor."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_system_call_names_every_errno_that_a_row_of_its_man_page_gives(page: Page) -> None:
    answers = [row.answer for rows in page.entries.values() if not isinstance(rows, Left) for row in rows]
    errnos = {answer for answer in answers if isinstance(answer, str) and answer in errno.errorcode.values()}
    named = set(re.findall(ERRNO, inspect.getdoc(getattr(Process, page.name)) or ""))
    assert errnos - OF_LATER_CALLS.get(page.name, set()) <= named <= {*errno.errorcode.values(), "EOPNOTSUPP"}


def test_the_slots_and_the_constants_are_told() -> None:
    assert "`do_fault_around" in TEXT and "`mmaplab.constants.Map`" in TEXT


def test_the_stored_reference_is_the_one_of_these_docstrings() -> None:
    stored = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert stored == TEXT, "run `make docs`"


def test_links_inside_the_reference_lead_somewhere() -> None:
    text = TEXT
    targets = {re.sub(r"[^\w -]", "", line[4:].lower()) for line in text.splitlines() if line.startswith("### ")}
    links = set(re.findall(r"\]\(#([^)]+)\)", text))
    assert links and links <= targets
