"""The shape of an answer: its code without what a copy changes first.

    total = total + price * 3   # my own idea         v = v + v * n
    summe = summe + preis * 7                         v = v + v * n

Comments and layout go. Names that the cell itself gives become `v`; numbers and texts become `n` and `s`, so that the
numbers of a learner's own variant do not matter. Words of Python, names from elsewhere and attributes stay.
"""

from __future__ import annotations

import ast
import io
import keyword
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass

GRAM = 7
"""Tokens that stand side by side in both answers before that means anything."""
LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}
WORD = re.compile(r"[^\W\d]\w*|\d[\w.]*|\"[^\"\n]*\"|'[^'\n]*'|[^\s\w]")
"""Pieces of a text that is no Python."""


@dataclass(frozen=True)
class Token:
    """One token of a shape, and the line of the source (from 0 on) that it comes from."""

    text: str
    line: int


def shape(source: str) -> list[Token]:
    """Return the shape of a cell; of one that is no Python, a coarser one."""
    text = "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines()) + "\n"
    try:
        own = own_names(ast.parse(without_docstrings(text)))
        tokens = list(tokenize.generate_tokens(io.StringIO(without_docstrings(text)).readline))
    except (SyntaxError, ValueError, tokenize.TokenError, RecursionError, MemoryError):
        return [Token(told(match[0]), text.count("\n", 0, match.start())) for match in WORD.finditer(text)]
    return list(shaped(tokens, own))


def shaped(tokens: list[tokenize.TokenInfo], own: set[str]) -> Iterator[Token]:
    """Yield the tokens that matter."""
    before = ""
    for token in tokens:
        if token.type in LAYOUT:
            continue
        text = token.string
        if token.type == tokenize.NUMBER:
            text = "n"
        elif token.type == tokenize.STRING:
            text = "s"
        elif text in own and before != ".":
            text = "v"
        yield Token(text, token.start[0] - 1)
        before = token.string


def told(word: str) -> str:
    """Return a piece of a text that is no Python, as a shape has it."""
    if word[0].isdigit():
        return "n"
    if word[0] in "'\"":
        return "s"
    return "v" if word.isidentifier() and not keyword.iskeyword(word) else word


def own_names(tree: ast.AST) -> set[str]:
    """Return the names that a cell gives: what it assigns, defines, or takes as an argument."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.alias) and node.asname:
            names.add(node.asname)
    return names


def without_docstrings(text: str) -> str:
    """Return a source with empty lines in place of its docstrings. Raises SyntaxError."""
    lines = text.split("\n")
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            continue
        first = node.body[0] if node.body else None
        is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and len(node.body) > 1
        if first is not None and is_text and first.end_lineno and first.end_lineno < node.body[1].lineno:
            lines[first.lineno - 1 : first.end_lineno] = [""] * (first.end_lineno - first.lineno + 1)
    return "\n".join(lines)


def grams(tokens: list[Token]) -> dict[tuple[str, ...], set[int]]:
    """Return every run of GRAM tokens, with the lines that it is found on."""
    found: dict[tuple[str, ...], set[int]] = {}
    for at in range(len(tokens) - GRAM + 1):
        run = tokens[at : at + GRAM]
        found.setdefault(tuple(token.text for token in run), set()).update(token.line for token in run)
    return found
