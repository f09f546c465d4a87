"""Names for the addresses and descriptors that a program's calls return.

    a = p.mmap(0, 8192, ...)      b = p.mmap(...)      fd = p.open("f")      child = p.fork()
    p.store(a+0x1000, b"x")       what lies in or near a mapping is written with its name, the newest first

A name stays when its mapping has gone: a load from there is still a load from `a`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from mmaplab.calls import ADDRESSES, PARAMETERS, Argument, Call, Name, Outcome
from mmaplab.constants import PAGE_MASK, PAGE_SIZE

NEAR = 1 << 20
"""An address this close to a named mapping (bytes) is still written with its name."""
Place = tuple[int, str]
"""Where a mapping begins, and its name."""


class Newest:
    """Which of many ranges that was put in last holds an address: each one covers what was there before."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        """Where the pieces begin that are still seen, sorted; none overlaps another."""
        self.pieces: list[tuple[int, Place]] = []
        """Where each of them ends, and what it is a piece of."""

    def put(self, start: int, end: int, what: Place) -> None:
        """Put a range over all others."""
        first, last = max(bisect_right(self.starts, start) - 1, 0), bisect_left(self.starts, end)
        left = []
        for begin, (stop, other) in zip(self.starts[first:last], self.pieces[first:last], strict=True):
            left += [(begin, (min(stop, start), other)), (max(begin, end), (stop, other))]
        seen = sorted([(begin, piece) for begin, piece in left if begin < piece[0]] + [(start, (end, what))])
        self.starts[first:last] = [begin for begin, _ in seen]
        self.pieces[first:last] = [piece for _, piece in seen]

    def at(self, addr: int) -> Place | None:
        """Return the newest range that holds an address."""
        i = bisect_right(self.starts, addr) - 1
        return self.pieces[i][1] if i >= 0 and addr < self.pieces[i][0] else None


class Namer:
    """Gives names to what calls return, and finds the names in what they are given later."""

    def __init__(self) -> None:
        self.inside, self.near = Newest(), Newest()
        """What mmap, mremap and brk gave: by its own addresses, and by those close to it."""
        self.descriptors: dict[int, str] = {}
        self.given: dict[str, int] = {}

    def symbolic(self, who: str, name: str, args: Sequence[object]) -> Call:
        """Return the call with names in place of the addresses and descriptors that have one."""
        named = tuple(self._argument(p, arg) for p, arg in zip(PARAMETERS[name], args, strict=True))
        return Call(who, name, named, self._names_of_result(name, named))

    def learn(self, call: Call, args: Sequence[object], outcome: Outcome) -> Call:
        """Take note of what a call gave; returns the call with the names that its result has in the end."""
        if call.name == "close" and outcome.ok:
            self.descriptors.pop(cast(int, args[0]), None)
        if not call.gives or not outcome.ok:
            return replace(call, gives=())
        values = outcome.value if isinstance(outcome.value, tuple) else (outcome.value,)
        if call.name in ("open", "dup", "pipe", "memfd_create"):
            self.descriptors.update(zip(cast("tuple[int, ...]", values), call.gives, strict=True))
        elif call.name != "fork":
            return self._learn_mapping(call, args, cast(int, values[0]))
        self._count(call.gives)
        return call

    def name_of(self, addr: int) -> str | None:
        """Return `a+0x1000` for an address in or near a named mapping, the newest first; else None."""
        name = self._named_address(addr)
        return str(name) if name else None

    def _argument(self, parameter: str, arg: object) -> Argument:
        if isinstance(arg, bytes | str):
            return arg
        if isinstance(arg, bytearray | memoryview):
            return bytes(arg)
        if not hasattr(arg, "__index__"):
            raise TypeError(f"{parameter} is {arg!r}: give a number, a string or bytes")
        value = int(cast(int, arg))
        if parameter == "fd" and value in self.descriptors:
            return Name(self.descriptors[value])
        return (self._named_address(value) if parameter in ADDRESSES else None) or value

    def _named_address(self, addr: int) -> Name | None:
        found = self.inside.at(addr) or self.near.at(addr)
        return Name(found[1], addr - found[0]) if found else None

    def _names_of_result(self, name: str, args: tuple[Argument, ...]) -> tuple[str, ...]:
        if name == "pipe":
            return (self._fresh("r"), self._fresh("w"))
        if name in ("open", "dup", "memfd_create"):
            return (self._fresh("fd"),)
        if name == "fork":
            return (self._fresh("child"),)
        if name == "brk" and args == (0,):
            return (self._fresh("heap"),)
        return (self._letter(),) if name in ("mmap", "mremap") else ()

    def _learn_mapping(self, call: Call, args: Sequence[object], start: int) -> Call:
        """A result that was asked for by address needs no name of its own: it is `a+0x1000` already."""
        if start in args and self._named_address(start):
            return replace(call, gives=())
        length = PAGE_SIZE if call.name == "brk" else cast(int, args[2 if call.name == "mremap" else 1])
        end = start + max(PAGE_SIZE, length + PAGE_SIZE - 1 & PAGE_MASK)
        self.inside.put(start, end, (start, call.gives[0]))
        self.near.put(start - NEAR, end + NEAR, (start, call.gives[0]))
        self._count(call.gives)
        return call

    def _count(self, names: Sequence[str]) -> None:
        for name in names:
            stem = name.rstrip("0123456789")
            self.given[stem] = self.given.get(stem, 0) + 1

    def _fresh(self, stem: str) -> str:
        number = self.given.get(stem, 0) + 1
        return stem if number == 1 else f"{stem}{number}"

    def _letter(self) -> str:
        """Return the next of a, b, ..., z, a2, b2, ... without the p, which is the process."""
        letters = "abcdefghijklmnoqstuvxyz"
        number = sum(self.given.get(letter, 0) for letter in letters)
        rounds, at = divmod(number, len(letters))
        return letters[at] + (str(rounds + 1) if rounds else "")
