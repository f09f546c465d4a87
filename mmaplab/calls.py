"""A call of a program as data: it can be run on either kernel, compared, and written as Python.

    a = p.mmap(0, 0x2000, PROT_READ, MAP_PRIVATE, fd)          Call("p", "mmap", (0, 8192, 1, 2, Name("fd"), 0), "a")
    p.load(a + 0x1000)                                         Call("p", "load", (Name("a", 4096), 1))

A call names the addresses, descriptors and processes that earlier calls gave: `a`, `fd`, `child`. Each kernel has its
own values for the names, so one list of calls runs on two kernels that place their areas differently.
"""

from __future__ import annotations

import errno
import inspect
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from mmaplab.constants import MAP_TYPE, Madv, Map, Mremap, Ms, Open, Prot, Rlimit
from mmaplab.interface import FatalSignal, Kernel, Process, Stat


@dataclass(frozen=True, slots=True)
class Name:
    """A value that an earlier call gave, plus an offset in bytes: `a+0x1000`."""

    name: str
    offset: int = 0

    def __str__(self) -> str:
        return self.name if not self.offset else f"{self.name}{self.offset:+#x}"


Argument = int | str | bytes | Name


@dataclass(frozen=True, slots=True)
class Call:
    """A call: `who` is the name of a process (or `kernel`), `gives` the names that its result is given."""

    who: str
    name: str
    args: tuple[Argument, ...] = ()
    gives: tuple[str, ...] = ()

    def __str__(self) -> str:
        return call_text(self)

    @property
    def needs(self) -> set[str]:
        """The names that must have a value before the call can be made."""
        return {self.who} | {arg.name for arg in self.args if isinstance(arg, Name)}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended: with a `value`, with an `error`, or not made at all (`missing` is the name without a value).

    An `error` that is neither an OSError nor a FatalSignal means that the kernel itself, or its worker, broke.
    """

    value: object = None
    error: Exception | None = None
    missing: str = ""

    @property
    def ok(self) -> bool:
        """Did the call return?"""
        return self.error is None and not self.missing


def perform(call: Call, names: MutableMapping[str, object]) -> Outcome:
    """Make a call with this kernel's values of the names, and give the result its names.

    A call whose names have no value (since the call that gives them failed) is not made.
    """
    for name in call.gives:
        names.pop(name, None)
    missing = sorted(call.needs - names.keys())
    if missing:
        return Outcome(missing=missing[0])
    args = [resolve(arg, names) for arg in call.args]
    try:
        value = getattr(names[call.who], call.name)(*args)
    except (OSError, FatalSignal) as error:
        return Outcome(error=error)
    names.update(zip(call.gives, value if isinstance(value, tuple) else (value,), strict=False))
    return Outcome(value)


def resolve(arg: Argument, names: Mapping[str, object]) -> int | str | bytes:
    """Return the value of an argument; addresses wrap round at 2**64 as in C."""
    if not isinstance(arg, Name):
        return arg
    value = names[arg.name]
    assert isinstance(value, int), f"{arg.name} is not an address or a descriptor"
    return (value + arg.offset) % 2**64 if arg.offset else value


# ---------------------------------------------------------------- the interface's signatures


def _signatures() -> dict[str, inspect.Signature]:
    """Return the signature of every call of both protocols, without `self`; it decides what a call's arguments mean."""
    found = {}
    for protocol in (Kernel, Process):
        for name, method in vars(protocol).items():
            if not name.startswith("_") and inspect.isfunction(method):
                signature = inspect.signature(method)
                found[name] = signature.replace(parameters=list(signature.parameters.values())[1:])
    found["close"] = inspect.signature(lambda fd: None)  # Process.close; a kernel's close ends everything
    return found


SIGNATURES = _signatures()
PARAMETERS = {name: tuple(signature.parameters) for name, signature in SIGNATURES.items()}
ADDRESSES = {"addr", "old_address", "new_address"}
"""Names of the parameters that are addresses."""
LAYOUT_CALLS = {"mmap", "munmap", "mprotect", "mremap", "madvise", "mlock", "munlock", "brk", "fork", "unlink"}
"""The calls after which `maps()` may differ."""


