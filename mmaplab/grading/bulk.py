"""Grading many submissions: find them, grade each, write down each result at once, and go on after an interruption.

out/results.jsonl     a line for each graded submission, written as soon as it is graded: what --resume goes on from
out/scores.json, scores.csv, index.html, pages/*.html     made from it at the end
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path, PurePosixPath
from typing import TextIO

from mmaplab.grading.package import package_without
from mmaplab.grading.plain import Plain
from mmaplab.grading.report import write_reports
from mmaplab.grading.runner import Grader, Result, SandboxFailed, package_for
from mmaplab.grading.sandbox import UNPROTECTED, Limits, Protection, find_protection
from mmaplab.grading.submission import MOST_BYTES, Assignment, assignment_of

MOST_ENTRIES = 20_000
"""The most files that a zip may hold."""


class CannotGrade(Exception):
    """Grading cannot start; the message says why and what to do."""


@dataclass(frozen=True)
class Found:
    """A submission, or what stands in its place: `complaint` says why it has no bytes."""

    name: str
    read: Callable[[], bytes]
    complaint: str = ""


@dataclass(frozen=True)
class Summary:
    """How it went: number of submissions, and of those that could not be graded."""

    out: Path
    graded: int
    broken: int
    kept: int
    protection: str

    def text(self) -> str:
        """Return the summary in two lines."""
        parts = [f"{self.graded} submissions graded"]
        parts += [f"{self.kept} of them before the interruption"] * bool(self.kept)
        parts += [f"{self.broken} could not be read"] * bool(self.broken)
        return f"{', '.join(parts)}. Report: {self.out / 'index.html'}\nProtection: {self.protection}."


def grade_all(
    submissions: Path,
    out: Path,
    solutions: Path,
    jobs: int = 1,
    limits: Limits | None = None,
    resume: bool = False,
    allow_unprotected: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> Summary:
    """Grade every submission and write the report into `out`. Raises CannotGrade.

    `jobs` submissions are graded at a time. Interrupted, it can be called again with `resume`.
    """
    assignments = load_assignments(solutions)
    protection = choose_protection(allow_unprotected)
    found = sorted(find_submissions(submissions), key=lambda item: item.name)
    if not found:
        raise CannotGrade(f"there is no notebook in {submissions}")
    out.mkdir(parents=True, exist_ok=True)
    stamp = stamp_of(solutions, limits or Limits())
    done = earlier(out / "results.jsonl", stamp) if resume else {}
    with ExitStack() as stack, new_book(out / "results.jsonl", stamp, done.values()) as book:
        packages = {slot: stack.enter_context(package_without({slot} - {""})) for slot in slots_of(assignments)}
        grader = Grader(assignments, protection, limits or Limits(), packages)
        results = dict(done)
        wanted = {item.name for item in found}
        left = [item for item in found if not is_done(item, done)]
        try:
            for number, result in enumerate(graded(grader, left, jobs), len(found) - len(left) + 1):
                write_down(book, result)
                results[str(result["name"])] = result
                say(f"[{number}/{len(found)}] {result['name']}: {told_result(result)}")
        except SandboxFailed as error:
            raise CannotGrade(f"{error}. What is graded is kept: go on with --resume") from None
    ordered = [results[name] for name in sorted(wanted & results.keys())]
    write_reports(out, ordered, protection.sentence)
    broken = sum(bool(result["broken"]) for result in ordered)
    return Summary(out, len(ordered), broken, len(found) - len(left), protection.sentence)


def told_result(result: Result) -> str:
    """Return one result in a few words."""
    return str(result["broken"]) or f"{result['points']} of {result['max']}"


def choose_protection(allow_unprotected: bool) -> Protection:
    """Return the protection that works here; raises CannotGrade where none does and none was not allowed."""
    protection = find_protection()
    if protection is None and not allow_unprotected:
        raise CannotGrade(
            "this machine offers no sandbox (bubblewrap, or namespaces by unshare), so answers could read your files "
            "and use the network. Install bubblewrap, or grade all the same with --allow-unprotected"
        )
    return protection or UNPROTECTED


def load_assignments(solutions: Path) -> list[Assignment]:
    """Return the assignments whose masters are in a folder; raises CannotGrade."""
    try:
        from mmaplab.grading.release import exercise_of
    except ImportError as error:
        raise CannotGrade(f"nbgrader is needed for its rules ({error}): pip install 'mmaplab[instructor]'") from None
    masters = sorted(solutions.glob("*.ipynb"))
    if not masters:
        raise CannotGrade(f"there are no masters in {solutions}: say where they are with --solutions")
    texts = [(path.stem, path.read_text(encoding="utf-8")) for path in masters]
    return [assignment_of(name, text, exercise_of(text)) for name, text in texts]


def slots_of(assignments: Sequence[Assignment]) -> list[str]:
    """Return the slots whose reference must be taken out for some test, and '' for the whole package."""
    tests = [test for assignment in assignments for question in assignment.questions for test in question.tests]
    return sorted({"", *(package_for(test) for test in tests)})


# ---------------------------------------------------------------- the units of work


def graded(grader: Grader, items: Sequence[Found], jobs: int) -> Iterator[Result]:
    """Grade submissions, `jobs` at a time; yields each result when it is ready."""
    if jobs <= 1:
        for item in items:
            yield grade_one(grader, item.name, *content(item))
        return
    left = iter(items)
    with ProcessPoolExecutor(jobs, mp_context=get_context("fork")) as pool:
        try:
            waiting = {pool.submit(grade_one, grader, i.name, *content(i)) for i in islice(left, 2 * jobs)}
            while waiting:
                ready, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                waiting |= {pool.submit(grade_one, grader, i.name, *content(i)) for i in islice(left, len(ready))}
                yield from (future.result() for future in ready)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def grade_one(grader: Grader, name: str, data: bytes, complaint: str) -> Result:
    """The unit of work: one submission, from bytes to result."""
    if complaint:
        return {
            "name": name,
            "sha256": hashlib.sha256(data).hexdigest(),
            "broken": complaint,
            "notes": [],
            "assignment": "",
            "points": 0,
            "max": 0,
            "questions": [],
        }
    return grader.grade(data, name)


def content(item: Found) -> tuple[bytes, str]:
    """Return a submission's bytes and a complaint, one of them empty."""
    if item.complaint:
        return b"", item.complaint
    try:
        return item.read(), ""
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, ValueError) as error:
        return b"", f"The file cannot be read: {error}."


