"""The API reference, from the docstrings: for every public name its purpose, units, errors and source.

    text(Path())        as written into docs/reference.md

Nothing is imported to write it: griffe reads the sources. A name is told once, where its module is the first in PUBLIC
that has it; later modules refer to that place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import griffe

PUBLIC = (
    "mmaplab",
    "mmaplab.interface",
    "mmaplab.constants",
    "mmaplab.sim",
    "mmaplab.sim.slots",
    "mmaplab.real",
    "mmaplab.twin",
    "mmaplab.ledger",
    "mmaplab.outcomes",
    "mmaplab.costmodel",
    "mmaplab.grading",
    "mmaplab.exercise",
    "mmaplab.notebook",
)
"""The modules that others may build on, in the order of the reference."""

EXCEPTION = r"(?:[A-Z][A-Za-z]*(?:Error|Fault|Signal|Died|Hung)|NotAvailable|NotMeasurable|KeyboardInterrupt)"
ERRNO = r"\bE(?:[A-Z]{3,}|2BIG|IO)\b"
SOURCES = (r"[a-z_]\w*\(\d\)", r"(?:mm|fs|arch|kernel|lib|ipc|include)/[\w./-]+\.[ch](?:: \w+)?", r"/proc/[\w/-]+")
"""How a docstring names its source: a man page, a file of Linux with its function, a file of /proc."""
HEAD = """# Reference

Made by `make docs` from the docstrings; a test keeps it so. Addresses, lengths and offsets are in bytes unless a name
says otherwise (`_pages`, `_seconds`). *Errors* are those that the docstring promises; a call of a process raises
besides what Linux would: `OSError` with Linux's errno, and for a load or a store a `FatalSignal`.
"""


@dataclass(frozen=True)
class Entry:
    """One public name: `module` and `name` are where it is offered, `path` where it is written."""

    module: str
    name: str
    path: str
    kind: str
    signature: str
    doc: str
    file: str
    members: tuple[Entry, ...] = ()

    @property
    def purpose(self) -> str:
        """The first sentence block of the docstring, on one line."""
        return " ".join(self.doc.partition("\n\n")[0].split())

    @property
    def rest(self) -> str:
        """What the docstring says after its purpose: units, conditions."""
        return self.doc.partition("\n\n")[2].strip()

    @property
    def errors(self) -> list[str]:
        """The exceptions that the docstring names, then the errnos of its system calls."""
        return list(dict.fromkeys(re.findall(rf"\b{EXCEPTION}\b", self.doc) + re.findall(ERRNO, self.doc)))

    @property
    def sources(self) -> list[str]:
        """The man pages and kernel functions that the docstring names."""
        return list(dict.fromkeys(found for form in SOURCES for found in re.findall(form, self.doc)))


def entries(root: Path) -> dict[str, list[Entry]]:
    """Return the public names of each module of PUBLIC, as the sources under `root` have them."""
    package = griffe.load("mmaplab", search_paths=[str(root)], allow_inspection=False, resolve_aliases=True)
    assert isinstance(package, griffe.Module)
    found = {}
    for path in PUBLIC:
        inside = path.removeprefix("mmaplab").strip(".")
        module = package[inside] if inside else package
        names = offered(module)
        found[path] = [entry(path, name, module.members[name], root) for name in names]
    return found


def offered(module: griffe.Object) -> list[str]:
    """Return what a module offers: its `__all__`, or what it defines itself and does not hide."""
    if module.exports is not None:
        return [str(name) for name in module.exports]
    own = [name for name, member in module.members.items() if not member.is_alias and not name.startswith("_")]
    return [name for name in own if module.members[name].docstring]


def entry(module: str, name: str, found: griffe.Object | griffe.Alias, root: Path) -> Entry:
    """Return a name's entry; an alias is followed to where it is written."""
    target = behind(found)
    doc = target.docstring.value.strip() if target.docstring else ""
    file = Path(str(target.filepath)).relative_to(root.absolute()).as_posix()
    inner = tuple(members(module, target, root)) if target.is_class else ()
    return Entry(module, name, target.path, target.kind.value, signature(target), doc, file, inner)


def behind(found: griffe.Object | griffe.Alias) -> griffe.Object:
    """Return what a name stands for, where it is written."""
    return found.final_target if isinstance(found, griffe.Alias) else found


def members(module: str, of: griffe.Object, root: Path) -> Iterator[Entry]:
    """Yield the public methods and properties of a class, its own and inherited, that have a docstring."""
    for name, member in of.all_members.items():
        target = behind(member)
        if not name.startswith("_") and target.docstring and (target.is_function or target.is_attribute):
            yield entry(module, name, target, root)


def signature(of: griffe.Object) -> str:
    """Return how a name is called: its parameters without their types, with defaults that are short."""
    if of.is_class and "__init__" in of.members:
        of = behind(of.members["__init__"])
    if isinstance(of, griffe.Attribute):
        return f" = {of.value}" if of.value is not None and "property" not in of.labels else ""
    parameters = getattr(of, "parameters", None)
    if parameters is None:
        return ""
    return f"({', '.join(_parameter(one) for one in parameters if one.name not in ('self', 'cls'))})"


def _parameter(one: griffe.Parameter) -> str:
    star = {"variadic positional": "*", "variadic keyword": "**"}.get(one.kind.value if one.kind else "", "")
    default = "" if one.default is None or star else f"={one.default}"
    return f"{star}{one.name}{default if len(default) <= 24 else '=...'}"


# ---------------------------------------------------------------- as Markdown


def text(root: Path) -> str:
    """Return the whole reference in Markdown."""
    told: dict[str, str] = {}
    parts = [HEAD]
    for module, names in entries(root).items():
        parts.append(f"## `{module}`\n")
        for one in names:
            if one.path in told:
                there = told[one.path]
                parts.append(f"- `{one.name}`: see [`{there}.{one.name}`](#{anchor(there, one.name)})\n")
            else:
                told[one.path] = module
                parts.append(section(one))
    return "\n".join(parts)


def anchor(module: str, name: str) -> str:
    """Return the link target of a name's section: the heading's text, as viewers of Markdown make it."""
    return f"{module}.{name}".replace(".", "").lower()


def section(one: Entry) -> str:
    """Return the section of a name."""
    lines = [f"### `{one.module}.{one.name}`\n"]
    if one.signature:
        lines.append(f"    {one.name}{one.signature}\n")
    lines.append(f"{one.purpose or 'A number or a text; its value is above.'}\n")
    if one.rest:
        lines.append(f"{one.rest}\n")
    errors = ", ".join(f"`{name}`" for name in one.errors) or "none of its own"
    sources = ", ".join(f"`{name}`" for name in one.sources)
    lines.append(f"*Errors:* {errors}. *Source:* {f'{sources}; ' if sources else ''}`{one.file}`.\n")
    if one.members:
        lines += ["| | |", "| --- | --- |"]
        for inner in one.members:
            lines.append(f"| `{inner.name}{inner.signature}` | {' '.join(inner.doc.split()).replace('|', '&#124;')} |")
        lines.append("")
    return "\n".join(lines)
