"""What a call may be given: numbers, bytes and names, checked before they reach the kernel."""

from __future__ import annotations

import errno


def whole(name: str, value: int) -> int:
    """Return a number; raises TypeError for anything else."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}: give a whole number")
    return int(value)


def u64(name: str, value: int) -> int:
    """Return an unsigned 64-bit number; raises TypeError, or ValueError outside 0 to 2**64 - 1."""
    if not 0 <= whole(name, value) < 2**64:
        raise ValueError(f"{name} is {value}: give 0 to 2**64 - 1 (a C caller's -1 arrives as 2**64 - 1)")
    return int(value)


def offset64(value: int, name: str = "offset") -> int:
    """Return a file offset, a signed 64-bit number; raises TypeError, ValueError."""
    if not -(2**63) <= whole(name, value) < 2**63:
        raise ValueError(f"{name} is {value}: file offsets are signed 64-bit numbers")
    return int(value)


def descriptor(fd: int) -> int:
    """Return a descriptor; -1 for 0 to 2 (which belong to the worker) and for what no descriptor can be."""
    return int(fd) if 3 <= whole("fd", fd) < 2**31 else -1


def octets(value: bytes) -> bytes:
    """Return bytes; raises TypeError for anything that is not bytes-like."""
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(f"data is {value!r}: give bytes, for example b'x'")
    return bytes(value)


def text(name: str) -> str:
    """Return a name; raises TypeError, or ValueError for one with a zero byte."""
    if not isinstance(name, str):
        raise TypeError(f"the name of a file is {name!r}: give a string")
    if "\0" in name:
        raise ValueError(f"the name {name!r} holds a zero byte")
    return name


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