# ---------------------------------------------------------------- finding


def find_submissions(path: Path) -> Iterator[Found]:
    """Yield the notebooks of a file, a folder or a zip; raises CannotGrade where there is no such thing."""
    if path.is_dir():
        yield from in_folder(path)
    elif path.suffix.lower() == ".zip":
        yield from in_zip(path)
    elif path.is_file():
        yield Found(path.name, lambda: read_limited(path))
    else:
        raise CannotGrade(f"there is no file or folder {path}")


def in_folder(folder: Path) -> Iterator[Found]:
    """Yield the notebooks below a folder; links are not followed."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(files):
            path = Path(place) / file
            if path.suffix.lower() != ".ipynb":
                continue
            name = str(path.relative_to(folder))
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                yield Found(name, bytes, "This is a symbolic link, not a file; links are not followed.")
            elif not stat.S_ISREG(mode):
                yield Found(name, bytes, "This is no regular file.")
            else:
                yield Found(name, lambda path=path: read_limited(path))  # type: ignore[misc]


def read_limited(path: Path) -> bytes:
    """Return the beginning of a file, one byte more than may be read of a notebook."""
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(fd, "rb") as file:
        return file.read(MOST_BYTES + 1)


def in_zip(path: Path) -> Iterator[Found]:
    """Yield the notebooks in a zip; nothing is unpacked to the disk. Raises CannotGrade for a broken one."""
    try:
        archive = zipfile.ZipFile(path)
        entries = archive.infolist()
    except (zipfile.BadZipFile, OSError) as error:
        raise CannotGrade(f"{path} is not a zip that can be read: {error}") from None
    if len(entries) > MOST_ENTRIES:
        raise CannotGrade(f"{path} holds {len(entries):,} files; at most {MOST_ENTRIES:,} are read")
    seen: set[str] = set()
    for entry in entries:
        place = PurePosixPath(entry.filename.replace("\\", "/"))
        if entry.is_dir() or place.suffix.lower() != ".ipynb" or place.parts[0] == "__MACOSX":
            continue
        if ".ipynb_checkpoints" in place.parts:
            continue
        name = str(place) if str(place) not in seen else f"{place} ({len(seen)})"
        seen.add(name)
        yield Found(name, lambda entry=entry: read_entry(archive, entry), complaint_about(entry, place))  # type: ignore[misc]


def complaint_about(entry: zipfile.ZipInfo, place: PurePosixPath) -> str:
    """Return the sentence for an entry that must not be read, '' for one that may."""
    if place.is_absolute() or ".." in place.parts or ":" in place.parts[0]:
        return "The name leads out of the zip's folder; such an entry is not read."
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "This is a symbolic link, not a file; links are not followed."
    if entry.flag_bits & 1:
        return "The entry is encrypted."
    return ""


def read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Return the beginning of an entry, however much it says or claims to hold."""
    with archive.open(entry) as file:
        return file.read(MOST_BYTES + 1)


# ---------------------------------------------------------------- the book of results


def new_book(path: Path, stamp: str, done: Iterable[Result]) -> TextIO:
    """Put a new book, which begins with what is done, in the place of the old one; returns it, open at its end."""
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as book:
        write_down(book, {"stamp": stamp})
        for result in done:
            write_down(book, result)
    fresh.replace(path)
    return path.open("a", encoding="utf-8")


def write_down(book: TextIO, result: Mapping[str, Plain]) -> None:
    """Append a line to the book, so that it stays when this process is killed."""
    book.write(json.dumps(result, ensure_ascii=True) + "\n")
    book.flush()


def earlier(path: Path, stamp: str) -> dict[str, Result]:
    """Return the results of an earlier run by name; none where masters or limits have changed since.

    A last line that was cut off by the interruption is left out.
    """
    results: dict[str, Result] = {}
    if not path.is_file():
        return results
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines[:-1]):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if number == 0:
            if entry.get("stamp") != stamp:
                return {}
            continue
        results[entry["name"]] = entry
    return results


def is_done(item: Found, done: dict[str, Result]) -> bool:
    """Was this very submission graded before?"""
    if item.name not in done:
        return False
    data, complaint = content(item)
    entry = done[item.name]
    return entry["sha256"] == hashlib.sha256(data).hexdigest() and (not complaint or entry["broken"] == complaint)


def stamp_of(solutions: Path, limits: Limits) -> str:
    """Return what must be the same for results to be kept: masters and limits."""
    digest = hashlib.sha256(repr(limits).encode())
    for path in sorted(solutions.glob("*.ipynb")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
