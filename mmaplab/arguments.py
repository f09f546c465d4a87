"""What a call of the process interface may be given: numbers, names and bytes, checked before the call begins.

An argument of a wrong kind is a mistake of the program's writer, not of the program: TypeError or ValueError, with the
value. A C program could not even say it. Everything that C can say is for the kernel to answer, simulated or live.
"""

from __future__ import annotations

from mmaplab.constants import MAX_LFS_FILESIZE, U64


def whole(name: str, value: int) -> int:
    """Return a number; raises TypeError for anything else."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}: give a whole number")
    return int(value)


def u64(name: str, value: int) -> int:
    """Return an unsigned 64-bit number; raises TypeError, or ValueError outside 0 to 2**64 - 1."""
    if not 0 <= whole(name, value) < U64:
        raise ValueError(f"{name} is {value}: give 0 to 2**64 - 1 (a C caller's -1 arrives as 2**64 - 1)")
    return int(value)


def s64(name: str, value: int) -> int:
    """Return a file offset, a signed 64-bit number; raises TypeError, ValueError."""
    if not -MAX_LFS_FILESIZE - 1 <= whole(name, value) <= MAX_LFS_FILESIZE:
        raise ValueError(f"{name} is {value}: file offsets are signed 64-bit numbers")
    return int(value)


def text(value: str) -> str:
    """Return a file's name; raises TypeError, or ValueError for one that no C string can hold."""
    if not isinstance(value, str):
        raise TypeError(f"the name of a file is {value!r}: give a string")
    if "\0" in value:
        raise ValueError(f"the name {value!r} holds a zero byte")
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ValueError(f"the name {value!r} cannot be written as bytes") from None
    return value


def octets(value: bytes) -> bytes:
    """Return bytes; raises TypeError for anything that is not bytes-like."""
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(f"data is {value!r}: give bytes, for example b'x'")
    return bytes(value)
