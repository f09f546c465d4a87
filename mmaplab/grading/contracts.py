"""What every replaceable kernel function is called with and gives back, as the desk tells it to a learner.

The wording and the order are those of `mmaplab.sim.slots.Slots`; here they can be tested one by one.
"""

from __future__ import annotations

import errno
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mmaplab.constants import PAGE_SIZE
from mmaplab.interface import FatalSignal
from mmaplab.sim import readahead
from mmaplab.sim.file import File
from mmaplab.sim.mm_types import FaultResult, MmStruct, TaskStruct, VmArea, VmFault
from mmaplab.sim.slots import Slots

Function = Callable[..., object]


@dataclass(frozen=True)
class Contract:
    """The arguments of a slot, what it gives back in words, and the test for that.

    `pure` says that a call changes nothing, so that the reference may be asked the same question beside it.
    """

    parameters: tuple[str, ...]
    gives: str
    accepts: Callable[[object], bool]
    pure: bool = False


def is_number(value: object) -> bool:
    """Is it a whole number, and not True or False?"""
    return isinstance(value, int) and not isinstance(value, bool)


AREA = ("an area or None", lambda value: value is None or isinstance(value, VmArea), True)
YES_OR_NO = ("True or False", lambda value: isinstance(value, bool), True)
FAULT_RESULT = ("a FaultResult", is_number)
NOTHING = ("nothing (None; an error is raised, as OSError(errno.EINVAL, ...))", lambda value: value is None)

CONTRACTS: dict[str, Contract] = {
    "find_vma": Contract(("mm", "addr"), *AREA),
    "can_vma_merge": Contract(("left", "right"), *YES_OR_NO),
    "get_unmapped_area": Contract(
        ("mm", "length", "hint", "file", "pgoff", "shared"), "an address, a whole number", is_number, True
    ),
    "translate": Contract(("task", "addr", "want"), "an entry, a whole number, or 0", is_number),
    "handle_mm_fault": Contract(("vmf",), *FAULT_RESULT),
    "do_fault_around": Contract(("vmf",), *FAULT_RESULT),
    "do_wp_page": Contract(("vmf",), *FAULT_RESULT),
    "page_cache_sync_ra": Contract(("file", "index", "req_count"), *NOTHING),
    "copy_page_range": Contract(("child", "parent"), *NOTHING),
    "zap_page_range": Contract(("vma", "start", "end"), *NOTHING),
    "do_writepages": Contract(("mapping", "first", "last", "why"), *NOTHING),
    "truncate_pagecache": Contract(("inode", "length"), *NOTHING),
    "do_msync": Contract(("task", "addr", "length", "flags"), *NOTHING),
}
"""The contract of each slot."""
assert CONTRACTS.keys() == Slots.__dataclass_fields__.keys(), "every slot has a contract"


def slot_of(function: object) -> str:
    """Return the slot that a function's name says: its own, or one inside it, as in `my_find_vma`; "" for none."""
    name = str(getattr(function, "__name__", ""))
    if name in CONTRACTS:
        return name
    inside = [slot for slot in CONTRACTS if slot in name]
    return max(inside, key=len, default="")


def misfit(slot: str, function: Function) -> str:
    """Return why the kernel cannot call a function in a slot: it takes other arguments; "" where it can."""
    parameters = CONTRACTS[slot].parameters
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some built-in functions do not tell
        return ""
    try:
        signature.bind(*parameters)
    except TypeError:
        name = getattr(function, "__name__", slot)
        given = f"{len(parameters)} argument{'s' * (len(parameters) != 1)}"
        return f"the kernel calls {slot}({', '.join(parameters)}), with {given}; {name}{signature} does not take them"
    return ""


# ---------------------------------------------------------------- choices on plain numbers


class Chosen:
    """page_cache_sync_ra with the choice of a learner's: `choose(index, request, previous, before, most)`.

    It returns the pages to read from `index` on, and how many of them lie behind the mark; chapter 08 asks for it.
    """

    def __init__(self, choose: Callable[..., Any]) -> None:
        self.choose = choose

    def __call__(self, file: File, index: int, req_count: int) -> None:
        """Ask for the choice in numbers, and read what it says."""
        ra, most = file.f_ra, readahead.ractl_max_pages(file, req_count)
        before = index and index - 1 - readahead.page_cache_prev_miss(file.f_inode.i_mapping, index - 1, most)
        previous = None if ra.prev_pos is None else ra.prev_pos // PAGE_SIZE
        size, ahead = self.choose(index, req_count, previous, before, most)
        if not is_number(size) or not is_number(ahead) or not 0 <= ahead <= size <= 4 * (most + req_count):
            raise ValueError(f"{size!r} page{'s' * (size != 1)}, {ahead!r} of them ahead, cannot be read")
        if not ahead:  # a stray read: the state stays as it is
            readahead.do_page_cache_ra(file, index, size, 0, "sync")
            return
        ra.start, ra.size, ra.async_size, ra.order = index, size, ahead, 0
        readahead.page_cache_ra_order(file, index, "sync")


CHOICES: dict[str, Callable[[Callable[..., Any]], Function]] = {"choose": Chosen}
"""What makes a slot's function of one that only chooses, by the name that a test gives as `through`."""


# ---------------------------------------------------------------- a call in words


def value_words(value: object) -> str:
    """Return an argument or a result as a learner would say it."""
    if isinstance(value, VmArea):
        return f"the area {value.vm_start:#x}-{value.vm_end:#x}"
    if isinstance(value, VmFault):
        return f"a {value.want} at {value.real_address:#x}"
    if isinstance(value, FaultResult):
        return " | ".join(flag.name or "" for flag in FaultResult if flag & value) or "VM_FAULT_DONE"
    if isinstance(value, (MmStruct, TaskStruct)):
        return "mm" if isinstance(value, MmStruct) else "task"
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return repr(value)
    if isinstance(value, int):
        return hex(value) if value >= PAGE_SIZE else str(value)
    inode = getattr(value, "f_inode", None) or getattr(value, "host", None)
    path = getattr(inode, "path", "")
    return f"file {path!r}" if path else type(value).__name__


def error_words(error: BaseException) -> str:
    """Return how a call ended that raised: the errno's name, the signal, or the error itself."""
    if isinstance(error, FatalSignal):
        return str(error)
    name = errno.errorcode.get(error.errno or 0) if isinstance(error, OSError) else None
    if name:
        return f"OSError({name})"
    return f"{type(error).__name__}: {error}"[:200]
