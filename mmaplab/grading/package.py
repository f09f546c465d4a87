"""A copy of this package for answers to run with: without the function that a question asks for.

An answer that calls the reference, or reads its text and runs it, would be right without being an answer; and a process
that has no reference cannot forge what the reference would show. An answer into which its text was pasted beforehand
is graded like any other: `mmaplab similar` compares all answers with the references. Where a kernel can live without
the function, its place is taken by the smallest one that works, so that `Kernel()` still runs; else by one that raises.
"""

from __future__ import annotations

import ast
import base64
import compileall
import contextlib
import fcntl
import marshal
import os
import shutil
import textwrap
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from types import CodeType

from mmaplab.grading.plain import Plain
from mmaplab.sim.kernel import REFERENCE

SOURCE = Path(__file__).resolve().parents[1]
HELPERS = {
    "handle_mm_fault": ("handle_pte_fault",),
    "get_unmapped_area": ("vm_unmapped_area", "unmapped_area_topdown", "unmapped_area"),
}
"""Functions of the same room that hold part of a slot's reference."""
MINIMAL = {
    "do_fault_around": "return FaultResult(0)",
    "do_writepages": """if mapping.host.i_sb.trace.pid:
    raise NotImplementedError("do_writepages is what this question asks for: it is not here")
for folio in mapping.folios() if mapping.host.i_sb.on_disk else ():
    write_folio(folio, why)""",
}
"""What stands in place of a slot's reference, where a kernel needs one: a kernel that maps nothing around a fault; and
one that puts the files of a program on the disk (`Kernel.create_file`, which runs as nobody), and nothing else."""
Room = dict[str, Plain]
PREFIX = "grading-"
NEW_SECONDS = 60
"""A folder younger than that may be one that its grader does not hold yet."""
LEFT_OUT = shutil.ignore_patterns("public", "pairs.py", "situations.py", "pairs.*.pyc", "situations.*.pyc")
"""What an answer must not find: the questions, and the rooms that know what faulty functions should have said."""


@contextmanager
def package_without(slots: Collection[str]) -> Iterator[Path]:
    """Make a folder that holds a copy of `mmaplab` without the reference functions of `slots`; removed at the end."""
    remove_forgotten()
    with TemporaryDirectory(prefix=PREFIX) as name, held(Path(name)):
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copytree(SOURCE, folder / "mmaplab", ignore=LEFT_OUT)
        for slot in sorted(slots):
            strip(folder, slot)
        compileall.compile_dir(name, quiet=2)
        for path in folder.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield folder


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a lock on a folder, which goes with this process, however it ends; flock(2)."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(fd)


def remove_forgotten() -> None:
    """Remove the folders of graders that were killed: those that nobody holds any more."""
    for folder in Path(gettempdir()).glob(f"{PREFIX}*/"):
        with contextlib.suppress(OSError):
            if (folder / "mmaplab").is_dir() and time.time() - folder.stat().st_ctime > NEW_SECONDS:
                with held(folder):
                    shutil.rmtree(folder, ignore_errors=True)


def strip(folder: Path, slot: str) -> None:
    """Replace the body of a slot's reference in the copy under `folder`; its docstring stays."""
    room = folder / room_of(slot)
    room.write_text(without_slot(room.read_text(encoding="utf-8"), slot), encoding="utf-8")
    for compiled in (room.parent / "__pycache__").glob(f"{room.stem}.*"):
        compiled.unlink()  # it holds the function still


def room_of(slot: str) -> Path:
    """Return the file of a slot's reference, from the folder that holds the package on."""
    return Path(*getattr(REFERENCE, slot).__module__.split(".")).with_suffix(".py")


def without_slot(text: str, slot: str) -> str:
    """Return a room's text without the body of a slot's reference."""
    body = MINIMAL.get(slot, f'raise NotImplementedError("{slot} is what this question asks for: it is not here")')
    for name in (getattr(REFERENCE, slot).__name__, *HELPERS.get(slot, ())):
        text = without_body(text, name, body)
    return text


def missing_rooms(folder: Path, slots: Collection[str], still_out: Collection[str]) -> list[Room]:
    """Return what gives a process that runs on `package_without(slots)` back all references but those `still_out`.

    A process needs most of its time to load the package. So one process, which has no reference, is loaded for all
    questions, and the child that is forked for one of them gets those references that it may have (serve.restore).
    """
    rooms: list[Room] = []
    for path in sorted({room_of(slot) for slot in slots}):
        text = (SOURCE.parent / path).read_text(encoding="utf-8")
        for slot in sorted(still_out):
            text = without_slot(text, slot) if room_of(slot) == path else text
        module = compile(text, str(folder / path), "exec", dont_inherit=True)
        codes: dict[str, Plain] = {item.co_name: coded(item) for item in module.co_consts if isinstance(item, CodeType)}
        name = ".".join(path.with_suffix("").parts)
        rooms.append({"module": name, "file": str(folder / path), "text": text, "codes": codes})
    return rooms


def coded(code: CodeType) -> str:
    """Return compiled code as text; the same Python reads it."""
    return base64.b64encode(marshal.dumps(code)).decode()


def without_body(text: str, name: str, body: str) -> str:
    """Return a room's text with another body for one of its functions; raises KeyError where there is none."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            lines = text.splitlines(keepends=True)
            first = node.body[1] if ast.get_docstring(node) is not None and len(node.body) > 1 else node.body[0]
            assert first.lineno and node.end_lineno
            return (
                "".join(lines[: first.lineno - 1])
                + textwrap.indent(body, "    ")
                + "\n"
                + "".join(lines[node.end_lineno :])
            )
    raise KeyError(f"there is no function {name!r}")
