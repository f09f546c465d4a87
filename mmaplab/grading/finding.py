"""Finding submissions: in a notebook, a folder of them, or a zip as a course's web site exports it.

Nothing is unpacked to the disk, no link is followed, and of no file more is read than a notebook may have.
"""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mmaplab.grading.submission import MOST_BYTES

MOST_ENTRIES = 20_000
"""The most files that a zip may hold."""


class CannotGrade(Exception):
    """Grading cannot start, or cannot go on; the message says why and what to do."""


@dataclass(frozen=True)
class Found:
    """A submission, or what stands in its place: `complaint` says why it has no bytes."""

    name: str
    read: Callable[[], bytes]
    complaint: str = ""


def content(item: Found) -> tuple[bytes, str]:
    """Return a submission's bytes and a complaint, one of them empty."""
    if item.complaint:
        return b"", item.complaint
    try:
        return item.read(), ""
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, ValueError) as error:
        return b"", f"The file cannot be read: {error}."


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
