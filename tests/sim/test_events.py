"""The docstrings of the events list every word that is emitted, and no other."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import mmaplab.sim
from mmaplab.sim import events as ev

SOURCES = [ast.parse(path.read_text()) for path in Path(mmaplab.sim.__file__ or "").parent.glob("*.py")]
SENDERS: dict[type[ev.Event], str] = {
    ev.Readahead: "_emit_readahead do_page_cache_ra page_cache_ra_order",
    ev.DiskWrite: "write_block write_folio do_writepages writepages file_write_and_wait ext4_sync_file writeback"
    " wb_check_background_flush",
    ev.KernelWork: "span",
}
"""The functions that are given the word, as a literal."""


def words_given(to: str) -> Iterator[str]:
    """Yield the words, written out, in calls of functions with these names."""
    for node in (node for tree in SOURCES for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in to.split() and not (name == "span" and "KernelWork" not in ast.unparse(node)):
            yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str))


def defaults() -> Iterator[str]:
    """Yield the words that parameters named `why` have by default."""
    for node in (node for tree in SOURCES for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        for arg, default in zip(reversed(node.args.args), reversed(node.args.defaults), strict=False):
            if arg.arg == "why" and isinstance(default, ast.Constant):
                yield str(default.value)


@pytest.mark.parametrize("kind", SENDERS, ids=lambda kind: str(kind.__name__))
def test_the_docstring_lists_the_words_that_are_emitted(kind: type[ev.Event]) -> None:
    listed = set(re.findall(r"'(\w+)'", inspect.getdoc(kind) or ""))
    emitted = set(words_given(SENDERS[kind])) | (set(defaults()) if kind is ev.DiskWrite else set())
    assert listed == emitted - {""}