def arguments(name: str, args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[object, ...]:
    """Return the arguments of a call in order, defaults filled in; TypeError where they do not fit."""
    bound = SIGNATURES[name].bind(*args, **kwargs)
    bound.apply_defaults()
    return tuple(bound.arguments.values())


# ---------------------------------------------------------------- written as Python

SPELLINGS: dict[tuple[str, str], type[IntFlag] | type[IntEnum]] = {
    ("mmap", "prot"): Prot,
    ("mmap", "flags"): Map,
    ("mprotect", "prot"): Prot,
    ("mremap", "flags"): Mremap,
    ("msync", "flags"): Ms,
    ("madvise", "advice"): Madv,
    ("open", "flags"): Open,
    ("setrlimit", "resource"): Rlimit,
}
"""Which arguments are written with the C names of which class."""


def call_text(call: Call, brief: bool = False) -> str:
    """Return the call as a line of Python; `brief` shortens long data, so that the line can only be read."""
    defaults = [p.default for p in SIGNATURES[call.name].parameters.values()]
    args = list(call.args)
    while args and args[-1] == defaults[len(args) - 1]:
        args.pop()
    texts = [argument_text(call.name, i, arg, brief) for i, arg in enumerate(args)]
    target = ", ".join(call.gives) + " = " if call.gives else ""
    return f"{target}{call.who}.{call.name}({', '.join(texts)})"


def argument_text(call: str, position: int, arg: Argument, brief: bool = False) -> str:
    """Return one argument as Python: `PROT_READ | PROT_WRITE`, `a+0x1000`, `0x2000`, `b"A" * 4096`."""
    parameter = PARAMETERS[call][position]
    if isinstance(arg, bytes):
        return bytes_text(arg, brief)
    if isinstance(arg, str):
        return repr(arg)
    if isinstance(arg, Name):
        return str(arg)
    if (call, parameter) in SPELLINGS:
        return constant_text(SPELLINGS[call, parameter], arg)
    return number_text(arg)


def number_text(value: int) -> str:
    """Return a number as a reader of page addresses likes it: hexadecimal from a page on."""
    return str(value) if -4096 < value < 4096 else hex(value)


def constant_text(names: type[IntFlag] | type[IntEnum], value: int) -> str:
    """Return a number in the C names of its class, and what has no name as a number."""
    exact = [name for name, member in names.__members__.items() if member == value]
    if exact:
        return exact[0]
    if issubclass(names, IntEnum) or value < 0:
        return number_text(int(value))
    parts, rest = [], int(value)
    if names is Map and rest & MAP_TYPE in (1, 2, 3):
        parts.append(Map(rest & MAP_TYPE).name or "")
        rest &= ~MAP_TYPE
    for name, member in names.__members__.items():
        if member and rest & member == member:
            parts.append(name)
            rest &= ~int(member)  # not ~member: that has the bits of its class only, and `rest` may have any
    return " | ".join(parts + ([hex(rest)] if rest or not parts else []))


def bytes_text(data: bytes, brief: bool = False) -> str:
    """Return data as Python: what repeats as a product, and (`brief`) only the beginning of what is long."""
    if len(data) <= 16:
        return repr(data)
    for period in (1, 2, 4, 8, 16):
        times, left = divmod(len(data), period)
        if not left and data == data[:period] * times:
            return f"{data[:period]!r} * {times}"
    return f"{data[:12]!r}... ({len(data)} bytes)" if brief else repr(data)


# ---------------------------------------------------------------- outcomes as text


def outcome_text(outcome: Outcome, name_of: Mapping[int, str] | None = None) -> str:
    """Return how a call ended, for people: a value, an errno's name, or a signal; addresses by name where known."""
    names = name_of or {}
    if outcome.missing:
        return f"not made: {outcome.missing} has no value"
    if isinstance(outcome.error, FatalSignal):
        error = outcome.error
        where = names.get(error.si_addr, hex(error.si_addr))
        return f"{type(error).__name__}, {error.code_name}, at {where}"
    if isinstance(outcome.error, OSError):
        return errno_text(outcome.error)
    if outcome.error is not None:
        return f"broke with {type(outcome.error).__name__}: {outcome.error}"
    return value_text(outcome.value, names)


def errno_text(error: OSError) -> str:
    """Return the C name of an error's number, for example `ENOMEM`."""
    if isinstance(error, ProcessLookupError):
        return "ESRCH (the process has ended)"
    return errno.errorcode.get(error.errno or 0, f"errno {error.errno}")


def value_text(value: object, names: Mapping[int, str]) -> str:
    """Return a call's value for people."""
    if value is None:
        return "done"
    if isinstance(value, bytes):
        return bytes_text(value, brief=True)
    if isinstance(value, Stat):
        return f"{value.st_size} bytes"
    if isinstance(value, list):
        return list_text(value)
    if isinstance(value, int):
        return names.get(value) or number_text(value)
    return str(value) if isinstance(value, tuple) or hasattr(value, "minor") else "a process"


def list_text(values: list[object]) -> str:
    """Return a residency list as a strip of `x` and `.`, and any other list by its length."""
    if all(isinstance(value, bool) for value in values):
        return "".join("x" if value else "." for value in values) or "[]"
    return f"{len(values)} areas"
