"""Finding submissions: in a notebook, a folder of them, or a zip as a course's web site exports it.

Nothing is unpacked to the disk, no link is followed, and of no file more is read than a notebook may have. A file that
is no notebook is somebody's hand-in, too, and gets a sentence; but what lies beside one notebook in a folder of its own
belongs to that, and what operating systems and Jupyter leave about is nobody's.
"""

from __future__ import annotations

import os
import re
import stat
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePosixPath

from mmaplab.grading.submission import MOST_BYTES

MOST_ENTRIES = 20_000
"""The most files that a zip may hold."""
CLUTTER = ("__MACOSX", ".ipynb_checkpoints", "__pycache__", "Thumbs.db", "desktop.ini")
"""What nobody has handed in."""
ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz")
DRIVE = re.compile(r"^[A-Za-z]:[\\/]")


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
    except Exception as error:  # zlib, lzma and zipfile raise a dozen kinds of them for damaged entries
        return b"", f"The file cannot be read: {str(error) or type(error).__name__}."


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
    """Yield the hand-ins below a folder; links are not followed."""
    paths: list[Path] = []
    for above, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths += [Path(above) / file for file in sorted(files)]
    places = [PurePosixPath(path.relative_to(folder).as_posix()) for path in paths]
    own = folders_of_one(places)
    if sum(map(is_notebook, places)) == 1:  # then the folder is one hand-in
        own.add(PurePosixPath("."))
    for path, place in zip(paths, places, strict=True):
        if is_notebook(place) and not is_clutter(place):
            yield found_file(path, str(place))
        elif not is_clutter(place) and own.isdisjoint(place.parents):
            yield Found(str(place), bytes, no_notebook(place))


def found_file(path: Path, name: str) -> Found:
    """Return a file that has a notebook's name."""
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return Found(name, bytes, "This is a symbolic link, not a file; links are not followed.")
    if not stat.S_ISREG(mode):
        return Found(name, bytes, "This is no regular file.")
    return Found(name, lambda: read_limited(path))


def is_notebook(place: PurePosixPath) -> bool:
    """Has it a notebook's name?"""
    return place.suffix.lower() == ".ipynb"


def no_notebook(place: PurePosixPath) -> str:
    """Return the sentence for a file that is no notebook."""
    what = "An archive inside is not opened" if place.suffix.lower() in ARCHIVES else "This is no notebook"
    return f"{what}: only files whose names end in .ipynb are graded."


def is_clutter(place: PurePosixPath) -> bool:
    """Has nobody handed this in?"""
    return any(part in CLUTTER for part in place.parts) or (place.name.startswith(".") and not is_notebook(place))


def folders_of_one(places: Sequence[PurePosixPath]) -> set[PurePosixPath]:
    """Return the folders that hold one notebook, as one learner's folder does: what lies beside it belongs to it."""
    held = Counter(place.parent for place in places if is_notebook(place))
    return {folder for folder, count in held.items() if count == 1} - {PurePosixPath("."), PurePosixPath("/")}


def read_limited(path: Path) -> bytes:
    """Return the beginning of a file, one byte more than may be read of a notebook."""
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(fd, "rb") as file:
        return file.read(MOST_BYTES + 1)


def in_zip(path: Path) -> Iterator[Found]:
    """Yield the hand-ins in a zip; nothing is unpacked to the disk. Raises CannotGrade for a broken one."""
    try:
        archive = zipfile.ZipFile(path)
        entries = archive.infolist()
    except Exception as error:  # as in `content`
        raise CannotGrade(f"{path} is not a zip that can be read: {error}") from None
    if len(entries) > MOST_ENTRIES:
        raise CannotGrade(f"{path} holds {len(entries):,} files; at most {MOST_ENTRIES:,} are read")
    seen: set[str] = set()
    entries = [entry for entry in entries if not entry.is_dir()]
    places = [PurePosixPath(entry.filename.replace("\\", "/")) for entry in entries]
    own = folders_of_one(places)
    for entry, place in zip(entries, places, strict=True):
        if is_clutter(place) or not (is_notebook(place) or own.isdisjoint(place.parents)):
            continue
        name = next(name for name in names_for(place) if name not in seen)
        seen.add(name)
        complaint = complaint_about(entry, place)
        yield Found(name, lambda entry=entry: read_entry(archive, entry), complaint)  # type: ignore[misc]


def names_for(place: PurePosixPath) -> Iterator[str]:
    """Yield names for an entry: a zip may hold several of one name."""
    yield str(place)
    yield from (f"{place} ({number})" for number in count(1))


def complaint_about(entry: zipfile.ZipInfo, place: PurePosixPath) -> str:
    """Return the sentence for an entry that must not be read, '' for one that may."""
    if place.is_absolute() or ".." in place.parts or DRIVE.match(entry.filename):
        return "The name leads out of the zip's folder; such an entry is not read."
    if not is_notebook(place):
        return no_notebook(place)
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "This is a symbolic link, not a file; links are not followed."
    if entry.flag_bits & 1:
        return "The entry is encrypted."
    return ""


def read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Return the beginning of an entry, however much it says or claims to hold."""
    with archive.open(entry) as file:
        return file.read(MOST_BYTES + 1)
