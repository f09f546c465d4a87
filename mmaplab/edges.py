"""Experiments of chapter 10: bad addresses on the live kernel, touched by the kernel itself or by a child.

    page_size()                 what sysconf(3) says of the page, and what an area of one byte shows of it
    touch_by_system_call()      write(2) from addresses that cannot be read
    in_a_child(function)        run a function in a Python of its own, and say how it ended

Each raises NotAvailable where there is no live Linux.
"""

from __future__ import annotations

import errno
import inspect
import mmap
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable

from mmaplab.constants import PAGE_SIZE, Map, Prot
from mmaplab.lab import Value
from mmaplab.real import file_mapping, maps, warm_file
from mmaplab.real.libc import check, function, map_memory, require_linux, unmap_memory

NOWHERE = PAGE_SIZE
"""An address that no process has: below vm.mmap_min_addr."""


def page_size() -> dict[str, Value]:
    """Ask for the size of a page, and map one byte of a file: both answers in bytes. sysconf(3), _SC_PAGESIZE."""
    require_linux()
    with warm_file(1) as path, file_mapping(path, 1) as m:
        area = next(area for area in maps() if area.start == m.address)
        return {
            "os.sysconf('SC_PAGE_SIZE')": os.sysconf("SC_PAGE_SIZE"),
            "area of a mapping of 1 byte": area.end - area.start,
        }


def touch_by_system_call() -> dict[str, Value]:
    """Give write(2) three buffers: a good one, a page past a file's end, and an address without an area."""
    require_linux()
    with warm_file(1) as path, open(path, "rb") as file, tempfile.TemporaryFile() as sink:
        m = mmap.mmap(file.fileno(), PAGE_SIZE, prot=mmap.PROT_READ)
        past = map_memory(0, 2 * PAGE_SIZE, Prot.PROT_READ, Map.MAP_SHARED, file.fileno()) + PAGE_SIZE
        told: dict[str, Value] = {
            "write from a page of the file": _name(lambda: os.write(sink.fileno(), m)),
            "write from a page past the file's end": _name(lambda: _write(sink.fileno(), past)),
            "write from an address without area": _name(lambda: _write(sink.fileno(), NOWHERE)),
        }
        unmap_memory(past - PAGE_SIZE, 2 * PAGE_SIZE)
        m.close()
    return told


def _write(fd: int, address: int) -> int:
    """Write one byte that lies at `address`; raises OSError."""
    return check(function("write")(fd, address, 1), "write")


def _name(call: Callable[[], int]) -> str:
    try:
        return f"{call()} bytes"
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def in_a_child(risky: Callable[[], object], seconds: float = 20) -> dict[str, Value]:
    """Run a function that needs no name from outside in a fresh Python, and say how that Python ended.

    A signal ends the child and nobody else. Raises subprocess.TimeoutExpired after `seconds`.
    """
    require_linux()
    program = f"{textwrap.dedent(inspect.getsource(risky))}\nprint(repr({risky.__name__}()))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=seconds)
    if ended.returncode < 0:
        return {"ended": signal.Signals(-ended.returncode).name, "printed": ended.stdout.strip()}
    return {"ended": "normally" if ended.returncode == 0 else "with an error", "printed": ended.stdout.strip()}
