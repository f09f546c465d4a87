"""What the live kernel takes beside mmaplab.arguments: descriptors of the worker, and names in one flat directory."""

from __future__ import annotations

import errno

from mmaplab.arguments import text, whole


def descriptor(fd: int) -> int:
    """Return a descriptor; -1 for 0 to 2 (which belong to the worker) and for what no descriptor can be."""
    return int(fd) if 3 <= whole("fd", fd) < 2**31 else -1


def is_plain(path: str) -> bool:
    """Return whether a string can name a file in a kernel's flat directory."""
    return bool(text(path)) and "/" not in path and path not in (".", "..")


def plain_name(path: str) -> str:
    """Return the name of a file that is to be made; raises TypeError, ValueError."""
    if not is_plain(path):
        raise ValueError(f"{path!r} is no name of a file here: names live in one flat directory, without '/'")
    return path


def existing_name(path: str) -> bytes:
    """Return the name of a file as a C string; raises ENOENT for what cannot be one, TypeError, ValueError."""
    if not is_plain(path):
        raise OSError(errno.ENOENT, f"{path!r}: files live in one flat directory, a name has no '/'")
    return c_string(path)


def c_string(name: str) -> bytes:
    """Return a name with the zero byte that ends it in C; raises TypeError, ValueError."""
    return text(name).encode("utf-8", "surrogateescape") + b"\0"
