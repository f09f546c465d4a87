"""Programs that tests run: files, a configuration and a list of calls, as data that can be sent, shortened and printed.

    kernel.create_file("f", pages(24), warm=True)
    fd = p.open("f")
    a = p.mmap(0x10003000, 0x8000, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0x2000)
    p.load(a+0x5000)

shorten.py takes away what a failure does not need. Generated programs come from families/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mmaplab.calls import PARAMETERS, Argument, Call, Name, call_text
from mmaplab.constants import PAGE_SIZE, Map
from mmaplab.grading.plain import Plain

MAX_CALLS = 2000
SIZES = ("n", "length", "old_size", "new_size")
"""Parameters that say how much; no program has a reason to give one by a name."""
MAX_LENGTH = 64 << 20
"""Bytes that the calls of a program from outside may touch in all: what it costs must stay bounded."""

TOUCHING = Map.MAP_POPULATE | Map.MAP_LOCKED


@dataclass(frozen=True)
class FileSpec:
    """A file that is there before the program starts: `npages` whole pages, in the page cache where `warm`."""

    path: str
    npages: int
    warm: bool = True

    @property
    def data(self) -> bytes:
        """The file's bytes: every page is filled with a byte that tells it from its neighbours."""
        return pages(self.npages)

    def __str__(self) -> str:
        return f'kernel.create_file("{self.path}", pages({self.npages}){", warm=True" * self.warm})'


def pages(npages: int) -> bytes:
    """Return the bytes of a file of `npages` pages; page i is filled with the byte i % 251 + 1."""
    return b"".join(bytes([i % 251 + 1]) * PAGE_SIZE for i in range(npages))


@dataclass(frozen=True)
class Scenario:
    """A program with what it needs; `config` holds fields of KernelConfig that differ from the default."""

    files: tuple[FileSpec, ...] = ()
    calls: tuple[Call, ...] = ()
    config: Mapping[str, Plain] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """Return the program as lines of Python; the configuration first, where it differs."""
        settings = ", ".join(f"{key}={value!r}" for key, value in self.config.items())
        head = [f"kernel = Kernel(KernelConfig({settings}))"] if settings else []
        return head + [str(file) for file in self.files] + [call_text(call) for call in self.calls]

    def to_plain(self) -> dict[str, Plain]:
        """Return the program as data."""
        return {
            "files": [[file.path, file.npages, file.warm] for file in self.files],
            "config": dict(self.config),
            "calls": [call_to_plain(call) for call in self.calls],
        }

    @staticmethod
    def of(data: Plain) -> Scenario:
        """Return the program that data describes; raises ValueError where it is none, or asks for too much."""
        try:
            assert isinstance(data, dict)
            files = tuple(_file(item) for item in _list(data["files"], 10))
            calls = tuple(call_of(item) for item in _list(data["calls"], MAX_CALLS))
            config = data["config"]
            assert isinstance(config, dict)
        except (AssertionError, KeyError, TypeError, IndexError) as error:
            raise ValueError(f"this is no program: {error!r}") from None
        if not affordable(calls):
            raise ValueError(f"its calls touch more than {MAX_LENGTH >> 20} MiB")
        return Scenario(files, calls, config)


def call_to_plain(call: Call) -> Plain:
    """Return a call as data."""
    return [call.who, call.name, [_arg_to_plain(arg) for arg in call.args], list(call.gives)]


def call_of(data: Plain) -> Call:
    """Return the call that data describes; raises ValueError for anything that is not a call of a process."""
    who, name, args, gives = _list(data, 4)
    if not isinstance(who, str) or not isinstance(name, str) or name not in PARAMETERS or who == "kernel":
        raise ValueError(f"{who!r}.{name!r} is not a call of a process")
    values = tuple(_arg_of(arg) for arg in _list(args, 8))
    names = tuple(str(item) for item in _list(gives, 2))
    if len(values) != len(PARAMETERS[name]):
        raise ValueError(f"{name} takes {len(PARAMETERS[name])} arguments, not {len(values)}")
    for parameter, value in zip(PARAMETERS[name], values, strict=True):
        if parameter in SIZES and isinstance(value, Name):
            raise ValueError(f"the {parameter} of {name} is {value}: only a number says how much it touches")
    return Call(who, name, values, names)


def affordable(calls: Sequence[Call]) -> bool:
    """May a program with these calls be run for somebody else, by what they may touch?"""
    return sum(map(bytes_touched, calls)) <= MAX_LENGTH


def bytes_touched(call: Call) -> int:
    """Return how many bytes a call may touch, by its arguments alone."""
    numbers = dict(zip(PARAMETERS[call.name], call.args, strict=True))
    data = numbers.get("data")
    if isinstance(data, bytes):
        return len(data)
    flags = numbers.get("flags")
    if call.name == "munmap" or (call.name == "mmap" and not (isinstance(flags, int) and flags & TOUCHING)):
        return 0
    sizes = [numbers.get(name) for name in SIZES]
    return sum(size for size in sizes if isinstance(size, int) and 0 < size < 2**63)


def _arg_to_plain(arg: Argument) -> Plain:
    if isinstance(arg, Name):
        return {"name": [arg.name, arg.offset]}
    return {"bytes": arg.hex()} if isinstance(arg, bytes) else arg if isinstance(arg, str) else int(arg)


def _arg_of(data: Plain) -> Argument:
    if type(data) is int or isinstance(data, str):
        return data
    assert isinstance(data, dict)
    if "bytes" in data:
        return bytes.fromhex(str(data["bytes"]))
    name, offset = _list(data["name"], 2)
    assert isinstance(name, str) and type(offset) is int
    return Name(name, offset)


def _file(data: Plain) -> FileSpec:
    path, npages, warm = _list(data, 3)
    assert isinstance(path, str) and type(npages) is int and 0 <= npages <= 4096 and isinstance(warm, bool)
    return FileSpec(path, npages, warm)


def _list(data: Plain, most: int) -> list[Plain]:
    assert isinstance(data, list) and len(data) <= most, f"{data!r:.80} is not a list of at most {most}"
    return data
